"""
Read what ``dictConfig`` would be given, and report what it would not take.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, cast

from ..errors import ConfigError, nearest, shown
from . import classes, values
from .findings import Report
from .lines import Path
from .model import Kind, Logger, Part, Reference, Setup, texts, value_of

__all__ = ["read"]

_TOP = (
    "version",
    "incremental",
    "disable_existing_loggers",
    "formatters",
    "filters",
    "handlers",
    "loggers",
    "root",
    "metrics",
)
# Notes for people and editors, and what YAML anchors stand under
_PRIVATE = ("$", "_", "x-", ".")
_LOGGER = ("level", "propagate", "filters", "handlers")
_FORMATTER = ("format", "datefmt", "style", "validate", "class")
if sys.version_info >= (3, 12):
    _FORMATTER = (*_FORMATTER, "defaults")
_HANDLER = ("class", "()", "level", "formatter", "filters", ".")
_REFERENCE = re.compile(r"cfg://(\w+)((?:\.\w+|\[[^\]]+\])*)(.*)", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[([^\]]+)\]")


def read(config: Mapping[str, Any], report: Report) -> Setup:
    """
    What *config* sets up.
    """
    setup = Setup(
        is_incremental=bool(config.get("incremental")),
        metrics=config.get("metrics"),
    )
    _check_top(config, setup, report)
    _follow(config, setup, report)
    for name, spec, path in _entries(config, "formatters", report):
        setup.formatters[name] = _formatter(name, spec, path, report)
    for name, spec, path in _entries(config, "filters", report):
        setup.filters[name] = _filter(name, spec, path, report)
    for name, spec, path in _entries(config, "handlers", report):
        _check_level(spec, path, report)
        if not setup.is_incremental:
            setup.handlers[name] = _handler(name, spec, path, report)
    for name, spec, path in _entries(config, "loggers", report):
        setup.loggers.append(_logger(name, spec, path, report))
    root = config.get("root")
    if isinstance(root, Mapping):
        setup.loggers.append(_logger("root", root, ("root",), report))
    elif root is not None:
        report.error(
            ("root",), "root is no mapping", 'write {"handlers": […]}'
        )
    return setup


def _check_top(
    config: Mapping[str, Any], setup: Setup, report: Report
) -> None:
    if "version" not in config:
        report.error((), "version is missing", 'add "version": 1')
    elif config["version"] != 1:
        report.error(
            ("version",),
            f"logging does not know {shown('version', config['version'])}",
            "write 1, without quotes",
        )
    if "disable_existing_loggers" not in config and not setup.is_incremental:
        report.warning(
            (),
            "disable_existing_loggers is missing and then true: loggers made"
            " before this, those of imported libraries too, fall silent",
            'add "disable_existing_loggers": false',
        )


def _follow(config: Mapping[str, Any], setup: Setup, report: Report) -> None:
    """
    Follow each ``cfg://``; report those that lead nowhere and keys unread.
    """
    unknown = {
        key
        for key in map(str, config)
        if key not in _TOP and not key.startswith(_PRIVATE)
    }
    for text, path in texts(config):
        if match := _REFERENCE.fullmatch(text):
            unknown.discard(match[1])
            steps = ["".join(step) for step in _STEP.findall(match[2])]
            setup.used.update(steps[:1])
            if match[3] or not _leads(config, [match[1], *steps]):
                report.error(path, f"{text} leads nowhere", "define it")
    for key in sorted(unknown):
        near = nearest(key, _TOP)
        report.warning(
            (key,),
            f"dictConfig does not read {key}",
            f"write {near}" if near else "take it out",
        )


def _leads(config: Any, steps: list[str]) -> bool:
    for step in steps:
        if isinstance(config, Mapping) and step in config:
            config = config[step]
        elif isinstance(config, (list, tuple)) and (
            step.isdigit() and int(step) < len(config)
        ):
            config = config[int(step)]
        else:
            return False
    return True


def _entries(
    config: Mapping[str, Any], key: str, report: Report
) -> Iterator[tuple[str, Mapping[str, Any], Path]]:
    """
    The named mappings below a top-level key.
    """
    entries = config.get(key, {})
    if not isinstance(entries, Mapping):
        report.error(
            (key,), f"{key} is no mapping", "write names and settings"
        )
        return
    for name, spec in entries.items():
        if isinstance(spec, Mapping):
            yield str(name), spec, (key, str(name))
        else:
            report.error((key, str(name)), f"{name} is no mapping")


def _formatter(
    name: str, spec: Mapping[str, Any], path: Path, report: Report
) -> Part:
    if "()" in spec:
        return _custom("formatters", name, spec, path)
    class_name = spec.get("class")
    for key in spec:
        if key not in _FORMATTER:
            _dropped(key, bool(class_name), path, report)
    given = {
        key: value_of(spec[key])
        for key in ("format", "datefmt", "style", "validate")
        if key in spec
    }
    _warn_of_leading_break(given.get("format"), (*path, "format"), report)
    class_name = class_name or "logging.Formatter"
    part = _part("formatters", name, class_name, given, path)
    _check_dotted(part, report)
    return part


def _dropped(key: Any, has_class: bool, path: Path, report: Report) -> None:
    near = nearest(str(key), _FORMATTER)
    if has_class:
        fix = 'write "()" instead of "class": then it gets every option'
    elif key == "fmt":
        fix = "write format"
    else:
        fix = f"write {near}" if near else "take it out"
    reads = "beside class" if has_class else "here"
    report.error(
        (*path, key),
        f"dictConfig drops {key}: {reads} it reads only"
        f" {', '.join(known for known in _FORMATTER if known != 'class')}",
        fix,
    )


def _warn_of_leading_break(fmt: Any, path: Path, report: Report) -> None:
    if isinstance(fmt, str) and fmt.startswith("\n"):
        report.warning(
            path,
            "the format begins with a line break: a blank line before"
            " every record",
            "begin it with the first field",
        )


def _filter(
    name: str, spec: Mapping[str, Any], path: Path, report: Report
) -> Part:
    if "()" in spec:
        return _custom("filters", name, spec, path)
    for key in spec:
        if key != "name":
            report.error(
                (*path, key),
                f"dictConfig drops {key}: without () it makes a plain"
                " logging.Filter, which passes all",
                'write "()" instead of "class"' if key == "class" else "",
            )
    given = {"name": value_of(spec["name"])} if "name" in spec else {}
    return _part("filters", name, "logging.Filter", given, path)


def _custom(
    kind: Kind, name: str, spec: Mapping[str, Any], path: Path
) -> Part:
    given = {
        str(key): value_of(value)
        for key, value in spec.items()
        if key not in ("()", ".")
    }
    return _part(kind, name, spec["()"], given, path)


def _part(
    kind: Kind,
    name: str,
    maker: Any,
    given: Mapping[str, Any],
    path: Path,
    **more: Any,
) -> Part:
    if isinstance(maker, type):
        maker = f"{maker.__module__}.{maker.__qualname__}"
    dotted = maker if isinstance(maker, str) else ""
    return Part(kind, name, path, dotted, classes.find(dotted), given, **more)


def _handler(
    name: str, spec: Mapping[str, Any], path: Path, report: Report
) -> Part:
    if "class" not in spec and "()" not in spec:
        report.error(path, "a handler without a class", "add class")
    if "class" in spec and "()" in spec:
        report.error((*path, "class"), "class and () exclude each other")
    formatter = spec.get("formatter")
    given = {
        str(key): value_of(value)
        for key, value in spec.items()
        if key not in _HANDLER
    }
    part = _part(
        "handlers",
        name,
        spec.get("()", spec.get("class")),
        given,
        path,
        formatter=Reference(formatter, (*path, "formatter"))
        if isinstance(formatter, str) and formatter
        else None,
        filters=_references(spec, "filters", path, report),
        targets=_targets(spec, path),
        level=values.level_of(value_of(spec.get("level")), logging.NOTSET),
    )
    _check_dotted(part, report)
    return part


def _check_dotted(part: Part, report: Report) -> None:
    if part.class_name and "." not in part.class_name:
        near = classes.suggestion(part.class_name, part.kind)
        report.error(
            (*part.path, "class"),
            f"{part.class_name} has no module before it",
            f"write {near}" if near else "write its full dotted name",
        )


def _targets(spec: Mapping[str, Any], path: Path) -> tuple[Reference, ...]:
    """
    The handlers that a QueueHandler or MemoryHandler hands records to.
    """
    ending = str(spec.get("class", "")).rpartition(".")[2]
    key = {"MemoryHandler": "target", "QueueHandler": "handlers"}.get(ending)
    given = spec.get(key) if key else None
    names = given if isinstance(given, (list, tuple)) else [given]
    return tuple(
        Reference(each, (*path, cast("str", key)))
        for each in names
        if isinstance(each, str)
    )


def _logger(
    name: str, spec: Mapping[str, Any], path: Path, report: Report
) -> Logger:
    for key in spec:
        if key not in _LOGGER:
            near = nearest(str(key), _LOGGER)
            report.error(
                (*path, str(key)),
                f"dictConfig does not read {key} of a logger",
                f"write {near}" if near else "take it out",
            )
    _check_level(spec, path, report)
    propagate = spec.get("propagate", True)
    if isinstance(propagate, str):
        report.warning(
            (*path, "propagate"),
            f"{shown('propagate', propagate)} is text, which is true",
            "write true or false, without quotes",
        )
    is_root = name == "root"
    # what nobody has set yet
    absent = logging.WARNING if is_root else logging.NOTSET
    return Logger(
        "" if is_root else name,
        path,
        _references(spec, "handlers", path, report),
        _references(spec, "filters", path, report),
        bool(propagate),
        values.level_of(value_of(spec.get("level")), absent),
    )


def _references(
    spec: Mapping[str, Any], key: str, path: Path, report: Report
) -> tuple[Reference, ...]:
    given = spec.get(key) or []
    if not isinstance(given, (list, tuple)):
        report.error(
            (*path, key), f"{key} is no list", 'write a list: ["name"]'
        )
        return ()
    found = []
    for index, each in enumerate(given):
        if isinstance(each, (Mapping, list)):
            report.error(
                (*path, key, index),
                f"dictConfig takes names in {key}, not definitions",
                f"define it under the top-level {key}, and name it here",
            )
        elif isinstance(each, str) and "://" not in each:
            found.append(Reference(each, (*path, key, index)))
    return tuple(found)


def _check_level(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    try:
        values.check_level("level", value_of(spec.get("level")))
    except ConfigError as exc:
        report.refused((*path, "level"), exc)
