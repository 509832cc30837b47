"""
The way from log calls to a worker: waking it, waiting, flushing, ending.
"""

import asyncio
import errno
import functools
import logging
import threading
import time

import pytest
from shipping import Later, unaccounted, wait_until

from mllog import waiting
from mllog.delivery import outbox as module
from mllog.delivery import stock as stocks
from mllog.delivery.backlog import Backlog
from mllog.delivery.bounds import Bounds
from mllog.delivery.outbox import Outbox
from mllog.delivery.spool import Spool
from mllog.delivery.stock import Stock

INFO, WARNING = logging.INFO, logging.WARNING
MIB = 2**20


@pytest.fixture
def make(tmp_path):
    """
    Make outboxes whose worker is the test; ``starts`` counts its starts.
    """
    made = []

    def outbox(spool="off", start=None, max_bytes=MIB, **bounds):
        bounds = {
            "max_queue_records": 100,
            "batch_records": 10,
            "linger_seconds": 30.0,
            "max_age_seconds": None,
            **bounds,
        }
        stock = Stock(Bounds(**bounds))
        if spool != "off":
            stock.backlog = Backlog(
                functools.partial(
                    Spool,
                    str(tmp_path / "spool"),
                    max_bytes=max_bytes,
                    fsync="never",
                ),
                drops_oldest=stock.bounds.overflow == "drop_oldest",
                say=lambda text: None,
            )
            made.append(stock.backlog)
        starts = []
        outbox = Outbox(
            stock,
            writes_ahead=spool == "always",
            start=start or (lambda: starts.append(1) or True),
        )
        outbox.starts = starts
        return outbox

    yield outbox
    for backlog in made:
        backlog.close()


@pytest.fixture
def exiting(monkeypatch):
    """
    The process is about to end.
    """
    monkeypatch.setattr(waiting, "_is_exiting", True)


@pytest.fixture
def later(monkeypatch):
    """
    The time of outboxes.
    """
    later = Later()
    monkeypatch.setattr(module, "time", later)
    return later


def _values(count, first=0):
    return [b"%04d" % number for number in range(first, first + count)]


def _put(outbox, *entries, levelno=INFO):
    for entry in entries:
        outbox.put(entry, len(entry), levelno)


def _send(outbox):
    batch = outbox.take()
    outbox.settle(batch, batch.left, "sent", 0.5)
    return list(batch.entries)


class Taker:
    """
    A worker that waits for one batch; ``seconds`` says how long it took.
    """

    def __init__(self, outbox):
        self._outbox, self.batch = outbox, None
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()
        time.sleep(0.05)

    def _take(self):
        self.batch = self._outbox.take()
        self.seconds = time.monotonic() - self._began

    @property
    def waits(self):
        self._thread.join(0.1)
        return self._thread.is_alive()

    def ended(self, seconds=5.0):
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def end(self):
        self._outbox.close()
        assert self.ended()


# --- taking records ---


def test_worker_is_started_by_the_first_record_and_once(make):
    """
    A handler nobody logs through has no thread.
    """
    outbox = make()
    before = len(outbox.starts)
    _put(outbox, *_values(50))

    assert before == 0
    assert len(outbox.starts) == 1


def test_worker_whose_start_logs_is_started_once(make):
    """
    What starts a thread may log, and its record is taken.
    """
    starts = []

    def start():
        starts.append(1)
        _put(outbox, b"nested")
        return True

    outbox = make(start=start)
    _put(outbox, b"first")

    assert starts == [1]
    assert outbox.stats().queued == 2


@pytest.mark.parametrize("levelno", [INFO, WARNING])
def test_put_counts_each_record_up_to_the_bounds(make, levelno):
    """
    The short way and the long way into the queue count the same.
    """
    outbox = make()
    _put(outbox, *_values(150), levelno=levelno)
    stats = outbox.stats()

    assert stats.accepted == 150
    assert stats.queued == (95 if levelno == INFO else 100)
    assert stats.queued_bytes == 4 * stats.queued
    assert unaccounted(stats) == 0


def test_put_within_a_put_keeps_the_bytes_right(make, monkeypatch):
    """
    A finaliser that logs in the middle of a log call costs no count.
    """
    outbox = make()
    _put(outbox, b"first")

    class Time:
        is_nested = False

        def __getattr__(self, name):
            return getattr(time, name)

        def monotonic(self):
            if not self.is_nested:
                self.is_nested = True
                _put(outbox, b"nested")
            return time.monotonic()

    monkeypatch.setattr(module, "time", Time())
    _put(outbox, b"outer")
    stats = outbox.stats()

    assert stats.queued == stats.accepted == 3
    assert stats.queued_bytes == len(b"firstnestedouter")


