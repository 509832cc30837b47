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

__all__ = ["MOVED_BYTES", "MemoryQueue", "up_to"]

#: Bytes that are moved to disk while somebody may wait for the lock.
MOVED_BYTES = 1 << 20

# From here on records below WARNING are refused.
_NEARLY_FULL = 0.95


def up_to(most_bytes: int, entries: list[Entry]) -> list[Entry]:
    """
    The first of *entries* that have *most_bytes* together, and at least one.
    """
    size = 0
    for count, entry in enumerate(entries):
        size += size_of(entry)
        if size > most_bytes:
            return entries[: max(1, count)]
    return entries


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

    def batch(self) -> Batch:
        """
        A batch that begins with the oldest, and has nothing yet.
        """
        return Batch([], stamps=[], first=self.first)

    def fill(self, batch: Batch, most_records: int, most_bytes: int) -> bool:
        """
        Take the oldest out and put them behind those of *batch*.

        Args:
            batch: What :meth:`batch` gave.

            most_records: How many now.

            most_bytes: Size of all that *batch* may have; the first entry
                may exceed it.

        Returns:
            Whether there may be more for it.
        """
        stamps, entries, items = batch.stamps, batch.entries, self.items
        size = batch.size
        for _ in range(min(most_records, len(items))):
            stamp, entry = items[0]
            more = len(entry) if type(entry) is bytes else size_of(entry)
            if entries and size + more > most_bytes:
                break
            items.popleft()
            stamps.append(stamp)
            entries.append(entry)
            size += more
        else:
            self.bytes -= size - batch.size
            batch.size = size
            return bool(items)
        self.bytes -= size - batch.size
        batch.size = size
        return False

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

    def expire(self, before: float, most: int) -> int:
        """
        Take out what came before that ``time.monotonic()``; gives how many.
        """
        count = 0
        while count < most and self.items and self.items[0][0] < before:
            self.pop()
            count += 1
        return count

    def move(
        self, store: Callable[[list[Entry]], bool], keep: float, most: int
    ) -> bool:
        """
        Hand up to *most* of the oldest to *store*.

        Args:
            store: Takes all of what it is given, or nothing.

            keep: How much of what the queue may hold stays, from 0 to 1.

            most: How many at most.

        Returns:
            Whether it took any.
        """
        count = min(most, self.above(keep))
        while count:
            entries = up_to(
                MOVED_BYTES, [entry for _, entry in islice(self.items, count)]
            )
            if store(entries):
                for _ in entries:
                    self.pop()
                return True
            count = len(entries) // 2  # the last room may be small
        return False

    def above(self, keep: float) -> int:
        """
        How many records at least are more than *keep* of what it may hold.
        """
        items = self.items
        records = len(items) - int(self.most_records * keep)
        excess = self.bytes - int(self.most_bytes * keep)
        if not items or excess <= 0:
            return max(records, 0)
        return max(records, 1, excess * len(items) // self.bytes)

    def clear(self) -> int:
        """
        Take all out; gives how many.
        """
        count = len(self.items)
        self.items.clear()
        self.bytes = 0
        return count
