"""
What is in the folder of a spool: folders of handlers, records of processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..delivery.spool import check_folder, inspect
from ..delivery.spool.inspection import Survey
from ..delivery.spool.segments import (
    HEADER_BYTES,
    Reader,
    Segment,
    UnknownVersionError,
)
from ..errors import ConfigError
from ..events import Entry, events_of, unpack

__all__ = ["handler_folders", "line_of", "records_of"]


def handler_folders(folder: str) -> list[str]:
    """
    The folders of handlers in *folder*, or *folder* itself if it is one.

    Raises:
        ConfigError: It is not there, or not this user's alone.
    """
    if not os.path.isdir(folder):
        raise ConfigError(
            f"{folder} is not a folder that is there",
            expected="the spool_dir of a handler",
        )
    _check(folder)
    if inspect(folder):
        return [folder]
    below = [
        entry.path
        for entry in os.scandir(folder)
        if entry.is_dir(follow_symlinks=False)
        and not entry.name.startswith(".")
    ]
    for each in below:
        _check(each)
    return sorted(below)


def _check(folder: str) -> None:
    try:
        check_folder("folder", folder)
    except ConfigError as exc:
        exc.fix = "call it as the user who logs; chmod 700 if others may write"
        raise


def records_of(path: str) -> Iterator[tuple[int, Entry]]:
    """
    The records in a process's directory that are not done with.
    """
    try:
        segments = Survey(path).segments
    except (OSError, UnknownVersionError):  # delivered meanwhile, or too new
        return
    for segment in segments:
        yield from _records_in(segment)


def _records_in(segment: Segment) -> Iterator[tuple[int, Entry]]:
    reader = Reader(segment)
    try:
        offset, expected, end = HEADER_BYTES, segment.base, segment.mark[0]
        while frame := reader.next(offset, end, expected):
            offset, expected = frame.stop, frame.sequence + 1
            try:
                yield frame.sequence, unpack(frame.kind, frame.payload)
            except ValueError:  # of a kind that a later mllog writes
                yield frame.sequence, b"?"
    finally:
        reader.close()


def line_of(entry: Entry) -> bytes:
    r"""
    *entry* as one line, without its end; line breaks in it are ``\n``, ``\r``.
    """
    values = b" ".join(event.value for event in events_of(entry))
    return values.replace(b"\n", rb"\n").replace(b"\r", rb"\r")
