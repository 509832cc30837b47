"""
What is not sent yet: its order, its moves, and that every record is counted.
"""

import errno
import functools
import logging
import tempfile
import time
from itertools import count

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from shipping import unaccounted

from mllog.delivery import backlog as backlogs
from mllog import threads
from mllog.delivery import outbox as outboxes
from mllog.delivery import queue as queues
from mllog.delivery import stock as stocks
from mllog.delivery.backlog import Backlog
from mllog.delivery.bounds import Bounds
from mllog.delivery.outbox import Outbox
from mllog.delivery.spool import Spool
from mllog.delivery.stock import Stock
from mllog.events import Event, size_of

MIB = 2**20


class Clock:
    """
    A time that a test sets.
    """

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def time(self):
        return 1e9 + self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    """
    When records come, and what time it is.
    """
    clock = Clock()
    for module in (queues, stocks, backlogs):
        monkeypatch.setattr(module, "time", clock)
    return clock


def _backlog(folder, max_bytes=MIB, drops_oldest=True):
    spool = functools.partial(
        Spool, str(folder), max_bytes=max_bytes, fsync="never"
    )
    return Backlog(spool, drops_oldest=drops_oldest, say=lambda text: None)


@pytest.fixture
def make(tmp_path):
    """
    Make stocks, with a spool unless told otherwise, closed at the end.
    """
    made = []

    def stock(spool=True, max_bytes=MIB, **bounds):
        bounds = {
            "max_queue_records": 100,
            "batch_records": 10,
            "max_age_seconds": None,
            **bounds,
        }
        stock = Stock(Bounds(**bounds))
        if spool:
            stock.backlog = _backlog(tmp_path / "spool", max_bytes)
            made.append(stock.backlog)
        return stock

    yield stock
    for backlog in made:
        backlog.close()


def _values(count, first=0):
    return [b"%04d" % number for number in range(first, first + count)]


def _put(stock, *entries):
    for entry in entries:
        stock.counts.accepted += 1
        stock.queue.append(entry, size_of(entry))


def _store(stock, *entries):
    stock.counts.accepted += len(entries)
    assert stock.backlog.store(entries)


def _send(stock, batch):
    stock.counts.sent += stock.settle(batch, batch.left)
    return list(batch.entries)


def _drain(stock):
    found = []
    while (batch := stock.next_batch()) is not None:
        found += _send(stock, batch)
    return found


# --- counts ---


def test_counts_of_a_new_stock_are_zero(make):
    """
    Nothing is counted before anything happened.
    """
    stats = make().stats()

    assert unaccounted(stats) == 0
    assert stats.accepted == stats.queued == stats.spooled == 0
    assert dict(stats.dropped) == {}


def test_counts_of_a_refused_record_are_balanced(make):
    """
    Refused is accepted and dropped; dropped was accepted before.
    """
    stock = make()
    _put(stock, b"1", b"2")
    stock.queue.pop()
    stock.counts.drop("queue_full")
    stock.counts.refuse("closed")
    stats = stock.stats()

    assert stats.accepted == 3
    assert stats.dropped == {"queue_full": 1, "closed": 1}
    assert unaccounted(stats) == 0


def test_stats_say_where_each_record_is(make):
    """
    In flight, on disk and in memory are counted apart, with their bytes.
    """
    stock = make()
    _store(stock, *_values(25))
    _put(stock, *_values(3, first=25))
    batch = stock.next_batch()
    stock.settle(batch, 4)
    stock.counts.sent += 4
    stats = stock.stats()

    assert (stats.in_flight, stats.spooled, stats.queued) == (6, 15, 3)
    assert stats.queued_bytes == 12
    assert stats.spooled_bytes > 25 * 4
    assert unaccounted(stats) == 0


def test_stats_give_the_age_of_the_oldest_in_memory(make, clock):
    """
    Also where the oldest is in the worker's hands, for an outage keeps it there.
    """
    stock = make(spool=False)
    _put(stock, *_values(10))
    clock.now += 60.0
    queued = stock.stats().oldest_seconds
    stock.next_batch()
    in_hand = stock.stats().oldest_seconds

    assert queued == 60.0
    assert in_hand == 60.0


# --- order ---


def test_batch_comes_from_disk_before_memory(make):
    """
    What was spilled is older than what came since.
    """
    stock = make()
    _store(stock, *_values(12))
    _put(stock, *_values(3, first=12))

    assert _drain(stock) == _values(15)
    assert stock.next_batch() is None


def test_batch_comes_from_dead_processes_first(make, tmp_path):
    """
    Adopted, then own, then memory.
    """
    dead = _backlog(tmp_path / "spool")
    dead.store(_values(3))
    dead.close()
    stock = make()
    _put(stock, *_values(1, first=6))
    _store(stock, *_values(3, first=3))
    stock.counts.accepted += stock.backlog.adopt(stock.backlog.orphans())

    assert _drain(stock) == _values(7)
    assert unaccounted(stock.stats()) == 0


def test_batch_is_bounded_by_records_and_bytes_from_disk_as_well(make):
    """
    The bounds of a batch do not depend on where it comes from.
    """
    stock = make(batch_bytes=20)
    _store(stock, *_values(8))
    _put(stock, *_values(8))

    sizes = []
    while (batch := stock.next_batch()) is not None:
        sizes.append(len(_send(stock, batch)))
    assert sizes == [5, 3, 5, 3]


