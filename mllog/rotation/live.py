"""
The live file: what it is, and how it is opened, headed and repaired.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import time
from collections.abc import Callable

from . import locks

__all__ = ["Live", "Opened", "ShortWriteError", "behind"]

_BINARY = getattr(os, "O_BINARY", 0)
_FLAGS = os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | _BINARY

# How often a fragment at the end must be seen unchanged to be one.
_STILL_LOOKS = 3
_MOST_LOOKS = 30


def behind(path: str) -> str:
    """
    The file that *path* means: itself, or what a link there leads to.
    """
    return os.path.realpath(path) if os.path.islink(path) else path


class ShortWriteError(OSError):
    """
    The disk took only part of a line.
    """

    left_fragment = True


class Opened:
    """
    An open file, closed when the last thread that writes to it lets go.

    A descriptor that is closed while another thread is about to write may
    belong to somebody else's socket an instant later.  Nobody closes this one:
    whoever writes holds a reference.  Where somebody does, as a daemon closes
    all descriptors, the number is not taken for the file.
    """

    __slots__ = ("__weakref__", "fd", "identity", "is_regular")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        status = os.fstat(fd)
        self.identity = (status.st_dev, status.st_ino)
        self.is_regular = stat.S_ISREG(status.st_mode)

    def size(self) -> int:
        """
        Bytes in the file.
        """
        return os.fstat(self.fd).st_size

    def is_same(self) -> bool:
        """
        Whether the descriptor is still that of the file.

        Raises:
            OSError: Somebody closed it.
        """
        status = os.fstat(self.fd)
        return (status.st_dev, status.st_ino) == self.identity

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        with contextlib.suppress(OSError):
            if self.is_same():
                close(self.fd)


class Live:
    """
    What *path* means from one moment to the next.

    Args:
        path: The file.

        mode: ``a``, ``w`` (empties the file when first opened) or ``x``.

        permissions: Mode of new files; None follows the umask.

        header: What each file begins with.

        end: What each line ends in; ``b""`` if nothing tells.

        unit: Bytes of each character, 1 if they differ.
    """

    def __init__(
        self,
        path: str,
        mode: str = "a",
        permissions: int | None = None,
        header: bytes = b"",
        end: bytes = b"\n",
        unit: int = 1,
    ) -> None:
        self.path = path
        self.header = header
        self.end = end
        self._unit = unit
        self._mode = mode
        self._permissions = permissions
        # where the fragment ends that a full disk left and nobody ended yet
        self._fragment_end = -1

    def is_another(self, opened: Opened) -> bool:
        """
        Whether the path, or the descriptor, means another file by now.

        Raises:
            OSError: Somebody closed the descriptor.
        """
        try:
            status = os.stat(self.path)
        except OSError:
            return True
        if (status.st_dev, status.st_ino) != opened.identity:
            return True
        return not opened.is_same()

    # --- opening ---

    def open(self, *, is_written: bool = True) -> Opened:
        """
        Open the file, made with its folders and header if it is not there.

        Args:
            is_written: Whether a line follows at once, which a fragment at
                the end must not run into.
        """
        for _ in range(100):
            opened = Opened(self._descriptor())
            # Locked, it can be neither compressed nor deleted; still there,
            # it was not before it was locked.
            if not opened.is_regular or (
                locks.share(opened.fd) and not self.is_another(opened)
            ):
                break
        self._mode = "a"
        if opened.is_regular and is_written:
            self.repair(opened)
        return opened

    def _descriptor(self) -> int:
        flags = _FLAGS | (os.O_TRUNC if self._mode == "w" else 0)
        path = behind(self.path)
        try:
            if self._mode != "x":
                return os.open(path, flags)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        if self.header and self._create_with_header(path):
            return os.open(path, flags)
        exclusive = os.O_EXCL if self._mode == "x" else 0
        fd = os.open(path, flags | os.O_CREAT | exclusive, self._wanted())
        if self._permissions is not None and not os.fstat(fd).st_size:
            os.chmod(path, self._permissions)
        return fd

    def _wanted(self) -> int:
        return 0o666 if self._permissions is None else self._permissions

    # --- the header ---

    def _create_with_header(self, path: str) -> bool:
        """
        Make the file appear with its header in it, or not at all.
        """
        draft = f"{path}.{os.getpid()}-{threading.get_ident()}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY
        fd = os.open(draft, flags, self._wanted())
        try:
            if os.write(fd, self.header) != len(self.header):
                text = "no room for the header"
                raise ShortWriteError(errno.ENOSPC, text, path)
            if self._permissions is not None:
                os.chmod(draft, self._permissions)
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first, and wrote the same
        except (AttributeError, PermissionError, NotImplementedError):
            return False  # no hard links here
        finally:
            os.close(fd)
            os.unlink(draft)
        return True

    def write_header(self, opened: Opened) -> int:
        """
        Put the header into a file that exists but is empty; gives its size.
        """
        for _ in range(50):
            with locks.folder_locked(os.path.dirname(self.path)) as alone:
                if alone and not opened.size():
                    os.write(opened.fd, self.header)
            if size := opened.size():
                return size
            time.sleep(0.001)  # another process is about to write it
        return 0

    def has_other_header(self) -> bool:
        """
        Whether the file begins with something that is not this header.

        Raises:
            OSError: It cannot be read.
        """
        if not self.header:
            return False
        with open(self.path, "rb") as file:
            start = file.read(len(self.header))
        return start not in (b"", self.header)

    # --- fragments ---

    def note_fragment(self, opened: Opened) -> None:
        """
        A write was cut short: where the offset is now, a fragment ends.
        """
        self._fragment_end = os.lseek(opened.fd, 0, os.SEEK_CUR)

    def repair(self, opened: Opened) -> None:
        """
        End the fragment of a line, if the file ends in one.

        While the disk is full this fails, for each record anew; the end of
        the fragment is remembered, so that it costs no waiting.
        """
        if not self.end:
            return
        end = opened.size()
        if end == self._fragment_end or self._ends_torn():
            self._fragment_end = end
            # a fragment may end in the midst of a character
            os.write(opened.fd, bytes(-end % self._unit) + self.end)
        self._fragment_end = -1

    def _ends_torn(self) -> bool:
        """
        Whether the file does not end in a line's end, nor is being written to.
        """
        try:
            fd = os.open(self.path, os.O_RDONLY | _BINARY)
        except OSError:  # append only: as good as whole
            return False
        try:
            return _ends_torn(fd, self.end, len(self.header), self._unit)
        except (OSError, AttributeError):  # no pread on Windows
            return False
        finally:
            os.close(fd)


def _ends_torn(fd: int, end: bytes, header: int, unit: int) -> bool:
    still = 0
    for _ in range(_MOST_LOOKS):
        size = os.fstat(fd).st_size
        last = os.pread(fd, len(end), max(0, size - len(end)))
        if size <= header or (last == end and not size % unit):
            return False
        # A reader may see half of a line that another process is writing just
        # now.  Asking for holes waits for that write; where a file system
        # does not, waiting a little must do.
        os.lseek(fd, 0, os.SEEK_HOLE)
        time.sleep(0.001)
        still = still + 1 if os.fstat(fd).st_size == size else 0
        if still == _STILL_LOOKS:
            return True
    return False
