"""
A TCP server that acknowledges what it has: 4 bytes of length and an event
there, 8 bytes with the number of events of this connection back.

As a program it is a process of its own: ``receipts.py <file> <port>`` appends
each event as a line to the file before it acknowledges it.  ``Receipts`` is
its other side.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

_LENGTH = struct.Struct("!I")
_COUNT = struct.Struct("!Q")


class Receipts:
    """
    The server, in a process of its own; used with ``with``.

    Args:
        path: Where it writes the events, a line each.

    Attributes:
        address: Host and port; they stay.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(path), "0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = ("127.0.0.1", int(self._answer()))

    def __enter__(self) -> Receipts:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _tell(self, *words: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        self._answer()

    def serve(self, lag: float = 0.0) -> None:
        """
        Take and acknowledge, each acknowledgement *lag* seconds late.
        """
        self._tell("serve", lag)

    def stall(self) -> None:
        """
        Keep the connections, and read nothing.
        """
        self._tell("stall", 0)

    def mute(self) -> None:
        """
        Take and keep everything, and acknowledge nothing.
        """
        self._tell("mute", 0)

    def refuse(self) -> None:
        """
        Close all connections, and listen no more.
        """
        self._tell("refuse", 0)

    def close(self) -> None:
        """
        Reset all connections, once.
        """
        self._tell("close", 0)

    def received(self) -> list[bytes]:
        """
        All events so far, in the order in which they came.
        """
        data = self.path.read_bytes() if self.path.exists() else b""
        return data.split(b"\n")[:-1]


class _Connection:
    """
    One client: what it sent, and what it was told.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._data = b""
        self._count = 0

    def take(self) -> list[bytes] | None:
        """
        Events that came; None at the end of the connection.
        """
        try:
            data = self.socket.recv(1 << 16)
        except OSError:
            return None
        if not data:
            return None
        self._data += data
        found, start = [], 0
        while len(self._data) >= start + _LENGTH.size:
            size = _LENGTH.unpack_from(self._data, start)[0]
            end = start + _LENGTH.size + size
            if end > len(self._data):
                break
            found.append(self._data[start + _LENGTH.size : end])
            start = end
        self._data = self._data[start:]
        self._count += len(found)
        return found

    def acknowledge(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.sendall(_COUNT.pack(self._count))


class _Server:
    """
    One loop over clients and commands.
    """

    def __init__(self, path: str, port: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file = os.open(path, flags, 0o600)
        self._mode, self._lag = "serve", 0.0
        self._clients: dict[socket.socket, _Connection] = {}
        self._port = port
        self._listen()
        print(self._port, flush=True)

    def _listen(self) -> None:
        self._listener: socket.socket | None = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self._port))
        self._listener.listen(64)
        self._port = self._listener.getsockname()[1]

    def run(self) -> None:
        while True:
            waiting: list[object] = [sys.stdin]
            if self._listener is not None:
                waiting.append(self._listener)
            if self._mode != "stall":
                waiting.extend(self._clients)
            for ready in select.select(waiting, [], [])[0]:
                if ready is sys.stdin:
                    if not self._obey():
                        return
                elif ready is self._listener:
                    sock = self._listener.accept()[0]
                    self._clients[sock] = _Connection(sock)
                elif ready in self._clients:
                    self._serve(self._clients[ready])

    def _serve(self, client: _Connection) -> None:
        events = client.take()
        if events is None:
            self._clients.pop(client.socket).socket.close()
            return
        if not events:
            return
        os.write(self._file, b"".join(event + b"\n" for event in events))
        if self._mode == "mute":
            return
        if self._lag:
            time.sleep(self._lag)
        client.acknowledge()

    def _obey(self) -> bool:
        # unbuffered by nature: one line is written, and then one is awaited
        words = sys.stdin.readline().split()
        if not words:
            return False
        if words[0] == "close":
            self._reset()
        else:
            self._mode, self._lag = words[0], float(words[1])
        if self._mode == "refuse" and self._listener is not None:
            self._listener.close()
            self._listener = None
            self._reset()
        elif self._mode != "refuse" and self._listener is None:
            self._listen()
        print("done", flush=True)
        return True

    def _reset(self) -> None:
        for sock in self._clients:
            with contextlib.suppress(OSError):
                sock.setsockopt(
                    socket.SOL_SOCKET,
                    socket.SO_LINGER,
                    struct.pack("ii", 1, 0),
                )
            sock.close()
        self._clients.clear()


if __name__ == "__main__":
    _Server(sys.argv[1], int(sys.argv[2])).run()
