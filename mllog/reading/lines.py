"""
From bytes to whole lines, and from lines of JSON to records.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Iterator
from gzip import BadGzipFile
from typing import Any, BinaryIO, Final

from ..errors import MllogError

try:
    import orjson
except ImportError:  # PyPy and sub-interpreters
    orjson = None  # type: ignore[assignment]

__all__ = ["MAX_LINE_BYTES", "Record", "blocks", "loaded", "records_in"]

Record = dict[str, Any]

#: A longer line is passed over.
MAX_LINE_BYTES: Final = 64 << 20


def _decoded(line: bytes) -> Any:
    return json.loads(line.decode())


_read_object = json.JSONDecoder().raw_decode
_loads = _decoded if orjson is None else orjson.loads
# what a processor's cache holds together with the records made of it
_CHUNK_BYTES = 1 << 16
_BOM = b"\xef\xbb\xbf"
# how the lines of our formatters begin
_START = re.compile(rb'\{"@?timestamp"')
_INNER = (b":", b",", b"[")
# A line with fragments in it is tried from each of so many places.
_MOST_STARTS = 16
_LONGEST_TRIED_OFTEN = 1 << 20


def blocks(stream: BinaryIO, skipped: Counter[str]) -> Iterator[bytes]:
    """
    What *stream* holds, some whole lines at a time.

    Only the last block may end without a line break.

    Args:
        stream: Plain bytes; it is not closed.

        skipped: Gets ``too_long``, ``bad_compression`` and ``unreadable``.
    """
    held: list[bytes] = []  # of a line that goes on
    size = 0
    while chunk := _chunk(stream, skipped):
        end = chunk.rfind(b"\n") + 1
        if not end:
            size += len(chunk)
            held.append(chunk)
            if size > MAX_LINE_BYTES:
                held.clear()
            continue
        begin = 0
        if size + chunk.index(b"\n") > MAX_LINE_BYTES:
            skipped["too_long"] += 1
            held, begin = [], chunk.index(b"\n") + 1
        yield b"".join((*held, chunk[begin:end]))
        held, size = [chunk[end:]], len(chunk) - end
    if size > MAX_LINE_BYTES:
        skipped["too_long"] += 1
    elif size and chunk is not None:
        yield b"".join(held)


def _chunk(stream: BinaryIO, skipped: Counter[str]) -> bytes | None:
    """
    The next bytes; None if there are more which cannot be read.
    """
    try:
        # not read(): it would lose what stands before the fault
        data: bytes = stream.read1(_CHUNK_BYTES)  # type: ignore[attr-defined]
        return data
    except (MllogError, ImportError):
        raise
    except Exception as exc:  # gzip, isal and zstd have each their own
        is_disk = isinstance(exc, OSError) and not isinstance(exc, BadGzipFile)
        skipped["unreadable" if is_disk else "bad_compression"] += 1
        return None


def records_in(block: bytes, skipped: Counter[str]) -> list[Record]:
    """
    The records in some lines of JSON.

    Args:
        block: Whole lines.

        skipped: Gets ``torn``, ``not_json`` and ``not_object``.
    """
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    try:
        found = list(map(_loads, lines))
    except Exception:
        found = []
    if set(map(type, found)) == {dict}:
        return found
    return [record for line in lines for record in _looked_at(line, skipped)]


def loaded(text: bytes) -> Any:
    """
    The value of some JSON, also of the stdlib's with NaN in it.

    Raises:
        ValueError: It is none.
    """
    try:
        return _loads(text)
    except Exception:
        try:
            return _decoded(text)
        except RecursionError as exc:
            raise ValueError("nested too deeply") from exc


def _looked_at(line: bytes, skipped: Counter[str]) -> Iterator[Record]:
    """
    The records in a line, whatever else is in it.
    """
    text = line.strip(b"\0 \t\r").removeprefix(_BOM)
    if b"\0" in line and len(line.strip(b" \t\r")) > len(text):
        skipped["torn"] += 1  # a crash of the machine left a hole
    if not text:
        return
    try:
        value = loaded(text)
    except ValueError:
        yield from _salvaged(text, skipped)
        return
    if type(value) is dict:
        yield value
    else:
        skipped["not_object"] += 1


def _salvaged(text: bytes, skipped: Counter[str]) -> Iterator[Record]:
    """
    The whole records in a line that also has fragments or foreign text.
    """
    most = _MOST_STARTS if len(text) <= _LONGEST_TRIED_OFTEN else 1
    starts = deque((each.start() for each in _START.finditer(text)), most)
    done = 0
    for start in starts:
        if start < done:
            continue  # within the record before
        record, end = _record_at(text, start)
        if record is not None:
            _count(text[done:start], skipped, is_end=False)
            yield record
            done = end
    _count(text[done:], skipped, is_end=True)


def _record_at(text: bytes, start: int) -> tuple[Record | None, int]:
    """
    The record that begins at *start*, and where it ends.
    """
    piece = text[start:].decode("utf-8", "surrogateescape")
    try:
        record, length = _read_object(piece)
        size = len(piece[:length].encode())
    except (ValueError, RecursionError):
        return None, start
    if text[:start].endswith(_INNER) and "message" not in record:
        return None, start  # a part of the record before it
    return record, start + size


def _count(fragment: bytes, skipped: Counter[str], *, is_end: bool) -> None:
    if not fragment.strip(b"\0 \t\r"):
        return
    is_cut = not is_end or not fragment.endswith(b"}")
    is_begun = fragment.startswith(b"{") and is_cut
    is_ours = _START.match(fragment)
    skipped["torn" if is_begun or is_ours else "not_json"] += 1
