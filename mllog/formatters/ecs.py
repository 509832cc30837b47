"""
Records by the Elastic Common Schema.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from ..encoding import NONFINITE, TRUNCATED
from ..errors import ConfigError
from ..fields import error_of, message_of
from ..values import key_of, number
from .exceptions import said

__all__ = ["ECS_KEYS", "ECS_NAMES", "distinct_paths", "ecs", "refuse_paths"]

#: What fields are called in the schema.
ECS_NAMES: Final = {
    "trace_id": "trace.id",
    "span_id": "span.id",
    "request_id": "http.request.id",
    "service_name": "service.name",
    "service_version": "service.version",
}
_ECS_VERSION = "8.11.0"
#: The keys of ours, of which a line has those that it needs.
ECS_KEYS: Final = frozenset(
    {
        "@timestamp",
        "log.level",
        "message",
        "ecs.version",
        "log.logger",
        "log.origin.file.name",
        "log.origin.file.line",
        "log.origin.function",
        "process.pid",
        "process.thread.name",
        "error.type",
        "error.message",
        "error.stack_trace",
        "stack",
        NONFINITE,
        TRUNCATED,
    }
)
_DURATION = "event.duration"
# Whether a line has them or not, for they share one index.
_OBJECTS_OF: Final = (*ECS_KEYS, *ECS_NAMES.values(), _DURATION)
# Of one field: mappings may share others, or hold themselves.
_MOST_PATHS = 1000
_MAX_DEPTH = 32


def ecs(
    record: logging.LogRecord,
    fields: Mapping[str, Any],
    time: str,
    texts: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    The keys of ours: those that stand first, and those that stand last.

    Args:
        record: What was logged.

        fields: Its fields, of which ``inference_latency`` is the duration.

        time: When.

        texts: Its traceback as ``exc_info`` and its ``stack_info``.
    """
    first: dict[str, Any] = {
        "@timestamp": time,
        "log.level": said(record.levelname).lower(),
        "message": message_of(record),
        "ecs.version": _ECS_VERSION,
        "log.logger": record.name,
        "log.origin.file.name": os.path.basename(said(record.pathname)),
        "log.origin.file.line": record.lineno,
        "log.origin.function": record.funcName,
        "process.pid": record.process,
        "process.thread.name": record.threadName,
    }
    latency = number(fields.get("inference_latency"))
    if latency is not None and math.isfinite(latency) and latency >= 0:
        first[_DURATION] = round(latency * 1e9)
    last: dict[str, Any] = {}
    error = error_of(record)
    if error is not None:
        last["error.type"] = type(error).__qualname__
        last["error.message"] = said(error)
    if "exc_info" in texts:
        last["error.stack_trace"] = texts["exc_info"]
    if "stack_info" in texts:
        last["stack"] = texts["stack_info"]
    return first, last


def distinct_paths(
    ours: Mapping[str, Any],
    others: Iterable[tuple[Any, Any]],
    last: Mapping[str, Any],
) -> dict[str, Any]:
    """
    As :func:`mllog.fields.distinct`, where dots in a name stand for objects.

    Elasticsearch refuses a document in which ``error`` is text and
    ``error.type`` a key of an object, so no value has the name of an object,
    and nothing is put below a value.
    """
    found = dict(ours)
    values = {*ours, *last}
    objects = {
        head for name in (*values, *_OBJECTS_OF) for head in _heads(name)
    }
    for given, value in others:
        name = _free(key_of(given), value, values, objects)
        while name in found:
            name = _free(f"{name}_", value, values, objects)
        found[name] = value
        objects.update(_heads(name))
        for path, is_object in islice(_paths(name, value), _MOST_PATHS):
            (objects if is_object else values).add(path)
    found.update(last)
    return found


def refuse_paths(names: Iterable[str]) -> None:
    """
    Raise a ConfigError where one of *names* is an object with another in it.
    """
    taken = set(names)
    for name in sorted(taken):
        for head in _heads(name):
            if head in taken:
                raise ConfigError(
                    f"{head} would be a value and an object with {name}",
                    expected="rename_fields and timestamp with other names",
                )


def _free(name: str, value: Any, values: set[str], objects: set[str]) -> str:
    """
    *name* with underscores where *value* cannot stand under it.
    """
    while True:
        above = next((each for each in _heads(name) if each in values), None)
        if above is not None:
            name = f"{above}_{name[len(above) :]}"
        elif any(
            path in values or (path in objects and not is_object)
            for path, is_object in islice(_paths(name, value), _MOST_PATHS)
        ):
            name = f"{name}_"
        else:
            return name


def _heads(name: str) -> list[str]:
    """
    The objects that *name* is in: of ``error.type`` that is ``error``.

    Elasticsearch takes no more than 20 within each other.
    """
    parts = name.split(".", _MAX_DEPTH)
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _paths(
    name: str, value: Any, depth: int = 0
) -> Iterator[tuple[str, bool]]:
    """
    The names of *value* and of what is in it, and whether each is an object.
    """
    is_object = type(value) is dict and depth < _MAX_DEPTH
    yield name, is_object
    if is_object:
        for key, inner in list(value.items()):
            yield from _paths(f"{name}.{key_of(key)}", inner, depth + 1)
