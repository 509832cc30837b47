"""
A collector of OpenTelemetry's logs, over HTTP and gRPC, in an own process.

It keeps each request that it took in a file, and can be told to refuse, to
stall or to take a part: ``receiver.tell(status=503, times=2)``.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import socket
import ssl
import sys
import threading
import urllib.request
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as service
from opentelemetry.proto.collector.logs.v1 import (
    logs_service_pb2_grpc as service_grpc,
)

#: What it can be told, and what it does unless it is.
USUAL: dict[str, Any] = {
    "status": 200,  # of HTTP
    "code": "",  # of gRPC
    "message": "",
    "retry_after": None,  # seconds
    "rejected": 0,  # records of each request
    "largest": None,  # records in a request; more are 413
    "poison": "",  # a body that is refused with 400
    "stalls": False,
    "answer": True,  # False: takes the request, and breaks the connection
    "times": None,  # how many requests; then it is as usual
}


# --- the process -------------------------------------------------------------


class Collector:
    def __init__(self, output: str) -> None:
        self.output = open(output, "ab", buffering=0)  # noqa: SIM115
        self.lock = threading.Lock()
        self.told = dict(USUAL)
        self.attempts = 0
        self.gate = threading.Event()
        self.gate.set()

    def tell(self, told: dict[str, Any]) -> None:
        with self.lock:
            self.attempts = 0
            self.told = {**USUAL, **told}
            self.gate.clear() if self.told["stalls"] else self.gate.set()

    def next(self) -> dict[str, Any]:
        """
        What to do with the next request.
        """
        with self.lock:
            self.attempts += 1
            told = dict(self.told)
            if told["times"] is not None:
                self.told["times"] -= 1
                if self.told["times"] <= 0:
                    self.told = dict(USUAL)
        self.gate.wait()
        return told

    def refusal(self, told: dict[str, Any], body: bytes) -> int:
        if told["status"] != 200 or told["code"]:
            return int(told["status"])
        request = service.ExportLogsServiceRequest.FromString(body)
        found = [
            record
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]
        if told["largest"] and len(found) > told["largest"]:
            return 413
        bodies = [record.body.string_value for record in found]
        return 400 if told["poison"] and told["poison"] in bodies else 200

    def keep(self, way: str, headers: dict[str, str], body: bytes) -> None:
        line = json.dumps(
            {
                "way": way,
                "headers": headers,
                "body": base64.b64encode(body).decode(),
            }
        )
        with self.lock:
            self.output.write(line.encode() + b"\n")

    def answer(self, told: dict[str, Any]) -> bytes:
        response = service.ExportLogsServiceResponse()
        if told["rejected"] or told["message"]:
            partly = response.partial_success
            partly.rejected_log_records = told["rejected"]
            partly.error_message = told["message"]
        return response.SerializeToString()


class HTTP(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    collector: Collector

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._say(200, json.dumps(self.collector.attempts).encode())

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if self.path == "/tell":
            self.collector.tell(json.loads(body))
            self._say(200, b"")
            return
        if self.path != "/v1/logs":
            self._say(404, b"no such path")
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        told = self.collector.next()
        status = self.collector.refusal(told, body)
        if status != 200:
            self._say(status, told["message"].encode(), told["retry_after"])
            return
        self.collector.keep("http", dict(self.headers), body)
        if not told["answer"]:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._say(200, self.collector.answer(told))

    def _say(self, status: int, body: bytes, retry_after: Any = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(body)


class GRPC(service_grpc.LogsServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self.collector = collector

    def Export(self, request: Any, context: Any) -> Any:
        told = self.collector.next()
        body = request.SerializeToString()
        if told["retry_after"] is not None:
            context.set_trailing_metadata(
                [("grpc-status-details-bin", retry_info(told["retry_after"]))]
            )
        if told["code"]:
            code = getattr(grpc.StatusCode, told["code"])
            context.abort(code, told["message"])
        if self.collector.refusal(told, body) != 200:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "refused")
        headers = {
            key: str(value) for key, value in context.invocation_metadata()
        }
        self.collector.keep("grpc", headers, body)
        return service.ExportLogsServiceResponse.FromString(
            self.collector.answer(told)
        )


def retry_info(seconds: float) -> bytes:
    """
    A google.rpc.Status with a RetryInfo, as a collector sends it.
    """
    from google.protobuf import any_pb2, duration_pb2

    duration = duration_pb2.Duration(
        seconds=int(seconds), nanos=round(seconds % 1 * 1e9)
    ).SerializeToString()
    detail = any_pb2.Any(
        type_url="type.googleapis.com/google.rpc.RetryInfo",
        value=b"\x0a" + bytes([len(duration)]) + duration,
    ).SerializeToString()
    return b"\x08\x0e\x1a" + bytes([len(detail)]) + detail


def serve(http: int, grpc_port: int, output: str, *tls: str) -> None:
    """
    Run until killed.
    """
    collector = Collector(output)
    HTTP.collector = collector
    server = ThreadingHTTPServer(("127.0.0.1", http), HTTP)
    server.daemon_threads = True
    made = grpc.server(futures.ThreadPoolExecutor(8))
    service_grpc.add_LogsServiceServicer_to_server(GRPC(collector), made)
    if tls:
        cert, key, ca = tls
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
        credentials = grpc.ssl_server_credentials(
            [(Path(key).read_bytes(), Path(cert).read_bytes())],
            Path(ca).read_bytes(),
            True,
        )
        made.add_secure_port(f"127.0.0.1:{grpc_port}", credentials)
    else:
        made.add_insecure_port(f"127.0.0.1:{grpc_port}")
    made.start()
    server.serve_forever()


# --- what the tests see ---------------------------------------------------------


class Received(NamedTuple):
    """
    One record, as the collector got it.
    """

    way: str
    headers: dict[str, str]
    resource: dict[str, Any]
    scope: str
    record: Any

    @property
    def body(self) -> Any:
        return plain(self.record.body)

    @property
    def attributes(self) -> dict[str, Any]:
        return {each.key: plain(each.value) for each in self.record.attributes}


def plain(value: Any) -> Any:
    """
    An AnyValue as what it means.
    """
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(value, kind)
    if kind == "array_value":
        return [plain(each) for each in found.values]
    if kind == "kvlist_value":
        return {each.key: plain(each.value) for each in found.values}
    return found


class OTLPReceiver:
    """
    A collector on free ports of 127.0.0.1.

    Args:
        folder: Where its output is.

        authority: Signs its certificate and those of clients, which it then
            asks for; None is without TLS.
    """

    def __init__(self, folder: Path, authority: Any = None) -> None:
        from servers.running import Running, free_ports

        folder.mkdir(parents=True, exist_ok=True)
        self.http, self.grpc = free_ports(2)
        self.output = folder / "requests.jsonl"
        files: list[str] = []
        if authority is not None:
            identity = authority.identity("collector")
            files = [identity.cert, identity.key, authority.cert]
        self._is_secure = bool(files)
        self.process = Running(
            [sys.executable, __file__, str(self.http), str(self.grpc)]
            + [str(self.output), *files],
            self._ready,
            folder / "receiver.log",
        )

    def _ready(self) -> bool:
        from servers.running import answers

        return all(
            answers(("127.0.0.1", port), socket.SOCK_STREAM)
            for port in (self.http, self.grpc)
        )

    def endpoint(self, protocol: str = "http/protobuf") -> str:
        """
        What a handler is given.
        """
        scheme = "https" if self._is_secure else "http"
        port = self.grpc if protocol == "grpc" else self.http
        return f"{scheme}://127.0.0.1:{port}"

    def start(self) -> None:
        self.process.start()

    def begin(self) -> None:
        """
        Forget what was received, and be as usual.
        """
        self.start()
        if self.output.exists():
            os.truncate(self.output, 0)
        if not self._is_secure:
            self.tell()

    def stop(self, *, kill: bool = False) -> None:
        self.process.stop(kill=kill)

    def tell(self, **told: Any) -> None:
        """
        What it does from now on; see ``USUAL``.
        """
        assert told.keys() <= USUAL.keys(), told
        urllib.request.urlopen(
            urllib.request.Request(
                f"http://127.0.0.1:{self.http}/tell", json.dumps(told).encode()
            ),
            timeout=30,
        ).close()

    def attempts(self) -> int:
        """
        How many requests came since it was told something.
        """
        url = f"http://127.0.0.1:{self.http}/"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.read())

    def received(self) -> list[Received]:
        """
        The records that it took, in order.
        """
        found: list[Received] = []
        if not self.output.exists():
            return found
        for line in self.output.read_bytes().splitlines():
            kept = json.loads(line)
            request = service.ExportLogsServiceRequest.FromString(
                base64.b64decode(kept["body"])
            )
            for resource in request.resource_logs:
                about = {
                    each.key: plain(each.value)
                    for each in resource.resource.attributes
                }
                found += [
                    Received(
                        kept["way"],
                        {k.lower(): v for k, v in kept["headers"].items()},
                        about,
                        scope.scope.name,
                        record,
                    )
                    for scope in resource.scope_logs
                    for record in scope.log_records
                ]
        return found

    def bodies(self) -> list[Any]:
        return [each.body for each in self.received()]


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
