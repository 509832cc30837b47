"""
InferenceMiddleware: requests of real servers, and ASGI calls of any shape.
"""

import asyncio
import contextlib
import gzip
import importlib.util
import json
import logging
import re
import time
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor

from growth import LINEAR, times_as_long
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
from mllog.integrations.asgi import InferenceMiddleware
from mllog.integrations.body import Body


@pytest.fixture
def kept(logger):
    handler = Kept()
    logger.addHandler(handler)
    return handler


# --- without a server: the protocol itself -------------------------------


def logs_to(logger, **options):
    return lambda app: InferenceMiddleware(app, logger=logger, **options)


CHUNKS = st.lists(st.binary(max_size=20), min_size=1, max_size=6)


@given(CHUNKS, CHUNKS, st.integers(0, 60))
def test_middleware_any_chunks_pass_unchanged(question, answer, most):
    """
    Each message arrives as it was, and each body is logged whole or as cut.
    """
    kept = Kept()
    logger = logging.Logger("chunks")
    logger.addHandler(kept)
    incoming, outgoing = requests_of(*question), responses_of(*answer)

    received, sent = exchange(
        logs_to(logger, max_body_bytes=most), scope_of(), incoming, outgoing
    )

    (record,) = kept.records
    assert incoming == received
    assert outgoing[1:] == sent[1:]
    name, value = sent[0]["headers"][-1]
    assert (b"x-request-id", record.request_id.encode()) == (name, value)
    cut = [
        name
        for name, body in (("inputs", question), ("predictions", answer))
        if len(b"".join(body)) > most
    ]
    assert cut == getattr(record, "truncated", [])
    whole = b"".join(question)
    if "inputs" not in cut:
        assert meaning(whole) == record.inputs
    else:
        text = getattr(record, "inputs", "")
        if isinstance(text, str):
            assert whole.startswith(text.encode())
        else:
            assert {"type": "bytes", "bytes": len(whole)} == text


def test_chunks_that_are_joined_are_found():
    """
    The control: a middleware that buffers is not what the test lets pass.
    """

    class Buffering:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            held = []

            async def hold(message):
                held.append(message.get("body", b""))

            await self.app(scope, receive, hold)
            for message in responses_of(b"".join(held)):
                await send(message)

    outgoing = responses_of(b"a", b"b")

    _, sent = exchange(Buffering, scope_of(), requests_of(b"1"), outgoing)

    assert outgoing != sent


def meaning(body):
    try:
        return json.loads(body)
    except ValueError:
        pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"type": "bytes", "bytes": len(body)}


def test_middleware_messages_are_not_changed(logger, kept):
    """
    The header is added to a copy: the app's own message stays as it was.
    """
    outgoing = responses_of(b"1")

    _, sent = exchange(logs_to(logger), scope_of(), requests_of(b""), outgoing)

    assert [] == outgoing[0]["headers"]
    assert 1 == len(sent[0]["headers"])


@pytest.mark.parametrize(
    "scope",
    [
        scope_of(path="/other"),
        scope_of(path="/predict/"),
        scope_of(method="GET"),
        {"type": "websocket", "path": "/predict"},
    ],
    ids=as_id,
)
def test_middleware_other_traffic_is_given_the_very_callables(
    logger, kept, scope
):
    """
    What is not ours reaches the app with the server's receive and send.
    """
    seen = []

    async def app(*arguments):
        seen.append(arguments)

    async def receive():
        raise AssertionError

    async def send(message):
        raise AssertionError

    asyncio.run(InferenceMiddleware(app, logger=logger)(scope, receive, send))

    assert [(scope, receive, send)] == seen
    assert [] == kept.records


def test_middleware_disabled_logger_is_given_the_very_callables(logger, kept):
    """
    Where the logger takes nothing, a route of ours passes like any other.
    """
    logger.setLevel(logging.CRITICAL)
    outgoing = responses_of(b"1")

    _, sent = exchange(logs_to(logger), scope_of(), requests_of(b""), outgoing)

    assert outgoing == sent


