"""
S3PayloadHandler: raw values as objects, and an index that is always true.
"""

import hashlib
import io
import json
import logging
import logging.config
import os
import re
import sys
import threading

import pytest
from shipping import unaccounted, wait_until
from storing import (
    PATH_STYLE,
    QUICK,
    credentials,
    documents,
    lines_in,
    server,
    stored,
)

from mllog.context import bind
from mllog.errors import ConfigError
from mllog.formatters.json import JSONFormatter
from mllog.handlers.s3_payload import S3PayloadHandler
from mllog.payloads import Payload, content_of

np = pytest.importorskip("numpy")

__all__ = ["credentials", "server"]

HEX = re.compile(r"[0-9a-f]{64}")


@pytest.fixture
def make(server, logger):
    def make(prefix="digits", **options):
        given = {"endpoint_url": server.url, **QUICK, **options}
        handler = S3PayloadHandler("logs", prefix, **given)
        logger.addHandler(handler)
        return handler

    return make


class Unhashable:
    """
    What no handler can store.
    """

    shape = (3,)
    dtype = "f4"

    def __array__(self, *args, **kwargs):
        raise RuntimeError("the device is gone")


def only(found):
    (one,) = found
    return one


def payload_keys(server):
    return sorted(key for key in stored(server) if "/payloads/" in f"/{key}")


def index_of(server):
    """
    The lines of the index, each checked against the objects it names.
    """
    found = documents(server, "digits/index/")
    for document in found:
        for about in document["payloads"].values():
            if about["status"] == "stored":
                assert HEX.fullmatch(about["ref"])
                assert len(stored(server)[about["key"]]) == about["bytes"]
                assert about["ref"] in about["key"]
    return found


# --- what is stored ---


def test_payload_becomes_an_object_and_a_line_of_the_index(
    server, logger, make
):
    """
    Under the hash of its content, and named by a line that has all the rest.
    """
    handler = make()
    payload = Payload(b"\x89PNG\r\n\x1a\n and so on")

    logger.info(
        "Inference %s", "complete", extra={"image": payload, "label": 7}
    )

    assert handler.flush(30)
    ref = payload.ref
    key = f"digits/payloads/{ref[:2]}/{ref}.png"
    assert payload.value == stored(server)[key]
    line = only(index_of(server))
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "INFO",
        "logger": logger.name,
        "message": "Inference complete",
        "label": 7,
        "payloads": {
            "image": {
                "status": "stored",
                "type": "bytes",
                "shape": [],
                "dtype": None,
                "bytes": len(payload.value),
                "content_type": "image/png",
                "ref": ref,
                "key": key,
            }
        },
    }
    stats = handler.stats()
    assert (1, 1, {}) == (stats.accepted, stats.sent, stats.dropped)
    assert {"stored": 1} == stats.payloads


def test_object_has_the_media_type_of_its_content(server, logger, make):
    """
    As whoever opens it in a browser expects.
    """
    handler = make()

    logger.info("m", extra={"a": Payload(b"x", "audio/wav")})

    assert handler.flush(30)
    payload = next(e for e in server.attempts if "/payloads/" in e.key)
    assert payload.key.endswith(".wav")
    assert "audio/wav" == payload.headers["content-type"]


