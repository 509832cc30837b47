"""
Options and hooks of the classes that formatters extend: none does nothing.
"""

import datetime
import inspect
import json
import logging
import time

import hostile
import pytest
from pythonjsonlogger.core import RESERVED_ATTRS, BaseJsonFormatter
from pythonjsonlogger.json import JsonEncoder, JsonFormatter
from rich.console import Console

import mllog

LAYOUTS = {
    "own": {},
    "ecs": {"schema": "ecs"},
    "fmt": {"fmt": "%(asctime)s %(levelname)s %(message)s"},
    "braces": {"fmt": "{asctime} {levelname} {message}", "style": "{"},
    "dollars": {"fmt": "${asctime} $levelname $message", "style": "$"},
    "list": {"fmt": ["asctime", "levelname", "message"]},
    "comma": {"fmt": "asctime,levelname,message", "style": ","},
}
TIME = {"own": "timestamp", "ecs": "@timestamp"}
LEVEL = {"own": "level", "ecs": "log.level"}
STACK = {"own": "stack", "ecs": "stack"}


@pytest.fixture(autouse=True)
def _in_tokyo(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def failed():
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error
    except ValueError as error:
        return type(error), error, error.__traceback__


def record_of(**more):
    return logging.makeLogRecord(
        {"msg": "m", "levelname": "INFO", "created": 0.0, "msecs": 0, **more}
    )


def read(formatter, record):
    text = formatter.format(record)
    assert formatter.format_bytes(record).decode() == text
    return json.loads(text)


def trace_in(line):
    if "exception" in line:
        return line["exception"]["traceback"]
    return line.get("error.stack_trace", line.get("exc_info"))


# --- python-json-logger's options, each of them in each layout ---


def _prefix(options, layout):
    text = mllog.JSONFormatter(prefix="@cee:", **options).format(record_of())
    assert text.startswith("@cee:{")


def _rename_fields(options, layout):
    key = LEVEL.get(layout, "levelname")
    made = mllog.JSONFormatter(rename_fields={key: "sev", "a": "b"}, **options)
    line = read(made, record_of(a=1))
    assert (line["sev"].upper(), line["b"]) == ("INFO", 1)
    assert not {key, "a"} & line.keys()


def _rename_fields_keep_missing(options, layout):
    made = mllog.JSONFormatter(
        rename_fields={"a": "b"}, rename_fields_keep_missing=True, **options
    )
    assert read(made, record_of())["b"] is None


def _static_fields(options, layout):
    made = mllog.JSONFormatter(static_fields={"stage": "prod"}, **options)
    assert read(made, record_of())["stage"] == "prod"


def _reserved_attrs(options, layout):
    made = mllog.JSONFormatter(
        reserved_attrs=[*RESERVED_ATTRS, "password"], **options
    )
    line = read(made, record_of(password="x", user="u"))
    assert "password" not in line
    assert line["user"] == "u"
    shown = [each for each in RESERVED_ATTRS if each != "process"]
    made = mllog.JSONFormatter(reserved_attrs=shown, **options)
    assert 7 in read(made, record_of(process=7)).values()
    assert "s3cret" not in mllog.JSONFormatter(
        reserved_attrs="password", **options
    ).format(record_of(password="s3cret"))


def _timestamp(options, layout):
    line = read(mllog.JSONFormatter(timestamp="@t", **options), record_of())
    assert line["@t"].startswith("1970-01-01T00:00:00")
    line = read(mllog.JSONFormatter(timestamp=True, **options), record_of())
    assert line.get("timestamp", "1970").startswith("1970-01-01T00:00:00") or (
        layout == "ecs"
    )


def _defaults(options, layout):
    made = mllog.JSONFormatter(defaults={"a": 1, "b": 1}, **options)
    line = read(made, record_of(b=2))
    assert (line["a"], line["b"]) == (1, 2)


def _exc_info_as_array(options, layout):
    made = mllog.JSONFormatter(exc_info_as_array=True, **options)
    line = read(made, record_of(exc_info=failed()))
    assert trace_in(line)[0].startswith("Traceback")
    assert trace_in(line)[-1] == "ValueError: outer"
    line = read(made, record_of(exc_text="a\nb"))
    assert trace_in(line) == ["a", "b"]


def _stack_info_as_array(options, layout):
    made = mllog.JSONFormatter(stack_info_as_array=True, **options)
    line = read(made, record_of(stack_info="a\nb"))
    assert line[STACK.get(layout, "stack_info")] == ["a", "b"]


def _json_default(options, layout):
    made = mllog.JSONFormatter(json_default=lambda _: "given", **options)
    assert read(made, record_of(a=object()))["a"] == "given"


class Encoder(JsonEncoder):
    def default(self, o):
        return "given"


def _json_encoder(options, layout):
    made = mllog.JSONFormatter(json_encoder=Encoder, **options)
    assert read(made, record_of(a=object()))["a"] == "given"


def _json_serializer(options, layout):
    def serializer(data, **_):
        return json.dumps({"n": len(data)})

    made = mllog.JSONFormatter(json_serializer=serializer, **options)
    assert list(read(made, record_of())) == ["n"]


def _json_indent(options, layout):
    made = mllog.JSONFormatter(json_indent=2, **options)
    assert '\n  "' in made.format(record_of())


def _json_ensure_ascii(options, layout):
    for given, shown in ((True, r"\u00e9"), (False, "é"), ("yes", r"\u00e9")):
        made = mllog.JSONFormatter(json_ensure_ascii=given, **options)
        assert shown in made.format(record_of(a="é"))


def _fmt(options, layout):
    if "fmt" in options:
        line = read(mllog.JSONFormatter(**options), record_of())
        assert list(line)[:3] == ["asctime", "levelname", "message"]


def _datefmt(options, layout):
    line = read(mllog.JSONFormatter(datefmt="%H", **options), record_of())
    assert line[TIME.get(layout, "asctime")] == "09"


def _style(options, layout):
    if layout != "list":  # for which python-json-logger needs no style
        with pytest.raises(mllog.ConfigError):
            mllog.JSONFormatter(**{**options, "style": "!"})


def _validate(options, layout):
    if type(options.get("fmt")) is str and layout != "comma":
        with pytest.raises(mllog.ConfigError):
            mllog.JSONFormatter(**{**options, "fmt": "no field"})
        mllog.JSONFormatter(**{**options, "fmt": "no field"}, validate=False)


OPTIONS = {
    name.removeprefix("_"): check
    for name, check in globals().items()
    if name.startswith("_")
    and inspect.isfunction(check)
    and name != "_in_tokyo"
}


def test_options_of_python_json_logger_are_all_tried():
    """
    The table below has every argument that its constructors take.
    """
    taken = {
        *inspect.signature(BaseJsonFormatter).parameters,
        *inspect.signature(JsonFormatter).parameters,
    }

    assert taken - {"args", "kwargs"} <= OPTIONS.keys()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("option", OPTIONS)
def test_option_of_python_json_logger_works(option, layout):
    """
    Each option does in each layout what python-json-logger says it does.
    """
    OPTIONS[option](LAYOUTS[layout], layout)


@pytest.mark.parametrize(
    "options",
    [
        {"rename_fields": ["level"]},
        {"static_fields": "a"},
        {"defaults": [1]},
        {"exc_info_as_array": "perhaps"},
        {"reserved_attrs": 7},
    ],
    ids=str,
)
def test_option_of_python_json_logger_that_cannot_work_is_refused(options):
    """
    What python-json-logger would fail on at each record is a ConfigError.
    """
    with pytest.raises(mllog.ConfigError):
        mllog.JSONFormatter(**options)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_option_set_later_counts(layout):
    """
    python-json-logger's attributes may be changed once it is made.
    """
    made = mllog.JSONFormatter(**LAYOUTS[layout])
    read(made, record_of())

    made.static_fields = {"stage": "prod"}
    made.json_indent = 1
    made.datefmt = "%H"

    line = read(made, record_of())
    assert line["stage"] == "prod"
    assert line[TIME.get(layout, "asctime")] == "09"
    assert "\n" in made.format(record_of())


# --- hooks, in a subclass and on an instance ---


class Calls:
    """
    Counts calls of a hook that answers *answer*.
    """

    def __init__(self, answer):
        self.answer = answer
        self.count = 0

    def __call__(self, *_given, **_more):
        self.count += 1
        return self.answer


def hooked(kind, hook, call, how, **options):
    if how == "class":
        kind = type("Own", (kind,), {hook: lambda *a, **k: call(*a, **k)})
        return kind(**options)
    made = kind(**options)
    setattr(made, hook, call)
    return made


HOW = pytest.mark.parametrize("how", ["class", "instance"])


@HOW
@pytest.mark.parametrize("layout", LAYOUTS)
def test_format_exception_of_json_is_called_for_each_exception(layout, how):
    """
    formatException() gives the traceback: of the chain, or one for each.
    """
    call = Calls("SHORT")
    made = hooked(
        mllog.JSONFormatter, "formatException", call, how, **LAYOUTS[layout]
    )

    line = json.loads(made.format(record_of(exc_info=failed())))

    assert trace_in(line) == "SHORT"
    assert "Traceback" not in json.dumps(line)
    assert call.count == (2 if layout == "own" else 1)


@HOW
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("hook", "answer"),
    [
        ("formatStack", "STACK"),
        ("formatTime", "TIME"),
        ("process_log_record", {"m": "PROCESSED"}),
        ("jsonify_log_record", '{"a": "JSON"}'),
        ("serialize_log_record", '{"a": "WHOLE"}'),
    ],
)
def test_hook_of_json_is_called_once(hook, answer, layout, how):
    """
    Each hook is called once per record, and what it answers is written.
    """
    call = Calls(answer)
    made = hooked(mllog.JSONFormatter, hook, call, how, **LAYOUTS[layout])

    text = made.format(record_of(stack_info="Stack"))

    expected = answer["m"] if type(answer) is dict else answer
    assert expected in text
    assert call.count == 1


