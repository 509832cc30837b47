"""
Who logs: records of a shipper's own threads never go to a shipper.

What a transport's library logs while it sends would be sent, and logged, and
sent.  A thread-local says whose work is done, not the name of a logger: an
application may use the same library for itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["DEEPEST", "depth", "mark_as_ours"]

#: So deep may log calls be within each other: a ``__str__`` that logs, and a
#: signal handler during that, is two.
DEEPEST = 3

_OURS = 1 << 30


class _Depth(threading.local):
    """
    How many log calls this thread is in the middle of.
    """

    calls = 0


#: A threading.local and no ContextVar, which new threads inherit where Python
#: runs without the GIL.
depth = _Depth()


@contextmanager
def mark_as_ours() -> Iterator[None]:
    """
    Whatever this thread logs in the block is a shipper's own.
    """
    before = depth.calls
    depth.calls = _OURS
    try:
        yield
    finally:
        depth.calls = before