def test_settle_of_more_than_is_left_counts_what_was_left(make):
    """
    A record is never settled twice.
    """
    stock = make()
    _store(stock, *_values(3))
    batch = stock.next_batch()

    assert stock.settle(batch, 2) == 2
    assert stock.settle(batch, 2) == 1
    assert stock.settle(batch, 2) == 0
    assert stock.batch is None
    assert stock.backlog.pending == 0


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_put_back_brings_what_is_left_to_the_front(make, place):
    """
    Partly settled, put back, and taken again: nothing twice, all in order.
    """
    stock = make()
    if place == "disk":
        _store(stock, *_values(15))
    else:
        _put(stock, *_values(15))
    batch = stock.next_batch()
    stock.settle(batch, 4)
    stock.put_back()

    assert batch.left == 0
    assert stock.settle(batch, 3) == 0
    assert stock.batch is None
    assert _drain(stock) == _values(11, first=4)


def test_put_back_of_nothing_is_nothing(make):
    """
    It may be called at any time.
    """
    stock = make()
    stock.put_back()
    _put(stock, b"1")
    stock.settle(stock.next_batch(), 1)
    stock.put_back()

    assert not stock.queue


# --- the disk ---


def test_relieve_moves_from_high_water_to_low_water(make):
    """
    At 80 % full it moves until half is left, the oldest first.
    """
    stock = make()
    _put(stock, *_values(79))
    stock.relieve()
    before = len(stock.queue)
    _put(stock, *_values(1, first=79))
    stock.relieve()

    assert before == 79
    assert len(stock.queue) == 50
    assert stock.backlog.pending == 30
    assert stock.high_water == (80, int(16 * MIB * 0.8))
    assert _drain(stock) == _values(80)


def test_relieve_without_a_disk_does_nothing(make):
    """
    There is no high-water mark either.
    """
    stock = make(spool=False)
    _put(stock, *_values(100))
    stock.relieve()

    assert len(stock.queue) == 100
    assert not stock.spill()
    assert min(stock.high_water) > 10**12


def test_spill_puts_the_batch_in_hand_before_the_queue(make):
    """
    What is on its way stays in hand, safe on disk, and is sent once.
    """
    stock = make()
    _put(stock, *_values(30))
    batch = stock.next_batch()
    stock.settle(batch, 3)
    stock.counts.sent += 3
    assert stock.spill(0)
    stats = stock.stats()

    assert (stats.in_flight, stats.spooled, stats.queued) == (7, 20, 0)
    assert unaccounted(stats) == 0
    assert stock.first_in_memory == 30
    assert not stock.is_in_memory
    sent = [*batch.rest()]
    _send(stock, batch)
    assert sent + _drain(stock) == _values(27, first=3)


def test_spill_of_a_batch_that_is_put_back_keeps_the_order(make):
    """
    A worker that dies after a spill leaves its batch in front, on disk.
    """
    stock = make()
    _put(stock, *_values(30))
    stock.next_batch()
    stock.spill()
    stock.put_back()

    assert _drain(stock) == _values(30)


def test_spill_of_a_batch_that_does_not_fit_leaves_the_queue(
    make, monkeypatch
):
    """
    What is behind the batch never goes to disk before it.
    """
    stock = make()
    _put(stock, *_values(100))
    stock.next_batch()
    monkeypatch.setattr(Spool, "append", _refuse)

    assert not stock.spill(0)
    assert len(stock.queue) == 90
    assert stock.batch.spool is None


def _refuse(self, entries):
    raise OSError(errno.ENOSPC, "no room")


def test_spill_by_a_disk_that_takes_but_does_not_give_counts_once(
    make, monkeypatch
):
    """
    A process without descriptors left may write and not read: no record twice.
    """
    stock = make()
    _put(stock, *_values(30))
    stock.next_batch()

    def fail(self, *most):
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "read", fail)
        try:
            stock.spill(0)
        except OSError:
            pass

    assert unaccounted(stock.stats()) == 0


def test_spill_fills_the_disk_before_memory_loses_any(make, tmp_path):
    """
    A chunk larger than the room left goes in part: the disk is used.
    """
    stock = make(spool=False, max_queue_records=1000, max_queue_bytes=64 * MIB)
    stock.backlog = _backlog(tmp_path / "spool", MIB, drops_oldest=False)
    _put(stock, *[b"x" * 10_000] * 500)
    stock.spill(0)
    used = stock.backlog.bytes
    stock.backlog.close()

    assert used > MIB / 2


# --- when ---


def test_ready_at_of_nothing_is_never(make):
    """
    There is nothing to wait for.
    """
    assert make().ready_at(5.0, in_a_hurry=True) is None


def test_ready_at_is_a_linger_after_the_oldest(make, clock):
    """
    A record waits for others from when it came.
    """
    stock = make(linger_seconds=2.0)
    _put(stock, b"1")
    clock.now += 1.5
    _put(stock, b"2")

    assert stock.ready_at(clock.now, in_a_hurry=False) == 1002.0
    assert stock.ready_at(clock.now, in_a_hurry=True) == clock.now


