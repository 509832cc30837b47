"""
Who writes to a stream: the place that prints, or logging itself.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
from types import FrameType
from typing import NamedTuple

__all__ = ["UNKNOWN", "Place", "is_logging", "place_of", "writer"]

#: As logging writes it.
UNKNOWN = "(unknown function)"

_MLLOG = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What code of these files writes is a record already, or trouble with one.
_WRITERS = (
    os.path.dirname(logging.getLogger.__code__.co_filename) + os.sep,
    os.path.join(_MLLOG, "handlers") + os.sep,
    os.path.join(_MLLOG, "handling.py"),
    os.path.join(_MLLOG, "reports.py"),
)
# They print for somebody else, whose place is worth more.
_PRINT_FOR_OTHERS = frozenset({"traceback", "pprint", "warnings"})


class Place(NamedTuple):
    """
    Where something was printed.
    """

    path: str
    line: int
    function: str


def place_of(frame: FrameType | None) -> Place:
    """
    The place that prints, where *frame* writes to the stream.
    """
    found = frame
    while found is not None and found.f_back is not None:
        if found.f_globals.get("__name__") not in _PRINT_FOR_OTHERS:
            break
        found = found.f_back
    if found is None:  # the interpreter itself
        return Place("(unknown file)", 0, UNKNOWN)
    code = found.f_code
    return Place(code.co_filename, found.f_lineno, code.co_name)


def is_logging(frame: FrameType | None) -> bool:
    """
    Whether *frame* is within a log call, a handler, or what mllog reports.
    """
    while frame is not None:
        if _is_writer(frame.f_code.co_filename):
            return True
        frame = frame.f_back
    return False


@functools.lru_cache(maxsize=4096)
def _is_writer(path: str) -> bool:
    return path.startswith(_WRITERS)


def writer() -> object:
    """
    The asyncio task or the thread that runs: each writes lines of its own.
    """
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        task = asyncio.current_task()
        if task is not None:
            return task
    return threading.current_thread()
