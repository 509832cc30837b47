"""
AccessMiddleware: one record a request, ids in and out, context meanwhile.
"""

import asyncio
import importlib.util
import json
import logging
import re
import time

from ids import as_id
import pytest
from hypothesis import given
from hypothesis import strategies as st
from requesting import (
    DEADLINE,
    Kept,
    exchange,
    requests_of,
    responses_of,
    scope_of,
    serving,
)

import mllog
from mllog.errors import ConfigError
from mllog.integrations.asgi import AccessMiddleware

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture
def kept(logger):
    handler = Kept()
    logger.addHandler(handler)
    return handler


def logs_to(logger, **options):
    return lambda app: AccessMiddleware(app, logger=logger, **options)


CHUNKS = st.lists(st.binary(max_size=20), min_size=1, max_size=6)


@given(CHUNKS, CHUNKS)
def test_access_any_chunks_pass_unchanged_and_are_counted(question, answer):
    """
    Each message arrives as it was; the record has the bytes of both bodies.
    """
    kept = Kept()
    logger = logging.Logger("chunks")
    logger.addHandler(kept)
    incoming, outgoing = requests_of(*question), responses_of(*answer)

    received, sent = exchange(logs_to(logger), scope_of(), incoming, outgoing)

    (record,) = kept.records
    assert incoming == received
    assert outgoing[1:] == sent[1:]
    assert len(b"".join(question)) == record.request_bytes
    assert len(b"".join(answer)) == record.response_bytes
    is_stream = len([each for each in answer if each]) > 1
    assert is_stream == hasattr(record, "first_byte_latency")


def test_access_record_says_what_was_asked_and_answered(logger, kept):
    """
    Message, fields and level of a request that succeeded.
    """
    exchange(
        logs_to(logger, service="resnet"),
        scope_of(query_string=b"token=secret", client=("10.0.0.1", 5)),
        requests_of(b"1"),
        responses_of(b"22"),
    )

    (record,) = kept.records
    assert "POST /predict 200" == record.getMessage()
    assert logging.INFO == record.levelno
    assert 0 < record.request_latency < DEADLINE
    assert (1, 2) == (record.request_bytes, record.response_bytes)
    assert ("POST", "/predict", 200, "resnet") == (
        record.method,
        record.path,
        record.status_code,
        record.service,
    )
    assert "secret" not in str(vars(record))
    assert "10.0.0.1" not in str(vars(record))


def test_access_include_and_bind_add_fields(logger, kept):
    """
    What may be personal is logged if asked for, and bound if asked for.
    """
    exchange(
        logs_to(
            logger,
            include=["client_address", "query", "user_agent"],
            bind="method, client_address",
        ),
        scope_of(
            query_string=b"a=1",
            client=("10.0.0.1", 5),
            headers=[(b"user-agent", b"curl\x1b[31m")],
        ),
        requests_of(b""),
        responses_of(b""),
    )

    (record,) = kept.records
    assert ("10.0.0.1", "a=1", "curl%1B[31m") == (
        record.client_address,
        record.query,
        record.user_agent,
    )
    assert "POST" == kept.bound[0]["method"]
    assert "10.0.0.1" == kept.bound[0]["client_address"]