@HOW
@pytest.mark.parametrize("layout", LAYOUTS)
def test_add_fields_of_json_is_called_once(layout, how):
    """
    add_fields() fills the line, and sees python-json-logger's message_dict.
    """
    seen = []

    def fill(*given):
        *_, log_data, _record, message_dict = given
        seen.append(message_dict)
        log_data["mine"] = 1

    made = hooked(
        mllog.JSONFormatter, "add_fields", fill, how, **LAYOUTS[layout]
    )

    line = json.loads(made.format(record_of(exc_info=failed())))

    assert line == {"mine": 1}
    assert "ValueError: outer" in seen[0]["exc_info"]
    assert len(seen) == 1


def test_parse_of_json_without_fmt_says_the_fields():
    """
    A parse() of a subclass is asked, with fmt and without.
    """

    class Parsed(mllog.JSONFormatter):
        def parse(self):
            return ["lineno", "message"]

    for options in ({}, {"fmt": "any", "style": "!", "validate": False}):
        assert list(read(Parsed(**options), record_of(lineno=7))) == [
            "lineno",
            "message",
        ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        ({"default_time_format": "%Y"}, "1970,000"),
        ({"default_time_format": "%Y", "default_msec_format": None}, "1970"),
        ({"converter": lambda *_: time.gmtime(3600)}, "01:00"),
    ],
    ids=["format", "msec", "converter"],
)
def test_attributes_of_logging_for_times_count(attributes, shown, layout):
    """
    default_time_format, default_msec_format and converter are obeyed.
    """
    kind = type("Own", (mllog.JSONFormatter,), attributes)

    line = read(kind(**LAYOUTS[layout]), record_of())

    assert shown in line[TIME.get(layout, "asctime")]


