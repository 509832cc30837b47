"""
An outbox whose queue is librdkafka's, as long as all goes well.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator

from ... import threads
from ...accounting import DeliveryStats
from ...events import Entry, size_of
from ...forking import fork_safe_lock
from ..batch import Batch
from ..outbox import Outbox
from ..stock import Mark, Stock
from .lane import Lane, Way
from .producer import Producer, Returned

__all__ = ["ProducerOutbox"]

# Between two looks at what came back, and at how much waits.
_LOOK_SECONDS = 0.05
_LOOK_SOON_SECONDS = 0.01
# Records that log calls hand over before one of them takes the reports.
_AT_ONCE = 100
# Of those that wait, how many a log call hands over beside its own.
_A_FEW = 4
# How long somebody waits while another one has them come back.
_RECALL_SECONDS = 5.0
_HIGH_WATER = 0.8
# Records that are written to disk at once.
_PART = 1000


class ProducerOutbox(Outbox):
    """
    Hands records to the producer in the thread that logs them.

    A record that is one message and finds nothing before it in memory or on
    disk goes straight into librdkafka's queue, which keeps, orders and
    repeats.  Where that is not enough (it fills up and there is a disk, a
    message comes back, a record is several messages, somebody closes) records
    wait here as for any sink, and a worker sends them when what is in the
    producer is delivered, or has come back to be in front of them.

    Args:
        stock: What waits here.

        producer: Where records go.

        writes_ahead: Whether a record is on disk before ``put`` returns; then
            none goes straight.

        start: Starts the worker, and says whether it could.
    """

    def __init__(
        self,
        stock: Stock,
        producer: Producer,
        *,
        writes_ahead: bool = False,
        start: Callable[[], bool],
    ) -> None:
        self._producer = producer
        self._goes_straight = not writes_ahead
        self._recalling = fork_safe_lock()
        bounds = stock.bounds
        self._most = bounds.max_queue_records
        self._nearly = max(1, int(self._most * 0.95))
        self._high = max(1, int(self._most * _HIGH_WATER))
        super().__init__(stock, writes_ahead=writes_ahead, start=start)

    def _reset(self) -> None:
        super()._reset()
        self._lane = Lane(self._producer)
        self._is_polling = self._is_passing_on = False
        self._is_recall_due = False
        # records that are for the worker, because the lane did not take them
        self._stuck = 0
        # of a sample of those that were handed over, in bytes
        self._mean_size = 0.0
        # of the lane's numbers, at the last look
        self._seen = self._delivered = 0

    # --- the callers' side ---

    def put(self, entry: Entry, size: int, levelno: int) -> None:
        """
        Take a record; *size* is that of its entry, in bytes.
        """
        lane = self._lane
        if lane.budget > 0:
            with self._lock:
                # again: another thread may have been quicker
                if lane.budget > 0 and lane.hand_over(entry):
                    lane.budget -= 1
                    self._note()
                    return
        elif lane.way is Way.OPEN or lane.is_full:
            self._take_reports()
        super().put(entry, size, levelno)

    def _note(self) -> None:
        """
        One more is in the producer.
        """
        self._stock.counts.accepted += 1
        if self._lane.is_idle:
            self._lane.is_idle = False
            self._alarm.ring()

    def _take_reports(self) -> None:
        """
        Have librdkafka count out what is delivered, in this thread.

        Its client takes the interpreter's lock anew for each report.  For a
        thread that has it this costs next to nothing; the worker, beside one
        that computes, would wait 5 ms for each.
        """
        if self._is_polling:  # a signal handler that logs came in between
            return
        self._is_polling = True
        try:
            self._producer.poll(0)
        finally:
            self._is_polling = False

    def _put_with_care(self, entry: Entry, size: int, levelno: int) -> bool:
        lane = self._lane
        if lane.way is Way.OPEN:
            lane.is_full = False
            waits, limit = lane.waits(), self._limit(levelno)
            self._mean_size += 0.1 * (size - self._mean_size)
            if waits < limit and lane.hand_over(entry):
                lane.budget = max(0, min(_AT_ONCE, self._nearly - waits - 1))
                self._note()
                return True
            if (waits >= limit or lane.is_full) and not self.has_disk:
                return self._refused()
            self._shut()
        if lane.way is not Way.SHUT and not self._has_room(size, levelno):
            self.begin()  # for a worker that died
            return self._refused()
        is_settled = super()._put_with_care(entry, size, levelno)
        if lane.way is Way.OPENING:
            self._pass_on(_A_FEW)
        return is_settled

    def _limit(self, levelno: int) -> int:
        return self._most if levelno >= logging.WARNING else self._nearly

    def _has_room(self, size: int, levelno: int) -> bool:
        """
        Whether one more may wait here, beside those in the producer.
        """
        if self.has_disk:  # each has its own half of the room
            return True
        queue, in_flight = self._stock.queue, self._lane.waits()
        in_bytes = in_flight * self._mean_size + queue.bytes
        return (
            len(queue) + in_flight < self._limit(levelno)
            and in_bytes + size <= self._stock.bounds.max_queue_bytes
        )

    def _refused(self) -> bool:
        """
        Drop a record; or not yet, where its caller shall wait for room.
        """
        if self._stock.bounds.overflow == "block" and not self.is_closed:
            return False
        self._stock.counts.refuse("queue_full")
        return True

    def begin(self) -> None:
        """
        Have the worker started, if it does not run.
        """
        with self._lock:
            super().begin()
            if self._lane.way is not Way.SHUT:
                self._room = 0  # none may overtake those before it

    # --- the lane ---

    def _shut(self) -> None:
        """
        From now on records wait here, behind those in the producer.
        """
        if self._lane.shut():
            self._alarm.ring()

    def _may_open(self) -> bool:
        """
        Whether what waits, if anything does, may go into the producer.
        """
        stock = self._stock
        items = stock.queue.items
        return (
            self._goes_straight
            and self._producer.is_open
            and not (self.is_closed or self._waiters)
            and not (self._stuck > 0 or stock.batch or stock.is_on_disk)
            and (not items or _is_one_message(items[0][1]))
        )

    def _open(self) -> None:
        self._room = 0
        self._lane.open()

    def _pass_on(self, most: int) -> None:
        """
        Hand the oldest that wait to the producer; with the last it is open.

        Those who log do it as well: they are quicker than a worker that has
        to ask for the interpreter's lock.
        """
        if self._is_passing_on:  # a signal handler that logs came in between
            return
        if self._stock.is_on_disk:  # what was moved there goes first
            self._shut()
            return
        self._is_passing_on = True
        lane, queue = self._lane, self._stock.queue
        try:
            for _ in range(most):
                lane.is_full = False
                if not queue.items:
                    lane.way = Way.OPEN
                    lane.budget = min(_AT_ONCE, self._nearly)
                    return
                entry = queue.items[0][1]
                if not lane.hand_over(entry):
                    if not lane.is_full:  # for the worker to find out
                        self._stuck = 1
                        self._shut()
                    return
                queue.pop()
        finally:
            self._is_passing_on = False

    def _empty(self) -> None:
        self._lane.empty()
        self._is_recall_due = False
        self._tell_waiters()

    # --- the worker's side ---

    def take(self) -> Batch | None:
        """
        Wait for the next batch; None when all is sent, and no more will come.
        """
        batch = super().take()
        if batch is not None:
            self._stuck = max(0, self._stuck - batch.left)
        return batch

    def _ready_at(self, now: float) -> float | None:
        """
        When the next batch is due: not while older records are on their way.
        """
        lane = self._lane
        if lane.way is not Way.SHUT:
            self._look(now)
        elif self._may_open():
            self._open()
        if lane.way is Way.OPENING:
            self._pass_on(_AT_ONCE)
        if lane.way is Way.OPEN:
            return None
        if lane.way is not Way.SHUT:
            return now + _LOOK_SOON_SECONDS
        return super()._ready_at(now)

    def _look(self, now: float) -> None:
        """
        See what became of the records in the producer.
        """
        lane, producer = self._lane, self._producer
        waits = lane.waits()
        if lane.delivered > self._delivered:
            self._delivered = lane.delivered
            self._stock.counts.last_success = time.time()
            producer.watch.is_well()
        producer.watch.look(waits)
        if producer.returned:
            self._stock.counts.drop("expired", lane.take_expired())
        returned = bool(producer.returned)
        hurries = self.is_closed or bool(self._waiters)
        is_crowded = self.has_disk and (waits >= self._high or lane.is_full)
        is_behind = self._stock.is_on_disk  # what a dead process left
        if returned or is_crowded or hurries or is_behind:
            self._shut()
        elif lane.way is Way.EMPTYING and self._may_open():
            self._open()  # a flush gave up, or there is room again
        if lane.way is not Way.EMPTYING:
            return
        if not waits:
            self._empty()
            return
        # its neighbours are let through: to have them back may double them
        is_due = returned and not len(producer)
        if self.is_closed and self.has_disk:
            is_due = is_due or producer.watch.is_away
        self._is_recall_due = is_due or now >= self.close_by

    def _rest(self, seconds: float) -> bool:
        if self._is_recall_due:
            self._recall()
            return True
        lane = self._lane
        if lane.way is Way.SHUT:
            return super()._rest(seconds)
        with self._lock:
            lane.is_idle = lane.way is Way.OPEN and not lane.waits()
        if lane.is_idle:
            return super()._rest(seconds)
        if lane.way is Way.OPENING and not lane.is_full:
            threads.sleep(0)  # let those who log have the lock
            return True
        if lane.way is Way.EMPTYING:
            self._producer.flush(_LOOK_SECONDS)
            self.tend()
            return True
        self._alarm.doze(_LOOK_SECONDS)
        seen, self._seen = self._seen, lane.given
        if self._seen - seen < _AT_ONCE:  # else those who log take them
            self._producer.poll(0)
        return True

    def _recall(self) -> None:
        """
        Have what is in the producer come back, to be in front of all else.
        """
        if not threads.acquire(self._recalling, _RECALL_SECONDS):
            return  # somebody else does it, and needs the lock that we have
        try:
            self._call_back()
        finally:
            self._recalling.release()

    def _call_back(self) -> None:
        lane, counts = self._lane, self._stock.counts
        with self._lock:
            self._shut()
            if lane.way is Way.SHUT:
                return
        self._producer.purge()
        if len(self._producer):  # this thread is within a report: later
            return
        with self._lock:
            counts.drop("expired", lane.take_expired())
            returned = lane.take_returned()
            backlog = self._stock.backlog
        spool = backlog and backlog.store_before(_parts(returned))
        with self._lock:
            if backlog and spool:
                backlog.put_before(spool)
            else:
                self._give_back(returned)
                self._stuck = len(returned)
            counts.retried += len(returned)
            lane.settled(len(returned))
            self._empty()
            if self._is_over:
                super().finish()

    def _give_back(self, returned: list[Returned]) -> None:
        queue, now = self._stock.queue, time.monotonic()
        queue.items.extendleft(
            (now - each.seconds, each.entry) for each in reversed(returned)
        )
        queue.bytes += sum(size_of(each.entry) for each in returned)

    def release(self) -> None:
        """
        The worker ended before its time; the next record starts another.
        """
        with self._lock:
            self._shut()
            super().release()

    # --- flush and close ---

    def flush(self, deadline: float) -> bool:
        """
        Wait until what was put before is sent, dropped, or safe on disk.

        Returns:
            Whether it is; False if the deadline passed before.
        """
        with self._lock:
            self._shut()
        return super().flush(deadline)

    def _is_settled(self, mark: Mark) -> bool:
        with self._lock:
            is_through = self._lane.way is Way.SHUT and super()._is_settled(
                mark
            )
            return self._is_over or is_through

    def _is_away(self, failures: int) -> bool:
        return self._producer.watch.is_away or super()._is_away(failures)

    def _secure(self, mark: Mark) -> bool:
        if self.has_disk:
            self._recall()
        with self._lock:
            is_through = self._lane.way is Way.SHUT
        return super()._secure(mark) and is_through

    def close(self) -> None:
        """
        Take no more records; the worker ends when what it has is sent.
        """
        with self._lock:
            self._shut()
            super().close()

    def finish(self) -> int:
        """
        Settle what was not sent: to disk if there is one, or lost.

        Returns:
            How many records are lost.
        """
        # within ``take`` the lock is held, and nothing is left there
        if self._lane.way is not Way.SHUT:
            self._recall()
        return super().finish()

    # --- numbers ---

    @property
    def is_empty(self) -> bool:
        """
        Whether nothing waits for the worker.
        """
        with self._lock:
            return not self._lane.waits() and super().is_empty

    def stats(self) -> DeliveryStats:
        """
        The counts at this instant.
        """
        with self._lock:
            waits = self._lane.waits()
            found = self._stock.stats()
            return dataclasses.replace(
                found,
                sent=found.sent + self._lane.delivered,
                in_flight=found.in_flight + waits,
            )


def _is_one_message(entry: Entry) -> bool:
    return type(entry) is bytes or len(entry) == 1


def _parts(returned: list[Returned]) -> Iterator[list[Entry]]:
    for start in range(0, len(returned), _PART):
        yield [each.entry for each in returned[start : start + _PART]]
