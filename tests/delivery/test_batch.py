"""
What a batch has settled, what is left of it, and which events that is.
"""

from hypothesis import given
from hypothesis import strategies as st

from mllog.delivery.batch import Batch
from mllog.events import Event, events_of

ENTRIES = st.lists(
    st.binary(min_size=1, max_size=3)
    | st.lists(st.builds(Event, st.binary(max_size=3)), min_size=1).map(tuple),
    max_size=8,
)
TWO = (Event(b"x", b"key"), Event(b"y"))


def test_batch_left_is_what_is_not_settled():
    """
    Settled records are neither left nor in the rest.
    """
    batch = Batch([b"1", b"2", b"3"], done=2)

    assert batch.left == 1
    assert batch.rest() == [b"3"]


def test_batch_that_is_lost_has_nothing_left():
    """
    What somebody settled meanwhile is not the worker's any more.
    """
    batch = Batch([b"1", b"2"], is_lost=True)

    assert batch.left == 0


def test_batch_events_are_those_of_the_next_records():
    """
    Settled records are passed over, and bare bytes are an event.
    """
    batch = Batch([b"1", TWO, b"3", b"4"], done=1)

    assert batch.events(2) == [*TWO, Event(b"3")]
    assert batch.events(99) == [*TWO, Event(b"3"), Event(b"4")]


def test_batch_record_counts_when_its_last_event_arrived():
    """
    Half of a record is no record.
    """
    batch = Batch([b"1", TWO, b"3"])

    counts = [batch.records_in(events) for events in range(6)]

    assert counts == [0, 1, 1, 2, 3, 3]


def test_batch_records_are_counted_from_the_settled_on():
    """
    The first event acknowledged is that of the first record left.
    """
    batch = Batch([b"1", TWO, b"3"], done=1)

    assert [batch.records_in(events) for events in range(4)] == [0, 0, 1, 2]


@given(ENTRIES, st.data())
def test_batch_events_of_records_are_as_many_records(entries, data):
    """
    Acknowledging the events of some records acknowledges just these records.
    """
    done = data.draw(st.integers(0, len(entries)))
    most = data.draw(st.integers(0, len(entries) - done))
    batch = Batch(entries, done=done)

    events = batch.events(most)

    assert events == [
        event
        for entry in entries[done : done + most]
        for event in events_of(entry)
    ]
    assert batch.records_in(len(events)) == most


def test_batch_expires_from_the_front():
    """
    What is older than allowed is settled, and nothing else.
    """
    batch = Batch([b"1", b"2", b"3"], stamps=[1.0, 2.0, 3.0])

    assert batch.expire(before=3.0, most=9) == 2
    assert batch.rest() == [b"3"]
    assert batch.expire(before=3.0, most=9) == 0


def test_batch_expires_wholly():
    """
    Nothing may be left of it.
    """
    batch = Batch([b"1", b"2"], stamps=[1.0, 2.0], done=1)

    assert batch.expire(before=9.0, most=9) == 1
    assert batch.left == 0


def test_batch_that_is_lost_does_not_expire():
    """
    What is settled already is not counted again.
    """
    batch = Batch([b"1"], stamps=[1.0], is_lost=True)

    assert batch.expire(before=9.0, most=9) == 0


def test_batch_expires_no_more_than_it_may():
    """
    The rest is for the next call, for somebody may wait for the lock.
    """
    batch = Batch([b"x"] * 5, stamps=[1.0] * 5)

    assert [batch.expire(before=9.0, most=2) for _ in range(4)] == [2, 2, 1, 0]


def test_batch_messages_are_bare_where_an_event_is_only_a_value():
    """
    Other events stay what they are, and settled records are passed over.
    """
    batch = Batch([b"1", b"2", TWO, b"4"], done=1)

    assert batch.messages(2) == [b"2", *TWO]
    assert batch.messages(99) == [b"2", *TWO, b"4"]
    assert batch.messages(0) == []


@given(ENTRIES, st.integers(0, 9))
def test_batch_messages_are_its_events(entries, most):
    """
    One for one, whatever the records became.
    """
    batch = Batch(entries)

    assert batch.events(most) == [
        Event(message) if isinstance(message, bytes) else message
        for message in batch.messages(most)
    ]


def test_batch_next_are_those_behind_what_is_settled_and_passed():
    """
    A copy goes on where it was, whatever was settled before.
    """
    batch = Batch([b"%d" % number for number in range(6)], done=1)

    assert batch.next(2) == [b"1", b"2"]
    assert batch.next(2, after=2) == [b"3", b"4"]
    assert batch.next(9, after=4) == [b"5"]
    assert batch.next(9, after=5) == []
