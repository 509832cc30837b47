"""
The latest lines of a log, without reading all that was before them.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import chain, islice
from typing import BinaryIO, TypeVar

from ..compression import decompressed, is_compressed
from .lines import MAX_LINE_BYTES, blocks
from .sources import LogFile, passing_over

__all__ = ["latest"]

T = TypeVar("T")

_CHUNK_BYTES = 1 << 16


def latest(
    files: Sequence[LogFile],
    count: int | None,
    kept: Callable[[bytes], Sequence[T]],
    skipped: Counter[str],
    live: tuple[BinaryIO, int] | None = None,
) -> list[T]:
    """
    The last *count* things that lines hold, the oldest of them first.

    Plain files are read from their end, and only as far as it takes;
    compressed ones and objects from their begin, the newest first.

    Args:
        files: Oldest first.

        count: How many; None is all.

        kept: Gives what a line holds that counts.

        skipped: Counts what cannot be read.

        live: A file that is newer than all, and where to end in it.

    Raises:
        MllogError: Nothing can be read any more.
    """
    found = _read_backwards(*live, skipped) if live else iter(())
    things = chain(
        (thing for line in found for thing in reversed(kept(line))),
        *(_things_of(file, count, kept, skipped) for file in reversed(files)),
    )
    return list(islice(things, count))[::-1]


def _things_of(
    file: LogFile,
    count: int | None,
    kept: Callable[[bytes], Sequence[T]],
    skipped: Counter[str],
) -> Iterator[T]:
    """
    What the lines of *file* hold, the last first, at least *count* of it.
    """
    with passing_over(skipped), ExitStack() as stack:
        raw = stack.enter_context(closing(file.open()))
        if _is_plain(raw):
            end = raw.seek(0, os.SEEK_END)
            for line in _backwards(raw, end, skipped):
                yield from reversed(kept(line))
            return
        stream = stack.enter_context(decompressed(raw))
        lines = (
            line
            for block in blocks(stream, skipped)
            for line in block.removesuffix(b"\n").split(b"\n")
        )
        things = (thing for line in lines for thing in kept(line))
        yield from reversed(deque(things, count))


def _is_plain(raw: BinaryIO) -> bool:
    """
    Whether it can be read from its end: a file, and not compressed.
    """
    if not hasattr(raw, "seek"):
        return False
    start = raw.read(4)
    raw.seek(0)
    return not is_compressed(start)


def _read_backwards(
    file: BinaryIO, end: int, skipped: Counter[str]
) -> Iterator[bytes]:
    with passing_over(skipped):
        yield from _backwards(file, end, skipped)


def _backwards(
    file: BinaryIO, end: int, skipped: Counter[str]
) -> Iterator[bytes]:
    """
    The lines before *end*, the last first.
    """
    held: deque[bytes] = deque()  # the parts of a line whose begin is missing
    size = 0
    is_last = True
    while end > 0:
        start = max(0, end - _CHUNK_BYTES)
        file.seek(start)
        block = file.read(end - start)
        end = start
        if is_last:
            block, is_last = block.removesuffix(b"\n"), False
        head, *lines = block.split(b"\n")
        if lines:
            held.appendleft(lines.pop())
            yield from _whole(held, size + len(held[0]), skipped)
            yield from reversed(lines)
            held, size = deque(), 0
        size += len(head)
        if size <= MAX_LINE_BYTES:
            held.appendleft(head)
        else:
            held.clear()
    if not is_last:
        yield from _whole(held, size, skipped)


def _whole(
    parts: Iterable[bytes], size: int, skipped: Counter[str]
) -> Iterator[bytes]:
    if size <= MAX_LINE_BYTES:
        yield b"".join(parts)
    else:
        skipped["too_long"] += 1
