"""
Records in memory: a queue bounded by records and by bytes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import islice

from ..events import Entry, size_of
from .batch import Batch
from .bounds import Bounds

__all__ = ["MemoryQueue"]

# From here on records below WARNING are refused.
_NEARLY_FULL = 0.95


class MemoryQueue:
    """
    First in, first out; whoever uses it holds the lock of its outbox.

    Args:
        bounds: How much it may hold.
    """

    __slots__ = (
        "bytes",
        "items",
        "most_bytes",
        "most_records",
        "nearly_bytes",
        "nearly_records",
        "put",
    )

    def __init__(self, bounds: Bounds) -> None:
        #: When each came, by ``time.monotonic()``, and what it is.
        self.items: deque[tuple[float, Entry]] = deque()
        #: Size of all entries.
        self.bytes = 0
        #: How many were ever put in: the number of the next one.
        self.put = 0
        self.most_records = bounds.max_queue_records
        self.most_bytes = bounds.max_queue_bytes
        self.nearly_records = max(1, int(self.most_records * _NEARLY_FULL))
        self.nearly_bytes = int(self.most_bytes * _NEARLY_FULL)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def first(self) -> int:
        """
        The number of the oldest one, counted over the queue's life.
        """
        return self.put - len(self.items)

    @property
    def fullness(self) -> float:
        """
        How much of what it may hold it holds, from 0 to 1.
        """
        return max(
            len(self.items) / self.most_records, self.bytes / self.most_bytes
        )

    @property
    def is_nearly_full(self) -> bool:
        """
        Whether records below WARNING are refused from now on.
        """
        return (
            len(self.items) >= self.nearly_records
            or self.bytes >= self.nearly_bytes
        )

    def oldest(self, default: float) -> float:
        """
        When the oldest one came, by ``time.monotonic()``.
        """
        return self.items[0][0] if self.items else default

    def has_room(self, size: int, *, to_the_last: bool) -> bool:
        """
        Whether an entry of *size* bytes fits, into the last 5 % or without them.
        """
        if not self.items:  # a record may be as large as the queue
            return size <= self.most_bytes
        if to_the_last:
            return (
                len(self.items) < self.most_records
                and self.bytes + size <= self.most_bytes
            )
        return (
            len(self.items) < self.nearly_records
            and self.bytes + size <= self.nearly_bytes
        )

    def append(self, entry: Entry, size: int) -> None:
        """
        Put an entry in, room or not.
        """
        self.items.append((time.monotonic(), entry))
        self.bytes += size
        self.put += 1

    def pop(self) -> Entry:
        """
        Take the oldest out.
        """
        entry = self.items.popleft()[1]
        self.bytes -= len(entry) if type(entry) is bytes else size_of(entry)
        return entry

    def batch(self, most_records: int, most_bytes: int) -> Batch:
        """
        Take the oldest out, as many as go together.
        """
        stamps: list[float] = []
        entries: list[Entry] = []
        first, items, size = self.first, self.items, 0
        while items and len(entries) < most_records:
            stamp, entry = items[0]
            more = len(entry) if type(entry) is bytes else size_of(entry)
            if entries and size + more > most_bytes:
                break
            items.popleft()
            stamps.append(stamp)
            entries.append(entry)
            size += more
        self.bytes -= size
        return Batch(entries, stamps=stamps, first=first)

    def give_back(self, batch: Batch) -> None:
        """
        Put what is left of *batch* in front again.
        """
        stamps = batch.stamps[batch.done :]
        entries = batch.rest()
        self.items.extendleft(
            reversed(list(zip(stamps, entries, strict=True)))
        )
        self.bytes += sum(map(size_of, entries))

    def expire(self, before: float) -> int:
        """
        Take out what came before that ``time.monotonic()``; gives how many.
        """
        count = 0
        while self.items and self.items[0][0] < before:
            self.pop()
            count += 1
        return count

    def move(
        self,
        store: Callable[[list[Entry]], bool],
        keep: float,
        chunk: int = 500,
    ) -> bool:
        """
        Hand the oldest to *store* until *keep*, from 0 to 1, of it is left.

        Returns:
            Whether *store* took all of them.
        """
        records, size = self.most_records * keep, self.most_bytes * keep
        while len(self.items) > records or self.bytes > size:
            count = min(chunk, max(1, len(self.items) - int(records)))
            entries = [entry for _, entry in islice(self.items, count)]
            if store(entries):
                for _ in entries:
                    self.pop()
            elif count > 1:  # the last room may be small
                chunk = count // 2
            else:
                return False
        return True

    def clear(self) -> int:
        """
        Take all out; gives how many.
        """
        count = len(self.items)
        self.items.clear()
        self.bytes = 0
        return count
