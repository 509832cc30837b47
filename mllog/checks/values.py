"""
Which values the options of logging's and mllog's classes can have.

The parsers are those that the constructors use; no constructor is called.
"""

from __future__ import annotations

import functools
import logging
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from .. import options
from ..errors import ConfigError, nearest, shown
from ..rotation import Charset, Plan
from ..rotation.schedule import Schedule
from .model import is_known

__all__ = ["check_format", "check_level", "check_value", "level_of"]

Parser = Callable[[str, Any], Any]

_ENCODING = re.compile(r"[A-Za-z0-9_\- ]+")
_TEXT_MODE = re.compile(r"[awx]\+?t?|[awx]t?\+?")
_WHENS = ("S", "M", "H", "D", "MIDNIGHT")


def check_value(option: str, value: Any, *, is_ours: bool) -> None:
    """
    Raise what a class of mllog (*is_ours*) or logging would at *value*.

    Raises:
        ConfigError: The value cannot work.
    """
    parser = (_OURS if is_ours else _STDLIB).get(option)
    if parser is not None and is_known(value):
        parser(option, value)


def check_level(option: str, value: Any) -> None:
    """
    Raise where ``setLevel`` would: it takes capitals and numbers.

    Raises:
        ConfigError: logging does not know the level.
    """
    known = logging._nameToLevel
    if value is None or not is_known(value):
        return
    if isinstance(value, int) or (isinstance(value, str) and value in known):
        return
    text = str(value).strip()
    near = nearest(text, known) if not text.isdigit() else ""
    raise ConfigError(
        f"unknown level {shown(option, value)}",
        expected=", ".join(name for name in known if name != "WARN")
        + ", or a level that the application adds before",
        fix=f"write {near}" if near else _as_number(text, value),
    )


def level_of(value: Any, absent: int) -> int | None:
    """
    The number of a level, *absent* without one; None is not known yet.
    """
    if value is None:
        return absent
    if isinstance(value, str):
        return logging._nameToLevel.get(value)
    return value if isinstance(value, int) else None


def _as_number(text: str, value: Any) -> str:
    is_number = isinstance(value, str) and text.isdigit()
    level = logging.getLevelName(int(text)) if is_number else ""
    if not is_number:
        return ""
    return "write a name" if level.startswith("Level") else f"write {level}"


def check_format(given: Mapping[str, Any]) -> None:
    """
    Raise where a formatter would at its format.

    Raises:
        ConfigError: The format does not fit its style.
    """
    fmt = given.get("fmt") or given.get("format")
    style: Any = given.get("style", "%")
    if style not in ("%", "{", "$"):
        raise ConfigError(shown("style", style), expected="%, { or $")
    if not isinstance(fmt, str) or given.get("validate", True) is False:
        return
    try:
        logging.Formatter(fmt, None, style)
    except ValueError as exc:
        raise ConfigError(
            f"{shown('format', fmt)} is not for style {style}: {exc}",
            fix="write fields as %(message)s, or give the style they are in"
            if style == "%"
            else "",
        ) from None


def _plain_whole(option: str, value: Any) -> None:
    if not isinstance(value, int):
        raise ConfigError(
            f"{shown(option, value)} is no number for a class of logging",
            expected='a whole number; "10MB" is for mllog\'s handlers',
        )


def _plain_boolean(option: str, value: Any) -> None:
    if isinstance(value, str) and value:
        raise ConfigError(
            f"{shown(option, value)} is text, which logging takes for true",
            expected="true or false, without quotes",
        )


def _plain_when(option: str, value: Any) -> None:
    if not isinstance(value, str) or value.upper() not in (
        *_WHENS,
        *(f"W{day}" for day in range(7)),
    ):
        raise ConfigError(
            shown(option, value),
            expected="S, M, H, D, MIDNIGHT, or W0 (Monday) to W6",
        )


def _encoding(option: str, value: Any) -> None:
    if value is None:
        return
    try:
        if not _ENCODING.fullmatch(value):
            raise LookupError
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            "".encode(value)
    except (LookupError, TypeError):
        raise ConfigError(
            f"unknown encoding {shown(option, value)}",
            expected='the name of a text encoding, such as "utf-8"',
        ) from None


def _charset(option: str, value: Any) -> None:
    """
    As the file handler of mllog takes it.
    """
    if option == "encoding" and value != "locale":
        _encoding(option, value)
    Charset(**{option: value})


def _mode(option: str, value: Any, *, pattern: re.Pattern[str]) -> None:
    if isinstance(value, str) and pattern.fullmatch(value):
        return
    word = str(value).upper()
    is_when = word in _WHENS or re.fullmatch("W[0-6]", word)
    raise ConfigError(
        shown(option, value),
        expected="a, w or x",
        fix=f"write when={word!r}: this is the place of mode"
        if is_when
        else "",
    )


def _stream(option: str, value: Any) -> None:
    if isinstance(value, str):
        options.choice(option, value.removeprefix("sys."), _STREAMS)


def _plain_stream(option: str, value: Any) -> None:
    if isinstance(value, str):
        near = value.removeprefix("sys.")
        name = near if near in _STREAMS else "stderr"
        raise ConfigError(
            f"{shown(option, value)} is text, not a stream",
            fix=f'write "ext://sys.{name}", in INI sys.{name} without quotes',
        )


def _planned(option: str, value: Any) -> None:
    """
    As the rotation of mllog takes it, which looks at *when* first.
    """
    given = {"when": "H", option: value}
    Plan(**given)


def _maybe(parser: Parser) -> Parser:
    return functools.partial(options.optional, parser)


def _unless_none(parser: Parser) -> Parser:
    return lambda option, value: (
        None if value is None else parser(option, value)
    )


def _choice(*allowed: str) -> Parser:
    return lambda option, value: options.choice(option, value, allowed)


def _interval(option: str, value: Any) -> Any:
    return options.number(option, value, above=-1)


def _count(option: str, value: Any) -> Any:
    return options.integer(option, value, minimum=1)


def _when(option: str, value: Any) -> None:
    if value:
        try:
            Schedule(value)
        except ConfigError as exc:
            exc.problem = shown(option, value)
            raise


_STREAMS = ("stderr", "stdout")

_OURS: dict[str, Parser] = {
    **dict.fromkeys(
        (
            "atTime",
            "backupCount",
            "compress",
            "interval",
            "maxBytes",
            "max_age_days",
            "max_total_bytes",
            "permissions",
            "utc",
        ),
        _planned,
    ),
    "close_timeout_seconds": options.number,
    "color": _unless_none(options.boolean),
    "delay": options.boolean,
    "encoding": _maybe(_charset),
    "errors": _maybe(_charset),
    "field": options.text,
    "fields": _unless_none(options.boolean),
    "labels": options.names,
    "max_record_bytes": options.size,
    "max_series": _count,
    "mode": functools.partial(_mode, pattern=re.compile("[awx]")),
    "nan": _choice("null", "string"),
    "piped": _choice("text", "json"),
    "schema": _unless_none(_choice("ecs")),
    "show_fields": options.boolean,
    "stream": _stream,
    "summary_interval_seconds": _interval,
    "tracebacks": options.boolean,
    "when": _when,
}

_STDLIB: dict[str, Parser] = {
    "backupCount": _plain_whole,
    "capacity": _plain_whole,
    "delay": _plain_boolean,
    "encoding": _encoding,
    "interval": _plain_whole,
    "maxBytes": _plain_whole,
    "mode": functools.partial(_mode, pattern=_TEXT_MODE),
    "stream": _plain_stream,
    "utc": _plain_boolean,
    "when": _plain_when,
}