@pytest.mark.parametrize(
    ("paths", "scope", "is_ours"),
    [
        (re.compile(r"/models/\w+/predict"), {"path": "/models/a/predict"}, 1),
        (re.compile(r"/models/\w+"), {"path": "/models/a/predict"}, 0),
        (["/a", re.compile("/b")], {"path": "/b"}, 1),
        ("/predict", {"path": "/v1/predict", "root_path": "/v1"}, 1),
        ("/predict", {"path": "/v1/predict"}, 0),
        ("/predict", {"path": "/v1predict", "root_path": "/v1"}, 0),
    ],
)
def test_middleware_paths_are_equal_or_match_wholly(
    logger, kept, paths, scope, is_ours
):
    """
    Text is compared, an expression matches all, the mount's path is left out.
    """
    exchange(
        logs_to(logger, paths=paths),
        scope_of(**scope),
        requests_of(b"1"),
        responses_of(b"2"),
    )

    assert is_ours == len(kept.records)
    if is_ours:
        assert scope["path"] == kept.records[0].path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"abc-1.2_X", "abc-1.2_X"),
        (b" a b\r\nc\xff ", "a_b__c_"),
        (b"x" * 500, "x" * 128),
        (b"", None),
        (b"  ", None),
    ],
)
def test_middleware_request_id_is_reduced_and_sent_back(
    logger, kept, given, expected
):
    """
    The client's id is made safe and short; without one there is a new one.
    """
    _, sent = exchange(
        logs_to(logger),
        scope_of(headers=[(b"X-Request-ID", given)]),
        requests_of(b"1"),
        responses_of(b"2"),
    )

    found = kept.records[0].request_id
    assert found == (expected or found)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", found)
    assert [(b"x-request-id", found.encode())] == sent[0]["headers"]


def test_middleware_request_id_of_the_app_is_kept(logger, kept):
    """
    An app that sends the header itself is not answered twice.
    """
    headers = [(b"X-Request-Id", b"mine")]

    _, sent = exchange(
        logs_to(logger),
        scope_of(),
        requests_of(b"1"),
        responses_of(b"2", headers=headers),
    )

    assert headers == sent[0]["headers"]


def test_middleware_request_id_header_none_adds_nothing(logger, kept):
    """
    request_id_header=None neither reads nor sends the header.
    """
    _, sent = exchange(
        logs_to(logger, request_id_header=None),
        scope_of(headers=[(b"x-request-id", b"theirs")]),
        requests_of(b"1"),
        responses_of(b"2"),
    )

    assert [] == sent[0]["headers"]
    assert "theirs" != kept.records[0].request_id


def test_middleware_bound_request_id_wins(logger, kept):
    """
    An id that an outer block bound is the request's.
    """
    with mllog.bind(request_id="outer"):
        exchange(
            logs_to(logger),
            scope_of(headers=[(b"x-request-id", b"theirs")]),
            requests_of(b"1"),
            responses_of(b"2"),
        )

    assert "outer" == kept.records[0].request_id


def test_middleware_character_cut_in_two_is_left_out(logger, kept):
    """
    A text that is cut within a character is logged up to it.
    """
    exchange(
        logs_to(logger, max_body_bytes=4),
        scope_of(),
        requests_of("abc€".encode()),
        responses_of(b"\xff\xfe\xfd\xfc\xfb"),
    )

    (record,) = kept.records
    assert "abc" == record.inputs
    assert {"type": "bytes", "bytes": 5} == record.predictions
    assert ["inputs", "predictions"] == record.truncated


def test_middleware_text_is_not_taken_for_json(logger, kept):
    """
    A body of type text/… is text, whatever it looks like.
    """
    exchange(
        logs_to(logger),
        scope_of(headers=[(b"content-type", b"text/plain")]),
        requests_of(b"123"),
        responses_of(b"[1]", headers=[(b"Content-Type", b"text/html")]),
    )

    assert ("123", "[1]") == (
        kept.records[0].inputs,
        kept.records[0].predictions,
    )


# --- what headers say that bytes mean ---

ROWS = {"instances": [[1.5, "ü"]] * 40}
PLAIN = json.dumps(ROWS, ensure_ascii=False).encode()
RAW = zlib.compressobj(wbits=-15)
CODED = {
    "gzip": gzip.compress(PLAIN),
    "x-gzip": gzip.compress(PLAIN[:9]) + gzip.compress(PLAIN[9:]),
    "GZIP": gzip.compress(PLAIN),
    "deflate": zlib.compress(PLAIN),
    "Deflate": RAW.compress(PLAIN) + RAW.flush(),
    "identity": PLAIN,
    "gzip, deflate": zlib.compress(gzip.compress(PLAIN)),
}


