"""
Who uses a file, across processes and by ``flock``.

A writer holds a shared lock on the file it has open, and whoever is to
compress a rotated file or hand it on holds one as well.  Whoever compresses or
deletes it takes its exclusive lock, which is to be had once the last writer
moved on.  Rotated files get and change their owners only under the lock of
their folder: a file whose lock is refused is without one for an instant.
The kernel gives back the locks of a process that dies.

Where there is no flock (Windows, some network file systems), or the folder
may not be read, every lock is granted: one process per file is the rule there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator

from ..threads import sleep

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["folder_locked", "share", "take", "unlink_unused"]

# flock itself does not work on this file system
_UNSUPPORTED = frozenset(
    {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP}
)
_POLL_SECONDS = 0.0005


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
def folder_locked(folder: str, wait: float = 0.0) -> Iterator[bool]:
    """
    Have *folder* and the rotated files in it for oneself.

    Gives False if somebody else still has it after *wait* seconds.
    """
    fd = -1
    if fcntl is not None:
        # without the right to read a folder there is nothing to lock
        with contextlib.suppress(PermissionError):
            fd = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    if fd < 0:
        yield True
        return
    try:
        yield _take_within(fd, wait)
    finally:
        # said, not left to close(): a child forked just now has the fd as well
        _flock(fd, fcntl.LOCK_UN)
        os.close(fd)


def _take_within(fd: int, wait: float) -> bool:
    deadline = time.monotonic() + wait
    while not take(fd):
        if time.monotonic() >= deadline:
            return False
        sleep(_POLL_SECONDS)
    return True


def unlink_unused(path: str) -> bool:
    """
    Delete *path* unless somebody uses it; whether it is gone.

    To delete takes the right to write to the folder, and none to the file: one
    that may not be read is deleted unseen, as the stdlib does.

    Raises:
        OSError: It cannot be deleted.
    """
    fd = -1
    try:
        with contextlib.suppress(PermissionError):
            fd = os.open(path, os.O_RDONLY)
        if fd >= 0 and not take(fd):
            return False
        if fd >= 0 and fcntl is None:  # Windows deletes no open file
            os.close(fd)
            fd = -1
        os.unlink(path)
    except FileNotFoundError:
        return True
    finally:
        if fd >= 0:
            os.close(fd)
    return True