def test_outcomes_of_a_handler_are_counted(make):
    """
    Lost is accepted and dropped; suppressed and skipped are neither.
    """
    outbox = make()
    outbox.lost("too_large")
    outbox.count("suppressed")
    outbox.count("skipped")
    outbox.count("truncated")
    stats = outbox.stats()

    assert stats.accepted == 1
    assert stats.dropped == {"too_large": 1}
    assert (stats.suppressed, stats.skipped, stats.truncated) == (1, 1, 1)


# --- waking the worker ---


def test_take_waits_for_a_full_batch_and_no_longer(make):
    """
    The record that fills the batch wakes the worker, and none before it.
    """
    outbox = make()
    taker = Taker(outbox)
    _put(outbox, *_values(9))
    waited = taker.waits
    _put(outbox, *_values(1, first=9))

    assert waited
    assert taker.ended()
    assert taker.batch.entries == _values(10)


def test_take_waits_for_as_many_bytes(make):
    """
    Few large records are a full batch as well.
    """
    outbox = make(batch_bytes=100)
    taker = Taker(outbox)
    _put(outbox, b"x" * 50)
    waited = taker.waits
    _put(outbox, b"y" * 50)

    assert waited
    assert taker.ended()
    assert taker.batch.left == 2


def test_take_waits_no_longer_than_it_lingers(make):
    """
    A record alone goes after linger_seconds.
    """
    outbox = make(linger_seconds=0.2)
    taker = Taker(outbox)
    _put(outbox, b"x")

    assert taker.ended()
    assert 0.2 <= taker.seconds < 2
    assert taker.batch.entries == [b"x"]


def test_take_lets_a_full_batch_on_disk_wake_it(make):
    """
    With spool="always" records are counted where they are.
    """
    outbox = make(spool="always")
    taker = Taker(outbox)
    _put(outbox, *_values(9))
    waited = taker.waits
    _put(outbox, *_values(1, first=9))

    assert waited
    assert taker.ended()
    assert taker.batch.entries == _values(10)


def test_take_does_not_linger_while_the_queue_is_full(make):
    """
    A queue smaller than a batch wakes the worker before it loses records.
    """
    outbox = make(max_queue_records=20, batch_records=500)
    taker = Taker(outbox)
    _put(outbox, *_values(19))
    ended = taker.ended(1.0)
    taker.end()

    assert ended


@pytest.mark.parametrize("hurry", ["flush", "close"])
def test_take_does_not_linger_when_somebody_is_in_a_hurry(make, hurry):
    """
    Who flushes or closes gets what is there.
    """
    outbox = make()
    taker = Taker(outbox)
    _put(outbox, b"x")
    if hurry == "flush":
        outbox.flush(time.monotonic() + 0.2)
    else:
        outbox.close()

    assert taker.ended()
    assert taker.batch.entries == [b"x"]


def test_take_adopts_what_appears_while_it_is_idle(make, monkeypatch):
    """
    A process that dies later is inherited too.
    """
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.05)
    dead, outbox = make(spool="overflow"), make(spool="overflow")
    taker = Taker(outbox)
    _put(dead, *_values(10))
    dead.close()
    dead.finish()

    assert taker.ended()
    assert taker.batch.entries == _values(10)
    assert outbox.stats().adopted == 10


def test_take_of_a_closed_and_empty_outbox_is_none(make):
    """
    The worker ends, and a second one ends as well.
    """
    outbox = make()
    _put(outbox, b"x")
    outbox.close()
    sent = _send(outbox)

    assert sent == [b"x"]
    assert outbox.take() is None
    assert outbox.take() is None
    assert outbox.stats().sent == 1


def test_take_gives_up_a_disk_that_does_not_give_at_close(make, monkeypatch):
    """
    What cannot be read is left on disk, and the process can end.
    """
    outbox = make(spool="always")
    _put(outbox, *_values(3))
    outbox.close()

    def fail(self, *most):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(Spool, "read", fail)

    assert outbox.take() is None
    assert outbox.stats().spooled == 3
    assert unaccounted(outbox.stats()) == 0