VALUES = {
    "bytes": (b"raw", ".bin", b"raw"),
    "bytearray": (bytearray(b"raw"), ".bin", b"raw"),
    "jpeg": (b"\xff\xd8\xff\xe0 jpeg", ".jpg", b"\xff\xd8\xff\xe0 jpeg"),
    "tokens": ([1, 2, 3], ".json", [1, 2, 3]),
    "json": ({"a": [None, "ü"]}, ".json", {"a": [None, "ü"]}),
    "array": (np.arange(6).reshape(2, 3), ".npy", np.arange(6).reshape(2, 3)),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("wrapped", [False, True])
def test_value_is_stored_and_can_be_read(server, logger, make, name, wrapped):
    """
    In a field of *payload_fields* and as a Payload alike, under one name.
    """
    value, extension, expected = VALUES[name]
    handler = make(payload_fields="input")

    logger.info("m", extra={"input": Payload(value) if wrapped else value})

    assert handler.flush(30)
    about = only(index_of(server))["payloads"]["input"]
    assert about["key"].endswith(extension)
    assert content_of(value).name() == about["ref"]
    body = stored(server)[about["key"]]
    if extension == ".json":
        assert expected == json.loads(body)
    elif extension == ".npy":
        assert np.array_equal(expected, np.load(io.BytesIO(body)))
        assert [2, 3] == about["shape"]
        assert str(value.dtype) == about["dtype"]
    else:
        assert expected == body


def test_image_is_stored_as_a_file_of_its_pixels(server, logger, make):
    """
    A PIL image becomes a PNG; its ref is that of its pixels.
    """
    image = pytest.importorskip("PIL.Image")
    handler = make(payload_fields=["image"])
    picture = image.fromarray(np.arange(64, dtype="u1").reshape(8, 8))

    logger.info("m", extra={"image": picture})

    assert handler.flush(30)
    about = only(index_of(server))["payloads"]["image"]
    body = stored(server)[about["key"]]
    assert about["key"].endswith(".png")
    assert picture.tobytes() == image.open(io.BytesIO(body)).tobytes()
    assert ([8, 8], "L", "image") == (
        about["shape"],
        about["dtype"],
        about["type"],
    )
    assert Payload(picture).ref == about["ref"]


def test_payloads_in_lists_and_dicts_have_names_of_their_own(
    server, logger, make
):
    """
    ``images.0``, ``inputs.left``; a name that is taken twice stays two.
    """
    handler = make()

    logger.info(
        "m",
        extra={
            "images": [Payload(b"0"), Payload(b"1")],
            "inputs": {"left": Payload(b"2"), "n": 5},
            "images.0": Payload(b"3"),
        },
    )

    assert handler.flush(30)
    payloads = only(index_of(server))["payloads"]
    contents = {
        name: stored(server)[about["key"]] for name, about in payloads.items()
    }
    assert {"images.0", "images.1", "inputs.left"} < contents.keys()
    assert sorted([b"0", b"1", b"2", b"3"]) == sorted(contents.values())
    assert b"1" == contents["images.1"]
    assert {"stored": 4} == handler.stats().payloads


def test_payload_that_is_bound_is_stored(server, logger, make):
    """
    Context counts as fields do.
    """
    handler = make()
    with bind(request_id="r1", image=Payload(b"x")):
        logger.info("m")

    assert handler.flush(30)
    line = only(index_of(server))
    assert "r1" == line["request_id"]
    assert ["image"] == list(line["payloads"])


def test_record_without_payloads_is_skipped(server, logger, make):
    """
    It is in no line of the index, and counted.
    """
    handler = make(payload_fields="tokens")

    logger.info("m", extra={"label": 7})
    logger.info("m", extra={"tokens": None})
    logger.info("m", extra={"tokens": [1]})

    assert handler.flush(30)
    assert 1 == len(index_of(server))
    assert (1, 2) == (handler.stats().accepted, handler.stats().skipped)


@pytest.mark.parametrize("together", [True, False])
def test_payload_that_is_equal_is_stored_once(server, logger, make, together):
    """
    In one batch it is put once; in the next the server has it already.
    """
    handler = make(linger_seconds=5)
    for number in range(3):
        logger.info("m", extra={"image": Payload(b"same"), "number": number})
        if not together:
            assert handler.flush(30)

    assert handler.flush(30)
    assert 1 == len(payload_keys(server))
    assert 3 == len(index_of(server))
    assert 0 == server.counts("overwritten")
    assert (0 if together else 2) == server.counts("exists")


def test_payload_has_the_ref_that_other_handlers_write(server, logger, make):
    """
    A JSON line elsewhere names the object, in whichever order they are.
    """
    handler = make()
    stream = io.StringIO()
    before, after = (
        logging.StreamHandler(stream),
        logging.StreamHandler(stream),
    )
    for each in (before, after):
        each.setFormatter(JSONFormatter())
    logger.handlers[:] = [before, handler, after]

    for value in (
        b"bytes",
        np.eye(3),
        [1, 2],
        {"a": 1},
        "text",
        np.float32(1),
    ):
        logger.info("m", extra={"input": Payload(value)})

    assert handler.flush(30)
    written = [json.loads(each) for each in stream.getvalue().splitlines()]
    refs = [line["payloads"]["input"]["ref"] for line in index_of(server)]
    assert refs == [line["input"]["ref"] for line in written[::2]]
    assert refs == [line["input"]["ref"] for line in written[1::2]]


def test_ref_is_the_hash_of_kind_and_content(server, logger, make):
    """
    Computed here by hand, so that no two parts of it agree by mistake.
    """
    handler = make()
    value = np.arange(3, dtype="<i4")

    logger.info("m", extra={"a": Payload(b"xyz"), "b": Payload(value)})

    assert handler.flush(30)
    payloads = only(index_of(server))["payloads"]
    assert hashlib.sha256(b"bytes|||xyz").hexdigest() == payloads["a"]["ref"]
    assert (
        hashlib.sha256(b"array|int32|3|" + value.tobytes()).hexdigest()
        == payloads["b"]["ref"]
    )


def test_value_that_changes_after_the_call_is_stored_as_it_was(
    server, logger, make
):
    """
    Arrays, lists and buffers are read when they are logged.
    """
    handler = make(payload_fields=["raw"], linger_seconds=100)
    array, tokens, buffer = np.zeros(3, "u1"), [1, 2], bytearray(b"ab")

    logger.info("m", extra={"a": Payload(array), "raw": tokens})
    logger.info("m", extra={"b": Payload(buffer), "raw": {"x": tokens}})
    array[:] = 9
    tokens.append(3)
    buffer[:] = b"zz"

    assert handler.flush(30)
    first, second = index_of(server)
    got = {
        name: stored(server)[about["key"]]
        for number, line in enumerate((first, second))
        for name, about in (
            (f"{number}{n}", a) for n, a in line["payloads"].items()
        )
    }
    assert not np.load(io.BytesIO(got["0a"])).any()
    assert [1, 2] == json.loads(got["0raw"])
    assert b"ab" == got["1b"]
    assert {"x": [1, 2]} == json.loads(got["1raw"])


def test_record_and_values_are_left_as_they_were(server, logger, make):
    """
    Handlers behind this one see what the caller gave.
    """
    handler = make(payload_fields="tokens")
    seen = []
    tokens, payload = [1, 2], Payload(b"x")

    class After(logging.Handler):
        def emit(self, record):
            seen.append(dict(record.__dict__))

    logger.addHandler(After())
    logger.info("m", extra={"tokens": tokens, "image": payload, "n": 1})

    assert handler.flush(30)
    assert seen[0]["tokens"] is tokens
    assert seen[0]["image"] is payload
    assert [1, 2] == tokens


# --- what is not stored ---


def test_payload_that_is_sampled_out_is_in_the_index_alone(
    server, logger, make
):
    """
    Request and response together, by the request's id; errors are kept.
    """
    handler = make(
        sampling={"rate": 0.5, "by": "request_id"}, linger_seconds=5
    )
    for number in range(40):
        for part in ("request", "response"):
            logger.info(
                "m",
                extra={
                    "request_id": f"r{number}",
                    "body": Payload(f"{part}{number}".encode()),
                },
            )
    logger.error("m", extra={"request_id": "r0", "body": Payload(b"error")})

    assert handler.flush(30)
    lines = index_of(server)
    assert 81 == len(lines)
    kept = {}
    for line in lines[:80]:
        kept.setdefault(line["request_id"], set()).add(
            line["payloads"]["body"]["status"]
        )
    assert all(len(statuses) == 1 for statuses in kept.values())
    assert "stored" == lines[80]["payloads"]["body"]["status"]
    counts = handler.stats().payloads
    assert counts["stored"] == len(payload_keys(server))
    assert 81 == counts["stored"] + counts["sampled_out"]
    assert 10 < counts["sampled_out"] < 70
    out = next(l for l in lines if l["payloads"]["body"]["status"] != "stored")
    assert {"status": "sampled_out"} == out["payloads"]["body"]


def test_payload_that_is_too_large_is_in_the_index_alone(server, logger, make):
    """
    With what is known of it; the others of its record are stored.
    """
    handler = make(max_payload_bytes=10)

    logger.info(
        "m", extra={"large": Payload(b"x" * 11), "small": Payload(b"x" * 10)}
    )

    assert handler.flush(30)
    payloads = only(index_of(server))["payloads"]
    assert ("too_large", 11) == (
        payloads["large"]["status"],
        payloads["large"]["bytes"],
    )
    assert "key" not in payloads["large"]
    assert "stored" == payloads["small"]["status"]
    assert 1 == len(payload_keys(server))
    assert {"too_large": 1, "stored": 1} == handler.stats().payloads


def test_payload_that_cannot_be_read_is_in_the_index_as_failed(
    server, logger, make, capsys
):
    """
    The log call does not raise, the rest of the record is stored, and it is
    said once.
    """
    handler = make()
    for _ in range(3):
        logger.info(
            "m",
            extra={
                "bad": Payload(Unhashable()),
                "good": Payload(b"x"),
                "n": 1,
            },
        )

    assert handler.flush(30)
    line = index_of(server)[0]
    assert "failed" == line["payloads"]["bad"]["status"]
    assert "stored" == line["payloads"]["good"]["status"]
    assert 1 == line["n"]
    assert {"failed": 3, "stored": 3} == handler.stats().payloads
    assert 1 == capsys.readouterr().err.count("Traceback")


# --- the index ---


@pytest.mark.parametrize(
    "fields",
    [
        {},
        pytest.param({"payloads": 3}),
        {"payloads": [Payload(b"1"), Payload(b"2")]},
        pytest.param({"payloads": {"a": Payload(b"1"), "b": 5}}),
        {"payloads": Payload(b"1")},
        {"message_": "x", "level": "high", "timestamp": "never"},
        {"text": 'a"}]\n\\ü\x00\u2028\ud800'},
        {"loss": float("nan"), "shape": (1, 2)},
        {"a b": 1, "ü": 2},
    ],
)
def test_line_of_the_index_is_valid_whatever_the_fields(
    server, logger, make, fields
):
    """
    One line, one object, each key once, our own key is ours.
    """
    handler = make()

    logger.info("m", extra={**fields, "image": Payload(b"x")})

    assert handler.flush(30)
    line = only(index_of(server))
    assert "stored" == line["payloads"]["image"]["status"]
    if fields.get("payloads") == 3:
        assert 3 == line["payloads_"]


@pytest.mark.parametrize(
    "name", ["\ud800", 'a"b', "a\nb", "ü", "", "x" * 1000]
)
def test_line_of_the_index_is_valid_whatever_the_name_of_a_payload(
    server, logger, make, name
):
    """
    Also for readers that are strict.
    """
    orjson = pytest.importorskip("orjson")
    handler = make()

    logger.info("m", extra={name: Payload(b"x")})

    assert handler.flush(30)
    line = orjson.loads(only(lines_in(server, "digits/index/")))
    assert "stored" == only(line["payloads"].values())["status"]


def test_line_of_the_index_has_exceptions_and_no_raw_values(
    server, logger, make
):
    """
    What JSONFormatter writes, without what is stored beside it.
    """
    handler = make(payload_fields="tokens")
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception(
            "m", extra={"tokens": list(range(5000)), "image": Payload(b"x")}
        )

    assert handler.flush(30)
    line = only(index_of(server))
    assert "ValueError" == line["exception"]["type"]
    assert "tokens" not in line
    assert "image" not in line
    assert {"tokens", "image"} == line["payloads"].keys()


def test_line_of_the_index_is_there_after_its_payloads_only(
    server, logger, make
):
    """
    While the server refuses payloads no line names them.
    """
    handler = make(parallel_uploads=4)
    is_broken = True
    server.choose = lambda attempt: (
        "internal_error"
        if is_broken and "payloads/" in attempt.key and attempt.number % 3
        else ""
    )
    for number in range(20):
        logger.info("m", extra={"image": Payload(b"%d" % number)})

    for _ in range(200):
        lines = stored(server)
        objects = stored(server)  # what was before a line is there now
        for key, body in lines.items():
            if "/index/" in key:
                for each in body.splitlines():
                    about = json.loads(each)["payloads"]["image"]
                    assert about["key"] in objects
    is_broken = False
    assert wait_until(lambda: handler.flush(0.2), 30)
    assert 20 == len(index_of(server)) == len(payload_keys(server))


@pytest.mark.parametrize(
    "fault",
    ["reset_after", "internal_error_after", "slow_down", "cut", "conflict"],
)
def test_records_are_stored_once_through_faults(server, logger, make, fault):
    """
    Wherever in a batch it breaks.
    """
    handler = make(linger_seconds=5, parallel_uploads=3)
    for number in range(8):
        logger.info("m", extra={"image": Payload(b"%d" % number), "n": number})
    server.script("", fault, "", fault, "", "", "", fault, fault)

    assert wait_until(lambda: handler.flush(0.3), 30)
    assert list(range(8)) == [line["n"] for line in index_of(server)]
    assert 8 == len(payload_keys(server))
    assert 0 == server.counts("overwritten")
    assert 0 == unaccounted(handler.stats())


def test_index_is_compressed_and_payloads_are_not(server, logger, make):
    """
    An image is compressed already, and is read by others.
    """
    handler = make(compression="gzip")

    logger.info("m", extra={"text": Payload(b"a" * 1000)})

    assert handler.flush(30)
    assert b"a" * 1000 == stored(server)[only(payload_keys(server))]
    key = only(key for key in stored(server) if "/index/" in key)
    assert re.fullmatch(
        r"digits/index/dt=\d{4}-\d\d-\d\d/hour=\d\d/.+-000001\.jsonl\.gz", key
    )
    assert 1 == len(index_of(server))


def test_handler_without_a_prefix_has_its_folders_at_the_top(
    server, logger, make
):
    """
    And no slash before them.
    """
    handler = make(prefix="")

    logger.info("m", extra={"image": Payload(b"x")})

    assert handler.flush(30)
    folders = {key.split("/")[0] for key in stored(server)}
    assert {"payloads", "index"} == folders


def test_content_type_of_a_hostile_request_is_no_header_and_no_key(
    server, logger, make
):
    """
    What is no media type says nothing.
    """
    handler = make()
    for kind in (
        "text/plain\r\nx-amz-acl: public-read",
        "../../etc",
        "a/" + "b" * 5000,
        "image/../../x",
        5,
    ):
        logger.info("m", extra={"x": Payload(b"x", kind)})

    assert handler.flush(30)
    for key in payload_keys(server):
        assert re.fullmatch(
            r"digits/payloads/[0-9a-f]{2}/[0-9a-f]{64}\.[a-z0-9]{1,8}", key
        )
    assert not any("x-amz-acl" in each.headers for each in server.attempts)
    assert 5 == len(index_of(server))


# --- formatters ---


def test_formatter_that_writes_no_json_is_refused(make):
    """
    With what is expected; the handler goes on as before.
    """
    handler = make()

    with pytest.raises(ConfigError) as caught:
        handler.setFormatter(logging.Formatter("%(message)s"))

    assert "Formatter formats the index" in str(caught.value)
    assert "expected: a JSONFormatter" in str(caught.value)


def test_formatter_that_was_refused_changes_nothing(server, logger, make):
    """
    Records are written by the one before.
    """
    handler = make()
    with pytest.raises(ConfigError):
        handler.setFormatter(logging.Formatter("%(message)s"))

    logger.info("m", extra={"image": Payload(b"x")})

    assert handler.flush(30)
    assert 1 == len(index_of(server))


def config(server, formatter, **options):
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"f": formatter},
        "handlers": {
            "s3": {
                "class": "mllog.handlers.s3_payload.S3PayloadHandler",
                "formatter": "f",
                "bucket": "logs",
                "prefix": "digits",
                "endpoint_url": server.url,
                "client_config": PATH_STYLE,
                **options,
            }
        },
        "loggers": {
            "test.payload.config": {"handlers": ["s3"], "level": "INFO"}
        },
    }