@pytest.mark.parametrize(
    ("status", "options", "level"),
    [
        (200, {}, logging.INFO),
        (304, {}, logging.INFO),
        (404, {}, logging.WARNING),
        (404, {"client_error_level": "INFO"}, logging.INFO),
        (404, {"level": "ERROR"}, logging.ERROR),
        (200, {"level": "DEBUG"}, logging.DEBUG),
        (503, {"level": "DEBUG"}, logging.ERROR),
    ],
)
def test_access_level_follows_the_status(logger, kept, status, options, level):
    """
    5xx is ERROR, 4xx WARNING or what is asked for, the rest *level*.
    """
    exchange(
        logs_to(logger, **options),
        scope_of(),
        requests_of(b""),
        responses_of(b"", status=status),
    )

    assert [level] == [record.levelno for record in kept.records]


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("GET", 304), ("GET", 204)]
)
def test_access_answer_without_body_has_no_bytes(logger, kept, method, status):
    """
    What an app sends for HEAD, 204 and 304 never reaches the client.
    """
    exchange(
        logs_to(logger),
        scope_of(method=method),
        requests_of(b""),
        responses_of(b"page", status=status),
    )

    assert 0 == kept.records[0].response_bytes


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"00-{TRACE}-{PARENT}-01", (TRACE, PARENT)),
        (f" 00-{TRACE}-{PARENT}-01 ", (TRACE, PARENT)),
        (f"cc-{TRACE}-{PARENT}-01-more", (TRACE, PARENT)),
        (f"00-{TRACE}-{PARENT}-01-more", (None, None)),
        (f"ff-{TRACE}-{PARENT}-01", (None, None)),
        (f"00-{'0' * 32}-{PARENT}-01", (None, None)),
        (f"00-{TRACE}-{'0' * 16}-01", (None, None)),
        (f"00-{TRACE.upper()}-{PARENT}-01", (None, None)),
        (f"00-{TRACE}-{PARENT}\n-01", (None, None)),
        ("", (None, None)),
    ],
)
def test_access_traceparent_is_bound_if_it_is_valid(
    logger, kept, header, expected
):
    """
    W3C's header gives trace_id and span_id; one that is not valid, nothing.
    """
    exchange(
        logs_to(logger),
        scope_of(headers=[(b"Traceparent", header.encode())]),
        requests_of(b""),
        responses_of(b""),
    )

    here = kept.bound[0]
    assert expected == (here.get("trace_id"), here.get("span_id"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"abc-1.2_X", "abc-1.2_X"),
        (b" a b\r\nc\xff ", "a_b__c_"),
        (b"x" * 500, "x" * 128),
        (b"", None),
    ],
)
def test_access_request_id_is_reduced_bound_and_sent_back(
    logger, kept, given, expected
):
    """
    The client's id is made safe and short; without one there is a new one.
    """
    _, sent = exchange(
        logs_to(logger),
        scope_of(headers=[(b"X-Request-ID", given)]),
        requests_of(b""),
        responses_of(b""),
    )

    found = kept.records[0].request_id
    assert found == (expected or found)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", found)
    assert [found] == kept.ids
    assert [(b"x-request-id", found.encode())] == sent[0]["headers"]


def test_access_request_id_options(logger, kept):
    """
    Another header, none at all, and the header that the app sets itself.
    """
    theirs = [(b"x-trace", b"t-1"), (b"x-request-id", b"r-1")]
    own = [(b"X-Trace", b"mine")]
    for options, headers, expected in (
        ({"request_id_header": "X-Trace"}, (), [(b"x-trace", b"t-1")]),
        ({"request_id_header": "X-Trace"}, own, own),
        ({"request_id_header": None}, (), []),
    ):
        _, sent = exchange(
            logs_to(logger, **options),
            scope_of(headers=theirs),
            requests_of(b""),
            responses_of(b"", headers=headers),
        )
        assert expected == sent[0]["headers"]

    assert ["t-1", "t-1"] == [r.request_id for r in kept.records[:2]]
    assert kept.records[2].request_id not in ("t-1", "r-1")


def test_access_path_cannot_forge_a_line(logger, kept):
    """
    What cannot be printed in a path is written as % and hex, and cut.
    """
    path = "/a b\r\n\x1b[31m\u202eé\ud800" + "x" * 5000

    exchange(
        logs_to(logger),
        scope_of(path=path),
        requests_of(b""),
        responses_of(b""),
    )

    (record,) = kept.records
    start = "/a%20b%0D%0A%1B[31m%E2%80%AEé%ED%A0%80xx"
    assert record.path.startswith(start)
    assert record.getMessage().startswith(f"POST {start}")
    assert len(record.path) < 2100


