"""
mllog.JSONFormatter: one valid JSON object per record.
"""

import configparser
import io
import json
import logging
import logging.config
import re
import sys

from ids import as_id
import hostile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mllog
from mllog import encoding

CORE = ["timestamp", "level", "logger", "message"]


def record_of(message="hello", *args, exc_info=None, stack=None, **fields):
    return logging.getLogger("x").makeRecord(
        "app.serving",
        logging.INFO,
        "/app/serve.py",
        12,
        message,
        args,
        exc_info,
        "predict",
        mllog.extra(**fields),
        stack,
    )


def read(formatter, record):
    return hostile.strict(formatter.format(record).encode())


def without_addresses(text):
    return json.loads(re.sub("0x[0-9a-f]+", "0x", text))


FORMATTERS = {
    "plain": {},
    "fmt": {"fmt": "%(asctime)s %(levelname)s %(name)s %(message)s"},
    "format": {"format": "{message} {levelname}", "style": "{"},
    "sequence": {"fmt": ["message", "levelname"]},
    "comma": {"fmt": "message,created", "style": ","},
    "ecs": {"schema": "ecs"},
    "string": {"nan": "string"},
    "renamed": {"rename_fields": {"message": "msg", "loss": "error"}},
    "static": {"static_fields": {"service": "serve", "level": "own"}},
    "defaults": {"defaults": {"service": "serve"}},
    "timestamp": {"timestamp": True},
    "timestamp_name": {"timestamp": "@t", "fmt": "%(message)s"},
    "not_ascii": {"json_ensure_ascii": False},
    "not_ascii_fmt": {"json_ensure_ascii": False, "fmt": "%(message)s"},
    "arrays": {"exc_info_as_array": True, "stack_info_as_array": True},
    "arrays_fmt": {"exc_info_as_array": True, "fmt": "%(message)s"},
    "short": {"max_record_bytes": 256},
    "short_fmt": {"max_record_bytes": 256, "fmt": "%(message)s"},
    "short_ecs": {"max_record_bytes": 300, "schema": "ecs"},
    "keep": {"rename_fields": {"a": "b"}, "rename_fields_keep_missing": True},
}


class Hooked(mllog.JSONFormatter):
    def process_log_record(self, log_data):
        return {**log_data, "hooked": True}


@pytest.mark.parametrize("options", FORMATTERS.values(), ids=FORMATTERS)
@given(record=hostile.records())
@settings(max_examples=settings().max_examples // 3)
def test_format_any_record_is_one_strict_line(options, record):
    """
    Any record in any form is one line of strict JSON, within the limit.
    """
    formatter = mllog.JSONFormatter(**options)
    before = hostile.state_of(record)

    line = formatter.format_line(record)
    text = formatter.format(record)

    hostile.strict(line[:-1])
    assert line.endswith(b"\n")
    assert len(line) <= options.get("max_record_bytes", 65536) + 1
    # python-json-logger copies some objects, which changes their address
    assert without_addresses(text) == without_addresses(line.decode())
    assert not formatter.format_bytes(record).endswith(b"\n")
    assert hostile.state_of(record) == before


@given(record=hostile.records())
def test_format_without_orjson_says_the_same(record):
    """
    Without orjson each record gives a line that reads the same.
    """
    formatter = mllog.JSONFormatter()
    expected = formatter.format_line(record)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "orjson", None)
        found = formatter.format_line(record)

    assert json.loads(found) == json.loads(expected)


@given(record=hostile.records())
def test_format_with_hook_says_the_same(record):
    """
    The way through a subclass's hook gives what the direct way gives.
    """
    expected = json.loads(mllog.JSONFormatter().format_line(record))
    expected.pop("mllog_truncated", None)

    found = json.loads(Hooked().format_line(record))

    assert found.pop("hooked", True) is True
    if "mllog_truncated" not in found and isinstance(record.msg, str):
        assert found == expected


@pytest.mark.parametrize("kind", [mllog.JSONFormatter, Hooked])
def test_format_default_has_our_keys_first(kind):
    """
    timestamp, level, logger, message, and then the fields as given.
    """
    found = read(kind(), record_of(model_name="resnet50", batch_size=8))

    assert list(found)[:6] == [*CORE, "model_name", "batch_size"]
    assert found["level"] == "INFO"
    assert found["logger"] == "app.serving"
    assert found["message"] == "hello"


def test_format_timestamp_is_rfc_3339_with_six_digits():
    """
    The time is in UTC, ends in Z and has microseconds.
    """
    record = record_of()
    record.created = 1795243512.0

    found = read(mllog.JSONFormatter(), record)

    assert found["timestamp"] == "2026-11-21T06:45:12.000000Z"
    assert re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{6}Z", found["timestamp"])


