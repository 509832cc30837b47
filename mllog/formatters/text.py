"""
Records as plain text that cannot be forged.
"""

from __future__ import annotations

import logging
import re
import string
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .. import options
from ..context import copied
from ..encoding import encode_short
from ..errors import ConfigError
from ..fields import error_of, fields_of, message_of
from ..recursion import bounded
from ..timestamps import chooses_time, utc
from ..values import CONTROLS, convert, key_of, name_of
from .exceptions import is_text, said, trace

__all__ = [
    "TextFormatter",
    "by_format",
    "escaped",
    "escaped_lines",
    "info_of",
    "is_harmless",
    "overrides",
    "pairs",
    "trouble_of",
    "with_names",
]

_DANGEROUS = re.compile(f"[{CONTROLS}\ud800-\udfff]")
_IN_TRACE = re.compile(_DANGEROUS.pattern.replace("\x00-", "\x00-\x09\x0b-"))
_parse_braces = string.Formatter().parse
_NAMES = ("name", "levelname")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_LONGEST_VALUE = 8192


def escaped(text: str) -> str:
    """
    *text* with control, ANSI, bidi and line-breaking characters made visible.
    """
    if text.isprintable():
        return text
    return _DANGEROUS.sub(_visible, text)


def is_harmless(text: str) -> bool:
    """
    Whether *text* has nothing to escape, but for its line breaks.
    """
    return _IN_TRACE.search(text) is None


def escaped_lines(text: str) -> str:
    """
    *text* as :func:`escaped` gives it, but with its line breaks.
    """
    return _IN_TRACE.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _SHORT.get(character) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    )


