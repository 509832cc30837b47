"""
The payloads of records: where they are, and their values.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple

from ..errors import ConfigError, MllogError
from .lines import Record, loaded
from .sources import LogFile, Source, records_of

__all__ = [
    "ENTRIES",
    "PARALLEL",
    "Link",
    "find_payload",
    "is_whole",
    "links_of",
    "with_payloads",
]

#: The field of an index that says which payloads a record has.
ENTRIES: Final = "payloads"
#: Payloads fetched from S3 at the same time.
PARALLEL: Final = 8

_REF = re.compile(r"[0-9a-f]{64}").fullmatch
_NAME = re.compile(r"(?:.*/)?([0-9a-f]{64})(\.[a-z0-9]{1,8}|)", re.ASCII)
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}").fullmatch
_SUMMARY = frozenset({"ref", "type", "bytes"})
_NPY = b"\x93NUMPY"
# fetched ahead of the record that is asked for
_MOST_AHEAD = 16
_MOST_AHEAD_BYTES = 64 << 20
_UNKNOWN_BYTES = 1 << 20

Outcome = tuple[Any, str]
Fetching = Callable[[], Outcome]


class Link(NamedTuple):
    """
    What a record says of one payload; nothing of it is a path.

    Args:
        name: That of the field, ``image``, or of an item in it, ``images.0``.

        status: ``stored``, or why it is not.

        ref: 64 hex digits; ``""`` if there is no valid one.

        extension: ``.png``; None if it is not known.

        content_type: Its media type, or ``""``.

        size: Bytes as they are stored, if known.

        kind: ``bytes``, ``image``, …, or ``""``.

        head: What stands before the content in the hash that is its ref.
    """

    name: str
    status: str
    ref: str
    extension: str | None
    content_type: str = ""
    size: int | None = None
    kind: str = ""
    head: str = ""


def links_of(record: Record) -> list[Link]:
    """
    The payloads of a record in an index; none for any other record.
    """
    entries = record.get(ENTRIES)
    if type(entries) is not dict:
        return []
    return [
        _link(name, entry)
        for name, entry in entries.items()
        if type(entry) is dict and "status" in entry
    ]


def _link(name: str, entry: Record) -> Link:
    ref, extension = str(entry.get("ref")), None
    if named := _NAME.fullmatch(str(entry.get("key"))):
        if ref == named[1]:
            extension = named[2]
        else:  # it would be some other file
            ref = ""
    size, kind = entry.get("bytes"), str(entry.get("type") or "")
    shape = entry.get("shape")
    dimensions = ",".join(map(str, shape)) if type(shape) is list else ""
    return Link(
        name,
        str(entry["status"]),
        ref if _REF(ref) else "",
        extension,
        str(entry.get("content_type") or ""),
        size if type(size) is int and size >= 0 else None,
        kind,
        f"{kind}|{entry.get('dtype') or ''}|{dimensions}|",
    )


def _summaries(record: Record) -> Iterator[Link]:
    """
    The payloads that a formatter named in an ordinary line.
    """
    for name, value in record.items():
        inner: Iterable[tuple[str, Any]] = ()
        if type(value) is list:
            inner = ((f"{name}.{i}", each) for i, each in enumerate(value))
        elif type(value) is dict and not value.keys() >= _SUMMARY:
            inner = ((f"{name}.{key}", each) for key, each in value.items())
        for path, each in ((name, value), *inner):
            if type(each) is dict and each.keys() >= _SUMMARY:
                ref = str(each["ref"])
                if _REF(ref):
                    yield Link(path, "stored", ref, None)


# --- where ---


def find_payload(source: Source, file: LogFile, link: Link) -> bytes | None:
    """
    The bytes of a payload, or None if there is no such object.

    A payload is looked for where the handlers put it: beside the index that
    *file* belongs to, or below the folder that was asked for.  What the key
    in the index says of other places counts for nothing.

    Raises:
        OSError: It is there and cannot be read.

        MllogError: Nothing can be read any more.
    """
    if not link.ref:
        return None
    for root in _roots(file):
        data = source.payload(root, link.ref, link.extension)
        if data is not None:
            return data
    return None


def _roots(file: LogFile) -> list[str]:
    """
    Prefixes that may have a folder with payloads, the likeliest first.
    """
    folders = file.name.split("/")[:-1]
    found = []
    with contextlib.suppress(ValueError):
        last = len(folders) - 1 - folders[::-1].index("index")
        found.append("/".join([*folders[:last], ""]))
    parts = [i for i, each in enumerate(folders) if each.startswith("dt=")]
    if parts:
        found.append("/".join([*folders[: parts[0]], ""]))
    found.append(f"{file.base.rstrip('/')}/" if file.base else "")
    found.append("/".join([*folders, ""]))
    return list(dict.fromkeys(found))


# --- values ---


def _value(source: Source, file: LogFile, link: Link) -> Outcome:
    """
    The value of a payload, and under what it is counted if there is none.
    """
    try:
        data = find_payload(source, file, link)
    except MllogError:
        raise
    except Exception:
        return None, "payload_unreadable"
    if data is None:
        return None, "payload_missing"
    try:
        return _decoded(data, link), ""
    except MllogError:
        raise
    except Exception:  # numpy's parser of headers raises what it likes
        # bytes are what the application said they are, or not
        damage = (None, "payload_damaged")
        return (data, "") if link.kind == "bytes" else damage


def _decoded(data: bytes, link: Link) -> Any:
    if link.extension == ".npy" or data.startswith(_NPY):
        return _array(data)
    media = link.content_type.partition(";")[0].strip().lower()
    if link.extension == ".json" or media == "application/json":
        return loaded(data)
    if link.extension == ".txt" or media.startswith("text/"):
        return data.decode()
    return data


def _array(data: bytes) -> Any:
    try:
        from numpy.lib.format import read_array
    except ImportError as exc:
        raise ConfigError(
            "a payload is an array, and numpy is not installed",
            fix="pip install numpy, or read without payloads=True",
            owner="read",
        ) from exc
    return read_array(io.BytesIO(data), allow_pickle=False)


def is_whole(data: bytes, link: Link) -> bool:
    """
    Whether *data* is what was stored, as far as that can be told.

    The ref of an image is that of its pixels, and says nothing of its file.
    """
    if link.size is not None and len(data) != link.size:
        return False
    begin = 0
    if link.kind == "array" and link.extension == ".npy":
        # a header says how long it is, in 2 bytes, or 4 from version 2 on
        width = 2 if data[6:7] == b"\x01" else 4
        begin = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    elif link.kind != "bytes":
        return True
    digest = hashlib.sha256(link.head.encode())
    digest.update(memoryview(data)[begin:])
    return digest.hexdigest() == link.ref


class _Waiting(NamedTuple):
    record: Record
    links: list[Link]
    values: list[Fetching]

    @property
    def size(self) -> int:
        return sum(
            _UNKNOWN_BYTES if link.size is None else link.size
            for link in self.links
        )


def with_payloads(
    source: Source, skipped: Counter[str]
) -> Iterator[list[Record]]:
    """
    The records of *source* with the values of their payloads, one at a time.

    Items of a list that is in the record no more, ``images.0``, become a list;
    those of a dict, ``inputs.left``, stand under that name.

    Args:
        source: Where they are.

        skipped: Counts by reason what is passed over, payloads too.
    """
    waiting: deque[_Waiting] = deque()
    size = 0
    with contextlib.ExitStack() as stack:
        start: Callable[..., Fetching] = partial
        if source.is_remote:
            pool = stack.enter_context(ThreadPoolExecutor(PARALLEL))

            def start(*call: Any) -> Fetching:
                return pool.submit(*call).result

        for file, record in _records(source, skipped):
            links = links_of(record) or list(_summaries(record))
            values = [
                start(_value, source, file, link)
                if link.status == "stored"
                else _nothing
                for link in links
            ]
            waiting.append(_Waiting(record, links, values))
            size += waiting[-1].size
            while len(waiting) > _MOST_AHEAD or size > _MOST_AHEAD_BYTES:
                size -= waiting[0].size
                yield [_completed(waiting.popleft(), skipped)]
        while waiting:
            yield [_completed(waiting.popleft(), skipped)]


def _records(
    source: Source, skipped: Counter[str]
) -> Iterator[tuple[LogFile, Record]]:
    for file in source.files(skipped):
        for block in records_of(file, skipped):
            for record in block:
                yield file, record


def _nothing() -> Outcome:
    return None, ""


def _completed(waiting: _Waiting, skipped: Counter[str]) -> Record:
    """
    The record with its values in place.
    """
    record = waiting.record
    items: dict[str, dict[int, Any]] = {}
    for link, fetching in zip(waiting.links, waiting.values, strict=True):
        value, why = fetching()
        if why:
            skipped[why] += 1
        if _put(record, link.name, value):
            continue
        field, _, index = link.name.rpartition(".")
        if field and _INDEX(index):
            items.setdefault(field, {})[int(index)] = value
        else:
            record[_own(link.name)] = value
    for field, by_index in items.items():
        record[_own(field)] = [by_index[index] for index in sorted(by_index)]
    return record


def _own(field: str) -> str:
    return f"{field}_" if field == ENTRIES else field


def _put(record: Record, name: str, value: Any) -> bool:
    """
    Put *value* where the record has the summary; whether it has one.
    """
    field, dot, rest = name.partition(".")
    held = record.get(field)
    if not dot or field == ENTRIES or name in record:
        return False
    if type(held) is dict and rest in held:
        held[rest] = value
        return True
    index = int(rest) if _INDEX(rest) else -1
    if type(held) is list and 0 <= index < len(held):
        held[index] = value
        return True
    return False
