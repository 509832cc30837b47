"""
Which records are wanted.
"""

import pytest

from mllog.errors import ConfigError
from mllog.reading.selection import selection

RECORD = {
    "timestamp": "2026-11-21T06:45:12Z",
    "level": "WARNING",
    "logger": "serve.api",
    "message": "slow",
    "inference_latency": 0.3,
}


@pytest.mark.parametrize(
    ("asked", "is_wanted"),
    [
        ({}, True),
        ({"level": "warning"}, True),
        ({"level": "30"}, True),
        ({"level": "ERROR"}, False),
        ({"logger": "serve"}, True),
        ({"logger": "serve.api"}, True),
        ({"logger": "serv"}, False),
        ({"since": "2026-11-21T06:45:12"}, True),
        ({"since": "2026-11-21T06:45:13"}, False),
        ({"until": "2026-11-21T06:45:12"}, False),
        ({"until": "2026-11-22"}, True),
        ({"where": "inference_latency > 0.2"}, True),
        ({"where": "inference_latency > 0.2", "level": "ERROR"}, False),
    ],
)
def test_record_is_wanted_if_it_is_all_that_was_asked(asked, is_wanted):
    """
    Each thing that is asked for has to hold.
    """
    chosen = selection(**asked)

    assert is_wanted is chosen(RECORD)
    assert chosen.is_all is (not asked)


@pytest.mark.parametrize(
    "asked", [{"level": "info"}, {"since": "1d"}, {"logger": "a"}]
)
def test_record_without_the_part_is_not_wanted(asked):
    """
    One without a level, time or logger is none of those asked for.
    """
    assert not selection(**asked)({"x": 1})


@pytest.mark.parametrize(
    "asked", [{"level": "loud"}, {"since": "soon"}, {"where": "1 +"}]
)
def test_selection_that_cannot_be_read_says_what_was_expected(asked):
    """
    The error names the option, its value and what it should be.
    """
    [(name, value)] = asked.items()
    with pytest.raises(ConfigError, match=name) as caught:
        selection(**asked)

    assert value in str(caught.value)
    assert "expected" in str(caught.value)
