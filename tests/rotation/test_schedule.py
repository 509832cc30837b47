"""
When a file rotates by the clock.
"""

import datetime
import time

import pytest

from mllog.errors import ConfigError
from mllog.rotation.schedule import Schedule


@pytest.fixture(name="berlin")
def _berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _utc(text):
    moment = datetime.datetime.fromisoformat(text)
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("when", "interval", "moment", "boundary"),
    [
        ("S", 1, "2026-03-01T12:00:00", "2026-03-01T12:00:01"),
        ("S", 30, "2026-03-01T12:00:00", "2026-03-01T12:00:30"),
        ("M", 15, "2026-03-01T12:14:59", "2026-03-01T12:15:00"),
        ("h", 1, "2026-03-01T12:59:59", "2026-03-01T13:00:00"),
        ("H", 6, "2026-03-01T19:00:00", "2026-03-02T00:00:00"),
        ("H", 7, "2026-03-01T22:00:00", "2026-03-02T00:00:00"),
        ("D", 1, "2026-02-28T23:59:59", "2026-03-01T00:00:00"),
        ("midnight", 1, "2026-12-31T10:00:00", "2027-01-01T00:00:00"),
        ("W0", 1, "2026-03-01T10:00:00", "2026-03-02T00:00:00"),
        ("W6", 1, "2026-03-01T10:00:00", "2026-03-08T00:00:00"),
    ],
)
def test_schedule_in_utc_finds_the_next_boundary(
    when, interval, moment, boundary
):
    """
    Each unit has its boundaries at fixed times of the day or week.
    """
    schedule = Schedule(when, interval, utc=True)

    assert _utc(boundary) == schedule.after(_utc(moment))


@pytest.mark.parametrize("when", ["S", "M", "H", "D", "MIDNIGHT", "W3"])
@pytest.mark.parametrize("interval", [1, 2, 5, 30])
@pytest.mark.parametrize("utc", [True, False])
def test_schedule_after_any_moment_is_later_and_stable(
    when, interval, utc, berlin
):
    """
    A boundary is later than the moment, and the same from anywhere before it.
    """
    schedule = Schedule(when, interval, utc=utc)
    moment = _utc("2026-03-27T22:13:07")

    for _ in range(60):
        boundary = schedule.after(moment)

        assert boundary > moment
        assert schedule.after((moment + boundary) / 2) == boundary
        moment = boundary


def test_schedule_over_summer_time_stays_at_local_midnight(berlin):
    """
    The days of 23 and of 25 hours both end at midnight.
    """
    schedule = Schedule("MIDNIGHT")

    spring = schedule.after(_utc("2026-03-28T23:00:00"))
    autumn = schedule.after(_utc("2026-10-24T22:00:00"))

    assert _utc("2026-03-29T22:00:00") == spring
    assert _utc("2026-10-25T23:00:00") == autumn


def test_schedule_with_time_of_day_uses_it():
    """
    atTime moves the boundary of days and weeks.
    """
    schedule = Schedule("D", utc=True, at_time=datetime.time(3, 30))

    boundary = schedule.after(_utc("2026-03-01T03:30:00"))

    assert _utc("2026-03-02T03:30:00") == boundary


@pytest.mark.parametrize("when", ["X", "W7", "W", "1H", ""])
def test_schedule_with_unknown_unit_is_refused(when):
    """
    Anything else is a ConfigError that lists what there is.
    """
    with pytest.raises(ConfigError, match="MIDNIGHT"):
        Schedule(when)
