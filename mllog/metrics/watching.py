"""
From a record to the values that are watched: numbers, categories and none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..fields import FIELD_LABELS, OWN_COUNT, VOCABULARY
from .instruments import Cell, Instrument
from .meter import Meter
from .metric import MESSAGE, PATTERN, Metric
from .plans import Entry, Plan
from .rows import Row

__all__ = ["Watch", "labels_of", "metrics_of", "name_of"]


def name_of(metric: Metric) -> str:
    """
    What a field that is watched is called.
    """
    reduction = metric.reduction.name
    if metric.name:
        return metric.name
    plain = reduction == "identity"
    return metric.field if plain else f"{metric.field}_{reduction}"


def metrics_of(fields: Sequence[str]) -> tuple[Metric, ...]:
    """
    Metrics that take the values of *fields* as they are.
    """
    return tuple(Metric(field, "gauge") for field in fields)


class Watch(Meter):
    """
    A meter that hands over whatever a field has: None, NaN and text as well.

    Its cells take the values themselves, and no observations.

    Without being configured it takes those known fields that are a
    distribution, such as ``inference_latency`` and ``confidence``; a loss
    or an epoch is meant to move.

    Args:
        cell_of: Makes the cell of an instrument's series.

        refuse: Told the reason that a value cannot be watched.

        report: Told of a reduction that failed.

        metrics: What is configured.

        labels: Fields that tell series apart.

        max_series: Label sets of a metric kept apart.

        automatic: Whether known fields are watched.

        fold_at: So many values may wait in a cell.
    """

    def __init__(
        self,
        cell_of: Callable[[Instrument, tuple[str, ...]], Cell],
        refuse: Callable[[str], None],
        report: Callable[[BaseException], None],
        *,
        metrics: Sequence[Metric] = (),
        labels: Sequence[str] = FIELD_LABELS,
        max_series: int = 100,
        automatic: bool = True,
        fold_at: int = 256,
    ) -> None:
        super().__init__(
            cell_of,
            refuse,
            report,
            metrics=metrics,
            labels=labels,
            max_series=max_series,
            automatic=automatic,
        )
        self._fold_at = fold_at

    def take(self, record: logging.LogRecord) -> bool:
        """
        Hand over what *record* has to be watched; whether it has anything.
        """
        own = record.__dict__
        key: Any = tuple(own)[OWN_COUNT - 1 :]
        if self._by_logger:
            key = record.name, key
        plan = self._plans.get(key) or self._plan(own, record.name, key)
        if not plan.measures:
            return False
        try:
            entry = plan.entries[plan.getter(own)]
        except Exception:  # new, or a value that has no hash
            entry = self._entry(plan, own)
        else:
            if entry.types is not None and entry.types != tuple(
                map(type, plan.values(own))
            ):
                entry = self._entry(plan, own)
        for field, _, _, cell in entry.plain:
            cell.add(own[field])
            if len(cell.waiting) >= self._fold_at:
                cell.fold()
        taken = bool(entry.plain)
        if entry.special or plan.has_metrics:
            return self._take_special(record, plan, entry, None) or taken
        return taken

    def _rows(
        self,
        field: Any,
        logger: str,
        value: Any = None,  # noqa: ARG002 - any is watched
    ) -> Iterator[Row]:
        if not isinstance(field, str) or field.startswith(PATTERN):
            return
        is_configured = False
        for metric in self._metrics:
            found = None if metric.field == MESSAGE else metric.of_field(field)
            if found is not None:
                is_configured = True
                if found.takes_logger(logger) and (
                    found is metric or self._has_room(found)
                ):
                    yield self._row(found)
        known = VOCABULARY.get(field)
        if (
            not is_configured
            and self._automatic
            and known is not None
            and known.kind == "histogram"
        ):
            yield self._row(Metric(field))

    def _measure(
        self,
        row: Row,
        cell: Cell | None,
        value: Any,
        record: logging.LogRecord,
        plan: Plan,  # noqa: ARG002
        entry: Entry,
        mark: Any,  # noqa: ARG002
    ) -> bool:
        if not row.wants(record, value):
            return False
        if row.function is None and row.unit.is_base:
            found: Any = (("", value),)
        elif value is None:  # no function need know what to make of it
            found = (("", None),)
        else:
            found = self._found(row, value)
        taken = False
        for part, each in found:
            at = cell or self._cell(row.instrument, entry.texts, part)
            at.add(each)
            if len(at.waiting) >= self._fold_at:
                at.fold()
            taken = True
        return taken


def labels_of(
    instrument: Instrument, values: Sequence[str]
) -> Mapping[str, str]:
    """
    The labels of a series that have a value.
    """
    return {
        name: value
        for name, value in zip(instrument.labels, values, strict=True)
        if value
    }
