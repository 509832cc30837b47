"""
Who uses a file, said across processes by ``flock``; nobody ever waits.

A writer holds a shared lock on the file it has open.  Whoever wants to rotate
takes the folder's lock; whoever wants to compress or delete a rotated file
takes its exclusive lock, which is to be had once the last writer moved on.
The kernel gives back the locks of a process that dies.

Where there is no flock (Windows, some network file systems) every lock is
granted: one process per file is the rule there.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["folder_locked", "share", "take", "unlink_unused"]

# flock itself does not work on this file system
_UNSUPPORTED = frozenset(
    {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP}
)


def share(fd: int) -> bool:
    """
    Say that *fd* is in use; False if somebody has the file for himself.
    """
    return fcntl is None or _flock(fd, fcntl.LOCK_SH)


def take(fd: int) -> bool:
    """
    Have the file of *fd* for oneself; False if somebody uses it.
    """
    return fcntl is None or _flock(fd, fcntl.LOCK_EX)


def _flock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError as exc:
        return exc.errno in _UNSUPPORTED
    return True


@contextlib.contextmanager
def folder_locked(folder: str) -> Iterator[bool]:
    """
    Have the right to rotate in *folder*; gives False if another process has it.
    """
    if fcntl is None:
        yield True
        return
    fd = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        yield take(fd)
    finally:
        # said, not left to close(): a child forked just now has the fd as well
        _flock(fd, fcntl.LOCK_UN)
        os.close(fd)


def unlink_unused(path: str) -> bool:
    """
    Delete *path* unless a process still has it open to write.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        if not take(fd):
            return False
        if fcntl is None:
            os.close(fd)
            fd = -1
        os.unlink(path)
    except OSError:
        return False
    finally:
        if fd >= 0:
            os.close(fd)
    return True
