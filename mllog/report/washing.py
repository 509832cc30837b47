"""
Lines that no engine stumbles over, from whatever is in a file.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from ..compression import decompressed
from ..encoding import encode_line
from ..errors import MllogError
from ..reading.lines import Record, blocks, records_in
from ..reading.tables import tables
from .inputs import Input

try:
    import orjson
except ImportError:  # PyPy and sub-interpreters
    orjson = None  # type: ignore[assignment]

__all__ = ["LONGEST_LINE_BYTES", "REPORT", "note_reports", "washed"]

#: Longer lines are passed over: an engine has room for so much.
LONGEST_LINE_BYTES: Final = 15 << 20

#: How lines begin that our handlers write to standard error.
REPORT: Final = b"mllog: "

_CHUNK_BYTES: Final = 256 << 20
_MOST_REPORTS: Final = 100


def washed(
    given: Input, folder: str, skipped: Counter[str], reports: list[str]
) -> Iterator[str]:
    """
    Files with the records of *given* as valid lines of JSON.

    Each is deleted when the next one is asked for, so that a file of any size
    takes little room.

    Args:
        given: The file.

        folder: Where they are made.

        skipped: Counts by reason what is passed over.

        reports: Gets what handlers reported, found among the lines.
    """
    lines = _lines(given, skipped, reports)
    is_over = False
    while not is_over:
        handle, path = tempfile.mkstemp(suffix=".jsonl", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                is_over = not _filled(file.write, lines)
                size = file.tell()
            if size:
                yield path
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)


def _filled(write: object, lines: Iterator[bytes]) -> bool:
    """
    Whether there is more after a file is full.
    """
    size = 0
    for block in lines:
        write(block)  # type: ignore[operator]
        size += len(block)
        if size >= _CHUNK_BYTES:
            return True
    return False


def _lines(
    given: Input, skipped: Counter[str], reports: list[str]
) -> Iterator[bytes]:
    with contextlib.ExitStack() as stack:
        try:
            raw = stack.enter_context(contextlib.closing(given.file.open()))
            stream = stack.enter_context(decompressed(raw))
        except (MllogError, ImportError):
            raise
        except Exception:
            skipped["unreadable"] += 1
            return
        found = blocks(stream, skipped)
        if given.kind == "table":
            for records in tables(found, skipped):
                yield _encoded(records, skipped)
            return
        for block in found:
            if _is_clean(block):
                yield block if block.endswith(b"\n") else block + b"\n"
                continue
            note_reports(block, reports)
            yield _encoded(records_in(block, skipped), skipped)


def _is_clean(block: bytes) -> bool:
    """
    Whether each line is an object that any reader of JSON takes.
    """
    if orjson is None or b"\n\n" in block or block.startswith(b"\n"):
        return False
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    try:
        kinds = set(map(type, map(orjson.loads, lines)))
    except Exception:
        return False
    return kinds == {dict} and max(map(len, lines)) <= LONGEST_LINE_BYTES


def _encoded(records: Iterable[Record], skipped: Counter[str]) -> bytes:
    lines = []
    for record in records:
        line = encode_line(record, "null", LONGEST_LINE_BYTES)
        if len(line) > LONGEST_LINE_BYTES:
            skipped["too_long"] += 1
        else:
            lines.append(line)
    return b"".join(lines)


def note_reports(block: bytes, reports: list[str]) -> None:
    """
    Add what handlers reported on standard error, found in *block*.
    """
    if REPORT not in block:
        return
    reports += [
        line.decode("utf-8", "replace").strip()[:500]
        for line in block.split(b"\n")
        if line.startswith(REPORT)
    ]
    del reports[:-_MOST_REPORTS]
