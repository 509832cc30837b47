"""
A port before another one, which loses answers of HTTP when it is told to.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from servers.faulty import reset


class Forwarder:
    """
    Forwards connections to *port* of 127.0.0.1.

    Used with ``with``.

    Attributes:
        port: Its own port.

        sent: What clients sent, of all connections.

        lose: How many of the next answers are lost: the server has given
            them, and the client's connection ends.
    """

    def __init__(self, port: int) -> None:
        self.sent = bytearray()
        self.lose = 0
        self._to = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._open: list[socket.socket] = []

    def __enter__(self) -> Forwarder:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        # a thread in accept() would keep the port open
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for sock in self._open:
            reset(sock)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._open += client, server
                for pump in (self._up, self._down):
                    threading.Thread(
                        target=pump, args=(client, server), daemon=True
                    ).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                self.sent += data
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                # "100 Continue" only asks for the body
                if self.lose and not data.startswith(b"HTTP/1.1 100"):
                    self.lose -= 1
                    break
                client.sendall(data)
        # it ends the recv() of the other thread, which close() does not
        for sock in (server, client):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