@pytest.mark.parametrize("kind", [mllog.JSONFormatter, Hooked])
@pytest.mark.parametrize(
    "name",
    [*CORE, "exception", "stack", "nonfinite", "mllog_truncated"],
)
def test_format_field_named_like_our_key_gets_an_underscore(kind, name):
    """
    Our own keys win, and the field is kept as <name>_.
    """
    record = record_of(loss=float("nan"))
    record.__dict__[name] = "theirs"

    found = read(kind(), record)

    expected = "message" if name == "message" else f"{name}_"
    assert found[expected] == ("hello" if name == "message" else "theirs")
    assert found.get(name) != "theirs"


def test_format_metrics_stay_nested_and_step_on_top():
    """
    metrics is one object, and step an integer beside it.
    """
    found = read(
        mllog.JSONFormatter(),
        record_of(metrics={"train/loss": 0.31}, step=10),
    )

    assert found["metrics"] == {"train/loss": 0.31}
    assert found["step"] == 10


@pytest.mark.parametrize(
    ("options", "expected"), [({}, None), ({"nan": "string"}, "NaN")]
)
def test_format_nan_is_named(options, expected):
    """
    A NaN is null or its name, and listed in nonfinite.
    """
    found = read(mllog.JSONFormatter(**options), record_of(loss=float("nan")))

    assert found["loss"] == expected
    assert found["nonfinite"] == {"loss": "NaN"}


def chained():
    try:
        try:
            raise KeyError("first")
        except KeyError as first:
            raise ValueError("second") from first
    except ValueError:
        return sys.exc_info()


def test_format_exception_has_type_message_traceback_and_cause():
    """
    An exception is an object with what it is, says, and was caused by.
    """
    found = read(mllog.JSONFormatter(), record_of(exc_info=chained()))

    error = found["exception"]
    assert error["type"] == "ValueError"
    assert error["message"] == "second"
    assert error["traceback"].startswith("Traceback (most recent call last)")
    assert error["traceback"].endswith("ValueError: second")
    assert error["cause"]["type"] == "KeyError"
    assert "context" not in error


def test_format_exception_in_an_except_block_has_its_context():
    """
    What was being handled when it was raised is its context.
    """
    try:
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second")
    except ValueError:
        info = sys.exc_info()

    found = read(mllog.JSONFormatter(), record_of(exc_info=info))

    assert found["exception"]["context"]["type"] == "KeyError"


def test_format_exception_has_its_notes():
    """
    __notes__ are a list of texts, whatever stands there.
    """
    error = ValueError("x")
    error.__notes__ = ["epoch 3", 7]

    found = read(
        mllog.JSONFormatter(), record_of(exc_info=hostile.failed_with(error))
    )

    assert found["exception"]["notes"] == ["epoch 3", 7]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no ExceptionGroup")
def test_format_exception_group_has_its_members():
    """
    The exceptions of a group are described like their group.
    """
    group = ExceptionGroup("both", [ValueError("a"), KeyError("b")])  # noqa

    found = read(
        mllog.JSONFormatter(), record_of(exc_info=hostile.failed_with(group))
    )

    members = found["exception"]["exceptions"]
    assert [each["type"] for each in members] == ["ValueError", "KeyError"]


def test_format_exception_chain_without_end_is_cut():
    """
    Two exceptions that cause each other, and 1000 in a row, give one line.
    """
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    long = ValueError("last")
    for _ in range(1000):
        outer = ValueError("outer")
        outer.__cause__ = long
        long = outer

    for error in (first, long):
        found = read(
            mllog.JSONFormatter(),
            record_of(exc_info=(ValueError, error, None)),
        )
        assert found["exception"]["cause"]["type"] == "ValueError"


class Rude(Exception):
    def __str__(self):
        raise RuntimeError("str")

    def __getattr__(self, name):
        raise RuntimeError(name)


@pytest.mark.parametrize("options", FORMATTERS.values(), ids=FORMATTERS)
@pytest.mark.parametrize(
    "exc_info",
    [
        True,
        1,
        (1, 2),
        (None, None, None),
        ValueError("bare"),
        hostile.failed_with(Rude()),
    ],
    ids=as_id,
)
def test_format_odd_exc_info_raises_nothing(options, exc_info):
    """
    What makeLogRecord() takes for exc_info, and rude exceptions, do no harm.
    """
    record = record_of()
    record.exc_info = exc_info

    read(mllog.JSONFormatter(**options), record)


