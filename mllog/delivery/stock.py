"""
What is not sent yet, in three places, and how records move between them.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from ..accounting import DeliveryStats
from ..events import size_of
from ..forking import fork_safe_lock
from .backlog import Backlog
from .batch import Batch
from .bounds import Bounds
from .counts import Counts
from .queue import MOVED_BYTES, MemoryQueue, up_to

__all__ = ["Mark", "Stock"]

_HIGH_WATER = 0.8
_LOW_WATER = 0.5
_NEVER = 1 << 62
# Records that are moved while somebody may wait for the lock.
_AT_ONCE = 200
# The same for a log call.
_A_FEW = 50


class Mark(NamedTuple):
    """
    Numbers of the newest records, counted over the life of a stock.

    Args:
        in_memory: That of the queue.

        on_disk: That of the backlog.
    """

    in_memory: int
    on_disk: int


class Stock:
    """
    The batch in the worker's hands, the backlog on disk, the queue in memory.

    They are in that order, and a record only moves towards the front, so that
    none overtakes another.  Whoever calls a method holds ``lock``.

    Args:
        bounds: How much may wait.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.lock = fork_safe_lock()
        self.bounds = bounds
        #: What waits on disk; None without a spool.
        self.backlog: Backlog | None = None
        self.reset()

    def reset(self) -> None:
        """
        Begin empty; the disk is another's business.
        """
        self.queue = MemoryQueue(self.bounds)
        self.batch: Batch | None = None
        self.counts = Counts()
        self._spool_since: float | None = None
        self._is_relieving = self._is_moving = False

    # --- towards the disk ---

    def relieve(self) -> bool:
        """
        Begin to move what is above the high-water mark to disk, or go on.

        Returns:
            Whether there is more to move.
        """
        is_due = self._is_relieving or self.queue.fullness >= _HIGH_WATER
        self._is_relieving = (
            self.backlog is not None
            and is_due
            and bool(self._move(_LOW_WATER))
        )
        return self._is_relieving

    @property
    def high_water(self) -> tuple[int, int]:
        """
        Records and bytes from which on it is time to :meth:`relieve`.
        """
        if self.backlog is None or self.backlog.refuses:
            return _NEVER, _NEVER
        return (
            int(self.queue.most_records * _HIGH_WATER),
            int(self.queue.most_bytes * _HIGH_WATER),
        )

    def spill(self, keep: float = _LOW_WATER) -> bool:
        """
        Move records to disk until *keep* of the queue is left in memory.

        A batch from the queue that is on its way goes first: it is older.

        Returns:
            Whether the disk took them.
        """
        while moved := self._move(keep):
            pass
        return moved is None

    def step(self) -> bool:
        """
        Move a few records to disk, by a thread that has other things to do.

        Returns:
            Whether there may be more to move.
        """
        return bool(self._move(_LOW_WATER, _A_FEW))

    @property
    def is_moving(self) -> bool:
        """
        Whether this thread is in the middle of a move, and a signal came.
        """
        return self._is_moving

    @property
    def is_crowded(self) -> bool:
        """
        Whether there is a disk, and it is time for :meth:`step`.
        """
        return self.backlog is not None and self.queue.fullness >= _HIGH_WATER

    def _move(self, keep: float, most: int = 0) -> bool | None:
        """
        Move up to *most* records to disk.

        Returns:
            Whether the disk took them; None if there are none to move.
        """
        backlog, batch = self.backlog, self.batch
        most = most or _AT_ONCE
        if backlog is None or self._is_moving:
            return False
        # a signal handler that logs now would move the same once more
        self._is_moving = True
        try:
            if batch is not None and batch.spool is None and batch.left:
                return self._hold(backlog, batch, most)
            if not self.queue.above(keep):
                return None
            return self.queue.move(backlog.store, keep, most)
        finally:
            self._is_moving = False

    def _hold(self, backlog: Backlog, batch: Batch, most: int) -> bool:
        """
        Copy more of what is on its way; with the last of it the copy counts.
        """
        if batch.left == batch.refused:
            return False
        entries = up_to(MOVED_BYTES, batch.next(most, batch.held))
        spool = backlog.hold(entries, batch.held)
        if spool is None:
            if not backlog.refuses:  # the spool is too small for all of it
                batch.refused = batch.left
            backlog.drop_copy(batch.held)
            batch.held = 0
            return False
        batch.held += len(entries)
        if batch.held == batch.left:
            batch.spool, batch.held = spool, 0
        return True

    # --- towards the worker ---

    def ready_at(self, now: float, *, in_a_hurry: bool) -> float | None:
        """
        When the next batch is complete; None while nothing waits.
        """
        queue, bounds = self.queue, self.bounds
        waits, since = len(queue), queue.oldest(now)
        spool = None if self.backlog is None else self.backlog.next_spool()
        if spool is None:
            self._spool_since = None
        else:
            waits = spool.pending
            since = self._spool_since = self._spool_since or now
        if not waits:
            return None
        is_full = (
            waits >= bounds.batch_records
            or queue.bytes >= bounds.batch_bytes
            or queue.is_nearly_full
        )
        return now if is_full or in_a_hurry else since + bounds.linger_seconds

    @property
    def enough(self) -> tuple[int, int]:
        """
        Records before another one, and bytes, that are worth a batch.
        """
        bounds, queue = self.bounds, self.queue
        return (
            min(bounds.batch_records, queue.nearly_records) - 1,
            min(bounds.batch_bytes, queue.nearly_bytes),
        )

    def next_batch(self) -> Batch | None:
        """
        The oldest records, from now on in the worker's hands.

        It is for :meth:`fill` to add to them while there are more.
        """
        spool = None if self.backlog is None else self.backlog.next_spool()
        self.batch = batch = (
            self.queue.batch() if spool is None else Batch([], spool=spool)
        )
        self.fill(batch)
        if not batch.left:
            self.batch = None
        return self.batch

    def fill(self, batch: Batch) -> bool:
        """
        Add the next records to *batch*; gives whether there may be more.

        Some at a time, for whoever logs waits for the lock.
        """
        records = self.bounds.batch_records - len(batch.entries)
        records = min(records, _AT_ONCE)
        if self.batch is not batch or records <= 0:
            return False
        if batch.spool is None:
            return self.queue.fill(batch, records, self.bounds.batch_bytes)
        if batch.stamps or self.backlog is None:  # it was moved to disk
            return False
        room = self.bounds.batch_bytes - batch.size
        if batch.entries and room <= 0:
            return False
        entries = self.backlog.read(batch.spool, records, room)
        batch.entries += entries
        batch.size += sum(map(size_of, entries))
        if len(batch.entries) == self.backlog.pending:
            self._spool_since = None  # what comes next lingers again
        return len(entries) == records

    def settle(self, batch: Batch, records: int) -> int:
        """
        The next *records* of *batch* need no more; gives how many that are.
        """
        settled = min(records, batch.left)
        if batch.held and self.backlog is not None:
            self.backlog.drop_copy(batch.held)
            batch.held = 0
        batch.done += settled
        if settled and batch.spool is not None and self.backlog is not None:
            self.backlog.ack(batch.spool, settled)
        if not batch.left and self.batch is batch:
            self.batch = None
        return settled

    def put_back(self) -> None:
        """
        Take the batch out of the worker's hands, and put it in front again.
        """
        batch, self.batch = self.batch, None
        if batch is None or not batch.left:
            return
        if batch.spool is not None:
            batch.spool.rewind()
        else:
            if self.backlog is not None:
                self.backlog.drop_copy(batch.held)
            batch.held = 0
            self.queue.give_back(batch)
        batch.is_lost = True

    def expire(self, now: float) -> int:
        """
        Give up what is too old, some at a time; gives how many records.
        """
        age = self.bounds.max_age_seconds
        if age is None:
            return 0
        expired = self.queue.expire(now - age, _AT_ONCE)
        batch = self.batch
        if batch is not None and batch.spool is None:
            expired += batch.expire(now - age, _AT_ONCE)
            if not batch.left:
                self.batch = None
        if expired:
            self.counts.drop("expired", expired)
        return expired

    # --- numbers ---

    @property
    def is_unreadable(self) -> bool:
        """
        Whether the disk does not give what it has.
        """
        return self.backlog is not None and self.backlog.is_unreadable

    @property
    def waits(self) -> int:
        """
        Records that wait for the worker, or are in its hands.
        """
        on_disk = 0 if self.backlog is None else self.backlog.pending
        return len(self.queue) + on_disk

    @property
    def first_in_memory(self) -> int:
        """
        The number of the oldest record that only memory holds.
        """
        batch = self.batch
        if batch is None or batch.spool is not None or not batch.left:
            return self.queue.first
        return batch.first + batch.done

    @property
    def is_in_memory(self) -> bool:
        """
        Whether a record waits that only memory holds.
        """
        if self.queue.items:
            return True
        batch = self.batch
        return batch is not None and batch.spool is None and batch.left > 0

    @property
    def is_on_disk(self) -> bool:
        """
        Whether a record waits on disk.
        """
        return self.backlog is not None and self.backlog.pending > 0

    # --- how far it is ---

    def mark(self) -> Mark:
        """
        Where the newest record is now.
        """
        backlog = self.backlog
        on_disk = 0 if backlog is None else backlog.gone + backlog.pending
        return Mark(self.queue.put, on_disk)

    def has_passed(self, mark: Mark) -> bool:
        """
        Whether the records before *mark* are where they should be.
        """
        has_left_disk = self.backlog is None or (
            self.backlog.gone >= mark.on_disk
        )
        return has_left_disk and self.first_in_memory >= mark.in_memory

    def is_secure(self, mark: Mark) -> bool:
        """
        Whether no record before *mark* is in memory alone.
        """
        return self.first_in_memory >= mark.in_memory

    def secure(self, mark: Mark) -> bool:
        """
        Move some of the records before *mark* to disk.

        Returns:
            Whether there may be more to move.
        """
        return not self.is_secure(mark) and bool(self._move(0))

    def stats(self) -> DeliveryStats:
        """
        The counts at this instant.
        """
        counts, queue, backlog = self.counts, self.queue, self.backlog
        batch = self.batch
        in_flight = 0 if batch is None else batch.left
        dropped = dict(counts.dropped)
        spooled = 0
        if backlog is not None:
            for reason, count in backlog.dropped().items():
                dropped[reason] = dropped.get(reason, 0) + count
            is_from_disk = batch is not None and batch.spool is not None
            spooled = backlog.pending + backlog.left
            if batch is not None:  # its records count as on their way
                spooled -= in_flight if is_from_disk else batch.held
        now = time.monotonic()
        oldest = queue.oldest(now)
        if batch is not None and batch.left and batch.stamps:
            oldest = min(oldest, batch.stamps[batch.done])
        return DeliveryStats(
            accepted=counts.accepted,
            sent=counts.sent,
            dropped={key: dropped[key] for key in dropped if dropped[key]},
            queued=len(queue),
            in_flight=in_flight,
            spooled=spooled,
            dead_lettered=counts.dead_lettered,
            queued_bytes=queue.bytes,
            spooled_bytes=0 if backlog is None else backlog.bytes,
            oldest_seconds=now - oldest,
            adopted=0 if backlog is None else backlog.adopted,
            retried=counts.retried,
            truncated=counts.beside["truncated"],
            suppressed=counts.beside["suppressed"],
            skipped=counts.beside["skipped"],
            unspooled=counts.unspooled,
            torn=0 if backlog is None else backlog.torn,
            batches=counts.batches,
            send_seconds=counts.send_seconds,
            last_success=counts.last_success,
        )
