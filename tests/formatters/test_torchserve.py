r"""
mllog.TorchServeFormatter, against the expressions of TorchServe's frontend.

They are those of pytorch/serve at 0.12: ``METRIC_PATTERN`` and its neighbours
in ``frontend/server/src/main/java/org/pytorch/serve/wlm/WorkerLifeCycle.java``
and ``PATTERN`` in ``…/metrics/Metric.java``.  Java's ``\w`` and ``\s`` are
ASCII, ``matches()`` is ``fullmatch``, and its scanner ends lines at more than
``\n``.
"""

import json
import logging
import logging.config
import math
import re

import hostile
import numpy as np
import pytest
from hypothesis import given

import mllog

METRIC_LINE = re.compile(r"^(INFO > )?(\[METRICS])(.*)", re.ASCII)
METRIC = re.compile(
    r"\s*([\w\s]+)\.([\w\s]+):([0-9\-,.e]+)\|#([^|]*)(\|#type:([^|,]+))?"
    r"\|#hostname:([^,]+),([^,]+)(,(.*))?",
    re.ASCII,
)
BEFORE_0_10 = re.compile(
    r"\s*([\w\s]+)\.([\w\s]+):([0-9\-,.e]+)\|#([^|]*)"
    r"\|#hostname:([^,]+),([^,]+)(,(.*))?",
    re.ASCII,
)
STARTED = re.compile(r"(.*)(INFO > )?(Torch worker started.)$", re.ASCII)
PID = re.compile(r"^(INFO > )?(\[PID])(\d+)$", re.ASCII)
LINE_ENDS = re.compile("\r\n|[\n\r\u2028\u2029\u0085]")
JAVA_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)(e-?\d+)?")
PROMETHEUS_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def record_of(message="m", name="app", **fields):
    record = logging.getLogger("x").makeRecord(
        name, logging.INFO, "/app/serve.py", 12, message, (), None, "f", fields
    )
    record.created = 1795243512.7
    return record


def formatter_of(**options):
    return mllog.TorchServeFormatter(**{"hostname": "gpu-7", **options})


def parse(line):
    """
    What ``Metric.parse`` makes of a line of the worker; None for text.
    """
    if not (found := METRIC_LINE.fullmatch(line)):
        return None
    match = METRIC.fullmatch(found[3])
    assert match, f"Failed to parse metrics line: {line!r}"
    assert JAVA_NUMBER.fullmatch(match[3]), match[3]
    assert PROMETHEUS_NAME.fullmatch(match[1]), match[1]
    pairs = [pair.split(":") for pair in match[4].split(",") if pair]
    assert all(len(pair) == 2 and all(pair) for pair in pairs), match[4]
    return {
        "name": match[1],
        "unit": match[2],
        "value": float(match[3]),
        "dimensions": dict(pairs),
        "type": match[6],
        "host": match[7],
        "time": match[8],
        "request": match[10],
    }


def metrics_of(record, **options):
    text = formatter_of(**options).format(record)
    return [parse(line) for line in LINE_ENDS.split(text)]


# --- metrics ----------------------------------------------------------------


def test_metric_line_has_every_part_that_the_frontend_reads():
    """
    Name, unit, value, dimensions, kind, host, seconds and request id.
    """
    record = record_of(
        inference_latency=0.0123, model_name="resnet50", request_id="8f14-e4"
    )

    assert (
        "[METRICS]inference_latency.Seconds:0.0123"
        "|#ModelName:resnet50,Level:Model|#type:HISTOGRAM"
        "|#hostname:gpu-7,1795243512,8f14-e4"
    ) == formatter_of().format(record)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1e20, 1e20),
        (1e-7, 1e-7),
        (10**30, 1e30),
        (-0.5, -0.5),
        (np.float32(0.5), 0.5),
        (np.array(3), 3.0),
    ],
)
def test_metric_value_of_any_size_is_read(value, expected):
    """
    TorchServe's own line of 1e+20 does not parse; this one does.
    """
    (found,) = metrics_of(record_of(metrics={"train/loss": value}))

    assert ("train_loss", expected) == (found["name"], found["value"])
    assert ("unit", "GAUGE") == (found["unit"], found["type"])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (np.float32("-inf"), "-Infinity"),
        (10**400, "Infinity"),
    ],
)
def test_metric_that_is_not_finite_is_counted(value, said):
    """
    The frontend reads no NaN: a counter with its name in a dimension does.
    """
    (found,) = metrics_of(record_of(metrics={"loss": value}))

    assert ("loss_nonfinite", "Count", 1.0, "COUNTER") == tuple(
        found[part] for part in ("name", "unit", "value", "type")
    )
    assert said == found["dimensions"]["Value"]


