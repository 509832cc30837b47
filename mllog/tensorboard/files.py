"""
An event file: one process's, each write of whole events.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
import socket
import time
from collections.abc import Callable
from itertools import count
from typing import Final

from ..forking import fork_safe_lock

__all__ = ["EventFile", "safe"]

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST: Final = 64
_NAME = re.compile(r"events\.out\.tfevents\.\d{10}\.")
_SECONDS_BETWEEN_LOOKS: Final = 1.0
_FLAGS: Final = (
    os.O_WRONLY
    | os.O_APPEND
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_numbers = count()


def safe(text: str) -> str:
    """
    *text* as the name of a file or folder: ``A-Z a-z 0-9 . _ -``.

    At most 64 of them, never ``.`` or ``..``, and ``_`` for nothing.
    """
    text = _UNSAFE.sub("_", text)[:_LONGEST]
    return re.sub(r"^\.+", "_", text) or "_"


class EventFile:
    """
    The file that this process writes in one folder, opened at the first event.

    Its name is ``events.out.tfevents.<time>.<host>.<pid>.<n>``, and sorts
    behind those that are there: TensorBoard reads them by name, and never goes
    back.  If somebody deletes it another one is begun within a second.

    Guarantee:
        Each call writes by one ``os.write``, so that what was written is
        whole after a kill -9.  What a full disk cut short is taken back; if
        that fails too, another file is begun, for nothing can be read behind
        a torn event.

    Args:
        folder: Gives the folder, which is made if need be.

        head: Gives the event that each file begins with.
    """

    def __init__(
        self, folder: Callable[[], str], head: Callable[[], bytes]
    ) -> None:
        self._folder = folder
        self._head = head
        self._lock = fork_safe_lock()
        self._fd = -1
        self._is_empty = True
        self._look_at = -math.inf

    def write(self, events: bytes) -> None:
        """
        Append whole *events*.

        Raises:
            OSError: They are not in the file, not even in part.
        """
        with self._lock:
            now = time.monotonic()
            if now >= self._look_at:
                self._look_at = now + _SECONDS_BETWEEN_LOOKS
                self._leave_if_gone()
            if self._fd < 0:
                self._open()
            if self._is_empty:
                events = self._head() + events
            done = os.write(self._fd, events)
            if done != len(events):
                self._take_back(done)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._is_empty = False

    def _open(self) -> None:
        folder = self._folder()
        os.makedirs(folder, exist_ok=True)
        host = safe(socket.gethostname())
        second = int(time.time())
        newest = ""
        with contextlib.suppress(PermissionError):  # to list is not to write
            newest = max(filter(_NAME.match, os.listdir(folder)), default="")
        while True:
            name = (
                f"events.out.tfevents.{second:010d}"
                f".{host}.{os.getpid()}.{next(_numbers)}"
            )
            if name <= newest:  # the clock was set back, or just that second
                second = max(second, int(newest.split(".")[3])) + 1
                continue
            try:
                path = os.path.join(folder, name)
                self._fd = os.open(path, _FLAGS, 0o666)
            except FileExistsError:  # of a container with our name and number
                continue
            self._opened = os.fstat(self._fd)
            self._is_empty = True
            return

    def _take_back(self, done: int) -> None:
        """
        Remove the *done* bytes of an event that is not whole.
        """
        try:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - done)
        except OSError:
            self.close()

    def _leave_if_gone(self) -> None:
        """
        Begin another file if this one is deleted, or closed by somebody.
        """
        if self._fd >= 0 and (not self._is_ours() or self._is_deleted()):
            self.close()

    def _is_deleted(self) -> bool:
        return os.fstat(self._fd).st_nlink == 0

    def _is_ours(self) -> bool:
        """
        Whether the descriptor is still that of the file: a daemon closes all.
        """
        try:
            return os.path.samestat(os.fstat(self._fd), self._opened)
        except OSError:
            return False

    def close(self) -> None:
        """
        Let go of the file; a later event begins another one.
        """
        with self._lock:
            if self._fd >= 0 and self._is_ours():
                with contextlib.suppress(OSError):
                    os.close(self._fd)
            self._fd = -1
