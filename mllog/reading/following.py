"""
The lines that come to a live file, through every rotation.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import BinaryIO

from ..compression import decompressed, is_compressed
from .files import log_file, rotated_from
from .lines import MAX_LINE_BYTES, blocks
from .sources import passing_over

__all__ = ["Followed"]

_CHUNK_BYTES = 1 << 20
_MAGIC_BYTES = 4
# So long a process that has not noticed a rotation may still write to what
# was the live file.
_LATE_SECONDS = 2.0
# A file that rotates faster than a folder is listed is hopeless.
_TRIES = 100


class Followed:
    """
    A live file that others write, rotate, compress and delete meanwhile.

    Guarantee:
        Each whole line that is written after it was opened comes once, also
        if several rotations lie between two looks, and if those files were
        compressed.  A line that a crash cut short comes as it is, when its
        file is rotated.

    Limit:
        What is written and truncated (logrotate's ``copytruncate``) between
        two looks is not seen.

    Args:
        path: The live file, which need not be there yet.

        skipped: Counts lines that are ``too_long`` and files that are
            ``unreadable``.

        from_end: Whether what is in it already is passed over.

        is_new: Whether what was rotated from it belongs to it: nobody has
            seen it before.
    """

    def __init__(
        self,
        path: str,
        skipped: Counter[str],
        *,
        from_end: bool = False,
        is_new: bool = False,
    ) -> None:
        self.path = path
        self._skipped = skipped
        self._leaving: list[tuple[float, _Reader]] = []
        self._known: set[str] = set()
        self._reader: _Reader | None = None
        if not is_new:
            self._known.update(map(_plain, rotated_from(path)))
            self._reader, _ = self._next(None)
        if self._reader and from_end:
            self._reader.to_end()

    @property
    def begin(self) -> tuple[BinaryIO, int] | None:
        """
        The file as it was opened, and where its first new line begins.
        """
        reader = self._reader
        return (reader.file, reader.begin) if reader else None

    def _opened(self, path: str) -> _Reader | None:
        if not os.path.isfile(path):  # or a pipe, which would have us wait
            return None
        try:
            file = open(path, "rb", buffering=0)  # noqa: SIM115
        except FileNotFoundError:
            return None
        except OSError:
            self._skipped["unreadable"] += 1
            return None
        return _Reader(file, self._skipped)

    def lines(self) -> Iterator[bytes]:
        """
        The lines that have come since the last call, without their ends.
        """
        yield from self._late_lines()
        reader = self._reader
        if reader:
            if reader.has_shrunk():
                reader.to_begin()
            yield from reader.lines()
        if reader is None or not reader.is_at(self.path):
            yield from self._moved(reader)

    def _moved(self, left: _Reader | None) -> Iterator[bytes]:
        """
        What was written to *left* at last, and to all that came after it.
        """
        reader, between = self._next(left)
        if reader is None:
            return  # there is none yet, and until then *left* says where we are
        self._reader = reader
        if left:
            yield from self._leave(left)
        for path in between:
            passed = self._opened(path)
            if passed and not passed.is_packed():
                yield from self._leave(passed)
            else:
                if passed:
                    passed.file.close()
                yield from self._packed(path)
        yield from self._reader.lines()

    def _leave(self, reader: _Reader) -> Iterator[bytes]:
        self._leaving.append((time.monotonic() + _LATE_SECONDS, reader))
        yield from reader.lines()

    def _late_lines(self) -> Iterator[bytes]:
        now = time.monotonic()
        for deadline, reader in self._leaving:
            yield from reader.lines()
            if deadline < now:
                yield from reader.rest()
                reader.file.close()
        self._leaving = [each for each in self._leaving if each[0] >= now]

    def _next(self, left: _Reader | None) -> tuple[_Reader | None, list[str]]:
        """
        The live file, and those that were live between *left* and it.
        """
        reader = None
        for _ in range(_TRIES):
            reader = self._opened(self.path)
            found = rotated_from(self.path)
            # what is live after the listing is newer than all in it
            if reader is None:
                return None, []
            if reader.is_at(self.path):
                break
            reader.file.close()
        known, self._known = self._known, set(map(_plain, found))
        for index, path in enumerate(found):
            if left and left.is_at(path):
                return reader, found[index + 1 :]
        fresh = [path for path in found if _plain(path) not in known]
        # compressed or deleted by now: the first new name was its
        return reader, fresh[1:] if left else fresh

    def _packed(self, path: str) -> Iterator[bytes]:
        with (
            passing_over(self._skipped),
            closing(log_file(path, "").open()) as raw,
            decompressed(raw) as stream,
        ):
            for block in blocks(stream, self._skipped):
                yield from block.removesuffix(b"\n").split(b"\n")

    def close(self) -> None:
        """
        Close what is open.
        """
        for _, reader in self._leaving:
            reader.file.close()
        self._leaving = []
        if self._reader:
            self._reader.file.close()
            self._reader = None


def _plain(path: str) -> str:
    return path.removesuffix(".gz").removesuffix(".zst")


class _Reader:
    """
    An open file, as far as it was read.
    """

    def __init__(self, file: BinaryIO, skipped: Counter[str]) -> None:
        self.file = file
        self.begin = 0
        self._skipped = skipped
        self._held: list[bytes] = []  # of a line that goes on
        self._size = 0
        self._stat = os.fstat(file.fileno())

    def is_packed(self) -> bool:
        """
        Whether it was compressed, under whatever name.
        """
        with passing_over(self._skipped):
            start = self.file.read(_MAGIC_BYTES)
            self.file.seek(0)
            return is_compressed(start)
        return False

    def to_end(self) -> None:
        """
        Pass over all lines that are whole.
        """
        with passing_over(self._skipped):
            end = self.file.seek(0, os.SEEK_END)
            self.begin = _line_begin(self.file, end)
            self.file.seek(self.begin)

    def to_begin(self) -> None:
        """
        Begin anew: the file was truncated.
        """
        self._held, self._size = [], 0
        self.file.seek(0)

    def has_shrunk(self) -> bool:
        """
        Whether less is in it than was read.
        """
        return os.fstat(self.file.fileno()).st_size < self.file.tell()

    def is_at(self, path: str) -> bool:
        """
        Whether *path* is this file.
        """
        with suppress(OSError):
            return os.path.samestat(os.stat(path), self._stat)
        return False

    def lines(self) -> Iterator[bytes]:
        """
        The whole lines that have come.
        """
        while chunk := self._chunk():
            *whole, rest = chunk.split(b"\n")
            for line in whole:
                if self._held:
                    line = b"".join((*self._held, line))
                    self._held = []
                if self._size <= MAX_LINE_BYTES:
                    yield line
                self._size = 0
            self._hold(rest)

    def _chunk(self) -> bytes:
        try:
            return self.file.read(_CHUNK_BYTES)
        except OSError:
            self._skipped["unreadable"] += 1
            return b""

    def _hold(self, rest: bytes) -> None:
        if not rest:
            return
        was_whole = self._size <= MAX_LINE_BYTES
        self._size += len(rest)
        if self._size <= MAX_LINE_BYTES:
            self._held.append(rest)
        elif was_whole:
            self._held = []
            self._skipped["too_long"] += 1

    def rest(self) -> Iterator[bytes]:
        """
        The line that nobody will end.
        """
        if self._held:
            yield b"".join(self._held)
            self._held = []


def _line_begin(file: BinaryIO, end: int) -> int:
    """
    Where the line begins in which *end* is.
    """
    while end > 0:
        start = max(0, end - _CHUNK_BYTES)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
