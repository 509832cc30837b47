"""
A server that ends its answers as it is told: legally, or in ways that are none.

    with AnsweringServer([b"HTTP/1.1 200 OK\\r\\n\\r\\n"], "closes") as server:
        ...
        assert 1 == len(server.requests)

It reads each request whole and looks at nothing of it.
"""

import contextlib
import socket
import threading
import time

from servers.faulty import reset

#: What it does behind the last piece of an answer.
ENDINGS = ("closes", "resets", "keeps", "goes on")


class AnsweringServer:
    """
    A server of HTTP on a free port of 127.0.0.1.

    Args:
        pieces: What is sent for each request, in as many segments.

        ending: One of :data:`ENDINGS`; ``keeps`` waits for the next request,
            ``goes on`` sends *more* until the client leaves.

        more: What is sent again and again.
    """

    def __init__(self, pieces, ending="keeps", more=b"x"):
        assert ending in ENDINGS
        self.pieces, self.ending, self.more = pieces, ending, more
        #: The bodies of whole requests, in their order.
        self.requests = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._open = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.append(sock)
            threading.Thread(
                target=self._serve, args=(sock,), daemon=True
            ).start()

    def _serve(self, sock):
        with contextlib.suppress(OSError), sock.makefile("rb") as stream:
            while (body := _request_in(stream, sock)) is not None:
                self.requests.append(body)
                for number, piece in enumerate(self.pieces):
                    if number:
                        time.sleep(0.005)  # a segment of its own
                    sock.sendall(piece)
                while self.ending == "goes on":
                    time.sleep(0.005)
                    sock.sendall(self.more)
                if self.ending != "keeps":
                    break
        if self.ending == "resets":
            reset(sock)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()


def _request_in(stream, sock):
    """
    The body of the next request; None if there is none.
    """
    if not stream.readline():
        return None
    length = 0
    while line := stream.readline().strip().lower():
        name, _, value = line.partition(b":")
        if name == b"content-length":
            length = int(value)
        if name == b"expect":
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    return stream.read(length)
