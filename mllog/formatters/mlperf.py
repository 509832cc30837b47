"""
Records as lines of MLPerf's training logs, ``:::MLLOG {…}``.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .. import options
from ..encoding import (
    MAX_RECORD_BYTES,
    NONFINITE,
    TRUNCATED,
    Nan,
    encode,
    escape_controls,
)
from ..errors import ConfigError, shown
from ..events import Event
from ..fields import distinct, error_of, fields_of, message_of
from ..values import ESCAPES, clean, convert, key_of, number
from .exceptions import described, said
from .text import info_of, overrides, set_format

__all__ = ["MLPerfFormatter"]

_PREFIX: Final = ":::MLLOG "
_TYPES: Final = ("INTERVAL_START", "INTERVAL_END", "POINT_IN_TIME")
_SHORT_TYPES: Final = {
    "start": "INTERVAL_START",
    "end": "INTERVAL_END",
    "stop": "INTERVAL_END",
    "event": "POINT_IN_TIME",
}
# the keys of MLPerf end so where they begin or end an interval
_ENDINGS: Final = {
    "_start": "INTERVAL_START",
    "_stop": "INTERVAL_END",
    "_end": "INTERVAL_END",
}
_KEY = re.compile(r"[A-Za-z_][\w./:-]*")
_LONGEST_NAME: Final = 512
_LEAST_BYTES: Final = 4096
_MARKS: Final = (f'"{NONFINITE}"', f'"{TRUNCATED}"')


class MLPerfFormatter(logging.Formatter):
    """
    Lines that MLPerf's parser and compliance checker read.

    ``logger.info("run_start")``, ``logger.info("run_stop", extra={"status":
    "success"})``, ``logger.info("global_batch_size", extra={"value": 512})``
    and ``logger.info("Evaluated", extra={"metrics": {"eval_accuracy": 0.76},
    "epoch": 3})`` are one event each.  The key is the field *key_field*, else
    the message where it is one word; any other message is the value of an
    event ``message``, which the checker passes over.  Each number in
    ``metrics`` is an event of its own; the record is one beside them only if
    it has a *key_field*.

    What begins or ends an interval is told by the field *event_type_field*
    (``start``, ``end``, ``event``, or as MLPerf writes them), else by the key:
    ``…_start``, ``…_stop``.  The metadata are ``file`` and ``lineno`` of the
    call, then the other fields; ``epoch`` is called ``epoch_num``, and
    ``samples_count`` comes from ``step`` where *samples_per_step* is known.

    Guarantee:
        Each event is one physical line of ASCII with RFC 8259's JSON, at most
        *max_record_bytes* long, whatever the record holds; its six keys are
        always there.  A line that stands in a value cannot pass for an event.

    Limit:
        NaN and the infinities are ``null``, and ``nonfinite`` in the metadata
        says what they were.  The checker compares numbers: it reports a
        ``null`` as a failed check, and for the accuracy a run is judged by it
        may end with a TypeError.

    Args:
        fmt: None, as MLPerf's lines have one format.  So are *datefmt*,
            *defaults* and *format*; *style* and *validate* change nothing.

        namespace: Of all events, ``"worker0"`` for instance.

        key_field: The field with the key.

        value_field: The field with the value; without it the value is null.

        event_type_field: The field with the type of event.

        samples_per_step: Samples that all workers together see in a step.

        root_dir: What is left out of ``file`` where it begins so.

        nan: ``"null"``, or ``"string"`` for ``"NaN"``.

        max_record_bytes: Longest line, in bytes, 4096 or more; more is cut,
            and ``mllog_truncated`` in the metadata says so.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.
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
        namespace: str = "",
        key_field: str = "mlperf_key",
        value_field: str = "value",
        event_type_field: str = "event_type",
        samples_per_step: int | str | None = None,
        root_dir: str | None = None,
        nan: Nan = "null",
        max_record_bytes: int | str = MAX_RECORD_BYTES,
    ) -> None:
        fixed: dict[str, Any] = {"fmt": fmt, "format": format}
        fixed |= {"datefmt": datefmt, "defaults": defaults}
        for option, given in fixed.items():
            if given:
                raise ConfigError(
                    shown(option, given),
                    expected="none: MLPerf's lines have one format",
                )
        set_format(self, None, None, style, validate, None)
        self._namespace = _namespace(namespace)
        self._key = options.text("key_field", key_field)
        self._value = options.text("value_field", value_field)
        self._event_type = options.text("event_type_field", event_type_field)
        self._samples = options.optional(
            _positive, "samples_per_step", samples_per_step
        )
        self._root = options.optional(options.text, "root_dir", root_dir)
        self._nan: Any = options.choice("nan", nan, ("null", "string"))
        self._max_bytes = options.size("max_record_bytes", max_record_bytes)
        if self._max_bytes < _LEAST_BYTES:
            raise ConfigError(
                shown("max_record_bytes", max_record_bytes),
                expected=f"{_LEAST_BYTES} or more",
            )

    def format(self, record: logging.LogRecord) -> str:
        """
        The events of *record*, a line each; nothing is changed on the record.
        """
        return "\n".join(self._lines(record))

    def format_bytes(self, record: logging.LogRecord) -> bytes:
        """
        The same as bytes, without a line break at the end.
        """
        return self.format(record).encode("ascii")

    def format_line(self, record: logging.LogRecord) -> bytes:
        """
        The same with a line break at the end.
        """
        return self.format_bytes(record) + b"\n"

    def events(self, record: logging.LogRecord) -> tuple[Event, ...]:
        """
        An event for each line.
        """
        return tuple(
            Event(line.encode("ascii"), content_type="text/plain")
            for line in self._lines(record)
        )

    # --- from a record to events ---

    def _lines(self, record: logging.LogRecord) -> Iterator[str]:
        fields = fields_of(record)
        key = fields.pop(self._key, None)
        value = fields.pop(self._value, None)
        given_type = _type_of(fields.get(self._event_type))
        if given_type:
            del fields[self._event_type]
        measured = _measured(fields)
        is_event = key is not None or not measured
        more: dict[str, Any] = {}
        if is_event:
            key, value = _key_and_value(key, value, record, more)
        elif value is not None:
            fields[self._value] = value
        metadata = self._metadata(record, fields, more)
        if is_event:
            yield self._line(record, key, value, metadata, given_type)
        for name, one in measured:
            yield self._line(record, name, one, metadata, None)

    def _metadata(
        self,
        record: logging.LogRecord,
        fields: dict[str, Any],
        more: Mapping[str, Any],
    ) -> dict[str, Any]:
        if "epoch" in fields and "epoch_num" not in fields:
            fields["epoch_num"] = fields.pop("epoch")
        samples = self._samples_count(fields)
        if samples is not None:
            fields["samples_count"] = samples
        first = {"file": self._file(record), "lineno": record.lineno}
        others = [(_text_of(name), fields[name]) for name in fields]
        return distinct(first, others, {**more, **self._trouble(record)})

    def _trouble(self, record: logging.LogRecord) -> dict[str, Any]:
        found: dict[str, Any] = {}
        error = error_of(record)
        if error is not None:
            hook = None
            if overrides(self, "formatException"):
                hook = self._by_hook
            found["exception"] = described(error, hook)
            if "truncated" in found["exception"]:
                found[TRUNCATED] = True
        elif record.exc_text:
            found["exception"] = said(record.exc_text)
        if record.stack_info:
            found["stack"] = self.formatStack(record.stack_info)
        return found

    def _by_hook(self, error: BaseException) -> str:
        return self.formatException(info_of(error))

    def _file(self, record: logging.LogRecord) -> str:
        path = said(record.pathname)
        if self._root and path.startswith(self._root):
            return path[len(self._root) :].lstrip("/\\")
        return path

    def _samples_count(self, fields: Mapping[str, Any]) -> Any:
        if self._samples is None or "samples_count" in fields:
            return None
        step = convert(fields.get("step"))
        return step * self._samples if type(step) is int else None

    # --- from an event to its line ---

    def _line(
        self,
        record: logging.LogRecord,
        key: str,
        value: Any,
        metadata: Mapping[str, Any],
        event_type: str | None,
    ) -> str:
        head = {
            "namespace": self._namespace,
            "time_ms": _milliseconds(record.created),
            "event_type": event_type or _type_by(key),
            "key": key,
        }
        body = {"value": value, "metadata": metadata}
        line = encode({**head, **body}, self._nan, self._max_bytes).decode()
        line = _physical(line)
        if len(line) > self._max_bytes or any(mark in line for mark in _MARKS):
            line = self._repaired(head, value, metadata)
        return line

    def _repaired(
        self, head: dict[str, Any], value: Any, metadata: Mapping[str, Any]
    ) -> str:
        """
        The line where something was lost or cut: the metadata say so.
        """
        start = json.dumps(head)[:-1]
        room = self._max_bytes - len(_physical(start)) - 64
        flat = distinct({"value": value}, metadata.items())
        rest: dict[str, Any] = {}
        for share in (1, 2, 6, 24):
            rest = json.loads(encode(flat, self._nan, room // share))
            value = rest.pop("value", None)
            body = json.dumps({"value": value, "metadata": rest})
            line = _physical(f"{start}, {body[1:]}")
            if len(line) <= self._max_bytes:
                return line
        return _physical(
            f'{start}, "value": null, "metadata": {{"{TRUNCATED}": true}}}}'
        )


def _measured(fields: dict[str, Any]) -> list[tuple[str, Any]]:
    """
    The numbers in ``metrics``, which are taken out of *fields*.
    """
    metrics = fields.get("metrics")
    if not isinstance(metrics, Mapping):
        return []
    try:
        items = [(key_of(key), metrics[key]) for key in metrics]
    except Exception:  # a mapping that raises is shown as one value
        return []
    found = [
        (_name(name), value)
        for name, value in items
        if number(value) is not None
    ]
    others = {name: value for name, value in items if number(value) is None}
    if others:
        fields["metrics"] = others
    elif found:
        del fields["metrics"]
    return found


def _key_and_value(
    key: Any, value: Any, record: logging.LogRecord, more: dict[str, Any]
) -> tuple[str, Any]:
    """
    Key and value of the record's own event; what they do not tell in *more*.
    """
    message = message_of(record)
    if key is not None:
        key = _name(_text_of(key))
        if message != key:
            more["message"] = message
        return key, value
    if len(message) <= _LONGEST_NAME and _KEY.fullmatch(message):
        return message, value
    if value is not None:
        more["value"] = value
    more["level"] = record.levelname
    return "message", message


def _name(text: str) -> str:
    return clean(text[:_LONGEST_NAME])


def _text_of(key: Any) -> str:
    return key if type(key) is str else key_of(key)


def _type_of(given: Any) -> str | None:
    if type(given) is not str:
        return None
    if given.upper() in _TYPES:
        return given.upper()
    return _SHORT_TYPES.get(given.lower())


def _type_by(key: str) -> str:
    for ending, event_type in _ENDINGS.items():
        if key.endswith(ending):
            return event_type
    return "POINT_IN_TIME"


def _milliseconds(created: Any) -> int:
    try:
        return int(created * 1000)
    except Exception:  # makeLogRecord takes anything for a time
        return 0


def _physical(line: str) -> str:
    """
    *line* with its prefix, in ASCII: the parser reads Latin-1.

    It takes what follows the last prefix, so that none may stand in a text.
    """
    line = escape_controls(line.encode("ascii", ESCAPES)).decode()
    if ":::" in line:
        line = line.replace(":::", r"::\u003a")
    return f"{_PREFIX}{line}"


def _namespace(given: Any) -> str:
    if not isinstance(given, str) or len(given) > _LONGEST_NAME:
        raise ConfigError(
            shown("namespace", given),
            expected=f"text of at most {_LONGEST_NAME} characters",
        )
    return clean(given)


def _positive(option: str, value: Any) -> int:
    return options.integer(option, value, minimum=1)
