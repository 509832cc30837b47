"""
mllog.handling: no fault reaches the application, and none is hidden.
"""

import errno
import io
import logging
import sys
import time

import pytest

import mllog
from mllog import reports
from mllog.accounting import Stats
from mllog.handling import Handling, reason_of


class Collecting(Handling, logging.Handler):
    """
    The smallest handler of mllog's kind.
    """

    def __init__(self, filters=None, formatter_options=None):
        super().__init__()
        self.lines = []
        self.error = None
        self.set_up(filters, formatter_options)

    def default_formatter(self):
        return mllog.JSONFormatter()

    def emit(self, record):
        try:
            if self.error is not None:
                raise self.error
            self.lines.append(self.format(record))
            self.ledger.wrote()
        except Exception:
            self.handleError(record)


@pytest.fixture
def handler(logger):
    made = Collecting()
    logger.addHandler(made)
    return made


def test_fault_first_is_told_in_full_and_later_ones_are_counted(
    handler, logger, capsys
):
    """
    The first fault is printed with its place, and the next hundred are not.
    """
    handler.error = OSError(errno.EIO, "Input/output error")

    for _ in range(100):
        logger.info("hello")

    said = capsys.readouterr().err
    assert said.count("Traceback") == 1
    assert said.startswith("mllog: Collecting failed; the application goes on")
    assert f"at the call in {__file__}:" in said
    assert handler.stats() == Stats(0, {"io_error": 100})


def test_fault_after_half_a_minute_is_told_as_a_number(
    handler, logger, capsys, monkeypatch
):
    """
    One line says how many there were since the last report.
    """
    handler.error = OSError(errno.EIO, "Input/output error")
    for _ in range(10):
        logger.info("hello")
    capsys.readouterr()
    now = time.monotonic()
    monkeypatch.setattr(reports.time, "monotonic", lambda: now + 31)

    logger.info("hello")

    assert (
        capsys.readouterr().err == "mllog: Collecting: OSError 10 more times\n"
    )


def test_fault_of_another_kind_is_told_in_full(handler, logger, capsys):
    """
    Each kind of error is shown once.
    """
    for error in (OSError("a"), ValueError("b"), OSError("c")):
        handler.error = error
        logger.info("hello")

    said = capsys.readouterr().err
    assert said.count("Traceback") == 2


def test_fault_report_has_no_message_or_arguments(capsys):
    """
    What was logged is not printed where the log could not be written.
    """
    handler = mllog.ConsoleHandler(stream=io.StringIO())
    handler.setFormatter(logging.Formatter("%(message)s"))

    handler.handle(
        logging.makeLogRecord(
            {"msg": "login %d as hunter2", "args": ("s3cret",)}
        )
    )

    said = capsys.readouterr().err
    assert "TypeError" in said
    assert "s3cret" not in said
    assert "hunter2" not in said


def test_fault_with_raise_exceptions_off_is_silent(handler, logger, capsys):
    """
    logging.raiseExceptions = False silences the report, not the count.
    """
    logging.raiseExceptions = False
    handler.error = ValueError("x")

    logger.info("hello")

    assert capsys.readouterr().err == ""
    assert handler.stats().dropped == {"format_error": 1}


def test_fault_without_stderr_is_counted(handler, logger, monkeypatch):
    """
    Where there is no standard error nothing raises.
    """
    handler.error = ValueError("x")
    closed = io.StringIO()
    closed.close()

    for stream in (None, closed):
        monkeypatch.setattr(sys, "stderr", stream)
        logger.info("hello")

    assert handler.stats().dropped == {"format_error": 2}


