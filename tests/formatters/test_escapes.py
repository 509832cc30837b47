"""
Every writer of JSON: control and bidi characters, and other encodings.
"""

import io
import json
import logging
import re

import hostile
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import mllog
from mllog import encoding
from mllog.delivery.letters import DeadLetters
from mllog.formatters.otlp import LogRecordFormat, body_of
from mllog.formatters.syslog import SyslogFormat
from mllog.values import CONTROLS, encodable

RAW = re.compile(f"[{CONTROLS}]")
EACH = [chr(code) for code in range(0x10000) if RAW.match(chr(code))]
TEXT = "".join(EACH) + "é “quoted” — ключ 你好 \u00a0\u200b 😀"


def record_of(text):
    record = logging.makeLogRecord({"msg": text, "name": "a"})
    record.__dict__["key\x9b"] = text
    record.__dict__["deep"] = {text: [text]}
    return record


def by_record(write):
    return lambda text: write(record_of(text))


def inference(options):
    formatter = mllog.InferenceFormatter(
        model_name="m", model_version=1, serving_id=1, **options
    )

    def write(text):
        record = record_of("Inference")
        record.inputs = text
        record.predictions = json.dumps(
            {"text": text}, ensure_ascii=False
        ).encode()
        return formatter.format(record)

    return write


