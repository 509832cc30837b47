"""
Times as text: RFC 3339 in UTC with microseconds, always of one width.
"""

from __future__ import annotations

import logging
import time
from functools import lru_cache

__all__ = ["chooses_time", "utc"]

_MICROS = tuple(f"{micro:03d}Z" for micro in range(1000))

_TIME_FORMAT = logging.Formatter.default_time_format
_MSEC_FORMAT = logging.Formatter.default_msec_format
_CLOCKS = (time.localtime, time.gmtime)

# The text of the millisecond that was asked for last: records come in bursts,
# and this is a third of the time a datetime takes.  One tuple, so that threads
# see both or neither.
_last: tuple[int, str] = (-1, "")


def utc(created: float) -> str:
    """
    ``2026-11-21T06:45:12.000317Z`` for seconds since 1970; 1970 for nonsense.
    """
    global _last
    try:
        milli, micro = divmod(round(created * 1e6), 1000)
        known, text = _last
        if milli != known:
            second, thousandths = divmod(milli, 1000)
            text = f"{_second(second)}.{thousandths:03d}"
            _last = (milli, text)
        return text + _MICROS[micro]
    except Exception:  # makeLogRecord takes anything for a time
        return "1970-01-01T00:00:00.000000Z"


def chooses_time(formatter: logging.Formatter) -> bool:
    """
    Whether *formatter* says by logging's attributes how it writes a time.

    UTC alone says nothing new to who writes UTC anyway.
    """
    return (
        formatter.default_time_format is not _TIME_FORMAT
        or formatter.default_msec_format is not _MSEC_FORMAT
        or formatter.converter not in _CLOCKS
    )


@lru_cache(maxsize=8)
def _second(second: int) -> str:
    broken = time.gmtime(second)
    if not 1000 <= broken.tm_year <= 9999:
        raise ValueError(second)
    return time.strftime("%Y-%m-%dT%H:%M:%S", broken)
