"""
Records with odd attributes: makeLogRecord() and sockets take anything.
"""

import decimal
import io
import json
import logging

import hostile
import pytest
from rich.console import Console

import mllog
from mllog.errors import EventError
from mllog.formatters.otlp import LogRecordFormat, body_of
from mllog.formatters.syslog import SyslogFormat

TIMES = {
    "nan": float("nan"),
    "inf": float("inf"),
    "minus_inf": float("-inf"),
    "huge": 1e300,
    "year_10000": 253402300800.0,
    "before_1": -1e11,
    "negative": -1.5,
    "long": 10**400,
    "none": None,
    "text": "noon",
    "bool": True,
    "decimal": decimal.Decimal("0.5"),
    "object": hostile.RaisingEverything(),
}
TEXTS = {
    "none": None,
    "number": 7,
    "bytes": b"\xff\x00",
    "list": ["a", 1],
    "nan": float("nan"),
    "surrogate": "\ud800",
    "controls": "a\nb\x1b[31m\x9b\u202e",
    "empty": "",
    "long": "x" * 100_000,
    "raises": hostile.RaisingRepr(),
    "everything": hostile.RaisingEverything(),
    "nameless": hostile.Nameless(),
    "big": 10**5000,
}
# where nobody's __bool__ is looked for
_ASKED = ("exc_info", "exc_text", "stack_info")
FAILURE = hostile.failed_with(ValueError("x"))
ODD = {
    **{f"created_{n}": {"created": v} for n, v in TIMES.items()},
    **{f"msecs_{n}": {"msecs": v} for n, v in TIMES.items()},
    **{f"relative_{n}": {"relativeCreated": v} for n, v in TIMES.items()},
    **{f"levelno_{n}": {"levelno": v} for n, v in {**TIMES, **TEXTS}.items()},
    **{
        f"{attribute}_{n}": {attribute: v}
        for attribute in (
            "name",
            "levelname",
            "msg",
            "pathname",
            "filename",
            "funcName",
            "lineno",
            "process",
            "thread",
            "threadName",
            "exc_text",
            "exc_info",
            "stack_info",
            "taskName",
            "asctime",
            "message",
        )
        for n, v in TEXTS.items()
        if not (n == "everything" and attribute in _ASKED)
    },
    **{
        f"args_{n}": {"msg": "%s of %d", "args": v}
        for n, v in {
            **{n: v for n, v in TEXTS.items() if n != "everything"},
            "mapping": {"a": 1},
            "few": ("a",),
            "raises": (hostile.RaisingRepr(), 1),
            "none": None,
        }.items()
    },
    "msg_mapping": {"msg": "%(a)s", "args": {"a": 1}},
    "exc_text_beside_exc_info": {"exc_text": "cached", "exc_info": FAILURE},
    "exc_text_odd_beside": {"exc_text": b"\xff", "exc_info": FAILURE},
    "exc_info_true": {"exc_info": True},
    "exc_info_short": {"exc_info": (ValueError,)},
    "exc_info_bare": {"exc_info": ValueError("bare")},
    "exc_info_types": {"exc_info": ("a", "b", "c")},
    "all_none": dict.fromkeys(
        logging.LogRecord("", 0, "", 0, "", (), None).__dict__
    ),
}
DATED = "%(asctime)s %(levelname)s %(name)s %(message)s"
FORMATTERS = {
    "json": mllog.JSONFormatter,
    "json_static": lambda: mllog.JSONFormatter(static_fields={"a": 1}),
    "json_dated": lambda: mllog.JSONFormatter(datefmt="%H:%M", timestamp="t"),
    "json_fmt": lambda: mllog.JSONFormatter(DATED, timestamp=True),
    "json_braces": lambda: mllog.JSONFormatter(
        "{asctime} {exc_info[0].x} {message}", style="{"
    ),
    "json_ecs": lambda: mllog.JSONFormatter(schema="ecs"),
    "json_arrays": lambda: mllog.JSONFormatter(
        exc_info_as_array=True, stack_info_as_array=True, reserved_attrs=[]
    ),
    "text": mllog.TextFormatter,
    "text_dated": lambda: mllog.TextFormatter(datefmt="%H:%M"),
    "text_fmt": lambda: mllog.TextFormatter(
        f"{DATED} %(created)f %(msecs)d %(levelno)d %(lineno)d %(process)d"
    ),
    "text_braces": lambda: mllog.TextFormatter(
        "{asctime} {created:.3f} {exc_info[0].x} {message}", style="{"
    ),
    "text_dollars": lambda: mllog.TextFormatter(
        "$asctime ${created} $message", style="$"
    ),
    "rich": lambda: mllog.RichFormatter(color=False),
    "rich_color": lambda: mllog.RichFormatter(color=True, datefmt="%c"),
    "rich_fmt": lambda: mllog.RichFormatter(DATED, color=False),
    "mlperf": mllog.MLPerfFormatter,
    "torchserve": mllog.TorchServeFormatter,
    "torchserve_json": lambda: mllog.TorchServeFormatter(text="json"),
    "inference": lambda: mllog.InferenceFormatter(
        model_name="m", model_version=1, serving_id=1
    ),
}
LINES = {
    **{
        name: lambda record, make=make: make().format(record)
        for name, make in FORMATTERS.items()
    },
    "syslog": lambda record: SyslogFormat().of(record, "text").decode(),
    "syslog_3164": lambda record: (
        SyslogFormat(rfc="3164").of(record, "text").decode()
    ),
    "otlp": lambda record: (
        LogRecordFormat(65536).way(body_of)(record).decode()
    ),
}


