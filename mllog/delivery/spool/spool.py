"""
Records on the disk until their sink has them, whatever happens to the process.

A process writes to a directory of its own below the spool's folder: segments
of frames, a checkpoint, a lock.  When it dies, however it dies, the lock is
free, and the next process that looks inherits what was not delivered.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from ...events import Entry, pack
from .checkpoint import Checkpoint
from .folders import Home, homes, warn_once
from .head import Head
from .inspection import Survey
from .segments import (
    FRAME_BYTES,
    HEADER_BYTES,
    Chain,
    Segment,
    UnknownVersionError,
)
from .syncing import syncer
from .tail import ReentrantError, SpoolError, Tail

__all__ = ["Spool", "adopt"]


class Spool:
    """
    A queue of entries in files.

    Whoever uses it calls one method at a time, except ``read`` and ``sync``,
    which may run beside the others.

    Guarantee:
        What ``append`` returned for is read again after any end of the
        process, until it is acknowledged; with ``fsync="always"`` after any
        end of the machine, with ``"interval"`` but for the last 0.5 s.  What
        is damaged on the disk costs the damaged records, counted, and no more.

    Limit:
        A crash after delivery and before ``ack`` delivers again.

    Args:
        folder: Where processes have their directories; made when needed.

        max_bytes: Bound of all files of this process together.

        segment_bytes: Size at which a new file begins.

        fsync: ``never``, ``interval`` (each 0.5 s) or ``always``.

        before: The directory of another spool of this process, whose records
            are newer.
    """

    def __init__(
        self,
        folder: str,
        *,
        max_bytes: int,
        segment_bytes: int = 8 * 1024 * 1024,
        fsync: str = "interval",
        before: str = "",
    ) -> None:
        self.folder = folder
        self._before = before
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._fsync = fsync
        self._closed = False
        self._refusal = ""
        self._start()

    def _start(self) -> None:
        self.torn = 0
        self._chain = Chain()
        self._head = Head(self._chain.origin)
        self._tail = Tail(
            self._chain,
            self.folder,
            max_bytes=self._max_bytes,
            segment_bytes=self._segment_bytes,
            fsync=self._fsync,
            before=self._before,
        )
        self._checkpoint: tuple[str, Checkpoint] | None = None

    @property
    def path(self) -> str:
        """
        The own directory; ``""`` as long as there is none.
        """
        home = self._tail.home
        return "" if home is None else home.path

    @property
    def pending(self) -> int:
        """
        Records appended and neither acknowledged, given up nor found damaged.
        """
        return self.counts()[0]

    @property
    def corrupt(self) -> int:
        """
        Records found damaged.
        """
        return self._head.counts.corrupt

    @property
    def bytes(self) -> int:
        """
        Bytes of the files.
        """
        return self._chain.bytes

    def counts(self) -> tuple[int, int]:
        """
        Pending and damaged records, both of one moment.
        """
        gone, corrupt = self._head.counts
        tail = self._tail
        return tail.next - 1 - tail.skipped - gone, corrupt

    def append(self, entries: Sequence[Entry]) -> None:
        """
        Write *entries*, all of them or none.

        Raises:
            OSError: The disk refuses.  A later call may succeed.

            SpoolFullError: They would exceed *max_bytes*.

            ReentrantError: This thread is in the middle of another call.

            SpoolError: It is closed, or somebody else's.
        """
        if self._refusal:
            raise SpoolError(self._refusal)
        self._tail.append(entries)

    def may_hold(self, entries: Sequence[Entry]) -> bool:
        """
        Whether *entries* would fit if there were nothing else.
        """
        size = HEADER_BYTES + sum(
            FRAME_BYTES + len(pack(entry)[1]) for entry in entries
        )
        return size <= self._max_bytes

    def read(self, most_records: int, most_bytes: int) -> list[Entry]:
        """
        The next unread entries, in their order: at least one if there is any.

        Args:
            most_records: Bound of their number.

            most_bytes: Bound of their size together; the first may exceed it.

        Raises:
            OSError: The disk refuses.  Nothing is lost by it.
        """
        return (
            [] if self._closed else self._head.read(most_records, most_bytes)
        )

    def rewind(self) -> None:
        """
        The next ``read`` begins with the first entry not acknowledged.
        """
        self._head.rewind()

    def ack(self, count: int) -> None:
        """
        The oldest *count* entries that were read need not be kept.
        """
        if self._closed:
            return
        acked = self._head.ack(count)
        # without a checkpoint a crash delivers twice; that is all
        with contextlib.suppress(OSError):
            self._write_checkpoint(acked)
        self._tail.shed()

    def drop_oldest(self) -> int:
        """
        Delete the oldest segment of which nothing is on its way to the sink.

        Gives how many records are lost; 0 if there is no such segment.
        """
        if self._closed or self._tail.busy:
            return 0
        self._tail.busy = True
        try:
            for segment in list(self._chain.segments):
                if segment.unacked == 0 and segment.pending:
                    return self._give_up(segment)
        finally:
            self._tail.busy = False
        return 0

    def sync(self) -> None:
        """
        Have the disk hold what was appended; cheap if it does.

        Raises:
            OSError: The disk refuses.
        """
        self._tail.sync()

    def close(self) -> None:
        """
        Delete all of it if nothing is pending, else leave it to be adopted.

        Raises:
            ReentrantError: This thread is in the middle of another call.
        """
        if self._closed:
            return
        if self._tail.busy:
            raise ReentrantError("this thread is writing to the spool")
        self._closed = True
        self._refusal = "the spool is closed"
        syncer.release(self._tail)
        self._tail.seal()
        self._head.release()
        home = self._tail.home
        if self._checkpoint is not None:
            self._checkpoint[1].close()
        if home is not None and not self.pending:
            home.remove()
        elif home is not None:
            if self._fsync != "never":
                with contextlib.suppress(OSError):
                    self.sync()
            home.release()

    def forget_parent(self) -> None:
        """
        In a forked child: be empty; the files are the parent's.
        """
        self._tail.forget_parent()
        self._head.forget_parent()
        if self._checkpoint is not None:
            self._checkpoint[1].close()
        self._start()

    def _give_up(self, segment: Segment) -> int:
        if segment is self._chain.segments[-1]:
            self._tail.seal()
        lost = self._head.give_up(segment)
        self._chain.discard(segment)
        self._tail.measure()
        return lost

    def _write_checkpoint(self, acked: int) -> None:
        home = self._tail.home
        if home is None:
            return
        if self._checkpoint is None or self._checkpoint[0] != home.path:
            self._checkpoint = home.path, Checkpoint(home.checkpoint)
        checkpoint = self._checkpoint[1]
        if acked > checkpoint.acked:
            checkpoint.write(acked)


class _Inheritance(Spool):
    """
    What a dead process left: read only, and deleted when it is drained.
    """

    def __init__(self, folder: str, home: Home) -> None:
        super().__init__(folder, max_bytes=0, fsync="never")
        survey = Survey(home.path)
        for segment in survey.segments:
            self._chain.link(segment)
        self.torn = survey.torn
        self._tail.inherit(home, survey.records)
        self._refusal = "what another process left is only read"

    def forget_parent(self) -> None:
        """
        In a forked child: it is the parent's inheritance.
        """
        super().forget_parent()
        self._closed = True


def adopt(folder: str) -> Iterator[Spool]:
    """
    What dead processes left below *folder*, each owned by this one now.

    A directory whose owner lives is left alone, as is one that a later mllog
    wrote.  What is empty is deleted.  Where the system has no ``flock``
    nothing is adopted: nobody can tell there who lives.
    """
    for path, is_draft in homes(folder):
        home = Home.inherited(path)
        if home is None:
            continue
        spool = None
        try:
            if not is_draft:
                spool = _Inheritance(folder, home)
        except UnknownVersionError as exc:
            home.release()
            warn_once(
                f"the spool {path} was written by a later version of mllog"
                f" and is left alone: {exc}"
            )
            continue
        except OSError as exc:
            home.release()
            if os.path.isdir(path):  # not delivered meanwhile
                warn_once(f"the spool {path} is left alone: {exc}")
            continue
        if spool is None or not spool.pending:
            home.remove()
        else:
            yield spool
