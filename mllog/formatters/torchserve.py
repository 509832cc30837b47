"""
Records as what TorchServe's frontend reads from a worker: metrics and text.
"""

from __future__ import annotations

import logging
import math
import re
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .. import options
from ..errors import ConfigError, shown
from ..events import Event
from ..fields import Kind, fields_of, message_of
from ..metrics.metric import metrics_from
from ..values import clean, convert
from .json import JSONFormatter
from .text import TextFormatter, overrides
from .torchserve_metrics import Measures, frontend_name

__all__ = ["TorchServeFormatter"]

_TYPES: Final[Mapping[Kind, str]] = {
    "counter": "COUNTER",
    "gauge": "GAUGE",
    "histogram": "HISTOGRAM",
    "summary": "HISTOGRAM",
}
# what ends a dimension, a part of the line, or the line
_NO_VALUE = re.compile(r"[^A-Za-z0-9_.@/+ -]")
_NO_HOST = re.compile(r"[^A-Za-z0-9_.-]")
# what the frontend takes for a metric, for the worker's id, or for its start
_COMMAND = re.compile(
    r"^(?=(?:INFO > )?\[(?:METRICS|PID)\])|(?<=Torch worker started.)$",
    re.MULTILINE,
)
_LONGEST: Final = 200

_UNKNOWN: Final = "unknown"
_DIMENSIONS: Final = {"ModelName": "model_name"}
_FIXED: Final = {"Level": "Model"}


