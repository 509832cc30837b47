"""
Payloads and the index that says which record has which.

The entry of a record that has payloads is an event for each of them, and
behind them one for its line in the index.  What costs time is left to the
worker: it finds the ref of each payload, and completes the line.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

from ...encoding import encode
from ...events import Event

__all__ = ["FOLDER", "Indexed", "index_event", "is_payload", "payload_event"]

#: Where payloads are, below a prefix.
FOLDER = "payloads"

_PAYLOAD, _INDEX = b"payload", b"index"


def payload_event(
    data: bytes,
    content_type: str,
    *,
    head: bytes,
    offset: int,
    extension: str,
    ref: str,
) -> Event:
    """
    The event of a payload.

    Args:
        data: What is stored.

        content_type: Its media type.

        head: What goes before the data in the hash that is its name.

        offset: Where in *data* begins what is hashed.

        extension: That of its key, ``".png"``.

        ref: Its name, if it is known already; ``""`` otherwise.
    """
    headers = (
        ("extension", extension.encode()),
        ("head", head),
        ("offset", b"%d" % offset),
        ("ref", ref.encode()),
    )
    return Event(data, _PAYLOAD, headers, content_type)


def index_event(line: bytes, payloads: dict[str, dict[str, Any]]) -> Event:
    """
    The event of a line in the index.

    Args:
        line: The record as a JSON object, without its payloads.

        payloads: What is known of each of them, by name; those whose
            ``status`` is ``stored`` have an event before this one, in order.
    """
    # in full: each has to find its event
    about = encode(payloads, max_bytes=sys.maxsize)
    return Event(line, _INDEX, (("payloads", about),))


def is_payload(event: Event) -> bool:
    """
    Whether *event* is stored as an object of its own.
    """
    return event.key == _PAYLOAD


class Indexed:
    """
    The refs of the payloads of one batch, and the lines that name them.

    Args:
        prefix: Beginning of the keys.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = f"{prefix}/" if prefix else ""
        self._fresh: list[tuple[str, str]] = []

    def take(self, event: Event) -> str:
        """
        A payload, which the next line that comes names; gives its key.
        """
        about = dict(event.headers)
        ref = about["ref"].decode() or _ref(
            about["head"], event.value, int(about["offset"])
        )
        extension = about["extension"].decode()
        key = f"{self._prefix}{FOLDER}/{ref[:2]}/{ref}{extension}"
        self._fresh.append((ref, key))
        return key

    def line_of(self, event: Event) -> bytes:
        """
        The line that *event* becomes.
        """
        if event.key != _INDEX:
            return event.value
        payloads = json.loads(event.headers[0][1])
        fresh = iter(self._fresh)
        for about in payloads.values():
            if about["status"] == "stored":
                about["ref"], about["key"] = next(fresh)
        self._fresh = []
        behind = json.dumps(payloads, separators=(",", ":")).encode()
        comma = b"," if event.value[:-1].strip() != b"{" else b""
        return event.value[:-1] + comma + b'"payloads":' + behind + b"}"


def _ref(head: bytes, data: bytes, offset: int) -> str:
    digest = hashlib.sha256(head)
    digest.update(memoryview(data)[offset:])
    return digest.hexdigest()