def logged(logger, kept, body, *headers, **options):
    """
    The record of *body* as request and response.
    """
    exchange(
        logs_to(logger, **options),
        scope_of(headers=headers),
        requests_of(*body) if isinstance(body, list) else requests_of(body),
        responses_of(
            *body if isinstance(body, list) else [body], headers=headers
        ),
    )
    (record,) = kept.records
    assert record.inputs == record.predictions
    cut = getattr(record, "truncated", [])
    assert cut in ([], ["inputs", "predictions"])
    return record.inputs, bool(cut)


@pytest.mark.parametrize("coding", CODED)
def test_middleware_content_coding_is_undone(logger, kept, coding):
    """
    Inputs and predictions are those of a body that is not compressed.
    """
    body = CODED[coding]
    header = (b"content-encoding", coding.encode())

    assert (ROWS, False) == logged(
        logger, kept, [body[:20], body[20:]], header
    )


def test_middleware_zstd_is_undone_where_it_can_be(logger, kept):
    """
    With the extra, or with Python 3.14.
    """
    try:
        from mllog.compression import zstd

        body = zstd().compress(PLAIN)
    except ImportError:
        pytest.skip("no zstd")

    header = (b"content-encoding", b"zstd")
    assert (ROWS, False) == logged(logger, kept, body, header)


def test_middleware_codings_of_several_headers_are_one_list(logger, kept):
    """
    They were applied in their order.
    """
    headers = [
        (b"Content-Encoding", b"gzip"),
        (b"content-encoding", b"deflate"),
    ]

    found = logged(logger, kept, CODED["gzip, deflate"], *headers)
    assert (ROWS, False) == found


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("br", b"\x8b\x02\x80"),
        ("odd", b"\xff\xfe"),
        ("gzip", b"\x1f\x8b\x08broken"),
        ("deflate", b"\xff" * 9),
        ("gzip" + ",gzip" * 9, CODED["gzip"]),
    ],
    ids=["br", "unknown", "gzip", "deflate", "too many"],
)
def test_middleware_coding_that_cannot_be_undone_is_named(
    logger, kept, coding, body
):
    """
    The type, the size and the coding are what is known, and ``truncated`` says it.
    """
    headers = [
        (b"content-type", b"application/json"),
        (b"content-encoding", coding.encode()),
    ]
    known = {
        "type": "application/json",
        "bytes": len(body),
        "encoding": coding,
    }

    assert (known, True) == logged(logger, kept, body, *headers)


def test_middleware_coding_that_was_undone_before_is_no_matter(logger, kept):
    """
    Something on the way may undo it and leave the header.
    """
    header = (b"content-encoding", b"gzip")

    assert (ROWS, False) == logged(logger, kept, PLAIN, header)


def test_middleware_compressed_body_is_bounded_like_any_other(logger, kept):
    """
    A gigabyte in a megabyte is logged up to the limit, and as truncated.
    """
    big = zlib.compressobj(wbits=31)
    bomb = b"".join(big.compress(b"x" * 2**20) for _ in range(64))
    bomb += big.flush()
    header = (b"content-encoding", b"gzip")

    found, is_cut = logged(logger, kept, bomb, header, max_body_bytes="100KB")
    assert ("x" * 100_000, True) == (found, is_cut)


def test_middleware_compressed_body_that_is_cut_is_its_beginning(logger, kept):
    """
    What is there of it is undone, as text.
    """
    header = (b"content-encoding", b"gzip")
    body = gzip.compress(b"abc" * 10**5 + bytes(range(256)) * 99)

    found, is_cut = logged(logger, kept, body, header, max_body_bytes=300)
    assert found and set(found) <= set("abc") and is_cut