@pytest.mark.parametrize("layout", ["braces"])
def test_braces_with_specification_name_the_field(layout):
    """
    {levelname:<8}, {a!r} and {metrics[loss]} are fields in JSON, too.
    """
    made = mllog.JSONFormatter(
        "{levelname:<8} {a!r} {metrics[loss]:.3f} {when.year} {no.such}",
        style="{",
    )

    line = read(
        made,
        record_of(
            a=1,
            metrics={"loss": 0.5},
            when=datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
        ),
    )

    assert line["levelname"] == "INFO"
    assert line["a"] == 1
    assert line["metrics[loss]"] == 0.5
    assert line["when.year"] == 2026
    assert line["no.such"] is None


# --- the formatters of text ---

TEXT = {
    "text": (mllog.TextFormatter, {}),
    "text_fmt": (mllog.TextFormatter, {"fmt": "%(asctime)s %(message)s"}),
    "text_braces": (
        mllog.TextFormatter,
        {"fmt": "{asctime} {message}", "style": "{"},
    ),
    "rich": (mllog.RichFormatter, {"color": False}),
    "rich_color": (mllog.RichFormatter, {"color": True}),
    "rich_fmt": (
        mllog.RichFormatter,
        {"fmt": "%(asctime)s %(message)s", "color": False},
    ),
    "torchserve": (mllog.TorchServeFormatter, {"fmt": "%(asctime)s"}),
}


