"""
Entries: what they count, and that a disk gives them back as they were.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog.events import Event, events_of, pack, size_of, unpack

EVENTS = st.builds(
    Event,
    value=st.binary(max_size=50),
    key=st.none() | st.binary(max_size=10),
    headers=st.lists(
        st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=3
    ).map(tuple),
    content_type=st.text(max_size=10),
)
ENTRIES = st.binary(max_size=100) | st.lists(EVENTS, max_size=4).map(tuple)


@given(ENTRIES)
def test_entry_packed_and_unpacked_is_the_same(entry):
    """
    Bytes, keys, headers and content types survive the disk.
    """
    assert entry == unpack(*pack(entry))


def test_entry_of_bytes_is_packed_without_a_copy():
    """
    The usual case costs no encoding.
    """
    value = b"x" * 100

    assert pack(value)[1] is value


def test_entry_of_bytes_is_one_event():
    """
    A bare value is an event without key and headers.
    """
    assert (Event(b"x"),) == events_of(b"x")


def test_entry_of_events_is_those_events():
    """
    Several events stay as they are, and none is none.
    """
    events = (Event(b"a"), Event(b"b", b"key"))

    assert events == events_of(events)
    assert () == events_of(())


def test_size_counts_values_keys_and_headers():
    """
    All bytes that a queue holds count towards its bound.
    """
    event = Event(b"12345", b"123", (("12", b"1234"),), "text/plain")

    assert 5 == size_of(b"12345")
    assert 5 + 3 + 2 + 4 + 1 == size_of((event, Event(b"1")))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (0, b""),
        (3, b"[]"),
        (2, b""),
        (2, b"\xff"),
        (2, b"7"),
        (2, b"[7]"),
        (2, b"[{}]"),
        (2, b'[{"value": "?"}]'),
        (
            2,
            b'[{"value": "A", "key": null, "headers": [], "content_type": ""}]',
        ),
    ],
)
def test_unpack_of_anything_else_raises_value_error(kind, data):
    """
    What is damaged is a ValueError, whatever is wrong with it.
    """
    with pytest.raises(ValueError):
        unpack(kind, data)
