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


def _entries(queue):
    return [entry for _, entry in queue.items]


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

    batch = queue.batch(3, 999)

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

    sizes = [len(queue.batch(99, 10).entries) for _ in range(3)]

    assert sizes == [1, 2, 1]


def test_batch_given_back_is_in_front_again(clock):
    """
    What is left of it keeps its order, its age and its number.
    """
    queue = _queue(b"0", TWO, b"2")
    clock.now = 9.0
    queue.append(b"3", 1)
    batch = queue.batch(3, 999)
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

    assert queue.expire(before=5.0) == 2
    assert _entries(queue) == [b"2"]
    assert queue.expire(before=5.0) == 0


def test_move_hands_over_the_oldest_until_enough_is_left():
    """
    Half of the places are free afterwards.
    """
    queue = _queue(*[b"%d" % number for number in range(8)], records=10)
    stored = []

    assert queue.move(lambda entries: not stored.extend(entries), 0.5)
    assert stored == [b"0", b"1", b"2"]
    assert queue.bytes == 5


def test_move_stops_at_half_of_the_bytes():
    """
    Few large records are moved one by one, and not more than need be.
    """
    queue = _queue(*[b"x" * 300] * 3)
    stored = []

    assert queue.move(lambda entries: not stored.append(entries), 0.5)
    assert [len(entries) for entries in stored] == [1, 1]
    assert len(queue) == 1


def test_move_of_all_goes_in_chunks():
    """
    One write has a bounded size.
    """
    queue = _queue(*[b"x"] * 70)
    chunks = []

    assert queue.move(
        lambda entries: not chunks.append(len(entries)), 0, chunk=30
    )
    assert chunks == [30, 30, 10]
    assert len(queue) == queue.bytes == 0


def test_move_that_is_refused_keeps_what_was_not_taken():
    """
    What the disk does not take stays where it is.
    """
    queue = _queue(*[b"%d" % number for number in range(10)])
    chunks = []

    def store(entries):
        chunks.append(entries)
        return len(chunks) < 2

    assert not queue.move(store, 0, chunk=4)
    assert _entries(queue) == [b"4", b"5", b"6", b"7", b"8", b"9"]


def test_move_with_nothing_to_move_is_done():
    """
    A queue below the mark asks nobody.
    """
    assert _queue(b"1").move(lambda entries: False, 0.5)


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
        batch = queue.batch(records, size)
        assert 1 <= batch.left <= records
        assert batch.left == 1 or sum(map(len, batch.entries)) <= size
        taken += batch.entries

    assert taken == entries
    assert queue.bytes == 0
