"""
mllog.errors: what goes wrong says what to do.
"""

import sys

import hostile
import pytest

import mllog
from mllog import errors


def test_config_error_says_problem_expected_and_fix():
    """
    The message has the owner, the problem, what was expected, and the fix.
    """
    error = mllog.ConfigError(
        "when='X'", expected="H or D", fix="write H", owner="FileHandler"
    )

    assert str(error) == (
        "FileHandler: when='X'\n  expected: H or D\n  fix: write H"
    )
    assert str(mllog.ConfigError("alone")) == "alone"


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (errors.ConfigError, (errors.MllogError, TypeError, ValueError)),
        (errors.PresetNotFoundError, (errors.ConfigError, LookupError)),
        (errors.EventError, (errors.MllogError, ValueError)),
        (errors.MissingPackageError, (errors.MllogError, ImportError)),
        (errors.MllogWarning, (UserWarning,)),
    ],
)
def test_tree_is_as_drawn(kind, bases):
    """
    Each class can be caught as what the docstring's tree says.
    """
    assert all(issubclass(kind, base) for base in bases)
    assert kind.__name__ in errors.__doc__


def test_require_gives_the_module():
    """
    A package that is there is imported.
    """
    assert errors.require("json", "x").__name__ == "json"
    assert errors.require("os.path", "x") is sys.modules["os.path"]


@pytest.mark.parametrize("package", ["no_such_pkg", "no_such_pkg.inner"])
def test_require_missing_package_names_the_extra(package):
    """
    A package that is not there is an ImportError with the pip command.
    """
    with pytest.raises(mllog.MissingPackageError) as caught:
        errors.require(package, "s3")

    assert "pip install 'mllog-handlers[s3]'" in str(caught.value)
    assert caught.value.name == package
    assert caught.value.extra == "s3"


def test_require_package_that_lacks_another_says_which(tmp_path, monkeypatch):
    """
    A package that is there but broken is not called missing.
    """
    (tmp_path / "brokenpkg.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ModuleNotFoundError) as caught:
        errors.require("brokenpkg", "s3")

    assert caught.value.name == "no_such_dependency"
    assert not isinstance(caught.value, mllog.MissingPackageError)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("max_bytes", "maxBytes"),
        ("backupcount", "backupCount"),
        ("filname", "filename"),
        ("zzz", ""),
    ],
)
def test_nearest_is_what_was_meant(name, expected):
    """
    Case, underscores and small slips are seen through.
    """
    known = ["maxBytes", "backupCount", "filename"]

    assert errors.nearest(name, known) == expected


@pytest.mark.parametrize(
    "option",
    [
        "password",
        "sasl_password",
        "api_key",
        "apikey",
        "Token",
        "client_secret",
    ],
)
def test_shown_secret_is_masked(option):
    """
    The value of an option that may be a secret is never shown.
    """
    assert errors.shown(option, "hunter2") == f"{option}=***"


def test_shown_value_is_short_and_never_raises():
    """
    A long value is cut, and one whose repr raises is named by its type.
    """

    class Rude:
        def __repr__(self):
            raise ValueError

    assert errors.shown("x", 1) == "x=1"
    assert len(errors.shown("x", "a" * 1000)) == 82
    assert errors.shown("x", Rude()) == "x=<Rude>"


def test_value_that_has_no_name_either_is_shown_as_an_object():
    """
    Whatever a value forbids, the message about it can be made.
    """
    assert "a=<object>" == errors.shown("a", hostile.Nameless())
