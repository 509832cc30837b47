"""
What there is to read, wherever it is.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, Protocol

from ..compression import decompressed
from ..errors import MllogError
from .lines import Record, blocks, records_in
from .names import is_table
from .tables import tables

__all__ = ["LogFile", "Source", "passing_over", "records_of"]


class LogFile(NamedTuple):
    """
    A file or object with records.

    Args:
        name: Its path or key, with ``/`` between folders.

        base: The folder or prefix that was asked for.

        open: Gives its bytes as they are stored.
    """

    name: str
    base: str
    open: Callable[[], BinaryIO]


class Source(Protocol):
    """
    A folder, a file, or a part of a bucket.
    """

    #: Whether several payloads at once come faster.
    is_remote: bool

    def files(self, skipped: Counter[str]) -> Iterator[LogFile]:
        """
        The files with records, in the order of time where names tell it.

        Raises:
            MllogError: They cannot be listed.
        """

    def payload(
        self, root: str, ref: str, extension: str | None
    ) -> bytes | None:
        """
        What is stored under *ref* below *root*, or None.

        Raises:
            OSError: It is there and cannot be read.

            MllogError: Nothing can be read any more.
        """


@contextlib.contextmanager
def passing_over(
    skipped: Counter[str], reason: str = "unreadable"
) -> Iterator[None]:
    """
    Count what goes wrong in the block instead of raising it.

    Parsers and decoders of others raise what they like.  What says that
    nothing can be read, a server away or a package missing, is raised.
    """
    try:
        yield
    except (MllogError, ImportError):
        raise
    except Exception:
        skipped[reason] += 1


def records_of(file: LogFile, skipped: Counter[str]) -> Iterator[list[Record]]:
    """
    The records of one file, some at a time.

    Args:
        file: The file.

        skipped: Counts by reason what is passed over.
    """
    with passing_over(skipped), contextlib.ExitStack() as stack:
        raw = stack.enter_context(contextlib.closing(file.open()))
        stream = stack.enter_context(decompressed(raw))
        found = blocks(stream, skipped)
        if is_table(file.name):
            yield from tables(found, skipped)
        else:
            for block in found:
                yield records_in(block, skipped)
