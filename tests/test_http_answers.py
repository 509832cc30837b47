"""
How answers of HTTP end, before everything of mllog that asks over HTTP.
"""

import gzip
import logging
import time
from typing import NamedTuple

import pytest
from servers.answering import AnsweringServer
from storing import BUCKET, PATH_STYLE, credentials  # noqa: F401

import mllog
from mllog.delivery.kafka.registry import Registry
from mllog.delivery.otlp import Endpoint, HTTPTransport, Requests, Security
from mllog.delivery.s3 import ObjectStore, PutOptions, StoreError
from mllog.exposition.pushing import push
from mllog.s3 import Access, Location

SECONDS = 10
PAGE = b"<html>Please log in</html>"
LINE = b'{"t":1,"n":20,"s":"a","b":"x","l":"INFO","p":1,"c":[],"a":{}}'


# --- who asks ----------------------------------------------------------------


def to_collector(url, seconds):
    way = HTTPTransport(
        Endpoint.of(url, "http/protobuf", is_whole=False),
        Requests({}, 9),
        headers={},
        security=Security(),
    )
    try:
        way.send([LINE], time.monotonic() + seconds)
    finally:
        way.close(0)


def to_bucket(url, seconds):
    store = ObjectStore(
        Location.of(BUCKET),
        Access(url, client_config=PATH_STYLE),
        PutOptions(),
        read_timeout=seconds,
    )
    store.open()
    try:
        store.put("key", b"{}\n", "application/x-ndjson")
    finally:
        store.close()


def to_gateway(url, seconds):
    from prometheus_client import CollectorRegistry

    push(url, "job", {}, CollectorRegistry(), seconds)


def to_registry(url, seconds):
    registry = Registry.of({"url": url}, "clicks")
    registry.schemas = {"kind": '"string"'}
    registry.look_up(time.monotonic() + seconds)


class Service(NamedTuple):
    """
    Somebody who asks, and what only who is asked answers.
    """

    ask: object
    headers: bytes = b""
    body: bytes = b""


SERVICES = {
    "otlp": Service(
        to_collector, b"Content-Type: application/x-protobuf\r\n", b"\x0a\x00"
    ),
    "s3": Service(to_bucket, b'ETag: "d41d8cd98f00b204e9800998ecf8427e"\r\n'),
    "pushgateway": Service(to_gateway),
    "registry": Service(
        to_registry,
        b"Content-Type: application/vnd.schemaregistry.v1+json\r\n",
        b'{"id": 7}',
    ),
}


@pytest.fixture(params=SERVICES)
def service(request, credentials, monkeypatch):  # noqa: F811
    """
    One of :data:`SERVICES`, without proxies.
    """
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return SERVICES[request.param]


# --- what is answered --------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\n"
OLD = b"HTTP/1.0 200 OK\r\n"
CLOSE = b"Connection: close\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


def length_of(body, beyond=0):
    return b"Content-Length: %d\r\n" % (len(body) + beyond)


def chunk_of(body):
    return b"%x\r\n%b\r\n" % (len(body), body) if body else b""


def apart(data):
    return [data[at : at + 1] for at in range(len(data))]


LEGAL = {
    "length": lambda h, b: ([OK + h + length_of(b) + END + b], "keeps"),
    "length, body later": lambda h, b: (
        [OK + h + length_of(b) + END, b],
        "keeps",
    ),
    "close, length, body later": lambda h, b: (
        [OK + h + CLOSE + length_of(b) + END, b],
        "closes",
    ),
    "close, no length": lambda h, b: ([OK + h + CLOSE + END, b], "closes"),
    "no length": lambda h, b: ([OK + h + END, b], "closes"),
    "1.0, no length": lambda h, b: ([OLD + h + END, b], "closes"),
    "1.0, length": lambda h, b: ([OLD + h + length_of(b) + END + b], "closes"),
    "1.0, kept": lambda h, b: (
        [OLD + h + b"Connection: keep-alive\r\n" + length_of(b) + END + b],
        "keeps",
    ),
    "chunked": lambda h, b: (
        [OK + h + CHUNKED + END, chunk_of(b), b"0\r\n\r\n"],
        "keeps",
    ),
    "chunks of a byte, one trailer": lambda h, b: (
        [
            OK + h + CHUNKED + END,
            *map(chunk_of, apart(b)),
            b"0;last=1\r\n",
            b"Expires: 0\r\n\r\n",
        ],
        "closes",
    ),
    "byte by byte": lambda h, b: (
        apart(OK + h + length_of(b) + END + b),
        "keeps",
    ),
    "odd case, no reason": lambda h, b: (
        [b"HTTP/1.1 200 \r\n" + h + length_of(b).upper() + END + b],
        "keeps",
    ),
    "length twice": lambda h, b: (
        [OK + h + 2 * length_of(b) + END + b],
        "keeps",
    ),
    "behind 100": lambda h, b: (
        [
            b"HTTP/1.1 100 Continue\r\n\r\n",
            OK + h + length_of(b) + END + b,
        ],
        "keeps",
    ),
    "behind 103": lambda h, b: (
        [EARLY + EARLY, OK + h + length_of(b) + END + b],
        "keeps",
    ),
}