def test_ready_at_of_a_full_batch_is_now(make, clock):
    """
    By records, or by bytes.
    """
    many, large, few = make(), make(batch_bytes=40), make()
    _put(many, *_values(10))
    _put(large, b"x" * 40)
    _put(few, *_values(9))

    assert many.ready_at(clock.now, in_a_hurry=False) == clock.now
    assert large.ready_at(clock.now, in_a_hurry=False) == clock.now
    assert few.ready_at(clock.now, in_a_hurry=False) > clock.now


def test_ready_at_of_a_full_queue_is_now(make, clock):
    """
    A queue smaller than a batch does not wait for what it has no room for.
    """
    stock = make(spool=False, max_queue_records=20, batch_records=500)
    _put(stock, *_values(20))

    assert stock.ready_at(clock.now, in_a_hurry=False) == clock.now


def test_ready_at_on_disk_is_a_linger_after_it_was_seen(make, clock):
    """
    Records on disk have no time of their own; waiting is counted once.
    """
    stock = make(linger_seconds=2.0)
    _store(stock, b"1")
    first = stock.ready_at(clock.now, in_a_hurry=False)
    clock.now += 1.0
    _store(stock, b"2")

    assert first == 1002.0
    assert stock.ready_at(clock.now, in_a_hurry=False) == 1002.0


def test_ready_at_of_what_a_batch_left_on_disk_is_no_second_linger(
    make, clock
):
    """
    Large records, of which few go together, have waited as long as the first.
    """
    stock = make(linger_seconds=1.0, batch_bytes=8, batch_records=500)
    _store(stock, *_values(10))
    clock.now = stock.ready_at(clock.now, in_a_hurry=False)
    _send(stock, stock.next_batch())

    assert stock.backlog.pending == 8
    assert stock.ready_at(clock.now, in_a_hurry=False) <= clock.now


# --- age ---


def test_expire_gives_up_what_is_too_old(make, clock):
    """
    In the queue and in the worker's hands, counted once.
    """
    stock = make(spool=False, max_age_seconds=10.0)
    _put(stock, *_values(15))
    clock.now += 5.0
    _put(stock, *_values(3, first=15))
    batch = stock.next_batch()
    stock.settle(batch, 2)
    stock.counts.sent += 2
    clock.now += 5.5

    assert stock.expire(clock.now) == 13
    assert stock.batch is None
    assert stock.stats().dropped == {"expired": 13}
    assert unaccounted(stock.stats()) == 0
    assert _drain(stock) == _values(3, first=15)


def test_expire_keeps_what_is_just_old_enough(make, clock):
    """
    A record of exactly that age is still sent.
    """
    stock = make(spool=False, max_age_seconds=10.0)
    _put(stock, b"1")
    clock.now += 10.0

    assert stock.expire(clock.now) == 0


def test_expire_keeps_the_young_of_the_batch_in_hand(make, clock):
    """
    A batch loses its oldest records alone.
    """
    stock = make(spool=False, max_age_seconds=10.0)
    _put(stock, *_values(4))
    clock.now += 5.0
    _put(stock, *_values(4, first=4))
    batch = stock.next_batch()
    clock.now += 6.0

    assert stock.expire(clock.now) == 4
    assert stock.batch is batch
    assert batch.rest() == _values(4, first=4)


def test_expire_without_an_age_or_on_disk_gives_nothing_up(make, clock):
    """
    What is on disk waits until it is sent, also the batch that was held.
    """
    ageless, held = make(), make(max_age_seconds=10.0)
    _put(ageless, b"1")
    _put(held, *_values(5))
    held.next_batch()
    held.spill(0)
    clock.now += 1e6

    assert ageless.expire(clock.now) == 0
    assert held.expire(clock.now) == 0
    assert held.stats().in_flight == 5


def test_reset_begins_empty(make):
    """
    A child has no record, no batch, no count of its parent.
    """
    stock = make(spool=False)
    _put(stock, *_values(20))
    stock.next_batch()
    stock.reset()

    assert stock.stats() == make(spool=False).stats()
    assert stock.batch is None


# --- in steps ---


def _whole(stock):
    """
    Whether each record is counted once, and no number is negative.
    """
    stats = stock.stats()
    least = min(stats.queued, stats.in_flight, stats.spooled)
    return unaccounted(stats) == 0 and least >= 0


@pytest.fixture
def large(make, monkeypatch):
    """
    Make stocks whose queue and batches are larger than what moves at once.
    """
    monkeypatch.setattr(stocks, "_AT_ONCE", 500)
    return functools.partial(
        make, max_queue_records=1500, batch_records=1200, max_bytes=8 * MIB
    )


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_batch_is_filled_some_at_a_time(large, place):
    """
    500 records in each step, wherever they come from, each counted once.
    """
    stock = large(max_queue_records=4000)
    if place == "disk":
        _store(stock, *_values(1300))
    else:
        _put(stock, *_values(1300))
    batch = stock.next_batch()
    sizes = [batch.left]
    while stock.fill(batch):
        sizes.append(batch.left)
        assert _whole(stock)
    sizes.append(batch.left)

    assert sizes == [500, 1000, 1200, 1200]
    assert batch.size == 4800
    assert batch.entries == _values(1200)
    assert _send(stock, batch) + _drain(stock) == _values(1300)


