"""
Records by the Elastic Common Schema.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from typing import Any

from ..fields import error_of, fields_of, message_of
from ..timestamps import utc
from ..values import number
from .exceptions import said, trace

__all__ = ["ecs"]

_ECS_NAMES = {
    "trace_id": "trace.id",
    "span_id": "span.id",
    "request_id": "http.request.id",
    "service_name": "service.name",
    "service_version": "service.version",
}
_ECS_VERSION = "8.11.0"
_ECS_ERROR = frozenset({"error.type", "error.message", "error.stack_trace"})


def ecs(record: logging.LogRecord, given: Mapping[str, Any]) -> dict[str, Any]:
    """
    *record* by the Elastic Common Schema.
    """
    document: dict[str, Any] = {
        "@timestamp": utc(record.created),
        "log.level": str(record.levelname).lower(),
        "message": message_of(record),
        "ecs.version": _ECS_VERSION,
        "log.logger": record.name,
        "log.origin.file.name": os.path.basename(str(record.pathname)),
        "log.origin.file.line": record.lineno,
        "log.origin.function": record.funcName,
        "process.pid": record.process,
        "process.thread.name": record.threadName,
    }
    fields = {**given, **fields_of(record)}
    latency = number(fields.get("inference_latency"))
    if latency is not None and math.isfinite(latency) and latency >= 0:
        document["event.duration"] = round(latency * 1e9)
    for name, value in fields.items():
        name = _ECS_NAMES.get(name, name)
        while name in document or name in _ECS_ERROR:
            name = f"{name}_"
        document[name] = value
    error = error_of(record)
    if error is not None:
        document["error.type"] = type(error).__qualname__
        document["error.message"] = said(error)
        document["error.stack_trace"] = trace(error, chain=True)
    elif record.exc_text:
        document["error.stack_trace"] = str(record.exc_text)
    return document
