"""
Waiting for a socket, never longer than until a deadline.
"""

from __future__ import annotations

import select
import socket
import time

__all__ = ["ready"]


def ready(
    sock: socket.socket,
    deadline: float,
    *,
    read: bool = False,
    write: bool = False,
) -> bool:
    """
    Wait until *sock* can be read or written; False once *deadline* passed.

    A socket in error is ready: the next call on it says what is wrong.
    """
    seconds = max(deadline - time.monotonic(), 0.0)
    if not hasattr(select, "poll"):  # Windows
        reading = [sock] if read else []
        writing = [sock] if write else []
        return any(select.select(reading, writing, [sock], seconds))
    # not select(): it refuses descriptors above 1023
    poll = select.poll()
    wanted = (select.POLLIN if read else 0) | (select.POLLOUT if write else 0)
    poll.register(sock, wanted)
    # rounded up, so that nobody spins through the last millisecond
    return bool(poll.poll(int(seconds * 1000 + 0.999)))