def test_batch_that_was_put_back_is_filled_no_more(large):
    """
    Whoever closes between two steps takes all of it.
    """
    stock = large()
    _put(stock, *_values(1500))
    batch = stock.next_batch()
    stock.put_back()

    assert not stock.fill(batch)
    assert len(batch.entries) == 500
    assert batch.left == 0
    assert len(stock.queue) == 1500
    assert _whole(stock)


def test_batch_that_was_moved_to_disk_is_filled_no_more(large):
    """
    What is behind it went to disk as well, and is the next batch.
    """
    stock = large()
    _put(stock, *_values(1500))
    batch = stock.next_batch()
    stock.spill(0)

    assert not stock.fill(batch)
    assert batch.left == 500
    assert _whole(stock)
    assert _send(stock, batch) + _drain(stock) == _values(1500)


def test_batch_is_filled_with_what_a_full_queue_has_left(large):
    """
    The oldest in the queue may give way between two steps: none twice.
    """
    stock = large(spool=False)
    _put(stock, *_values(1500))
    batch = stock.next_batch()
    for _ in range(100):
        stock.queue.pop()
        stock.counts.drop("queue_full")
    while stock.fill(batch):
        pass

    assert batch.entries == _values(500) + _values(700, first=600)
    assert _whole(stock)


def test_batch_that_another_one_followed_is_filled_no_more(large):
    """
    A worker that is late does not add to what is no more in its hands.
    """
    stock = large()
    _put(stock, *_values(1500))
    late = stock.next_batch()
    stock.put_back()
    batch = stock.next_batch()

    assert not stock.fill(late)
    assert batch.entries == late.entries == _values(500)


def test_relieve_moves_some_at_a_time_and_counts_each_once(large):
    """
    The batch in 3 steps, the queue in 2, and the identity holds after each.
    """
    stock = large()
    _put(stock, *_values(1200))
    batch = stock.next_batch()
    while stock.fill(batch):
        pass
    _put(stock, *_values(1400, first=1200))
    seen = []
    while stock.relieve():
        assert _whole(stock)
        stats = stock.stats()
        seen.append((stats.in_flight, batch.held, stats.spooled, stats.queued))

    assert seen == [
        (1200, 500, 0, 1400),
        (1200, 1000, 0, 1400),
        (1200, 0, 0, 1400),
        (1200, 0, 500, 900),
        (1200, 0, 650, 750),
    ]
    assert _send(stock, batch) + _drain(stock) == _values(2600)


def test_relieve_goes_on_below_the_high_water_until_the_low_water(large):
    """
    What it began it ends; afterwards it waits for the high water again.
    """
    stock = large()
    _put(stock, *_values(1300))
    steps = []
    while stock.relieve():
        steps.append(len(stock.queue))

    assert steps == [800, 750]
    assert not stock.relieve()


def test_relieve_beside_a_disk_that_refuses_midway_leaves_no_copy(
    large, monkeypatch
):
    """
    What was copied is taken off the disk, and memory has the batch alone.
    """
    stock = large()
    _put(stock, *_values(1200))
    batch = stock.next_batch()
    while stock.fill(batch):
        pass
    _put(stock, *_values(1200, first=1200))
    assert stock.relieve() and stock.relieve()
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "append", _refuse)
        assert not stock.relieve()

    assert (batch.held, batch.spool, stock.backlog.pending) == (0, None, 0)
    assert stock.first_in_memory == 0
    assert _whole(stock)
    assert _send(stock, batch) + _drain(stock) == _values(2400)


def test_relieve_beside_a_disk_that_does_not_give_midway_counts_once(
    large, monkeypatch
):
    """
    The copies of a disk that cannot be read are not taken for records.
    """
    stock = large()
    batch = _holding_under_pressure(stock)

    def fail(self, *most):
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "read", fail)
        assert not stock.relieve()

    assert (batch.held, batch.spool, stock.backlog.pending) == (0, None, 0)
    assert _whole(stock)
    assert _send(stock, batch) + _drain(stock) == _values(2400)


def _holding_under_pressure(stock):
    _put(stock, *_values(1200))
    batch = stock.next_batch()
    while stock.fill(batch):
        pass
    _put(stock, *_values(1200, first=1200))
    assert stock.relieve()
    assert (batch.held, stock.backlog.pending) == (500, 500)
    return batch


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4])
def test_put_back_between_two_steps_brings_each_record_back_once(large, after):
    """
    With no copy, with some, and with all of it on disk.
    """
    stock = large()
    _put(stock, *_values(1200))
    batch = stock.next_batch()
    while stock.fill(batch):
        pass
    _put(stock, *_values(1200, first=1200))
    for _ in range(after):
        assert stock.relieve()
    stock.put_back()

    assert batch.left == stock.stats().in_flight == 0
    assert _whole(stock)
    assert _drain(stock) == _values(2400)
    assert stock.backlog.pending == 0


