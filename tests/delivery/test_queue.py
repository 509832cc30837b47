"""
The queue in memory: its order, its bounds, its numbers.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog.delivery import queue as module
from mllog.delivery.bounds import Bounds
from mllog.delivery.queue import MemoryQueue
from mllog.events import Event, size_of

TWO = (Event(b"12", b"345", (("6", b"7"),)), Event(b"8"))


class Clock:
    """
    A time that a test sets.
    """

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """
    When records come.
    """
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def _queue(*entries, records=100, size=1000):
    queue = MemoryQueue(
        Bounds(max_queue_records=records, max_queue_bytes=size)
    )
    for entry in entries:
        queue.append(entry, size_of(entry))
    return queue


def _values(count, first=0):
    return [b"%04d" % number for number in range(first, first + count)]


def _entries(queue):
    return [entry for _, entry in queue.items]


def _batch(queue, records, size):
    batch = queue.batch()
    queue.fill(batch, records, size)
    return batch


def _move(queue, store, keep, most=500):
    while queue.move(store, keep, most):
        pass


def test_queue_gives_out_what_came_first():
    """
    First in, first out, and its bytes are those of what is in it.
    """
    queue = _queue(b"1", TWO, b"345")

    assert queue.bytes == 1 + 8 + 3
    assert [queue.pop(), queue.pop()] == [b"1", TWO]
    assert queue.bytes == 3
    assert len(queue) == 1


def test_queue_numbers_its_records_over_its_life():
    """
    A record keeps its number when older ones leave.
    """
    queue = _queue(b"0", b"1", b"2")
    queue.pop()

    assert queue.first == 1
    assert queue.put == 3


def test_queue_keeps_its_last_places_for_warnings():
    """
    Of 100 places the last 5 are not for everybody.
    """
    queue = _queue(*[b"x"] * 94)
    room = []
    for _ in range(7):
        room.append(
            (
                queue.has_room(1, to_the_last=False),
                queue.has_room(1, to_the_last=True),
            )
        )
        queue.append(b"x", 1)

    assert [everybody for everybody, _ in room] == [True] + [False] * 6
    assert [warnings for _, warnings in room] == [True] * 6 + [False]


def test_queue_keeps_its_last_bytes_for_warnings():
    """
    Of 1000 bytes the last 50 are not for everybody.
    """
    queue = _queue(b"x" * 940)

    assert queue.has_room(10, to_the_last=False)
    assert not queue.has_room(11, to_the_last=False)
    assert queue.has_room(60, to_the_last=True)
    assert not queue.has_room(61, to_the_last=True)


def test_queue_of_one_record_takes_any():
    """
    There is no twentieth part of one place.
    """
    assert _queue(records=1).has_room(1, to_the_last=False)


def test_queue_is_as_full_as_its_fuller_bound():
    """
    Few large records fill it as many small ones do.
    """
    assert _queue().fullness == 0
    assert _queue(*[b"x"] * 80).fullness == 0.8
    assert _queue(b"x" * 900).fullness == 0.9


def test_oldest_is_when_the_first_came(clock):
    """
    An empty queue has none, and gives what it was asked with.
    """
    clock.now = 5.0
    queue = _queue(b"1")
    clock.now = 9.0
    queue.append(b"2", 1)

    assert queue.oldest(7.0) == 5.0
    assert _queue().oldest(7.0) == 7.0


def test_batch_is_bounded_by_records():
    """
    It takes the oldest, with their times and the number of the first.
    """
    queue = _queue(*[b"%d" % number for number in range(5)])
    queue.pop()

    batch = _batch(queue, 3, 999)

    assert batch.entries == [b"1", b"2", b"3"]
    assert len(batch.stamps) == 3
    assert batch.first == 1
    assert batch.spool is None
    assert _entries(queue) == [b"4"]
    assert queue.bytes == 1


def test_batch_is_bounded_by_bytes_but_takes_one():
    """
    A record larger than a batch goes alone.
    """
    queue = _queue(b"x" * 50, b"y" * 5, b"z" * 5, b"0")

    sizes = [len(_batch(queue, 99, 10).entries) for _ in range(3)]

    assert sizes == [1, 2, 1]


def test_batch_given_back_is_in_front_again(clock):
    """
    What is left of it keeps its order, its age and its number.
    """
    queue = _queue(b"0", TWO, b"2")
    clock.now = 9.0
    queue.append(b"3", 1)
    batch = _batch(queue, 3, 999)
    batch.done = 1

    queue.give_back(batch)

    assert _entries(queue) == [TWO, b"2", b"3"]
    assert [stamp for stamp, _ in queue.items] == [0.0, 0.0, 9.0]
    assert queue.bytes == 8 + 1 + 1
    assert queue.first == 1


def test_expire_takes_what_came_before(clock):
    """
    A record that came at that very time stays.
    """
    queue = _queue(b"0", b"1")
    clock.now = 5.0
    queue.append(b"2", 1)

    assert queue.expire(before=5.0, most=9) == 2
    assert _entries(queue) == [b"2"]
    assert queue.expire(before=5.0, most=9) == 0


def test_expire_takes_no_more_than_it_may(clock):
    """
    The rest is for the next call, for somebody may wait for the lock.
    """
    queue = _queue(*_values(5))
    clock.now = 5.0

    assert [queue.expire(before=5.0, most=2) for _ in range(4)] == [2, 2, 1, 0]


def test_batch_has_nothing_before_it_is_filled():
    """
    It is numbered where the oldest is, and takes nothing out.
    """
    queue = _queue(*_values(3))
    queue.pop()
    batch = queue.batch()

    assert batch.left == batch.size == 0
    assert batch.first == 1
    assert len(queue) == 2


def test_batch_is_filled_in_steps_as_in_one():
    """
    Records, times, bytes and what is left are the same, and in order.
    """
    one, steps = _queue(*_values(50)), _queue(*_values(50))
    whole, batch = _batch(one, 30, 999), steps.batch()

    more = [steps.fill(batch, most, 999) for most in (7, 0, 13, 10)]

    assert more == [True] * 4
    assert batch.entries == whole.entries == _values(30)
    assert len(batch.stamps) == 30
    assert batch.size == whole.size == 30 * 4
    assert _entries(steps) == _entries(one)
    assert steps.bytes == one.bytes == 20 * 4


def test_batch_that_is_filled_says_whether_there_may_be_more():
    """
    Not where its bytes are used up, and not where the queue is empty.
    """
    many, few = _queue(*_values(10)), _queue(*_values(3))
    large, small = many.batch(), few.batch()

    assert [many.fill(large, 4, 20), many.fill(large, 4, 20)] == [True, False]
    assert large.entries == _values(5)
    assert many.bytes == 5 * 4
    assert not few.fill(small, 99, 999)
    assert not few.fill(small, 99, 999)


@pytest.mark.parametrize("filled", [0, 1])
def test_batch_takes_a_record_larger_than_itself_only_as_its_first(filled):
    """
    Behind another it waits for a batch of its own, in whatever step it comes.
    """
    queue = _queue(*[b"1"] * filled, b"x" * 50)
    batch = queue.batch()
    queue.fill(batch, 1, 10)
    queue.fill(batch, 1, 10)

    assert len(queue) == filled
    assert batch.size == (1 if filled else 50)


def test_move_hands_over_the_oldest_until_enough_is_left():
    """
    Half of the places are free afterwards.
    """
    queue = _queue(*[b"%d" % number for number in range(8)], records=10)
    stored = []

    _move(queue, lambda entries: not stored.extend(entries), 0.5)

    assert stored == [b"0", b"1", b"2"]
    assert queue.bytes == 5


def test_move_stops_at_half_of_the_bytes():
    """
    Few large records are moved one by one, and not more than need be.
    """
    queue = _queue(*[b"x" * 300] * 3)
    stored = []

    _move(queue, lambda entries: not stored.append(entries), 0.5)

    assert [len(entries) for entries in stored] == [1, 1]
    assert len(queue) == 1


def test_move_takes_one_chunk_at_a_time():
    """
    One write has a bounded size, and the lock is free after it.
    """
    queue = _queue(*[b"x"] * 70)
    chunks, left = [], []

    while queue.move(lambda entries: not chunks.append(len(entries)), 0, 30):
        left.append(len(queue))

    assert chunks == [30, 30, 10]
    assert left == [40, 10, 0]
    assert queue.bytes == 0


def test_move_that_is_refused_keeps_what_was_not_taken():
    """
    What the disk does not take stays where it is.
    """
    queue = _queue(*[b"%d" % number for number in range(10)])
    chunks = []

    def store(entries):
        chunks.append(entries)
        return len(chunks) < 2

    assert queue.move(store, 0, 4)
    assert not queue.move(store, 0, 4)
    assert _entries(queue) == [b"4", b"5", b"6", b"7", b"8", b"9"]


def test_move_to_a_disk_with_little_room_hands_over_what_fits():
    """
    A chunk that is refused is halved until it is taken, in the same call.
    """
    queue = _queue(*_values(40))
    tried = []

    def store(entries):
        tried.append(len(entries))
        return len(entries) <= 5

    assert queue.move(store, 0, 40)
    assert tried == [40, 20, 10, 5]
    assert _entries(queue) == _values(35, first=5)


def test_move_with_nothing_to_move_asks_nobody():
    """
    A queue below the mark takes none away.
    """
    asked = []

    assert not _queue(b"1").move(asked.append, 0.5, 500)
    assert asked == []


def test_above_counts_what_is_over_the_mark():
    """
    By records; by bytes at least one; and none where both are below.
    """
    assert _queue(*[b"x"] * 80).above(0.5) == 30
    assert _queue(b"x" * 501).above(0.5) == 1
    assert _queue(b"x" * 500).above(0.5) == 0
    assert _queue(*[b"x"] * 80).above(0) == 80
    assert _queue().above(0) == 0


def test_clear_takes_all():
    """
    It says how many that were; their numbers are not given again.
    """
    queue = _queue(b"1", TWO)

    assert queue.clear() == 2
    assert len(queue) == queue.bytes == 0
    assert queue.first == queue.put == 2


@given(
    st.lists(st.binary(max_size=9), max_size=30),
    st.integers(1, 9),
    st.integers(1, 30),
)
def test_batches_together_are_what_came(entries, records, size):
    """
    Whatever the bounds, nothing is missing, doubled or out of order.
    """
    queue = _queue(*entries)
    taken = []
    while queue:
        batch = _batch(queue, records, size)
        assert 1 <= batch.left <= records
        assert batch.left == 1 or sum(map(len, batch.entries)) <= size
        taken += batch.entries

    assert taken == entries
    assert queue.bytes == 0


@given(
    st.lists(st.binary(max_size=9), max_size=40),
    st.integers(1, 30),
    st.lists(st.integers(0, 5), min_size=1, max_size=9),
)
def test_batch_filled_in_any_steps_is_the_batch_filled_in_one(
    entries, size, steps
):
    """
    Where the lock is let go of changes nothing.
    """
    queue, other = _queue(*entries), _queue(*entries)
    whole, batch = _batch(other, sum(steps), size), queue.batch()
    for most in steps:
        queue.fill(batch, most, size)

    assert batch.entries == whole.entries
    assert batch.size == whole.size
    assert queue.bytes == other.bytes == sum(map(len, _entries(queue)))