ILLEGAL = {
    "nothing": lambda h, b: ([], "closes"),
    "reset": lambda h, b: ([], "resets"),
    "cut in its status": lambda h, b: ([OK[:10]], "closes"),
    "cut behind its status": lambda h, b: ([OK], "closes"),
    "cut in its headers": lambda h, b: ([OK + b"Content-Le"], "closes"),
    "cut in its body": lambda h, b: (
        [OK + h + length_of(b, 5) + END + b],
        "closes",
    ),
    "reset in its body": lambda h, b: (
        [OK + h + length_of(b, 5) + END + b],
        "resets",
    ),
    "cut in its chunks": lambda h, b: (
        [OK + h + CHUNKED + END + chunk_of(b)],
        "closes",
    ),
    "chunk of no size": lambda h, b: (
        [OK + h + CHUNKED + END + b"zz\r\n"],
        "closes",
    ),
    "only 103": lambda h, b: ([EARLY], "closes"),
    "another protocol": lambda h, b: ([b"SSH-2.0-OpenSSH_9\r\n"], "closes"),
    "0.9": lambda h, b: ([b or b"x"], "closes"),
    "a page to log in": lambda h, b: (
        [OK + b"Content-Type: text/html\r\n" + length_of(PAGE) + END + PAGE],
        "keeps",
    ),
    "a page of no type": lambda h, b: ([OLD + END + PAGE], "closes"),
    "a redirect": lambda h, b: (
        [
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n"
            + length_of(b"")
            + END
        ],
        "keeps",
    ),
    "busy, cut": lambda h, b: (
        [b"HTTP/1.1 503 Busy\r\n" + length_of(b, 9) + END],
        "closes",
    ),
}

#: What mllog's own requests refuse; boto3 has its own ways.
ODD_LENGTHS = {
    "two lengths": lambda h, b: (
        [OK + h + length_of(b) + length_of(b, 1) + END + b],
        "closes",
    ),
    "no number": lambda h, b: (
        [OK + h + b"Content-Length: two\r\n" + END + b],
        "closes",
    ),
    "negative": lambda h, b: (
        [OK + h + b"Content-Length: -2\r\n" + END + b],
        "closes",
    ),
    "unknown coding": lambda h, b: (
        [OK + h + b"Transfer-Encoding: gzip, chunked\r\n" + END + b],
        "closes",
    ),
}


@pytest.mark.parametrize("name", LEGAL)
def test_answer_that_ends_legally_is_read_once(service, name):
    """
    Whatever way HTTP has to end an answer: it is asked once, and has it.
    """
    pieces, ending = LEGAL[name](service.headers, service.body)
    with AnsweringServer(pieces, ending) as server:
        if name == "behind 103" and service.ask is to_bucket:
            # botocore takes 103 for the answer, which then has no receipt
            with pytest.raises(StoreError, match="without the ETag"):
                service.ask(server.url, SECONDS)
            return
        service.ask(server.url, SECONDS)

        assert 1 == len(server.requests)


@pytest.mark.parametrize("name", ILLEGAL)
def test_answer_that_is_none_is_no_receipt(service, name):
    """
    What is not whole, or somebody else's, is an error and no receipt.
    """
    pieces, ending = ILLEGAL[name](service.headers, service.body)
    if name == "cut in its body" and service.ask is to_bucket:
        pytest.skip("the ETag, which came, is S3's receipt")

    with AnsweringServer(pieces, ending) as server, pytest.raises(Exception):
        service.ask(server.url, SECONDS)


@pytest.mark.parametrize("name", ODD_LENGTHS)
@pytest.mark.parametrize("known", ["otlp", "pushgateway", "registry"])
def test_answer_of_contradicting_headers_is_no_receipt(known, name):
    """
    What mllog reads itself has one length, which is a number.
    """
    service = SERVICES[known]
    pieces, ending = ODD_LENGTHS[name](service.headers, service.body)

    with AnsweringServer(pieces, ending) as server, pytest.raises(Exception):
        service.ask(server.url, SECONDS)


