"""
A page of metrics served over HTTP, from a thread of its own.
"""

from __future__ import annotations

import _socket
import contextlib
import os
import socket
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from .. import waiting
from ..forking import tell_child
from ..http_answers import DeadlineReader, answers_by
from ..threads import Flag, RLock, SystemThread
from .pushing import Trouble

__all__ = ["Page", "Server"]

#: Headers and body for what a scraper accepts: formats and encodings.
Page = Callable[[str, str], tuple[dict[str, str], bytes]]

_AGAIN_SECONDS = 5.0
_ASK_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_MOST_VISITORS = 16
_REQUEST_SECONDS = 10.0
_LEAVE_SECONDS = 1.0
_PATH = "/metrics"


class Server:
    """
    Serves ``/metrics``; a port that is taken is asked for again and again.

    Guarantee:
        Nothing here raises.  ``close`` gives the port back before it returns.
        A forked child does not hold the parent's port.  At most 16 visitors
        have a thread and a file at once, for as long as 10 seconds to ask and
        10 to take the answer; whoever has waited longest without a request
        makes room for the next.

    Limit:
        Plain HTTP, without a password: anybody who reaches the address reads
        the metrics.

    Args:
        address: Where to listen.

        port: 0 lets the system choose.

        page: Makes the page.

        fault: Told of what went wrong.

        is_shared: Whether any process of the application may serve it, so
            that nothing is wrong where another one does.
    """

    def __init__(
        self,
        address: str,
        port: int,
        page: Page,
        fault: Callable[[BaseException], None],
        *,
        is_shared: bool = False,
    ) -> None:
        self._is_shared = is_shared
        self.address = address
        self.port = port
        self._page = page
        self._fault = fault
        self._http: _HTTPServer | None = None
        self._thread: SystemThread | None = None
        self._closing = Flag()
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: the port is the parent's, and the thread is gone.
        """
        http, self._http, self._thread = self._http, None, None
        self._closing = Flag()
        if http is not None:
            os.close(http.socket.detach())

    @property
    def is_serving(self) -> bool:
        """
        Whether this process has the port.
        """
        return self._http is not None

    def start(self) -> None:
        """
        Listen now, or as soon as the port is free.
        """
        if self._thread is not None or self._closing.is_set():
            return
        refused = self._bind()
        self._thread = SystemThread(
            lambda: self._run(refused), "mllog-metrics"
        )
        try:
            self._thread.start()
        except RuntimeError as exc:  # the interpreter ends
            self._fault(exc)

    def _bind(self) -> OSError | None:
        """
        Take the port; what was in the way.
        """
        try:
            self._http = _listening(self.address, self.port, self._answer)
        except OSError as exc:
            return exc
        self.port = self._http.server_address[1]
        return None

    def _complain(self, error: OSError) -> None:
        if self._is_shared and _is_ours(self.address, self.port):
            return
        self._fault(
            Trouble(
                f"cannot serve metrics on {self.address}:{self.port}:"
                f" {error.strerror or error}; it is tried again every"
                f" {_AGAIN_SECONDS:g} s (several processes have one page"
                " where PROMETHEUS_MULTIPROC_DIR is set)"
            )
        )

    def _run(self, refused: OSError | None) -> None:
        closing = self._closing
        if refused is not None:
            self._complain(refused)
        while self._http is None:
            if closing.wait(_AGAIN_SECONDS):
                return
            self._bind()
        http = self._http
        http.socket = _of_this_thread(http.socket)
        while not closing.is_set():
            try:
                connection, peer = http.socket.accept()
            except OSError:
                closing.wait(0.1)  # out of files, or closing
                continue
            if closing.is_set():
                connection.close()
                break
            http.process_request(connection, peer)
        http.socket.close()

    def close(self) -> None:
        """
        Give the port back.
        """
        self._closing.set()
        http, thread = self._http, self._thread
        if http is None:
            return
        _wake(http.socket)
        if thread is not None:
            deadline = waiting.deadline(None, _CLOSE_SECONDS)
            thread.join(deadline - time.monotonic())
            waiting.waited()
        if thread is None or not thread.is_alive:  # else it closes it
            http.socket.close()
        self._http = None

    def _answer(
        self, accept: str, encoding: str
    ) -> tuple[dict[str, str], bytes] | None:
        try:
            return self._page(accept, encoding)
        except Exception as exc:
            self._fault(exc)
            return None


def _is_ours(address: str, port: int) -> bool:
    """
    Whether a server of mllog has the port.
    """
    wildcards = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104
    asked = HTTPConnection(
        wildcards.get(address, address), port, timeout=_ASK_SECONDS
    )
    asked.response_class = answers_by(time.monotonic() + _ASK_SECONDS)
    try:
        asked.request("GET", "/")
        return asked.getresponse().getheader("Server", "").startswith("mllog")
    except (OSError, HTTPException):
        return False
    finally:
        asked.close()


def _of_this_thread(sock: socket.socket) -> socket.socket:
    """
    *sock*, for this thread alone: gevent's belong to the one that made them.
    """
    return socket.socket(fileno=sock.detach())


def _wake(listener: socket.socket) -> None:
    """
    Have the thread that waits in accept() look up.
    """
    if not _shut_down(listener.fileno()):  # a visitor does it as well
        with contextlib.suppress(OSError):
            socket.create_connection(listener.getsockname()[:2], 1.0).close()


def _shut_down(descriptor: int) -> bool:
    """
    End a connection that another thread uses; not everywhere a listener.
    """
    # what gevent makes of a socket is for its own thread
    sock = _socket.socket(fileno=descriptor)
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return False
    finally:
        sock.detach()
    return True


class _HTTPServer(HTTPServer):
    """
    A thread for each scrape, which ends with the process.
    """

    answer: Callable[[str, str], tuple[dict[str, str], bytes] | None]

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        # by descriptor, the oldest first: whether each has asked for something
        self._visitors: dict[int, bool] = {}
        self._lock = RLock()
        self._left = Flag()

    def process_request(self, request: Any, client_address: Any) -> None:
        """
        Serve one more visitor, if there is room or can be.
        """
        if not self._has_room():
            self.shutdown_request(request)
            return
        visitor = request.fileno()
        with self._lock:
            self._visitors[visitor] = False

        def serve() -> None:
            connection = _of_this_thread(request)
            try:
                self.finish_request(connection, client_address)
            except Exception:
                self.handle_error(connection, client_address)
            finally:
                self._leaves(visitor, connection)

        try:
            SystemThread(serve, "mllog-scrape").start()
        except RuntimeError:  # no thread any more
            self._leaves(visitor, request)

    def asks(self, request: Any) -> None:
        """
        Know that a visitor waits for an answer: it may stay.
        """
        with self._lock:
            self._visitors[request.fileno()] = True

    def _leaves(self, visitor: int, request: Any) -> None:
        with self._lock:  # else the next visitor may have that descriptor
            self.shutdown_request(request)
            self._visitors.pop(visitor, None)
            self._left.set()

    def _has_room(self) -> bool:
        with self._lock:
            if len(self._visitors) < _MOST_VISITORS:
                return True
            idle = [
                each for each, asked in self._visitors.items() if not asked
            ]
            if not idle:
                return False
            self._left.clear()
            _shut_down(idle[0])  # it is open as long as it is known here
        return self._left.wait(_LEAVE_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """
        A scraper that went away is no news.
        """


def _listening(address: str, port: int, answer: Any) -> _HTTPServer:
    family, *_, place = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]

    class Server(_HTTPServer):
        address_family = family

        def server_bind(self) -> None:
            """
            Bind, and do not ask the name service who we are.
            """
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(self.server_address)
            self.server_address = self.socket.getsockname()

    server = Server(place[:2], _Handler)
    server.answer = answer
    return server


class _Handler(BaseHTTPRequestHandler):
    """
    Answers a scraper.
    """

    server: _HTTPServer
    server_version = "mllog"
    sys_version = ""

    def setup(self) -> None:
        """
        Read until a deadline, of which each byte is no new one.
        """
        super().setup()
        self.rfile.close()
        deadline = time.monotonic() + _REQUEST_SECONDS
        self.rfile = DeadlineReader(self.connection, deadline)

    def do_GET(self) -> None:
        """
        The page, or what went wrong in a line.
        """
        self.server.asks(self.connection)
        if self.path.partition("?")[0] != _PATH:
            self._send(404, {}, b"the metrics are at /metrics\n")
            return
        accept = ",".join(self.headers.get_all("Accept") or ())
        encoding = ",".join(self.headers.get_all("Accept-Encoding") or ())
        found = self.server.answer(accept, encoding)
        if found is None:
            self._send(500, {}, b"the metrics cannot be collected\n")
        else:
            self._send(200, *found)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.connection.settimeout(_REQUEST_SECONDS)
        self.send_response(status)
        for name, value in (
            {"Content-Type": "text/plain; charset=utf-8"} | headers
        ).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        """
        Say nothing of each scrape.
        """
