"""
Records for people: one coloured line each, fields and all.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.color import ColorSystem
from rich.style import Style

from .. import options
from ..fields import error_of, fields_of, message_of
from .exceptions import is_text, said
from .text import (
    by_format,
    escaped,
    info_of,
    is_harmless,
    overrides,
    pairs,
    set_format,
    trouble_of,
    with_names,
)

__all__ = ["LONGEST_HIGHLIGHT", "RichFormatter", "is_drawable", "wants_color"]

#: The highlighter of rich searches in time that grows with the square of the
#: length: 16 kB of one word take 15 seconds, and this some hundredths.
LONGEST_HIGHLIGHT: Final = 500
# Exceptions of one chain or group: each of them is some boxes of source.
_MOST_DRAWN: Final = 20

_Base = logging.Formatter
_LEVEL_STYLES = {
    "DEBUG": "cyan",
    "INFO": "green",
    "WARNING": "yellow",
    "ERROR": "bold red",
    "CRITICAL": "bold white on red",
}


def wants_color(stream: Any) -> bool:
    """
    Whether *stream* should get colours: a terminal, and nobody objects.

    ``NO_COLOR`` objects, ``FORCE_COLOR`` insists, and so does neither when
    empty; ``TERM=dumb`` and an unknown stream get none.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    if os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return False
    try:
        return stream is not None and bool(stream.isatty())
    except Exception:  # closed, or no stream at all
        return False


def _codes(style: str) -> tuple[str, str]:
    """
    What switches *style* on and off.
    """
    rendered = Style.parse(style).render(
        "\0", color_system=ColorSystem.STANDARD
    )
    on, _, off = rendered.partition("\0")
    return on, off


class RichFormatter(logging.Formatter):
    """
    ``12:00:05 INFO     Inference complete  model_name=resnet50  app.serving``.

    For any StreamHandler.  It does not wrap lines, and writes no ANSI code
    unless it is told of a terminal (*stream*) or told to (*color*).

    Guarantee:
        Control characters and ANSI sequences of a record are escaped.

    Args:
        fmt: As in ``logging.Formatter``: a format for the message part; None
            is the message.  ``format`` is another name for it.

        datefmt: Format of the time, local unless ``converter`` is another
            one; None is ``%H:%M:%S``.

        style: ``%``, ``{`` or ``$``.

        validate: Whether *fmt* is checked against *style*.

        defaults: Values for fields that a record lacks.

        stream: The stream it writes for, asked whether it is a terminal.

        color: True or False; None decides by *stream*, ``NO_COLOR``,
            ``FORCE_COLOR`` and ``TERM``.

        tracebacks: Whether a coloured traceback is drawn by rich, with source.
    """

    @options.checked
    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Any = "%",
        validate: bool = True,
        *,
        defaults: Mapping[str, Any] | None = None,
        format: str | None = None,  # noqa: A002 - dictConfig's name
        stream: Any = None,
        color: bool | str | None = None,
        tracebacks: bool | str = True,
    ) -> None:
        fmt = format if fmt is None else fmt
        set_format(self, fmt, datefmt, style, validate, defaults)
        self._message_only = fmt is None and not overrides(
            self, "formatMessage"
        )
        self._calls_format_time = (
            overrides(self, "formatTime")
            or self.default_time_format != _Base.default_time_format
            or self.default_msec_format != _Base.default_msec_format
        )
        self._tracebacks = options.boolean("tracebacks", tracebacks)
        self.color = (
            wants_color(stream)
            if color is None
            else options.boolean("color", color)
        )
        self._paint = _Paint(self.color)
        self._clock = (-1, "")

    def format(self, record: logging.LogRecord) -> str:
        """
        The record as one line, and below it what went wrong.
        """
        if type(record.name) is not str or type(record.levelname) is not str:
            record = with_names(record)
        paint = self._paint
        line = (
            f"{paint.dim}{self._time(record)}{paint.end_dim} "
            f"{paint.level(record.levelname)} {self._message(record)}"
        )
        key, value, end = paint.key, paint.value, paint.end_value
        for name, text in pairs(fields_of(record)):
            line += f"  {key}{name}={value}{text}{end}"
        line += f"  {paint.dim}{escaped(record.name)}{paint.end_dim}"
        if record.exc_info or record.exc_text or record.stack_info:
            return "\n".join([line, *self._trouble(record)])
        return line

    def _time(self, record: logging.LogRecord) -> str:
        try:
            if self._calls_format_time:
                return escaped(str(self.formatTime(record, self.datefmt)))
            second = int(record.created)
            known, clock = self._clock
            if second != known:
                if "formatTime" in self.__dict__:  # set since
                    self._calls_format_time = True
                    return self._time(record)
                clock = time.strftime(
                    self.datefmt or "%H:%M:%S", self.converter(second)
                )
                self._clock = (second, clock)
        except Exception:  # makeLogRecord takes anything for a time
            return "--:--:--"
        return clock

    def _message(self, record: logging.LogRecord) -> str:
        message = escaped(message_of(record))
        if self._message_only:
            return message
        return by_format(self, record, message)

    def _trouble(self, record: logging.LogRecord) -> list[str]:
        plain = trouble_of(self, record)
        error = error_of(record)
        if not (self.color and self._tracebacks and error is not None):
            return plain
        hooks = ("formatException", "formatStack")
        if any(overrides(self, hook) for hook in hooks):
            return plain
        try:
            if not is_drawable(error, self.formatException(info_of(error))):
                return plain
            drawn = [f"  {line}" for line in _drawn(error).split("\n")]
        except Exception:
            return plain
        if record.stack_info:
            stack = str(record.stack_info).count("\n") + 1
            drawn += plain[-stack:]
        return drawn


