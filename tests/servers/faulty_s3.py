"""
An S3 server that keeps what it is sent, and misbehaves as it is told.

    with FaultyS3() as server:
        server.script("slow_down", "reset_after")   # the next two requests
        server.choose = Mixture({"internal_error": 1}, share=0.2)
        ...
        assert server.counts("stored") == ...

It knows PutObject alone: conditional puts, digests, checksums in headers and
trailers, chunked bodies, the errors of S3 as XML.  It checks no signature.
"""

import base64
import collections
import contextlib
import dataclasses
import hashlib
import http.server
import random
import threading
import time
import urllib.parse
import xml.sax.saxutils
import zlib
from typing import NamedTuple

from servers.faulty import reset


class Fault(NamedTuple):
    """
    What a request meets instead of its object being stored and told so.

    Args:
        status: Of the answer; 0 for none.

        code: Of S3's error.

        how: ``answers``, ``is silent``, ``resets`` or ``cuts``.

        stores: Whether the object is stored all the same.

        waits: Whether the answer has a Retry-After.

        body: In place of the XML.
    """

    status: int = 0
    code: str = ""
    how: str = "answers"
    stores: bool = False
    waits: bool = False
    body: bytes = b""


_GATEWAY = b"<html><body><h1>502 Bad Gateway</h1></body></html>"

FAULTS = {
    "slow_down": Fault(503, "SlowDown"),
    "slow_down_later": Fault(503, "SlowDown", waits=True),
    "internal_error": Fault(500, "InternalError"),
    "internal_error_after": Fault(500, "InternalError", stores=True),
    "bad_gateway": Fault(502, body=_GATEWAY),
    "conflict": Fault(409, "ConditionalRequestConflict"),
    "skewed": Fault(403, "RequestTimeTooSkewed"),
    "denied": Fault(403, "AccessDenied"),
    "unknown_access_key": Fault(403, "InvalidAccessKeyId"),
    "wrong_signature": Fault(403, "SignatureDoesNotMatch"),
    "expired_token": Fault(400, "ExpiredToken"),
    "no_bucket": Fault(404, "NoSuchBucket"),
    "redirect": Fault(301, "PermanentRedirect"),
    "bad_request": Fault(400, "InvalidRequest"),
    "too_large": Fault(413, "EntityTooLarge"),
    "not_implemented": Fault(501, "NotImplemented"),
    "silence": Fault(how="is silent"),
    "silence_after": Fault(how="is silent", stores=True),
    "reset": Fault(how="resets"),
    "reset_after": Fault(how="resets", stores=True),
    "cut": Fault(200, how="cuts", stores=True, body=b"HTTP/1.1 2"),
    "cut_body": Fault(
        200,
        how="cuts",
        stores=True,
        body=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<Pu",
    ),
    # what it read of the request it forgets; the reply is no HTTP
    "garbage": Fault(200, how="cuts", body=b"\x16\x03\x01\x02\x00"),
}

#: Those after which the object is there, though nobody was told.
AMBIGUOUS = frozenset(name for name in FAULTS if FAULTS[name].stores)


class Mixture:
    """
    Faults by chance, the same ones for the same seed.

    Args:
        weights: How often each, relative to the others.

        share: Of the requests that have one.

        seed: Of the generator.
    """

    def __init__(self, weights, share=0.2, seed=1):
        self._names, self._weights = list(weights), list(weights.values())
        self._share, self._chance = share, random.Random(seed)

    def __call__(self, attempt):
        """
        The fault of one request; "" for none.
        """
        drawn = self._chance.random()
        name = self._chance.choices(self._names, self._weights)[0]
        return name if drawn < self._share else ""


@dataclasses.dataclass
class Attempt:
    """
    One request.

    Args:
        number: Counted from 0.

        time: When its headers had come, by ``time.monotonic()``.

        bucket, key: Where it went.

        digest: Sha256 of the object, "" where no body was read.

        outcome: ``stored``, ``overwritten`` (stored, and there was one),
            ``exists`` (412), the code of an error that the request itself
            caused, or ``""`` while it is not known.

        fault: What it met; "" for nothing.

        is_early: Whether it came before the end of the Retry-After of an
            attempt with the same key or the same body.

        headers: Of the request, names in lower case.
    """

    number: int
    time: float
    bucket: str
    key: str
    fault: str
    headers: dict
    digest: str = ""
    outcome: str = ""
    is_early: bool = False


class Refused(Exception):
    """
    The request is wrong: a status and a code of S3.
    """