@HOW
@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize(
    "hook", ["formatException", "formatStack", "formatTime", "formatMessage"]
)
def test_hook_of_a_text_is_called(hook, name, how):
    """
    Each hook of logging.Formatter is called, in each format.
    """
    kind, options = TEXT[name]
    if hook == "formatMessage" and how == "instance":
        pytest.skip("its result is part of how the formatter is made")
    made = hooked(kind, hook, Calls("CUSTOM"), how, **options)

    text = made.format(record_of(stack_info="Stack", exc_info=failed()))

    assert "CUSTOM" in text


@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("how", ["class", "instance", "everywhere"])
def test_converter_of_a_text_is_used(name, how, monkeypatch):
    """
    converter = time.gmtime is UTC, wherever it is set.
    """
    kind, options = TEXT[name]
    options = {**options, "datefmt": "%H"}
    if how == "everywhere":
        monkeypatch.setattr(logging.Formatter, "converter", time.gmtime)
    if how == "class":
        kind = type("Own", (kind,), {"converter": time.gmtime})
    made = kind(**options)
    if how == "instance":
        made.converter = time.gmtime

    text = made.format(record_of())

    assert "00" in text
    assert "09" not in text


@pytest.mark.parametrize("name", TEXT)
def test_datefmt_of_a_text_is_used(name):
    """
    So is datefmt, in local time.
    """
    kind, options = TEXT[name]

    assert "H09" in kind(**options, datefmt="H%H").format(record_of())


@pytest.mark.parametrize("name", TEXT)
def test_default_time_format_of_a_text_is_used(name):
    """
    And logging's own default format of a subclass.
    """
    kind, options = TEXT[name]
    kind = type("Own", (kind,), {"default_time_format": "Y%Y"})

    assert "Y1970" in kind(**options).format(record_of())


@pytest.mark.parametrize("name", ["text_braces", "rich_fmt"])
def test_braces_with_attributes_show_a_part_of_a_field(name):
    """
    {when.year} and {metrics[loss]:.2f} work as in logging, and are escaped.
    """
    kind, options = TEXT[name]
    options = {
        **options,
        "fmt": "{levelname:<5}|{when.year}|{metrics[loss]:.2f}|{error.args[0]}",
        "style": "{",
    }

    text = kind(**options, defaults={"stage": 1}).format(
        record_of(
            when=datetime.date(2026, 1, 2),
            metrics={"loss": 0.5},
            error=ValueError("x\x1b[31m\n"),
        )
    )

    assert r"INFO |2026|0.50|x\x1b[31m\n" in text
    assert "AttributeError" in kind(**options).format(record_of(when=1))


@pytest.mark.parametrize("name", TEXT)
def test_record_factory_is_called_once(name, logger):
    """
    Formatting makes no further record.
    """
    kind, options = TEXT[name]
    before, made = logging.getLogRecordFactory(), []

    def factory(*args, **kwargs):
        made.append(before(*args, **kwargs))
        return made[-1]

    logging.setLogRecordFactory(factory)
    try:
        for handler in (
            mllog.ConsoleHandler(Console(stderr=True).file),
            mllog.RichHandler(console=Console(file=hostile_stream())),
        ):
            handler.setFormatter(kind(**options))
            logger.addHandler(handler)
        for options in LAYOUTS.values():
            handler = mllog.ConsoleHandler(hostile_stream())
            handler.setFormatter(mllog.JSONFormatter(**options))
            logger.addHandler(handler)
        logger.warning("once")
        logger.error({"a": "dict"}, stack_info=True)
    finally:
        logging.setLogRecordFactory(before)

    assert len(made) == 2


