"""
Whether this thread may wait, and until when: one budget for all at the end.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

from . import env
from .errors import ConfigError

__all__ = [
    "begin_exit",
    "count_down",
    "deadline",
    "exit_began",
    "in_event_loop",
    "is_exiting",
    "under_logging_lock",
    "waited",
    "within",
]

_ALL_SECONDS = 5.0
_PAUSE_SECONDS = 0.5

_is_exiting = False
# By time.monotonic(): since when, and until when, the process ends.
_exit_began = _exit_by = math.inf
# The id of a call's frame, when its time is over, and when we saw it last.
_shutdown = 0, -math.inf, -math.inf


class _Limit(threading.local):
    by = math.inf


_limit = _Limit()


# --- the end of the process ---


def is_exiting() -> bool:
    """
    Whether the process is about to end.
    """
    return _is_exiting


def begin_exit() -> None:
    """
    From now on the process is about to end.
    """
    global _is_exiting
    _is_exiting = True
    count_down()


def count_down() -> None:
    """
    From now on all waits together have ``MLLOG_EXIT_SECONDS``.
    """
    global _exit_began, _exit_by
    if _exit_by == math.inf:
        _exit_began = time.monotonic()
        _exit_by = _exit_began + _exit_seconds()


def exit_began() -> float:
    """
    Since when the process ends, by ``time.monotonic()``; infinity before.
    """
    return _exit_began


def _exit_seconds() -> float:
    try:
        return float(env.EXIT_SECONDS)
    except ConfigError as exc:
        sys.stderr.write(f"mllog: {exc}\n")
        return _ALL_SECONDS


# Registered after logging's own, so that it runs before.
atexit.register(count_down)


# --- until when ---


def deadline(timeout: float | None, default: float = _ALL_SECONDS) -> float:
    """
    When a wait that begins now has to end, by ``time.monotonic()``.

    Args:
        timeout: Seconds that somebody asked for; None if nobody did.

        default: Seconds without that.  Within ``logging.shutdown``, which
            takes handlers one by one, all of them have 5 s together.
    """
    now = time.monotonic()
    by = now + (default if timeout is None else timeout)
    by = min(by, _exit_by, _limit.by)
    if timeout is None and _exit_by == math.inf:
        shutdown = _shutdown_in_progress()
        if shutdown is not None:
            by = min(by, _end_of(shutdown, now))
    return max(now, by)


@contextlib.contextmanager
def within(by: float) -> Iterator[None]:
    """
    All waits of this thread in the block end at *by* together.
    """
    before = _limit.by
    _limit.by = min(by, before)
    try:
        yield
    finally:
        _limit.by = before


def waited() -> None:
    """
    Remember when a wait ended: soon after, it is still the same shutdown.
    """
    global _shutdown
    call, by, _ = _shutdown
    _shutdown = call, by, time.monotonic()


def _shutdown_in_progress() -> FrameType | None:
    """
    The call of ``logging.shutdown`` that we are in: it takes handlers one by one.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") != "logging":
        package = frame.f_globals.get("__package__") or ""
        is_ours = package.partition(".")[0] == "mllog"
        frame = frame.f_back if is_ours else None
    if frame is None or frame.f_code is not logging.shutdown.__code__:
        return None
    return frame


def _end_of(shutdown: FrameType, now: float) -> float:
    """
    When the time is over that one ``logging.shutdown`` has for all handlers.
    """
    global _shutdown
    call, by, seen = _shutdown
    # the frame of a later call may have the same address
    if call != id(shutdown) or now > seen + _PAUSE_SECONDS:
        by = now + _ALL_SECONDS
    _shutdown = id(shutdown), by, now
    return by


# --- whether at all ---


def under_logging_lock() -> bool:
    """
    Whether this thread holds logging's module lock, as in ``dictConfig``.

    Another thread that asks for a logger waits for that lock, so whoever
    holds it must not wait for another thread.
    """
    owned = getattr(getattr(logging, "_lock", None), "_is_owned", None)
    return bool(owned and owned())


def in_event_loop() -> bool:
    """
    Whether an asyncio event loop runs in this thread.
    """
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    return asyncio._get_running_loop() is not None
