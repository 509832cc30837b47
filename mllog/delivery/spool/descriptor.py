"""
An open file that two threads may use, and that neither closes for the other.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable

__all__ = ["SAFELY", "File", "sync_file"]

#: What each file of a spool is opened with: for this program only, as bytes,
#: and never through a link that somebody put there.
SAFELY = (
    getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)


class File:
    """
    A descriptor, closed when the last one who uses it lets go.

    A thread may read or sync it while another is done with it: a descriptor
    closed under it could be somebody else's socket an instant later.
    """

    __slots__ = ("__weakref__", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        """
        Close it now: for a caller who knows that nobody else uses it.
        """
        fd, self.fd = self.fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if self.fd >= 0:
            with contextlib.suppress(OSError):
                close(self.fd)


def sync_file(file: File) -> None:
    """
    Have the disk hold what *file* holds.
    """
    try:
        # macOS and Windows have no fdatasync
        getattr(os, "fdatasync", os.fsync)(file.fd)
    except OSError as exc:
        if exc.errno != errno.EINVAL:  # some systems sync no folder
            raise