def test_recursion_error_is_swallowed_and_counted(handler, logger, capsys):
    """
    A formatter that recurses for ever costs its record only.
    """

    class Endless(logging.Formatter):
        def format(self, record):
            return self.format(record)

    handler.setFormatter(Endless())

    logger.info("hello")

    assert handler.stats().dropped == {"recursion": 1}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "full"), "disk_full"),
        (BrokenPipeError(), "io_error"),
        (RecursionError(), "recursion"),
        (ValueError(), "format_error"),
        (None, "format_error"),
    ],
)
def test_reason_of_error_is_one_word(error, reason):
    """
    Each error is counted under one reason.
    """
    assert reason_of(error) == reason


def test_record_gets_bound_fields_and_stays_unchanged(handler, logger):
    """
    A handler of mllog needs no filter to show what is bound.
    """
    handler.setFormatter(logging.Formatter("%(message)s %(request_id)s"))
    kept = []
    logger.addFilter(lambda record: kept.append(record) or True)

    with mllog.bind(request_id="r"):
        logger.info("hello")

    assert handler.lines == ["hello r"]
    assert not hasattr(kept[0], "request_id")


def test_record_that_a_filter_refuses_is_passed_over(logger):
    """
    handle() says False, and nothing is counted.
    """
    handler = Collecting(filters=[lambda record: False])

    assert handler.handle(logging.makeLogRecord({"msg": "m"})) is False
    assert handler.stats() == Stats()


def test_formatter_options_make_or_complete_a_formatter():
    """
    With a class they are the formatter, without one they are added to it.
    """
    made = Collecting(
        formatter_options={"class": "mllog.TextFormatter", "fields": False}
    )
    completed = Collecting(formatter_options={"nan": "string"})

    assert isinstance(made.formatter, mllog.TextFormatter)
    record = logging.makeLogRecord({"msg": "m", "x": float("nan")})
    assert '"timestamp"' in completed.format(record)
    assert '"NaN"' in completed.format(record)
    completed.setFormatter(mllog.JSONFormatter("%(message)s"))
    assert '"timestamp"' not in completed.format(record)
    assert '"NaN"' in completed.format(record)


def test_formatter_options_that_fit_nothing_are_told_once(capsys):
    """
    Options that no formatter came for are reported with the first record.
    """
    handler = Collecting(formatter_options={"nan_": "string"})

    for _ in range(2):
        handler.handle(logging.makeLogRecord({"msg": "m"}))

    assert len(handler.lines) == 2
    assert capsys.readouterr().err.count("unknown option nan_") == 1


def test_formatter_options_that_a_formatter_refuses_raise():
    """
    Options for a configured formatter that does not take them are named.
    """
    with pytest.raises(mllog.ConfigError, match="nan_"):
        Collecting(formatter_options={"nan_": "string"}).setFormatter(
            mllog.JSONFormatter()
        )
    with pytest.raises(mllog.ConfigError, match="takes no formatter_options"):
        Collecting(formatter_options={"nan": "string"}).setFormatter(
            logging.Formatter()
        )


def test_label_has_the_configured_name(handler):
    """
    Reports name the handler as dictConfig does.
    """
    handler.set_name("audit")
    try:
        assert handler.label() == "Collecting 'audit'"
    finally:
        handler.set_name(None)


def test_logging_inside_a_handler_does_not_hang(handler, logger):
    """
    A repr that logs to the same logger is written, both records are.
    """

    handler.setFormatter(mllog.JSONFormatter())

    class Chatty:
        def __repr__(self):
            logger.info("from inside")
            return "chatty"

    logger.info("outside", extra={"x": Chatty()})

    assert len(handler.lines) == 2


@pytest.mark.parametrize("word", ["error", "ERROR", "Error", "40", 40])
def test_level_of_a_handler_is_a_word_in_any_case(word):
    """
    setLevel() and an argument take a name as people write it.
    """
    handler = mllog.ConsoleHandler()
    handler.setLevel(word)

    assert handler.level == logging.ERROR
    assert mllog.RichHandler(level=word).level == logging.ERROR
    with pytest.raises(mllog.ConfigError, match="loud"):
        handler.setLevel("loud")
