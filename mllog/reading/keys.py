"""
Under which keys the usual parts of a record stand, whoever wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = [
    "KEYS",
    "LEVELS",
    "level_number",
    "part_of",
    "text_of",
    "value_at",
]

#: The keys of a part, the first that a record has counts: ours,
#: python-json-logger's, structlog's, the Elastic Common Schema's, pino's.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "timestamp": ("timestamp", "@timestamp", "time", "asctime", "ts"),
    "level": ("level", "levelname", "log.level", "severity", "levelno"),
    "logger": ("logger", "name", "log.logger", "logger_name"),
    "message": ("message", "msg", "event"),
}

_MOST_DIGITS: Final = 10

#: The severity of the levels that logging systems have.
LEVELS: Final[Mapping[str, int]] = {
    "TRACE": 5,
    "DEBUG": 10,
    "INFO": 20,
    "NOTICE": 25,
    "SUCCESS": 25,
    "WARN": 30,
    "WARNING": 30,
    "ERROR": 40,
    "EXCEPTION": 40,
    "FATAL": 50,
    "CRITICAL": 50,
    "ALERT": 50,
    "EMERGENCY": 50,
}


def part_of(record: Mapping[str, Any], part: str) -> Any:
    """
    The timestamp, level, logger or message of *record*, or None.

    Args:
        record: A record as :func:`mllog.read` gives it.

        part: One of :data:`KEYS`.
    """
    for key in KEYS[part]:
        found = record.get(key)
        if found is None and "." in key:
            found = _nested(record, key.split("."))
        if found is not None:
            return found
    return None


def value_at(record: Mapping[str, Any], path: Sequence[str]) -> Any:
    """
    The value of a field, or None.

    A single name is a part of :data:`KEYS`, a field, or one of ``metrics``.

    Args:
        record: A record as :func:`mllog.read` gives it.

        path: The name, or the names on the way to it.
    """
    if len(path) > 1:
        found = record.get(".".join(path))
        return _nested(record, path) if found is None else found
    name = path[0]
    if name in KEYS:
        return part_of(record, name)
    found = record.get(name)
    if found is None:
        metrics = record.get("metrics")
        found = metrics.get(name) if isinstance(metrics, Mapping) else None
    return found


def _nested(record: Mapping[str, Any], path: Sequence[str]) -> Any:
    found: Any = record
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def level_number(value: Any) -> int | None:
    """
    How severe a level is, by its name or as a number; None of neither.
    """
    if isinstance(value, str):
        text = value.strip().upper()
        is_number = text.isdecimal() and len(text) < _MOST_DIGITS
        return int(text) if is_number else LEVELS.get(text)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value) if abs(value) < 1e9 else None
    return None


def text_of(value: Any) -> str | None:
    """
    A value of JSON as text; None of null, a list or an object.
    """
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (Mapping, list, tuple)):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return json.dumps(value)