@pytest.mark.parametrize("value", [True, "0.5", None, [1, 2], {"a": 1}])
def test_metric_of_what_is_no_number_gives_no_line(value):
    """
    A bool is no number, and neither is text.
    """
    assert [None] == metrics_of(record_of(metrics={"loss": value}))


def test_metric_below_zero_of_a_counter_gives_no_line():
    """
    The frontend would answer with an error.
    """
    record = record_of(output_tokens=-1, input_tokens=2)

    assert ["input_tokens"] == [each["name"] for each in metrics_of(record)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train/loss", "train_loss"),
        ("llm.ttft", "llm_ttft"),
        ("5xx", "_5xx"),
        ("größe", "gr__e"),
        ("", None),
        ("a|b:c,d\ne", "a_b_c_d_e"),
    ],
)
def test_metric_name_is_made_valid(name, expected):
    """
    For the frontend's expression, and for Prometheus behind it.
    """
    found = metrics_of(record_of(metrics={name: 1.0}))

    assert [expected] == [each and each["name"] for each in found]


def test_metric_unit_is_the_base_unit():
    """
    Numbers are converted, and a unit such as tokens/s has a valid name.
    """
    record = record_of(queue_ms=250, rate=40.0)

    found = metrics_of(
        record,
        metrics=[
            {"field": "queue_ms", "kind": "histogram", "unit": "ms"},
            {"field": "rate", "kind": "gauge", "unit": "tokens/s"},
        ],
    )

    assert [
        ("queue_ms", "Seconds", 0.25, "HISTOGRAM"),
        ("rate", "Tokens_Per_Second", 40.0, "GAUGE"),
    ] == [
        tuple(each[part] for part in ("name", "unit", "value", "type"))
        for each in found
    ]


def test_metric_with_a_reduction_gives_a_line_for_each_part():
    """
    An image becomes the mean of each channel; a second one is not due yet.
    """
    formatter = formatter_of(
        metrics=[
            {
                "field": "image",
                "kind": "gauge",
                "reduce": "mean_per_channel",
                "every": 2,
            },
            {"field": "message", "kind": "counter", "reduce": "count"},
        ]
    )
    record = record_of("one two", image=np.zeros((3, 4, 4)))

    first = formatter.format(record).split("\n")
    second = formatter.format(record).split("\n")

    assert [
        "message_count",
        *(f"image_mean_per_channel_channel_{n}" for n in range(3)),
    ] == [parse(line)["name"] for line in first]
    assert 1 == len(second)


def test_metric_has_the_same_dimensions_in_each_line():
    """
    Prometheus wants them so: a field that is missing is unknown.
    """
    options = {
        "dimensions": {"ModelName": "model_name", "Variant": "variant"},
        "fixed_dimensions": {},
    }

    found = [
        metrics_of(record_of(loss=0.5, **fields), **options)[0]["dimensions"]
        for fields in (
            {},
            {"model_name": "a|b,c:d\n", "variant": ""},
            {"model_name": 7, "variant": "é" * 300},
        )
    ]

    assert [
        {"ModelName": "unknown", "Variant": "unknown"},
        {"ModelName": "a_b_c_d_", "Variant": "unknown"},
        {"ModelName": "7", "Variant": "_" * 200},
    ] == found