def test_access_excluded_paths_are_untouched(logger, kept):
    """
    What is not logged reaches the app with the server's receive and send.
    """
    seen = []

    async def app(*arguments):
        seen.append(arguments)

    async def receive():
        raise AssertionError

    async def send(message):
        raise AssertionError

    scopes = [
        scope_of(path="/healthz"),
        scope_of(path="/v1/healthz", root_path="/v1"),
        scope_of(path="/static/a.css"),
        {"type": "websocket", "path": "/healthz"},
    ]
    middleware = AccessMiddleware(
        app,
        logger=logger,
        exclude=["/healthz", re.compile("/static/.*")],
    )
    for scope in scopes:
        asyncio.run(middleware(scope, receive, send))

    assert [(scope, receive, send) for scope in scopes] == seen
    assert [] == kept.records


def test_access_wrapped_twice_is_one_record(logger, kept):
    """
    Around an app that has the middleware already it changes nothing.
    """
    _, sent = exchange(
        lambda app: logs_to(logger)(logs_to(logger)(app)),
        scope_of(),
        requests_of(b""),
        responses_of(b""),
    )

    assert 1 == len(kept.records)
    assert 1 == len(sent[0]["headers"])


def test_access_logger_by_name_or_none(kept):
    """
    Without a logger the records are those of mllog.access.
    """
    for options, name in (({}, "mllog.access"), ({"logger": "a.b"}, "a.b")):
        logger = logging.getLogger(name)
        logger.addHandler(kept)
        logger.setLevel(logging.INFO)
        exchange(
            lambda app, given=options: AccessMiddleware(app, **given),
            scope_of(),
            requests_of(b""),
            responses_of(b""),
        )

    assert ["mllog.access", "a.b"] == [r.name for r in kept.records]


def test_access_logger_that_is_off_still_binds_and_answers(logger, kept):
    """
    Ids do not depend on whether the access log is wanted.
    """
    logger.setLevel(logging.CRITICAL)

    _, sent = exchange(
        logs_to(logger), scope_of(), requests_of(b""), responses_of(b"")
    )

    assert [] == kept.records
    assert b"x-request-id" == sent[0]["headers"][0][0]


def test_access_error_of_the_app_goes_on_and_is_logged(logger, kept):
    """
    An unhandled exception is 500 with its text, once, and propagates.
    """
    error = ValueError("odd")

    for outgoing in ([error], [*responses_of(b"", status=503), error]):
        with pytest.raises(ValueError) as raised:
            exchange(logs_to(logger), scope_of(), requests_of(b""), outgoing)
        assert raised.value is error

    assert [500, 503] == [r.status_code for r in kept.records]
    assert ["ValueError: odd"] * 2 == [r.error for r in kept.records]
    assert [None, None] == [r.exc_info for r in kept.records]


def test_access_app_without_answer_is_an_error(logger, kept):
    """
    An app that returns and sent nothing is 500.
    """
    exchange(logs_to(logger), scope_of(), requests_of(b""), [])

    (record,) = kept.records
    assert (500, "the app sent no response") == (
        record.status_code,
        record.error,
    )


def test_access_file_sent_by_the_server_has_its_length(logger, kept):
    """
    A response by pathsend has the bytes that its header says.
    """
    start, _ = responses_of(b"", headers=[(b"Content-Length", b"12")])
    path = {"type": "http.response.pathsend", "path": "/x"}

    _, sent = exchange(logs_to(logger), scope_of(), [], [start, path])

    assert path == sent[1]
    assert 12 == kept.records[0].response_bytes


