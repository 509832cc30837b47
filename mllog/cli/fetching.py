"""
Payloads fetched into a folder, each content once, with the index of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, NamedTuple

from ..encoding import encode_line
from ..reading.lines import Record
from ..reading.payloads import (
    ENTRIES,
    PARALLEL,
    Link,
    find_payload,
    is_whole,
    links_of,
)
from ..reading.sources import LogFile, Source, records_of

__all__ = ["INDEX", "Choice", "Fetch"]

#: The file with the records that have the payloads.
INDEX = "index.jsonl"

_MOST_WAITING = 4 * PARALLEL
_ABSENT = object()


class Choice(NamedTuple):
    """
    Which records, and which of their payloads.

    Args:
        where: Fields and the values that they have.

        fields: Names of payloads; none for all.
    """

    where: list[tuple[str, str]]
    fields: list[str]

    def takes(self, record: Record) -> bool:
        """
        Whether *record* has all the values.
        """
        return all(_says(record, *each) for each in self.where)

    def links(self, record: Record) -> list[Link]:
        """
        The payloads of *record* that are wanted.
        """
        return [
            link
            for link in links_of(record)
            if not self.fields or self._names(link.name)
        ]

    def _names(self, name: str) -> bool:
        return any(
            name == field or name.startswith(f"{field}.")
            for field in self.fields
        )


class _Job(NamedTuple):
    source: Source
    file: LogFile
    link: Link
    path: str


class Fetch:
    """
    What is fetched: how much was found, and what became of it.

    Args:
        folder: Where to.

        choice: What.

        show: Told how far it is.

        is_dry: Whether to write nothing.

    Attributes:
        counts: Payloads by what became of them.

        skipped: Why how many lines of the index were passed over.

        indexed: Records with payloads.

        records: Those of them that were chosen.

        bytes: What was fetched.
    """

    def __init__(
        self,
        folder: str,
        choice: Choice,
        show: Callable[[str], Any],
        *,
        is_dry: bool,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.indexed = self.records = self.bytes = 0
        self._folder = folder
        self._choice = choice
        self._show = show
        self._is_dry = is_dry
        self._known: set[str] = set()
        self._waiting: deque[Future[tuple[str, int]]] = deque()

    def run(self, sources: list[Source]) -> None:
        """
        Fetch what is not there, and write the index.

        Raises:
            MllogError: The server can be reached no more.

            OSError: The folder cannot be written.
        """
        with contextlib.ExitStack() as stack:
            index = stack.enter_context(self._new_index())
            pool = stack.enter_context(ThreadPoolExecutor(PARALLEL))
            stack.callback(pool.shutdown, cancel_futures=True)
            for source in sources:
                for file in source.files(self.skipped):
                    for block in records_of(file, self.skipped):
                        for record in block:
                            self._take(source, file, record, index, pool)
            while self._waiting:
                self._finish_one()

    @contextlib.contextmanager
    def _new_index(self) -> Iterator[BinaryIO]:
        """
        The index of this call, which takes its name when it is complete.
        """
        if self._is_dry:
            with open(os.devnull, "wb") as nothing:
                yield nothing
            return
        os.makedirs(self._folder, exist_ok=True)
        path = os.path.join(self._folder, INDEX)
        draft = f"{path}.{os.getpid()}.tmp"
        try:
            with open(draft, "wb") as file:
                yield file
            if self.indexed:
                os.replace(draft, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(draft)

    def _take(
        self,
        source: Source,
        file: LogFile,
        record: Record,
        index: BinaryIO,
        pool: ThreadPoolExecutor,
    ) -> None:
        if not links_of(record):
            return
        self.indexed += 1
        links = self._choice.links(record)
        if not links or not self._choice.takes(record):
            return
        self.records += 1
        index.write(_line(record, {link.name for link in links}))
        for link in links:
            path = self._path(link)
            if link.status != "stored":
                self.counts[link.status] += 1
            elif path in self._known:
                self.counts["shared"] += 1
            else:
                if link.ref:
                    self._known.add(path)
                job = _Job(source, file, link, path)
                self._waiting.append(pool.submit(self._done, job))
        while len(self._waiting) > _MOST_WAITING:
            self._finish_one()

    def _path(self, link: Link) -> str:
        """
        Where a payload goes; only a checked ref and extension are in it.
        """
        name = f"{link.ref}{link.extension or ''}"
        return os.path.join(self._folder, ENTRIES, link.ref[:2], name)

    def _done(self, job: _Job) -> tuple[str, int]:
        """
        Fetch one payload; what became of it, and its bytes.
        """
        link = job.link
        if not link.ref:
            return "missing", 0
        if _is_there(job.path, link):
            return "present", 0
        if self._is_dry:
            return "fetched", link.size or 0
        try:
            data = find_payload(job.source, job.file, link)
        except OSError:
            return "unreadable", 0
        if data is None:
            return "missing", 0
        if not is_whole(data, link):
            return "damaged", 0
        _write(job.path, data)
        return "fetched", len(data)

    def _finish_one(self) -> None:
        outcome, size = self._waiting.popleft().result()
        self.counts[outcome] += 1
        self.bytes += size
        self._show(
            f"{self.counts['fetched']} fetched, {self.counts['present']}"
            f" present, {self.bytes:,} bytes"
        )


def _line(record: Record, names: set[str]) -> bytes:
    """
    The line of the index for *record* with only these payloads.
    """
    entries = record[ENTRIES]
    kept = {name: entries[name] for name in entries if name in names}
    return encode_line({**record, ENTRIES: kept}, max_bytes=sys.maxsize)


def _is_there(path: str, link: Link) -> bool:
    try:
        size = os.stat(path).st_size
    except FileNotFoundError:
        return False
    return link.size is None or size == link.size


def _write(path: str, data: bytes) -> None:
    """
    Write a file that is there as a whole or not at all.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    draft = f"{path}.{os.getpid()}.tmp"
    try:
        with open(draft, "wb") as file:
            file.write(data)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise


def _says(record: Record, field: str, text: str) -> bool:
    """
    Whether a field of *record* has the value that somebody typed.
    """
    value = _held(record, field)
    if value is _ABSENT:
        return False
    if str(value) == text:
        return True
    try:
        meant = json.loads(text)
    except ValueError:
        return False
    return bool(value == meant) and (
        isinstance(value, bool) == isinstance(meant, bool)
    )


def _held(record: Record, field: str) -> Any:
    """
    The value of ``field``, or of ``field.inner``.
    """
    if field in record:
        return record[field]
    value: Any = record
    for name in field.split("."):
        if not isinstance(value, dict) or name not in value:
            return _ABSENT
        value = value[name]
    return value