def test_format_no_exception_has_no_key():
    """
    exc_info=True outside of an except block adds nothing.
    """
    found = read(mllog.JSONFormatter(), record_of(exc_info=(None, None, None)))

    assert list(found) == CORE


def test_format_exc_text_alone_is_the_traceback():
    """
    A record that came over a socket has its traceback as text only.
    """
    record = record_of()
    record.exc_text = "Traceback …"

    found = read(mllog.JSONFormatter(), record)

    assert found["exception"]["traceback"] == "Traceback …"


def test_format_stack_info_is_the_stack():
    """
    stack_info=True adds the stack as text.
    """
    found = read(mllog.JSONFormatter(), record_of(stack="Stack (most…"))

    assert found["stack"] == "Stack (most…"


def test_format_message_that_is_a_dict_becomes_fields():
    """
    The entries of a dict given as message are fields.
    """
    message = {"event": "loaded", "exc_info": "mine", "level": "mine"}

    found = read(mllog.JSONFormatter(), record_of(message))

    assert found["event"] == "loaded"
    assert found["exc_info"] == "mine"
    assert found["level"] == "INFO"
    assert found["level_"] == "mine"
    assert message == {"event": "loaded", "exc_info": "mine", "level": "mine"}


@pytest.mark.parametrize("options", FORMATTERS.values(), ids=FORMATTERS)
def test_format_arguments_that_do_not_fit_are_still_shown(options):
    """
    A message whose % arguments do not fit is written with them.
    """
    text = mllog.JSONFormatter(**options).format(record_of("%d rows", "many"))

    assert "rows' % ('many',)" in text or "%d rows" in text


def test_format_hook_that_changes_the_record_is_used():
    """
    process_log_record() has the last word on the document.
    """
    assert read(Hooked(), record_of())["hooked"] is True


def test_format_add_fields_of_a_subclass_is_used():
    """
    add_fields() may add to what it inherits.
    """

    class Adding(mllog.JSONFormatter):
        def add_fields(self, log_data, record, message_dict):
            super().add_fields(log_data, record, message_dict)
            log_data["line"] = record.lineno

    found = read(Adding(), record_of(loss=1))

    assert list(found) == [*CORE, "loss", "line"]


def test_format_jsonify_of_a_subclass_is_used():
    """
    jsonify_log_record() may write what it likes.
    """

    class Short(mllog.JSONFormatter):
        def jsonify_log_record(self, log_data):
            return json.dumps({"m": log_data["message"]})

    assert Short().format(record_of()) == '{"m": "hello"}'


def test_format_hook_that_raises_loses_no_record():
    """
    A hook that raises is named, and the record is written without it.
    """

    class Broken(mllog.JSONFormatter):
        def process_log_record(self, log_data):
            raise hostile.failed_with(Rude())[1]

    found = read(Broken(nan="string"), record_of(loss=float("nan")))

    assert found["message"] == "hello"
    assert found["loss"] == "NaN"
    assert found["formatter_error"] == "Rude: <Rude>"


def test_format_encoder_that_raises_loses_no_record():
    """
    A json_default that raises is done without.
    """

    def default(value):
        raise RuntimeError

    found = read(mllog.JSONFormatter(json_default=default), record_of(x={1}))

    assert found["x"] == [1]


def test_format_prefix_stands_before_the_object():
    """
    prefix is written before each line.
    """
    text = mllog.JSONFormatter(prefix="@cee: ").format(record_of())

    assert text.startswith("@cee: {")


def test_format_rename_and_static_fields_are_python_json_loggers():
    """
    rename_fields and static_fields do what they do there.
    """
    found = read(
        mllog.JSONFormatter(
            rename_fields={"message": "msg"}, static_fields={"service": "s"}
        ),
        record_of(),
    )

    assert found["msg"] == "hello"
    assert found["service"] == "s"
    assert "message" not in found


def test_format_fmt_is_python_json_loggers_layout():
    """
    With fmt the line has its names, and then the fields.
    """
    found = read(
        mllog.JSONFormatter("%(levelname)s %(message)s"), record_of(loss=0.5)
    )

    assert found == {"levelname": "INFO", "message": "hello", "loss": 0.5}


def test_format_fmt_with_numpy_gives_numbers():
    """
    numpy's values are numbers also in python-json-logger's layout.
    """
    import numpy as np

    found = read(
        mllog.JSONFormatter("%(message)s"),
        record_of(loss=np.float32(0.5), cycle=1, deep={"a": [np.int64(1)]}),
    )

    assert found["loss"] == 0.5
    assert found["deep"] == {"a": [1]}