def pairs(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """
    Names and short texts of *fields*; ``metrics`` as its own entries.
    """
    found = []
    for name, value in fields.items():
        if name == "metrics" and isinstance(value, Mapping):
            try:
                found += [(_name(key), _text(value[key])) for key in value]
                continue
            except Exception:  # a mapping that raises is shown as one value
                pass
        # asked here as well: a call less for nearly every field
        if type(name) is not str or not name.isprintable():
            name = _name(name)
        found.append((name, _text(value)))
    return found


def _name(key: Any) -> str:
    return escaped(key if type(key) is str else key_of(key))


def _text(value: Any) -> str:
    """
    One value, short: numbers to six digits, text in quotes where it needs them.
    """
    kind = type(value)
    if kind is float:
        return f"{value:.6g}"
    if kind is str and _is_plain(value):
        return value  # type: ignore[no-any-return]
    if kind not in (int, bool, dict, list, tuple):
        value = convert(value)
        kind = type(value)
    if kind is float:
        return f"{value:.6g}"
    if kind is bool or value is None or (kind is int and abs(value) < 2**64):
        return str(value)
    if kind is not str:
        return encode_short(value, _LONGEST_VALUE)
    text = escaped(value[:_LONGEST_VALUE])
    if len(value) > _LONGEST_VALUE:
        text += f"…[truncated {len(value) - _LONGEST_VALUE}]"
    if _is_plain(text):
        return text
    return '"' + text.replace('"', r"\"") + '"'


def _is_plain(text: str) -> bool:
    """
    Whether *text* can stand as it is: short, printable, one word.
    """
    return (
        0 < len(text) <= _LONGEST_VALUE
        and text.isprintable()
        and " " not in text
        and "=" not in text
        and '"' not in text
    )


def trouble_of(
    formatter: logging.Formatter, record: logging.LogRecord
) -> list[str]:
    """
    The lines of a record's traceback and stack, each of them indented.

    Indented, no line of them can pass for a record, whatever an exception says.
    """
    return [
        f"  {escaped_lines(line)}"
        for block in _blocks(formatter, record)
        for line in block.split("\n")
    ]


def info_of(error: BaseException) -> Any:
    """
    What ``sys.exc_info()`` said while *error* was handled.
    """
    return type(error), error, error.__traceback__


def _blocks(
    formatter: logging.Formatter, record: logging.LogRecord
) -> list[str]:
    blocks = []
    error = error_of(record)
    if error is not None and is_text(error):
        blocks.append(trace(error, chain=True))
    elif error is not None:
        try:
            blocks.append(
                bounded(
                    lambda error: said(
                        formatter.formatException(info_of(error))
                    ),
                    name_of,
                    error,
                )
            )
        except Exception:
            blocks.append(f"<{type(error).__name__}>")
    elif record.exc_text:
        blocks.append(said(record.exc_text))
    if record.stack_info:
        try:
            stack = formatter.formatStack(record.stack_info)
        except Exception:
            stack = record.stack_info
        blocks.append(said(stack))
    return blocks


def set_format(
    formatter: logging.Formatter,
    fmt: str | None,
    datefmt: str | None,
    style: Any,
    validate: bool,
    defaults: Mapping[str, Any] | None,
) -> None:
    """
    What ``logging.Formatter`` does with its arguments, with our errors.

    Raises:
        ConfigError: The format is not valid in that style.
    """
    try:
        logging.Formatter.__init__(
            formatter,
            fmt,
            datefmt,
            style,
            validate,
            defaults=dict(defaults or {}) or None,
        )
    except (ValueError, TypeError) as exc:
        raise ConfigError(
            f"fmt={fmt!r} with style={style!r}: {exc}",
            expected="a format as logging.Formatter takes it",
        ) from None
    if style == "{" and fmt and not overrides(formatter, "formatMessage"):
        names = [name or "" for _, name, _, _ in _parse_braces(fmt)]
        if any("." in name or "[" in name for name in names):
            formatter._inside = _Inside(fmt, defaults or {})  # type: ignore[attr-defined]


class TextFormatter(logging.Formatter):
    """
    Plain lines for files: ``<ISO UTC> LEVEL logger message`` and the fields.

    Guarantee:
        Control characters, ANSI sequences, line breaks and bidi marks of a
        message, a value or an exception are escaped: a record cannot forge
        another.  The format's own line breaks stay.

    Args:
        fmt: As in ``logging.Formatter``; None is the line above.  ``format``
            is another name for it.

        datefmt: Format of the time, local unless ``converter`` is another
            one; None is ISO 8601 in UTC with microseconds.

        style: ``%``, ``{`` or ``$``.

        validate: Whether *fmt* is checked against *style*.

        defaults: Values for fields that a record lacks.

        fields: Whether the line ends in the fields, as ``key=value``.  With a
            *fmt* they are shown only where this is True; None is that rule.
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
        fields: bool | str | None = None,
    ) -> None:
        fmt = format if fmt is None else fmt
        set_format(self, fmt, datefmt, style, validate, defaults)
        self._own_layout = fmt is None and not overrides(self, "formatMessage")
        self._chooses_time = chooses_time(self)
        self._shows_fields = (
            self._own_layout
            if fields is None
            else options.boolean("fields", fields)
        )

    def format(self, record: logging.LogRecord) -> str:
        """
        The record as text; nothing is changed on the record.
        """
        if type(record.name) is not str or type(record.levelname) is not str:
            record = with_names(record)
        message = escaped(message_of(record))
        if self._own_layout:
            line = (
                f"{self.formatTime(record, self.datefmt)}"
                f" {escaped(record.levelname)}"
                f" {escaped(record.name)} {message}"
            )
        else:
            line = by_format(self, record, message)
        if self._shows_fields:
            for name, text in pairs(fields_of(record)):
                line += f" {name}={text}"
        if record.exc_info or record.exc_text or record.stack_info:
            return "\n".join([line, *trouble_of(self, record)])
        return line

    def formatTime(  # noqa: N802
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        """
        By *datefmt* and *converter* as in the stdlib, else ISO 8601 in UTC.
        """
        if datefmt or self._chooses_time:
            with suppress(Exception):  # a time that there is not
                return super().formatTime(record, datefmt)
        return utc(record.created)


def overrides(
    formatter: logging.Formatter,
    hook: str,
    base: type[logging.Formatter] = logging.Formatter,
) -> bool:
    """
    Whether *formatter* has another *hook* than its *base*.
    """
    found = getattr(formatter, hook)
    return getattr(found, "__func__", None) is not getattr(base, hook)


def with_names(record: logging.LogRecord) -> logging.LogRecord:
    """
    A record like *record* whose logger and level have names that are text.
    """
    names = {name: said(getattr(record, name)) for name in _NAMES}
    return copied(record, names)


def by_format(
    formatter: logging.Formatter, record: logging.LogRecord, message: str
) -> str:
    """
    *record* by the formatter's own format, every value in it escaped.
    """
    try:
        shown: dict[str, Any] = {"message": message}
        if formatter.usesTime():
            shown["asctime"] = escaped(
                str(formatter.formatTime(record, formatter.datefmt))
            )
        inside = getattr(formatter, "_inside", None)
        if inside is not None:
            return str(inside({**record.__dict__, **shown}))
        for name, value in record.__dict__.items():
            shown.setdefault(name, _safe(value))
        return formatter.formatMessage(copied(record, shown))
    except Exception as exc:  # a field that this record lacks
        level = escaped(said(record.levelname))
        why = escaped(f"{type(exc).__name__}: {said(exc)}")
        return f"{utc(record.created)} {level} {message} <{why}>"


class _Inside(string.Formatter):
    """
    A format by braces that asks for a part of a field: ``{metrics[loss]:.3f}``.

    Args:
        fmt: The format.

        defaults: Values for fields that a record lacks.
    """

    def __init__(self, fmt: str, defaults: Mapping[str, Any]) -> None:
        self._fmt = fmt
        self._defaults = dict(defaults)

    def __call__(self, fields: Mapping[str, Any]) -> str:
        return self.vformat(self._fmt, (), {**self._defaults, **fields})

    def format_field(self, value: Any, format_spec: str) -> str:
        return str(super().format_field(_safe(value), format_spec))


def _safe(value: Any) -> Any:
    """
    *value* so that a format can neither be forged by it nor fail on it.
    """
    kind = type(value)
    if value is None or kind is int or kind is float or kind is bool:
        return value
    if kind is str:
        return escaped(value)
    if kind is tuple and not value:  # the args of most records
        return value
    plain = convert(value)
    if type(plain) is int or type(plain) is float:
        return plain
    return escaped(plain if type(plain) is str else _text(plain))
