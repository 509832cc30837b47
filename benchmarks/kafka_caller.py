"""
Processes of the case ``kafka`` that send until all is acknowledged.
"""

from __future__ import annotations

import gc
import logging
import random
from collections.abc import Generator
from time import perf_counter, process_time
from typing import Any

from .kafka_senders import SENDERS

__all__ = ["sender"]


def sender(name: str, address: str, topic: str) -> Generator[Any, int, None]:
    """
    Send as many records as asked; the seconds until the last has its receipt.

    The processor's seconds are those of all threads, and ``called`` are the
    seconds until the last call returned.
    """
    logging.raiseExceptions = False
    way = SENDERS[name].make(address, topic)
    request = yield "ready"
    while True:
        chance = random.Random(request)
        items = way.prepare(
            [chance.lognormvariate(-4, 0.7) for _ in range(request)]
        )
        call = way.call
        gc.collect()
        began, burnt = perf_counter(), process_time()
        for item in items:
            call(item)
        called = perf_counter() - began
        left = way.flush()
        request = yield {
            "called": called,
            "seconds": perf_counter() - began,
            "cpu": process_time() - burnt,
            "left": left,
        }