@pytest.mark.parametrize(
    ("pieces", "more"),
    [
        ([OK], b"X-More: 1\r\n"),
        ([OK + length_of(b"", 10**6) + END], b"x"),
        ([OK + CHUNKED + END], b"1\r\nx\r\n"),
        ([], EARLY),
    ],
    ids=["headers", "body", "chunks", "interim answers"],
)
@pytest.mark.parametrize("known", ["otlp", "pushgateway", "registry"])
def test_answer_that_never_ends_is_given_up(known, pieces, more):
    """
    Each byte in time is not enough: the answer has to be there by then.
    """
    began = time.monotonic()
    with AnsweringServer(pieces, "goes on", more) as server:
        with pytest.raises(Exception):
            SERVICES[known].ask(server.url, 0.3)

    assert time.monotonic() - began < 5


# --- what is counted ---------------------------------------------------------


@pytest.fixture
def handlers(logger, attach, credentials):  # noqa: F811
    """
    Handlers to a URL, by the name of the service.
    """
    quick = {"linger_seconds": 0.005, "retry_max_seconds": 0.02}

    def make(name, url):
        if name == "otlp":
            return attach(mllog.OTLPHandler(url, **quick))
        return attach(
            mllog.S3Handler(
                BUCKET, endpoint_url=url, client_config=PATH_STYLE, **quick
            )
        )

    return make


@pytest.mark.parametrize("name", sorted({*LEGAL} - {"behind 103"}))
@pytest.mark.parametrize("known", ["otlp", "s3"])
def test_record_is_sent_once_however_its_answer_ends(
    handlers, logger, known, name
):
    """
    It counts as sent, and is not sent again.
    """
    service = SERVICES[known]
    with AnsweringServer(
        *LEGAL[name](service.headers, service.body)
    ) as server:
        handler = handlers(known, server.url)
        logger.info("x")
        assert handler.flush(SECONDS)
        logger.info("y")
        assert handler.flush(SECONDS)

        assert (2, 2) == (len(server.requests), handler.stats().sent)
        handler.close()


@pytest.mark.parametrize("name", ["a page to log in", "cut in its headers"])
@pytest.mark.parametrize("known", ["otlp", "s3"])
def test_record_waits_until_the_service_itself_answers(
    handlers, logger, known, name, capsys
):
    """
    What somebody else answers is told, and counts nothing as sent.
    """
    service = SERVICES[known]
    pieces, ending = ILLEGAL[name](service.headers, service.body)
    with AnsweringServer(pieces, ending) as server:
        handler = handlers(known, server.url)
        logger.info("x")
        assert not handler.flush(0.2)
        assert (0, {}) == (handler.stats().sent, handler.stats().dropped)

        server.pieces, server.ending = LEGAL["length"](
            service.headers, service.body
        )
        assert handler.flush(SECONDS)
        assert 1 == handler.stats().sent
        handler.close()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"\x0a\x02\x08\x01")),
        ("identity", b"\x0a\x02\x08\x01"),
    ],
    ids=["gzip", "identity"],
)
def test_refusal_is_read_in_whatever_coding_a_proxy_gave_it(
    handlers, logger, coding, body, capsys
):
    """
    A proxy may compress the answer, which says what was refused.
    """
    head = b"Content-Encoding: %b\r\n" % coding.encode() + length_of(body)
    with AnsweringServer([OK + head + END + body]) as server:
        handler = handlers("otlp", server.url)
        logger.info("x")
        assert handler.flush(SECONDS)

        assert {"rejected": 1} == handler.stats().dropped
        handler.close()


def test_refusal_before_the_request_was_read_is_known(
    handlers, logger, capsys
):
    """
    A collector may answer 413 and go before it had all: halves are sent.
    """
    import socket
    import threading

    listener = socket.create_server(("127.0.0.1", 0))

    def refuse():
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.recv(100)
            sock.sendall(
                b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
            )
            sock.close()  # with a reset: not all was read

    threading.Thread(target=refuse, daemon=True).start()
    port = listener.getsockname()[1]
    handler = mllog.OTLPHandler(
        f"http://127.0.0.1:{port}",
        compression="none",
        linger_seconds=0.005,
        retry_max_seconds=0.02,
        max_record_bytes="8MB",
        max_queue_bytes="64MB",
    )
    logger.addHandler(handler)
    logger.info("x" * 4_000_000)
    assert handler.flush(SECONDS)

    assert {"rejected": 1} == handler.stats().dropped
    handler.close()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
