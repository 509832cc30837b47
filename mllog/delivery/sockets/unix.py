"""
The way to a unix socket of which nobody said what kind it is.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any

from ...events import Event
from ..retry import Verdict
from .addresses import Address
from .datagram import DatagramTransport
from .stream import StreamTransport

__all__ = ["UnixTransport"]


class UnixTransport:
    """
    Send datagrams, or a stream if the socket is one, as the stdlib does.

    Args:
        address: Path of the socket.

        framing: Of the stream.

        timeouts: Those of DatagramTransport and StreamTransport.
    """

    def __init__(
        self,
        address: Address,
        *,
        framing: Any = "octet-counting",
        **timeouts: Any,
    ) -> None:
        self._datagrams = DatagramTransport(address, **timeouts)
        self._stream = StreamTransport(address, framing=framing, **timeouts)
        self._used: DatagramTransport | StreamTransport = self._datagrams

    @property
    def resent(self) -> int:
        """
        Messages sent once more.
        """
        return self._datagrams.resent + self._stream.resent

    @property
    def reconnects(self) -> int:
        """
        Connections made after the first.
        """
        return self._datagrams.reconnects + self._stream.reconnects

    @property
    def cut(self) -> int:
        """
        Messages cut to fit into a datagram.
        """
        return self._datagrams.cut

    @property
    def receipt(self) -> str:
        """
        What is known of what was sent.
        """
        return self._used.receipt

    def open(self, deadline: float) -> None:
        """
        Connect, in the way that worked before, or else in the other.

        Raises:
            SocketError: There is no such socket, or nobody listens.
        """
        try:
            self._used.open(deadline)
        except OSError as exc:
            if not _is_of_other_kind(exc):
                raise
            self._used = self._other()
            self._used.open(deadline)

    def send(self, events: Sequence[Event], deadline: float) -> None:
        """
        Send *events* in the way that ``open`` found.

        Raises:
            PartlySentError: Some at the front were sent, and the rest not.

            SocketError: None was sent.
        """
        self._used.send(events, deadline)

    def close(self, deadline: float) -> None:
        """
        Disconnect.
        """
        self._used.close(deadline)

    def classify(self, error: BaseException) -> Verdict:
        """
        What *error* means: a matter of permission, or of time.
        """
        return self._used.classify(error)

    def _other(self) -> DatagramTransport | StreamTransport:
        if self._used is self._datagrams:
            return self._stream
        return self._datagrams


def _is_of_other_kind(error: OSError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno == errno.EPROTOTYPE