class Hostile:
    def __getattr__(self, name):
        raise RuntimeError(name)

    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "scope",
    [
        {"headers": [(b"x-request-id",)]},
        {"headers": [(1, 2)]},
        {"headers": 3},
        {"client": Hostile()},
        {"query_string": "text"},
        {"route": Hostile()},
        {"headers": [(b"content-length", b"9" * 5000)]},
        {"method": None},
    ],
    ids=as_id,
)
def test_access_hostile_scope_changes_no_answer(logger, kept, scope, capsys):
    """
    Whatever a server hands over, the app answers, and one record says so.
    """
    outgoing = responses_of(b"1")

    _, sent = exchange(
        logs_to(logger), scope_of() | scope, requests_of(b""), outgoing
    )

    assert outgoing[1:] == sent[1:]
    assert [200] == [record.status_code for record in kept.records]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": "http.response.start"},
        {"type": "http.response.start", "status": "many"},
        {"type": "http.response.body", "body": 3},
    ],
    ids=as_id,
)
def test_access_odd_message_is_the_servers_to_refuse(
    logger, kept, message, capsys
):
    """
    A message that cannot be read is passed on as it is.
    """
    _, sent = exchange(
        logs_to(logger), scope_of(), requests_of(b""), [message]
    )

    assert [message] == sent
    assert 1 == len(kept.records)


def test_access_logger_that_fails_changes_no_answer(logger, capsys):
    """
    A filter and a handler that raise are said once, and the app answers.
    """

    def broken(record):
        raise RuntimeError("no log today")

    logger.addFilter(broken)
    outgoing = responses_of(b"1")
    middleware = logs_to(logger)(None)

    def around(app):
        middleware._app = app
        return middleware

    for _ in range(3):
        _, sent = exchange(around, scope_of(), requests_of(b""), outgoing)
        assert outgoing[1:] == sent[1:]

    said = capsys.readouterr().err
    assert 1 == said.count("RuntimeError: no log today")
    assert "AccessMiddleware failed" in said


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"logger": 3}, "logger=3"),
        ({"exclude": ["healthz"]}, "exclude='healthz'"),
        ({"request_id_header": "a b"}, "request_id_header='a b'"),
        ({"level": "LOUD"}, "level='LOUD'"),
        ({"client_error_level": "LOUD"}, "client_error_level='LOUD'"),
        ({"include": ["clients"]}, "include='clients'"),
        ({"bind": ["route"]}, "bind='route'"),
    ],
)
def test_access_option_that_cannot_work_raises(options, told):
    """
    A wrong option is a ConfigError that names it.
    """
    with pytest.raises(ConfigError, match=re.escape(told)) as raised:
        AccessMiddleware(None, **options)

    assert "AccessMiddleware" in str(raised.value)


# --- websockets: the protocol itself ---------------------------------------


def connected(logger, outgoing, incoming=(), **options):
    """
    Run one websocket; what the server was sent.
    """
    _, sent = exchange(
        logs_to(logger, **options),
        {"type": "websocket", "path": "/live", "headers": []},
        [{"type": "websocket.connect"}, *incoming],
        outgoing,
    )
    return sent


def test_access_websocket_is_one_record_when_it_ends(logger, kept):
    """
    101, the closing code, bytes of both ways and how long it was open.
    """
    sent = connected(
        logger,
        [
            {"type": "websocket.accept"},
            {"type": "websocket.send", "text": "é"},
            {"type": "websocket.close", "code": 1001},
        ],
        [{"type": "websocket.receive", "bytes": b"abc", "text": None}],
    )

    (record,) = kept.records
    assert "WEBSOCKET /live 101" == record.getMessage()
    assert (3, 2) == (record.request_bytes, record.response_bytes)
    assert 1001 == record.close_code
    assert 0 < record.connection_seconds < DEADLINE
    assert not hasattr(record, "request_latency")
    ours = (b"x-request-id", record.request_id.encode())
    assert [ours] == sent[0]["headers"]