def test_pause_ends_with_its_time_or_a_nudge(make):
    """
    Who flushes or closes does not wait for the next attempt.
    """
    outbox = make()
    began = time.monotonic()
    outbox.pause(0.1)
    alone = time.monotonic() - began
    timer = threading.Timer(0.05, outbox.nudge)
    timer.start()
    began = time.monotonic()
    outbox.pause(60)
    nudged = time.monotonic() - began
    timer.join()

    assert 0.1 <= alone < 2
    assert nudged < 5


def test_pause_moves_to_disk_what_is_above_the_high_water(make):
    """
    In an outage memory stays half free, while the worker waits.
    """
    outbox = make(spool="overflow")
    _put(outbox, *_values(10))
    batch = outbox.take()
    thread = threading.Thread(target=outbox.pause, args=(60,))
    thread.start()
    time.sleep(0.05)
    _put(outbox, *_values(81, first=10))
    moved = wait_until(lambda: outbox.stats().queued <= 50, 0.9)
    outbox.nudge()
    thread.join()

    assert moved
    assert batch.spool is not None
    assert unaccounted(outbox.stats()) == 0


def test_pause_lets_what_is_too_old_expire(make):
    """
    The batch in hand and the queue, also while nothing can be sent.
    """
    outbox = make(max_age_seconds=0.05)
    _put(outbox, *_values(15))
    batch = outbox.take()
    outbox.pause(0.1)

    assert batch.left == 0
    assert outbox.stats().dropped == {"expired": 15}
    assert unaccounted(outbox.stats()) == 0


# --- block ---


def test_block_waits_for_room(make):
    """
    A record comes in as soon as the worker has taken a batch.
    """
    outbox = make(overflow="block", block_seconds=20.0, max_queue_records=20)
    _put(outbox, *_values(19))
    timer = threading.Timer(0.1, outbox.take)
    timer.start()
    began = time.monotonic()
    _put(outbox, b"late")
    seconds = time.monotonic() - began
    timer.join()
    stats = outbox.stats()

    assert 0.05 < seconds < 5
    assert stats.queued == 10
    assert not stats.dropped
    assert unaccounted(stats) == 0


def test_block_waits_for_room_on_disk_too(make):
    """
    What the worker takes off the disk lets memory move there, and a record in.
    """
    outbox = make(
        spool="overflow",
        max_bytes=32 * 1024,
        overflow="block",
        block_seconds=0.0,
        linger_seconds=0.0,
    )
    while not outbox.stats().dropped:
        _put(outbox, b"x" * 100)
    object.__setattr__(outbox._stock.bounds, "block_seconds", 2.0)
    late = threading.Thread(target=_put, args=(outbox, b"late"))
    late.start()
    time.sleep(0.05)
    for _ in range(15):
        _send(outbox)
    late.join()

    assert outbox.stats().spooled > 0
    assert outbox.stats().dropped == {"queue_full": 1}


def test_block_gives_up_after_block_seconds(make):
    """
    The record is dropped as queue_full, and no other.
    """
    outbox = make(overflow="block", block_seconds=0.1)
    _put(outbox, *_values(95))
    began = time.monotonic()
    _put(outbox, b"late")
    seconds = time.monotonic() - began

    assert 0.1 <= seconds < 2
    assert outbox.stats().dropped == {"queue_full": 1}
    assert outbox.stats().queued == 95


def test_block_never_waits_in_an_event_loop(make):
    """
    It is dropped at once, as would_block.
    """
    outbox = make(overflow="block", block_seconds=20.0)
    _put(outbox, *_values(95))

    async def log():
        began = time.monotonic()
        _put(outbox, b"late")
        return time.monotonic() - began

    assert asyncio.run(log()) < 1
    assert outbox.stats().dropped == {"would_block": 1}


def test_block_never_waits_at_exit(make, exiting):
    """
    A process that ends is not held up.
    """
    outbox = make(overflow="block", block_seconds=20.0)
    began = time.monotonic()
    _put(outbox, *_values(96))

    assert time.monotonic() - began < 5
    assert outbox.stats().dropped == {"would_block": 1}


def test_block_during_the_end_leaves_no_record_behind(make):
    """
    A record that waited while the outbox ended is counted, or has a worker.
    """
    outbox = make(overflow="block", block_seconds=2.0)
    _put(outbox, *_values(95))
    thread = threading.Thread(target=_put, args=(outbox, b"late"))
    thread.start()
    time.sleep(0.1)
    outbox.close()
    outbox.finish()
    thread.join()

    assert outbox.stats().queued == 0 or len(outbox.starts) == 2