def test_format_message_with_nan_in_its_text_changes_nothing_else():
    """
    The word NaN in a message does not change how other values are written.
    """
    when = hostile.datetime.datetime(
        2026, 1, 2, tzinfo=hostile.datetime.timezone.utc
    )
    formatter = mllog.JSONFormatter("%(message)s")

    calm = read(formatter, record_of("fine", when=when))
    word = read(formatter, record_of("NaN 😀", when=when))

    assert word["when"] == calm["when"]


def test_format_fmt_with_keys_of_one_text_keeps_both():
    """
    {None: 1, "null": 2} has no key twice in python-json-logger's layout.
    """
    found = read(
        mllog.JSONFormatter("%(message)s"), record_of(x={None: 1, "null": 2})
    )

    assert found["x"] == {"null": 1, "null_": 2}


def test_format_limit_counts_bytes_not_characters():
    """
    Text that is longer in UTF-8 than the limit is cut.
    """
    formatter = mllog.JSONFormatter(
        "%(message)s", json_ensure_ascii=False, max_record_bytes=1000
    )

    line = formatter.format_line(record_of("ü" * 700))

    assert len(line) <= 1001
    assert hostile.strict(line[:-1])["mllog_truncated"] is True


def test_format_indent_is_kept_where_a_value_is_repaired():
    """
    json_indent holds for a record with NaN, too.
    """
    formatter = mllog.JSONFormatter(json_indent=2)

    text = formatter.format(record_of(loss=float("nan")))

    assert text.startswith('{\n  "timestamp"')
    assert json.loads(text)["loss"] is None


def test_format_ecs_has_what_elastic_requires():
    """
    The ECS layout has @timestamp, message and ecs.version, and its own names.
    """
    found = read(
        mllog.JSONFormatter(schema="ecs"),
        record_of(
            inference_latency=0.25,
            request_id="r",
            exc_info=chained(),
            message_=1,
        ),
    )

    assert list(found)[:4] == [
        "@timestamp",
        "log.level",
        "message",
        "ecs.version",
    ]
    assert found["log.level"] == "info"
    assert found["log.logger"] == "app.serving"
    assert found["log.origin.file.name"] == "serve.py"
    assert found["event.duration"] == 250_000_000
    assert found["http.request.id"] == "r"
    assert found["error.type"] == "ValueError"
    assert "KeyError" in found["error.stack_trace"]


@pytest.mark.parametrize("latency", ["fast", None, float("nan"), -1, [1]])
def test_format_ecs_latency_that_is_none_has_no_duration(latency):
    """
    Only a finite, positive latency becomes event.duration.
    """
    found = read(
        mllog.JSONFormatter(schema="ecs"), record_of(inference_latency=latency)
    )

    assert "event.duration" not in found


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"rename_field": {}}, ["JSONFormatter", "rename_fields"]),
        ({"max_record_byte": 1}, ["JSONFormatter", "max_record_bytes"]),
        ({"json_idnt": 1}, ["JSONFormatter", "json_indent"]),
        ({"api_key": "hunter2"}, ["JSONFormatter", "unknown option api_key"]),
        ({"nan": "drop"}, ["JSONFormatter", "nan='drop'", "null, string"]),
        ({"schema": "otel"}, ["JSONFormatter", "schema='otel'", "ecs"]),
        ({"schema": "ecs", "fmt": "%(message)s"}, ["schema and fmt"]),
        ({"max_record_bytes": 10}, ["max_record_bytes=10", "256"]),
        ({"max_record_bytes": "big"}, ["max_record_bytes='big'"]),
        ({"style": "?"}, ["JSONFormatter", "Style"]),
        ({"fmt": "no field"}, ["JSONFormatter"]),
    ],
)
def test_options_wrong_raise_what_to_write(options, expected):
    """
    A wrong option raises a ConfigError with class, option and a better name.
    """
    with pytest.raises(mllog.ConfigError) as caught:
        mllog.JSONFormatter(**options)

    for words in expected:
        assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    [
        {"()": "mllog.JSONFormatter", "format": "%(levelname)s %(message)s"},
        {
            "class": "mllog.JSONFormatter",
            "format": "%(levelname)s %(message)s",
        },
        {"()": mllog.JSONFormatter, "fmt": "%(levelname)s %(message)s"},
    ],
    ids=["()", "class", "object"],
)
def test_dictconfig_formatter_takes_format(spec):
    """
    dictConfig's "()" and "class" forms both hand over the format.
    """
    stream = io.StringIO()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": spec},
            "handlers": {
                "out": {
                    "class": "logging.StreamHandler",
                    "formatter": "json",
                    "stream": stream,
                }
            },
            "loggers": {"test.dict": {"handlers": ["out"]}},
        }
    )

    logging.getLogger("test.dict").warning("hello")

    assert json.loads(stream.getvalue()) == {
        "levelname": "WARNING",
        "message": "hello",
    }