def test_formatter_that_writes_no_json_is_refused_by_dict_config(server):
    """
    When it is configured, and not at the first record.
    """
    with pytest.raises(ValueError) as caught:
        logging.config.dictConfig(config(server, {"format": "%(message)s"}))

    assert "expected: a JSONFormatter" in str(caught.value.__cause__)


def test_formatter_of_dict_config_writes_the_index(server):
    """
    With its options; and lists and mappings of the configuration work.
    """
    logging.config.dictConfig(
        config(
            server,
            {"()": "mllog.JSONFormatter", "nan": "string"},
            payload_fields=["tokens"],
            sampling={"rate": 1.0, "by": "request_id"},
        )
    )
    logger = logging.getLogger("test.payload.config")

    logger.info("m", extra={"tokens": [1], "loss": float("nan")})

    (handler,) = logger.handlers
    assert handler.flush(30)
    line = only(index_of(server))
    assert "NaN" == line["loss"]
    assert "stored" == line["payloads"]["tokens"]["status"]


def test_formatter_options_change_the_index(server, logger, make):
    """
    Plain data in place of a formatter.
    """
    handler = make(formatter_options={"nan": "string"})

    logger.info("m", extra={"image": Payload(b"x"), "loss": float("nan")})

    assert handler.flush(30)
    assert "NaN" == only(index_of(server))["loss"]


