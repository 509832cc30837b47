"""
The end of a log, wherever it is: what is there, and what comes.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import NamedTuple, Protocol

from .files import live_logs, log_file, rotated_from
from .following import Followed
from .keys import part_of
from .latest import latest
from .lines import Record, records_in
from .names import is_table
from .selection import Selection
from .sources import LogFile, Source, records_of
from .tables import Table
from .times import seconds_of

__all__ = [
    "FolderTail",
    "Line",
    "ObjectsTail",
    "Reading",
    "Tail",
    "merged",
]

_LIST_SECONDS = 2.0
_LIST_OBJECTS_SECONDS = 10.0


class Line(NamedTuple):
    """
    A line of a log.

    Args:
        at: Seconds since 1970; None if it does not say.

        text: The line as it stands there; empty for a row of CSV.

        record: What it says; None of a line that is no record.
    """

    at: float | None
    text: bytes
    record: Record | None


class Reading:
    """
    What is wanted of lines, and what was passed over.

    Args:
        chosen: Which records.

        foreign: Whether lines that are no records are wanted.

    Attributes:
        skipped: What was passed over, by reason.
    """

    def __init__(self, chosen: Selection, *, foreign: bool) -> None:
        self.chosen = chosen
        self.skipped: Counter[str] = Counter()
        self._foreign = foreign and chosen.is_all

    def lines(self, text: bytes) -> list[Line]:
        """
        What of the line *text* is wanted: mostly one, seldom several records.
        """
        passed: Counter[str] = Counter()
        records = records_in(text, passed)
        if self._foreign and not records:
            return [Line(None, text, None)] if text.strip(b"\0 \t\r") else []
        self.skipped.update(passed)
        return self.rows(records, text)

    def rows(self, records: Iterable[Record], text: bytes = b"") -> list[Line]:
        """
        Those of *records* that are wanted.
        """
        return [
            Line(seconds_of(part_of(record, "timestamp")), text, record)
            for record in records
            if self.chosen(record)
        ]

    def is_old(self, path: str) -> bool:
        """
        Whether nothing was written to *path* since what is wanted.
        """
        since = self.chosen.since
        with suppress(OSError):
            return since is not None and os.stat(path).st_mtime < since
        return False


class Tail(Protocol):
    """
    One source, whose latest lines are asked for once, and before its new ones.
    """

    def latest(self, count: int | None) -> list[Line]:
        """
        The last *count* lines that are wanted, oldest first; None is all.
        """

    def new(self) -> Iterator[Line]:
        """
        Those that have come since.
        """

    def close(self) -> None:
        """
        Let go of what is open.
        """


class _LogTail:
    """
    A file of lines and what was rotated from it.
    """

    def __init__(self, path: str, reading: Reading, *, is_new: bool) -> None:
        self._path = path
        self._reading = reading
        self._followed = Followed(
            path, reading.skipped, from_end=not is_new, is_new=is_new
        )

    def latest(self, count: int | None) -> list[Line]:
        live = self._followed.begin
        files = [
            log_file(each, "")
            for each in rotated_from(self._path)
            if not self._reading.is_old(each)
        ]
        reading = self._reading
        return latest(files, count, reading.lines, reading.skipped, live)

    def new(self) -> Iterator[Line]:
        for text in self._followed.lines():
            yield from self._reading.lines(text)

    def close(self) -> None:
        self._followed.close()


class _TableTail:
    """
    A file of CSV, whose first row has to be known to read the others.
    """

    def __init__(self, path: str, reading: Reading) -> None:
        self._path = path
        self._reading = reading
        self._followed = Followed(path, reading.skipped)
        self._table = Table(reading.skipped)

    def latest(self, count: int | None) -> list[Line]:
        reading = self._reading
        old = (
            block
            for path in rotated_from(self._path)
            if not reading.is_old(path)
            for block in records_of(log_file(path, ""), reading.skipped)
        )
        lines = (line for block in old for line in reading.rows(block))
        return list(deque(chain(lines, self.new()), count))

    def new(self) -> Iterator[Line]:
        for text in self._followed.lines():
            yield from self._reading.rows(self._table.take(text + b"\n"))

    def close(self) -> None:
        self._followed.close()


class FolderTail:
    """
    The logs that a path means, and those that appear later.

    Args:
        path: A file, which need not be there yet, a folder or a glob.

        reading: What is wanted.
    """

    def __init__(self, path: str, reading: Reading) -> None:
        self._path = path
        self._reading = reading
        self._tails = {
            each: self._tail(each, is_new=False)
            for each in live_logs(path, reading.skipped)
        }
        self._listed = time.monotonic()

    def _tail(self, path: str, *, is_new: bool) -> Tail:
        if is_table(path):
            return _TableTail(path, self._reading)
        return _LogTail(path, self._reading, is_new=is_new)

    def latest(self, count: int | None) -> list[Line]:
        """
        As :class:`Tail` says.
        """
        return merged([each.latest(count) for each in self._all()], count)

    def new(self) -> Iterator[Line]:
        """
        As :class:`Tail` says.
        """
        if time.monotonic() - self._listed >= _LIST_SECONDS:
            for path in live_logs(self._path, Counter()):
                if path not in self._tails:
                    self._tails[path] = self._tail(path, is_new=True)
            self._listed = time.monotonic()
        for each in self._all():
            yield from each.new()

    def close(self) -> None:
        """
        As :class:`Tail` says.
        """
        for each in self._all():
            each.close()

    def _all(self) -> list[Tail]:
        return list(self._tails.values())


class ObjectsTail:
    """
    The logs below a prefix of a bucket.

    Limit:
        All keys are listed every ten seconds.

    Args:
        source: The objects.

        reading: What is wanted.
    """

    def __init__(self, source: Source, reading: Reading) -> None:
        self._source = source
        self._reading = reading
        self._seen: set[str] = set()
        self._listed = 0.0

    def _fresh(self) -> list[LogFile]:
        self._listed = time.monotonic()
        found = [
            file
            for file in self._source.files(self._reading.skipped)
            if file.name not in self._seen
        ]
        self._seen.update(file.name for file in found)
        return found

    def latest(self, count: int | None) -> list[Line]:
        """
        As :class:`Tail` says.
        """
        reading = self._reading
        return latest(self._fresh(), count, reading.lines, reading.skipped)

    def new(self) -> Iterator[Line]:
        """
        As :class:`Tail` says.
        """
        if time.monotonic() - self._listed < _LIST_OBJECTS_SECONDS:
            return
        for file in self._fresh():
            for block in records_of(file, self._reading.skipped):
                yield from self._reading.rows(block)

    def close(self) -> None:
        """
        As :class:`Tail` says.
        """


def merged(found: Sequence[list[Line]], count: int | None) -> list[Line]:
    """
    The last *count* of several sources by time; each keeps its own order.

    A line without a time stays with the one before it.
    """
    keyed = []
    for lines in found:
        at = float("-inf")
        for line in lines:
            at = at if line.at is None else max(at, line.at)
            keyed.append((at, line))
    keyed.sort(key=lambda each: each[0])  # which is stable
    lines = [line for _, line in keyed]
    return lines if count is None else lines[max(0, len(lines) - count) :]
