"""
The index: each payload once, and lines that name them.
"""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog.delivery.s3.index import (
    FOLDER,
    Indexed,
    index_event,
    is_payload,
    payload_event,
)
from mllog.events import Event, pack, unpack

LINE = b'{"timestamp":"2026-11-21T06:00:00.000000Z","message":"m"}'


def payload(data=b"data", *, ref="", offset=0, extension=".bin", head=b"h|"):
    return payload_event(
        data,
        "image/png",
        head=head,
        offset=offset,
        extension=extension,
        ref=ref,
    )


def ref_of(data, head=b"h|"):
    return hashlib.sha256(head + data).hexdigest()


def test_payload_is_told_from_lines():
    """
    Only the events of payloads are objects of their own.
    """
    assert is_payload(payload())
    assert not is_payload(index_event(LINE, {}))
    assert not is_payload(Event(LINE))


@pytest.mark.parametrize("prefix", ["", "digits", "a/b"])
def test_payload_has_the_key_of_its_content(prefix):
    """
    Below the prefix, in a folder of the first two digits of its ref.
    """
    index = Indexed(prefix)
    key = index.take(payload(b"1234", extension=".png"))

    ref = ref_of(b"1234")
    before = f"{prefix}/" if prefix else ""
    assert f"{before}{FOLDER}/{ref[:2]}/{ref}.png" == key


def test_payload_is_named_by_what_is_behind_the_offset():
    """
    The header of a file is stored, and not part of the name.
    """
    index = Indexed("")
    key = index.take(payload(b"HEADERpixels", offset=6))

    assert ref_of(b"pixels") in key


def test_payload_with_a_ref_keeps_it():
    """
    An image is named by its pixels, not by the file they are in.
    """
    index = Indexed("")
    assert f"/ab/{'ab' * 32}.bin" in index.take(payload(ref="ab" * 32))


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_payload_with_any_head_has_the_ref_of_its_content(head):
    """
    A class may have any name: the ref is the one that formatters write.
    """
    index = Indexed("")
    key = index.take(payload(b"x", head=head.encode()))

    assert ref_of(b"x", head.encode()) in key


def test_payloads_that_are_equal_are_one_object():
    """
    Two of the same bytes and kind.
    """
    index = Indexed("")
    keys = [index.take(payload(data)) for data in (b"1", b"2", b"1")]

    assert keys[0] == keys[2] != keys[1]


def test_payloads_of_equal_bytes_and_another_kind_are_two():
    """
    Shape and type are part of the name.
    """
    index = Indexed("")
    first = index.take(payload(b"1", head=b"array|u1|1|"))
    second = index.take(payload(b"1", head=b"array|u1|1,1|"))

    assert first != second


def test_line_names_the_payloads_before_it():
    """
    Each ``stored`` one by ref and key, in order; the others as they are.
    """
    index = Indexed("p")
    index.take(payload(b"1"))
    index.take(payload(b"2"))
    line = index.line_of(
        index_event(
            LINE,
            {
                "a": {"status": "stored"},
                "b": {"status": "too_large"},
                "c": {"status": "stored", "bytes": 1},
                "d": {"status": "failed", "error": "ValueError"},
            },
        )
    )

    one, two = ref_of(b"1"), ref_of(b"2")
    assert line.startswith(LINE[:-1])
    assert json.loads(line)["payloads"] == {
        "a": {
            "status": "stored",
            "ref": one,
            "key": f"p/payloads/{one[:2]}/{one}.bin",
        },
        "b": {"status": "too_large"},
        "c": {
            "status": "stored",
            "bytes": 1,
            "ref": two,
            "key": f"p/payloads/{two[:2]}/{two}.bin",
        },
        "d": {"status": "failed", "error": "ValueError"},
    }


def test_lines_of_several_records_name_each_their_own():
    """
    Payloads belong to the line that comes next.
    """
    index = Indexed("")
    refs = []
    for data in (b"1", b"2", b"1"):
        index.take(payload(data))
        line = index.line_of(index_event(LINE, {"a": {"status": "stored"}}))
        refs.append(json.loads(line)["payloads"]["a"]["ref"])

    assert [ref_of(b"1"), ref_of(b"2"), ref_of(b"1")] == refs


@pytest.mark.parametrize("line", [b"{}", b"{ }", b'{"a":1}', b'{"a":"}"}'])
def test_line_is_an_object_whatever_was_in_it(line):
    """
    An empty one too: no comma in front.
    """
    found = Indexed("").line_of(index_event(line, {"a": {"status": "failed"}}))

    assert {
        **json.loads(line),
        "payloads": {"a": {"status": "failed"}},
    } == json.loads(found)


def test_line_of_a_bare_event_is_its_value():
    """
    Its headers are values for its key.
    """
    event = Event(b"line", headers=(("a", b"x/y"), ("b", b"")))

    assert b"line" == Indexed("").line_of(event)


@given(st.binary(max_size=200))
def test_events_of_a_record_survive_a_spool(data):
    """
    What a disk gives back is stored under the same key, in the same line.
    """
    entry = (
        payload(data, offset=len(data) // 2),
        index_event(LINE, {"a": {"status": "stored"}}),
    )
    found = []
    for events in (entry, unpack(*pack(entry))):
        index = Indexed("p")
        key = index.take(events[0])
        found.append((key, index.line_of(events[1])))

    assert found[0] == found[1]
