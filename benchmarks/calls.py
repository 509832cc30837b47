"""
Calls that are timed one by one, in a process of their own.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import time
from array import array
from collections.abc import Callable
from time import perf_counter
from typing import Any

from .application import LOGGER, call_on

__all__ = ["timed_calls"]

Call = Callable[[float], Any]

_TICK_SECONDS = 0.25
_IDLE_CALLS = 100

_nothing = logging.getLogger(f"{LOGGER}.nothing")
_nothing.setLevel(logging.INFO)
_nothing.propagate = False
_nothing.addHandler(logging.NullHandler())
_call_null = call_on(_nothing)


class _BlockedError(BaseException):
    """
    Ends a call that would not end; no ``except Exception`` swallows it.
    """


def timed_calls(
    call: Call, chance: random.Random, request: list[Any]
) -> dict[str, float]:
    """
    Make as many calls as asked, and say how long each took.

    Args:
        call: Logs a latency.

        chance: Where latencies come from.

        request: ``[calls, burst, pause, patience]``: so many calls between
            two pauses, the seconds of a pause, and after how many seconds a
            call counts as blocked.  After each burst come some calls of a
            NullHandler, for a cost is the difference of what was measured at
            the same time.
    """
    calls, burst, pause, patience = request
    values = [chance.lognormvariate(-4, 0.7) for _ in range(calls)]
    # there before, so that what grows is not ours
    times, idle = array("d", [1.0] * calls), array("d")
    gc.collect()
    before = _resident_bytes()
    bursts = [
        range(start, min(start + burst, calls))
        for start in range(0, calls, burst)
    ]
    done, blocked = _log(call, values, times, idle, bursts, pause, patience)
    grown = _resident_bytes() - before
    return {
        **_percentiles(sorted(times[:done]), blocked),
        "idle": sorted(idle)[len(idle) // 2] * 1e6 if idle else 0.0,
        "done": done,
        "blocked": blocked,
        "grown": grown,
    }


def _log(
    call: Call,
    values: list[float],
    times: Any,
    idle: Any,
    bursts: list[range],
    pause: float,
    patience: float,
) -> tuple[int, float]:
    """
    Returns:
        How many calls ended, and how many seconds the one took that did not.
    """

    def look(number: int, frame: Any) -> None:
        while frame is not None and frame.f_code is not _burst.__code__:
            frame = frame.f_back
        if frame is not None and "began" in frame.f_locals:
            began, at = frame.f_locals["began"], frame.f_locals["at"]
            age = perf_counter() - began
            if age >= patience:
                raise _BlockedError(at, age)

    own = array("d", [0.0] * _IDLE_CALLS)
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _TICK_SECONDS, _TICK_SECONDS)
    try:
        for numbers in bursts:
            _burst(call, values, times, numbers)
            _burst(_call_null, values, own, range(_IDLE_CALLS))
            idle.extend(own)
            time.sleep(pause)
    except _BlockedError as exc:
        return exc.args
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return len(values), 0.0


def _burst(call: Any, values: list[float], times: Any, numbers: range) -> None:
    clock = perf_counter
    for at in numbers:
        value = values[at]
        began = clock()
        call(value)
        times[at] = clock() - began


def _percentiles(each: list[float], blocked: float) -> dict[str, float]:
    if not each:
        return {"p50": 0.0, "p99": 0.0, "p999": 0.0, "worst": blocked * 1e6}
    count = len(each)
    return {
        "p50": each[count // 2] * 1e6,
        "p99": each[count * 99 // 100] * 1e6,
        "p999": each[count * 999 // 1000] * 1e6,
        "worst": max(each[-1], blocked) * 1e6,
    }


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux: the most it ever was
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
