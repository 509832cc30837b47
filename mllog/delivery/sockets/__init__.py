"""
Transports over sockets: TCP, TLS, UDP and unix sockets.
"""

from __future__ import annotations

from .addresses import Address
from .datagram import LONGEST_UDP, DatagramTransport
from .errors import PeerClosedError, SocketError, StalledError, TLSError
from .framing import FRAMINGS
from .route import SocketTransport, route_to
from .stream import StreamTransport
from .tls import TLS
from .unix import UnixTransport
from .window import ResendWindow

__all__ = [
    "FRAMINGS",
    "LONGEST_UDP",
    "TLS",
    "Address",
    "DatagramTransport",
    "PeerClosedError",
    "ResendWindow",
    "SocketError",
    "SocketTransport",
    "StalledError",
    "StreamTransport",
    "TLSError",
    "UnixTransport",
    "route_to",
]
