"""
mllog.RichFormatter: one line for people, coloured where that is wanted.
"""

import io
import logging
import re

import hostile
import pytest
from hypothesis import given, settings

import mllog
from mllog.formatters.rich import wants_color

SGR = re.compile("\x1b\\[[0-9;]*m")
RAW = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e"
    "\u2066-\u2069\ud800-\udfff]"
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def record_of(message="hello", level=logging.INFO, exc_info=None, **fields):
    return logging.getLogger("x").makeRecord(
        "app", level, "a.py", 1, message, (), exc_info, "f", fields
    )


@pytest.mark.parametrize("color", [False, True])
@given(record=hostile.records(trouble=False))
def test_format_any_record_is_one_line_without_raw_characters(color, record):
    """
    Any record is one line; with colour only our own codes are in it.
    """
    formatter = mllog.RichFormatter(color=color)
    before = hostile.state_of(record)

    text = formatter.format(record)

    assert RAW.search(SGR.sub("", text) if color else text) is None
    assert "\n" not in text
    assert hostile.state_of(record) == before


@pytest.mark.parametrize("color", [False, True])
@given(record=hostile.records())
@settings(max_examples=settings().max_examples // 3)
def test_format_any_trouble_is_indented(color, record):
    """
    Each line below the first is indented, drawn by rich or not.
    """
    text = SGR.sub("", mllog.RichFormatter(color=color).format(record))

    assert RAW.search(text) is None
    assert all(line.startswith("  ") for line in text.split("\n")[1:])


def test_format_without_colour_is_plain():
    """
    Time, level eight wide, message, fields, logger.
    """
    text = mllog.RichFormatter().format(record_of(loss=0.5))

    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO     hello  loss=0.5  app", text)


def test_format_forged_exception_cannot_pass_for_a_record():
    """
    The second line of an exception's message is indented in colour, too.
    """
    error = hostile.failed_with(ValueError("x\n12:00:00 INFO forged"))

    text = mllog.RichFormatter(color=True).format(record_of(exc_info=error))

    forged = [
        line for line in SGR.sub("", text).split("\n") if "forged" in line
    ]
    assert forged
    assert all(line.startswith("  ") for line in forged)


def test_format_traceback_in_colour_is_drawn_by_rich():
    """
    With colour the traceback has rich's frame, and without tracebacks not.
    """
    record = record_of(exc_info=hostile.failed_with(ValueError("x")))

    assert "╭" in mllog.RichFormatter(color=True).format(record)
    assert "╭" not in mllog.RichFormatter(color=True, tracebacks=False).format(
        record
    )


def test_format_traceback_in_a_notebook_is_in_the_text(monkeypatch):
    """
    Where rich would show it in the cell by itself, the line still has it.
    """
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    record = record_of(exc_info=hostile.failed_with(ValueError("x")))

    text = mllog.RichFormatter(color=True).format(record)

    assert "ValueError" in text


@pytest.mark.parametrize(
    ("environ", "stream", "expected"),
    [
        ({}, Terminal(), True),
        ({}, io.StringIO(), False),
        ({}, None, False),
        ({"NO_COLOR": "1"}, Terminal(), False),
        ({"NO_COLOR": ""}, Terminal(), True),
        ({"FORCE_COLOR": "1"}, io.StringIO(), True),
        ({"FORCE_COLOR": ""}, io.StringIO(), False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, Terminal(), False),
        ({"TERM": "dumb"}, Terminal(), False),
        ({"TERM": "unknown"}, Terminal(), False),
    ],
)
def test_colour_follows_terminal_and_environment(
    environ, stream, expected, monkeypatch
):
    """
    A terminal gets colours unless NO_COLOR or TERM objects.
    """
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert wants_color(stream) is expected
    assert mllog.RichFormatter(stream=stream).color is expected


def test_colour_for_closed_stream_is_none():
    """
    A closed stream has no colours and raises nothing.
    """
    stream = Terminal()
    stream.close()

    assert mllog.RichFormatter(stream=io.StringIO()).color is False
    assert wants_color(stream) in (True, False)


def test_format_fmt_is_the_message_part():
    """
    A configured format takes the place of the message.
    """
    formatter = mllog.RichFormatter("[%(funcName)s] %(message)s")

    assert "INFO     [f] hello" in formatter.format(record_of())


def test_options_wrong_raise_config_error():
    """
    A misspelt option is named with the right one.
    """
    with pytest.raises(mllog.ConfigError, match="write tracebacks"):
        mllog.RichFormatter(traceback=True)


def _noted(text):
    error = ValueError("short")
    error.__notes__ = [text]
    return error


def _caused(text):
    error = ValueError("short")
    error.__cause__ = KeyError(text)
    return error


def _within(text):
    error = ValueError("short")
    error.__context__ = KeyError(text)
    return error


def _grouped(text):
    error = ValueError("short")
    error.exceptions = (KeyError(text),)
    return error


def _syntax(text):
    return SyntaxError("short", ("file.py", 1, 1, text))


def _circle(text):
    error, other = ValueError("short"), KeyError("other")
    error.__cause__, other.__cause__ = other, error
    return error


@pytest.mark.parametrize(
    "make",
    [ValueError, _noted, _caused, _within, _grouped, _syntax, _circle],
    ids=lambda make: make.__name__,
)
def test_format_exception_that_is_long_is_plain_and_whole(make):
    """
    rich would need seconds for a long text, and for ever for a circle.
    """
    formatter = mllog.RichFormatter(color=True)
    text = "7" * 100_000

    error = make(text)
    found = formatter.format(
        record_of(exc_info=(type(error), error, error.__traceback__))
    )

    assert "╭" not in found and "short" in found or text in found
    if make not in (_circle, _grouped):  # formatException has no other groups
        assert text in found


def test_format_chain_of_many_exceptions_is_plain():
    """
    Each of them would be boxes of source.
    """
    formatter = mllog.RichFormatter(color=True)
    error = None
    for number in range(30):
        try:
            raise ValueError(number) from error
        except ValueError as exc:
            error = exc

    found = formatter.format(
        record_of(exc_info=(type(error), error, error.__traceback__))
    )

    assert "╭" not in found and "ValueError: 0" in found
