"""
Doing something at the end of each interval in which something happened.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import time
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from time import monotonic
from typing import Any, Final, NamedTuple

from .. import waiting
from ..forking import before_child_ends, fork_safe_lock, tell_child
from ..threads import Flag, SystemThread

__all__ = ["Intervals", "Span"]

# So late the timer may be before a caller does its work
_GRACE: Final = 1.0
_IDLE: Final = -math.inf
_CLOSE_SECONDS: Final = 2.0


class Span(NamedTuple):
    """
    An interval that is over.

    Args:
        since: When it began, as ``time.time()``.

        seconds: How long it was.
    """

    since: float
    seconds: float


class Intervals:
    """
    A timer that runs only while there is something to say.

    The first thing that happens begins an interval; a thread ends it, and
    ends itself after an interval in which nothing happened.  Where no thread
    runs, as at the exit or in a server that allows none, the first call after
    the end does its work.

    Guarantee:
        Nothing here raises or waits, but :meth:`close`, which waits for the
        thread: not longer than it is told, and not under logging's lock.
        Then the thread acts, when that lock is free.

    Args:
        act: Does it; gives whether there was something to do.

        seconds: Length of an interval.

        fault: Told of what went wrong.

        aligned: Whether intervals end at whole multiples of *seconds* of the
            clock, in UTC.
    """

    def __init__(
        self,
        act: Callable[[Span], bool],
        seconds: float,
        fault: Callable[[BaseException], None],
        *,
        aligned: bool = False,
    ) -> None:
        self._act = act
        self._seconds = seconds
        self._fault = fault
        self._aligned = aligned
        self._lock = fork_safe_lock()
        self._is_closed = False
        #: Who notes something calls :meth:`touch` from this time on.
        self.check_at = _IDLE
        self._ended = monotonic()
        self.forget_parent()
        _everything.add(self)
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: no thread, and nothing has happened.
        """
        self.check_at = _IDLE
        self._due = math.inf
        self._begun = 0.0
        self._is_busy = False
        self._thread: SystemThread | None = None
        self._wake = Flag()

    def touch(self) -> None:
        """
        Something has happened: begin an interval, or end one that is over.
        """
        if self.check_at == _IDLE:
            self._begin()
        elif monotonic() >= self.check_at:
            self.turn()

    def turn(self) -> bool:
        """
        End the interval now, and act; whether there was something to do.
        """
        with self._lock:
            now = monotonic()
            begun = self._ended if self.check_at == _IDLE else self._begun
            self.check_at, self._due = _IDLE, math.inf
            self._ended, self._is_busy = now, True
        seconds = now - begun
        done = False
        try:
            done = self._act(Span(time.time() - seconds, seconds))
        except Exception as exc:
            self._fault(exc)
        if not done:
            self._is_busy = False
        return done

    def _begin(self) -> None:
        with self._lock:
            if self.check_at != _IDLE:
                return
            now = monotonic()
            self._begun = self._beginning(now)
            past = time.time() % self._seconds if self._aligned else 0.0
            self._due = (
                now + self._seconds - past
                if self._aligned
                else self._begun + self._seconds
            )
            is_timed = self._start()
            self.check_at = self._due + (_GRACE if is_timed else 0.0)

    def _beginning(self, now: float) -> float:
        """
        When an interval began in which something happens *now* first.
        """
        if self._aligned:
            return max(self._ended, now - time.time() % self._seconds)
        is_next = self._is_busy and now - self._ended < self._seconds
        return self._ended if is_next else now

    def _start(self) -> bool:
        """
        Whether there is a thread; start one if need be.
        """
        if self._thread is not None:
            return True
        if self._is_closed or waiting.is_exiting():
            return False
        _hook_exit()
        thread = SystemThread(self._run, "mllog-intervals")
        self._thread = thread
        try:
            thread.start()
        except RuntimeError:  # too many, or the interpreter ends
            self._thread = None
        return self._thread is not None

    def _run(self) -> None:
        wake = self._wake
        while True:
            wait = min(self._due - monotonic(), self._seconds)
            wake.wait(max(0.0, wait))
            is_last = wake.is_set()
            if is_last:
                with _configuration():  # whoever closes us under it
                    pass
            if not is_last and monotonic() < self._due < math.inf:
                continue
            has_more = (is_last or self._due < math.inf) and self.turn()
            if has_more and not is_last:
                self._begin()
                continue
            with self._lock:
                if is_last or self.check_at == _IDLE:
                    self._thread = None
                    return

    def flush(self) -> None:
        """
        End the interval now, unless logging is being configured.
        """
        if self._thread is None or not waiting.under_logging_lock():
            self.turn()

    def close(self, timeout: float = _CLOSE_SECONDS) -> None:
        """
        End the last interval; what happens later waits for the exit.
        """
        self._is_closed = True
        self._wake.set()
        thread = self._thread
        if thread is not None and not thread.is_here:
            if waiting.under_logging_lock():
                return
            deadline = waiting.deadline(None, timeout)
            thread.join(deadline - monotonic())
            waiting.waited()
        self.turn()


def _configuration() -> Any:
    """
    Logging's own lock, which ``dictConfig`` holds.
    """
    return getattr(logging, "_lock", None) or nullcontext()


# --- the end of the process ---

_everything: weakref.WeakSet[Intervals] = weakref.WeakSet()
_hooked = 0


def _hook_exit() -> None:
    """
    Have the last intervals end before logging closes its handlers.
    """
    global _hooked
    if _hooked == os.getpid():
        return
    if not _hooked:
        atexit.register(_at_exit)
    _hooked = os.getpid()
    # before shippers, whose priority is 0, end
    before_child_ends(_at_exit, 10)


def _at_exit() -> None:
    waiting.count_down()
    for each in list(_everything):
        each.close()
