"""
AccessMiddleware for WSGI: the protocol, gunicorn, Flask and many threads.
"""

import contextlib
import http.client
import io
import json
import logging
import re
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

from ids import as_id
import pytest
from requesting import DEADLINE, Kept, gunicorn, wait_until

import mllog
from mllog.context import bound
from mllog.errors import ConfigError
from mllog.integrations.wsgi import AccessMiddleware

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture
def kept(logger):
    handler = Kept()
    logger.addHandler(handler)
    return handler


class Server:
    """
    One request as a server makes it; what it was answered.
    """

    def __init__(self, app, take=None, close=True, **environ):
        self.environ = {"wsgi.file_wrapper": FileWrapper}
        setup_testing_defaults(self.environ)
        self.environ.update(environ)
        self.started, self.written, self.pieces = [], [], []
        self.body = body = app(self.environ, self.start_response)
        try:
            for piece in body:
                self.pieces.append(piece)
                if len(self.pieces) == take:
                    break
        finally:
            if close and hasattr(body, "close"):
                body.close()

    def start_response(self, status, headers, exc_info=None):
        if self.started and exc_info is None:
            raise AssertionError("answered twice")
        if exc_info is not None and self.pieces:
            raise exc_info[1]
        self.started.append((status, headers))
        return self.written.append

    @property
    def headers(self):
        return dict(self.started[-1][1])


def app_of(*pieces, status="200 OK", headers=(), make=list):
    def app(environ, start_response):
        start_response(status, list(headers))
        return make(pieces)

    return app


def in_pieces(pieces):
    yield from pieces


@pytest.mark.parametrize("make", [list, tuple, iter, in_pieces])
def test_wsgi_pieces_pass_and_are_counted(logger, kept, make):
    """
    Lists, iterators and generators arrive as they were, and are one record.
    """
    app = app_of(b"a", b"", b"bc", make=make)

    server = Server(
        AccessMiddleware(app, logger=logger, service="x"),
        REQUEST_METHOD="POST",
        PATH_INFO="/predict",
        SCRIPT_NAME="/v1",
        CONTENT_LENGTH="7",
        QUERY_STRING="secret=1",
        REMOTE_ADDR="10.0.0.1",
    )

    assert [b"a", b"", b"bc"] == server.pieces
    (record,) = kept.records
    assert "POST /v1/predict 200" == record.getMessage()
    assert (7, 3, "x") == (
        record.request_bytes,
        record.response_bytes,
        record.service,
    )
    assert 0 < record.first_byte_latency <= record.request_latency < DEADLINE
    assert server.headers["X-Request-ID"] == record.request_id
    assert [record.request_id] == kept.ids
    assert "secret" not in str(vars(record))
    assert "10.0.0.1" not in str(vars(record))


def test_wsgi_number_of_pieces_is_known_where_it_was(logger):
    """
    A server that takes the length of a list for Content-Length still can.
    """
    for make, is_sized in ((list, True), (in_pieces, False)):
        app = AccessMiddleware(app_of(b"abc", make=make), logger=logger)
        body = Server(app).body
        assert is_sized == hasattr(body, "__len__")

    assert 1 == len(Server(AccessMiddleware(app_of(b"a"), logger=logger)).body)


def test_wsgi_obeys_the_protocol(logger, kept):
    """
    wsgiref's validator finds nothing on either side of the middleware.
    """
    headers = [("Content-Type", "text/plain")]
    app = validator(app_of(b"a", b"b", headers=headers))

    server = Server(
        validator(AccessMiddleware(app, logger=logger)), QUERY_STRING=""
    )

    assert [b"a", b"b"] == server.pieces
    assert 1 == len(kept.records)


def test_wsgi_write_is_counted(logger, kept):
    """
    What an app writes by the old callable is passed on and counted.
    """

    def app(environ, start_response):
        write = start_response("201 Created", [])
        write(b"abc")
        return [b"d"]

    server = Server(AccessMiddleware(app, logger=logger))

    assert [b"abc"] == server.written
    assert (201, 4) == (
        kept.records[0].status_code,
        kept.records[0].response_bytes,
    )


def test_wsgi_second_answer_with_exc_info_replaces_the_first(logger, kept):
    """
    The status that the server took last is logged.
    """

    def app(environ, start_response):
        start_response("200 OK", [])
        try:
            raise ValueError("odd")
        except ValueError:
            start_response("503 Sorry", [], sys.exc_info())
        return [b"sorry"]

    server = Server(AccessMiddleware(app, logger=logger))

    assert ["200 OK", "503 Sorry"] == [each for each, _ in server.started]
    assert [503] == [record.status_code for record in kept.records]
    assert logging.ERROR == kept.records[0].levelno