@pytest.mark.parametrize("keep", [0, 0.5])
def test_spill_between_two_steps_goes_on_where_they_were(large, keep):
    """
    A log call that needs room finds some copies made, and makes the others.
    """
    stock = large()
    batch = _holding_under_pressure(stock)

    assert stock.spill(keep)
    assert (batch.spool is not None, batch.held) == (True, 0)
    assert len(stock.queue) == 1500 * keep
    assert stock.backlog.pending == 2400 - 1500 * keep
    assert _whole(stock)
    assert _send(stock, batch) + _drain(stock) == _values(2400)


def test_mark_between_two_steps_is_not_passed_by_a_copy_that_is_dropped(
    large, monkeypatch
):
    """
    Who flushes waits for the records, not for what was copied of them.
    """
    stock = large()
    before = stock.mark()
    batch = _holding_under_pressure(stock)
    mark = stock.mark()
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "append", _refuse)
        assert not stock.relieve()
    after = stock.mark()
    early = stock.has_passed(mark), stock.has_passed(after)
    _send(stock, batch)
    halfway = stock.has_passed(mark), stock.has_passed(after)
    _drain(stock)

    assert stock.has_passed(before)
    assert early == halfway == (False, False)
    assert stock.has_passed(mark)
    assert stock.has_passed(after)


def _secured(stock, mark):
    while stock.secure(mark):
        pass
    return stock.is_secure(mark)


def test_secure_between_two_steps_is_true_once_all_is_on_disk(
    large, monkeypatch
):
    """
    And false where the disk refuses the rest: copies of some are no safety.
    """
    stock = large()
    _holding_under_pressure(stock)
    mark = stock.mark()
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "append", _refuse)
        refused = _secured(stock, mark)
    is_whole = _whole(stock)
    stock.backlog._retry_at = 0.0

    assert (refused, is_whole) == (False, True)
    assert _secured(stock, mark)
    assert _whole(stock)
    assert not stock.is_in_memory


@pytest.mark.parametrize("step", ["append", "read"])
def test_record_within_a_step_does_not_move_the_same_again(
    large, monkeypatch, step
):
    """
    A signal handler that logs while a copy is made finds the disk busy.
    """
    stock = large()
    batch = _holding_under_pressure(stock)
    _put(stock, *_values(300, first=2400))
    outbox = Outbox(stock, start=lambda: True)
    real, calls = getattr(Spool, step), []

    def nested(self, *args):
        found = real(self, *args)
        calls.append(1)
        if len(calls) == 1:
            outbox.put(b"nested", 6, logging.ERROR)
        return found

    monkeypatch.setattr(Spool, step, nested)
    assert stock.spill(0)
    stats = stock.stats()

    # nothing gives way while it may be what is moved: the nested one is lost
    assert stats.dropped == {"queue_full": 1}
    assert _whole(stock)
    assert batch.spool is not None
    stock.put_back()
    found = _drain(stock)
    assert found == _values(2700)


def test_reset_between_two_steps_begins_empty(large):
    """
    A child that is forked there has no record, and no copy of one.
    """
    stock = large()
    batch = _holding_under_pressure(stock)
    parents = stock.backlog
    stock.backlog = None
    stock.reset()
    empty = stock.stats()
    stock.backlog = parents
    parents.ack(parents.next_spool(), 500)

    assert empty.accepted == empty.in_flight == empty.queued == 0
    assert not stock.relieve()
    assert not stock.fill(batch)
    assert _whole(stock)


def test_hold_of_what_the_spool_has_no_room_for_leaves_no_copy(make, tmp_path):
    """
    A batch larger than the spool stays in memory, and the spool is empty.
    """
    stock = make(
        spool=False,
        max_queue_records=3000,
        max_queue_bytes=MIB,
        batch_records=2000,
    )
    stock.backlog = _backlog(tmp_path / "spool", 64 * 1024)
    _put(stock, *[b"%0100d" % number for number in range(2000)])
    batch = stock.next_batch()
    while stock.fill(batch):
        pass

    assert batch.left == 2000
    assert not stock.spill(0)
    assert (batch.held, batch.spool, stock.backlog.pending) == (0, None, 0)
    assert _whole(stock)
    assert dict(stock.stats().dropped) == {}
    stock.backlog.close()


def test_spool_that_gives_way_keeps_the_copies_of_the_batch(make, tmp_path):
    """
    What is on its way is not dropped for what comes behind it.
    """
    stock = make(
        spool=False,
        max_queue_records=3000,
        max_queue_bytes=MIB,
        batch_records=600,
    )
    stock.backlog = _backlog(tmp_path / "spool", 128 * 1024)
    _put(stock, *[b"%0100d" % number for number in range(600)])
    batch = stock.next_batch()
    while stock.fill(batch):
        pass
    stock.spill(0)
    _put(stock, *[b"%0100d" % number for number in range(600, 3000)])
    stock.spill(0)
    lost = stock.stats().dropped.get("spool_full", 0)

    assert batch.left == 600
    assert _whole(stock)
    found = [int(each) for each in _send(stock, batch) + _drain(stock)]
    assert found[:600] == list(range(600))
    assert found == sorted(set(found))
    assert len(found) == 3000 - lost
    stock.backlog.close()


