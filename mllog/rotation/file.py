"""
A file that many threads and processes append to, and that rotates.

Writing takes no lock and asks the file system nothing: one ``os.write`` to a
descriptor opened with O_APPEND.  Every so many bytes, and after a pause, the
writer *looks*: whether the path still means the file it has open, how large
that is, whether its time has come.  The one that rotates does so alone, after
looking again; a process that writes to the renamed file meanwhile loses
nothing, for its line is in the rotated file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import time
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any

from . import locks
from .keeper import Keeper
from .names import Names, Retention
from .schedule import Schedule

__all__ = ["RotatingFile", "ShortWriteError"]

# Where many records come at once, a look each 10 ms is enough; where few come,
# each of them looks.
_LOOK_SECONDS = 0.010
_LOOKS_AT_ONCE = 16
# And after so many bytes in any case: the wall clock may be set back.
_LOOK_BYTES = 256 * 1024
_RETRY_SECONDS = 1.0
# How often a fragment at the end must be seen unchanged to be one.
_STILL_LOOKS = 3
_MOST_LOOKS = 30

_FLAGS = os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class ShortWriteError(OSError):
    """
    The disk took only part of a line.
    """

    left_fragment = True


class _Open:
    """
    An open file, closed when the last thread that writes to it lets go.

    A descriptor that is closed while another thread is about to write may
    belong to somebody else's socket an instant later.  Nobody closes this one:
    whoever writes holds a reference.
    """

    __slots__ = ("__weakref__", "fd", "identity", "is_regular")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        status = os.fstat(fd)
        self.identity = (status.st_dev, status.st_ino)
        self.is_regular = stat.S_ISREG(status.st_mode)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        with contextlib.suppress(OSError):
            close(self.fd)


_FILES: weakref.WeakSet[RotatingFile] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for file in list(_FILES):
        file.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class RotatingFile:
    """
    Append whole lines to *path*; rotate by size, by time, or both.

    Guarantee:
        A line is written by one ``os.write``.  Several threads and processes
        may write to one path, each through its own RotatingFile, with
        rotation: no line is lost, torn or doubled.  A full disk may leave one
        fragment of a line; the next line then begins on its own.

    Limit:
        Several processes need ``flock``: not Windows, not every network file
        system.  With several processes a file may exceed *max_bytes* by what
        they write between two looks (1/32 of it, each).

    Args:
        path: The live file.

        mode: ``a``, ``w`` (empties the file when first opened) or ``x``.

        max_bytes: Size at which it rotates; 0 never.

        schedule: Times at which it rotates; None never.

        names: What rotated files are called.

        retention: Which of them are kept.

        keeper: What happens to a closed file; None is nothing.

        mover: ``mover(live, rotated)``, as the stdlib's ``rotate``.

        permissions: Mode of new files; None follows the umask.

        header: First line of each file.

        on_fault: Told of what failed without costing a record.
    """

    def __init__(
        self,
        path: str,
        *,
        mode: str = "a",
        max_bytes: int = 0,
        schedule: Schedule | None = None,
        names: Names | None = None,
        retention: Retention | None = None,
        keeper: Keeper | None = None,
        mover: Callable[[str, str], Any] = os.rename,
        permissions: int | None = None,
        header: bytes = b"",
        on_fault: Callable[[BaseException], Any] = lambda error: None,
    ) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.rotations = 0
        self._mode = mode
        self._schedule = schedule
        self._names = names or Names(path)
        self._retention = retention or Retention()
        self._keeper = keeper
        self._mover = mover
        self._permissions = permissions
        self._header = header
        self._on_fault = on_fault
        self._turn = threading.RLock()
        self._looking = False
        self._open: _Open | None = None
        self._fresh = True
        self._torn = False
        self._fragment_end = -1
        # bytes until the next look, and when a look is due
        self._room = 0
        self._look_at = 0.0
        self._looks = 0
        self._burst_ends = 0.0
        self._due_at = float("inf")
        self._retry_at = 0.0
        _FILES.add(self)

    # --- writing ---

    def write(self, line: bytes, now: float) -> None:
        """
        Append *line*, which ends in a line break.

        Args:
            line: The bytes.

            now: Seconds since 1970; a record's own time will do, and saves
                asking the clock.

        Raises:
            OSError: It could not be written; nothing of it is in the file.

            ShortWriteError: The disk took only part of it.
        """
        size = len(line)
        self._room = room = self._room - size
        if room <= 0 or now >= self._look_at:
            self._look(size, now)
        target = self._open or self._opened()
        try:
            written = os.write(target.fd, line)
        except OSError:
            self._suspect()
            raise
        if written != size:
            self._finish(target, line, written)

    def _suspect(self) -> None:
        """
        Something went wrong: look before the next line, and at its beginning.
        """
        self._torn = True
        self._room = 0

    def _finish(self, target: _Open, line: bytes, written: int) -> None:
        """
        What to do where the kernel took only part of a line.
        """
        if not target.is_regular:  # a pipe or terminal takes it piece by piece
            while written < len(line):
                written += os.write(target.fd, line[written:])
            return
        self._suspect()
        # where an append leaves the offset: behind what it wrote
        self._fragment_end = os.lseek(target.fd, 0, os.SEEK_CUR)
        raise ShortWriteError(
            errno.ENOSPC,
            f"only {written} of {len(line)} bytes fit on the disk",
            self.path,
        )

    def _opened(self) -> _Open:
        with self._turn:
            return self._current()

    def open(self) -> None:
        """
        Open the file now instead of at the first line.
        """
        self._opened()

    @property
    def is_open(self) -> bool:
        """
        Whether a descriptor is held.
        """
        return self._open is not None

    def rotates(self) -> bool:
        """
        Whether it rotates at all: as configured, and no pipe or device.
        """
        planned = self.max_bytes or self._schedule
        return bool(planned) and self._opened().is_regular

    def fileno(self) -> int:
        """
        The descriptor in use now; it may be another one after a rotation.
        """
        return self._opened().fd

    def size(self) -> int:
        """
        Bytes in the live file.
        """
        try:
            return os.stat(self.path).st_size
        except OSError:
            return 0

    def close(self, timeout: float = 5.0) -> None:
        """
        Let go of the file; a later line opens it again.

        Args:
            timeout: Seconds to wait for compression and *on_rotate*.
        """
        with self._turn:
            self._open = None
            self._room = 0
        if self._keeper is not None:
            self._keeper.finish(timeout)

    def forget_parent(self) -> None:
        """
        In a forked child: the parent's threads hold no lock here.
        """
        self._turn = threading.RLock()
        self._looking = False
        if self._keeper is not None:
            self._keeper.forget_parent()

    # --- looking ---

    def _look(self, more: int, now: float) -> None:
        """
        See to it that the next *more* bytes go where they should.
        """
        must = self._room <= 0 or self._torn or self._open is None
        if not self._turn.acquire(blocking=must):
            return  # another thread is at it
        if self._looking:  # a signal handler logs in the middle of a look
            self._turn.release()
            return
        self._looking = True
        try:
            self._plan_next_look(now)
            if self._open is not None and self._is_replaced(self._open):
                self._open = None
            if self._current().is_regular:
                self._look_at_size(more)
            else:
                self._room = _LOOK_BYTES
        except BaseException:
            self._open = None  # nothing goes to a file that may be gone
            self._room = 0
            raise
        else:
            if self._torn:
                self._mend(self._current())
        finally:
            self._looking = False
            self._turn.release()

    def _current(self) -> _Open:
        """
        The file to write to, opened if need be; with the turn held.
        """
        return self._open or self._open_live()

    def _look_at_size(self, more: int) -> None:
        # No local names the open file here: the rotated one is let go at once.
        size = os.fstat(self._current().fd).st_size
        if not size and self._header:
            size = self._write_header()
        if self._is_due(size, more) and monotonic() >= self._retry_at:
            self._rotate_guarded()
            size = os.fstat(self._current().fd).st_size
        self._room = self._room_after(size + more)

    def _plan_next_look(self, now: float) -> None:
        if not self._burst_ends - _LOOK_SECONDS <= now < self._burst_ends:
            self._burst_ends = now + _LOOK_SECONDS
            self._looks = 0
        self._looks += 1
        self._look_at = (
            now if self._looks < _LOOKS_AT_ONCE else self._burst_ends
        )

    def _is_replaced(self, opened: _Open) -> bool:
        """
        Whether the path means another file by now, or none.
        """
        try:
            status = os.stat(self.path)
        except OSError:
            return True
        return (status.st_dev, status.st_ino) != opened.identity

    def _is_due(self, size: int, more: int) -> bool:
        if size <= len(self._header):
            return False
        if self.max_bytes and size + more >= self.max_bytes:
            return True
        return time.time() >= self._due_at

    def due(self, more: int) -> bool:
        """
        Whether *more* bytes would make the file rotate.
        """
        opened = self._opened()
        if not opened.is_regular:
            return False
        return self._is_due(os.fstat(opened.fd).st_size, more)

    def _room_after(self, size: int) -> int:
        if not self.max_bytes:
            return _LOOK_BYTES
        step = min(self.max_bytes >> 5, _LOOK_BYTES)
        return max(1, min(self.max_bytes - size, step))

    def _mend(self, opened: _Open) -> None:
        """
        End the fragment of a line, if the file ends in one.

        While the disk is full this fails, for each record anew; the end of
        the fragment is remembered, so that it costs no waiting.
        """
        self._room, room = 0, self._room
        end = os.fstat(opened.fd).st_size
        if end == self._fragment_end or self._ends_torn():
            self._fragment_end = end
            os.write(opened.fd, b"\n")
        self._fragment_end = -1
        self._torn = False
        self._room = room

    def _ends_torn(self) -> bool:
        """
        Whether the file does not end in a line break, nor is being written to.
        """
        try:
            fd = os.open(self.path, os.O_RDONLY | _BINARY)
        except OSError:
            return False
        try:
            still = 0
            for _ in range(_MOST_LOOKS):
                size = os.fstat(fd).st_size
                if not size or os.pread(fd, 1, size - 1) == b"\n":
                    return False
                # A reader may see half of a line that another process is
                # writing just now.  Asking for holes waits for that write;
                # where a file system does not, waiting a little must do.
                os.lseek(fd, 0, os.SEEK_HOLE)
                time.sleep(0.001)
                still = still + 1 if os.fstat(fd).st_size == size else 0
                if still == _STILL_LOOKS:
                    return True
            return False
        except (OSError, AttributeError):
            return False
        finally:
            os.close(fd)

    # --- opening ---

    def _open_live(self) -> _Open:
        for _ in range(100):
            opened = _Open(self._create())
            # Locked, it can be neither compressed nor deleted; still there,
            # it was not before it was locked.
            if not opened.is_regular or (
                locks.share(opened.fd) and not self._is_replaced(opened)
            ):
                break
        if opened.is_regular:
            self._mend(opened)
        self._open = opened
        self._due_at = self._next_boundary(opened)
        if self._fresh:
            self._fresh = False
            self._begin()
        return self._current()

    def _begin(self) -> None:
        """
        What is done once, when the file is first opened.
        """
        for _ in range(50):
            if self._starts_with_header():
                break
            self._rotate()  # other columns: rows of two kinds in no file
            time.sleep(0.001)
        if self._keeper is not None:
            self._keeper.claim_leftovers()

    def _create(self) -> int:
        flags = _FLAGS | _BINARY
        if self._fresh and self._mode == "w":
            flags |= os.O_TRUNC
        try:
            if not (self._fresh and self._mode == "x"):
                return os.open(self.path, flags)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
        if self._header and self._create_with_header():
            return os.open(self.path, flags)
        wanted = 0o666 if self._permissions is None else self._permissions
        exclusive = os.O_EXCL if self._fresh and self._mode == "x" else 0
        fd = os.open(self.path, flags | os.O_CREAT | exclusive, wanted)
        if self._permissions is not None and not os.fstat(fd).st_size:
            os.chmod(self.path, self._permissions)
        return fd

    def _create_with_header(self) -> bool:
        """
        Make the file appear with its header in it, or not at all.
        """
        draft = f"{self.path}.{os.getpid()}-{threading.get_ident()}.tmp"
        wanted = 0o666 if self._permissions is None else self._permissions
        fd = os.open(
            draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY, wanted
        )
        try:
            if os.write(fd, self._header) != len(self._header):
                raise ShortWriteError(
                    errno.ENOSPC, "no room for the header", self.path
                )
            if self._permissions is not None:
                os.chmod(draft, self._permissions)
            os.link(draft, self.path)
        except FileExistsError:
            pass  # another process was first, and wrote the same
        except (AttributeError, PermissionError, NotImplementedError):
            return False  # no hard links here
        finally:
            os.close(fd)
            os.unlink(draft)
        return True

    def _write_header(self) -> int:
        """
        Put the header into a file that exists but is empty; gives its size.
        """
        opened = self._current()
        for _ in range(50):
            with locks.folder_locked(os.path.dirname(self.path)) as alone:
                if alone and not os.fstat(opened.fd).st_size:
                    os.write(opened.fd, self._header)
            if size := os.fstat(opened.fd).st_size:
                return size
            time.sleep(0.001)  # another process is about to write it
        return 0

    def _starts_with_header(self) -> bool:
        if not self._header:
            return True
        try:
            with open(self.path, "rb") as file:
                start = file.read(len(self._header))
        except OSError:
            return True
        return not start or start == self._header

    # --- rotating ---

    def rotate(self) -> None:
        """
        Rotate now, whatever size and time say, also an empty file.
        """
        self._opened()
        with self._turn:
            self._rotate()

    def _rotate_guarded(self) -> None:
        """
        Rotate if that can be done, and go on with the old file if not.
        """
        try:
            self._rotate()
        except Exception as exc:
            # The line still goes to the file that could not be rotated.
            self._retry_at = monotonic() + _RETRY_SECONDS
            self._on_fault(exc)

    def _rotate(self) -> None:
        with locks.folder_locked(os.path.dirname(self.path)) as alone:
            if not alone:
                return  # another process is at it; the next look sees its result
            if self._open is not None and self._is_replaced(self._open):
                self._open_live()
                return
            if os.name == "nt":  # Windows renames no open file
                self._open = None
            target = self._names.new()
            self._mover(self.path, target)
            self.rotations += 1
            if self._keeper is not None:
                self._keeper.claim(target)
            self._open_live()
        self._retention.enforce(self._names)
        if self._keeper is not None:
            self._keeper.start()

    def _next_boundary(self, opened: _Open) -> float:
        """
        When the file that was just opened is to rotate by time.

        A file that holds lines of an earlier period is due at once.
        """
        if self._schedule is None:
            return float("inf")
        status = os.fstat(opened.fd)
        since = status.st_mtime if status.st_size else time.time()
        return self._schedule.after(min(since, time.time()))