class FaultyS3:
    """
    The server, in threads.

    Each attribute may be set at any time, from any thread.

    Args:
        port: 0 for any.

        buckets: Those that there are; None for all.

        tls: A server's SSLContext.

    Attributes:
        choose: From an :class:`Attempt` to the name of a fault, "" for none;
            asked where the script is at its end.

        retry_after: Seconds that a Retry-After asks for.

        is_black_hole: It accepts connections, and reads nothing any more.

        delay_seconds: How long each answer takes.

        has_conditions: Whether it knows If-None-Match; otherwise it answers
            501 to it.

        objects: The stored ones: from (bucket, key) to bytes.

        attempts: All requests, in order.

        connections: How many there were.
    """

    def __init__(self, *, port=0, buckets=None, tls=None):
        self.buckets, self._tls = buckets, tls
        self.choose = lambda attempt: ""
        self.retry_after = 1
        self.is_black_hole = False
        self.delay_seconds = 0.0
        self.has_conditions = True
        self.objects = {}
        self.attempts = []
        self.connections = 0
        self.open_sockets = set()
        self.lock = threading.Lock()
        self._script = collections.deque()
        self._not_before = {}
        self._port = port
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    # --- its life ---

    @property
    def port(self):
        """
        Where it listens, or did before it was stopped.
        """
        return self._port

    @property
    def url(self):
        """
        What clients take for ``endpoint_url``.
        """
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    def start(self):
        """
        Listen, at the same port as before.
        """
        self.ended = threading.Event()
        self._server = _Server(("127.0.0.1", self._port), _Connection, self)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def stop(self):
        """
        End: connections are reset, and nobody listens.
        """
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
        with self.lock:
            for sock in self.open_sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(2)

    def wrapped(self, sock):
        """
        A connection, with TLS if it has that.
        """
        if self._tls is None:
            return sock
        return self._tls.wrap_socket(sock, server_side=True)

    # --- what it was told to do, and did ---

    def script(self, *names):
        """
        The faults of the next requests; "" for none.
        """
        with self.lock:
            self._script.extend(names)

    def always(self, name):
        """
        Each request meets this fault; "" for none.
        """
        self.choose = lambda attempt: name

    def counts(self, outcome):
        """
        How many attempts ended so.
        """
        return sum(each.outcome == outcome for each in self.attempts)

    def faulted(self):
        """
        How many attempts met a fault.
        """
        return sum(bool(each.fault) for each in list(self.attempts))

    def early(self):
        """
        The attempts that came before a Retry-After was over.
        """
        return [each for each in list(self.attempts) if each.is_early]

    def wait_for(self, condition, seconds=10):
        """
        Wait until *condition* of this server is true; gives whether it is.
        """
        end = time.monotonic() + seconds
        while not condition(self):
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    # --- what a connection asks for ---

    def begun(self, bucket, key, headers):
        """
        Note a request, and give its attempt.
        """
        now = time.monotonic()
        with self.lock:
            attempt = Attempt(
                len(self.attempts), now, bucket, key, "", headers
            )
            attempt.is_early = now < self._not_before.get(key, now)
            attempt.fault = (
                self._script.popleft()
                if self._script
                else self.choose(attempt)
            )
            self.attempts.append(attempt)
        return attempt

    def has_read(self, attempt, body):
        """
        Note what the request brought.
        """
        attempt.digest = hashlib.sha256(body).hexdigest()
        with self.lock:
            if attempt.time < self._not_before.get(attempt.digest, 0.0):
                attempt.is_early = True

    def keep(self, attempt, body):
        """
        Store *body*, or give why not.

        Raises:
            Refused: What the request asks for cannot be.
        """
        headers, place = attempt.headers, (attempt.bucket, attempt.key)
        if self.buckets is not None and attempt.bucket not in self.buckets:
            raise Refused(404, "NoSuchBucket")
        condition = headers.get("if-none-match")
        if condition is not None and not self.has_conditions:
            raise Refused(501, "NotImplemented")
        if condition not in (None, "*"):
            raise Refused(501, "NotImplemented")
        with self.lock:
            is_there = place in self.objects
            if is_there and condition:
                raise Refused(412, "PreconditionFailed")
            self.objects[place] = body
        attempt.outcome = "overwritten" if is_there else "stored"

    def ask_to_wait(self, attempt):
        """
        Nobody shall try this again before Retry-After is over.
        """
        until = time.monotonic() + self.retry_after
        with self.lock:
            self._not_before[attempt.key] = until
            self._not_before[attempt.digest] = until


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, handler, faulty):
        self.faulty = faulty
        super().__init__(address, handler)

    def server_bind(self):
        # without the name of this host, whose look-up may take its time
        http.server.socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def process_request_thread(self, request, client_address):
        faulty = self.faulty
        with faulty.lock:
            faulty.connections += 1
            faulty.open_sockets.add(request)
        try:
            if not faulty.is_black_hole:
                wrapped = faulty.wrapped(request)
                self.finish_request(wrapped, client_address)
                if wrapped is not request:
                    wrapped.close()
            else:
                _swallow(request, faulty)
        except OSError:
            pass  # the client has gone
        finally:
            with faulty.lock:
                faulty.open_sockets.discard(request)
            self.shutdown_request(request)


def _swallow(sock, faulty):
    """
    Read nothing and say nothing, until it is over.
    """
    while faulty.is_black_hole and not faulty.ended.wait(0.01):
        pass