@pytest.mark.parametrize(
    ("outgoing", "incoming", "status", "level"),
    [
        ([{"type": "websocket.close"}], [], 403, "WARNING"),
        (
            [{"type": "websocket.http.response.start", "status": 401}],
            [],
            401,
            "WARNING",
        ),
        ([], [{"type": "websocket.disconnect"}], 499, "WARNING"),
        ([], [], 500, "ERROR"),
        ([{"type": "websocket.accept"}, ValueError()], [], 500, "ERROR"),
        (
            [{"type": "websocket.accept"}, RuntimeError("gone")],
            [{"type": "websocket.disconnect", "code": 1006}],
            101,
            "INFO",
        ),
    ],
    ids=as_id,
)
def test_access_websocket_status_says_how_it_went(
    logger, kept, outgoing, incoming, status, level
):
    """
    Refused, denied, left before, not answered, failed, and left amid it.
    """
    try:
        connected(logger, outgoing, incoming)
    except (ValueError, RuntimeError) as error:
        assert error in outgoing

    (record,) = kept.records
    assert (status, level) == (record.status_code, record.levelname)


# --- with FastAPI and uvicorn -----------------------------------------------


@pytest.fixture
def packages(missing):
    for name in ("fastapi", "uvicorn", "httpx", "websockets"):
        if importlib.util.find_spec(name) is None:
            missing("FastAPI's routes", f"{name} is not installed")


def service(logger, **options):
    """
    A service, as somebody would write it.
    """
    import fastapi
    from fastapi.responses import StreamingResponse

    app = fastapi.FastAPI()
    part, router = fastapi.FastAPI(), fastapi.APIRouter(prefix="/v1")
    app.add_middleware(
        AccessMiddleware, logger=logger, exclude="/healthz", **options
    )

    async def item(number: int, background: fastapi.BackgroundTasks):
        logger.info("in the route")
        background.add_task(logger.info, "in the background")
        if number == 7:
            raise ValueError("broken")
        return {"number": number}

    def in_thread(number: int):
        logger.info("in a thread")
        return {"number": number}

    async def pieces():
        yield b"first"
        logger.info("in the stream")
        yield b"last"

    async def live(socket: fastapi.WebSocket):
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        logger.info("in the socket")
        await socket.close()

    app.get("/items/{number}")(item)
    router.get("/threads/{number}")(in_thread)
    part.get("/inner/{number}")(in_thread)
    app.get("/stream")(lambda: StreamingResponse(pieces()))
    app.websocket("/live")(live)
    app.get("/healthz")(lambda: {"ok": True})
    app.include_router(router)
    app.mount("/part", part)
    return app


@pytest.fixture
def address(packages, logger, kept):
    with serving(service(logger), ws="websockets-sansio") as found:
        yield found


@pytest.fixture
def client(address):
    import httpx

    # a connection each: the server may end one that is idle at any time
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(
        base_url=address, timeout=DEADLINE, limits=limits
    ) as found:
        yield found


def test_fastapi_request_has_id_route_and_context(client, kept):
    """
    Route, thread, stream and background task log the id that is sent back.
    """
    for path, route in (
        ("/items/5", "/items/{number}"),
        ("/v1/threads/5", "/v1/threads/{number}"),
        ("/part/inner/5", "/part/inner/{number}"),
        ("/stream", "/stream"),
    ):
        before = len(kept.ended(0))
        answer = client.get(path)
        record = kept.ended(before + 1)[-1]
        assert (path, route) == (record.path, record.route)
        assert answer.headers["x-request-id"] == record.request_id
        assert len(answer.content) == record.response_bytes

    assert hasattr(record, "first_byte_latency")
    assert record.first_byte_latency <= record.request_latency
    by_message = dict(zip((r.getMessage() for r in kept.records), kept.ids))
    for message, of in (
        ("in the route", "GET /items/5 200"),
        ("in the background", "GET /items/5 200"),
        ("in a thread", "GET /part/inner/5 200"),
        ("in the stream", "GET /stream 200"),
    ):
        assert by_message[message] == by_message[of], message


