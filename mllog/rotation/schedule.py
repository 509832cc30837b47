"""
When a file rotates by the clock.
"""

from __future__ import annotations

import calendar
import datetime
import time
from dataclasses import dataclass

from ..errors import ConfigError, shown

__all__ = ["Schedule"]

_DAY = 86400
_STEPS = {"S": 1, "M": 60, "H": 3600}


@dataclass(frozen=True)
class Schedule:
    """
    The stdlib's ``when`` and ``interval``, on fixed boundaries.

    Boundaries do not depend on when a process started: seconds, minutes and
    hours are counted from midnight, days and weeks from a fixed day.  So
    several processes agree, and a restart moves nothing.

    Args:
        when: ``S``, ``M``, ``H``, ``D``, ``MIDNIGHT`` or ``W0`` (Monday) to
            ``W6``, in either case.

        interval: Every so many of them, 1 or more.

        utc: Count in UTC, else in local time, with its summer time.

        at_time: Time of day for days and weeks; None is midnight.

    Raises:
        ConfigError: *when* is none of these.
    """

    when: str
    interval: int = 1
    utc: bool = False
    at_time: datetime.time | None = None

    def __post_init__(self) -> None:
        when = str(self.when).upper()
        is_week = len(when) == 2 and when[0] == "W" and when[1] in "0123456"
        if when not in ("S", "M", "H", "D", "MIDNIGHT") and not is_week:
            raise ConfigError(
                shown("when", self.when),
                expected="S, M, H, D, MIDNIGHT, or W0 (Monday) to W6",
            )
        object.__setattr__(self, "when", when)

    def after(self, moment: float) -> float:
        """
        The first boundary later than *moment*, both in seconds since 1970.
        """
        step = _STEPS.get(self.when)
        if step is not None:
            return self._after_in_day(moment, step * self.interval)
        return self._after_in_days(moment)

    def _after_in_day(self, moment: float, step: int) -> float:
        if step >= _DAY:
            return (moment // step + 1) * step
        midnight = self._day_start(moment, 0)
        boundary = midnight + ((moment - midnight) // step + 1) * step
        return min(boundary, self._day_start(moment, 1))

    def _after_in_days(self, moment: float) -> float:
        weekly = self.when.startswith("W")
        period = 7 * self.interval if weekly else self.interval
        # 1970-01-05 was the first Monday
        phase = 4 + int(self.when[1]) if weekly else 0
        day = self._day_number(moment)
        offset = (phase - day) % period
        boundary = self._day_start(moment, offset)
        if boundary <= moment:
            boundary = self._day_start(moment, offset + period)
        return boundary

    def _day_number(self, moment: float) -> int:
        broken = time.gmtime(moment) if self.utc else time.localtime(moment)
        return calendar.timegm((*broken[:3], 0, 0, 0)) // _DAY

    def _day_start(self, moment: float, days: int) -> float:
        """
        The start of the day that is *days* after the one of *moment*.
        """
        broken = time.gmtime(moment) if self.utc else time.localtime(moment)
        in_steps = self.when in _STEPS
        at = datetime.time() if in_steps or not self.at_time else self.at_time
        clock = (at.hour, at.minute, at.second)
        date = (broken[0], broken[1], broken[2] + days)
        if self.utc:
            start = calendar.timegm((*broken[:3], *clock)) + days * _DAY
            return float(start)
        return time.mktime((*date, *clock, 0, 0, -1))
