"""
Limits that can work, and the words for those that cannot.
"""

import dataclasses

import pytest

from mllog import options
from mllog.delivery.bounds import Bounds
from mllog.delivery.handler import ShippingHandler
from mllog.errors import ConfigError


def bounds_of(**given):
    """
    The bounds of a handler with these options.
    """
    known = options.declared(ShippingHandler)
    return Bounds.of(
        {
            name: option.read(given.get(name, option.default))
            for name, option in known.items()
        }
    )


def test_bounds_without_options_are_the_defaults():
    """
    10 000 records or 16 MiB wait; 500 records or 1 MiB go together.
    """
    bounds = bounds_of()

    assert bounds == Bounds()
    assert bounds.max_queue_records == 10_000
    assert bounds.max_queue_bytes == 16 * 2**20
    assert bounds.overflow == "drop_oldest"
    assert bounds.batch_records == 500
    assert bounds.batch_bytes == 2**20


def test_bounds_take_the_texts_of_an_ini_file():
    """
    Strings work as numbers do.
    """
    bounds = bounds_of(
        max_queue_records="20",
        max_queue_bytes="2MiB",
        max_record_bytes="1KiB",
        overflow="block",
        block_seconds="0.5",
        max_age_seconds="7",
        batch_records="3",
        batch_bytes="1MB",
        linger_seconds="0",
    )

    assert dataclasses.astuple(bounds) == (
        20,
        2 * 2**20,
        1024,
        "block",
        0.5,
        7.0,
        3,
        1_000_000,
        0.0,
    )


@pytest.mark.parametrize("value", [None, ""])
def test_bounds_without_an_age_let_records_wait(value):
    """
    None, and nothing in an INI file, is no limit where there is a spool.
    """
    bounds = bounds_of(max_age_seconds=value, spool="overflow")

    assert bounds.max_age_seconds is None
    assert bounds_of(max_age_seconds=value).max_age_seconds == 300


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "block"])
def test_bounds_take_each_policy(overflow):
    """
    All that give way are known.
    """
    assert bounds_of(overflow=overflow).overflow == overflow


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_queue_records", 0),
        ("max_queue_records", 1.5),
        ("max_queue_bytes", 1023),
        ("max_record_bytes", "0"),
        ("batch_bytes", -1),
        ("batch_bytes", "much"),
        ("batch_records", True),
        ("overflow", "drop"),
        ("block_seconds", -0.1),
        ("block_seconds", "nan"),
        ("linger_seconds", float("inf")),
        ("max_age_seconds", 0),
        ("max_age_seconds", "never"),
    ],
)
def test_bounds_that_cannot_work_name_the_option(option, value):
    """
    The error says which option, and what it was given.
    """
    with pytest.raises(ConfigError) as caught:
        bounds_of(**{option: value})

    assert option in str(caught.value)
    assert str(value) in str(caught.value)


def test_bounds_of_a_record_larger_than_the_queue_are_refused():
    """
    The queue has to hold one record at least.
    """
    with pytest.raises(ConfigError, match="max_queue_bytes=1024"):
        bounds_of(max_queue_bytes=1024, max_record_bytes=1025)


def test_bounds_of_a_record_as_large_as_the_queue_are_fine():
    """
    One record fills it.
    """
    bounds = bounds_of(max_queue_bytes=1024, max_record_bytes=1024)

    assert bounds.max_record_bytes == bounds.max_queue_bytes


@pytest.mark.parametrize(("linger", "age"), [(60, 60), ("61", "60"), (1, 0.5)])
def test_bounds_of_records_too_old_before_they_are_sent_are_refused(
    linger, age
):
    """
    A record that lingers as long as it may wait would never be sent.
    """
    with pytest.raises(ConfigError) as caught:
        bounds_of(linger_seconds=linger, max_age_seconds=age)

    assert "linger_seconds" in str(caught.value)
    assert f"max_age_seconds={float(age):g}" in str(caught.value)


def test_bounds_of_a_linger_longer_than_the_default_age_are_refused():
    """
    Whoever sets one of the two hears of the other.
    """
    with pytest.raises(ConfigError, match=r"max_age_seconds=300"):
        bounds_of(linger_seconds=300)


@pytest.mark.parametrize(("linger", "age"), [(59.9, 60), (600, None), (0, 1)])
def test_bounds_of_records_sent_in_time_are_fine(linger, age):
    """
    Also where records may wait for ever.
    """
    bounds = bounds_of(
        linger_seconds=linger, max_age_seconds=age, spool="overflow"
    )

    assert bounds.linger_seconds == linger
