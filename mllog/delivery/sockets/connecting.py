"""
A connected socket to an address, whichever of its IP addresses answers.
"""

from __future__ import annotations

import contextlib

# getaddrinfo() loads it at the first name, which fails at interpreter exit
import encodings.idna  # noqa: F401
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from ..retry import Fault
from .addresses import Address
from .errors import PeerClosedError, SocketError, StalledError
from .waiting import ready

__all__ = ["connected", "leave", "refused"]

_Found = tuple[int, Any]


def connected(
    address: Address,
    kind: int,
    *,
    timeout: float,
    deadline: float,
    prepare: Callable[[socket.socket], None] | None = None,
    turn: int = 0,
) -> socket.socket:
    """
    A non-blocking socket, connected to the first that answers.

    The name is resolved each time, since its addresses may change.  Each of
    them gets its share of the time, so that one which swallows packets leaves
    some for the next.

    Args:
        address: Where to.

        kind: ``socket.SOCK_STREAM`` or ``socket.SOCK_DGRAM``.

        timeout: Seconds for one of them.

        deadline: When all of them together have had their time.

        prepare: Called with the socket before it connects.

        turn: Which of them is tried first, counted round.

    Raises:
        SocketError: None answers.

    Limit:
        Resolving a name takes as long as the system's resolver likes.
    """
    found = _resolved(address, kind, turn)
    failed: list[str] = []
    for index, (family, place) in enumerate(found):
        left = max(deadline - time.monotonic(), 0.0)
        share = time.monotonic() + min(timeout, left / (len(found) - index))
        try:
            return _connected(family, kind, place, share, prepare)
        except OSError as exc:
            if len(found) == 1:
                raise refused(exc, str(address)) from exc
            failed.append(f"{place[0]}: {exc.strerror or exc}")
    raise PeerClosedError(f"cannot connect to {address}: {', '.join(failed)}")


def refused(error: OSError, name: str) -> SocketError:
    """
    What it means that there is no connection to *name*.
    """
    if isinstance(error, TimeoutError):
        return StalledError(
            f"cannot connect to {name}: no answer in time",
            fix="see whether a firewall drops the packets",
        )
    said = error.strerror or str(error)
    if name.startswith("unix:") and isinstance(error, PermissionError):
        return SocketError(
            f"cannot connect to {name}: {said}",
            expected="a socket that this user may write to",
            fix="change its permissions, or the user",
            fault=Fault.AUTH,
        )
    return PeerClosedError(f"cannot connect to {name}: {said}")


def leave(sock: socket.socket) -> None:
    """
    Close the descriptor that a child inherited, and say nothing to the peer.
    """
    with contextlib.suppress(OSError):
        # the socket, and TLS with it, no longer knows what it could tell
        fd = sock.detach()
        if fd >= 0:
            os.close(fd)


def _resolved(address: Address, kind: int, turn: int) -> list[_Found]:
    if address.scheme == "unix":
        if not hasattr(socket, "AF_UNIX"):
            raise SocketError(
                f"{address}: Python has no unix sockets on this system",
                fix="write udp:// or tcp:// and a host",
                fault=Fault.AUTH,
            )
        return [(socket.AF_UNIX, address.path)]
    try:
        found = socket.getaddrinfo(address.host, address.port, 0, kind)
    except UnicodeError as exc:
        raise PeerClosedError(f"{address} has no valid name: {exc}") from exc
    except OSError as exc:
        raise PeerClosedError(
            f"cannot resolve {address.host}: {exc.strerror or exc}",
            fix="correct the host, or see to the name server",
        ) from exc
    places: list[_Found] = [(each[0], each[4]) for each in found]
    turn %= len(places)
    return places[turn:] + places[:turn]


def _connected(
    family: int,
    kind: int,
    place: Any,
    deadline: float,
    prepare: Callable[[socket.socket], None] | None,
) -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        if prepare is not None:
            prepare(sock)
        _connect(sock, place, deadline)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect(sock: socket.socket, place: Any, deadline: float) -> None:
    try:
        sock.connect(place)
    except BlockingIOError:
        if sock.family == getattr(socket, "AF_UNIX", None):
            _connect_later(sock, place, deadline)
            return
        if not ready(sock, deadline, write=True):
            raise TimeoutError("no answer in time") from None
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error)) from None


def _connect_later(sock: socket.socket, place: Any, deadline: float) -> None:
    """
    Try again while the backlog of a unix socket is full: nothing tells when.
    """
    while True:
        if time.monotonic() >= deadline:
            raise TimeoutError("no answer in time")
        time.sleep(0.01)
        with contextlib.suppress(BlockingIOError):
            sock.connect(place)
            return
