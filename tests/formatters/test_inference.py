"""
mllog.InferenceFormatter: its options, and how configurations make it.
"""

import io
import json
import logging
import logging.config
import subprocess
import sys

from ids import as_id
import pytest
from inferences import FIELDS, record_of

import mllog.formatters
from mllog.errors import ConfigError, MissingPackageError
from mllog.formatters.inference import InferenceFormatter

KSERVE = "hopsworks-kserve"


@pytest.fixture
def logger():
    found = logging.getLogger("inferences")
    yield found
    for handler in list(found.handlers):
        found.removeHandler(handler)
        handler.close()


def types_in(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        each.get("messageType") or each["type"].rpartition(".")[2]
        for each in map(json.loads, lines)
    ]


def test_formatter_has_its_name_in_the_package():
    """
    mllog.InferenceFormatter and its home are it.
    """
    assert mllog.InferenceFormatter is InferenceFormatter
    assert mllog.formatters.InferenceFormatter is InferenceFormatter
    assert "InferenceFormatter" in dir(mllog.formatters)
    assert issubclass(InferenceFormatter, logging.Formatter)


def test_factory_of_dictconfig_makes_it(tmp_path, logger):
    """
    dictConfig takes every option as plain data.
    """
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "events": {
                    "()": "mllog.InferenceFormatter",
                    "schema": "cloudevents",
                    "mode": "predictions",
                    "content_mode": "structured",
                    "model_version": {"v3": 3},
                    "namespace": "prod",
                }
            },
            "handlers": {
                "file": {
                    "class": "logging.FileHandler",
                    "filename": str(tmp_path / "events.jsonl"),
                    "formatter": "events",
                }
            },
            "loggers": {"inferences": {"handlers": ["file"], "level": "INFO"}},
        }
    )

    logger.info("done", extra={**FIELDS, "model_version": "v3"})

    assert types_in(tmp_path / "events.jsonl") == ["response"]


@pytest.mark.parametrize(
    ("line", "options", "expected"),
    [
        ("", "", ["request", "response"]),
        ("format=cloudevents", "", ["request", "response"]),
        (
            "",
            "{'schema': 'cloudevents', 'mode': 'all'}",
            ["request", "response"],
        ),
        ("format=hopsworks-kserve", "{'mode': 'model_inputs'}", ["request"]),
    ],
)
def test_ini_makes_it(tmp_path, logger, line, options, expected):
    """
    fileConfig makes it by class=, with format= or formatter_options.
    """
    file = tmp_path / "events.jsonl"
    kwargs = {"filename": str(file)}
    text = f"""
[loggers]
keys=root,inferences
[handlers]
keys=file
[formatters]
keys=events
[logger_root]
handlers=
[logger_inferences]
level=INFO
handlers=file
qualname=inferences
[handler_file]
class=mllog.TimestampedRotatingFileHandler
formatter=events
kwargs={{'filename': {str(file)!r}{", 'formatter_options': " + options if options else ""}}}
[formatter_events]
class=mllog.InferenceFormatter
{line}
"""
    (tmp_path / "logging.ini").write_text(text)
    assert kwargs["filename"] in text
    root = logging.getLogger()
    before = list(root.handlers), root.level
    try:
        logging.config.fileConfig(
            tmp_path / "logging.ini", disable_existing_loggers=False
        )
        logger.info("done", extra=FIELDS)
    finally:
        root.handlers[:], root.level = before
        mllog.flush()
    found = [each for each in tmp_path.iterdir() if each.suffix == ".jsonl"]

    assert expected == types_in(found[0])


def test_formatter_options_with_a_class_make_it(tmp_path):
    """
    A handler's own options can name the formatter and all it needs.
    """
    handler = mllog.TimestampedRotatingFileHandler(
        tmp_path / "events.jsonl",
        formatter_options={
            "class": "mllog.InferenceFormatter",
            "mode": "MODEL_INPUTS",
        },
    )
    handler.handle(record_of(**FIELDS))
    handler.close()

    assert types_in(tmp_path / "events.jsonl") == ["request"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"mode": "INPUTS"}, "MODEL_INPUTS"),
        ({"mode": "prediction"}, "write PREDICTIONS"),
        ({"mode": None}, "one of ALL, MODEL_INPUTS, PREDICTIONS, NONE"),
        ({"schema": "hopswork"}, "write hopsworks"),
        ({"schema": 7}, "one of hopsworks-kserve, hopsworks, cloudevents"),
        ({"fmt": "%(message)s"}, "one of hopsworks-kserve"),
        ({"fmt": "hopsworks", "schema": "hopsworks"}, "one of them"),
        ({"encoding": "protobuf"}, "json, avro"),
        ({"model_version": "v3"}, "whole number of 32 bits"),
        ({"model_version": {"v3": "third"}}, "model_version['v3']"),
        ({"model_version": {3: 3}}, "text keys"),
        ({"model_version": 2**31}, "32 bits"),
        ({"serving_id": "seven"}, "32 bits"),
        ({"serving_id": True}, "32 bits"),
        ({"model_name": 7}, "text"),
        ({"model_server": ""}, "text"),
        ({"serving_tool": None}, "text"),
        ({"max_payload_bytes": "1KB"}, "8192 or more"),
        ({"max_payload_bytes": "much"}, "number of bytes"),
        ({"servingid": 7}, "write serving_id"),
    ],
    ids=as_id,
)
def test_option_that_cannot_work_is_an_error(options, expected):
    """
    The error names the formatter, the option, and what it may be.
    """
    with pytest.raises(ConfigError) as caught:
        InferenceFormatter(**options)

    assert str(caught.value).startswith("InferenceFormatter: ")
    assert expected in str(caught.value)


def test_positional_argument_is_the_schema():
    """
    The first argument is what logging's configurators give as format.
    """
    [event] = InferenceFormatter("hopsworks").events(record_of(**FIELDS))

    assert "modelId" in json.loads(event.value)


def test_max_payload_bytes_cuts_a_longer_payload():
    """
    A payload over the bound is a summary, in place and in order.
    """
    formatter = InferenceFormatter(max_payload_bytes="8192")
    record = record_of(**{**FIELDS, "inputs": list(range(9000))})

    request, response = map(
        lambda event: json.loads(event.value)["payload"],
        formatter.events(record),
    )

    assert json.loads(request) == {
        "truncated": True,
        "summary": {"type": "list", "length": 9000},
    }
    assert response == "[0]"


def test_stream_gets_a_line_for_each_event():
    """
    With logging's own StreamHandler each event is one line of JSON.
    """
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(InferenceFormatter(encoding="avro"))

    handler.handle(record_of(**FIELDS))

    kinds = [
        json.loads(line)["messageType"]
        for line in stream.getvalue().splitlines()
    ]
    assert kinds == ["request", "response"]


def test_avro_without_fastavro_names_the_extra(monkeypatch):
    """
    The constructor, and not the first record, says what to install.
    """
    monkeypatch.setitem(sys.modules, "fastavro", None)

    with pytest.raises(MissingPackageError) as caught:
        InferenceFormatter(encoding="avro")

    assert "mllog-handlers[kafka]" in str(caught.value)
    assert InferenceFormatter().events(record_of(**FIELDS))


def test_import_loads_no_other_package():
    """
    fastavro is loaded by the formatter that writes Avro, and by nothing else.
    """
    code = (
        "import sys, mllog.formatters.inference as i; i.InferenceFormatter();"
        "print([n for n in ('fastavro', 'numpy') if n in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert found.stdout == "[]\n"