class _Paint:
    """
    The ANSI codes of one formatter, all of them empty without colour.
    """

    def __init__(self, color: bool) -> None:
        self.dim, self.end_dim = _codes("dim") if color else ("", "")
        self.key, end = _codes("cyan") if color else ("", "")
        on, self.end_value = _codes("bold") if color else ("", "")
        self.value = end + on
        self._color = color
        self._levels: dict[str, str] = {}

    def level(self, name: str) -> str:
        """
        The level's name, eight wide.
        """
        found = self._levels.get(name)
        if found is None:
            found = f"{escaped(str(name)):<8}"
            if self._color:
                on, off = _codes(_LEVEL_STYLES.get(name, "magenta"))
                found = f"{on}{found}{off}"
            if len(self._levels) < 100:
                self._levels[name] = found
        return found


def is_drawable(error: BaseException, text: str) -> bool:
    """
    Whether rich may draw *error*, of which *text* is the plain traceback.

    rich lets control characters through, goes round with causes that are a
    circle, and needs quadratic time for long texts.
    """
    try:
        return not is_text(error) and is_harmless(text) and _is_short(error)
    except Exception:  # an exception whose attributes raise
        return False


def _is_short(error: BaseException) -> bool:
    left = [error]
    for _ in range(_MOST_DRAWN):
        if not left:
            return True
        each = left.pop()
        if any(len(text) > LONGEST_HIGHLIGHT for text in _texts_of(each)):
            return False
        cause = each.__cause__
        if cause is None and not each.__suppress_context__:
            cause = each.__context__
        left += [cause] if cause is not None else []
        left += getattr(each, "exceptions", ())
    return not left


def _texts_of(error: BaseException) -> Iterator[str]:
    """
    What rich searches for numbers, names and paths.
    """
    yield said(error)
    yield from map(str, getattr(error, "__notes__", ()))
    if isinstance(error, SyntaxError):
        yield str(error.text)


def _drawn(error: BaseException) -> str:
    """
    The traceback as rich draws it.
    """
    from rich.console import Console
    from rich.traceback import Traceback

    # what a terminal has, less the indent; enough for source where it is none
    width = min(shutil.get_terminal_size((102, 24)).columns, 122) - 2
    console = Console(
        file=io.StringIO(),
        force_terminal=True,
        # in a notebook it would show it by itself, and once for each handler
        force_jupyter=False,
        width=width,
        color_system="standard",
    )
    console.print(
        Traceback.from_exception(
            type(error), error, error.__traceback__, width=width
        )
    )
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    return str(drawn).rstrip("\n")
