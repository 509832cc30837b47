"""
What a function was given: one value, or all by name.
"""

from __future__ import annotations

import pytest

from mllog.calls.arguments import NOTHING, arguments_of, part_of
from mllog.errors import ConfigError


def none():
    pass


def one(x):
    pass


def only_by_name(*, x):
    pass


def only_by_position(x, /, y=0):
    pass


def several(x, *rest, y=0, **more):
    pass


def named(**features):
    pass


def listed(*rows):
    pass


def method(self, x):
    pass


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "expected"),
    [
        (none, (), {}, NOTHING),
        (one, ([1],), {}, [1]),
        (one, (), {"x": 1}, 1),
        (one, (), {}, NOTHING),
        (one, (1, 2), {}, 1),
        (one, (), {"y": 2}, {"y": 2}),
        (only_by_name, (), {"x": 1}, 1),
        (only_by_position, (1,), {}, {"x": 1}),
        (only_by_position, (1, 2), {}, {"x": 1, "y": 2}),
        (several, (1,), {"y": 2}, {"x": 1, "y": 2}),
        (several, (1, 2, 3), {"z": 4}, {"x": 1, "rest": (2, 3), "z": 4}),
        (named, (), {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (named, (), {}, {}),
        (listed, (1, 2), {}, (1, 2)),
        (method, (None, 1), {}, 1),
        (method, (None,), {"x": 1}, 1),
        (method, (), {"self": None, "x": 1}, 1),
        (method, (1,), {"self": None}, 1),
    ],
)
def test_arguments_of_a_call_are_one_value_or_all_by_name(
    function, args, kwargs, expected
):
    """
    One parameter gives its value, several a dict of what was given.
    """
    assert expected == arguments_of(function, None)(args, kwargs)


@pytest.mark.parametrize(
    ("function", "name", "args", "kwargs", "expected"),
    [
        (several, "x", (1, 2), {}, 1),
        (several, "rest", (1, 2), {}, (2,)),
        (several, "z", (1,), {"z": 4}, 4),
        (several, "z", (1,), {}, NOTHING),
        (method, "x", (None, 1), {}, 1),
        (only_by_name, "x", (), {"x": 1}, 1),
    ],
)
def test_arguments_of_a_name_are_that_argument(
    function, name, args, kwargs, expected
):
    """
    A name takes one argument out, however it was given.
    """
    assert expected == arguments_of(function, name)(args, kwargs)


def test_arguments_of_a_name_that_is_none_raises():
    """
    A name that no argument can have is a ConfigError.
    """
    with pytest.raises(ConfigError, match="expected: one of x"):
        arguments_of(one, "y")


@pytest.mark.parametrize(
    ("value", "chosen", "expected"),
    [
        ([1], None, [1]),
        ({"a": 1}, "a", 1),
        (1j, "imag", 1.0),
        ([1, 2], sum, 3),
    ],
)
def test_part_of_is_an_item_an_attribute_or_what_is_made(
    value, chosen, expected
):
    """
    An item goes before an attribute, and a callable has the last word.
    """
    assert expected == part_of(value, chosen)


def test_part_of_what_is_not_there_raises():
    """
    A name that is neither item nor attribute is the caller's error.
    """
    with pytest.raises(AttributeError):
        part_of({"a": 1}, "b")