def test_formatter_with_a_class_in_its_options_changes_the_index(
    server, logger, make
):
    """
    Whole formatters as plain data, too.
    """
    handler = make(
        formatter_options={"class": "mllog.JSONFormatter", "nan": "string"}
    )

    logger.info("m", extra={"image": Payload(b"x"), "loss": float("nan")})

    assert handler.flush(30)
    assert "NaN" == only(index_of(server))["loss"]


@pytest.mark.parametrize(
    "options",
    [
        {"schema": "ecs"},
        {"fmt": "{message}{levelname}", "style": "{"},
        {"rename_fields": {"message": "text"}},
        {"static_fields": {"service": "digits"}},
        pytest.param(
            {"json_indent": 2},
        ),
        pytest.param({"prefix": "@cee: "}),
    ],
)
def test_formatter_with_another_layout_writes_json_lines(
    server, logger, make, options
):
    """
    Whatever it is, a line of the index is one object, and names its payloads;
    or the formatter is refused.
    """
    handler = make()
    try:
        handler.setFormatter(JSONFormatter(**options))
    except ConfigError:
        return

    logger.info("m", extra={"image": Payload(b"x")})

    assert handler.flush(30)
    line = only(documents(server, "digits/index/"))
    assert "stored" == line["payloads"]["image"]["status"]