# --- settling ---


def test_settle_counts_by_outcome(make):
    """
    Sent, dead-lettered, or lost for the reason that is given.
    """
    outbox = make()
    _put(outbox, *_values(10))
    batch = outbox.take()
    outbox.settle(batch, 4, "sent", 0.25)
    outbox.settle(batch, 1, "dead_lettered")
    outbox.settle(batch, 2, "rejected")
    outbox.failed(batch)
    stats = outbox.stats()

    assert (stats.sent, stats.dead_lettered, stats.in_flight) == (4, 1, 3)
    assert stats.dropped == {"rejected": 2}
    assert (stats.batches, stats.send_seconds, stats.retried) == (1, 0.25, 3)
    assert abs(stats.last_success - time.time()) < 60
    assert unaccounted(stats) == 0


def test_settle_after_the_end_counts_nothing_twice(make):
    """
    A send that comes back too late finds its records counted as lost.
    """
    outbox = make()
    _put(outbox, *_values(10))
    batch = outbox.take()
    lost = outbox.finish()
    outbox.settle(batch, 10, "sent")

    assert lost == 10
    assert outbox.stats().sent == 0
    assert outbox.stats().dropped == {"unsent_at_close": 10}


def test_release_lets_the_next_record_start_a_worker(make):
    """
    The batch of a worker that died is in front again.
    """
    outbox = make()
    _put(outbox, *_values(12))
    batch = outbox.take()
    outbox.release()
    _put(outbox, *_values(1, first=12))

    assert batch.left == 0
    assert len(outbox.starts) == 2
    assert _send(outbox) == _values(10)
    assert unaccounted(outbox.stats()) == 0


# --- how long others wait for the lock ---


class CountingLock:
    """
    A lock that counts the records that moved while it was held.

    Attributes:
        most: The most that moved in one go.

        between: Called when it is free, each time.
    """

    def __init__(self, stock):
        self._stock, self._lock = stock, stock.lock
        self.most = self._depth = 0
        self.between = lambda: None

    def __enter__(self):
        self._lock.acquire()
        self._depth += 1
        if self._depth == 1:
            self._before = self._places()

    def __exit__(self, *exc):
        is_free = self._depth == 1
        if is_free:
            after = self._places()
            moved = [
                abs(there - then)
                for there, then in zip(after, self._before, strict=True)
            ]
            self.most = max(self.most, *moved)
        self._depth -= 1
        self._lock.release()
        if is_free:
            self.between()

    def _places(self):
        stock, batch = self._stock, self._stock.batch
        backlog, counts = stock.backlog, stock.counts
        return (
            len(stock.queue),
            0 if batch is None else batch.left,
            0 if backlog is None else backlog.pending,
            counts.sent,
            sum(counts.dropped.values()),
        )


@pytest.fixture
def large(make, monkeypatch):
    """
    Make outboxes for many records, with a lock that counts.
    """
    monkeypatch.setattr(stocks, "_AT_ONCE", 500)
    monkeypatch.setattr(module, "_SETTLED_AT_ONCE", 1000)

    def outbox(**options):
        outbox = make(
            **{
                "max_queue_records": 10_000,
                "batch_records": 5000,
                "max_bytes": 64 * MIB,
                **options,
            }
        )
        outbox._lock = outbox._stock.lock = CountingLock(outbox._stock)
        return outbox

    return outbox


def test_lock_is_free_after_each_part_of_a_large_batch(large):
    """
    To take 5000 records and to settle them stops nobody for more than a part.
    """
    outbox = large()
    _put(outbox, *_values(6000))
    batch = outbox.take()
    taken = outbox._lock.most
    outbox.settle(batch, 5000, "sent", 0.5)
    stats = outbox.stats()

    assert batch.entries == _values(5000)
    assert taken <= 500
    assert outbox._lock.most <= 1000
    assert (stats.sent, stats.batches, stats.send_seconds) == (5000, 1, 0.5)
    assert unaccounted(stats) == 0