def test_wsgi_second_answer_without_exc_info_is_the_servers_to_refuse(
    logger, kept
):
    """
    Its error goes through the app, and the first status stays.
    """
    refused = []

    def app(environ, start_response):
        start_response("200 OK", [])
        try:
            start_response("500 No", [])
        except AssertionError:
            refused.append(1)
        return [b""]

    Server(AccessMiddleware(app, logger=logger))

    assert [1] == refused
    assert [200] == [record.status_code for record in kept.records]


def failing_at_once(environ, start_response):
    raise ValueError("odd")


def failing_amid(environ, start_response):
    start_response("200 OK", [])
    yield b"a"
    raise ValueError("odd")


def failing_at_close(environ, start_response):
    start_response("200 OK", [])

    class Body(list):
        def close(self):
            raise ValueError("odd")

    return Body([b"a"])


@pytest.mark.parametrize(
    ("app", "status"),
    [(failing_at_once, 500), (failing_amid, 500), (failing_at_close, 200)],
)
def test_wsgi_error_goes_on_and_is_one_record(logger, kept, app, status):
    """
    Wherever the app fails, the server sees its error, and one record is made.
    """
    with pytest.raises(ValueError, match="odd"):
        Server(AccessMiddleware(app, logger=logger))

    (record,) = kept.records
    assert status == record.status_code
    if status == 500:
        assert "ValueError: odd" == record.error
    assert {} == bound()


def test_wsgi_exit_of_a_worker_is_one_record(logger, kept):
    """
    SystemExit, as gunicorn raises at its timeout, goes on and is 499.
    """

    def app(environ, start_response):
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        Server(AccessMiddleware(app, logger=logger))

    assert [499] == [record.status_code for record in kept.records]


def test_wsgi_response_closed_early_is_a_client_that_left(logger, kept):
    """
    close() before the end is 499, and closes the app's generator, once.
    """
    closed = []

    def app(environ, start_response):
        start_response("200 OK", [])
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(bound().get("request_id"))

    server = Server(AccessMiddleware(app, logger=logger), take=1)
    server.body.close()

    (record,) = kept.records
    assert (499, "the client left") == (record.status_code, record.error)
    assert [record.request_id] == closed
    assert 1 == record.response_bytes


@pytest.mark.parametrize(
    ("method", "status", "headers"),
    [
        ("HEAD", "200 OK", []),
        ("GET", "304 Not Modified", []),
        ("GET", "200 OK", [("Content-Length", "1")]),
    ],
)
def test_wsgi_server_that_needs_no_more_is_not_a_client_that_left(
    logger, kept, method, status, headers
):
    """
    Where all was taken that is to be sent, an early close() is no fault.
    """
    app = app_of(b"a", b"", status=status, headers=headers, make=in_pieces)

    Server(AccessMiddleware(app, logger=logger), take=1, REQUEST_METHOD=method)

    assert [int(status[:3])] == [r.status_code for r in kept.records]


def test_wsgi_file_stays_the_servers_kind_of_file(logger, kept):
    """
    A server can still send a file by itself; it is logged when it is closed.
    """
    file = io.BytesIO(b"abcdef")

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "6")])
        return environ["wsgi.file_wrapper"](file)

    server = Server(AccessMiddleware(app, logger=logger), take=0)

    assert type(server.body) is FileWrapper
    assert file.closed
    assert (200, 6) == (
        kept.records[0].status_code,
        kept.records[0].response_bytes,
    )


def test_wsgi_nothing_stays_bound_after_a_piece(logger, kept):
    """
    Between pieces, and after, the thread has no id of the request.
    """
    inside = []

    def app(environ, start_response):
        start_response("200 OK", [])
        for piece in (b"a", b"b"):
            inside.append(bound().get("request_id"))
            yield piece

    environ = {}
    setup_testing_defaults(environ)
    body = AccessMiddleware(app, logger=logger)(environ, lambda *_: None)
    outside = []
    for _ in body:
        outside.append(dict(bound()))
    body.close()

    assert [{}, {}] == outside
    assert [kept.records[0].request_id] * 2 == inside
    assert {} == bound()


def test_wsgi_body_that_is_none_is_the_servers_to_refuse(logger, kept):
    """
    An app that returns no iterable fails as it would without us.
    """
    app = app_of(make=lambda _: None)

    with pytest.raises(TypeError):
        Server(AccessMiddleware(app, logger=logger))

    assert [500] == [record.status_code for record in kept.records]


