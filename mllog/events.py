"""
What a shipper sends for a record: one event, or several, or none.

A formatter with ``events(record)`` says so itself; for any other the event is
what it writes, as bytes.  An :data:`Entry` is what one record became, and is
what queues and spools hold: bytes for the usual case of a bare value, so that
no object is made where none is needed.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = [
    "Entry",
    "Event",
    "Message",
    "events_of",
    "pack",
    "size_of",
    "unpack",
]

_VALUE, _EVENTS = 1, 2


class Event(NamedTuple):
    """
    One message to a sink.

    Args:
        value: What is sent.

        key: What sinks with partitions choose one by.

        headers: Names and values beside it.

        content_type: Media type of *value*; ``""`` if the sink does not ask.
    """

    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    content_type: str = ""


#: An event, or the value of one that has nothing else.
Message = bytes | Event
Entry = bytes | tuple[Event, ...]


def events_of(entry: Entry) -> tuple[Event, ...]:
    """
    The events of *entry*.
    """
    return (Event(entry),) if isinstance(entry, bytes) else entry


def size_of(entry: Entry) -> int:
    """
    Bytes of *entry* that count towards the bound of a queue.
    """
    if isinstance(entry, bytes):
        return len(entry)
    return sum(
        len(event.value)
        + len(event.key or b"")
        + sum(len(name) + len(value) for name, value in event.headers)
        for event in entry
    )


def pack(entry: Entry) -> tuple[int, bytes]:
    """
    *entry* for a disk: what kind of bytes they are, and the bytes.
    """
    if isinstance(entry, bytes):
        return _VALUE, entry
    return _EVENTS, json.dumps([_plain(event) for event in entry]).encode()


def unpack(kind: int, data: bytes) -> Entry:
    """
    What :func:`pack` packed.

    Raises:
        ValueError: It is of no known kind, or not what that kind holds.
    """
    if kind == _VALUE:
        return data
    if kind != _EVENTS:
        raise ValueError(f"unknown kind of entry {kind}")
    try:
        return tuple(_event(fields) for fields in json.loads(data))
    except (AttributeError, KeyError, TypeError) as exc:
        raise ValueError("not a list of events") from exc


def _plain(event: Event) -> dict[str, Any]:
    return {
        "value": _text(event.value),
        "key": None if event.key is None else _text(event.key),
        "headers": [[name, _text(value)] for name, value in event.headers],
        "content_type": event.content_type,
    }


def _event(fields: dict[str, Any]) -> Event:
    key = fields["key"]
    headers: Sequence[tuple[str, str]] = fields["headers"]
    return Event(
        b64decode(fields["value"]),
        None if key is None else b64decode(key),
        tuple((name, b64decode(value)) for name, value in headers),
        str(fields["content_type"]),
    )


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