def test_record_that_cannot_be_formatted_is_counted(
    server, logger, make, capsys
):
    """
    The others are stored; no log call raises.
    """
    handler = make()

    class Failing(JSONFormatter):
        def format_bytes(self, record):
            if record.args:
                raise ValueError("broken")
            return super().format_bytes(record)

    handler.setFormatter(Failing())
    logger.info("good", extra={"image": Payload(b"1")})
    logger.info("%s", "bad", extra={"image": Payload(b"2")})
    logger.info("better", extra={"image": Payload(b"3")})

    assert handler.flush(30)
    assert ["good", "better"] == [l["message"] for l in index_of(server)]
    assert {"format_error": 1} == handler.stats().dropped
    assert "ValueError: broken" in capsys.readouterr().err


@pytest.mark.parametrize("why", ["format_error", "too_large"])
def test_payload_of_a_record_that_was_lost_is_not_counted_as_stored(
    server, logger, make, why
):
    """
    What is counted as stored is there.
    """
    handler = make(max_record_bytes=1024)

    class Failing(JSONFormatter):
        def format_bytes(self, record):
            raise ValueError("broken")

    if why == "format_error":
        handler.setFormatter(Failing())
    logger.info("m", extra={"image": Payload(b"x" * 2000)})

    assert handler.flush(30)
    assert {why: 1} == handler.stats().dropped
    assert not handler.stats().payloads.get("stored")


