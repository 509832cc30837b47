"""
How many times as long something takes for twice as much.
"""

import contextlib
import gc
import time

from mllog.errors import MllogError

#: What takes less is too short to be measured.
LEAST_SECONDS = 0.004
_MOST_SECONDS = 2.0
#: What is linear takes less than this for twice as much, on a busy machine.
LINEAR = 2.5


def _seconds(call, value):
    gc.disable()  # which takes longer the more there is
    try:
        begin = time.thread_time()
        with contextlib.suppress(MllogError):
            call(value)
        return time.thread_time() - begin
    finally:
        gc.enable()


def times_as_long(call, make, first=250, most=16_000):
    """
    How many times as long *call* takes for twice as much, at its best.

    A bound that is reached in between is a step, and no growth: then it is
    doubled once more, up to twice.
    """
    size = first
    _seconds(call, make(first // 5))  # what is remembered
    while (once := _seconds(call, make(size))) < LEAST_SECONDS and size < most:
        size *= 2
    found = _doubled(call, make, size, once)
    for factor in (2, 4):
        if found > LINEAR:
            found = min(found, _doubled(call, make, factor * size))
    return found


def _doubled(call, make, size, small=float("inf")):
    large = ratio = float("inf")
    for _ in range(6):  # others use the machine, too
        small = min(small, _seconds(call, make(size)))
        large = min(large, _seconds(call, make(2 * size)))
        ratio = large / max(small, LEAST_SECONDS / 2)
        if ratio <= LINEAR or large > _MOST_SECONDS:
            break
    return ratio