# what writes JSON of a text, and what of its result is JSON
WRITERS = {
    "encode_line": lambda text: encoding.encode_line({text: text})[:-1],
    "encode_value": lambda text: encoding.encode_value([text]),
    "encode_short": lambda text: encoding.encode_short({text: text}, 9999),
    "repaired": lambda text: encoding.encode({text: text, "big": 10**40}),
    "surrogate": lambda text: encoding.encode({text: text + "\ud800"}),
    "cut": lambda text: encoding.encode({text: text * 50}, max_bytes=9000),
    "core": lambda text: encoding.encode({"a": text * 50}, max_bytes=256),
    "no_room": lambda text: encoding.encode({"a": "\x7f" * 60}, max_bytes=256),
    "otlp": by_record(LogRecordFormat(99999).way(body_of)),
    **{
        name: by_record(mllog.JSONFormatter(**options).format_bytes)
        for name, options in {
            "JSONFormatter": {},
            "ecs": {"schema": "ecs"},
            "fmt": {"fmt": "%(message)s"},
            "not_ascii": {"fmt": "%(message)s", "json_ensure_ascii": False},
            "own_not_ascii": {"json_ensure_ascii": False},
            "indented": {"json_indent": 2},
            "short": {"max_record_bytes": 300},
            "static": {"static_fields": {"a": TEXT}},
        }.items()
    },
    "torchserve": by_record(mllog.TorchServeFormatter(text="json").format),
    "mlperf": by_record(
        lambda record: mllog.MLPerfFormatter().format(record)[9:]
    ),
    "hopsworks": inference({"schema": "hopsworks"}),
    "kserve": inference({"mode": "PREDICTIONS"}),
    "cloudevents": inference({"schema": "cloudevents", "mode": "PREDICTIONS"}),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("has_orjson", [True, False])
def test_json_of_any_writer_has_no_raw_control(write, has_orjson):
    """
    DEL, C1, line separators and bidi controls are escaped like C0.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not has_orjson:
            patch.setattr(encoding, "orjson", None)
        found = write(TEXT)
    text = found if isinstance(found, str) else found.decode()

    assert set(RAW.findall(text)) <= {"\n"}  # of json_indent
    assert isinstance(json.loads(text), (dict, list))


def texts_in(value):
    if isinstance(value, dict):
        return [
            *value,
            *(t for each in value.values() for t in texts_in(each)),
        ]
    if isinstance(value, list):
        return [text for each in value for text in texts_in(each)]
    return [value]


@pytest.mark.parametrize(
    "name", ["encode_line", "encode_value", "not_ascii", "fmt", "mlperf"]
)
def test_json_with_controls_reads_back_as_it_was(name):
    """
    What is escaped is the same text for a reader.
    """
    assert TEXT in texts_in(json.loads(WRITERS[name](TEXT)))


def test_json_letter_has_no_raw_control(tmp_path):
    """
    Nor have dead letters.
    """
    path = tmp_path / "letters"
    DeadLetters(str(path)).add(TEXT.encode(), ValueError(TEXT))

    line = path.read_text().rstrip("\n")
    assert RAW.search(line) is None
    assert json.loads(line)["value"] == TEXT


@pytest.mark.parametrize("limit", [480, 65536])
@pytest.mark.parametrize("newlines", ["keep", "escape"])
def test_json_in_syslog_stays_json(limit, newlines):
    """
    Somebody's JSON with raw controls, and line breaks, is escaped as JSON is.
    """
    messages = SyslogFormat(
        fields="json",
        newlines=newlines,
        sequence_id=False,
        max_message_bytes=limit,
    )
    text = json.dumps({"a": "\x9b\x7f\u202e é"}, ensure_ascii=False, indent=1)

    sent = messages.way(lambda _: text)(logging.makeLogRecord({})).decode()

    body = sent[sent.index("{") :]
    assert set(RAW.findall(body)) <= {"\n"}
    assert json.loads(body) == json.loads(text)


def test_escapes_of_bytes_are_those_of_text():
    """
    The search in UTF-8 finds what the expression for text finds.
    """
    for code in [*range(0x20, 0xD800), *range(0xE000, 0x2100)]:
        line = chr(code).encode()
        is_raw = RAW.match(chr(code)) is not None
        assert (encoding.escape_controls(line) != line) is is_raw, hex(code)


# --- streams and files that are not UTF-8 ---

ENCODINGS = ["ascii", "cp1252", "latin-1", "cp037", "iso2022_jp", "shift_jis"]
ERRORS = ["strict", "backslashreplace", "replace", "namereplace", "ignore"]


@given(
    document=st.dictionaries(hostile.TEXTS, hostile.TEXTS, max_size=3),
    name=st.sampled_from([*ENCODINGS, "utf-8", "utf-16", "no such", None]),
)
def test_encodable_json_is_the_same_json(document, name):
    """
    In any encoding JSON is JSON, and reads the same.
    """
    line = encoding.encode(document).decode()

    found = encodable(line, name)

    found.encode("ascii" if name == "no such" else name or "utf-8")
    assert json.loads(found) == json.loads(line)


@pytest.mark.parametrize("errors", ERRORS)
@pytest.mark.parametrize("name", ENCODINGS)
def test_json_on_a_stream_of_any_encoding_is_json(name, errors, logger):
    """
    Also where the stream has an error handler of its own, as stderr has.
    """
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=name, errors=errors)
    handler = mllog.ConsoleHandler(stream, piped="json")
    logger.addHandler(handler)

    logger.warning("smile 😀", extra={"prompt": "café 😀"})

    line = json.loads(raw.getvalue().decode(name))
    assert (line["message"], line["prompt"]) == ("smile 😀", "café 😀")
    assert handler.stats().written == 1


def test_text_on_a_stream_that_hides_its_encoding_is_escaped(logger):
    """
    A stream that tells no encoding gets ASCII where it takes no more.
    """

    class Narrow(io.StringIO):
        encoding = None

        def write(self, text):
            text.encode("ascii")
            return super().write(text)

    stream = Narrow()
    logger.addHandler(mllog.ConsoleHandler(stream, piped="json"))

    logger.warning("é")

    assert json.loads(stream.getvalue())["message"] == "é"


@pytest.mark.parametrize("errors", [None, "backslashreplace", "namereplace"])
@pytest.mark.parametrize("name", ["ascii", "cp1252", "latin-1"])
@pytest.mark.parametrize("formatter", ["JSONFormatter", "MLPerfFormatter"])
def test_json_in_a_file_of_any_encoding_is_json(
    name, errors, formatter, tmp_path, logger
):
    """
    So does a file, whatever *errors* says.
    """
    handler = mllog.TimestampedRotatingFileHandler(
        tmp_path / "a.log", encoding=name, errors=errors
    )
    handler.setFormatter(getattr(mllog, formatter)())
    logger.addHandler(handler)

    logger.warning("smile 😀", extra={"prompt": "café 😀"})
    handler.close()

    text = (tmp_path / "a.log").read_bytes().decode(name)
    line = json.loads(text[text.index("{") :])
    assert "café 😀" in (
        line.get("prompt"),
        *line.get("metadata", {}).values(),
    )


@pytest.mark.parametrize("name", ENCODINGS)
def test_rich_console_of_any_encoding_gets_escapes(name):
    """
    rich raises for what a console cannot encode, and its record is lost.
    """
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=name)
    handler = mllog.RichHandler(
        console=Console(file=stream, width=100), show_path=False
    )

    handler.handle(
        logging.makeLogRecord({"msg": "smile 😀", "schlüssel": "café 😀"})
    )
    stream.flush()

    assert handler.stats().written == 1
    assert raw.getvalue().decode(name).count(r"\ud83d\ude00") == 2
