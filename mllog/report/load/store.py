"""
What both engines share: settings, counts, and records they cannot read themselves.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ...compression import decompressed
from ...encoding import encode_line
from ...errors import MllogError
from ...reading.lines import Record, blocks, records_in
from ...reading.tables import tables
from .inputs import Input

try:
    import orjson
except ImportError:  # PyPy and sub-interpreters
    orjson = None  # type: ignore[assignment]


__all__ = ["RecordStore", "Settings"]

# longer lines are skipped: an engine has a buffer of that size
_LONGEST_LINE_BYTES: Final = 15 << 20
# how lines begin that our handlers write to standard error
_REPORT: Final = b"mllog: "
_CHUNK_BYTES: Final = 256 << 20
_MOST_REPORTS: Final = 100


@dataclass(frozen=True)
class Settings:
    """
    How an engine runs.

    Args:
        memory_limit: What DuckDB may use before it spills, ``"2GB"``; None
            is most of the memory of the machine.

        threads: Of DuckDB; None is one per processor.

        temp_folder: Where it spills; None is the system's.

        progress: Called with the part that is read, 0 to 1.

        spark: A SparkSession; None makes a local one.
    """

    memory_limit: str | None = None
    threads: int | None = None
    temp_folder: str | None = None
    progress: Callable[[float], object] | None = None
    spark: Any = field(default=None, repr=False)


class RecordStore(ABC):
    """
    The records, as a table of Ibis.

    Args:
        settings: How the engine runs.

    Attributes:
        table: A row per record: ``file``, ``time_us``, ``level``,
            ``severity``, ``logger``, ``message``, and the columns of the
            schema.

        skipped: How much was skipped, by number of the file and reason.

        reports: What handlers reported, found among the lines.
    """

    table: Any

    def __init__(self, settings: Settings) -> None:
        self.skipped: dict[int, Counter[str]] = {}
        self.reports: list[str] = []
        self._folder = tempfile.mkdtemp(
            prefix="mllog-report-", dir=settings.temp_folder
        )

    @abstractmethod
    def write(self, table: Any, folder: str, by: Sequence[str]) -> None:
        """
        Write a table of Ibis as Parquet to *folder*, in folders by columns.

        Its ``timestamp`` and ``date`` are microseconds since 1970.
        """

    def close(self) -> None:
        """
        Release memory and disk.
        """
        shutil.rmtree(self._folder, ignore_errors=True)

    def _normalised(self, given: Input, number: int) -> Iterator[str]:
        """
        Files of valid JSON Lines with the records of *given*.

        Each is deleted when the next one is requested, so that a file of any
        size takes little disk.
        """
        skipped = self.skipped.setdefault(number, Counter())
        if given.kind == "parquet":
            skipped["unreadable"] += 1
            return
        lines = _valid_lines(given, skipped, self.reports)
        is_over = False
        while not is_over:
            handle, path = tempfile.mkstemp(suffix=".jsonl", dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    is_over = not _filled(file.write, lines)
                    size = file.tell()
                if size:
                    yield path
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(path)

    def _recovered(self, block: bytes, number: int) -> list[bytes]:
        """
        The records in damaged lines of a file, as valid lines.
        """
        skipped = self.skipped.setdefault(number, Counter())
        _collect_reports(block, self.reports)
        return [
            encode_line(record, "null", _LONGEST_LINE_BYTES)
            for record in records_in(block, skipped)
        ]


def _filled(write: Callable[[bytes], object], lines: Iterator[bytes]) -> bool:
    """
    Whether there is more after a file is full.
    """
    size = 0
    for block in lines:
        write(block)
        size += len(block)
        if size >= _CHUNK_BYTES:
            return True
    return False


def _valid_lines(
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
            _collect_reports(block, reports)
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
    return kinds == {dict} and max(map(len, lines)) <= _LONGEST_LINE_BYTES


def _encoded(records: Iterable[Record], skipped: Counter[str]) -> bytes:
    lines = []
    for record in records:
        line = encode_line(record, "null", _LONGEST_LINE_BYTES)
        if len(line) > _LONGEST_LINE_BYTES:
            skipped["too_long"] += 1
        else:
            lines.append(line)
    return b"".join(lines)


def _collect_reports(block: bytes, reports: list[str]) -> None:
    """
    Add what handlers reported on standard error, found in *block*.
    """
    if _REPORT not in block:
        return
    reports += [
        line.decode("utf-8", "replace").strip()[:500]
        for line in block.split(b"\n")
        if line.startswith(_REPORT)
    ]
    del reports[:-_MOST_REPORTS]
