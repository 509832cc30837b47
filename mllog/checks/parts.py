"""
Each handler, formatter and filter by itself: its class and its options.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping

from .. import options
from ..errors import ConfigError, MissingPackageError, nearest, shown
from ..s3 import NO_CREDENTIALS, is_credential
from . import classes, values
from .findings import Report
from .lines import Path
from .model import Part, is_known, resolved

__all__ = ["check", "check_options"]

_BASES: dict[str, type] = {
    "handlers": logging.Handler,
    "formatters": logging.Formatter,
    "filters": logging.Filter,
}
# What dictConfig itself makes of these, in QueueHandler's place
_QUEUE_OPTIONS = ("queue", "handlers", "listener", "respect_handler_level")
_RAISING = "rich.logging.RichHandler"


def check(part: Part, report: Report) -> None:
    """
    Report what is wrong with the class and the options of *part*.
    """
    if part.cls is None:
        _check_name(part, report)
        return
    if not issubclass(part.cls, _BASES[part.kind]):
        report.error(
            part.path,
            f"{part.class_name} is no {part.kind[:-1]}",
            f"name a class that extends {_BASES[part.kind].__name__}",
        )
        return
    if part.is_ours:
        _check_declared(part, part.cls, report)
    else:
        check_options(part, report)
    _check_values(part, report)


def _check_declared(part: Part, cls: type, report: Report) -> None:
    """
    Report what the constructor of a class of mllog would refuse.
    """
    values = {name: resolved(part.options[name]) for name in part.options}
    given = {name: value for name, value in values.items() if is_known(value)}
    is_all = part.is_complete and len(given) == len(part.options)
    if part.kind == "formatters" and "format" in given:
        given.setdefault("fmt", given.pop("format"))  # as dictConfig does
    try:
        wrong = list(options.problems(cls, given, is_complete=is_all))
    except MissingPackageError as exc:
        problem, _, fix = str(exc).partition("\n  fix: ")
        report.error(part.path, f"{part.label}: {problem}", fix)
        return
    for name, error in wrong:
        if name and name not in options.declared(cls):
            near = error.fix.removeprefix("write ")
            error.fix = _advice(part, name, near)
        place = _place(part, name) if name else _place_of(error, part)
        report.refused(place, error, part.label)


def _place(part: Part, option: str) -> Path:
    """
    Where *option* stands, or the part where it is left to its default.
    """
    if option == "fmt" and "fmt" not in part.options:
        option = "format"
    return part.place(option) if option in part.options else part.path


def _place_of(error: ConfigError, part: Part) -> Path:
    """
    Where the first option stands that *error* names, also within another.
    """
    words = re.findall(r"[A-Za-z_]+", error.problem)
    for name in words:
        if name in part.options:
            return part.place(name)
    for name, value in part.options.items():
        for word in words if isinstance(value, Mapping) else ():
            if word in value:
                return (*part.place(name), word)
    return part.path


def _check_name(part: Part, report: Report) -> None:
    """
    Report a class of logging or mllog that is not there, or not safe.
    """
    dotted = part.class_name
    if classes.covers(dotted):
        near = classes.suggestion(dotted, part.kind)
        report.error(
            part.path,
            f"there is no class {dotted}",
            f"write {near}" if near else "",
        )
    elif dotted == _RAISING:
        report.warning(
            part.path,
            "rich's RichHandler raises into the application when arguments"
            " or markup do not fit",
            "write mllog.RichHandler, which takes the same options",
        )


def check_options(part: Part, report: Report) -> None:
    """
    Report options that the class does not take, and those that it needs.
    """
    known = _known(part)
    for option in part.options:
        if option not in known.names:
            near = nearest(option, known.names)
            report.error(
                part.place(option),
                f"{part.label} has no option {option}",
                _advice(part, option, near),
            )
    if part.is_complete:
        for option in known.required:
            if option not in part.options:
                report.error(
                    part.path,
                    f"{part.label} needs the option {option}",
                    f"add {option}",
                )


def _known(part: Part) -> classes.Options:
    assert part.cls is not None  # noqa: S101 - for mypy
    known = classes.options_of(part.cls)
    names, required = known.names, known.required
    if part.kind == "formatters":  # dictConfig offers format as fmt
        names = (*names, "format")
    if part.is_a("QueueHandler") and sys.version_info >= (3, 12):
        names, required = (*names, *_QUEUE_OPTIONS), ()
    return classes.Options(names, known.positional, required)


def _advice(part: Part, option: str, near: str) -> str:
    if part.is_a("ObjectHandler") and is_credential(option):
        return NO_CREDENTIALS
    if part.is_a("QueueHandler") and option in _QUEUE_OPTIONS:
        return "logging takes it from Python 3.12 on"
    if part.is_a("RotatingFileHandler", "TimedRotatingFileHandler") and (
        option in ("when", "maxBytes")
    ):
        return "write mllog.TimestampedRotatingFileHandler, which has both"
    return f"write {near}" if near else "take it out"


def _check_values(part: Part, report: Report) -> None:
    if part.is_a("InferenceFormatter"):  # publishing looks at all of them
        return
    if not part.is_a("ShippingHandler"):  # and shipping at these
        for option in part.options:
            if option == "fields" and part.is_a("DriftHandler"):
                continue  # a list there: watching looks at it
            _check_value(option, part, report)
    if part.kind == "formatters":
        _check_format(part, report)


def _check_value(option: str, part: Part, report: Report) -> None:
    try:
        values.check_value(option, part.options[option], is_ours=part.is_ours)
    except ConfigError as exc:
        report.refused(part.place(option), exc, part.label)


def _check_format(part: Part, report: Report) -> None:
    style = part.get("style")
    if not is_known(part.options):
        return
    if part.is_a("JSONFormatter") and style == ",":
        return
    option = "format" if "format" in part.options else "fmt"
    try:
        values.check_format(part.options)
    except ConfigError as exc:
        at = "style" if exc.problem == shown("style", style) else option
        report.refused(part.place(at), exc, part.label)
