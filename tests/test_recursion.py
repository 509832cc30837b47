"""
mllog.recursion: log calls within log calls end, whoever makes them.
"""

import io
import logging
import os
import threading

import pytest

import mllog
from mllog import fields, handling, recursion
from mllog.recursion import local, mark_as_ours

HANDLERS = 6
# Exponential work: without a bound a call comes back to six handlers, each
# time, until there is no stack left.
MOST = 2000


class TooManyError(BaseException):
    """
    No Exception: nothing that counts faults keeps it.
    """


class Chatty:
    """
    Whatever it is asked, it first logs itself.
    """

    def __init__(self, log):
        self.log = log
        self.times = 0
        self.lock = threading.Lock()

    def say(self):
        with self.lock:
            self.times += 1
        if self.times > MOST:
            raise TooManyError
        self.log(self)


class Text(Chatty):
    def __str__(self):
        self.say()
        return "text"

    __repr__ = __str__


class Value(Chatty):
    def __log_value__(self):
        self.say()
        return 1


class Model(Chatty):
    def model_dump(self):
        self.say()
        return {}


class Fault(Chatty, Exception):
    def __str__(self):
        self.say()
        return "text"


class Filter(Chatty):
    def filter(self, record):
        self.say()
        return True


class Format(Chatty, logging.Formatter):
    def __init__(self, log):
        Chatty.__init__(self, log)
        logging.Formatter.__init__(self)

    def format(self, record):
        self.say()
        return record.msg


class Stream(Chatty):
    encoding = "utf-8"

    def write(self, text):
        self.say()

    def flush(self):
        pass


def _console(tmp_path):
    return mllog.ConsoleHandler(io.StringIO(), piped="json")


def _rich(tmp_path):
    from rich.console import Console

    return mllog.RichHandler(console=Console(file=io.StringIO()))


def _file(tmp_path):
    handler = mllog.TimestampedRotatingFileHandler(
        tmp_path / f"{os.urandom(4).hex()}.jsonl"
    )
    handler.setFormatter(mllog.JSONFormatter())
    return handler


def _stdlib(formatter):
    def make(tmp_path):
        handler = logging.StreamHandler(io.StringIO())
        handler.setFormatter(formatter())
        return handler

    return make


MADE = {
    "console": _console,
    "rich": _rich,
    "file": _file,
    "stdlib-json": _stdlib(mllog.JSONFormatter),
    "stdlib-text": _stdlib(mllog.TextFormatter),
    "stdlib-rich": _stdlib(mllog.RichFormatter),
}


def _said(kind, logger):
    """
    An object of *kind*, and what logs it.
    """
    ways = {
        Text: lambda it: logger.info("loaded %s", it),
        Value: lambda it: logger.info("loaded", extra={"value": it}),
        Model: lambda it: logger.info("loaded", extra={"value": it}),
        Fault: lambda it: logger.info("failed", exc_info=it),
    }
    return kind(ways.get(kind, lambda _: logger.info("again")))


@pytest.fixture
def handlers(logger, tmp_path):
    """
    Six handlers of each kind, on one logger.
    """

    def add(make):
        made = [make(tmp_path) for _ in range(HANDLERS)]
        logger.handlers[:] = made
        return made

    yield add
    for handler in logger.handlers:
        handler.close()


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("kind", [Text, Value, Model, Fault])
def test_object_that_logs_itself_ends(kind, made, handlers, logger):
    """
    On six handlers, ours or with our formatter, it is asked a few hundred
    times at most, and nothing raises.
    """
    handlers(MADE[made])
    chatty = _said(kind, logger)

    chatty.log(chatty)

    assert 0 < chatty.times < MOST


@pytest.mark.parametrize("made", ["console", "rich", "file"])
@pytest.mark.parametrize("kind", [Filter, Format])
def test_filter_or_formatter_that_logs_ends(kind, made, handlers, logger):
    """
    The records within too many others are counted, and nothing raises.
    """
    added = handlers(MADE[made])
    chatty = _said(kind, logger)
    for handler in added:
        if kind is Filter:
            handler.addFilter(chatty)
        else:
            handler.setFormatter(chatty)

    logger.info("once")

    assert 0 < chatty.times < MOST
    assert all(
        handler.stats().dropped.keys() == {"recursion"} for handler in added
    )
    assert all(handler.stats().written for handler in added)


def test_stream_that_logs_ends(handlers, logger):
    """
    So does a stream that makes records of what is written to it.
    """
    chatty = _said(Stream, logger)
    handlers(lambda _: mllog.ConsoleHandler(chatty))

    logger.info("once")

    assert 0 < chatty.times < MOST


@pytest.mark.parametrize("kind", [Text, Filter])
def test_recursion_is_exponential_without_the_bound(
    kind, handlers, logger, monkeypatch
):
    """
    The control: with a bound that is never reached it does not end.
    """
    for module in (recursion, handling, fields):
        monkeypatch.setattr(module, "DEEPEST", 1 << 40)
    added = handlers(_console)
    chatty = _said(kind, logger)
    if kind is Filter:
        for handler in added:
            handler.addFilter(chatty)

    with pytest.raises(TooManyError):
        chatty.log(chatty)


def test_record_after_a_recursion_is_written(handlers, logger):
    """
    What went too deep is over when the outermost log call is.
    """
    handler = handlers(_console)[0]
    chatty = _said(Text, logger)
    chatty.log(chatty)
    before = handler.stats().written

    logger.info("later")

    assert local.thread.calls == local.thread.texts == 0
    assert handler.stats().written == before + 1


def test_object_that_logs_once_loses_nothing(handlers, logger):
    """
    A ``__repr__`` that logs something else is no recursion.
    """

    class Loading:
        def __repr__(self):
            logger.info("loading")
            return "<loaded>"

    added = handlers(_console)
    logger.info("%r", Loading())

    assert {handler.stats().written for handler in added} == {1 + HANDLERS}
    assert all(not handler.stats().dropped for handler in added)


def test_log_calls_of_greenlets_are_not_within_each_other(handlers, logger):
    """
    Greenlets that share a thread-local are told apart by their stacks.
    """
    greenlet = pytest.importorskip("greenlet")
    main = greenlet.getcurrent()

    class Waiting:
        def __repr__(self):
            main.switch()
            return "here"

    added = handlers(_console)
    waiting = [
        greenlet.greenlet(lambda: logger.info("%r", Waiting()))
        for _ in range(10)
    ]
    for _ in range(HANDLERS + 1):
        for each in waiting:
            each.switch()

    assert {handler.stats().written for handler in added} == {10}
    assert all(not handler.stats().dropped for handler in added)


# --- a shipper's own thread ---


def test_thread_begins_as_the_applications():
    """
    A new thread is the application's, whoever started it.
    """
    seen = []
    with mark_as_ours():
        thread = threading.Thread(
            target=lambda: seen.append(local.thread.is_ours)
        )
        thread.start()
        thread.join()

    assert seen == [False]


def test_mark_as_ours_that_fails_gives_the_thread_back():
    """
    An exception does not leave the thread a shipper's, nor does a block in it.
    """
    with pytest.raises(ValueError), mark_as_ours():
        with mark_as_ours():
            pass
        assert local.thread.is_ours
        raise ValueError

    assert not local.thread.is_ours