def test_expire_takes_some_at_a_time(large, clock):
    """
    In the queue and in the worker's hands, each at most 500.
    """
    stock = large(spool=False, max_age_seconds=10.0)
    _put(stock, *_values(1200))
    batch = stock.next_batch()
    while stock.fill(batch):
        pass
    _put(stock, *_values(1200, first=1200))
    clock.now += 11.0
    seen = []
    while stock.expire(clock.now):
        assert _whole(stock)
        seen.append((batch.left, len(stock.queue)))

    assert seen == [(700, 700), (200, 200), (0, 0)]
    assert stock.stats().dropped == {"expired": 2400}


# --- all of it together ---


class _Shipping(RuleBasedStateMachine):
    """
    Everything that may happen to an outbox, in any order, without a thread.
    """

    OUTBOX = Outbox
    STOCK = Stock

    def __init__(self):
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.clock, self.disk_takes = Clock(), True
        for module in (queues, stocks, backlogs, outboxes, threads):
            self.patch.setattr(module, "time", self.clock)
        append = Spool.append

        def append_if_it_takes(spool, entries):
            if not self.disk_takes:
                raise OSError(errno.ENOSPC, "no room")
            append(spool, entries)

        self.patch.setattr(Spool, "append", append_if_it_takes)
        self.folder = tempfile.TemporaryDirectory()
        self.numbers, self.sent = count(), []
        self.batch, self.is_new_worker = None, True

    @initialize(
        spool=st.sampled_from(["off", "overflow", "always"]),
        overflow=st.sampled_from(["drop_oldest", "drop_newest", "block"]),
        max_bytes=st.sampled_from([8 * 1024, MIB]),
        age=st.sampled_from([None, 50.0]),
    )
    def begin(self, spool, overflow, max_bytes, age):
        self.stock = self.STOCK(
            Bounds(
                max_queue_records=20,
                max_queue_bytes=2000,
                batch_records=7,
                batch_bytes=300,
                overflow=overflow,
                block_seconds=0.01,
                max_age_seconds=age if spool == "off" else None,
            )
        )
        if spool != "off":
            self.stock.backlog = _backlog(
                self.folder.name, max_bytes, overflow == "drop_oldest"
            )
        self.outbox = self.OUTBOX(
            self.stock, writes_ahead=spool == "always", start=lambda: True
        )
        self.is_over = False

    @rule(
        many=st.integers(1, 30),
        width=st.integers(1, 120),
        events=st.integers(1, 3),
        levelno=st.sampled_from([logging.INFO, logging.ERROR]),
    )
    def put(self, many, width, events, levelno):
        self.is_over = False
        for _ in range(many):
            value = b"%08d" % next(self.numbers) + b"x" * width
            entry = value
            if events > 1:
                entry = (Event(value), *[Event(b"more")] * (events - 1))
            self.outbox.put(entry, size_of(entry), levelno)

    @precondition(lambda self: self.batch is None and not self.is_over)
    @rule()
    def take(self):
        if self.is_new_worker:
            self.is_new_worker = False
            self.outbox.look_around()
        with self.stock.lock:
            self.batch = self.stock.next_batch()

    @precondition(lambda self: self.batch is not None)
    @rule(part=st.floats(0, 1))
    def acknowledge(self, part):
        count = round(self.batch.left * part)
        for entry in self.batch.rest()[:count]:
            value = entry if isinstance(entry, bytes) else entry[0].value
            self.sent.append(int(value[:8]))
        self.outbox.settle(self.batch, count, "sent")
        self._let_go()

    @precondition(lambda self: self.batch is not None)
    @rule(outcome=st.sampled_from(["rejected", "dead_lettered"]))
    def refuse(self, outcome):
        self.outbox.settle(self.batch, 1, outcome)
        self._let_go()

    @precondition(lambda self: self.batch is not None)
    @rule()
    def fail(self):
        self.outbox.failed(self.batch)
        self.outbox.pause(0.0)
        self._let_go()

    @rule()
    def die(self):
        self.outbox.release()
        self.batch, self.is_new_worker = None, True

    @rule(keep=st.sampled_from([0, 0.5]))
    def spill(self, keep):
        with self.stock.lock:
            self.stock.spill(keep)

    @rule(seconds=st.sampled_from([1.0, 20.0, 40.0]))
    def wait(self, seconds):
        self.clock.now += seconds
        with self.stock.lock:
            self.stock.expire(self.clock.now)
        self._let_go()

    @rule(takes=st.booleans())
    def disk(self, takes):
        self.disk_takes = takes

    @rule()
    def finish(self):
        """
        The end; what comes after it begins anew, behind what was left.
        """
        batch = self.batch
        self.outbox.close()
        self.outbox.finish()
        assert batch is None or not batch.left
        self.batch, self.is_new_worker, self.is_over = None, True, True

    def _let_go(self):
        if self.batch is not None and not self.batch.left:
            self.batch = None

    @invariant()
    def every_record_is_counted(self):
        if hasattr(self, "outbox"):
            stats = self.outbox.stats()
            assert unaccounted(stats) == 0, stats
            assert min(stats.queued, stats.in_flight, stats.spooled) >= 0
            assert stats.queued_bytes == sum(
                size_of(entry) for _, entry in self.stock.queue.items
            )

    @invariant()
    def none_overtakes_another(self):
        assert all(
            before < after
            for before, after in zip(self.sent, self.sent[1:], strict=False)
        ), self.sent

    def teardown(self):
        try:
            if hasattr(self, "outbox"):
                self._drain()
        finally:
            if hasattr(self, "stock") and self.stock.backlog is not None:
                self.stock.put_back()
                self.stock.backlog.close()
            self.patch.undo()
            self.folder.cleanup()

    def _drain(self):
        """
        What is there can all be sent, in order.
        """
        while not self.is_over:
            if self.batch is None:
                self.take()
            if self.batch is None:
                break
            self.acknowledge(1.0)
            self.every_record_is_counted()
            self.none_overtakes_another()
        stats = self.outbox.stats()
        assert stats.queued == stats.in_flight == 0
        assert not self.stock.is_on_disk


