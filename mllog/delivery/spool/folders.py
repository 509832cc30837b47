"""
Directories that one process owns, and how another inherits them.

Each process writes to a directory of its own, and holds an exclusive lock on a
file in it.  The kernel gives the lock back when the process dies, however it
dies; from then on whoever takes the lock has inherited the directory.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import stat
import time
import warnings
from collections.abc import Iterator

from ...errors import ConfigError, MllogWarning, shown
from .checkpoint import Checkpoint
from .descriptor import SAFELY, File
from .segments import Segment

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["Home", "check_folder", "homes", "warn_once"]

# flock itself does not work on this file system
_UNSUPPORTED = frozenset(
    {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP}
)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
# <host>-<pid>-<start>, and with a dot before it while it is being made
_HOME = re.compile(r"(\.?)[A-Za-z0-9_-][A-Za-z0-9._-]*-\d+-[0-9a-f]+")
_ATTEMPTS = 5


def check_folder(option: str, path: str) -> None:
    """
    Refuse a folder that others could read or change.

    One that does not exist is fine: it is made for its owner alone.

    Args:
        option: Name of the option.

        path: Its value.

    Raises:
        ConfigError: It is no directory, another user's, or open to others.
    """
    problem = _danger(path)
    if problem:
        raise ConfigError(
            f"{shown(option, path)} {problem}",
            expected="a directory that only the user who logs can write",
            fix=f"chmod 700 and chown it, or choose another {option}",
        )


class Home:
    """
    A directory of one owner, locked.

    Args:
        path: The directory.

        lock: Its lock file, locked; or not, where there are no such locks.
    """

    def __init__(self, path: str, lock: File) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def make(cls, folder: str, before: str = "") -> Home:
        """
        Make a directory below *folder*, and *folder* if it is not there.

        It is locked before it has its name, so that nobody takes it for one
        whose owner died.

        Args:
            folder: Where.

            before: A directory of this process that it comes before, when
                somebody inherits both.

        Raises:
            OSError: It cannot be made, or *folder* is open to others.
        """
        _make_folder(folder)
        for _ in range(_ATTEMPTS):
            home = cls._born(folder, _own_name(before))
            if home is not None:
                return home
        raise OSError(errno.EAGAIN, "others clean up too eagerly", folder)

    @classmethod
    def _born(cls, folder: str, name: str) -> Home | None:
        path = os.path.join(folder, name)
        # Windows renames no directory with an open file in it, and locks none
        draft = os.path.join(folder, f".{name}") if fcntl else path
        try:
            os.mkdir(draft, 0o700)
            lock = _open_lock(draft, os.O_CREAT | os.O_EXCL)
            if _take(lock) is False:
                return None  # somebody cleans it up
            Checkpoint(_checkpoint(draft)).close()
            if draft != path:
                os.rename(draft, path)
        except (FileNotFoundError, FileExistsError):  # somebody cleans it up
            return None
        except OSError:
            _remove(draft)
            raise
        return cls(path, lock)

    @classmethod
    def inherited(cls, path: str) -> Home | None:
        """
        The directory of a dead owner, now ours; None if it is not to be had.
        """
        try:
            lock = _open_lock(path, os.O_CREAT)
        except OSError:  # somebody else was faster
            return None
        if _take(lock) and _is_same(lock, path):
            return cls(path, lock)
        lock.close()
        return None

    @staticmethod
    def is_alive(path: str) -> bool:
        """
        Whether somebody owns *path*; True also where nobody can tell.
        """
        try:
            lock = _open_lock(path, 0)
        except OSError:
            return False
        taken = _take(lock)
        _free(lock)
        return taken is not True

    @property
    def checkpoint(self) -> str:
        """
        Path of its checkpoint.
        """
        return _checkpoint(self.path)

    def remove(self) -> None:
        """
        Delete it with all that a spool put there, and give it up.

        The segments go first and the lock last: what a crash leaves says by
        its checkpoint that it was delivered, and by its lock that it is free.
        """
        if fcntl is None:  # Windows deletes no open file
            self.release()
        _remove(self.path)
        self.release()

    def release(self) -> None:
        """
        Leave it to whoever wants it.  May be called twice.
        """
        _free(self._lock)

    def forget(self) -> None:
        """
        In a forked child: it is the parent's, and so is the lock.
        """
        self._lock.close()


def homes(folder: str) -> Iterator[tuple[str, bool]]:
    """
    The directories of owners below *folder*; whether one was being made only.

    None is given from a folder that is open to others, and none that is open
    to others or another user's: what is in it is left alone, with a warning.

    Raises:
        OSError: *folder* is there and cannot be read.
    """
    if _danger(folder):
        return
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    for name in names:
        match = _HOME.fullmatch(name)
        path = os.path.join(folder, name)
        if not match or os.path.islink(path):
            continue
        if problem := _danger(path):
            warn_once(f"the spool {path} is left alone: it {problem}")
        else:
            yield path, bool(match[1])


_warned: set[str] = set()


def warn_once(text: str) -> None:
    """
    Warn of what nobody is told of otherwise, once in a process.
    """
    if text not in _warned:
        _warned.add(text)
        warnings.warn(text, MllogWarning, stacklevel=3)


def _own_name(before: str) -> str:
    if before:
        known_as, _, start = os.path.basename(before).rpartition("-")
        return f"{known_as}-{int(start, 16) - 1:x}"
    host = _UNSAFE.sub("_", socket.gethostname())[:64].lstrip(".-")
    return f"{host or 'host'}-{os.getpid()}-{time.time_ns():x}"


def _danger(path: str) -> str:
    """
    What is wrong with the folder *path*; ``""`` if nothing, or not there.
    """
    try:
        status = os.stat(path)
    except OSError:
        return ""
    if not stat.S_ISDIR(status.st_mode):
        return "is not a directory"
    if not hasattr(os, "geteuid"):  # Windows
        return ""
    if status.st_uid != os.geteuid():
        return f"belongs to the user {status.st_uid}"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(status.st_mode)
        return f"may be written by others (mode {mode:04o})"
    return ""


def _make_folder(folder: str) -> None:
    """
    Make *folder* and its parents, for their owner alone.
    """
    missing = []
    path = os.path.abspath(folder)
    while not os.path.isdir(path) and path != os.path.dirname(path):
        missing.append(path)
        path = os.path.dirname(path)
    for each in reversed(missing):
        # makedirs gives its mode to the last one only
        with contextlib.suppress(FileExistsError):
            os.mkdir(each, 0o700)
    problem = _danger(folder)
    if problem:
        raise PermissionError(errno.EPERM, f"spool folder {problem}", folder)


def _checkpoint(path: str) -> str:
    return os.path.join(path, "acked")


def _open_lock(path: str, flags: int) -> File:
    name = os.path.join(path, "lock")
    return File(os.open(name, os.O_RDWR | flags | SAFELY, 0o600))


def _take(lock: File) -> bool | None:
    """
    Lock it without waiting; None where there are no such locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(lock.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        return None if exc.errno in _UNSUPPORTED else False
    return True


def _free(lock: File) -> None:
    if fcntl is not None and lock.fd >= 0:
        # said, not left to close(): a child forked just now has it as well
        with contextlib.suppress(OSError):
            fcntl.flock(lock.fd, fcntl.LOCK_UN)
    lock.close()


def _is_same(lock: File, path: str) -> bool:
    """
    Whether the lock file is still the one in *path*, and not deleted.
    """
    try:
        there = os.stat(os.path.join(path, "lock"))
    except OSError:
        return False
    return os.path.samestat(os.fstat(lock.fd), there)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(path)):
            if Segment.found(name) is not None:
                os.unlink(os.path.join(path, name))
    for name in (_checkpoint(path), os.path.join(path, "lock")):
        with contextlib.suppress(OSError):
            os.unlink(name)
    with contextlib.suppress(OSError):
        os.rmdir(path)