@pytest.mark.parametrize(
    "charset",
    [
        "utf-8",
        "UTF8",
        '"utf-8"',
        "utf-16",
        "utf-32-le",
        "iso-8859-1",
        "latin1",
        "windows-1252",
        "cp1250",
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_middleware_charset_is_that_of_the_header(logger, kept, kind, charset):
    """
    JSON and text are what they are in UTF-8.
    """
    text = '{"name": "Grün"}'
    body = text.encode(charset.strip('"'))
    header = f"{kind}; x=y; Charset={charset}".encode()

    expected = json.loads(text) if "json" in kind else text
    found = logged(logger, kept, body, (b"content-type", header))
    assert (expected, False) == found


@pytest.mark.parametrize(
    "charset", ["idna", "punycode", "unicode_escape", "rot13", "x" * 70, "os"]
)
def test_middleware_charset_that_is_none_is_named(logger, kept, charset):
    """
    No codec is looked up that a client names; ASCII is ASCII.
    """
    header = (b"content-type", f"text/plain; charset={charset}".encode())
    found, is_cut = logged(logger, kept, "Grün".encode(), header)
    assert (5, True) == (found["bytes"], is_cut)

    kept.records.clear()
    assert ("abc", False) == logged(logger, kept, b"abc", header)


def test_middleware_form_is_its_fields(logger, kept):
    """
    Texts as they are, JSON parsed, of files the type and the size.
    """
    body = (
        b'--b\r\nContent-Disposition: form-data; name="threshold"\r\n\r\n'
        b"0.5\r\n"
        b'--b\r\nContent-Disposition: form-data; name="tag"\r\n\r\n'
        + "grün".encode()
        + b"\r\n"
        b'--b\r\nContent-Disposition: form-data; name="tag"\r\n\r\n\r\n'
        b'--b\r\nContent-Disposition: form-data; name="options"\r\n'
        b'Content-Type: application/json\r\n\r\n{"k": 3}\r\n'
        b'--b\r\nContent-Disposition: form-data; filename="a.png";'
        b' name="image"\r\nContent-Type: image/png\r\n\r\n'
        b"\x89PNG\xff\r\n--b--\r\n"
    )
    header = (b"content-type", b"multipart/form-data; boundary=b")

    assert (
        {
            "threshold": "0.5",
            "tag": ["grün", ""],
            "options": {"k": 3},
            "image": {"type": "image/png", "bytes": 5},
        },
        False,
    ) == logged(logger, kept, body, header)


@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=b", "multipart/mixed; boundary=c"]
)
def test_middleware_multipart_that_cannot_be_read_is_named(logger, kept, kind):
    """
    Its type and size are what is known, and ``truncated`` says it.
    """
    body = b'--b\r\nX: ; name="a"\r\n\r\n\xff\xfe'
    known = {"type": kind, "bytes": len(body)}

    found = logged(logger, kept, body, (b"content-type", kind.encode()))
    assert (known, True) == found


@pytest.mark.parametrize(
    "make",
    [
        lambda n: (gzip.compress(b"") * n, b"gzip", b""),
        lambda n: (gzip.compress(b"x") * n, b"gzip", b"text/plain"),
        lambda n: (
            b'\r\n--b\r\n;name="a"\r\n\r\n' * n + b"\r\n--b--",
            b"",
            b"multipart/form-data; boundary=b",
        ),
    ],
    ids=["empty members", "members", "parts"],
)
def test_body_is_read_in_linear_time(make):
    """
    Twice as much takes twice the time.
    """

    def read(given):
        data, coding, kind = given
        body = Body(len(data))
        body.see({"body": data})
        body.content(kind.decode(), coding.decode())

    assert times_as_long(read, make, 4_000, 80_000) <= LINEAR


def test_middleware_error_of_the_app_goes_on_and_is_logged(logger, kept):
    """
    An unhandled exception is 500 with its text and trace, and propagates.
    """
    error = ValueError("odd")

    with pytest.raises(ValueError) as raised:
        exchange(logs_to(logger), scope_of(), requests_of(b"[1]"), [error])

    (record,) = kept.records
    assert raised.value is error
    assert (500, logging.ERROR) == (record.status_code, record.levelno)
    assert ("ValueError: odd", [1]) == (record.error, record.inputs)
    assert error is record.exc_info[1]
    assert not hasattr(record, "predictions")
    assert not hasattr(record, "truncated")


def test_middleware_error_after_the_answer_began_is_a_failure(logger, kept):
    """
    A response that breaks off is 500 with what was sent of it.
    """
    start, first, _ = responses_of(b"a", b"b")

    with pytest.raises(ValueError):
        exchange(
            logs_to(logger),
            scope_of(),
            requests_of(b"1"),
            [start, first, ValueError()],
        )

    (record,) = kept.records
    assert (500, "a") == (record.status_code, record.predictions)
    assert ["predictions"] == record.truncated


def test_middleware_error_after_an_answer_of_503_has_both(logger, kept):
    """
    A framework that answers and raises again is one record with the trace.
    """
    error = ValueError("odd")

    with pytest.raises(ValueError):
        exchange(
            logs_to(logger),
            scope_of(),
            requests_of(b"1"),
            [*responses_of(b"sorry", status=503), error],
        )

    (record,) = kept.records
    assert (503, "sorry") == (record.status_code, record.predictions)
    assert error is record.exc_info[1]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"detail": "no flowers"}', "HTTP 400: no flowers"),
        (b'{"error": "no flowers"}', "HTTP 400: no flowers"),
        (b'{"error": "a", "detail": ["b"]}', "HTTP 400: a"),
        (b'{"error": 1}', "HTTP 400"),
        (b'["error"]', "HTTP 400"),
        (b"no flowers", "HTTP 400"),
    ],
)
def test_middleware_refusal_has_the_reason_that_was_answered(
    logger, kept, body, error
):
    """
    FastAPI calls it detail, KServe error.
    """
    json = [(b"content-type", b"application/json")]
    exchange(
        logs_to(logger),
        scope_of(),
        requests_of(b"[1]"),
        responses_of(body, status=400, headers=json),
    )

    assert error == kept.records[0].error