def test_wsgi_excluded_and_wrapped_twice(logger, kept):
    """
    An excluded path gets the server's own callable; twice is one record.
    """
    given = []

    def app(environ, start_response):
        given.append(start_response)
        return app_of(b"")(environ, start_response)

    once = AccessMiddleware(app, logger=logger, exclude="/healthz")
    server = Server(once, PATH_INFO="/healthz", SCRIPT_NAME="/v1")
    assert [server.start_response] == given
    assert [] == kept.records

    Server(AccessMiddleware(once, logger=logger), PATH_INFO="/x")
    assert 1 == len(kept.records)


def test_wsgi_ids_come_from_headers(logger, kept):
    """
    The client's id is made safe; traceparent is bound; the app's id is kept.
    """
    Server(
        AccessMiddleware(
            app_of(b"", headers=[("x-request-id", "mine")]), logger=logger
        ),
        HTTP_X_REQUEST_ID=" a\r\nb ",
        HTTP_TRACEPARENT=f"00-{TRACE}-{PARENT}-00",
    )

    (here,) = kept.bound
    assert {
        "request_id": "a__b",
        "trace_id": TRACE,
        "span_id": PARENT,
        "trace_flags": "00",
    } == here


@pytest.mark.parametrize(
    "environ",
    [
        {"PATH_INFO": "/\udc80\r\n"},
        {"PATH_INFO": None},
        {"PATH_INFO": "/€"},
        {"CONTENT_LENGTH": "many"},
        {"CONTENT_LENGTH": "9" * 5000},
        {"HTTP_X_REQUEST_ID": 3},
        {"REQUEST_METHOD": "GE\nT"},
        {"werkzeug.request": 3},
    ],
    ids=as_id,
)
def test_wsgi_hostile_environ_changes_no_answer(logger, kept, environ, capsys):
    """
    Whatever is in it, the app answers, on one line of log.
    """
    server = Server(AccessMiddleware(app_of(b"a"), logger=logger), **environ)

    assert [b"a"] == server.pieces
    (record,) = kept.records
    assert record.getMessage().isprintable()


@pytest.mark.parametrize(
    ("status", "headers"),
    [("many", []), ("", []), (None, []), ("200 OK", [("a",)]), ("200", None)],
)
def test_wsgi_odd_answer_reaches_the_server_as_it_is(
    logger, kept, status, headers, capsys
):
    """
    What start_response cannot mean is the server's to refuse.
    """

    def app(environ, start_response):
        start_response(status, headers)
        return [b"a"]

    server = Server(AccessMiddleware(app, logger=logger))

    assert status == server.started[0][0]
    assert 1 == len(kept.records)


def test_wsgi_option_that_cannot_work_raises():
    """
    A wrong option is a ConfigError that names it.
    """
    with pytest.raises(ConfigError, match=re.escape("include='all'")):
        AccessMiddleware(None, include=["all"])


# --- many threads ------------------------------------------------------------


def each_thread_keeps_its_id(wrap):
    """
    Fifty requests at one time, then fifty more on the same threads.
    """
    kept = Kept()
    logger = logging.Logger("threads")
    logger.addHandler(kept)
    together = threading.Barrier(50)

    def app(environ, start_response):
        number = environ["HTTP_X_NUMBER"]
        logger.info("before %s", number)
        together.wait(DEADLINE)
        start_response("200 OK", [])
        yield b"a"
        together.wait(DEADLINE)
        logger.info("after %s", number)

    middleware = wrap(app, logger)

    def ask(number):
        before = bound().get("request_id")
        server = Server(
            middleware,
            HTTP_X_NUMBER=str(number),
            HTTP_X_REQUEST_ID=f"r-{number}",
        )
        return number, before, server.headers["X-Request-ID"]

    with ThreadPoolExecutor(50) as pool:
        answers = [*pool.map(ask, range(50)), *pool.map(ask, range(50, 100))]

    assert [(n, None, f"r-{n}") for n in range(100)] == answers
    said = [
        (request_id, record.args[0])
        for record, request_id in zip(kept.records, kept.ids)
        if not hasattr(record, "status_code")
    ]
    assert 200 == len(said)
    assert [] == [pair for pair in said if pair[0] != f"r-{pair[1]}"]
    ended = [r.request_id for r in kept.records if hasattr(r, "status_code")]
    assert sorted(f"r-{n}" for n in range(100)) == sorted(ended)


def test_wsgi_fifty_threads_never_share_an_id():
    """
    Answers and records have their own id, and no thread keeps one.
    """
    each_thread_keeps_its_id(
        lambda app, logger: AccessMiddleware(app, logger=logger)
    )


