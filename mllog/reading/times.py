"""
Points in time as logs write them, and as people do.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from ..errors import ConfigError, shown

__all__ = ["moment", "seconds_of"]

_ISO: Final = re.compile(
    r"""(\d{4})-(\d\d)-(\d\d)
        (?:[T\s](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?
        \s?(Z|z|UTC|[+-]\d\d:?\d\d)?)?""",
    re.VERBOSE | re.ASCII,
)
_AGO: Final = re.compile(
    r"(\d+(?:\.\d+)?)\s*(s|sec|m|min|h|d|w)(?:\s+ago)?", re.ASCII
)
_UNITS: Final = {
    "s": 1,
    "sec": 1,
    "m": 60,
    "min": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
}
# From where on a number of seconds is taken for one of a finer unit: what is
# not milliseconds is before the year 5138.
_FINER: Final = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
_LAST: Final = 253402300799.0  # the end of the year 9999


def seconds_of(value: Any) -> float | None:
    """
    Seconds since 1970 of a timestamp, or None if it is none.

    Text is RFC 3339 or like it, with a comma as ``asctime`` has it; without
    a time zone it counts as UTC.  A number is seconds, milliseconds,
    microseconds or nanoseconds, by its size.
    """
    if isinstance(value, str):
        return _of_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not 0 < value < _LAST * 1e9:  # a NaN as well
        return None
    for least, per_second in _FINER:
        if value >= least:
            return value / per_second
    return float(value)


def _of_text(text: str) -> float | None:
    parts = _ISO.fullmatch(text)
    if not parts:
        return None
    year, month, day, hour, minute, second = (
        int(each or 0) for each in parts.groups()[:6]
    )
    try:
        found = datetime(
            year, month, day, hour, minute, min(second, 59), 0, timezone.utc
        )
    except ValueError:
        return None
    fraction = float(f"0.{parts[7] or 0}")
    return found.timestamp() + fraction - _offset(parts[8] or "Z")


def _offset(zone: str) -> int:
    if zone in ("Z", "z", "UTC"):
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def moment(option: str, text: Any, now: float | None = None) -> float:
    """
    Seconds since 1970 of what a person wrote: a time, or how long ago.

    ``2026-11-21``, ``2026-11-21T06:45``, ``06:45`` (of today), ``15m``,
    ``2h ago``, ``today``, ``yesterday``, ``now``; all in UTC.

    Args:
        option: Name of the option, for the error.

        text: What was written.

        now: Seconds since 1970; None is the clock.

    Raises:
        ConfigError: It is none of these.
    """
    now = time.time() if now is None else now
    said = str(text).strip()
    found = _of_words(said.lower(), now)
    if found is None:
        found = _of_text(said)
    if found is None:
        raise ConfigError(
            shown(option, text),
            expected="a time such as 2026-11-21T06:45, 06:45 or yesterday, or"
            " how long ago: 15m, 2h, 7d",
        )
    return found


def _of_words(text: str, now: float) -> float | None:
    ago = _AGO.fullmatch(text)
    if ago:
        return max(now - float(ago[1]) * _UNITS[ago[2]], -_LAST)
    midnight = datetime.fromtimestamp(now, timezone.utc).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    days = {"today": 0, "yesterday": 1}.get(text)
    if days is not None:
        return (midnight - timedelta(days=days)).timestamp()
    if re.fullmatch(r"\d\d:\d\d(:\d\d)?", text, re.ASCII):
        return _of_text(f"{midnight.date()} {text}")
    return now if text == "now" else None
