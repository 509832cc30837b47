"""
What people are told of a sink that is away.
"""

from __future__ import annotations

import math
import time

from .. import waiting
from ..reports import Reports
from .retry import Fault, Verdict

__all__ = ["Outage"]

_SAY_AFTER_ATTEMPTS = 2
_SECONDS_BETWEEN = 30.0


class Outage:
    """
    What is told of a sink that is away: that it is, and that it is back.

    One that comes and goes is told of once in a while.
    """

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self.reset()

    def reset(self) -> None:
        """
        Nothing was ever wrong; for a forked child.
        """
        self._attempts = 0
        self._began = 0.0
        self._unsaid = 0
        self._say_at = self._say_worse_at = -math.inf
        #: Whether it was told, and whether it passes only if somebody mends it.
        self.is_said = self.needs_people = False
        #: What was wrong last; ``""`` while all is well.
        self.why = ""

    def goes_on(self, error: BaseException, verdict: Verdict) -> None:
        """
        Another attempt failed.
        """
        now = time.monotonic()
        self.why = str(error) or type(error).__name__
        if not self._attempts:
            self._began = now
        self._attempts += 1
        # a connection that broke, and is there again at once, is no news
        needs_people = verdict.fault is Fault.AUTH
        if self._attempts < _SAY_AFTER_ATTEMPTS and not needs_people:
            return
        is_worse = (
            needs_people
            and not self.needs_people
            and now >= self._say_worse_at
        )
        is_news = not self.is_said and now >= self._say_at
        if is_news or is_worse:
            self.is_said, self.needs_people = True, needs_people
            if needs_people:
                self._say_worse_at = now + _SECONDS_BETWEEN
            self._say_at = now + _SECONDS_BETWEEN
            self._say(error)

    def _say(self, error: BaseException) -> None:
        more = ""
        if self._unsaid:
            times = "once" if self._unsaid == 1 else f"{self._unsaid} times"
            more = f" ({times} more since the last report)"
            self._unsaid = 0
        self._reports.say(
            f"cannot send: {str(error) or type(error).__name__}{more}\n"
            "  records wait, and are sent when it works again"
        )

    def ends(self) -> None:
        """
        An attempt worked.
        """
        if self.is_said and not waiting.is_exiting():
            seconds = time.monotonic() - self._began
            self._reports.say(f"sends again, after {seconds:.1f} s")
        elif self._attempts >= _SAY_AFTER_ATTEMPTS:
            self._unsaid += 1
        self._attempts, self.why = 0, ""
        self.is_said = self.needs_people = False