class TorchServeFormatter(TextFormatter):
    """
    Metric lines of TorchServe for the numbers of a record, else plain text.

    ``[METRICS]train_loss.unit:0.31|#ModelName:resnet50,Level:Model|#type:GAUGE
    |#hostname:gpu-7,1795243512,8f14e45f`` on standard output is a metric for
    TorchServe's frontend.  Known fields (:data:`mllog.fields.VOCABULARY`),
    each number in ``metrics``, and what *metrics* says become such lines; a
    record without any of them is written as :class:`mllog.TextFormatter`
    does, but as the message alone.

    Guarantee:
        Every metric line matches the frontend's expression, and its value is
        a finite number that Java reads.  What is not finite is counted:
        ``train_loss_nonfinite`` with the dimension ``Value:NaN``.  Names and
        dimensions are reduced to characters that the frontend and Prometheus
        take: ``train/loss`` is ``train_loss``.  A metric always has the same
        dimensions.  No text can pass for a metric, or for the lines by which
        a worker tells its process id and its start, but those of TorchServe's
        own loggers, which pass as they are.

    Limit:
        The frontend drops metrics that its ``metrics.yaml`` does not name,
        unless ``model_metrics_auto_detect=true``.  What a counter cannot take,
        a negative number, gives no line.

    Args:
        fmt: As for :class:`mllog.TextFormatter`, for records without metrics;
            None is ``%(message)s``.  As are *datefmt*, *style*, *validate*,
            *defaults*, *format* and *fields*; with ``text="json"`` they are
            those of :class:`mllog.JSONFormatter`, which always has fields.

        metrics: Configured metrics, :class:`mllog.Metric` or plain data.

        dimensions: Names of dimensions, and the fields they are taken from;
            None is ``{"ModelName": "model_name"}``.  Where a record lacks the
            field it is ``unknown``.

        fixed_dimensions: Names of dimensions and their values; None is
            ``{"Level": "Model"}``.

        request_id_field: The field with the id of the request.

        hostname: None is this machine's name.

        message: ``"without_metrics"``, or ``"always"``: whether a record with
            metrics is written as text, too.

        text: ``"plain"``, or ``"json"``: whether text is a line of
            :class:`mllog.JSONFormatter`, so that level, fields and a traceback
            of many lines come through the frontend as one line.

        with_type: Whether lines say the kind, as TorchServe from 0.10 reads.

        prefix: What stands before a metric; the frontend wants ``[METRICS]``
            on standard output.

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
        fields: bool | str | None = None,
        metrics: Any = None,
        dimensions: Mapping[str, str] | None = None,
        fixed_dimensions: Mapping[str, str] | None = None,
        request_id_field: str = "request_id",
        hostname: str | None = None,
        message: str = "without_metrics",
        text: str = "plain",
        with_type: bool | str = True,
        prefix: str = "[METRICS]",
    ) -> None:
        fmt = format if fmt is None else fmt
        for_json = fmt, datefmt, style, validate
        if fmt is None:
            fmt = {"{": "{message}", "$": "${message}"}.get(
                style, "%(message)s"
            )
        super().__init__(
            fmt, datefmt, style, validate, defaults=defaults, fields=fields
        )
        self._measures = Measures(metrics_from("metrics", metrics))
        self._dimensions = _names_of("dimensions", dimensions, _DIMENSIONS)
        self._fixed = "".join(
            f",{name}:{_value(value)}"
            for name, value in _names_of(
                "fixed_dimensions", fixed_dimensions, _FIXED
            ).items()
        )
        self._request_id = options.text("request_id_field", request_id_field)
        host = hostname or socket.gethostname()
        self._host = _NO_HOST.sub("_", host)[:_LONGEST] or _UNKNOWN
        said = options.choice(
            "message", message, ("without_metrics", "always")
        )
        self._always = said == "always"
        is_json = options.choice("text", text, ("plain", "json")) == "json"
        self._json = None
        if is_json:
            if fields is not None and not self._shows_fields:
                raise ConfigError(
                    f'{shown("fields", fields)} with text="json"',
                    expected="true: JSON always has them",
                )
            self._json = JSONFormatter(*for_json, defaults=defaults)
            for hook in ("formatException", "formatStack"):
                if overrides(self, hook):
                    setattr(self._json, hook, getattr(self, hook))
        self._with_type = options.boolean("with_type", with_type)
        if not isinstance(prefix, str) or not prefix.isprintable():
            raise ConfigError(
                shown("prefix", prefix), expected="text, or none"
            )
        self._prefix = prefix

    def format(self, record: logging.LogRecord) -> str:
        """
        The metrics of *record*, a line each, or its text.
        """
        return "\n".join(self._lines(record))

    def format_bytes(self, record: logging.LogRecord) -> bytes:
        """
        The same as bytes, without a line break at the end.
        """
        return clean(self.format(record)).encode()

    def events(self, record: logging.LogRecord) -> tuple[Event, ...]:
        """
        An event for each metric, or one for the text.
        """
        return tuple(
            Event(clean(text).encode(), content_type="text/plain")
            for text in self._lines(record)
        )

    # --- from a record to lines ---

    def _lines(self, record: logging.LogRecord) -> Iterator[str]:
        fields = fields_of(record)
        measured = list(self._measures.of(record, fields))
        if self._always or not measured:
            yield self._text(record)
        if not measured:
            return
        dimensions = self._dimensions_of(fields)
        end = self._end(record, fields)
        for name, unit, kind, value in measured:
            if not math.isfinite(value):
                more = f"{dimensions},Value:{_nonfinite(value)}"
                name, unit = f"{name}_nonfinite", "Count"
                yield self._line(name, unit, "counter", 1.0, more, end)
            elif kind != "counter" or value >= 0:
                yield self._line(name, unit, kind, value, dimensions, end)

    def _text(self, record: logging.LogRecord) -> str:
        is_theirs = _is_of_torchserve(record)
        if self._json is not None and not (
            is_theirs and _COMMAND.search(message_of(record))
        ):
            return self._json.format(record)
        text = super().format(record)
        return text if is_theirs else _COMMAND.sub(" ", text)

    def _line(
        self,
        name: str,
        unit: str,
        kind: Kind,
        value: float,
        dimensions: str,
        end: str,
    ) -> str:
        number = repr(value).replace("+", "")
        kind_part = f"|#type:{_TYPES[kind]}" if self._with_type else ""
        return (
            f"{self._prefix}{name}.{unit}:{number}|#{dimensions}{kind_part}"
            f"|#hostname:{end}"
        )

    def _dimensions_of(self, fields: Mapping[str, Any]) -> str:
        found = ",".join(
            f"{name}:{_value(fields.get(field))}"
            for name, field in self._dimensions.items()
        )
        return f"{found}{self._fixed}".lstrip(",")

    def _end(
        self, record: logging.LogRecord, fields: Mapping[str, Any]
    ) -> str:
        end = f"{self._host},{_seconds(record.created)}"
        request = fields.get(self._request_id)
        return end if request is None else f"{end},{_value(request)}"


def _is_of_torchserve(record: logging.LogRecord) -> bool:
    """
    Whether the worker itself logs: its metrics, its process id, its start.
    """
    name = record.name
    return (
        name == "ts"
        or str(name).startswith("ts.")
        or (name == "root" and record.module == "model_service_worker")
    )


def _value(value: Any) -> str:
    """
    The text of a dimension: never empty, for then it would be no dimension.
    """
    if value is None:
        return _UNKNOWN
    try:
        text = value if type(value) is str else str(convert(value))
    except Exception:  # a number of too many digits
        return _UNKNOWN
    return _NO_VALUE.sub("_", text)[:_LONGEST].strip() or _UNKNOWN


def _nonfinite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _seconds(created: Any) -> int:
    try:
        return int(created)
    except Exception:  # makeLogRecord takes anything for a time
        return 0


def _names_of(
    option: str, given: Any, default: Mapping[str, str]
) -> dict[str, str]:
    found = default if given is None else options.mapping(option, given)
    for name, value in found.items():
        if frontend_name(name) != name or not (
            isinstance(value, str) and value
        ):
            raise ConfigError(
                shown(option, given),
                expected='names of letters, digits and _: {"Name": "text"}',
            )
    return dict(found)