def record_of(odd):
    record = logging.makeLogRecord(
        {"msg": "m", "name": "app", "levelname": "INFO", "levelno": 20}
    )
    record.loss = 0.5
    record.__dict__.update(odd)
    return record


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_record_with_an_odd_attribute_is_formatted(odd):
    """
    Every formatter gives a line of it, and changes nothing on it.
    """
    for name, line_of in LINES.items():
        record = record_of(odd)
        before = hostile.state_of(record)

        line = line_of(record)

        assert type(line) is str, name
        if name.startswith("json") and "arrays" not in name:
            hostile.strict(line.encode())
            assert "formatter_error" not in line, name
        assert hostile.state_of(record) == before, name


@pytest.mark.parametrize(
    "odd",
    [each for name, each in ODD.items() if name.startswith("created")],
    ids=list(TIMES),
)
def test_event_with_an_odd_time_is_an_event_or_says_why(odd):
    """
    An inference needs a right time, and what has none is an EventError.
    """
    record = record_of({**odd, "inputs": [1], "predictions": [0]})

    try:
        line = FORMATTERS["inference"]().format(record)
    except EventError as exc:
        assert exc.field == "created"
    else:
        assert json.loads(line.splitlines()[0])["modelName"] == "m"


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_record_with_an_odd_attribute_is_shown_by_rich(odd):
    """
    Nor does rich's handler lose one.
    """
    for tracebacks in (True, False):
        console = Console(file=io.StringIO(), width=100)
        handler = mllog.RichHandler(
            console=console, rich_tracebacks=tracebacks
        )

        handler.handle(record_of(odd))

        assert handler.stats().written == 1


@pytest.mark.parametrize("name", TIMES)
def test_time_that_is_none_is_1970_in_json(name):
    """
    A time that there is not is the first, not an exception.
    """
    line = json.loads(
        mllog.JSONFormatter().format(record_of({"created": TIMES[name]}))
    )

    assert len(line["timestamp"]) == len("1970-01-01T00:00:00.000000Z")
    if name in ("nan", "inf", "huge", "none", "text", "long"):
        assert line["timestamp"].startswith("1970-01-01T00:00:00")


@pytest.mark.parametrize("name", FORMATTERS)
def test_exception_comes_before_its_cached_text(name):
    """
    Beside exc_info, exc_text is what some other formatter left.
    """
    odd = ODD["exc_text_beside_exc_info"]
    if name == "inference":
        odd = {**odd, "inputs": [1], "predictions": None}

    record = record_of(odd)
    del record.loss  # a metric for TorchServe, and no text

    line = FORMATTERS[name]().format(record)

    assert "ValueError" in line
    assert '"cached' not in line
