"""
Log calls within log calls: how deep a thread is in them, and whose it is.

A ``__repr__`` or a filter that logs comes back to every handler.  Each of them
counts a fault instead of raising it, so nothing would end the recursion, and
with several handlers the work grows exponentially with its depth.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any, Final, TypeVar

from .threads import are_all_green

__all__ = ["DEEPEST", "ENDED", "Thread", "bounded", "local", "mark_as_ours"]

T = TypeVar("T")

#: So deep may log calls be within each other: a ``__str__`` that logs, and a
#: signal handler during that, is two.
DEEPEST: Final = 3

#: More calls than there can be: a thread that went too deep takes no record
#: within another until its outermost log call is over.
ENDED: Final = 1 << 30


class Thread:
    """
    What one thread is in the middle of.

    Attributes:
        calls: Log calls within each other, over all handlers.

        texts: Texts of foreign objects that are asked for within each other.

        is_ours: Whether it does a shipper's own work.  What a transport's
            library logs while it sends would be sent, and logged, and sent;
            the name of a logger tells nothing, since an application may use
            the same library for itself.
    """

    __slots__ = ("calls", "is_ours", "texts")

    def __init__(self) -> None:
        self.calls = 0
        self.texts = 0
        self.is_ours: bool | _Greenlets = False

    def ends(self, handle: CodeType) -> bool:
        """
        Whether a record within :data:`DEEPEST` others is passed over.

        Args:
            handle: The code of the method that counts calls.  It is looked
                for on the stack, since greenlets share this object where
                gevent patched ``threading`` too late.
        """
        frame, depth = sys._getframe(2), 0
        while frame is not None:
            depth += frame.f_code is handle
            frame = frame.f_back  # type: ignore[assignment]
        if depth >= DEEPEST or (depth and self.calls >= ENDED):
            self.calls = ENDED
            return True
        self.calls = depth
        return False


class _Local(threading.local):
    """
    A threading.local and no ContextVar, which new threads inherit where
    Python runs without the GIL.
    """

    def __init__(self) -> None:
        self.thread = Thread()


#: ``local.thread`` is the :class:`Thread` that runs.
local: Final = _Local()


class _Greenlets(set[int]):
    """
    Those of one thread that do a shipper's own work: true in one of them.
    """

    def __bool__(self) -> bool:
        return threading.get_ident() in self


_greenlets: Final = _Greenlets()


@contextmanager
def mark_as_ours() -> Iterator[None]:
    """
    Whatever this thread logs in the block is a shipper's own.
    """
    thread, here = local.thread, threading.get_ident()
    before, is_outer = thread.is_ours, here not in _greenlets
    if are_all_green():
        _greenlets.add(here)
        thread.is_ours = _greenlets
    else:
        thread.is_ours = True
    try:
        yield
    finally:
        if thread.is_ours is not _greenlets:
            thread.is_ours = before
        elif is_outer:
            _greenlets.discard(here)


def bounded(
    text: Callable[[Any], T], otherwise: Callable[[Any], T], value: Any
) -> T:
    """
    What *text* gives of *value*, which may run code of a foreign object.

    Within :data:`DEEPEST` such calls it is *otherwise*: an object that logs
    while it is logged comes back to formatters on handlers that are not ours.
    """
    thread = local.thread
    texts = thread.texts
    if texts >= DEEPEST:
        return otherwise(value)
    thread.texts = texts + 1
    try:
        return text(value)
    finally:
        thread.texts = texts
