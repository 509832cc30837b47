"""
The way to a sink by datagrams: UDP, or a unix socket such as ``/dev/log``.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Sequence
from typing import Any

from ... import options
from ...events import Event
from ...forking import tell_child
from ...formatters.syslog import shortened
from ..retry import Fault, Verdict
from ..transport import PartlySentError
from .addresses import Address
from .connecting import connected, leave
from .errors import PeerClosedError, SocketError, StalledError, verdict_of
from .waiting import ready

__all__ = ["LONGEST_UDP", "DatagramTransport"]

#: What a packet of IPv4 has room for, in bytes.
LONGEST_UDP = 65507
_SHORTEST = 64
_PAUSE_SECONDS = 0.01
_FULL = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS})
_REFUSED = frozenset({errno.ECONNREFUSED, errno.ECONNRESET})
_MOVED = frozenset(
    {errno.ENOENT, errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN}
)


class DatagramTransport:
    """
    Send each event as one datagram.

    Guarantee:
        On a unix socket each event reaches the receiver's queue, also if its
        socket is made anew.

    Limit:
        UDP has no receipts: a datagram is lost wherever it pleases.  Only one
        whose port a host reports as closed is sent again.

    Args:
        address: A host, or a unix socket.

        connect_timeout_seconds: For a unix socket whose receiver is busy.

        send_timeout_seconds: For one batch, of a receiver that is busy.

    Raises:
        ConfigError: An option is wrong.  The network is not touched.
    """

    def __init__(
        self,
        address: Address,
        *,
        connect_timeout_seconds: Any = 5.0,
        send_timeout_seconds: Any = 30.0,
    ) -> None:
        self._address = address
        self._unix = address.scheme == "unix"
        self._connect_timeout = options.number(
            "connect_timeout_seconds", connect_timeout_seconds
        )
        self._send_timeout = options.number(
            "send_timeout_seconds", send_timeout_seconds
        )
        self._sock: socket.socket | None = None
        self._limit: int | None = None
        self._last = b""
        self._owed: bytes | None = None
        self._connections = 0
        self._turn = 0
        #: Datagrams sent once more after the host refused them.
        self.resent = 0
        #: Messages cut to fit into a datagram, but for those cut before.
        self.cut = 0
        tell_child(self)

    @property
    def reconnects(self) -> int:
        """
        Sockets connected after the first.
        """
        return max(self._connections - 1, 0)

    @property
    def receipt(self) -> str:
        """
        What is known of what was sent.
        """
        return (
            "its socket took it" if self._unix else "sent; UDP has no receipt"
        )

    def open(self, deadline: float) -> None:
        """
        Connect: the host's addresses and the size that fits are found anew.

        Raises:
            SocketError: There is no such host or socket.
        """
        self._drop()
        self._sock = connected(
            self._address,
            socket.SOCK_DGRAM,
            timeout=self._connect_timeout,
            deadline=deadline,
            turn=self._turn,
        )
        self._limit = None if self._unix else LONGEST_UDP
        self._connections += 1

    def send(self, events: Sequence[Event], deadline: float) -> None:
        """
        Send *events*, one datagram each.

        Raises:
            PartlySentError: Some at the front were sent, and the rest not.

            SocketError: None was sent.
        """
        deadline = min(deadline, time.monotonic() + self._send_timeout)
        sent = 0
        try:
            if self._owed is not None:
                self._pass(self._owed, deadline)
                self._owed = None
                self.resent += 1
            for event in events:
                self._pass(event.value, deadline)
                self._last = event.value
                sent += 1
            self._hear()
        except OSError as exc:
            failure = self._reason(exc)
            if not self._unix and exc.errno in _REFUSED:
                # it is the answer to the datagram before; perhaps the host
                # listens at another of its addresses
                self._turn += 1
                if not sent and self._owed is None:
                    self._owed = self._last
                sent = max(sent - 1, 0)
            self._drop()
            if sent:
                raise PartlySentError(sent) from failure
            raise failure from exc

    def close(self, deadline: float) -> None:  # noqa: ARG002
        """
        Close the socket: what was sent has left.
        """
        self._drop()

    def classify(self, error: BaseException) -> Verdict:
        """
        What *error* means: a matter of permission, or of time.
        """
        return verdict_of(error, unix=self._unix)

    def forget_parent(self) -> None:
        """
        In a forked child: the socket is the parent's.
        """
        sock, self._sock = self._sock, None
        self._owed, self._last = None, b""
        self._connections = self.resent = self.cut = 0
        if sock is not None:
            leave(sock)

    def _pass(self, message: bytes, deadline: float) -> None:
        """
        Hand one datagram to the kernel, shorter if it has to be.
        """
        fitting, moved, is_whole = message, False, False
        while True:
            if self._limit is not None and len(fitting) > self._limit:
                fitting, is_whole = shortened(message, self._limit)
            try:
                self._connected().send(fitting)
            except OSError as exc:
                if exc.errno == errno.EMSGSIZE:
                    self._shrink(len(fitting))
                elif exc.errno in _FULL:
                    self._wait(deadline)
                elif self._unix and exc.errno in _MOVED and not moved:
                    moved = True
                    self.open(deadline)
                else:
                    raise
            else:
                # what the formatter has cut before is counted there
                self.cut += is_whole
                return

    def _connected(self) -> socket.socket:
        if self._sock is None:
            raise PeerClosedError(f"{self._address} is not connected")
        return self._sock

    def _shrink(self, refused: int) -> None:
        self._limit = refused // 2
        if self._limit < _SHORTEST:
            raise SocketError(
                f"{self._address} does not take even {refused} bytes",
                fault=Fault.POISON,
            )

    def _wait(self, deadline: float) -> None:
        """
        Give a full queue time to empty.
        """
        if time.monotonic() >= deadline:
            raise StalledError(f"{self._address} takes nothing: it is full")
        # a full device reports as writable, so a moment passes in any case
        time.sleep(_PAUSE_SECONDS / 10)
        soon = min(deadline, time.monotonic() + _PAUSE_SECONDS)
        ready(self._connected(), soon, write=True)

    def _hear(self) -> None:
        """
        Raise if the host has already refused the last datagram.
        """
        if not self._unix:
            error = self._connected().getsockopt(
                socket.SOL_SOCKET, socket.SO_ERROR
            )
            if error:
                raise OSError(error, os.strerror(error))

    def _reason(self, error: OSError) -> SocketError:
        if isinstance(error, SocketError):
            return error
        return PeerClosedError(
            f"{self._address}: {error.strerror or str(error)}"
        )

    def _drop(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()
