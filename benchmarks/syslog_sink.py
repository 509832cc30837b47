"""
The servers of the case ``syslog``, which may stop reading, and may die.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Generator
from typing import Any

__all__ = ["sink"]

_HOST = "127.0.0.1"
# Each call logs a latency of its own, so that a record is known by it.
_LATENCY = re.compile(rb"inference_latency\W+([-+.\de]+)")
# A stall begins when buffers are full.  Those of loopback are megabytes,
# because its packets are large; so they are as on an Ethernet.
_STALLED_BUFFER = 8192
_STALLED_SEGMENT = 1460
_RESET = struct.pack("ii", 1, 0)


class Server:
    """
    Keeps what comes; what it was is looked at when somebody asks.

    Args:
        has_small_buffers: Whether it is felt soon when it stops reading.
    """

    def __init__(self, has_small_buffers: bool) -> None:
        self._listener = socket.socket()
        if has_small_buffers:
            self._listener.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, _STALLED_BUFFER
            )
            self._listener.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_MAXSEG, _STALLED_SEGMENT
            )
        self._listener.bind((_HOST, 0))
        self._listener.listen(1024)
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._streams: list[list[bytes]] = []
        self._is_awake = threading.Event()
        self._is_awake.set()
        self._start(self._accept)

    def _start(self, target: Any, *arguments: Any) -> None:
        threading.Thread(target=target, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self._streams.append([])
                self._start(self._read, connection, self._streams[-1])

    def _read(self, connection: socket.socket, stream: list[bytes]) -> None:
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(1 << 18):
                stream.append(data)
                self._is_awake.wait()

    def stall(self) -> None:
        """
        Accept, and read no more than what comes first.
        """
        self._is_awake.clear()

    def wake(self) -> None:
        """
        Read what the kernels have.
        """
        self._is_awake.set()

    def die(self) -> None:
        """
        What the death of its process would do: nobody listens any more.
        """
        self._is_awake.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _RESET
                )
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def seen(self) -> int:
        """
        How many records came, those that came twice counted once.
        """
        return len(
            {
                latency
                for stream in list(self._streams)
                for latency in _LATENCY.findall(b"".join(stream))
            }
        )


def sink() -> Generator[Any, list[Any], None]:
    """
    A process with servers: ``[what, of]`` asks for something.
    """
    servers: dict[int, Server] = {}
    reply: Any = "ready"
    while True:
        what, of = yield reply
        reply = None
        if what == "open":
            server = Server(of)
            servers[server.port] = server
            reply = server.port
        elif what == "seen":
            reply = servers[of].seen()
        elif what == "stall":
            servers[of].stall()
        elif what == "wake":
            servers[of].wake()
        elif what == "die":
            servers[of].die()
        elif what == "forget":
            servers.pop(of).die()
