"""
Frames in a file: how a spool's records lie on the disk.

A segment is a header of 32 bytes and frames behind it.  A frame is a magic
byte, the kind of entry, the length of the payload, the sequence number, a CRC
over the segment's salt and all of that and the payload, and the payload.  The
salt is random, so bytes of an older file, or a frame that a record carries in
its text, never pass for a frame of this one.  The salt and the first sequence
number stand in the file's name too: damage to the header costs nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from .descriptor import SAFELY, File

__all__ = [
    "FRAME_BYTES",
    "HEADER_BYTES",
    "Chain",
    "Frame",
    "Reader",
    "Segment",
    "UnknownVersionError",
    "framed",
]

_VERSION = 1
_HEADER_MAGIC = b"mlsp"
# magic, version, unused, salt, first sequence, unused; then their CRC
_HEADER = Struct("!4sHHQQI")
_CRC = Struct("!I")
HEADER_BYTES = _HEADER.size + _CRC.size
_MAGIC = 0xD7
_MAGIC_BYTE = bytes([_MAGIC])
_HEAD = Struct("!BBIQ")
_WHOLE = Struct("!BBIQI")
_HEAD_BYTES = _HEAD.size
FRAME_BYTES = _WHOLE.size
_CHUNK_BYTES = 1 << 20
_NAME = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})\.spool")

_pack_head = _HEAD.pack
_pack_crc = _CRC.pack
_unpack_whole = _WHOLE.unpack_from


class UnknownVersionError(Exception):
    """
    A segment that a later mllog wrote.
    """


def framed(seed: int, kind: int, payload: bytes, sequence: int) -> bytes:
    """
    The frame of *payload* in the segment of *seed*.
    """
    head = _pack_head(_MAGIC, kind, len(payload), sequence)
    return head + _pack_crc(crc32(payload, crc32(head, seed))) + payload


class Segment:
    """
    One file of a spool, and how far it is written, read and done with.

    Args:
        path: The file, ``<first sequence>-<salt>.spool``.

        first: Sequence number of its first record.

        salt: 64 random bits.
    """

    __slots__ = (
        "base",
        "done",
        "file",
        "first",
        "gone",
        "lost",
        "mark",
        "next",
        "path",
        "salt",
        "seed",
        "unacked",
    )

    def __init__(self, path: str, first: int, salt: int) -> None:
        self.path = path
        self.first = first
        self.salt = salt
        #: What the CRC of each frame begins with.
        self.seed = crc32(salt.to_bytes(8, "big"))
        #: Bytes complete, and the sequence number that comes next; one tuple,
        #: so that a reader beside the writer sees both of one moment.
        self.mark = (0, first)
        #: Sequence number of the first record not done when it was opened.
        self.base = first
        #: Records acknowledged or found damaged.
        self.done = 0
        #: Records read and not acknowledged yet.
        self.unacked = 0
        #: Sequence numbers found damaged.
        self.lost: set[int] = set()
        #: Deleted: all of it is done with or given up.
        self.gone = False
        #: The segment after it; with it there, this one grows no more.
        self.next: Segment | None = None
        #: Open to write and read while it grows.
        self.file: File | None = None

    @classmethod
    def create(cls, folder: str, first: int) -> Segment:
        """
        Make the file in *folder*, empty and open.
        """
        salt = secrets.randbits(64)
        path = os.path.join(folder, f"{first:016x}-{salt:016x}.spool")
        segment = cls(path, first, salt)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
        segment.file = File(os.open(path, flags | SAFELY, 0o600))
        return segment

    @classmethod
    def found(cls, path: str) -> Segment | None:
        """
        The segment that *path* is named for; None if it is none.
        """
        match = _NAME.fullmatch(os.path.basename(path))
        return match and cls(path, int(match[1], 16), int(match[2], 16))

    @property
    def pending(self) -> int:
        """
        Records neither acknowledged nor found damaged.
        """
        return max(self.mark[1] - self.base - self.done, 0)

    def header(self) -> bytes:
        """
        What the file begins with.
        """
        head = _HEADER.pack(
            _HEADER_MAGIC, _VERSION, 0, self.salt, self.first, 0
        )
        return head + _pack_crc(crc32(head))

    def open(self) -> File:
        """
        The file, to read it.

        Raises:
            FileNotFoundError: Somebody deleted it.
        """
        file = self.file
        # without pread a reader must not move the writer's position
        if file is not None and hasattr(os, "pread"):
            return file
        return File(os.open(self.path, os.O_RDONLY | SAFELY))

    def delete(self) -> None:
        """
        Delete the file; one that somebody deleted already is fine.
        """
        self.file = None
        with contextlib.suppress(OSError):
            os.unlink(self.path)


class Chain:
    """
    The segments of a spool, oldest first.

    Who reads follows ``next`` and needs no lock; the list itself is the
    business of those who hold the spool's lock.
    """

    def __init__(self, segments: Iterable[Segment] = ()) -> None:
        self.segments: list[Segment] = []
        #: Where reading begins: no file, and long gone.
        self.origin = Segment("", 1, 0)
        self.origin.gone = True
        self._last = self.origin
        for segment in segments:
            self.link(segment)

    @property
    def bytes(self) -> int:
        """
        Bytes of all files.
        """
        return sum(segment.mark[0] for segment in list(self.segments))

    def link(self, segment: Segment) -> None:
        """
        Put *segment* at the end; to do it twice does no more.
        """
        if segment not in self.segments[-1:]:
            self.segments.append(segment)
        if self._last is not segment:
            self._last.next = segment
            self._last = segment

    def discard(self, segment: Segment) -> None:
        """
        Delete *segment*.
        """
        segment.gone = True
        # a signal handler may have come in between and done the same
        with contextlib.suppress(ValueError):
            self.segments.remove(segment)
        segment.delete()


class Frame(NamedTuple):
    """
    A valid frame: from *start* to *stop* in its file.
    """

    kind: int
    sequence: int
    start: int
    stop: int
    payload: bytes


class Reader:
    """
    The frames of a segment, whatever happened to it.

    Guarantee:
        Only bytes that were written as a frame of this segment are returned.
        No length is believed before it is known to lie within the file.

    Args:
        segment: What to read.  One that somebody deleted has no frames.
    """

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        #: Behind the last valid frame that was passed.
        self.reached = HEADER_BYTES
        self._seed = segment.seed
        self._data = b""
        self._base = 0
        self._file: File | None = None
        with contextlib.suppress(FileNotFoundError):
            self._file = segment.open()

    def close(self) -> None:
        """
        Close the file; for a forked child.
        """
        if self._file is not None:
            self._file.close()

    def size(self) -> int:
        """
        Bytes of the file.
        """
        return 0 if self._file is None else os.fstat(self._file.fd).st_size

    def check_version(self) -> None:
        """
        Read the header, which may be damaged but not another's.

        Raises:
            UnknownVersionError: It is of a version not known here.
        """
        self._fetch(0, HEADER_BYTES, HEADER_BYTES)
        header, self._data = self._data, b""
        if len(header) < HEADER_BYTES:
            return
        magic, version = _HEADER.unpack_from(header)[:2]
        (crc,) = _CRC.unpack_from(header, _HEADER.size)
        if magic != _HEADER_MAGIC or crc != crc32(header[: _HEADER.size]):
            return
        if version != _VERSION:
            raise UnknownVersionError(f"{self.segment.path}: {version}")

    def next(self, offset: int, end: int, expected: int) -> Frame | None:
        """
        The first frame from *offset* on that is not older than *expected*.

        Args:
            offset: Where a frame should begin.

            end: Bytes of the file that are complete.

            expected: Its sequence number, if nothing is damaged.
        """
        while end - offset >= FRAME_BYTES:
            frame = self._frame_at(offset, end)
            if frame is None:
                offset = self._candidate(offset + 1, end)
                continue
            self.reached = offset = frame.stop
            if frame.sequence >= expected:
                return frame
        return None

    def tail(self, end: int, expected: int) -> tuple[int, bool]:
        """
        Behind the last valid frame: how many damaged, and whether torn.

        A frame that is all there but wrong is a damaged record.  One that is
        not all there is what a crash leaves: nobody was told it is safe.
        """
        offset, damaged = self.reached, 0
        if 0 < end < HEADER_BYTES:
            return 0, True
        while end - offset >= FRAME_BYTES:
            index = self._fetch(offset, FRAME_BYTES, end)
            if len(self._data) < FRAME_BYTES:
                break
            magic, _, length, sequence, _ = _unpack_whole(self._data, index)
            stop = offset + FRAME_BYTES + length
            if (magic, sequence) != (_MAGIC, expected) or stop > end:
                break
            damaged, expected, offset = damaged + 1, expected + 1, stop
        if offset >= end:
            return damaged, False
        index = self._fetch(offset, 1, end)
        begun = self._data[index : index + 1] == _MAGIC_BYTE
        return damaged, begun or not damaged

    def _frame_at(self, offset: int, end: int) -> Frame | None:
        index = offset - self._base
        if index < 0 or index + FRAME_BYTES > len(self._data):
            index = self._fetch(offset, FRAME_BYTES, end)
            if len(self._data) < FRAME_BYTES:
                return None
        magic, kind, length, sequence, crc = _unpack_whole(self._data, index)
        whole = FRAME_BYTES + length
        if magic != _MAGIC or offset + whole > end:
            return None
        if index + whole > len(self._data):
            index = self._fetch(offset, whole, end)
            if len(self._data) < whole:
                return None
        data = self._data
        payload = data[index + FRAME_BYTES : index + whole]
        head = crc32(data[index : index + _HEAD_BYTES], self._seed)
        if crc32(payload, head) != crc:
            return None
        return Frame(kind, sequence, offset, offset + whole, payload)

    def _candidate(self, offset: int, end: int) -> int:
        """
        Where the next magic byte is; *end* if there is none.
        """
        while offset < end:
            index = offset - self._base
            if not 0 <= index < len(self._data):
                index = self._fetch(offset, 1, end)
                if not self._data:
                    break
            found = self._data.find(_MAGIC_BYTE, index)
            if found >= 0:
                return self._base + found
            offset = self._base + len(self._data)
        return end

    def _fetch(self, offset: int, needed: int, end: int) -> int:
        """
        Have *needed* bytes from *offset* in memory; fewer if the file ends.
        """
        size = min(max(needed, _CHUNK_BYTES), end - offset)
        self._data, self._base = b"", offset
        if self._file is not None and size > 0:
            self._data = _read_at(self._file.fd, size, offset)
        return 0


def _read_at(fd: int, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(fd, size, offset)
    os.lseek(fd, offset, os.SEEK_SET)  # Windows; the file is the reader's own
    return os.read(fd, size)
