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

import errno
import math
import os
import time
from collections.abc import Callable
from os import write
from time import monotonic
from typing import Any

from ..forking import fork_safe_lock, tell_child
from . import locks
from .keeper import Keeper
from .live import Live, Opened, ShortWriteError, behind
from .names import Names, Retention
from .schedule import Schedule

__all__ = ["RotatingFile", "ShortWriteError"]

# Where many records come at once, a look each 10 ms is enough; where few come,
# each of them looks.
_LOOK_SECONDS = 0.010
_LOOKS_AT_ONCE = 4
# And after so many bytes in any case.
_LOOK_BYTES = 256 * 1024
_RETRY_SECONDS = 1.0
# So long a rotation waits for others to be done with the folder; one that was
# asked for by hand may wait longer.
_TURN_SECONDS = 0.01
_PATIENCE_SECONDS = 1.0
_BUSY_SECONDS = 0.1


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
        they write between two looks (about 1/32 of it, each).  While 64
        closed files wait for *keeper*, it grows and does not rotate.

    Args:
        path: The live file.  Where it is a link, the file behind it rotates,
            in its own folder.

        mode: ``a``, ``w`` (empties the file when first opened) or ``x``.

        max_bytes: Size at which it rotates; 0 never.

        schedule: Times at which it rotates; None never.

        names: What rotated files are called.

        keeper: What happens to them.

        mover: ``mover(live, rotated)``, as the stdlib's ``rotate``.

        permissions: Mode of new files; None follows the umask.

        header: What each file begins with.

        unit: Bytes of each character, 1 if they differ.

        on_fault: Told of what failed without costing a record.
    """

    def __init__(
        self,
        path: str,
        *,
        mode: str = "a",
        max_bytes: int = 0,
        schedule: Schedule | None = None,
        names: Names,
        keeper: Keeper,
        mover: Callable[[str, str], Any] = os.rename,
        permissions: int | None = None,
        header: bytes = b"",
        unit: int = 1,
        on_fault: Callable[[BaseException], Any],
    ) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.rotations = 0
        self._schedule = schedule
        self._names = names
        self._keeper = keeper
        self._mover = mover
        self._live = Live(path, mode, permissions, header, unit=unit)
        self._on_fault = on_fault
        self._turn = fork_safe_lock()
        self._looking = False
        self._open: Opened | None = None
        self._fresh = True
        self._torn = False
        # bytes until the next look, and when one is due: by a clock that
        # nobody sets, for the time of a record may be any
        self._room = 0
        self._look_at = -math.inf
        self._looks = 0
        self._burst_ends = -math.inf
        # when it rotates, by the wall clock, and since when that is known
        self._due_at = math.inf
        self._due_since = 0.0
        self._retry_at = 0.0
        tell_child(self)

    # --- writing ---

    def write(self, line: bytes) -> None:
        """
        Append *line*, which ends as lines do here.

        Raises:
            OSError: It could not be written; nothing of it is in the file.

            ShortWriteError: The disk took only part of it.
        """
        size = len(line)
        self._room = room = self._room - size
        if room <= 0 or monotonic() >= self._look_at:
            self._look(size)
        target = self._open or self._opened()
        try:
            written = write(target.fd, line)
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

    def _finish(self, target: Opened, line: bytes, written: int) -> None:
        """
        What to do where the kernel took only part of a line.
        """
        if not target.is_regular:  # a pipe or terminal takes it piece by piece
            while written < len(line):
                written += os.write(target.fd, line[written:])
            return
        self._suspect()
        self._live.note_fragment(target)
        raise ShortWriteError(
            errno.ENOSPC,
            f"only {written} of {len(line)} bytes fit on the disk",
            self.path,
        )

    def _opened(self) -> Opened:
        with self._turn:
            return self._current()

    def open(self) -> None:
        """
        Open the file now instead of at the first line.

        How lines end may be said later, so a fragment waits for that one.
        """
        with self._turn:
            if self._open is None:
                self._open_live(is_written=False)
                self._suspect()

    @property
    def retention(self) -> Retention:
        """
        Which rotated files are kept.
        """
        return self._keeper.retention

    @retention.setter
    def retention(self, retention: Retention) -> None:
        self._keeper.retention = retention

    @property
    def end(self) -> bytes:
        """
        What lines end in; ``b""`` if they cannot be told apart.
        """
        return self._live.end

    @end.setter
    def end(self, end: bytes) -> None:
        self._live.end = end

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
        self._keeper.finish(timeout)

    def forget_parent(self) -> None:
        """
        In a forked child: nobody is looking.
        """
        self._looking = False

    # --- looking ---

    def _look(self, more: int) -> None:
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
            self._plan_next_look(monotonic())
            if self._open is not None and self._live.is_another(self._open):
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
                self._repair()
        finally:
            self._looking = False
            self._turn.release()

    def _repair(self) -> None:
        # while it fails, each write looks and tries again
        self._room, room = 0, self._room
        self._live.repair(self._current())
        self._torn = False
        self._room = room

    def _current(self) -> Opened:
        """
        The file to write to, opened if need be; with the turn held.
        """
        return self._open or self._open_live()

    def _look_at_size(self, more: int) -> None:
        # No local names the open file here: the rotated one is let go at once.
        size = self._current().size()
        if not size and self._live.header:
            size = self._live.write_header(self._current())
        if self._is_due(size, more) and self._may_rotate():
            self._rotate_guarded()
            size = self._current().size()
        self._room = self._room_after(size + more)

    def _plan_next_look(self, now: float) -> None:
        if not self._burst_ends - _LOOK_SECONDS <= now < self._burst_ends:
            self._burst_ends = now + _LOOK_SECONDS
            self._looks = 0
        self._looks += 1
        self._look_at = (
            now if self._looks < _LOOKS_AT_ONCE else self._burst_ends
        )

    def _is_due(self, size: int, more: int) -> bool:
        if size <= len(self._live.header):
            return False
        if self.max_bytes and size + more >= self.max_bytes:
            return True
        now, opened = time.time(), self._open
        if now < self._due_since and opened is not None:
            # the clock was set back, and that boundary may be far away
            self._due_at = self._next_boundary(opened)
        return now >= self._due_at

    def _may_rotate(self) -> bool:
        return monotonic() >= self._retry_at and not self._keeper.is_behind

    def due(self, more: int) -> bool:
        """
        Whether *more* bytes would make the file rotate.
        """
        opened = self._opened()
        if not opened.is_regular:
            return False
        return self._is_due(opened.size(), more)

    def _room_after(self, size: int) -> int:
        if not self.max_bytes:
            return _LOOK_BYTES
        step = min(self.max_bytes >> 5, _LOOK_BYTES)
        return max(1, min(self.max_bytes - size, step))

    # --- opening ---

    def _open_live(self, *, is_written: bool = True) -> Opened:
        opened = self._open = self._live.open(is_written=is_written)
        self._due_at = self._next_boundary(opened)
        if self._fresh:
            self._fresh = False
            self._begin()
        return self._current()

    def _begin(self) -> None:
        """
        What is done once, when the file is first opened.
        """
        try:
            for _ in range(50):
                if not self._live.has_other_header():
                    break
                self._rotate()  # other columns: rows of two kinds in no file
                time.sleep(0.001)
        except Exception as exc:  # lines go to it as it is
            self._on_fault(exc)
        self._keeper.begin()

    # --- rotating ---

    def rotate(self) -> None:
        """
        Rotate now, whatever size and time say, also an empty file.
        """
        self._opened()
        with self._turn:
            self._rotate(_PATIENCE_SECONDS)

    def _rotate_guarded(self) -> None:
        """
        Rotate if that can be done, and go on with the old file if not.
        """
        try:
            if not self._rotate():
                self._retry_at = monotonic() + _BUSY_SECONDS
        except Exception as exc:
            # The line still goes to the file that could not be rotated.
            self._retry_at = monotonic() + _RETRY_SECONDS
            self._on_fault(exc)

    def _rotate(self, wait: float = _TURN_SECONDS) -> bool:
        """
        Rotate, unless another process did; False where one has the folder.
        """
        live = behind(self.path)
        with locks.folder_locked(os.path.dirname(live), wait) as alone:
            if not alone:
                return False
            if self._live.is_another(self._current()):
                self._open_live()
                return True
            if os.name == "nt":  # Windows renames no open file
                self._open = None
            target = self._names.new()
            # open until it is claimed: so long nobody deletes it
            self._mover(live, target)
            self.rotations += 1
            self._keeper.take(target)
            self._open_live()
            if not self._keeper.has_work:
                self._keeper.enforce()
        self._keeper.start()
        return True

    def _next_boundary(self, opened: Opened) -> float:
        """
        When the file that was just opened is to rotate by time.

        A file that holds lines of an earlier period is due at once.
        """
        if self._schedule is None:
            return math.inf
        self._due_since = now = time.time()
        status = os.fstat(opened.fd)
        since = status.st_mtime if status.st_size else now
        return self._schedule.after(min(since, now))
