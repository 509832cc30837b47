"""
What a worker has in its hands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..events import Entry, Event, events_of
from .spool import Spool

__all__ = ["Batch"]


@dataclass
class Batch:
    """
    The oldest records, on their way to the sink.

    Args:
        entries: What the records became, oldest first.

        spool: Where they stay until they are acknowledged; None is memory.

        stamps: When each was logged, by ``time.monotonic()``; empty for those
            of a spool, which do not grow too old.

        first: The number of the first one, counted over the queue's life.

        done: How many are settled, from the first on.

        is_lost: Whether somebody settled the rest meanwhile.
    """

    entries: Sequence[Entry]
    spool: Spool | None = None
    stamps: Sequence[float] = ()
    first: int = 0
    done: int = 0
    is_lost: bool = False

    @property
    def left(self) -> int:
        """
        Records that are not settled yet.
        """
        return 0 if self.is_lost else len(self.entries) - self.done

    def rest(self) -> list[Entry]:
        """
        The entries that are not settled yet.
        """
        return list(self.entries[self.done :])

    def expire(self, before: float) -> int:
        """
        Settle what came before that ``time.monotonic()``; gives how many.
        """
        count = 0
        while self.left and self.stamps[self.done] < before:
            self.done += 1
            count += 1
        return count

    def events(self, most_records: int) -> list[Event]:
        """
        The events of the next *most_records* records.
        """
        found: list[Event] = []
        for entry in self.entries[self.done : self.done + most_records]:
            if type(entry) is bytes:
                found.append(Event(entry))
            else:
                found += events_of(entry)
        return found

    def records_in(self, events: int) -> int:
        """
        How many records have all their events among the next *events*.
        """
        for count, entry in enumerate(self.entries[self.done :]):
            events -= 1 if type(entry) is bytes else len(entry)
            if events < 0:
                return count
        return len(self.entries) - self.done