def test_payloads_that_would_not_fit_into_a_record_of_64_kib_are_stored(
    server, logger, make
):
    """
    The bound of records is that of the queue, and no formatter's.
    """
    handler = make()

    logger.info(
        "m", extra={f"p{n}": Payload(bytes([n]) * 300_000) for n in range(8)}
    )

    assert handler.flush(30)
    assert 8 == len(payload_keys(server))
    assert 8 == len(only(index_of(server))["payloads"])


# --- spool, threads, processes ---


def test_payloads_in_a_spool_are_stored_by_the_next_handler(
    server, logger, make, tmp_path
):
    """
    Bytes, media types, names and refs are those of the call.
    """
    options = {"spool": "always", "spool_dir": str(tmp_path / "spool")}
    values = [b"\x00\xff" * 1000, np.arange(5), {"a": 1}, b"\x89PNG\r\n\x1a\n"]
    server.stop()
    handler = make(**options)
    for value in values:
        logger.info("m", extra={"input": Payload(value)})
    handler.close(0.2)
    logger.removeHandler(handler)
    assert 4 == handler.stats().spooled
    server.start()

    second = make(**options)
    second.start()

    assert wait_until(lambda: second.stats().sent == 4)
    found = index_of(server)
    assert [Payload(value).ref for value in values] == [
        line["payloads"]["input"]["ref"] for line in found
    ]
    assert [".bin", ".npy", ".json", ".png"] == [
        os.path.splitext(line["payloads"]["input"]["key"])[1] for line in found
    ]


