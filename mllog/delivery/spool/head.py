"""
The end of a spool that is read.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ...events import Entry, size_of, unpack
from ...forking import fork_safe_lock
from .segments import HEADER_BYTES, Reader, Segment

__all__ = ["Counts", "Head"]


class Counts(NamedTuple):
    """
    What left a spool, at one moment.

    Args:
        gone: Records acknowledged, given up or found damaged.

        corrupt: Those of them found damaged.
    """

    gone: int = 0
    corrupt: int = 0


class _Position(NamedTuple):
    """
    Where to read on, and the sequence number that should be there.
    """

    segment: Segment
    offset: int
    expected: int


class _Found(NamedTuple):
    entry: Entry
    position: _Position


class _Batch:
    """
    What one reading found, before anybody else knows of it.
    """

    def __init__(self, most_records: int, most_bytes: int) -> None:
        self.found: list[_Found] = []
        self.lost: list[tuple[Segment, range]] = []
        self._records = most_records
        self._bytes = most_bytes

    @property
    def is_full(self) -> bool:
        return len(self.found) >= self._records

    def takes(self, entry: Entry) -> bool:
        """
        Whether *entry* has room; the first always has.
        """
        self._bytes -= size_of(entry)
        return self._bytes >= 0 or not self.found

    def lose(self, segment: Segment, first: int, following: int) -> None:
        if following > first:
            self.lost.append((segment, range(first, following)))


class Head:
    """
    Read entries in their order, and remember which are acknowledged.

    ``read`` may run beside an append and beside ``give_up``; it looks at the
    disk without a lock, and what it found counts once it has the lock.

    Args:
        origin: The segment before the first.
    """

    def __init__(self, origin: Segment) -> None:
        #: One object, replaced as a whole: seen by others at one moment.
        self.counts = Counts()
        self._lock = fork_safe_lock()
        self._position = _Position(origin, HEADER_BYTES, origin.mark[1])
        self._unacked: deque[_Position] = deque()
        self._reader: Reader | None = None

    def read(self, most_records: int, most_bytes: int) -> list[Entry]:
        """
        The next unread entries, at least one if there is any.

        Raises:
            OSError: The disk refuses; nothing is read.
        """
        begin = self._position
        batch = _Batch(most_records, most_bytes)
        position = begin
        while not batch.is_full:
            following = self._step(position, batch)
            if following is None:
                break
            position = following
        return self._commit(batch, begin, position)

    def rewind(self) -> None:
        """
        Read next what is not acknowledged.
        """
        with self._lock:
            if self._unacked:
                self._position = self._unacked[0]
            for position in self._unacked:
                position.segment.unacked = 0
            self._unacked.clear()

    def ack(self, count: int) -> int:
        """
        The oldest *count* read entries are done; gives what the checkpoint is.
        """
        with self._lock:
            if count > len(self._unacked):
                raise ValueError(
                    f"{count} entries are more than the "
                    f"{len(self._unacked)} that were read"
                )
            for _ in range(count):
                segment = self._unacked.popleft().segment
                segment.unacked -= 1
                segment.done += 1
            self._leave(count)
            first = self._unacked[0] if self._unacked else self._position
            return first.expected - 1

    def give_up(self, segment: Segment) -> int:
        """
        Read *segment* no more; gives how many records that loses.
        """
        with self._lock:
            segment.gone = True
            records = segment.pending
            self._leave(records)
            return records

    def release(self) -> None:
        """
        Let go of the file; what is being read just now counts as unread.
        """
        with self._lock:
            self._reader = None
            self._position = self._position._replace()

    def forget_parent(self) -> None:
        """
        In a forked child: close what was inherited.
        """
        if self._reader is not None:
            self._reader.close()

    def _leave(self, records: int, corrupt: int = 0) -> None:
        counts = self.counts
        self.counts = Counts(counts.gone + records, counts.corrupt + corrupt)

    def _step(self, position: _Position, batch: _Batch) -> _Position | None:
        """
        Read one entry into *batch*; None if there is none or no room for it.
        """
        segment, offset, expected = position
        # in this order: with a segment behind it, its mark is the last one
        following = segment.next
        end, after = segment.mark
        frame = None
        if not segment.gone and offset < end:
            frame = self._reader_of(segment).next(offset, end, expected)
        if frame is None:
            if not segment.gone:
                batch.lose(segment, expected, after)
            if following is not None:
                return _Position(following, HEADER_BYTES, following.base)
            if after <= expected or segment.gone:
                return None
            return _Position(segment, end, after)
        sequence = frame.sequence
        try:
            if sequence in segment.lost:  # counted when it was read before
                raise ValueError("found damaged before")
            entry = unpack(frame.kind, frame.payload)
        except ValueError:
            batch.lose(segment, expected, sequence + 1)
            return _Position(segment, frame.stop, sequence + 1)
        if not batch.takes(entry):
            return None
        batch.lose(segment, expected, sequence)
        here = _Position(segment, frame.start, sequence)
        batch.found.append(_Found(entry, here))
        return _Position(segment, frame.stop, sequence + 1)

    def _reader_of(self, segment: Segment) -> Reader:
        reader = self._reader
        if reader is None or reader.segment is not segment:
            reader = self._reader = Reader(segment)
        return reader

    def _commit(
        self, batch: _Batch, begin: _Position, end: _Position
    ) -> list[Entry]:
        with self._lock:
            if self._position is not begin:  # somebody rewound it meanwhile
                return []
            for segment, sequences in batch.lost:
                self._lose(segment, sequences)
            entries = []
            for entry, position in batch.found:
                if not position.segment.gone:
                    position.segment.unacked += 1
                    self._unacked.append(position)
                    entries.append(entry)
            self._position = end
            return entries

    def _lose(self, segment: Segment, sequences: range) -> None:
        if segment.gone:
            return
        fresh = set(sequences) - segment.lost
        segment.lost |= fresh
        segment.done += len(fresh)
        self._leave(len(fresh), len(fresh))
