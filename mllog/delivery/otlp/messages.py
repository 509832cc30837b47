"""
Batches of lines as requests of OTLP, in protobuf.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...encoding import NONFINITE, TRUNCATED
from ...errors import require
from ...events import Message
from ...fields import distinct
from ...formatters.otlp import BYTES
from ..retry import Fault
from .faults import OTLPError

try:
    from orjson import loads
except ImportError:
    loads = json.loads  # type: ignore[assignment]

__all__ = ["Requests", "severity_of"]

_HEX: Final = frozenset("0123456789abcdef")
_MOST_INTEGER: Final = 2**63
_MOST_TIME: Final = 2**64 - 1
# Messages in messages below an attribute: parsers take a hundred in all.  A
# mapping in a mapping is three of them, a list in a list two.
_MOST_NESTED: Final = 90
# What OpenTelemetry calls them, in all languages.
_SEVERITIES: Final = {"WARNING": "WARN", "CRITICAL": "FATAL"}
_CODE: Final = ("code.file.path", "code.line.number", "code.function.name")
_EXCEPTION: Final = (
    "exception.type",
    "exception.message",
    "exception.stacktrace",
)


class Requests:
    """
    Makes requests of lines that :mod:`mllog.formatters.otlp` wrote.

    Args:
        resource: Attributes of what logs, but for the process id, which each
            line has: a spool may hold those of another process.

        max_attributes: Attributes of one record; more are counted as dropped.

    Raises:
        MissingPackageError: opentelemetry-proto is not installed.
    """

    def __init__(
        self, resource: Mapping[str, Any], max_attributes: int
    ) -> None:
        package = "opentelemetry.proto"
        logs = require(f"{package}.logs.v1.logs_pb2", "otlp")
        service = require(
            f"{package}.collector.logs.v1.logs_service_pb2", "otlp"
        )
        self._request: Any = service.ExportLogsServiceRequest
        self._response: Any = service.ExportLogsServiceResponse
        self._record: Any = logs.LogRecord
        self._resource = dict(resource)
        self._most = max_attributes

    def request_of(self, messages: Sequence[Message]) -> bytes:
        """
        One request with all of *messages*, in their order by logger.

        Raises:
            OTLPError: One of them makes no sense.
        """
        request = self._request()
        scopes: dict[tuple[Any, str], Any] = {}
        resources: dict[Any, Any] = {}
        for message in messages:
            line = message if isinstance(message, bytes) else message.value
            try:
                self._add(line, request, resources, scopes)
            except Exception as exc:  # of another version's spool
                raise OTLPError(
                    f"a record makes no sense: {type(exc).__name__}",
                    Fault.POISON,
                ) from exc
        return request.SerializeToString()  # type: ignore[no-any-return]

    def _add(
        self,
        line: bytes,
        request: Any,
        resources: dict[Any, Any],
        scopes: dict[tuple[Any, str], Any],
    ) -> None:
        document = _document_in(line)
        process, name = document.get("p"), str(document["s"])
        scope = scopes.get((process, name))
        if scope is None:
            resource = resources.get(process)
            if resource is None:
                resource = request.resource_logs.add()
                resources[process] = resource
                known = {**self._resource}
                if isinstance(process, int):
                    known.setdefault("process.pid", process)
                _fill(resource.resource.attributes, known)
            scope = resource.scope_logs.add()
            scope.scope.name = name
            scopes[process, name] = scope
        scope.log_records.append(self._record_of(document))

    def _record_of(self, document: dict[str, Any]) -> Any:
        number = int(document.get("n") or 0)
        created = _time_of(document["t"])
        level = str(document.get("l") or "")
        record = self._record(
            time_unix_nano=created,
            observed_time_unix_nano=_time_of(document.get("o") or created),
            severity_number=severity_of(number),
            severity_text=_SEVERITIES.get(level, level),
        )
        _set(record.body, document["b"])
        attributes = _attributes_of(document)
        _take_trace(attributes, record)
        if len(attributes) > self._most:
            record.dropped_attributes_count = len(attributes) - self._most
            kept = list(attributes)[: self._most]
            attributes = {name: attributes[name] for name in kept}
        _fill(record.attributes, attributes)
        return record

    def refusal_in(
        self, body: bytes, content_type: str = "application/x-protobuf"
    ) -> tuple[int, str]:
        """
        How many records the collector refused, and what it said about it.

        Raises:
            OTLPError: It is no answer of a collector, which is empty, or one
                of OTLP in protobuf or JSON.
        """
        if not body:
            return 0, ""
        try:
            if body.lstrip().startswith(b"{"):
                return _refusal_in_json(json.loads(body))
            response = self._response.FromString(body)
        except Exception:  # whatever somebody else answers
            pass
        else:
            partly = response.partial_success
            is_ours = response.HasField("partial_success")
            # text may be read as fields that nobody knows
            if is_ours or "protobuf" in content_type:
                said = str(partly.error_message)
                return int(partly.rejected_log_records), said
        start = body[:60].decode("utf-8", "replace")
        clean = "".join(c if c.isprintable() else " " for c in start)
        raise OTLPError(
            f"what answered is no collector: {clean!r}",
            Fault.AMBIGUOUS,
            fix="correct endpoint; a proxy or a login page may be before it",
        )


def _refusal_in_json(answer: Any) -> tuple[int, str]:
    partly = answer.get("partialSuccess") or {}
    refused = int(partly.get("rejectedLogRecords") or 0)
    return refused, str(partly.get("errorMessage") or "")


def _document_in(line: bytes) -> dict[str, Any]:
    try:
        found = loads(line)
    except ValueError:  # orjson takes no integer that is beyond any float
        found = json.loads(line)
    return found  # type: ignore[no-any-return]


def severity_of(levelno: int) -> int:
    """
    OpenTelemetry's number of a level, of which each ten have four.

    10 is DEBUG (5), 12 DEBUG3 (7), 19 DEBUG4 (8), 20 INFO (9), and so on up
    to 50, which is FATAL (21); below 10 is TRACE (1 to 4), 0 is none.
    """
    if levelno <= 0:
        return 0
    tens = min(levelno // 10, 5)
    return 1 + 4 * tens + min(levelno - 10 * tens, 3)


def _time_of(nanoseconds: Any) -> int:
    """
    A time as OTLP can have it; 0, which is none, where it cannot.
    """
    found = int(nanoseconds)
    return found if 0 <= found <= _MOST_TIME else 0


def _attributes_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """
    Fields first: where there are too many, what mllog knows goes.

    Of two with one name that of a field gets underscores.
    """
    found = document.get("a")
    fields = found if isinstance(found, dict) else {}
    more: dict[str, Any] = {}
    if document.get("e"):
        more.update(zip(_EXCEPTION, document["e"], strict=False))
    if document.get("k"):
        more["code.stacktrace"] = document["k"]
    more.update(zip(_CODE, document.get("c") or (), strict=False))
    lost = document.get(NONFINITE)
    if isinstance(lost, dict):
        more[NONFINITE] = {
            path.removeprefix("a."): kind for path, kind in lost.items()
        }
    if document.get(TRUNCATED):
        more[TRUNCATED] = True
    ours = {k: v for k, v in more.items() if v is not None and v != ""}
    return distinct({}, fields.items(), ours)


def _take_trace(attributes: dict[str, Any], record: Any) -> None:
    """
    Move the ids of a span to where OTLP has them, if they are valid.
    """
    trace_id = _id_in(attributes.get("trace_id"), 32)
    if trace_id is None:
        return
    record.trace_id = trace_id
    del attributes["trace_id"]
    span_id = _id_in(attributes.get("span_id"), 16)
    if span_id is not None:
        record.span_id = span_id
        del attributes["span_id"]
    flags = attributes.get("trace_flags")
    if isinstance(flags, str) and len(flags) == 2 and _HEX.issuperset(flags):
        record.flags = int(flags, 16)
        del attributes["trace_flags"]


def _id_in(text: Any, length: int) -> bytes | None:
    if not isinstance(text, str) or len(text) != length:
        return None
    if not _HEX.issuperset(text) or not text.strip("0"):
        return None
    return bytes.fromhex(text)


# --- values ---


def _fill(
    target: Any, attributes: Mapping[str, Any], room: int = _MOST_NESTED
) -> None:
    for name, value in attributes.items():
        pair = target.add()
        pair.key = name
        _set(pair.value, value, room)


def _set(target: Any, value: Any, room: int = _MOST_NESTED) -> None:
    """
    Make *target*, an AnyValue, hold what JSON says.

    What is nested deeper than *room* is text of JSON, so that nobody refuses
    the request for it.
    """
    kind = type(value)
    if kind is str:
        target.string_value = value
    elif kind is bool:
        target.bool_value = value
    elif kind is int:
        if -_MOST_INTEGER <= value < _MOST_INTEGER:
            target.int_value = value
        else:
            target.string_value = str(value)
    elif kind is float:
        target.double_value = value
    elif value and room < 3 and (kind is list or kind is dict):
        target.string_value = json.dumps(value, ensure_ascii=False)
    elif kind is list:
        target.array_value.SetInParent()
        for item in value:
            _set(target.array_value.values.add(), item, room - 2)
    elif kind is dict:
        _set_mapping(target, value, room)
    # null is an AnyValue that holds nothing


def _set_mapping(target: Any, value: dict[str, Any], room: int) -> None:
    if len(value) == 1 and BYTES in value:
        try:
            target.bytes_value = b64decode(value[BYTES], validate=True)
        except (TypeError, ValueError):  # somebody's own key
            pass
        else:
            return
    target.kvlist_value.SetInParent()
    _fill(target.kvlist_value.values, value, room - 3)