def test_payloads_of_many_threads_are_all_stored(server, logger, make):
    """
    And counted, each once.
    """
    handler = make(parallel_uploads=4)

    def work(number):
        for count in range(40):
            logger.info(
                "m",
                extra={
                    "own": Payload(f"{number} {count}".encode()),
                    "shared": Payload(f"{count}".encode()),
                    "who": [number, count],
                },
            )

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert handler.flush(30)
    found = index_of(server)
    assert 160 == len(found)
    for line in found:
        number, count = line["who"]
        for name, text in (
            ("own", f"{number} {count}"),
            ("shared", str(count)),
        ):
            assert Payload(text.encode()).ref == line["payloads"][name]["ref"]
    assert 200 == len(payload_keys(server))
    assert {"stored": 320} == handler.stats().payloads


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
def test_forked_child_stores_and_counts_its_own_payloads(server, logger, make):
    """
    The parent's counts are its own, and so are its objects of lines.
    """
    handler = make()
    logger.info("parent", extra={"image": Payload(b"1")})
    assert handler.flush(30)
    child = os.fork()
    if not child:
        code = 1
        try:
            logger.info("child", extra={"image": Payload(b"2")})
            flushed = handler.flush(10)
            code = (
                0
                if flushed and handler.stats().payloads == {"stored": 1}
                else 2
            )
        finally:
            os._exit(code)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert {"parent", "child"} == {l["message"] for l in index_of(server)}
    assert {"stored": 1} == handler.stats().payloads


def test_stats_can_be_read_at_any_time(credentials):
    """
    Before anything is logged, and after the close.
    """
    handler = S3PayloadHandler("logs")

    assert {} == handler.stats().payloads
    handler.close()
    assert 0 == handler.stats().accepted
