"""
The way from log calls to a worker: bounded, and every record accounted for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from .. import threads, waiting
from ..accounting import DeliveryStats
from ..events import Entry
from ..forking import tell_child
from ..recursion import local
from .admission import Admission
from .alarm import Alarm
from .batch import Batch
from .stock import Mark, Stock

__all__ = ["Outbox"]

_LOOK_FOR_ROOM_SECONDS = 0.002
_LOOK_AGAIN_SECONDS = 0.1
_IDLE_SECONDS = 30.0
_SETTLED_AT_ONCE = 1000


class Outbox:
    """
    Takes records from any thread, and gives them to one worker in batches.

    Its lock is held for a few bytecodes, or for one write to a disk; it is
    free in a forked child, and a signal handler or a finaliser that logs may
    take it again.

    Args:
        stock: What waits, and where.

        writes_ahead: Whether a record is on disk before ``put`` returns.

        start: Starts the worker, and says whether it could; called at the
            first record of a process.
    """

    def __init__(
        self,
        stock: Stock,
        *,
        writes_ahead: bool = False,
        start: Callable[[], bool],
    ) -> None:
        self._stock = stock
        self._lock = stock.lock
        self._admission = Admission(stock, writes_ahead=writes_ahead)
        self._start = start
        #: Whether it takes records no more.
        self.is_closed = False
        self._reset()
        tell_child(self)

    def _reset(self) -> None:
        self._alarm = Alarm()
        self._waiters: list[Alarm] = []
        # Zero until the worker runs: the first record takes the long way.
        self._room = 0
        self._has_worker = self._is_nudged = self._is_over = False
        self._failures = 0
        #: By ``time.monotonic()``, when the worker has to have ended.
        self.close_by = math.inf

    def forget_parent(self) -> None:
        """
        In a forked child: what waits is the parent's to send.
        """
        self._reset()
        self._stock.reset()
        if self._stock.backlog is not None:
            self._stock.backlog.forget_parent()

    # --- the callers' side ---

    def put(self, entry: Entry, size: int, levelno: int) -> None:
        """
        Take a record; *size* is that of its entry, in bytes.
        """
        with self._lock:
            stock = self._stock
            queue = stock.queue
            queued = len(queue.items)
            size_then = queue.bytes + size
            if queued < self._room and size_then <= queue.nearly_bytes:
                # what queue.append does, without the call
                stock.counts.accepted += 1
                queue.items.append((time.monotonic(), entry))
                # += and no call within: a signal handler may log anywhere else
                queue.bytes += size
                queue.put += 1
                alarm = self._alarm
                if queued >= alarm.records or size_then >= alarm.bytes:
                    alarm.ring()
                return
            is_settled = self._put_with_care(entry, size, levelno)
        if not is_settled:
            self._put_after_waiting(entry, size, levelno)

    def lost(self, reason: str) -> None:
        """
        Count a record that got no further than its handler.
        """
        with self._lock:
            self._stock.counts.refuse(reason)

    def count(self, what: str) -> None:
        """
        Count a record as ``suppressed``, ``skipped`` or ``truncated``.
        """
        with self._lock:
            self._stock.counts.count(what)

    def begin(self) -> None:
        """
        Have the worker started, if it does not run.
        """
        with self._lock:
            if not self.is_closed:
                nearly = self._stock.queue.nearly_records
                self._room = -1 if self._admission.writes_ahead else nearly
            if not self._has_worker:
                self._has_worker = True  # first: what starts a thread may log
                if not self._start():
                    # at the exit it is for close to send; else tried again
                    self._has_worker = waiting.is_exiting()
                    self._room = 0

    def _put_with_care(self, entry: Entry, size: int, levelno: int) -> bool:
        """
        Take a record where it is one of the first, or where room is scarce.

        Returns:
            Whether it is settled; otherwise its caller shall wait for room.
        """
        if self.is_closed and not self._takes_late():
            self._admission.admit_late(entry)
            return True
        self.begin()
        is_settled = self._admission.admit(entry, size, levelno)
        if self._stock.waits > self._alarm.records:
            self._alarm.ring()
        return is_settled

    def _takes_late(self) -> bool:
        """
        After close: whether a worker may be had for one more record.

        A thread that found this handler before ``dictConfig`` took it away
        may still be about to log.
        """
        if self._is_over:
            self._is_over = waiting.is_exiting()
        return not self._is_over

    def _put_after_waiting(
        self, entry: Entry, size: int, levelno: int
    ) -> None:
        """
        ``overflow="block"``: look for room until *block_seconds* are over.
        """
        is_nested = (
            local.thread.calls > 1
        )  # and the lock is held by a call outside
        if is_nested or waiting.is_exiting() or waiting.in_event_loop():
            self.lost("would_block")
            return
        deadline = time.monotonic() + self._stock.bounds.block_seconds
        while time.monotonic() < deadline:
            threads.sleep(_LOOK_FOR_ROOM_SECONDS)
            with self._lock:
                if self._put_with_care(entry, size, levelno):
                    return
        self.lost("queue_full")

    # --- the worker's side ---

    def take(self) -> Batch | None:
        """
        Wait for the next batch; None when all is sent, and no more will come.
        """
        while True:
            with self._lock:
                if self._is_over:
                    return None
                now = time.monotonic()
                self._expire()
                ready_at = self._ready_at(now)
                if ready_at is None:
                    self._is_nudged = False
                if ready_at is not None and ready_at <= now:
                    batch = self._stock.next_batch()
                    if batch is not None:
                        break
                    ready_at = now + _LOOK_AGAIN_SECONDS
                if self.is_closed and (
                    ready_at is None or self._stock.is_unreadable
                ):
                    self.finish()
                    return None
                self._set_alarm(ready_at)
            if ready_at is not None:
                self._rest(ready_at - now)
            elif not self._rest(_IDLE_SECONDS):
                self.look_around()
        self._repeat(lambda: self._stock.fill(batch))
        return batch

    def _ready_at(self, now: float) -> float | None:
        """
        When the next batch is due; None while nothing waits.
        """
        hurry = self._is_nudged or self.is_closed or self._waiters
        return self._stock.ready_at(now, in_a_hurry=bool(hurry))

    def _rest(self, seconds: float) -> bool:
        """
        Sleep until there is something to do, or for that long.

        Returns:
            Whether there may be.
        """
        return self._alarm.doze(seconds)

    def _repeat(self, step: Callable[[], object]) -> None:
        """
        Do *step* until it has no more to do, and let others in between.
        """
        while True:
            with self._lock:
                if not step():
                    return
            threads.sleep(0)

    def _set_alarm(self, ready_at: float | None) -> None:
        if ready_at is None:
            self._alarm.set(0)
        elif self._admission.writes_ahead:
            self._alarm.set(self._stock.enough[0])
        else:
            self._alarm.set(*self._stock.enough)

    def pause(self, seconds: float) -> None:
        """
        Wait before another attempt, and keep the queue in bounds meanwhile.

        It ends early when somebody flushes or closes.

        Args:
            seconds: How long at most.
        """
        until = time.monotonic() + seconds
        while True:
            self.tend()
            with self._lock:
                now = time.monotonic()
                if now >= until or self._is_nudged:
                    self._is_nudged = False
                    return
                if not self._admission.writes_ahead:
                    self._alarm.set(*self._stock.high_water)
            self._rest(min(until - now, 1.0))

    def tend(self) -> None:
        """
        Keep the queue in bounds while its worker cannot send.
        """
        self._repeat(self._expire)
        self._repeat(self._stock.relieve)

    def _expire(self) -> int:
        expired = self._stock.expire(time.monotonic())
        if expired:
            self._tell_waiters()
        return expired

    def look_around(self) -> None:
        """
        Take over what dead processes left on disk.
        """
        backlog = self._stock.backlog
        if backlog is not None:
            found = backlog.orphans()
            with self._lock:
                self._stock.counts.accepted += backlog.adopt(found)
                if self._is_over:  # for whoever comes next
                    backlog.close()

    def settle(
        self, batch: Batch, records: int, outcome: str, seconds: float = 0.0
    ) -> None:
        """
        The next *records* of *batch* need no more work.

        Args:
            batch: What the worker has.

            records: How many.

            outcome: ``"sent"``, ``"dead_lettered"``, or why they are lost.

            seconds: How long it took to send them.
        """
        while records > 0:
            with self._lock:
                part = min(records, _SETTLED_AT_ONCE)
                settled = self._stock.settle(batch, part)
                records -= part
                self._stock.counts.settle(settled, outcome)
                if outcome == "sent" and not records:
                    self._stock.counts.acknowledge(seconds)
                self._tell_waiters()
            if records:
                threads.sleep(0)

    def failed(self, batch: Batch) -> None:
        """
        An attempt failed; what is left of *batch* will be tried again.
        """
        with self._lock:
            self._stock.counts.retried += batch.left
            self._failures += 1
            self._tell_waiters()

    def release(self) -> None:
        """
        The worker ended before its time; the next record starts another.
        """
        with self._lock:
            self._stock.put_back()
            self._room = 0
            self._has_worker = False

    # --- flush and close ---

    def flush(self, deadline: float) -> bool:
        """
        Wait until what was put before is sent, dropped, or safe on disk.

        Returns:
            Whether it is; False if the deadline passed before.
        """
        waiter = Alarm()
        with self._lock:
            mark, failures = self._stock.mark(), self._failures
            self._waiters.append(waiter)
            if not self.is_empty:
                self.begin()  # for a worker that died
            self.nudge()
        try:
            while not self._is_settled(mark):
                left = deadline - time.monotonic()
                # on disk it is safe: no use to wait for a sink that is away
                is_away = self._is_away(failures)
                if left <= 0 or (is_away and self.has_disk):
                    return self._secure(mark)
                waiter.doze(left)
            return True
        finally:
            with self._lock:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def _is_settled(self, mark: Mark) -> bool:
        with self._lock:
            return self._is_over or self._stock.has_passed(mark)

    def _is_away(self, failures: int) -> bool:
        """
        Whether the sink failed since there were that many *failures*.
        """
        return self._failures > failures

    def _secure(self, mark: Mark) -> bool:
        """
        Move what is before *mark* to disk; gives whether all of it is there.
        """
        self._repeat(lambda: self._stock.secure(mark))
        with self._lock:
            return self._stock.is_secure(mark)

    def nudge(self) -> None:
        """
        Have the worker try now.
        """
        with self._lock:
            self._is_nudged = True
            self._alarm.ring()

    def _tell_waiters(self) -> None:
        for waiter in self._waiters:
            waiter.ring()

    def close(self) -> None:
        """
        Take no more records; the worker ends when what it has is sent.
        """
        with self._lock:
            self.is_closed = True
            self._room = 0
            self.nudge()

    def finish(self) -> int:
        """
        Settle what was not sent: to disk if there is one, or lost.

        Returns:
            How many records are lost.
        """
        with self._lock:
            self._is_over = self.is_closed = True
            self._has_worker = False
            self._room = 0
            stock = self._stock
            stock.put_back()
            stock.spill(0)
            lost = stock.queue.clear()
            stock.counts.drop("unsent_at_close", lost)
            if stock.backlog is not None:
                stock.backlog.close()
            self._tell_waiters()
            return lost

    # --- numbers ---

    @property
    def is_over(self) -> bool:
        """
        Whether it is closed, and all is settled.
        """
        return self._is_over

    @property
    def left_on_disk(self) -> int:
        """
        Records that the end left for another process.
        """
        backlog = self._stock.backlog
        return 0 if backlog is None else backlog.left

    @property
    def has_disk(self) -> bool:
        """
        Whether what is not sent can wait on disk.
        """
        return self._stock.backlog is not None

    @property
    def is_empty(self) -> bool:
        """
        Whether nothing waits for the worker.
        """
        with self._lock:
            stock = self._stock
            return not (stock.queue or stock.batch or stock.is_on_disk)

    def stats(self) -> DeliveryStats:
        """
        The counts at this instant.
        """
        with self._lock:
            return self._stock.stats()
