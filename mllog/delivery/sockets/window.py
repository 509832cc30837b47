"""
What was written to a stream and may not have been read: sent again if it breaks.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Sequence
from itertools import chain

try:
    import fcntl
    import termios

    # Linux calls it SIOCOUTQ, which has the number of TIOCOUTQ
    _OUTQ: int | None = termios.TIOCOUTQ
except ImportError:  # Windows
    _OUTQ = None

__all__ = ["ResendWindow", "unsent_bytes"]


class ResendWindow:
    """
    The frames a broken connection may have swallowed, oldest first.

    A frame leaves once the peer's kernel took it, and even then not while it
    is among the last ones: a receiver that keeps up has not read those yet.
    What is older than *longest* leaves although it is among the last, so that
    a connection that was closed for idleness repeats nothing.

    Limit:
        Taken by the kernel is not read.  A receiver that dies with more
        unread than the last ones loses the rest.

    Args:
        least_records: How many of the last frames are kept in any case.

        least_bytes: How many bytes of the last frames are, if they are more.

        most_bytes: Bound of all; the oldest frames are given up beyond it.

        longest: Seconds after which a frame that was taken counts as read.
    """

    def __init__(
        self,
        *,
        least_records: int = 256,
        least_bytes: int = 64 * 1024,
        most_bytes: int = 8 * 1024 * 1024,
        longest: float = 60.0,
    ) -> None:
        self._least_records = least_records
        self._least_bytes = least_bytes
        self._most_bytes = most_bytes
        self._longest = longest
        self.clear()

    def clear(self) -> None:
        """
        Forget everything: it was read, or is somebody else's business.
        """
        # the frame, when it was written, and where it ends in the stream
        self._kept: deque[tuple[bytes, float, int]] = deque()
        self._owed: list[bytes] = []
        self._written = 0
        self._size = 0

    @property
    def owed(self) -> Sequence[bytes]:
        """
        Frames of a broken connection that the present one has not carried.
        """
        return self._owed

    @property
    def written(self) -> int:
        """
        Bytes of all frames that the present connection carried.
        """
        return self._written

    def __len__(self) -> int:
        return len(self._kept) + len(self._owed)

    def wrote(self, frames: Sequence[bytes], now: float) -> None:
        """
        *frames* were wholly written; the owed ones are among them, and first.
        """
        end = self._written
        for frame in frames:
            end += len(frame)
            self._kept.append((frame, now, end))
        self._size += end - self._written
        self._written = end
        del self._owed[: len(frames)]
        while self._size > self._most_bytes:
            self._drop_oldest()

    def took(self, taken: int, now: float) -> None:
        """
        The peer's kernel has the first *taken* bytes of this connection.
        """
        kept, oldest = self._kept, now - self._longest
        while kept and kept[0][2] <= taken:
            among_last = (
                len(kept) <= self._least_records
                or self._size <= self._least_bytes
            )
            if among_last and kept[0][1] >= oldest:
                return
            self._drop_oldest()

    def broke(self, taken: int, now: float, own: int = 0) -> int:
        """
        The connection is gone: what is kept is owed to the next one.

        Args:
            taken: Bytes of this connection that the peer's kernel has.

            now: ``time.monotonic()``.

            own: How many of the frames written last somebody else sends
                again, if they were not read.

        Returns:
            How many of those count as read.
        """
        self.took(taken, now)
        left = min(own, len(self._kept))
        for _ in range(left):
            self._kept.pop()
        frames = [frame for frame, _, _ in self._kept]
        self._owed = list(chain(frames, self._owed))
        self._kept.clear()
        self._written = self._size = 0
        return own - left

    def _drop_oldest(self) -> None:
        frame, _, _ = self._kept.popleft()
        self._size -= len(frame)


def unsent_bytes(sock: socket.socket) -> int:
    """
    Bytes written to *sock* that the peer's kernel has not taken.

    0 where the system does not say: of macOS and Windows nothing is known, so
    everything counts as taken.  For a unix socket Linux tells the memory the
    bytes occupy, which is more, and 0 only once the peer has read all.
    """
    if _OUTQ is None:
        return 0
    try:
        answer = fcntl.ioctl(sock.fileno(), _OUTQ, b"\0" * 4)
    except (OSError, ValueError):
        return 0
    return int(struct.unpack("i", answer)[0])
