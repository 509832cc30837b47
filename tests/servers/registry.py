"""
A schema registry over HTTP, with the routes that a writer and a reader need.

It has the answers and the numbers of errors of Confluent's: a schema has one
id wherever it is registered, and a version in each subject.  It checks that a
schema is JSON, and not that it is Avro or compatible with the one before.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from servers.certificates import Identity

_TYPE = "application/vnd.schemaregistry.v1+json"
_WORDS = {
    401: "Unauthorized",
    409: "Schema being registered is incompatible with an earlier schema",
    40401: "Subject not found",
    40402: "Version not found",
    40403: "Schema not found",
    42201: "Input schema is an invalid Avro schema",
}


class Asked(NamedTuple):
    """
    One request that came.
    """

    method: str
    path: str
    body: Any


class Refusal(Exception):
    """
    What the registry refuses a request with; *code* begins with its status.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Registry:
    """
    A registry on a free port of 127.0.0.1; used with ``with``.

    Args:
        username: Who may ask; None is everybody.

        password: Of who may ask.

        identity: With what it speaks TLS; None is without.

    Attributes:
        url: Where it is.

        asked: The requests that came, in order.

        subjects: The ids of each subject's schemas, by version from 1 on.

        schemas: What was registered, by id from 1 on, as it was sent.

        refuse: A status or one of Confluent's codes (40401, 409, …) that
            requests are answered with; None is an answer as it should be.

        refusals: How many of the next requests get it; None is all.
    """

    def __init__(
        self,
        username: str | None = None,
        password: str = "",
        identity: Identity | None = None,
    ) -> None:
        self.asked: list[Asked] = []
        self.subjects: dict[str, list[int]] = {}
        self.schemas: list[str] = []
        self.refuse: int | None = None
        self.refusals: int | None = None
        self._basic = username and _basic(username, password)
        self._lock = threading.Lock()
        self._speaks = threading.Event()
        self._speaks.set()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.registry = self
        scheme = "https" if identity else "http"
        if identity:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(identity.cert, identity.key)
            # the thread of a connection shakes hands, not the one that accepts
            self._server.socket = context.wrap_socket(
                self._server.socket,
                server_side=True,
                do_handshake_on_connect=False,
            )
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Registry:
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        ).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.speak()
        self._server.shutdown()
        self._server.server_close()

    def fail(self, code: int, times: int | None = None) -> None:
        """
        Refuse the next requests with *code*; None is all.
        """
        self.refuse, self.refusals = code, times

    def recover(self) -> None:
        """
        Refuse no more.
        """
        self.refuse = self.refusals = None

    def silence(self) -> None:
        """
        Take requests and answer none.
        """
        self._speaks.clear()

    def speak(self) -> None:
        """
        Answer what came in the silence, and what comes.
        """
        self._speaks.set()

    def answer(self, asked: Asked, authorization: str | None) -> Any:
        """
        What is said to *asked*.

        Raises:
            Refusal: With which code it is refused.
        """
        self._speaks.wait()
        with self._lock:
            self.asked.append(asked)
            self._refuse()
            if self._basic and authorization != self._basic:
                raise Refusal(401)
            return self._route(asked)

    def _refuse(self) -> None:
        if self.refuse is None or self.refusals == 0:
            return
        if self.refusals is not None:
            self.refusals -= 1
        raise Refusal(self.refuse)

    def _route(self, asked: Asked) -> Any:
        match asked.method, *_words(asked.path):
            case "GET", "subjects":
                return sorted(self.subjects)
            case "POST", "subjects", subject, "versions":
                return {"id": self._register(subject, asked.body)}
            case "POST", "subjects", subject:
                return self._look_up(subject, asked.body)
            case "GET", "subjects", subject, "versions":
                return list(range(1, len(self._of(subject)) + 1))
            case "GET", "subjects", subject, "versions", version:
                return self._version(subject, version)
            case "GET", "schemas", "ids", number if number.isdecimal():
                return {"schema": self._schema(int(number))}
        raise Refusal(404)

    def _register(self, subject: str, body: Any) -> int:
        number = self._find(body)
        if number is None:
            self.schemas.append(body["schema"])
            number = len(self.schemas)
        versions = self.subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return number

    def _look_up(self, subject: str, body: Any) -> Any:
        number = self._find(body)
        versions = self._of(subject)
        if number is None or number not in versions:
            raise Refusal(40403)
        return self._version(subject, str(versions.index(number) + 1))

    def _version(self, subject: str, version: str) -> Any:
        versions = self._of(subject)
        at = len(versions) if version in ("latest", "-1") else version
        if not str(at).isdecimal() or not 1 <= int(at) <= len(versions):
            raise Refusal(40402)
        number = versions[int(at) - 1]
        return {
            "subject": subject,
            "id": number,
            "version": int(at),
            "schema": self._schema(number),
        }

    def _find(self, body: Any) -> int | None:
        """
        The id of the schema in *body*; what is the same JSON is the same.
        """
        try:
            wanted = json.loads(body["schema"])
        except (KeyError, TypeError, ValueError):
            raise Refusal(42201) from None
        for number, schema in enumerate(self.schemas, 1):
            if json.loads(schema) == wanted:
                return number
        return None

    def _of(self, subject: str) -> list[int]:
        if subject not in self.subjects:
            raise Refusal(40401)
        return self.subjects[subject]

    def _schema(self, number: int) -> str:
        if not 1 <= number <= len(self.schemas):
            raise Refusal(40403)
        return self.schemas[number - 1]


def _basic(username: str, password: str) -> str:
    pair = f"{username}:{password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def _words(path: str) -> list[str]:
    plain = urllib.parse.urlsplit(path).path.strip("/")
    return [urllib.parse.unquote(word) for word in plain.split("/")]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    registry: Registry

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that does not know our certificate, or is gone


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        # head and body of an answer are two writes
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        asked = Asked(self.command, self.path, body)
        try:
            said = self.server.registry.answer(
                asked, self.headers.get("Authorization")
            )
            self._say(200, said)
        except Refusal as refusal:
            code = refusal.code
            words = _WORDS.get(code, f"Error {code}")
            self._say(
                int(str(code)[:3]), {"error_code": code, "message": words}
            )

    def _say(self, status: int, said: Any) -> None:
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", _TYPE)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