class _Connection(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def log_message(self, *args):
        pass

    def handle_expect_100(self):
        return True  # said where the body is read

    def do_HEAD(self):
        self._reply(200, b"", {"x-amz-bucket-region": "eu-north-1"})

    def do_PUT(self):
        faulty = self.server.faulty
        if faulty.is_black_hole:
            _swallow(self.connection, faulty)
            self.close_connection = True
            return
        path = urllib.parse.urlsplit(self.path).path
        bucket, _, key = urllib.parse.unquote(path[1:]).partition("/")
        headers = {name.lower(): self.headers[name] for name in self.headers}
        attempt = faulty.begun(bucket, key, headers)
        fault = FAULTS[attempt.fault] if attempt.fault else None
        try:
            body = self._body(headers)
            faulty.has_read(attempt, body)
            if faulty.delay_seconds:
                faulty.ended.wait(faulty.delay_seconds)
            if fault is None or fault.stores:
                faulty.keep(attempt, body)
        except Refused as exc:
            status, code = exc.args
            attempt.outcome = "exists" if status == 412 else code
            if fault is None:
                self._error(status, code, attempt)
                return
        if fault is None:
            self._reply(200, b"", {"ETag": f'"{attempt.digest[:32]}"'})
        else:
            self._misbehave(fault, attempt)

    # --- the body ---

    def _body(self, headers):
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in headers.get("transfer-encoding", ""):
            data = self._transferred()
        elif "content-length" in headers:
            length = int(headers["content-length"])
            data = self.rfile.read(length)
            if len(data) < length:
                raise ConnectionResetError("the client has gone")
        else:
            raise Refused(411, "MissingContentLength")
        checks = dict(headers)
        if "aws-chunked" in headers.get("content-encoding", ""):
            data, trailers = unchunked(data)
            declared = headers.get("x-amz-decoded-content-length")
            if declared is None or int(declared) != len(data):
                raise Refused(400, "IncompleteBody")
            _check_trailers(headers, trailers)
            checks.update(trailers)
        check(data, checks)
        return data

    def _transferred(self):
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        return data

    # --- the answer ---

    def _misbehave(self, fault, attempt):
        faulty = self.server.faulty
        if fault.how == "is silent":
            self._stay_silent()
        elif fault.how == "resets":
            reset(self.connection)
        elif fault.how == "cuts":
            self.wfile.write(fault.body)
        else:
            more = {}
            if fault.waits:
                more["Retry-After"] = str(faulty.retry_after)
                faulty.ask_to_wait(attempt)
            if fault.code == "PermanentRedirect":
                more["x-amz-bucket-region"] = "eu-north-1"
            self._error(fault.status, fault.code, attempt, more, fault.body)
            return
        self.close_connection = True

    def _stay_silent(self):
        """
        Until the client has gone.
        """
        ended = self.server.faulty.ended
        self.connection.settimeout(0.02)
        while not ended.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue

    def _error(self, status, code, attempt, headers=None, body=b""):
        key = xml.sax.saxutils.escape(attempt.key)
        body = body or (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{code} it is.</Message>"
            f"<Resource>/{attempt.bucket}/{key}</Resource>"
            f"<RequestId>{attempt.number:016X}</RequestId></Error>"
        ).encode("utf-8", "replace")
        self._reply(status, body, headers or {})

    def _reply(self, status, body, headers):
        lines = [
            f"HTTP/1.1 {status} {self.responses[status][0]}",
            "Server: FaultyS3",
            f"Date: {self.date_time_string()}",
            f"Content-Length: {len(body)}",
            "Content-Type: application/xml",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self.wfile.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def unchunked(data):
    """
    What ``aws-chunked`` holds: the bytes, and the trailers behind them.
    """
    found, at = [], 0
    while True:
        end = data.index(b"\r\n", at)
        size = int(data[at:end].split(b";")[0], 16)
        at = end + 2
        if not size:
            break
        found.append(data[at : at + size])
        at += size + 2
    trailers = {}
    for line in data[at:].split(b"\r\n"):
        name, separator, value = line.decode().partition(":")
        if separator:
            trailers[name.strip().lower()] = value.strip()
    return b"".join(found), trailers


def _check_trailers(headers, trailers):
    announced = headers.get("x-amz-trailer", "").lower()
    if announced and announced not in trailers:
        raise Refused(400, "MalformedTrailerError")


def _sha256(data):
    return hashlib.sha256(data).digest()


_DIGESTS = {
    "content-md5": lambda data: hashlib.md5(data).digest(),
    "x-amz-checksum-crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "x-amz-checksum-sha1": lambda data: hashlib.sha1(data).digest(),
    "x-amz-checksum-sha256": _sha256,
}


def check(data, headers):
    """
    Compare *data* with each digest that *headers* have.

    Raises:
        Refused: One of them differs.
    """
    for name, digest in _DIGESTS.items():
        given = headers.get(name)
        if given is not None:
            expected = base64.b64encode(digest(data)).decode()
            if given != expected:
                raise Refused(400, "BadDigest")
    signed = headers.get("x-amz-content-sha256", "")
    if len(signed) == 64 and signed != _sha256(data).hex():
        # of the encoded body, where that is chunked: nobody signs such here
        raise Refused(400, "XAmzContentSHA256Mismatch")
