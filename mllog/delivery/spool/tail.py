"""
The end of a spool that is written.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Sequence

from ...events import Entry, pack
from .descriptor import File, sync_file
from .folders import Home
from .segments import FRAME_BYTES, HEADER_BYTES, Chain, Segment, framed
from .syncing import syncer

__all__ = ["ReentrantError", "SpoolError", "SpoolFullError", "Tail"]

_SMALLEST_SEGMENT = 4096


class SpoolError(Exception):
    """
    A spool does not take what it was given; the disk is not to blame.
    """


class SpoolFullError(SpoolError):
    """
    There would be more bytes on the disk than allowed.
    """


class ReentrantError(SpoolError):
    """
    A signal handler or a finaliser came in while its thread was at work here.
    """


class Tail:
    """
    Append entries to the last segment, and begin a new one when it is full.

    Args:
        chain: Where new segments are put.

        folder: Where the own directory is made, when first needed.

        max_bytes: Bound of all files together.

        segment_bytes: Size at which a new segment begins.

        fsync: ``never``, ``interval`` or ``always``.

        before: A directory of this process that the own one comes before.
    """

    def __init__(
        self,
        chain: Chain,
        folder: str,
        *,
        max_bytes: int,
        segment_bytes: int,
        fsync: str,
        before: str = "",
    ) -> None:
        self._before = before
        self.home: Home | None = None
        self.busy = False
        #: Sequence numbers that no record has: the disk kept what it refused.
        self.skipped = 0
        self._chain = chain
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = min(
            segment_bytes, max(max_bytes // 8, _SMALLEST_SEGMENT)
        )
        self._fsync = fsync
        self._always = fsync == "always"
        self._active: Segment | None = None
        self._next = 1
        self._limit = 0
        self._synced: tuple[Segment | None, int] = (None, 0)
        self._unsynced: deque[File] = deque()

    @property
    def next(self) -> int:
        """
        The sequence number of the next record.
        """
        active = self._active
        return self._next if active is None else active.mark[1]

    def append(self, entries: Sequence[Entry]) -> None:
        """
        Write *entries*, all of them or none.

        Raises:
            OSError: The disk refuses.

            SpoolFullError: They would exceed *max_bytes*.

            ReentrantError: This thread is in the middle of an append.
        """
        if self.busy:
            raise ReentrantError("this thread is writing to the spool already")
        self.busy = True
        try:
            active = self._active
            if active is not None and len(entries) == 1:
                kind, payload = pack(entries[0])
                end, sequence = active.mark
                if end + len(payload) + FRAME_BYTES <= self._limit:
                    frame = framed(active.seed, kind, payload, sequence)
                    self._extend(active, frame, sequence + 1)
                    return
            self._append_all(entries)
        finally:
            self.busy = False

    def inherit(self, home: Home, records: int) -> None:
        """
        Own *home*, with *records* in it, and write nothing.
        """
        self.home = home
        self._next = records + 1

    def seal(self) -> None:
        """
        Write no more to the active segment.
        """
        active = self._active
        if active is None:
            return
        self._next = active.mark[1]
        self._active = None
        if active.file is not None and self._fsync != "never":
            self._unsynced.append(active.file)
        active.file = None

    def shed(self) -> None:
        """
        Delete the segments that are wholly done with.
        """
        for segment in list(self._chain.segments):
            if segment is not self._active and not segment.pending:
                self._chain.discard(segment)
        self.measure()

    def measure(self) -> None:
        """
        Find out how far the active segment may grow.
        """
        if self._active is not None:
            others = self._chain.bytes - self._active.mark[0]
            self._limit = min(self._segment_bytes, self._max_bytes - others)

    def sync(self) -> None:
        """
        Have the disk hold all that was appended before the call.

        Raises:
            OSError: The disk refuses.
        """
        active = self._active
        if active is not None:
            file, end = active.file, active.mark[0]
            if file is not None and self._synced != (active, end):
                sync_file(file)
                self._synced = (active, end)
        while self._unsynced:
            try:
                file = self._unsynced.popleft()
            except IndexError:  # the syncing thread has it
                return
            sync_file(file)

    def forget_parent(self) -> None:
        """
        In a forked child: close what was inherited.
        """
        for file in self._unsynced:
            file.close()
        if self._active is not None and self._active.file is not None:
            self._active.file.close()
        if self.home is not None:
            self.home.forget()

    def _extend(self, segment: Segment, data: bytes, following: int) -> None:
        """
        Write *data*, wholly or not at all; *following* is the next sequence.
        """
        end, sequence = mark = segment.mark
        try:
            self._write(segment, data)
            segment.mark = (end + len(data), following)
        except BaseException:
            if segment.mark is mark:
                self._cut(segment, following - sequence)
            raise

    def _write(self, segment: Segment, data: bytes) -> None:
        file = segment.file
        if file is None:
            raise OSError(errno.EBADF, "not open", segment.path)
        if os.write(file.fd, data) != len(data):
            text = "the disk took only part of it"
            raise OSError(errno.ENOSPC, text, segment.path)
        if self._always:
            sync_file(file)

    def _cut(self, segment: Segment, records: int) -> None:
        """
        Take away what stands behind the mark of *segment*.

        If the disk refuses even that, nobody writes to the segment again, and
        what may be readable in it keeps its sequence numbers for itself.
        """
        try:
            if segment.file is not None:
                os.ftruncate(segment.file.fd, segment.mark[0])
        except OSError:
            if segment is self._active:
                self.seal()
            self._next += records
            self.skipped += records

    def _append_all(self, entries: Sequence[Entry]) -> None:
        packed = [pack(entry) for entry in entries]
        if not packed:
            return
        parts = self._parts(packed)
        if self._exceeds(parts):
            self._make_room()
            parts = self._parts(packed)
            if self._exceeds(parts):
                raise SpoolFullError(f"{self._max_bytes} bytes are not enough")
        self._write_parts(parts)
        self.shed()

    def _parts(
        self, packed: list[tuple[int, bytes]]
    ) -> list[list[tuple[int, bytes]]]:
        """
        What goes to the active segment, and to each new one after it.
        """
        active = self._active
        end = self._segment_bytes if active is None else active.mark[0]
        parts: list[list[tuple[int, bytes]]] = [[]]
        for item in packed:
            size = FRAME_BYTES + len(item[1])
            if end + size > self._segment_bytes:
                parts.append([])
                end = HEADER_BYTES
            parts[-1].append(item)
            end += size
        return parts

    def _exceeds(self, parts: list[list[tuple[int, bytes]]]) -> bool:
        size = HEADER_BYTES * (len(parts) - 1) + self._chain.bytes
        for part in parts:
            size += sum(FRAME_BYTES + len(payload) for _, payload in part)
        return size > self._max_bytes

    def _make_room(self) -> None:
        if self._active is not None and not self._active.pending:
            self.seal()
            self.shed()

    def _write_parts(self, parts: list[list[tuple[int, bytes]]]) -> None:
        """
        Write all parts, and only then let readers see any of them.
        """
        active, first = self._active, self.next
        made: list[tuple[Segment, tuple[int, int]]] = []
        try:
            for part in parts[1:]:
                skip = len(parts[0]) if not made else 0
                start = made[-1][1][1] if made else first + skip
                segment = self._new_segment(start)
                made.append((segment, (0, start)))
                data = segment.header() + _frames(segment, part, start)
                self._write(segment, data)
                made[-1] = (segment, (len(data), start + len(part)))
            if active is not None and parts[0]:
                data = _frames(active, parts[0], first)
                self._extend(active, data, first + len(parts[0]))
        except BaseException:
            for segment, _ in made:
                segment.delete()
            raise
        self._publish(made)

    def _publish(self, made: list[tuple[Segment, tuple[int, int]]]) -> None:
        for segment, mark in made:
            self.seal()
            segment.mark = mark
            self._active = segment
            self._chain.link(segment)
        self.measure()

    def _new_segment(self, first: int) -> Segment:
        for _ in range(2):
            if self.home is None:
                self.home = self._new_home()
            try:
                segment = Segment.create(self.home.path, first)
            except FileNotFoundError:  # somebody deleted our directory
                self.home.forget()
                self.home = None
                continue
            try:
                self._sync_folders(self.home.path)
            except BaseException:
                segment.delete()
                raise
            return segment
        raise FileNotFoundError(errno.ENOENT, "no own directory", self._folder)

    def _new_home(self) -> Home:
        home = Home.make(self._folder, self._before)
        try:
            above = os.path.dirname(os.path.abspath(self._folder))
            self._sync_folders(self._folder, above)
        except BaseException:
            home.remove()
            raise
        if self._fsync == "interval":
            syncer.watch(self)
        return home

    def _sync_folders(self, *paths: str) -> None:
        """
        Have the disk hold the names in *paths*: now, or with the next sync.
        """
        if self._fsync == "never" or not hasattr(os, "O_DIRECTORY"):
            return
        for path in paths:
            file = File(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
            if self._always:
                sync_file(file)
            else:
                self._unsynced.append(file)


def _frames(
    segment: Segment, part: Sequence[tuple[int, bytes]], first: int
) -> bytes:
    return b"".join(
        framed(segment.seed, kind, payload, sequence)
        for sequence, (kind, payload) in enumerate(part, first)
    )
