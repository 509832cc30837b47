"""
mllog.timestamps: RFC 3339 in UTC, always of one width.
"""

import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog.timestamps import utc

NOTHING = "1970-01-01T00:00:00.000000Z"


@given(created=st.floats(-30_000_000_000, 253_402_300_799))
def test_utc_any_time_is_the_one_of_datetime(created):
    """
    Each time between the years 1020 and 9999 reads as datetime writes it.
    """
    when = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    when += datetime.timedelta(microseconds=round(created * 1e6))

    assert utc(created) == when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_utc_microseconds_are_rounded_not_cut():
    """
    A time that was given with 317 microseconds is written with 317.
    """
    assert utc(1795243512.000317) == "2026-11-21T06:45:12.000317Z"


@pytest.mark.parametrize(
    "created",
    [
        float("nan"),
        float("inf"),
        1e300,
        -1e300,
        253_402_300_800,
        -62_000_000_000,
        None,
        "now",
        [],
        10**400,
    ],
)
def test_utc_nonsense_is_1970(created):
    """
    What is no time that RFC 3339 can write is 1970.
    """
    assert utc(created) == NOTHING


@given(created=st.one_of(st.floats(), st.integers()))
def test_utc_any_number_has_one_width(created):
    """
    The text is 27 characters long, whatever the number.
    """
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", utc(created)
    )
