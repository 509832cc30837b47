"""
A fresh interpreter that answers requests: what ``measure.Child`` starts.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import sys
from collections.abc import Callable, Generator
from time import perf_counter
from typing import Any

__all__ = ["turns"]


def turns(call: Callable[[float], None]) -> Generator[Any, int, None]:
    """
    Time *call* as often as asked, in microseconds per call.

    Each turn has two loops: one around all calls, and one with a clock around
    each, which adds its own 0.1 µs to the percentiles.
    """
    calls = yield "ready"
    while True:
        chance = random.Random(calls)
        values = [chance.lognormvariate(-4, 0.7) for _ in range(calls)]
        mean = _all(call, values)
        each = sorted(_each(call, values))
        calls = yield [
            mean * 1e6,
            each[calls // 2] * 1e6,
            each[calls * 99 // 100] * 1e6,
        ]


def _all(call: Callable[[float], None], values: list[float]) -> float:
    gc.collect()
    start = perf_counter()
    for value in values:
        call(value)
    return (perf_counter() - start) / len(values)


def _each(call: Callable[[float], None], values: list[float]) -> list[float]:
    gc.collect()
    clock = perf_counter
    times = []
    for value in values:
        start = clock()
        call(value)
        times.append(clock() - start)
    return times


def answer(target: str, arguments: list[str]) -> None:
    """
    Start the generator *target*, and send it each line of standard input.
    """
    # What is measured may print; the answers have a channel of their own.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, _, name = target.partition(":")
    answers = getattr(importlib.import_module(module), name)(*arguments)
    reply = next(answers)
    while True:
        print(json.dumps(reply), file=replies, flush=True)
        request = sys.stdin.readline()
        if not request:
            return
        reply = answers.send(json.loads(request))


if __name__ == "__main__":
    answer(sys.argv[1], sys.argv[2:])
