"""
The servers of the case ``s3``: they read, answer as S3 does, and keep nothing.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Generator
from typing import Any

__all__ = ["sink"]

_HOST = "127.0.0.1"
_RESET = struct.pack("ii", 1, 0)
_DRAIN = 1 << 20
_MADE = (
    b"<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>"
    b"<UploadId>1</UploadId></InitiateMultipartUploadResult>"
)
_COMPLETED = (
    b"<CompleteMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>"
    b'<ETag>"1"</ETag></CompleteMultipartUploadResult>'
)


class Server:
    """
    As much of S3 as the handlers ask for, with a thread per connection.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server((_HOST, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.delay_seconds = 0.0
        self.puts = 0
        self._connections: list[socket.socket] = []
        self._start(self._accept)

    def _start(self, target: Any, *arguments: Any) -> None:
        threading.Thread(target=target, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
                )
                self._connections.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        room = bytearray(_DRAIN)
        with contextlib.suppress(OSError, ValueError), connection:
            rest = b""
            while True:
                head, rest = _head(connection, rest)
                if head is None:
                    return
                method, path = head.split(b" ", 2)[:2]
                if b"100-continue" in head:
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                rest = _drain(connection, room, rest, _length(head))
                if self.delay_seconds:
                    time.sleep(self.delay_seconds)
                self.puts += method == b"PUT"
                connection.sendall(_answer(method, path))

    def die(self) -> None:
        """
        What the death of its process would do: nobody listens any more.
        """
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


def _head(connection: socket.socket, rest: bytes) -> tuple[Any, bytes]:
    while b"\r\n\r\n" not in rest:
        data = connection.recv(1 << 16)
        if not data:
            return None, b""
        rest += data
    head, _, rest = rest.partition(b"\r\n\r\n")
    return head, rest


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _drain(
    connection: socket.socket, room: bytearray, rest: bytes, length: int
) -> bytes:
    left = length - len(rest)
    while left > 0:
        got = connection.recv_into(room, min(left, _DRAIN))
        if not got:
            raise ConnectionResetError
        left -= got
    return rest[length:]


def _answer(method: bytes, path: bytes) -> bytes:
    status, body = b"200 OK", b""
    if method == b"HEAD" and path.count(b"/") > 1:
        status = b"404 Not Found"
    elif method == b"POST":
        body = _MADE if b"uploads" in path else _COMPLETED
    elif method == b"DELETE":
        status = b"204 No Content"
    return b'HTTP/1.1 %s\r\nETag: "1"\r\nContent-Length: %d\r\n\r\n%s' % (
        status,
        len(body),
        body,
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
            server = Server()
            servers[server.port] = server
            reply = server.port
        elif what == "slow":
            servers[of].delay_seconds = 1.0
        elif what == "puts":
            reply = servers[of].puts
        elif what == "die":
            servers[of].die()
        elif what == "forget":
            servers.pop(of).die()