def test_lock_is_free_after_each_part_of_what_moves_to_disk(large):
    """
    In a pause the batch in hand and half of the queue go there, in parts.
    """
    outbox = large(spool="overflow")
    _put(outbox, *_values(5000))
    batch = outbox.take()
    _put(outbox, *_values(9000, first=5000))
    outbox._lock.most = 0
    outbox.pause(0.0)
    stats = outbox.stats()

    assert outbox._lock.most <= 500
    assert (stats.in_flight, stats.spooled, stats.queued) == (5000, 4000, 5000)
    assert batch.spool is not None
    assert unaccounted(stats) == 0


def test_lock_is_free_after_each_part_of_what_is_read_from_disk(large):
    """
    A large batch of records that waited there comes in parts.
    """
    outbox = large(spool="always")
    with outbox._lock:
        outbox._stock.counts.accepted += 6000
        outbox._stock.backlog.store(_values(6000))
    outbox._lock.most = 0
    batch = outbox.take()
    outbox._lock.most, most = 0, outbox._lock.most
    outbox.settle(batch, 5000, "sent")

    assert batch.entries == _values(5000)
    assert most <= 500
    assert outbox._lock.most <= 1000
    assert unaccounted(outbox.stats()) == 0


def test_lock_is_free_after_each_part_of_what_is_too_old(large, later):
    """
    The queue and the batch in hand expire in parts.
    """
    outbox = large(max_age_seconds=300.0)
    _put(outbox, *_values(5000))
    outbox.take()
    _put(outbox, *_values(5000, first=5000))
    outbox._lock.most = 0
    later.ahead = 300.0
    outbox.pause(0.0)

    assert outbox._lock.most <= 1000  # 500 of each
    assert outbox.stats().dropped == {"expired": 10_000}


def test_lock_that_is_held_for_all_of_a_move_is_caught(large):
    """
    Control: the count sees a move in one go.
    """
    outbox = large(spool="overflow")
    _put(outbox, *_values(5000))
    with outbox._lock:
        outbox._stock.spill(0)

    assert outbox._lock.most == 5000


@pytest.mark.parametrize("end", ["finish", "release", "close", "flush"])
@pytest.mark.parametrize("spool", ["off", "overflow"])
@pytest.mark.parametrize("part", [1, 3])
def test_batch_that_is_filled_when_somebody_comes_between_is_counted(
    large, end, spool, part
):
    """
    Whoever ends, flushes or starts anew between two parts loses no record.
    """
    outbox = large(spool=spool)
    _put(outbox, *_values(6000))
    frees, found = [], []

    def between():
        found.append(outbox._stock.stats())
        frees.append(1)
        if len(frees) != part:
            return
        if end == "flush":
            with outbox._lock:
                outbox._stock.secure(outbox._stock.mark())
        else:
            getattr(outbox, end)()

    outbox._lock.between = between
    batch = outbox.take()
    outbox._lock.between = lambda: None
    outbox.settle(batch, 10**6, "sent")
    stats = outbox.stats()

    assert not any(map(unaccounted, [*found, stats]))
    assert stats.in_flight == 0
    assert stats.sent in {0, 500 * part, 5000}
    lost = stats.dropped.get("unsent_at_close", 0)
    assert lost == (6000 if (end, spool) == ("finish", "off") else 0)
    assert stats.queued + stats.spooled + stats.sent + lost == 6000


@pytest.mark.parametrize("end", ["finish", "release", "put", "flush", "fork"])
@pytest.mark.parametrize("part", [1, 4, 10, 11, 14])
def test_move_to_disk_when_somebody_comes_between_is_counted(large, end, part):
    """
    Between two parts each record is in one place, and stays in its turn.
    """
    outbox = large(spool="overflow")
    _put(outbox, *_values(5000))
    batch = outbox.take()
    _put(outbox, *_values(9500, first=5000))
    frees, found = [], []

    def between():
        found.append(outbox._stock.stats())
        frees.append(1)
        if len(frees) != part + 1:  # the first is that of _expire
            return
        if end == "put":
            _put(outbox, *_values(800, first=14_500), levelno=WARNING)
        elif end == "flush":
            with outbox._lock:
                outbox._stock.secure(outbox._stock.mark())
        elif end == "fork":
            outbox.forget_parent()
        else:
            getattr(outbox, end)()

    outbox._lock.between = between
    outbox.pause(0.0)
    outbox._lock.between = lambda: None
    stats = outbox.stats()

    assert not any(map(unaccounted, [*found, stats]))
    assert min(each.spooled for each in found) >= 0
    if end == "fork":
        assert stats.accepted == stats.queued == stats.spooled == 0
        return
    assert dict(stats.dropped) == {}
    if end == "finish":
        assert (stats.spooled, batch.left) == (14_500, 0)
        return
    sent = batch.rest() if batch.left else []
    outbox.settle(batch, 10**6, "sent")
    outbox.close()
    while (more := outbox.take()) is not None:
        sent += more.entries
        outbox.settle(more, 10**6, "sent")
    assert sent == _values(15_300 if end == "put" else 14_500)
    assert unaccounted(outbox.stats()) == 0