def _run(machine, fault_scale, phases=tuple(Phase)):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=round(600 * fault_scale),
            stateful_step_count=40,
            report_multiple_bugs=False,
            phases=phases,
        ),
    )


def test_outbox_whatever_happens_counts_each_record_and_keeps_the_order(
    fault_scale,
):
    """
    After every step each accepted record is in one place, and in its turn.
    """
    _run(_Shipping, fault_scale)


class _Forgetful(Outbox):
    """
    Control: displaces the oldest uncounted.
    """

    def put(self, entry, size, levelno):
        if levelno >= logging.WARNING and self._stock.queue:
            self._stock.queue.pop()
        super().put(entry, size, levelno)


def test_outbox_that_loses_a_record_uncounted_is_caught(fault_scale):
    """
    Control: the machine notices a record that vanished.
    """
    machine = type("_Losing", (_Shipping,), {"OUTBOX": _Forgetful})

    with pytest.raises(AssertionError):
        _run(machine, fault_scale, phases=[Phase.generate])


class _Hasty(Outbox):
    """
    Control: an urgent record goes to the front.
    """

    def put(self, entry, size, levelno):
        super().put(entry, size, levelno)
        items = self._stock.queue.items
        if levelno >= logging.WARNING and len(items) > 1:
            items.appendleft(items.pop())


def test_outbox_that_lets_records_overtake_is_caught(fault_scale):
    """
    Control: the machine notices a record out of its turn.
    """
    machine = type("_Overtaking", (_Shipping,), {"OUTBOX": _Hasty})

    with pytest.raises(AssertionError):
        _run(machine, fault_scale, phases=[Phase.generate])


class _Stepping(_Shipping):
    """
    The same, where a few records move at once and anything comes in between.
    """

    def __init__(self):
        super().__init__()
        self.patch.setattr(stocks, "_AT_ONCE", 2)
        self.patch.setattr(stocks, "_HIGH_WATER", 0.0)
        self.patch.setattr(outboxes, "_SETTLED_AT_ONCE", 2)

    @initialize(
        spool=st.sampled_from(["overflow", "overflow", "always", "off"]),
        overflow=st.sampled_from(["drop_oldest", "drop_newest", "block"]),
        max_bytes=st.sampled_from([8 * 1024, MIB]),
        age=st.sampled_from([None, 50.0]),
    )
    def begin(self, spool, overflow, max_bytes, age):
        super().begin(spool, overflow, max_bytes, age)

    @precondition(lambda self: self.batch is None and not self.is_over)
    @rule(steps=st.integers(0, 3))
    def take(self, steps=3):
        super().take()
        for _ in range(steps):
            self.fill()

    @rule()
    def fill(self):
        with self.stock.lock:
            if self.batch is not None:
                self.stock.fill(self.batch)

    @precondition(lambda self: hasattr(self, "stock"))
    @rule(steps=st.integers(1, 2))
    def relieve(self, steps):
        with self.stock.lock:
            for _ in range(steps):
                self.stock.relieve()

    @precondition(lambda self: self.batch is not None)
    @rule(part=st.floats(0, 1))
    def acknowledge(self, part):
        self._end_what_was_begun()
        super().acknowledge(part)

    @precondition(lambda self: self.batch is not None)
    @rule(outcome=st.sampled_from(["rejected", "dead_lettered"]))
    def refuse(self, outcome):
        self._end_what_was_begun()
        super().refuse(outcome)

    def _end_what_was_begun(self):
        """
        Only the worker relieves in steps, and before it sends again it ends.
        """
        with self.stock.lock:
            while self.batch.held and self.stock.relieve():
                pass

    @rule()
    def flush(self):
        with self.stock.lock:
            mark = self.stock.mark()
            is_safe = _secured(self.stock, mark)
            assert is_safe == (self.stock.first_in_memory >= mark.in_memory)
            assert not is_safe or not self.stock.is_in_memory

    @invariant()
    def what_is_held_is_on_disk(self):
        batch = self.stock.batch if hasattr(self, "stock") else None
        if batch is not None and batch.held:
            assert self.stock.backlog.pending == batch.held < batch.left


def test_outbox_between_two_steps_counts_each_record_and_keeps_the_order(
    fault_scale,
):
    """
    Whatever comes between two steps of a move finds each record in one place.
    """
    _run(_Stepping, fault_scale)


