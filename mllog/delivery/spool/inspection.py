"""
What is in the directories of a spool, found without changing anything.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from .checkpoint import Checkpoint
from .folders import Home, homes
from .segments import HEADER_BYTES, Reader, Segment, UnknownVersionError

__all__ = ["Leftover", "Survey", "inspect"]


@dataclass(frozen=True)
class Leftover:
    """
    What a process has in its directory.

    Args:
        path: The directory.

        alive: Whether the process lives, as far as one can tell.

        records: Records not acknowledged, damaged ones included.

        bytes: Size of the files.

        corrupt: Records that are damaged.

        torn: Files that end within a record.

        oldest: When the oldest file was last written, in seconds since 1970;
            0.0 if there is none.

        known: Whether this version of mllog can read it.
    """

    path: str
    alive: bool
    records: int = 0
    bytes: int = 0
    corrupt: int = 0
    torn: int = 0
    oldest: float = 0.0
    known: bool = True


def inspect(folder: str) -> list[Leftover]:
    """
    What is in the directories below *folder*; nothing is changed.
    """
    return [
        _inspected(path) for path, is_draft in homes(folder) if not is_draft
    ]


def _inspected(path: str) -> Leftover:
    alive = Home.is_alive(path)
    try:
        survey = Survey(path)
    except UnknownVersionError:
        return Leftover(path, alive, known=False)
    except OSError:  # delivered meanwhile
        return Leftover(path, alive)
    times = []
    for segment in survey.segments:
        with contextlib.suppress(OSError):
            times.append(os.stat(segment.path).st_mtime)
    return Leftover(
        path,
        alive,
        survey.records,
        sum(segment.mark[0] for segment in survey.segments),
        survey.corrupt,
        survey.torn,
        min(times, default=0.0),
    )


class Survey:
    """
    What one directory holds, each frame of it checked.

    Args:
        path: The directory.

    Raises:
        UnknownVersionError: A later mllog wrote it.

        OSError: It cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.segments: list[Segment] = []
        self.records = self.corrupt = self.torn = 0
        acked = Checkpoint.peek(os.path.join(path, "acked"))
        for name in sorted(os.listdir(path)):
            segment = Segment.found(os.path.join(path, name))
            if segment is not None:
                self._add(segment, acked)

    def _add(self, segment: Segment, acked: int) -> None:
        """
        Check *segment*, of which everything up to *acked* is done.
        """
        reader = Reader(segment)
        reader.check_version()
        end = reader.size()
        expected = segment.base = max(segment.first, acked + 1)
        offset = HEADER_BYTES
        while frame := reader.next(offset, end, expected):
            self.corrupt += frame.sequence - expected
            offset, expected = frame.stop, frame.sequence + 1
        damaged, torn = reader.tail(end, expected)
        self.corrupt += damaged
        self.torn += torn
        segment.mark = (end, expected + damaged)
        self.records += segment.pending
        self.segments.append(segment)
