"""
Options that are declared in a signature: who reads them, and what they give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypedDict

import pytest

import mllog
from mllog import options
from mllog.errors import ConfigError
from mllog.options import Default, Unpack


class Waiting(TypedDict, total=False):
    linger_seconds: Annotated[options.NotNegative, Default(1.0)]
    max_bytes: Annotated[options.Size, Default("1KiB")]


class Base:
    @options.checked
    def __init__(
        self,
        *,
        label: options.Text | None = None,
        **waiting: Unpack[Waiting],
    ) -> None:
        self.label = label
        self.waiting = waiting

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[ConfigError]:
        if given["max_bytes"] < given["linger_seconds"]:
            yield ConfigError("max_bytes is less than linger_seconds")


class Sender(Base):
    DEFAULTS = {"linger_seconds": "0.5"}

    @options.checked
    def __init__(
        self,
        path: options.Path,
        mode: Literal["a", "w"] = "a",
        *,
        fields: options.Names = "x, y",
        strict: options.Flag = "no",
        **waiting: Unpack[Waiting],
    ) -> None:
        super().__init__(**waiting)
        self.path, self.mode = path, mode
        self.fields, self.strict = fields, strict


class Foreign(Sender):
    def __init__(self, **given: Any) -> None:
        super().__init__("p", **given)


def test_constructor_gets_parsed_values_and_defaults() -> None:
    """
    The body has what the parsers make of what was given and of defaults.
    """
    made = Sender("log", max_bytes="2KiB")

    assert (made.path, made.mode, made.strict) == ("log", "a", False)
    assert made.fields == ("x", "y")
    assert made.waiting == {"linger_seconds": 0.5, "max_bytes": 2048}
    assert made.label is None


def test_defaults_of_a_class_change_what_its_base_declares() -> None:
    """
    DEFAULTS replaces a default and nothing else.
    """
    assert Base().waiting["linger_seconds"] == 1.0
    assert options.declared(Sender)["linger_seconds"].default == "0.5"
    assert options.declared(Base)["linger_seconds"].default == 1.0


def test_class_without_the_decorator_passes_options_on() -> None:
    """
    Somebody's subclass with a constructor of its own parses nothing twice.
    """
    made = Foreign(fields=["a"], max_bytes=7)

    assert made.fields == ("a",)
    assert made.waiting == {"linger_seconds": 0.5, "max_bytes": 7}


@pytest.mark.parametrize(
    ("given", "option", "said"),
    [
        ({}, "", "needs the option path"),
        ({"path": ""}, "path", "path=''"),
        ({"path": "p", "mode": "r"}, "mode", "mode='r'"),
        ({"path": "p", "strict": "perhaps"}, "strict", "strict='perhaps'"),
        ({"path": "p", "max_bytes": "big"}, "max_bytes", "max_bytes='big'"),
        ({"path": "p", "max_byte": 1}, "max_byte", "write max_bytes"),
        ({"path": "p", "linger_seconds": -1}, "linger_seconds", "=-1"),
        ({"path": "p", "max_bytes": 0}, "", "less than linger_seconds"),
    ],
)
def test_problems_and_constructor_refuse_the_same(
    given: dict[str, Any], option: str, said: str
) -> None:
    """
    What the constructor refuses is found without calling it.
    """
    ((named, error),) = options.problems(Sender, given)
    with pytest.raises(ConfigError) as caught:
        Sender(**given)

    assert (named, said in str(error)) == (option, True)
    assert str(caught.value) == str(error)


def test_problems_of_an_incomplete_configuration_are_those_of_its_values() -> (
    None
):
    """
    Where options are only known later, nothing is said about what is missing.
    """
    assert list(options.problems(Sender, {}, is_complete=False)) == []
    ((named, _),) = options.problems(Sender, {"mode": 1}, is_complete=False)
    assert named == "mode"


def test_option_of_a_class_of_mllog_resolves_its_annotation() -> None:
    """
    Each public class declares options whose annotations can be evaluated.
    """
    for name in mllog.__all__:
        cls = getattr(mllog, name)
        if isinstance(cls, type):
            assert options.declared(cls) is not None