def test_dictconfig_options_of_the_formatter_are_resolved():
    """
    Options in "()" form reach the formatter, ext:// resolved.
    """
    configurator = logging.config.DictConfigurator(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": "mllog.JSONFormatter",
                    "static_fields": {"sep": "ext://os.sep"},
                    "max_record_bytes": "1KiB",
                }
            },
            "handlers": {
                "out": {
                    "class": "logging.StreamHandler",
                    "formatter": "json",
                    "stream": io.StringIO(),
                }
            },
            "loggers": {"test.dict": {"handlers": ["out"]}},
        }
    )

    configurator.configure()

    handler = logging.getLogger("test.dict").handlers[0]
    found = json.loads(handler.format(record_of("m" * 5000)))
    assert found["mllog_truncated"] is True
    assert json.loads(handler.format(record_of()))["sep"] == "/"


def test_fileconfig_formatter_is_made():
    """
    fileConfig makes the formatter from its class and format.
    """
    config = configparser.RawConfigParser()
    config.read_string(
        """
[loggers]
keys=root
[handlers]
keys=out
[formatters]
keys=json
[logger_root]
handlers=out
level=INFO
[handler_out]
class=StreamHandler
args=(sys.stdout,)
formatter=json
[formatter_json]
class=mllog.JSONFormatter
format=%(levelname)s %(message)s
"""
    )

    logging.config.fileConfig(config, disable_existing_loggers=False)

    formatter = logging.root.handlers[0].formatter
    assert read(formatter, record_of()) == {
        "levelname": "INFO",
        "message": "hello",
    }


def test_formatter_options_of_a_handler_are_added():
    """
    A handler's formatter_options are added to the configured formatter.
    """
    handler = mllog.ConsoleHandler(
        stream=io.StringIO(), formatter_options={"nan": "string"}
    )

    handler.setFormatter(mllog.JSONFormatter(static_fields={"a": 1}))

    found = json.loads(handler.format(record_of(loss=float("nan"))))
    assert found["loss"] == "NaN"
    assert found["a"] == 1


def test_two_handlers_see_the_same_record(logger):
    """
    A stdlib formatter after ours sees a record as if ours had not been there.
    """
    streams = [io.StringIO() for _ in range(3)]
    formatters = [
        mllog.JSONFormatter("%(asctime)s %(message)s"),
        mllog.JSONFormatter(),
        logging.Formatter("%(message)s"),
    ]
    for stream, formatter in zip(streams, formatters):
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    kept = []
    logger.addFilter(lambda record: kept.append(record) or True)

    try:
        raise ValueError("x")
    except ValueError:
        logger.exception("failed", extra={"loss": 0.5})

    assert list(json.loads(streams[1].getvalue())) == [
        *CORE,
        "loss",
        "exception",
    ]
    assert streams[2].getvalue().startswith("failed\nTraceback")
    assert kept[0].args == ()


def test_format_record_of_a_factory_is_searched_by_name():
    """
    A record whose attributes are in another order has the same fields.
    """
    record = record_of(loss=0.5)
    other = logging.LogRecord.__new__(logging.LogRecord)
    for name in reversed(record.__dict__):
        other.__dict__[name] = record.__dict__[name]

    found = read(mllog.JSONFormatter(), other)

    assert found == read(mllog.JSONFormatter(), record)


def test_format_numeric_name_of_a_field_is_text():
    """
    extra={1: 2}, which logging allows, is the field "1".
    """
    record = logging.makeLogRecord({"msg": "hello", 1: 2})

    assert read(mllog.JSONFormatter(), record)["1"] == 2


@pytest.mark.parametrize(
    "value",
    [
        hostile.Point({None: 1, "null": 2}),
        hostile.Pair({1: 1, "1": 2}, 0),
        hostile.Point({True: 1, "true": 2}),
        hostile.collections.OrderedDict([(1.5, 1), ("1.5", 2)]),
    ],
    ids=as_id,
)
def test_format_fmt_with_keys_of_one_text_in_an_object_keeps_both(value):
    """
    Nor has what python-json-logger unfolds by itself a key twice.
    """
    text = mllog.JSONFormatter("%(message)s").format(record_of(x=value))

    hostile.strict(text.encode())