class _Moves:
    """
    A stock whose records move two at once, with a disk that may refuse.

    Args:
        stock: What makes it.

        spool: Whether it has a disk; otherwise records grow too old.
    """

    def __init__(self, stock, spool):
        self.patch, self.clock = pytest.MonkeyPatch(), Clock()
        for module in (queues, stocks, backlogs, outboxes, threads):
            self.patch.setattr(module, "time", self.clock)
        self.patch.setattr(stocks, "_AT_ONCE", 2)
        self.patch.setattr(stocks, "_HIGH_WATER", 0.0)
        append = Spool.append

        def append_if_it_takes(spool, entries):
            if self.is_refused:
                raise OSError(errno.ENOSPC, "no room")
            append(spool, entries)

        self.patch.setattr(Spool, "append", append_if_it_takes)
        self.folder = tempfile.TemporaryDirectory()
        bounds = Bounds(
            max_queue_records=20,
            batch_records=9,
            max_age_seconds=None if spool else 50.0,
        )
        self.stock = stock(bounds)
        if spool:
            self.stock.backlog = _backlog(self.folder.name)
        self.outbox = Outbox(self.stock, start=lambda: True)
        self.is_refused, self.numbers, self.sent = False, count(), []
        self.held = 0

    def put(self):
        for _ in range(4):
            value = b"%06d" % next(self.numbers)
            self.outbox.put(value, len(value), logging.ERROR)

    def take(self):
        if self.stock.batch is None:
            self.stock.next_batch()

    def fill(self):
        if self.stock.batch is not None and not self.stock.batch.done:
            self.stock.fill(self.stock.batch)

    def relieve(self):
        self.stock.relieve()

    def spill(self):
        self.stock.spill()

    def put_back(self):
        self.stock.put_back()

    def settle(self):
        batch = self.stock.batch
        if batch is not None:
            # the worker, which relieves in steps, ends that before it sends
            while batch.held and self.stock.relieve():
                pass
            self.sent += map(int, batch.next(3))
            self.outbox.settle(batch, 3, "sent")

    def expire(self):
        self.clock.now += 20.0
        self.stock.expire(self.clock.now)

    def refuse(self):
        self.is_refused = True

    def heal(self):
        self.is_refused = False
        self.clock.now += 30.0

    def run(self, moves):
        """
        Do all of *moves*, send what is left, and look after each step.
        """
        try:
            for move in moves:
                getattr(self, move)()
                self.look()
            self.heal()
            while self.stock.batch or self.stock.waits:
                self.take()
                self.settle()
                self.look()
        finally:
            if self.stock.backlog is not None:
                self.stock.put_back()
                self.stock.backlog.close()
            self.patch.undo()
            self.folder.cleanup()

    def look(self):
        stats = self.stock.stats()
        assert _whole(self.stock), stats
        assert stats.sent == len(self.sent)
        assert self.sent == sorted(set(self.sent))
        batch = self.stock.batch
        if batch is not None and batch.held:
            self.held += 1
            assert self.stock.backlog.pending == batch.held < batch.left


_MOVES = {
    "put": 4,
    "take": 3,
    "fill": 4,
    "relieve": 5,
    "spill": 1,
    "put_back": 1,
    "settle": 3,
    "expire": 1,
    "refuse": 1,
    "heal": 2,
}
_ANY_MOVES = st.lists(
    st.sampled_from([name for name in _MOVES for _ in range(_MOVES[name])]),
    min_size=40,
    max_size=80,
)


def test_stock_whatever_moves_has_each_record_once_and_in_order(fault_scale):
    """
    All that was not dropped is sent, once, in its turn; all if none was.
    """
    seen = []

    @settings(max_examples=round(1000 * fault_scale))
    @given(_ANY_MOVES, st.sampled_from([True, True, False]))
    def check(moves, spool):
        run = _Moves(Stock, spool)
        run.run(moves)
        stats = run.stock.stats()
        dropped = sum(stats.dropped.values())
        assert stats.sent + dropped == stats.accepted == next(run.numbers)
        if not dropped:
            assert run.sent == list(range(stats.accepted))
        seen.append((run.held, dropped))

    check()

    assert sum(held > 0 for held, _ in seen) > len(seen) / 50
    assert any(not dropped for _, dropped in seen)


class _Copying(Stock):
    """
    Control: leaves the copies of a batch that it puts back.
    """

    def put_back(self):
        if self.batch is not None:
            self.batch.held = 0
        super().put_back()


class _Skipping(Stock):
    """
    Control: goes on with a batch behind the one that went to disk.
    """

    def fill(self, batch):
        if batch.spool is None:
            return super().fill(batch)
        return self.queue.fill(batch, 2, MIB)


@pytest.mark.parametrize("broken", [_Copying, _Skipping])
def test_stock_that_has_a_record_twice_is_caught(broken, fault_scale):
    """
    Control: a copy that stays, or a move that goes on where it must not.
    """

    @settings(max_examples=round(1000 * fault_scale), phases=[Phase.generate])
    @given(_ANY_MOVES)
    def check(moves):
        _Moves(broken, spool=True).run(moves)

    with pytest.raises((AssertionError, ValueError)):
        check()


def test_clock_of_these_tests_is_not_the_real_one(clock):
    """
    Control: time stands still until a test moves it.
    """
    assert stocks.time.monotonic() == queues.time.monotonic() == 1000.0
    assert time.monotonic() != 1000.0
