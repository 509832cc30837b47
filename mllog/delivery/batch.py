"""
What a worker has in its hands.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..events import Entry, Event, Message, events_of
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

        size: Bytes of all entries.

        held: How many of those that are left have a copy on disk, while it
            is made.

        refused: How many were left when the disk had no room for them.

        done: How many are settled, from the first on.

        is_lost: Whether somebody settled the rest meanwhile.
    """

    entries: list[Entry]
    spool: Spool | None = None
    stamps: list[float] = field(default_factory=list)
    first: int = 0
    size: int = 0
    held: int = 0
    refused: int = 0
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
        return self.entries[self.done :]

    def expire(self, before: float, most: int) -> int:
        """
        Settle what came before that ``time.monotonic()``; gives how many.
        """
        count = 0
        while count < most and self.left and self.stamps[self.done] < before:
            self.done += 1
            count += 1
        return count

    def events(self, most_records: int) -> list[Event]:
        """
        The events of the next *most_records* records.
        """
        found: list[Event] = []
        for entry in self.next(most_records):
            found += events_of(entry)
        return found

    def messages(self, most_records: int) -> list[Message]:
        """
        The same, with bytes for events that are only a value.
        """
        found: list[Message] = []
        for entry in self.next(most_records):
            if isinstance(entry, bytes):
                found.append(entry)
            else:
                found += entry
        return found

    def next(self, most_records: int, after: int = 0) -> list[Entry]:
        """
        The next entries, without the first *after* of them.
        """
        begin = self.done + after
        return self.entries[begin : begin + most_records]

    def records_in(self, events: int) -> int:
        """
        How many records have all their events among the next *events*.
        """
        for count, entry in enumerate(self.entries[self.done :]):
            events -= 1 if type(entry) is bytes else len(entry)
            if events < 0:
                return count
        return len(self.entries) - self.done