def test_metric_without_a_type_is_read_by_older_frontends():
    """
    TorchServe before 0.10 knows no type, and reads no line that has one.
    """
    record = record_of(loss=0.5)
    with_type = formatter_of(prefix="").format(record)
    without = formatter_of(prefix="", with_type="false").format(record)

    assert BEFORE_0_10.fullmatch(without)
    assert METRIC.fullmatch(without)
    assert not BEFORE_0_10.fullmatch(with_type)


# --- text -------------------------------------------------------------------


def test_text_without_metrics_passes():
    """
    The message as it is; a traceback is below it, indented.
    """
    record = record_of("Loading resnet50")
    failed = record_of("failed")
    failed.exc_info = hostile.failed_with(ValueError("[METRICS]x"))

    assert "Loading resnet50" == formatter_of().format(record)
    lines = formatter_of().format(failed).split("\n")
    assert "failed" == lines[0]
    assert all(parse(line) is None for line in lines)


def test_text_beside_metrics_is_written_if_asked_for():
    """
    With message="always" the text is the first line.
    """
    record = record_of("Inference complete", inference_latency=0.1)

    text, metric = formatter_of(message="always").format(record).split("\n")

    assert "Inference complete" == text
    assert "inference_latency" == parse(metric)["name"]


@pytest.mark.parametrize(
    "message",
    [
        "[METRICS]x.Count:1|#|#hostname:h,1",
        "INFO > [METRICS]broken",
        "[PID]1",
        "INFO > [PID]1",
        "Torch worker started.",
        "x Torch worker started!",
        "x\u2028[PID]1",
        "x\r\n[METRICS]x",
    ],
)
def test_text_of_an_application_cannot_pass_for_the_workers(message):
    """
    No message makes a metric, or tells the frontend another process id.
    """
    for text in (message, f"first\n{message}"):
        lines = LINE_ENDS.split(formatter_of().format(record_of(text)))
        for line in lines:
            assert not METRIC_LINE.fullmatch(line)
            assert not STARTED.fullmatch(line)
            assert not PID.fullmatch(line)


def test_text_of_torchserve_itself_passes_as_it_is():
    """
    Its metrics, and what its worker says at the start, are still understood.
    """
    metric = (
        "[METRICS]HandlerTime.ms:1.5|#Level:Model|#type:GAUGE|#hostname:h,1"
    )
    from_worker = record_of("[PID]4711", name="root")
    from_worker.module = "model_service_worker"

    assert metric == formatter_of().format(
        record_of(metric, name="ts.metrics.caching_metric")
    )
    assert PID.fullmatch(formatter_of().format(from_worker))


def test_text_as_json_is_one_line_with_level_and_traceback():
    """
    What ends a line for Java does not end it, and nothing of it is lost.
    """
    message = "[METRICS]x\n[PID]1\u2028é\x85Torch worker started."
    failed = record_of(message, a=1)
    failed.exc_info = hostile.failed_with(ValueError("two\nlines"))
    failed.levelno, failed.levelname = logging.ERROR, "ERROR"

    (line,) = LINE_ENDS.split(formatter_of(text="json").format(failed))

    assert parse(line) is None
    said = json.loads(line)
    assert ("ERROR", message, 1) == (said["level"], said["message"], said["a"])
    assert said["exception"]["traceback"].endswith("ValueError: two\nlines")


def test_text_as_json_leaves_alone_what_the_frontend_reads():
    """
    Metric lines stay, TorchServe's too; what else it says is JSON.
    """
    formatter = formatter_of(text="json", message="always")
    theirs = "[METRICS]HandlerTime.ms:1|#Level:Model|#type:GAUGE|#hostname:h,1"
    from_worker = record_of("[PID]4711", name="root")
    from_worker.module = "model_service_worker"

    text, metric = formatter.format(record_of(inference_latency=0.1)).split(
        "\n"
    )

    assert 0.1 == json.loads(text)["inference_latency"]
    assert "inference_latency" == parse(metric)["name"]
    assert theirs == formatter.format(record_of(theirs, name="ts.metrics"))
    assert PID.fullmatch(formatter.format(from_worker))
    assert (
        "failed"
        == json.loads(
            formatter.format(record_of("failed", name="ts.service"))
        )["message"]
    )


