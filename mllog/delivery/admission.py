"""
Who comes in where room is scarce, and who gives way.
"""

from __future__ import annotations

import logging

from ..events import Entry
from .stock import Stock

__all__ = ["Admission"]


class Admission:
    """
    Finds a place for a record in memory or on disk, or counts why there is none.

    Whoever calls a method holds the lock of *stock*.

    Args:
        stock: What waits.

        writes_ahead: Whether a record belongs on disk, and in memory only
            where the disk refuses it.
    """

    def __init__(self, stock: Stock, *, writes_ahead: bool) -> None:
        self._stock = stock
        self.writes_ahead = writes_ahead

    def admit(self, entry: Entry, size: int, levelno: int) -> bool:
        """
        Take a record, or drop one.

        Returns:
            Whether that is settled; otherwise its caller may wait for room.
        """
        stock = self._stock
        if self.writes_ahead and self.store(entry):
            return True
        queue, overflow = stock.queue, stock.bounds.overflow
        is_urgent = levelno >= logging.WARNING
        if stock.is_crowded and stock.step():
            is_urgent = True  # the disk takes what there is no room for
        while not queue.has_room(size, to_the_last=is_urgent) and stock.step():
            pass
        if not queue.has_room(size, to_the_last=is_urgent):
            if overflow == "block":
                return False
            # what gives way must not be what is being moved just now
            is_busy = stock.is_moving
            if overflow == "drop_newest" or is_busy or not is_urgent:
                stock.counts.refuse("queue_full")
                return True
            while queue and not queue.has_room(size, to_the_last=True):
                queue.pop()
                stock.counts.drop("queue_full")
        self._append(entry, size)
        return True

    def admit_late(self, entry: Entry) -> None:
        """
        Take a record that nobody will send: the disk may have it.
        """
        if self.store(entry) and self._stock.backlog is not None:
            self._stock.backlog.close()
        else:
            self._stock.counts.refuse("closed")

    def store(self, entry: Entry) -> bool:
        """
        Put a record on disk; False where that cannot be.
        """
        stock, backlog = self._stock, self._stock.backlog
        if backlog is None:
            return False
        # what the disk refused before is older, and goes first
        if stock.is_in_memory and not stock.spill(0):
            return False
        if not backlog.store([entry]):
            return False
        stock.counts.accepted += 1
        return True

    def _append(self, entry: Entry, size: int) -> None:
        counts = self._stock.counts
        counts.accepted += 1
        counts.unspooled += self.writes_ahead
        self._stock.queue.append(entry, size)