def test_middleware_error_after_a_good_answer_changes_nothing(logger, kept):
    """
    What fails behind a complete response was logged, and is the app's.
    """
    with pytest.raises(ValueError):
        exchange(
            logs_to(logger),
            scope_of(),
            requests_of(b"1"),
            [*responses_of(b"2"), ValueError()],
        )

    assert [200] == [r.status_code for r in kept.records]


def test_middleware_client_that_left_is_499(logger, kept):
    """
    A disconnect before the end of the response is WARNING with 499.
    """
    start, first, _ = responses_of(b"a", b"b")
    gone = {"type": "http.disconnect"}

    for outgoing in ([start, first], [start, first, RuntimeError("gone")]):
        with contextlib.suppress(RuntimeError):
            exchange(
                logs_to(logger),
                scope_of(),
                [*requests_of(b"1"), gone],
                outgoing,
            )

    assert [499] * 2 == [r.status_code for r in kept.records]
    assert [logging.WARNING] * 2 == [r.levelno for r in kept.records]
    assert [["predictions"]] * 2 == [r.truncated for r in kept.records]
    assert "the client left" == kept.records[0].error


def test_middleware_send_that_fails_is_the_client_that_left(logger, kept):
    """
    An OSError of the server's send goes to the app, and is 499.
    """

    async def app(scope, receive, send):
        for message in responses_of(b"1"):
            await send(message)

    async def send(message):
        raise OSError("gone")

    middleware = InferenceMiddleware(app, logger=logger)
    with pytest.raises(OSError, match="gone"):
        asyncio.run(middleware(scope_of(), None, send))

    assert 499 == kept.records[0].status_code


def test_middleware_app_without_answer_is_an_error(logger, kept):
    """
    An app that returns and sent nothing is 500.
    """
    exchange(logs_to(logger), scope_of(), requests_of(b"1"), [])

    (record,) = kept.records
    assert (500, "the app sent no response") == (
        record.status_code,
        record.error,
    )


def test_middleware_body_not_read_is_not_logged(logger, kept):
    """
    Where the app does not read the request, inputs are missing and said so.
    """
    exchange(logs_to(logger), scope_of(), [], responses_of(b"1"))

    assert not hasattr(kept.records[0], "inputs")
    assert ["inputs"] == kept.records[0].truncated


def test_middleware_file_sent_by_the_server_is_not_seen(logger, kept):
    """
    A response by pathsend is passed on, and its body said to be missing.
    """
    start, _ = responses_of(b"")
    path = {"type": "http.response.pathsend", "path": "/x"}

    _, sent = exchange(
        logs_to(logger), scope_of(), requests_of(b"1"), [start, path]
    )

    assert path == sent[1]
    assert not hasattr(kept.records[0], "predictions")
    assert ["predictions"] == kept.records[0].truncated


@pytest.mark.parametrize("message", [{}, {"type": "http.response.start"}])
def test_middleware_odd_message_is_the_servers_to_refuse(
    logger, kept, message
):
    """
    A message without type or status is passed on as it is.
    """
    _, sent = exchange(
        logs_to(logger), scope_of(), requests_of(b"1"), [message]
    )

    assert [message] == sent