class Leaking:
    """
    A middleware that binds for the call, and forgets to end it.
    """

    def __init__(self, app, logger):
        self.app, self.logger = app, logger

    def __call__(self, environ, start_response):
        request_id = environ["HTTP_X_REQUEST_ID"]
        mllog.bind(request_id=request_id).__enter__()

        def answer(status, headers):
            return start_response(status, [("X-Request-ID", request_id)])

        yield from self.app(environ, answer)
        extra = {"status_code": 200, "request_id": request_id}
        self.logger.info("", extra=extra)


def test_id_that_leaks_to_the_next_request_is_found():
    """
    The control: a thread that keeps the id of the request before.
    """
    with pytest.raises(AssertionError):
        each_thread_keeps_its_id(Leaking)


# --- with gunicorn and Flask --------------------------------------------------

SERVICE = """
import logging, logging.config, threading
import flask, mllog
from mllog.integrations.wsgi import AccessMiddleware

logging.config.dictConfig({
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"file": {
        "class": "mllog.TimestampedRotatingFileHandler",
        "filename": "log.jsonl",
        "formatter_options": {"class": "mllog.JSONFormatter"},
    }},
    "root": {"level": "INFO", "handlers": ["file"]},
})
logger = logging.getLogger("service")
served = flask.Flask("served")

@served.get("/items/<int:number>")
def item(number):
    logger.info("in the route", extra={"number": number})
    if number == 7:
        raise ValueError("broken")
    return {"number": number}

@served.get("/endless")
def endless():
    def pieces():
        while True:
            yield b"x" * 10000
    return flask.Response(pieces())

@served.get("/file")
def file():
    return flask.send_file("served.py")

app = AccessMiddleware(served, exclude="/healthz")
"""


def lines_of(folder):
    """
    The records that the service wrote so far.
    """
    with contextlib.suppress(FileNotFoundError):
        text = (folder / "log.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]
    return []


def ended_in(folder, count):
    """
    The access records, as soon as there are *count*.
    """

    def found():
        return [line for line in lines_of(folder) if "status_code" in line]

    wait_until(lambda: len(found()) >= count, f"{count} records")
    return found()


def ask(port, path, method="GET", **headers):
    """
    Status, headers and body of one request.
    """
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    with contextlib.closing(client):
        client.request(method, path, headers=headers)
        answer = client.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


@pytest.fixture
def packages(missing):
    for name in ("flask", "gunicorn"):
        try:
            __import__(name)
        except ImportError:
            missing("WSGI servers", f"{name} does not work here")


def test_gunicorn_requests_have_records_ids_and_routes(packages, tmp_path):
    """
    Flask behind gunicorn: answers, refusals, errors, files, a client gone.
    """
    with gunicorn(tmp_path, SERVICE, "--threads", "4") as port:
        status, headers, _ = ask(port, "/items/5", **{"X-Request-ID": "r-1"})
        assert (200, "r-1") == (status, headers["X-Request-ID"])
        ask(port, "/nowhere")
        ask(port, "/items/7")
        ask(port, "/items/5", "HEAD")
        body = ask(port, "/file")[2]
        assert SERVICE.encode() == body
        assert 404 == ask(port, "/healthz")[0]
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        found = ended_in(tmp_path, 6)

    assert 6 == len(found)
    said = {line["message"]: line for line in found}
    first = said["GET /items/5 200"]
    assert ("r-1", "/items/<int:number>") == (
        first["request_id"],
        first["route"],
    )
    route = next(line for line in lines_of(tmp_path) if "number" in line)
    assert ("in the route", "r-1") == (route["message"], route["request_id"])
    assert "WARNING" == said["GET /nowhere 404"]["level"]
    assert "ERROR" == said["GET /items/7 500"]["level"]
    assert 0 == said["HEAD /items/5 200"]["response_bytes"]
    assert len(body) == said["GET /file 200"]["response_bytes"]
    assert "the client left" == said["GET /endless 499"]["error"]


def test_gunicorn_fifty_clients_never_share_an_id(packages, tmp_path):
    """
    Two workers of ten threads: each request has the id that it came with.
    """
    options = ("--workers", "2", "--threads", "10")
    with gunicorn(tmp_path, SERVICE, *options) as port:

        def asked(number):
            name = f"r-{number}"
            path = f"/items/{number}"
            found = ask(port, path, **{"X-Request-ID": name})
            return number, found[1]["X-Request-ID"]

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(asked, range(100, 300)))
        found = ended_in(tmp_path, 200)

    assert [(n, f"r-{n}") for n in range(100, 300)] == answers
    assert sorted(f"r-{n}" for n in range(100, 300)) == sorted(
        line["request_id"] for line in found
    )
    routes = [line for line in lines_of(tmp_path) if "number" in line]
    assert 200 == len(routes)
    for line in routes:
        assert f"r-{line['number']}" == line["request_id"]