@given(record=hostile.records())
def test_line_of_a_hostile_record_is_a_metric_or_text(record):
    """
    Whatever a record holds: what looks like a metric parses.
    """
    before = hostile.state_of(record)

    for message, form in (
        ("always", "plain"),
        ("without_metrics", "plain"),
        ("always", "json"),
    ):
        formatter = formatter_of(message=message, text=form, fields=True)
        text = formatter.format(record)
        for line in LINE_ENDS.split(text):
            parse(line)
            assert not STARTED.fullmatch(line)
            assert not PID.fullmatch(line)
    assert before == hostile.state_of(record)


@given(value=hostile.VALUES, name=hostile.NAMES)
def test_metric_of_a_hostile_value_is_read(value, name):
    """
    Under any name and with any dimension.
    """
    record = record_of(
        metrics={name: value, "loss": 0.5},
        model_name=value,
        request_id=value,
        inference_latency=value,
    )

    found = metrics_of(record)

    assert None not in found
    assert "loss" in [each["name"] for each in found]


# --- configuration ----------------------------------------------------------


def test_bytes_and_events_are_the_lines():
    """
    Handlers of every kind get the same.
    """
    record = record_of(metrics={"a": 1, "b": 2})
    formatter = formatter_of()
    text = formatter.format(record).encode()

    assert text == formatter.format_bytes(record)
    assert text.split(b"\n") == [
        event.value for event in formatter.events(record)
    ]
    assert 1 == len(formatter.events(record_of("text")))


def test_formatter_in_dictconfig_and_ini_works(tmp_path):
    """
    Both configure it, with its options where a handler has them.
    """
    path = tmp_path / "log.txt"
    options = {"hostname": "h", "dimensions": {"Model": "model_name"}}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "ts": {"()": "mllog.TorchServeFormatter", **options}
            },
            "handlers": {
                "file": {
                    "class": "mllog.TimestampedRotatingFileHandler",
                    "filename": str(path),
                    "formatter": "ts",
                }
            },
            "root": {"level": "INFO", "handlers": ["file"]},
        }
    )
    logging.getLogger("app").info("m", extra={"loss": 0.5})
    (tmp_path / "log.ini").write_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=file\n[formatters]\nkeys=ts\n"
        "[formatter_ts]\nclass=mllog.TorchServeFormatter\n"
        "[logger_root]\nlevel=INFO\nhandlers=file\n[handler_file]\n"
        "class=mllog.TimestampedRotatingFileHandler\nformatter=ts\n"
        f"args=({str(path)!r},)\n"
        f"kwargs={{'formatter_options': {json.dumps(options)}}}\n"
    )
    logging.config.fileConfig(
        tmp_path / "log.ini", disable_existing_loggers=False
    )
    logging.getLogger("app").info("m", extra={"loss": 0.5})

    lines = path.read_text().splitlines()
    assert 2 == len(lines)
    for line in lines:
        assert {"Model": "unknown", "Level": "Model"} == (
            parse(line)["dimensions"]
        )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"dimensions": {"a b": "x"}}, "letters, digits"),
        ({"dimensions": {"a": ""}}, "letters, digits"),
        ({"fixed_dimensions": 3}, "fixed_dimensions=3"),
        ({"metrics": [{"field": "x"}]}, "kind"),
        ({"message": "never"}, "without_metrics, always"),
        ({"text": "xml"}, "plain, json"),
        ({"prefix": "a\n"}, "prefix="),
        ({"host": "h"}, "write hostname"),
    ],
)
def test_formatter_with_a_wrong_option_raises_config_error(options, expected):
    """
    The option is named, and what was expected.
    """
    with pytest.raises(mllog.ConfigError) as caught:
        mllog.TorchServeFormatter(**options)

    assert expected in str(caught.value)