def test_middleware_is_logged_before_background_work(logger, kept):
    """
    The record comes with the last of the response, not when the app returns.
    """
    order = []

    async def app(scope, receive, send):
        for message in responses_of(b"1"):
            await send(message)
        order.append(len(kept.records))
        logger.info("in the background")

    async def send(message):
        order.append(message["type"])

    asyncio.run(
        InferenceMiddleware(app, logger=logger)(scope_of(), None, send)
    )

    assert ["http.response.start", "http.response.body", 1] == order
    assert kept.records[0].request_id == kept.ids[1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"logger": None}, "logger=None"),
        ({"paths": ["predict"]}, "paths='predict'"),
        ({"paths": [1]}, "paths=1"),
        ({"max_body_bytes": "much"}, "max_body_bytes='much'"),
        ({"request_id_header": "a b"}, "request_id_header='a b'"),
        ({"methods": [1]}, "methods="),
        ({"level": "LOUD"}, "level='LOUD'"),
    ],
)
def test_middleware_option_that_cannot_work_raises(logger, options, told):
    """
    A wrong option is a ConfigError that names it.
    """
    with pytest.raises(ConfigError, match=re.escape(told)):
        InferenceMiddleware(None, **{"logger": logger, **options})


# --- with FastAPI and uvicorn ---------------------------------------------


def service(logger, **options):
    """
    A predict service, as somebody would write it.
    """
    import fastapi
    from fastapi.responses import StreamingResponse

    app = fastapi.FastAPI()
    app.add_middleware(
        InferenceMiddleware,
        logger=logger,
        model="doubler",
        version=2,
        paths=["/predict", "/stream", re.compile(r"/models/\w+/predict")],
        **options,
    )

    async def predict(instances: list[float] = fastapi.Body(embed=True)):
        logger.info("in the route")
        return {"predictions": [2 * each for each in instances]}

    def sync_predict(name: str, body: dict):
        logger.info("in a thread")
        if name == "none":
            raise fastapi.HTTPException(404, "no such model")
        if name == "broken":
            raise ValueError("broken model")
        return {"name": name, **body}

    async def tokens(first):
        yield first
        await service.go_on.wait()
        yield "last"

    async def stream(request: fastapi.Request):
        service.go_on = asyncio.Event()
        service.loop = asyncio.get_running_loop()
        text = (await request.body()).decode()
        return StreamingResponse(tokens(text), media_type="text/plain")

    app.post("/predict")(predict)
    app.post("/models/{name}/predict")(sync_predict)
    app.post("/stream")(stream)
    app.get("/health")(lambda: {"ok": True})
    return app


@pytest.fixture
def packages(missing):
    for name in ("fastapi", "uvicorn", "httpx"):
        if importlib.util.find_spec(name) is None:
            missing("FastAPI's routes", f"{name} is not installed")


@pytest.fixture
def address(packages, logger, kept):
    with serving(service(logger)) as found:
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


def test_fastapi_route_is_logged_with_values_and_place(client, kept):
    """
    A request is one record: body, answer, model, id, latency, the route.
    """
    answer = client.post("/predict", json={"instances": [1, 2.5]})

    assert {"predictions": [2, 5.0]} == answer.json()
    (record,) = kept.ended()
    assert {"instances": [1, 2.5]} == record.inputs
    assert {"predictions": [2, 5.0]} == record.predictions
    assert ("doubler", 2) == (record.model_name, record.model_version)
    assert (200, "/predict") == (record.status_code, record.path)
    assert 0 < record.inference_latency < DEADLINE
    assert answer.headers["x-request-id"] == record.request_id
    assert ("predict", __file__) == (record.funcName, record.pathname)
    assert record.request_id == kept.ids[0]  # "in the route"


def test_fastapi_sync_route_has_the_clients_id(client, kept):
    """
    A route that runs in a thread has the id bound that the client sent.
    """
    client.post(
        "/models/a/predict", json={"x": 1}, headers={"x-request-id": "r-1"}
    )

    (record,) = kept.ended()
    assert ("r-1", "r-1") == (record.request_id, kept.ids[0])
    assert {"name": "a", "x": 1} == record.predictions


