"""
mllog.fields: what extra= put on a record.
"""

import logging

import hostile
import pytest
from hypothesis import given

import mllog
from mllog import fields
from mllog.metrics.units import without_unit


@given(given_fields=hostile.FIELDS)
def test_fields_of_any_record_are_its_extra(given_fields):
    """
    The fields are exactly what extra= gave, in that order, as they are.
    """
    wanted = mllog.extra(**given_fields)
    record = logging.getLogger("x").makeRecord(
        "x", 20, "", 1, "m", (), None, "f", wanted
    )

    found = fields.fields_of(record)

    assert list(found) == list(wanted)
    assert all(found[name] is wanted[name] for name in wanted)


def test_fields_of_formatted_record_are_the_same():
    """
    What formatters and other Pythons leave on a record is no field.
    """
    record = logging.makeLogRecord({"msg": "m", "loss": 1})
    record.message, record.asctime, record.taskName = "m", "now", "Task-1"

    assert fields.fields_of(record) == {"loss": 1}


def test_fields_of_shuffled_record_are_found_by_name():
    """
    A record whose attributes stand in another order has the same fields.
    """
    record = logging.makeLogRecord({"msg": "m", "loss": 1})
    other = object.__new__(logging.LogRecord)
    other.__dict__.update(reversed(list(record.__dict__.items())))

    assert fields.fields_of(other) == {"loss": 1}


def test_fields_are_without_what_frameworks_put_on_every_record():
    """
    uvicorn's message with ANSI codes and Ray's time are no fields.
    """
    given = {
        "color_message": "\x1b[36mStarted\x1b[0m",
        "_ray_timestamp_ns": 1795304895631167998,
        "loss": 1,
    }

    assert {"loss": 1} == fields.fields_of(logging.makeLogRecord(given))


def test_extra_any_name_never_makes_logging_raise(logger):
    """
    Names of LogRecord get an underscore, and the call goes through.
    """
    names = [*fields.RECORD_ATTRIBUTES, "loss"]

    found = mllog.extra(**dict.fromkeys(names, 1))
    logger.info("hello", extra=found)

    assert found["name_"] == found["taskName_"] == found["loss"] == 1


@given(message=hostile.MESSAGES, args=hostile.ARGS)
def test_message_of_any_record_is_text(message, args):
    """
    Whatever message and arguments are, the message is text.
    """
    record = logging.LogRecord("x", 20, "", 1, message, args, None)

    assert isinstance(fields.message_of(record), str)


@pytest.mark.parametrize(
    ("message", "args", "expected"),
    [
        ("plain", (), "plain"),
        ("100 %", (), "100 %"),
        ("%d rows", (3,), "3 rows"),
        ("%(a)s", ({"a": 1},), "1"),
        ("%d rows", ("many",), "'%d rows' % ('many',)"),
        ("%s", (hostile.RaisingRepr(),), "'%s' % <tuple>"),
        ({"a": 1}, (), "{'a': 1}"),
        (None, (), "None"),
        (hostile.RaisingRepr(), (), "<RaisingRepr>"),
    ],
    ids=lambda _: "value",
)
def test_message_of_record_is_readable(message, args, expected):
    """
    What cannot be formatted is shown as it is.
    """
    record = logging.LogRecord("x", 20, "", 1, message, args, None)

    assert fields.message_of(record) == expected


@pytest.mark.parametrize(
    "given_info", [None, (), (None, None, None), True, 1, (1, 2), "x"]
)
def test_error_of_record_without_one_is_none(given_info):
    """
    Only an exception is an exception.
    """
    record = logging.makeLogRecord({"exc_info": given_info})

    assert fields.error_of(record) is None


def test_error_of_record_is_its_exception():
    """
    The exception is found in exc_info, and where it stands alone.
    """
    error = ValueError("x")

    for info in (hostile.failed_with(error), error):
        record = logging.makeLogRecord({"exc_info": info})
        assert fields.error_of(record) is error


def test_vocabulary_has_units_of_the_base():
    """
    Latencies are in seconds, sizes in bytes, and each name is its key.
    """
    for name, field in fields.VOCABULARY.items():
        assert field.name == name
        assert field.kind in ("counter", "gauge", "histogram", "summary")
        assert name not in fields.RECORD_ATTRIBUTES
        if name.endswith("_latency"):
            assert field.unit == "seconds"
        if name.endswith("_bytes"):
            assert field.unit == "bytes"


def test_seconds_of_the_vocabulary_are_not_taken_for_another_unit():
    """
    No name ends as a unit does that its field is not in.
    """
    for field in fields.VOCABULARY.values():
        stem = without_unit(field.name)
        ending = field.name.removeprefix(stem).strip("_")
        assert ending in ("", field.unit), field.name
