"""
Which numbers of a record are metrics for TorchServe, and what they are called.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..fields import VOCABULARY, Kind
from ..metrics.instruments import Instrument
from ..metrics.metric import MESSAGE, PATTERN, Metric
from ..metrics.plans import METRICS
from ..metrics.reductions import numeric
from ..metrics.rows import Row, found_in
from ..values import key_of

__all__ = ["Measured", "Measures", "frontend_name"]

_NO_NAME = re.compile(r"[^A-Za-z0-9_]")
_LONGEST: Final = 200
_MOST_ROWS: Final = 1000

#: Name, unit, kind and number.
Measured = tuple[str, str, Kind, float]


class Measures:
    """
    Which numbers of a record are metrics: configured, known, or in ``metrics``.
    """

    def __init__(self, metrics: tuple[Metric, ...]) -> None:
        self._metrics = metrics
        self._of_message = any(each.field == MESSAGE for each in metrics)
        self._rows: dict[
            tuple[str, bool], tuple[tuple[Row, str, str], ...]
        ] = {}

    def of(
        self, record: logging.LogRecord, fields: Mapping[str, Any]
    ) -> Iterator[Measured]:
        """
        Names, units, kinds and numbers of what *record* has.
        """
        if self._of_message:
            yield from self._of_field(record, MESSAGE, record.msg)
        for field, value in fields.items():
            if field != METRICS:
                yield from self._of_field(record, field, value)
        metrics = fields.get(METRICS)
        if isinstance(metrics, Mapping):
            try:
                items = [(key_of(key), metrics[key]) for key in metrics]
            except Exception:  # a mapping that raises has none
                return
            for field, value in items:
                yield from self._of_field(record, field, value, named=True)

    def _of_field(
        self,
        record: logging.LogRecord,
        field: Any,
        value: Any,
        *,
        named: bool = False,
    ) -> Iterator[Measured]:
        for row, name, unit in self._rows_of(field, named):
            if not row.metric.takes_logger(record.name):
                continue
            if not row.wants(record, value):
                continue
            for part, number in _numbers(row, value):
                if part == "":
                    yield name, unit, row.metric.kind, number
                else:
                    each = frontend_name(f"{name}_{key_of(part)}")
                    yield each, unit, row.metric.kind, number

    def _rows_of(
        self, field: Any, named: bool
    ) -> tuple[tuple[Row, str, str], ...]:
        if type(field) is not str:
            return ()
        rows = self._rows.get((field, named))
        if rows is None:
            rows = tuple(
                (
                    Row(Instrument(metric, ()), metric, 0.0, 0.0, False),
                    *_called(metric),
                )
                for metric in self._found(field, named)
            )
            if len(self._rows) < _MOST_ROWS:  # names made of data never end
                self._rows[field, named] = rows
        return rows

    def _found(self, field: str, named: bool) -> list[Metric]:
        own = [metric.of_field(field) for metric in self._metrics]
        found = [metric for metric in own if metric is not None]
        if found or field.startswith(PATTERN):
            return found
        if field in VOCABULARY:
            return [Metric(field)]
        return [Metric(field, "gauge")] if named and field else []


def _numbers(row: Row, value: Any) -> list[tuple[Any, float]]:
    """
    The numbers that *row* finds in *value*, with the names of their parts.
    """
    try:
        found = [(part, numeric(one)) for part, one in found_in(row, value)]
    except Exception:  # a reduction that does not fit the value
        return []
    return [(part, number) for part, number in found if number is not None]


def _called(metric: Metric) -> tuple[str, str]:
    """
    The name and the unit of *metric* as the frontend reads them.
    """
    name = metric.name or metric.field
    if metric.name is None and metric.reduction.name != "identity":
        name = f"{name}_{metric.reduction.name}"
    bare = "Count" if metric.kind == "counter" else "unit"
    return frontend_name(name), frontend_name(
        metric.in_unit.name.title() or bare
    )


def frontend_name(text: str) -> str:
    """
    A name that the frontend reads, and Prometheus behind it.
    """
    name = _NO_NAME.sub("_", text)[:_LONGEST] or "_"
    return f"_{name}" if name[0].isdigit() else name