def test_move_to_disk_where_the_oldest_give_way_between_is_counted(
    large, monkeypatch
):
    """
    A disk that refuses midway, and a full queue: what gives way is counted.
    """
    outbox = large(spool="overflow")
    # or the callers would have made room
    monkeypatch.setattr(Stock, "step", lambda self: False)
    _put(outbox, *_values(5000))
    batch = outbox.take()
    _put(outbox, *_values(9500, first=5000))
    _put(outbox, *_values(500, first=14_500), levelno=WARNING)
    frees = []

    def refuse(self, entries):
        raise OSError(errno.ENOSPC, "no room")

    def between():
        frees.append(1)
        if len(frees) == 4:
            monkeypatch.setattr(Spool, "append", refuse)
            _put(outbox, *_values(100, first=15_000), levelno=WARNING)

    outbox._lock.between = between
    outbox.pause(0.0)
    outbox._lock.between = lambda: None
    stats = outbox.stats()

    assert stats.dropped == {"queue_full": stats.accepted - 15_000}
    assert (batch.held, batch.spool, stats.spooled) == (0, None, 0)
    assert (stats.in_flight, stats.queued) == (5000, 10_000)
    assert unaccounted(stats) == 0


# --- flush ---


def test_flush_of_what_is_sent_is_true(make):
    """
    It waits until the last record that was put before is acknowledged.
    """
    outbox = make()
    _put(outbox, *_values(15))
    thread = threading.Thread(
        target=lambda: [(time.sleep(0.05), _send(outbox)) for _ in range(2)]
    )
    thread.start()

    done = outbox.flush(time.monotonic() + 20)

    sent = outbox.stats().sent
    thread.join()
    assert done
    assert sent == 15


def test_flush_of_nothing_is_true_at_once(make):
    """
    With and without a spool.
    """
    assert make().flush(time.monotonic())
    assert make(spool="always").flush(time.monotonic())


def test_flush_of_what_waits_is_false_at_the_deadline(make):
    """
    Not earlier, and not later.
    """
    outbox = make()
    _put(outbox, b"x")
    began = time.monotonic()

    done = outbox.flush(began + 0.2)

    assert not done
    assert 0.2 <= time.monotonic() - began < 1


def test_flush_does_not_wait_for_what_came_after(make):
    """
    Records that are put meanwhile are another flush's.
    """
    outbox = make()
    _put(outbox, *_values(10))
    flushed = []
    thread = threading.Thread(
        target=lambda: flushed.append(outbox.flush(time.monotonic() + 20))
    )
    thread.start()
    time.sleep(0.1)
    _put(outbox, *_values(5, first=10))
    _send(outbox)
    thread.join(5)

    assert flushed == [True]
    assert outbox.stats().queued == 5


def test_flush_of_what_is_dropped_is_true(make):
    """
    A record that expired is not waited for.
    """
    outbox = make(max_age_seconds=0.1)
    _put(outbox, b"x")
    thread = threading.Thread(
        target=lambda: [outbox.pause(0.1) for _ in range(4)]
    )
    thread.start()
    began = time.monotonic()

    done = outbox.flush(began + 20)

    thread.join()
    assert done
    assert time.monotonic() - began < 5


def test_flush_while_the_sink_is_away_is_true_once_it_is_on_disk(make):
    """
    It does not wait for a sink: what memory holds is written.
    """
    outbox = make(spool="overflow")
    _put(outbox, *_values(15))
    batch = outbox.take()
    timer = threading.Timer(0.1, outbox.failed, args=(batch,))
    timer.start()
    began = time.monotonic()

    done = outbox.flush(began + 20)

    timer.join()
    stats = outbox.stats()
    assert done
    assert time.monotonic() - began < 5
    assert (stats.in_flight, stats.spooled, stats.queued) == (10, 5, 0)


