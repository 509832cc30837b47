"""
Points in time as logs and people write them.
"""

import pytest

from mllog.errors import ConfigError
from mllog.reading.times import moment, seconds_of

NOW = 1795243512.0  # 2026-11-21T06:45:12Z


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-21T06:45:12Z", NOW),
        ("2026-11-21T06:45:12.000317Z", NOW + 0.000317),
        ("2026-11-21 06:45:12,317", NOW + 0.317),
        ("2026-11-21T08:45:12+02:00", NOW),
        ("2026-11-21T01:15:12-0530", NOW),
        ("2026-11-21", NOW - 6 * 3600 - 45 * 60 - 12),
        (NOW, NOW),
        (int(NOW * 1000), NOW),
        (int(NOW * 1e6), NOW),
        (int(NOW * 1e9), NOW),
        ("soon", None),
        ("2026-13-01", None),
        ("", None),
        (True, None),
        (None, None),
        (-1, None),
        (float("nan"), None),
        ([], None),
    ],
)
def test_seconds_of_reads_what_logs_write(value, expected):
    """
    Each usual way to write a time is read; anything else is none.
    """
    found = seconds_of(value)

    assert expected == (found and pytest.approx(found, abs=1e-6))


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("15m", 900),
        ("2h ago", 7200),
        ("1.5d", 129600),
        ("now", 0),
        ("06:45", 12),
        ("today", 24312),
        ("yesterday", 110712),
        ("2026-11-21T06:45", 12),
    ],
)
def test_moment_reads_what_people_write(text, ago):
    """
    A time of day, a day, or how long ago.
    """
    assert ago == NOW - moment("since", text, NOW)


def test_moment_that_is_none_is_refused():
    """
    The error names the option and what was expected.
    """
    with pytest.raises(ConfigError, match="since='soon'"):
        moment("since", "soon")
