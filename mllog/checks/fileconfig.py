"""
Read what ``fileConfig`` would be given, and report what it would not take.
"""

from __future__ import annotations

import configparser
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError, shown
from . import classes, literals, values
from .findings import Report
from .lines import Lines, Path
from .model import Logger, Part, Reference, Setup
from .sections import Sections, split

__all__ = ["full_name", "read"]

_HANDLER = ("class", "level", "formatter", "args", "kwargs", "target")
_FORMATTER: tuple[str, ...] = ("format", "datefmt", "style", "class")
if sys.version_info >= (3, 12):
    _FORMATTER = (*_FORMATTER, "defaults")
# qualname and propagate say nothing of the root, and harm nothing
_LOGGER = ("level", "handlers", "qualname", "propagate")


def read(
    config: configparser.ConfigParser, report: Report, lines: Lines
) -> Setup:
    """
    What *config* sets up.
    """
    sections = Sections(config, report, lines)
    setup = Setup()
    for name in sections.names("formatters"):
        setup.formatters[name] = _formatter(name, sections)
    for name in sections.names("handlers"):
        setup.handlers[name] = _handler(name, sections)
    names = sections.names("loggers")
    if sections.has("loggers", "keys") and "root" not in names:
        report.error(
            ("loggers", "keys"),
            "fileConfig needs root among the loggers",
            "write keys = root, … and a section [logger_root]",
        )
    setup.loggers = [_logger(name, sections) for name in names]
    return setup


def full_name(written: str, kind: str) -> str:
    """
    The name that ``class`` stands for: a handler's may leave out logging.
    """
    short = f"logging.{written}"
    is_short = classes.find(short) or re.fullmatch(r"handlers\.\w+", written)
    return short if kind == "handlers" and is_short else written


def _formatter(name: str, sections: Sections) -> Part:
    section = f"formatter_{name}"
    class_name = sections.get(section, "class") or "logging.Formatter"
    cls = classes.find(class_name)
    given = {
        key: sections.get(section, key)
        for key in ("format", "datefmt", "style")
        if sections.has(section, key)
    }
    if given.get("format", "").startswith("\n"):
        sections.report.warning(
            (section, "format"),
            "the format begins with a line break: a blank line before every"
            " record",
            "begin it behind the = sign",
        )
    sections.check_keys(section, _FORMATTER, cls)
    if "." not in class_name:
        near = classes.suggestion(class_name, "formatters")
        sections.report.error(
            (section, "class"),
            f"{class_name} has no module before it",
            f"write {near}" if near else "write its full dotted name",
        )
    return Part("formatters", name, (section,), class_name, cls, given)


def _handler(name: str, sections: Sections) -> Part:
    section = f"handler_{name}"
    class_name = full_name(sections.get(section, "class"), "handlers")
    cls = classes.find(class_name)
    if not class_name:
        sections.report.error(
            (section,), "a handler without a class", "add class"
        )
    sections.check_keys(section, _HANDLER, cls)
    _check_level(section, sections)
    given, places, is_complete = _call(section, cls, sections)
    targets = _reference(section, "target", sections)
    return Part(
        "handlers",
        name,
        (section,),
        class_name,
        cls,
        given,
        places,
        is_complete=is_complete,
        formatter=_reference(section, "formatter", sections),
        # fileConfig reads it only then
        targets=(targets,)
        if targets and class_name.endswith("MemoryHandler")
        else (),
        level=_level(section, sections, logging.NOTSET),
    )


def _reference(section: str, key: str, sections: Sections) -> Reference | None:
    name = sections.get(section, key)
    return Reference(name, (section, key)) if name else None


def _logger(name: str, sections: Sections) -> Logger:
    section = f"logger_{name}"
    is_root = name == "root"
    for key in ("handlers",) if is_root else ("handlers", "qualname"):
        if not sections.has(section, key):
            sections.report.error(
                (section,), f"{key} is missing", f"add {key} = …"
            )
    sections.check_keys(section, _LOGGER, None)
    _check_level(section, sections)
    names = split(sections.get(section, "handlers"))
    return Logger(
        "" if is_root else sections.get(section, "qualname"),
        (section,),
        tuple(Reference(each, (section, "handlers")) for each in names),
        propagates=_propagates(section, sections),
        # the root's is what nobody has set yet
        level=_level(
            section, sections, logging.WARNING if is_root else logging.NOTSET
        ),
    )


def _propagates(section: str, sections: Sections) -> bool:
    text = sections.get(section, "propagate", "1")
    if re.fullmatch(r"\s*[+-]?\d+\s*", text):
        return int(text) != 0
    sections.report.error(
        (section, "propagate"),
        f"{shown('propagate', text)} is no number",
        "write 1 or 0",
    )
    return True


def _check_level(section: str, sections: Sections) -> None:
    if sections.has(section, "level"):
        try:
            values.check_level("level", sections.get(section, "level"))
        except ConfigError as exc:
            sections.report.refused((section, "level"), exc)


def _level(section: str, sections: Sections, absent: int) -> int | None:
    is_there = sections.has(section, "level")
    value = sections.get(section, "level") if is_there else None
    return values.level_of(value, absent)


def _call(
    section: str, cls: type | None, sections: Sections
) -> tuple[dict[str, Any], dict[str, Path], bool]:
    """
    What the class is called with, where it stands, and whether that is all.
    """
    args = _evaluated(section, "args", "()", sections)
    kwargs = _evaluated(section, "kwargs", "{}", sections)
    given = _by_name(args, section, cls, sections.report)
    places: dict[str, Path] = dict.fromkeys(given, (section, "args"))
    is_complete = isinstance(args, (tuple, list))
    if not isinstance(kwargs, Mapping):
        return given, places, False
    for key, value in kwargs.items():
        _check_keyword(str(key), value, section, given, sections.report)
        given[str(key)] = value
        places[str(key)] = (section, "kwargs")
    return given, places, is_complete


def _evaluated(
    section: str, key: str, default: str, sections: Sections
) -> Any:
    try:
        return literals.read(sections.get(section, key, default))
    except ConfigError as exc:
        sections.report.refused((section, key), exc, key)
        return literals.CODE


def _by_name(
    args: Any, section: str, cls: type | None, report: Report
) -> dict[str, Any]:
    """
    The positional arguments by the names of what they are for.
    """
    path = (section, "args")
    if isinstance(args, (str, bytes, int, float)):
        report.error(
            path, "args is no tuple: a comma is missing", 'write ("…",)'
        )
    if not isinstance(args, (tuple, list)) or cls is None:
        return {}
    names = classes.options_of(cls).positional
    if len(args) > len(names):
        report.error(
            path,
            f"{cls.__name__} takes at most {len(names)} args, not {len(args)}",
            f"args are {', '.join(names)}; the others go into kwargs",
        )
    return dict(zip(names, args))  # noqa: B905 - either may be longer


def _check_keyword(
    key: str,
    value: Any,
    section: str,
    given: Mapping[str, Any],
    report: Report,
) -> None:
    path = (section, "kwargs")
    if key in given:
        report.error(
            path,
            f"{key} is given in args and again in kwargs",
            "take one of them out",
        )
    if isinstance(value, str) and value.startswith(("ext://", "cfg://")):
        report.error(
            path,
            f"{shown(key, value)}: fileConfig takes {value[:6]} as mere text",
            "write the value, or %(name)s with the name in [DEFAULT]",
        )