def test_flush_at_the_deadline_writes_to_disk(make):
    """
    With a spool what was not sent in time is safe.
    """
    outbox = make(spool="overflow")
    _put(outbox, *_values(3))

    assert outbox.flush(time.monotonic() + 0.05)
    assert outbox.stats().spooled == 3


def test_flush_that_the_disk_refuses_is_false(make, monkeypatch):
    """
    What is in memory alone is not safe.
    """

    def refuse(self, entries):
        raise OSError(errno.ENOSPC, "no room")

    outbox = make(spool="overflow")
    _put(outbox, *_values(3))
    monkeypatch.setattr(Spool, "append", refuse)

    assert not outbox.flush(time.monotonic() + 0.05)
    assert outbox.stats().queued == 3


def test_flush_ends_with_the_outbox(make):
    """
    Who waits is told when all is settled.
    """
    outbox = make()
    _put(outbox, b"x")
    timer = threading.Timer(0.1, outbox.finish)
    timer.start()
    began = time.monotonic()

    assert outbox.flush(began + 30)
    assert time.monotonic() - began < 5
    timer.join()


# --- the end ---


def test_finish_without_a_disk_counts_what_is_lost(make):
    """
    The batch in hand and the queue, once.
    """
    outbox = make()
    _put(outbox, *_values(15))
    outbox.take()

    assert outbox.finish() == 15
    assert outbox.finish() == 0
    assert outbox.stats().dropped == {"unsent_at_close": 15}
    assert outbox.is_empty


def test_finish_with_a_disk_loses_nothing(make):
    """
    The next process finds the batch in hand and the queue, in order.
    """
    outbox, heir = make(spool="overflow"), make(spool="overflow")
    _put(outbox, *_values(15))
    outbox.take()
    lost = outbox.finish()
    heir.look_around()

    assert lost == 0
    assert outbox.stats().spooled == 15
    assert unaccounted(outbox.stats()) == 0
    assert _send(heir) + _send_rest(heir) == _values(15)
    assert heir.stats().accepted == heir.stats().adopted == 15


def _send_rest(outbox):
    outbox.close()
    return _send(outbox)


def test_late_record_starts_a_worker(make):
    """
    A thread that found the handler before dictConfig took it away may log.
    """
    outbox = make()
    _put(outbox, b"1")
    outbox.close()
    _send(outbox)
    outbox.take()
    _put(outbox, b"late")

    assert len(outbox.starts) == 2
    assert _send(outbox) == [b"late"]
    assert outbox.take() is None
    assert outbox.stats().sent == 2


def test_late_record_before_the_end_goes_with_the_others(make):
    """
    While the worker drains, no second one is started.
    """
    outbox = make()
    _put(outbox, b"1")
    outbox.close()
    _put(outbox, b"late")

    assert len(outbox.starts) == 1
    assert _send(outbox) == [b"1", b"late"]


def test_late_record_at_exit_is_counted_as_closed(make, exiting):
    """
    Nobody sends any more.
    """
    outbox = make()
    _put(outbox, b"1")
    outbox.close()
    outbox.finish()
    _put(outbox, b"late")

    assert outbox.stats().dropped == {"unsent_at_close": 1, "closed": 1}
    assert outbox.stats().queued == 0
    assert len(outbox.starts) == 1


@pytest.mark.parametrize("spool", ["overflow", "always"])
def test_late_record_at_exit_is_stored_where_there_is_a_disk(
    make, exiting, spool
):
    """
    The next process finds it.
    """
    outbox, heir = make(spool=spool), make(spool=spool)
    _put(outbox, b"1")
    outbox.close()
    outbox.finish()
    _put(outbox, b"late")
    _put(outbox, b"later")
    heir.look_around()
    heir.close()

    assert outbox.stats().spooled == 3
    assert not outbox.stats().dropped
    assert _send(heir) == [b"1"]
    assert sorted(_send(heir) + _send(heir)) == [b"late", b"later"]


def test_child_of_a_fork_has_an_empty_outbox(make):
    """
    Nothing waits, nobody runs, and the next record starts a worker.
    """
    outbox = make(spool="overflow")
    _put(outbox, *_values(15))
    outbox.take()
    outbox.failed(outbox._stock.batch)
    outbox._stock.spill(0)
    outbox.forget_parent()
    stats = outbox.stats()
    _put(outbox, b"own")

    assert stats.accepted == stats.in_flight == stats.spooled == 0
    assert len(outbox.starts) == 2
    assert outbox.stats().queued == 1
    assert outbox.flush(time.monotonic())