def test_fastapi_refused_requests_are_logged(client, kept):
    """
    Validation errors and HTTPExceptions are WARNING with status and detail.
    """
    client.post("/predict", json={"instances": "no"})
    client.post("/models/none/predict", json={})
    client.post("/predict", content=b"{")

    records = kept.ended(3)
    assert [422, 404, 422] == [r.status_code for r in records]
    assert [logging.WARNING] * 3 == [r.levelno for r in records]
    assert "HTTP 404: no such model" == records[1].error
    assert [{"instances": "no"}, {}, "{"] == [r.inputs for r in records]
    assert "detail" in records[0].predictions


def test_fastapi_route_that_raises_is_logged_with_its_trace(client, kept):
    """
    An unhandled exception is an ERROR with exc_info; the client gets a 500.
    """
    answer = client.post("/models/broken/predict", json={"x": 1})

    assert 500 == answer.status_code
    (record,) = kept.ended()
    assert (500, logging.ERROR) == (record.status_code, record.levelno)
    assert "ValueError: broken model" == record.error
    assert ValueError is record.exc_info[0]
    assert {"x": 1} == record.inputs


def test_fastapi_wrapped_from_outside_logs_the_trace_too(
    packages, logger, kept
):
    """
    Around the whole app the 500 of the framework and the exception are one.
    """
    import fastapi
    import httpx

    app = fastapi.FastAPI()

    async def predict():
        raise ValueError("broken model")

    app.post("/predict")(predict)
    with serving(InferenceMiddleware(app, logger=logger)) as address:
        answer = httpx.post(f"{address}/predict", timeout=DEADLINE)

    assert 500 == answer.status_code
    (record,) = kept.ended()
    assert (500, ValueError) == (record.status_code, record.exc_info[0])
    assert "Internal Server Error" == record.predictions


def test_fastapi_other_routes_are_not_logged(client, kept):
    """
    A route that is not named has no record and no header.
    """
    answer = client.get("/health")
    client.post("/predict", json={"instances": []})

    assert "x-request-id" not in answer.headers
    assert ["/predict"] == [r.path for r in kept.ended()]


def test_fastapi_chunks_arrive_before_the_stream_ends(client, kept):
    """
    A streamed answer is passed on at once, and logged whole at its end.
    """
    with client.stream("POST", "/stream", content=b"first") as answer:
        chunks = answer.iter_text()
        assert "first" == next(chunks)  # the rest waits for us
        assert [] == [r for r in kept.records if "Inference" in r.msg]
        service.loop.call_soon_threadsafe(service.go_on.set)
        assert ["last"] == list(chunks)

    (record,) = kept.ended()
    assert ("first", "firstlast") == (record.inputs, record.predictions)


def test_fastapi_client_that_leaves_a_stream_is_logged(client, kept):
    """
    A client that closes the connection amid the answer is 499.
    """
    with client.stream("POST", "/stream", content=b"first") as answer:
        assert "first" == next(answer.iter_text())

    (record,) = kept.ended()
    assert 499 == record.status_code
    assert "first" == record.predictions
    assert ["predictions"] == record.truncated


def test_fastapi_chunked_request_is_logged_whole(address, kept):
    """
    A request that comes in chunks reaches the route and the record as one.
    """

    def chunks():
        yield b'{"instances":'
        yield b" [1"
        yield b"]}"

    request = urllib.request.Request(
        f"{address}/predict",
        data=chunks(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
        assert {"predictions": [2]} == json.load(answer)

    assert {"instances": [1]} == kept.ended()[0].inputs


def test_fastapi_fifty_requests_at_once_stay_apart(address, kept):
    """
    Fifty clients at once have each an own id and the record of their values.
    """

    def ask(number):
        request = urllib.request.Request(
            f"{address}/predict",
            data=json.dumps({"instances": [number]}).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return number, answer.headers["x-request-id"]

    with ThreadPoolExecutor(50) as pool:
        answers = dict(pool.map(ask, range(50)))

    records = kept.ended(50)
    assert 50 == len(records)
    assert 50 == len(set(answers.values()))
    for record in records:
        (number,) = record.inputs["instances"]
        assert answers[number] == record.request_id
        assert {"predictions": [2.0 * number]} == record.predictions
    routes = [
        which
        for which, record in zip(kept.ids, kept.records)
        if record.msg == "in the route"
    ]
    assert sorted(answers.values()) == sorted(routes)
