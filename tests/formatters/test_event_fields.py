"""
The checks of fields that an event cannot be right without.
"""

import enum
import http

from ids import as_id
import hostile
import numpy as np
import pytest
from hypothesis import given

from mllog.errors import EventError
from mllog.formatters.event_fields import count, int32, seconds, text


class Colour(str, enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        (http.HTTPStatus.NOT_FOUND, 404),
        (np.int64(7), 7),
        (np.uint8(7), 7),
        (np.array(7), 7),
        (-(2**31), -(2**31)),
    ],
    ids=as_id,
)
def test_int32_whole_number_is_an_int(value, expected):
    """
    Integers of Python and numpy come as plain ints.
    """
    found = int32("field", value)

    assert expected == found
    assert type(found) is int
    assert expected == count("field", value)


@pytest.mark.parametrize(
    "value",
    [
        True,
        np.bool_(True),
        7.0,
        np.float64(7),
        np.array([7]),
        np.uint64(2**63),
        None,
        "7.0",
        "",
        "-7",
        "7 ",
        "７",
        hostile.MagicMock(),
        hostile.Liar(int),
    ],
    ids=range(14),
)
def test_count_of_anything_else_is_an_error(value):
    """
    No bool, float or mock is a number, and not every text is digits.
    """
    for check in (int32, count):
        with pytest.raises(EventError):
            check("field", value)


def test_count_takes_digits_and_int32_does_not():
    """
    Versions and ids may come as text, a status may not.
    """
    assert count("field", "007") == 7
    assert count("field", np.str_("3")) == 3
    with pytest.raises(EventError):
        int32("field", "7")


def test_text_of_a_kind_of_text_is_plain():
    """
    An enum or numpy's text comes as the str that it is.
    """
    for value, expected in [(Colour.RED, "red"), (np.str_("a"), "a")]:
        found = text("field", value)
        assert expected == found
        assert type(found) is str


@given(value=hostile.VALUES)
def test_any_value_is_checked_or_refused(value):
    """
    No object makes a check raise anything but an EventError of one safe line.
    """
    for check, kind in [
        (int32, int),
        (count, int),
        (text, str),
        (seconds, float),
    ]:
        try:
            found = check("field", value)
        except EventError as exc:
            assert exc.field == "field"
            assert exc.problem.startswith("field")
            assert "\n" not in exc.problem
            exc.problem.encode()
        else:
            assert type(found) is kind
