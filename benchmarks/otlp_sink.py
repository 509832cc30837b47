"""
The collectors of the case ``otlp``, which may stop answering, and may die.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import struct
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["sink"]

_RESET = struct.pack("ii", 1, 0)


class Collector(ThreadingHTTPServer):
    """
    Keeps what comes; what it was is looked at when somebody asks.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.bodies: list[bytes] = []
        self.is_awake = threading.Event()
        self.is_awake.set()
        self._connections: list[socket.socket] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """
        Answer a connection, in a thread of its own.
        """
        self._connections.append(request)
        super().process_request(request, client_address)

    def handle_error(self, *_: Any) -> None:
        """
        A client that leaves is none of ours.
        """

    def die(self) -> None:
        """
        What the death of its process would do: nobody listens any more.
        """
        self.is_awake.set()
        self.shutdown()
        self.server_close()
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
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

        # each call logs a latency of its own, so that a record is known by it
        return len(
            {
                attribute.value.double_value
                for body in list(self.bodies)
                for resource in logs_service_pb2.ExportLogsServiceRequest.FromString(
                    gzip.decompress(body)
                ).resource_logs
                for scope in resource.scope_logs
                for record in scope.log_records
                for attribute in record.attributes
                if attribute.key == "inference_latency"
            }
        )


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Collector

    def do_POST(self) -> None:  # noqa: N802 - its name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        self.server.is_awake.wait()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def sink() -> Generator[Any, list[Any], None]:
    """
    A process with collectors: ``[what, of]`` asks for something.
    """
    servers: dict[int, Collector] = {}
    reply: Any = "ready"
    while True:
        what, of = yield reply
        reply = None
        if what == "open":
            server = Collector()
            servers[server.server_port] = server
            reply = server.server_port
        elif what == "seen":
            reply = servers[of].seen()
        elif what == "stall":
            servers[of].is_awake.clear()
        elif what == "wake":
            servers[of].is_awake.set()
        elif what == "die":
            servers[of].die()
        elif what == "forget":
            servers.pop(of).die()