def test_fastapi_background_task_comes_after_the_record(client, kept):
    """
    The latency ends with the last byte, before background tasks.
    """
    client.get("/items/5")
    kept.ended()
    deadline = time.monotonic() + DEADLINE
    while len(kept.records) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert [
        "in the route",
        "GET /items/5 200",
        "in the background",
    ] == [record.getMessage() for record in kept.records]


def test_fastapi_refusals_and_errors_are_one_record_each(client, kept):
    """
    404, 405, 422, 500, and a health check that is excluded.
    """
    for method, path in (
        ("GET", "/nowhere"),
        ("POST", "/items/5"),
        ("GET", "/items/x"),
        ("GET", "/items/7"),
        ("GET", "/healthz"),
        ("HEAD", "/stream"),
    ):
        client.request(method, path)

    records = kept.ended(5)
    assert [404, 405, 422, 500, 405] == [r.status_code for r in records]
    assert "ValueError: broken" == records[3].error
    assert "/items/{number}" == records[3].route
    assert not hasattr(records[0], "route")


def test_fastapi_wrapped_from_outside_answers_a_crash_with_the_id(
    packages, logger, kept
):
    """
    Around the whole app even the framework's 500 has the header.
    """
    import httpx

    app = service(logging.getLogger("not.looked.at"))
    with serving(AccessMiddleware(app, logger=logger)) as address:
        answer = httpx.get(f"{address}/items/7", timeout=DEADLINE)

    (record,) = kept.ended()
    assert (500, 500) == (answer.status_code, record.status_code)
    assert answer.headers["x-request-id"] == record.request_id
    assert "ValueError: broken" == record.error


def test_fastapi_websocket_is_one_record_with_context(address, kept):
    """
    A real websocket: the id is in the handshake and on its records.
    """
    from websockets.sync.client import connect

    url = address.replace("http", "ws") + "/live"
    with connect(url, additional_headers={"X-Request-ID": "w-1"}) as socket:
        socket.send("hello")
        assert "hello" == socket.recv()
        assert "w-1" == socket.response.headers["x-request-id"]

    (record,) = kept.ended()
    assert (101, 5, 5) == (
        record.status_code,
        record.request_bytes,
        record.response_bytes,
    )
    assert ["w-1"] * 2 == kept.ids


def test_access_and_inference_middlewares_share_the_id(packages, logger, kept):
    """
    Both around one app log one record each, with one id.
    """
    import fastapi
    import httpx

    from mllog.integrations.asgi import InferenceMiddleware

    app = fastapi.FastAPI()
    app.post("/predict")(lambda body: {"label": body})
    app.add_middleware(InferenceMiddleware, logger=logger)
    app.add_middleware(AccessMiddleware, logger=logger)
    with serving(app) as address:
        answer = httpx.post(f"{address}/predict?body=1", timeout=DEADLINE)

    access, inference = kept.ended(2)
    assert {answer.headers["x-request-id"]} == {
        inference.request_id,
        access.request_id,
    }
    assert "POST /predict 200" == access.getMessage()


def test_access_handler_of_mllog_writes_the_context(
    packages, logger, tmp_path
):
    """
    A JSON line of the application has request_id and trace_id by itself.
    """
    file = tmp_path / "log.jsonl"
    handler = mllog.TimestampedRotatingFileHandler(
        file, formatter_options={"class": "mllog.JSONFormatter"}
    )
    logger.addHandler(handler)
    import httpx

    with serving(service(logger)) as address:
        httpx.get(
            f"{address}/items/1",
            headers={
                "X-Request-ID": "r-1",
                "traceparent": f"00-{TRACE}-{PARENT}-01",
            },
            timeout=DEADLINE,
        )
    lines = [json.loads(line) for line in file.read_text().splitlines()]

    assert 3 == len(lines)
    for line in lines:
        assert ("r-1", TRACE, PARENT) == (
            line["request_id"],
            line["trace_id"],
            line["span_id"],
        )
