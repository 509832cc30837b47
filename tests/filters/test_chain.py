"""
The filters of a handler: made, asked one after another, and what they answer.
"""

import io
import json
import logging
import logging.config
import logging.handlers
import queue
import sys

import pytest

import mllog
from mllog.filters import (
    RecordFilter,
    filters_from,
    passed,
)

TAKES_RECORDS = sys.version_info >= (3, 12)


class Loud(logging.Filter):
    """
    Filters as the stdlib knows them, with an argument.
    """

    def __init__(self, least=0):
        super().__init__()
        self.least = least

    def filter(self, record):
        return record.levelno >= self.least


class Renamed(RecordFilter):
    def apply(self, record):
        new = logging.makeLogRecord(record.__dict__)
        new.msg = "renamed"
        return new


def make_loud(least):
    return Loud(least)


def test_context_filter_on_a_foreign_handler_adds_what_is_bound(logger):
    """
    A StreamHandler of the stdlib shows the bound fields.
    """
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(request_id)s"))
    handler.addFilter(mllog.ContextFilter())
    logger.addHandler(handler)

    with mllog.bind(request_id="r1"):
        logger.info("hello")

    assert stream.getvalue() == "hello r1\n"


def test_context_filter_on_a_queue_handler_outlives_the_context(logger):
    """
    Behind a queue the fields are those of the caller.
    """
    line = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(line)
    handler.addFilter(mllog.ContextFilter())
    logger.addHandler(handler)

    with mllog.bind(request_id="r1"):
        logger.info("hello")

    assert line.get_nowait().request_id == "r1"


@pytest.mark.skipif(not TAKES_RECORDS, reason="the stdlib ignores the answer")
def test_context_filter_where_it_can_leaves_the_record_alone(logger):
    """
    From Python 3.12 on the record of the other handlers has no bound field.
    """
    kept = []
    handler = logging.StreamHandler(io.StringIO())
    handler.addFilter(mllog.ContextFilter())
    logger.addHandler(handler)
    last = logging.Handler()
    last.emit = kept.append
    logger.addHandler(last)

    with mllog.bind(request_id="r1"):
        logger.info("hello")

    assert not hasattr(kept[0], "request_id")


def test_context_filter_outside_a_block_gives_the_same_record():
    """
    Without bound fields no copy is made.
    """
    record = logging.makeLogRecord({"msg": "m"})

    assert mllog.ContextFilter().filter(record) in (record, True)
    assert mllog.ContextFilter().apply(record) is record


def test_record_filter_for_another_logger_lets_pass():
    """
    A filter with a name leaves the records of other loggers as they are.
    """
    record = logging.makeLogRecord({"msg": "m", "name": "other"})

    assert Renamed("app").filter(record) in (record, True)
    assert passed([Renamed("app")], record) is record
    assert record.msg == "m"


def test_handler_of_mllog_uses_the_record_that_a_filter_returns(logger):
    """
    On every Python the returned record is written, and the old one unchanged.
    """
    stream = io.StringIO()
    handler = mllog.ConsoleHandler(
        stream=stream, filters=[Renamed()], piped="json"
    )
    logger.addHandler(handler)
    kept = []
    logger.addFilter(lambda record: kept.append(record) or True)

    logger.info("hello")

    assert json.loads(stream.getvalue())["message"] == "renamed"
    assert kept[0].msg == "hello"


def test_passed_takes_filters_of_every_kind():
    """
    Functions, objects with filter(), False and None are understood.
    """
    record = logging.makeLogRecord({"msg": "m", "levelno": 20})
    other = logging.makeLogRecord({"msg": "other"})

    assert passed([], record) is record
    assert passed([lambda _: True, Loud()], record) is record
    assert passed([lambda _: other], record) is other
    assert passed([Loud(30)], record) is None
    assert passed([lambda _: None], record) is None


@pytest.mark.parametrize(
    "spec",
    [
        [{"class": f"{__name__}.Loud", "least": 30}],
        {"class": f"{__name__}.Loud", "least": 30},
        [{"()": f"{__name__}.make_loud", "least": 30}],
        [{"class": Loud, "least": 30}],
        [{"()": make_loud, "least": 30}],
        [Loud(30)],
        Loud(30),
        (Loud(30),),
    ],
)
def test_filters_from_plain_data_are_made(spec, monkeypatch):
    """
    A filter is an object, or a class or factory with its arguments.
    """
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Loud.__module__])

    (made,) = filters_from("filters", spec)

    assert made.least == 30


def test_filters_from_names_and_functions_are_made():
    """
    A dotted name of a class is made, and a function is taken.
    """
    context, function = filters_from(
        "filters", ["mllog.ContextFilter", lambda record: True]
    )

    assert isinstance(context, mllog.ContextFilter)
    assert callable(function)
    assert filters_from("filters", None) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ([3], "filters has 3"),
        (["no.such.Filter"], "no.such.Filter"),
        (
            [{"class": "mllog.ContextFilter", "wrong": 1}],
            "unknown option wrong",
        ),
        ([{"class": make_loud, "least": 1}], "which is no class"),
        ([{}], "filters={}"),
        ([{"()": "os.sep"}], "cannot make"),
    ],
)
def test_filters_from_something_else_raises_config_error(spec, expected):
    """
    What is no filter is named.
    """
    with pytest.raises(mllog.ConfigError, match=expected):
        filters_from("filters", spec)


def test_filter_that_raises_costs_the_record_only(logger, capsys):
    """
    A filter that raises is reported and counted; the application goes on.
    """

    def broken(record):
        raise RuntimeError("filter")

    handler = mllog.ConsoleHandler(stream=io.StringIO(), filters=[broken])
    logger.addHandler(handler)

    logger.info("hello")

    assert handler.stats().dropped == {"format_error": 1}
    assert "RuntimeError: filter" in capsys.readouterr().err