def hostile_stream():
    import io

    return io.StringIO()


# --- what cannot be obeyed ---


@pytest.mark.parametrize(
    "options",
    [{"datefmt": "%Y"}, {"defaults": {"a": 1}}, {"fmt": "%(message)s"}],
    ids=str,
)
def test_option_without_a_meaning_for_mlperf_is_refused(options):
    """
    MLPerf's lines have one format and no time as text.
    """
    with pytest.raises(mllog.ConfigError):
        mllog.MLPerfFormatter(**options)


@pytest.mark.parametrize(
    "options",
    [{"datefmt": "%Y"}, {"style": "{"}],
    ids=str,
)
def test_option_without_a_meaning_for_events_is_refused(options):
    """
    Nor has an event of an inference.
    """
    with pytest.raises(mllog.ConfigError):
        mllog.InferenceFormatter(**options)


def test_hook_of_mlperf_gives_its_traceback_and_stack():
    """
    formatException() and formatStack() are obeyed in MLPerf's metadata.
    """

    class Short(mllog.MLPerfFormatter):
        def formatException(self, ei):
            return "SHORT"

        def formatStack(self, stack_info):
            return "STACK"

    line = Short().format(record_of(exc_info=failed(), stack_info="Stack"))

    found = json.loads(line.removeprefix(":::MLLOG "))["metadata"]
    assert found["exception"]["traceback"] == "SHORT"
    assert found["exception"]["cause"]["traceback"] == "SHORT"
    assert found["stack"] == "STACK"


def test_options_of_torchserve_as_json_are_those_of_json():
    """
    With text="json" a format, defaults and hooks are JSON's.
    """

    class Short(mllog.TorchServeFormatter):
        def formatException(self, ei):
            return "SHORT"

    made = Short(
        "%(asctime)s %(stage)s",
        datefmt="%H",
        defaults={"stage": "prod"},
        text="json",
    )

    line = json.loads(made.format(record_of(exc_info=failed())))

    assert line == {"asctime": "09", "stage": "prod", "exc_info": "SHORT"}
    with pytest.raises(mllog.ConfigError):
        mllog.TorchServeFormatter(text="json", fields=False)


# --- rich's handler ---


def shown_by_rich(formatter=None, record=None, **options):
    stream = hostile_stream()
    console = Console(file=stream, width=200)
    handler = mllog.RichHandler(console=console, **options)
    if formatter is not None:
        handler.setFormatter(formatter)
    handler.handle(record or record_of(levelno=20, name="app"))
    assert handler.stats().written == 1
    return stream.getvalue()


@pytest.mark.parametrize("how", ["class", "instance"])
def test_rich_handler_shows_the_time_of_its_formatter(how):
    """
    converter, formatTime and datefmt of a formatter count in rich's column.
    """
    utc = hooked(logging.Formatter, "converter", time.gmtime, "instance")
    utc.datefmt = "<%H>"
    own = hooked(
        logging.Formatter,
        "formatTime",
        Calls("CUSTOM"),
        how,
        fmt="%(message)s",
    )

    assert "<09>" in shown_by_rich(logging.Formatter(datefmt="<%H>"))
    assert "<00>" in shown_by_rich(utc)
    assert "CUSTOM" in shown_by_rich(own)
    assert "CUSTOM" not in shown_by_rich(mllog.TextFormatter())


@pytest.mark.parametrize(
    ("options", "with_it", "without"),
    [
        ({"show_time": False}, "", "01/01/70"),
        ({"log_time_format": "T%H"}, "T09", ""),
        ({"show_level": False}, "", "INFO"),
        ({"show_path": False}, "", "serve.py"),
        ({"markup": True}, "bold", "[b]"),
        ({"show_fields": False}, "", "batch"),
    ],
    ids=str,
)
def test_option_of_rich_handler_works(options, with_it, without):
    """
    Options of rich's own handler do what they do there.
    """
    record = record_of(
        msg="[b]bold[/b]",
        levelno=20,
        pathname="/app/serve.py",
        lineno=3,
        batch=1,
    )

    text = shown_by_rich(record=record, **options)

    assert with_it in text
    assert not without or without not in text
    assert not without or without in shown_by_rich(record=record)
