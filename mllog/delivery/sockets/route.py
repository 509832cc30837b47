"""
Which transport leads to an address.
"""

from __future__ import annotations

from typing import Any

from ...errors import ConfigError
from .addresses import Address
from .datagram import DatagramTransport
from .stream import StreamTransport
from .tls import TLS
from .unix import UnixTransport

__all__ = ["SocketTransport", "route_to"]

SocketTransport = DatagramTransport | StreamTransport | UnixTransport


def route_to(
    address: Address,
    *,
    framing: Any = "octet-counting",
    tls: TLS | None = None,
    connect_timeout_seconds: Any = 5.0,
    send_timeout_seconds: Any = 30.0,
) -> SocketTransport:
    """
    The transport that leads to *address*.

    Raises:
        ConfigError: An option is wrong, or TLS is meant for an address that
            has none.
    """
    timeouts = {
        "connect_timeout_seconds": connect_timeout_seconds,
        "send_timeout_seconds": send_timeout_seconds,
    }
    if tls is not None and address.scheme != "tls":
        raise ConfigError(
            f"options of TLS for {address}, which has none",
            expected="an address such as tls://host:6514",
            fix="write tls://, or leave out the options of TLS",
        )
    if address.stream:
        return StreamTransport(address, framing=framing, tls=tls, **timeouts)
    if address.stream is None:
        return UnixTransport(address, framing=framing, **timeouts)
    return DatagramTransport(address, **timeouts)
