"""
From a record to the values that are watched: numbers, categories and none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..fields import FIELD_LABELS, VOCABULARY
from .catalogue import Catalogue
from .instruments import Cell, Instrument
from .metric import Metric
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


def _known(field: str, _value: Any) -> Metric | None:
    """
    A known field that is a distribution.
    """
    found = VOCABULARY.get(field)
    is_spread = found is not None and found.kind == "histogram"
    return Metric(field) if is_spread else None


class Watch:
    """
    Hands over whatever a field has: None, NaN and text as well.

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

        relabel: Told of each value that is watched as ``other``.
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
        relabel: Callable[[], None] = lambda: None,
    ) -> None:
        self._fold_at = fold_at
        self._catalogue = Catalogue(
            cell_of,
            refuse,
            report,
            _known,
            metrics=metrics,
            labels=labels,
            max_series=max_series,
            automatic=automatic,
            relabel=relabel,
        )
        self._entry_of = self._catalogue.entry_of

    @property
    def instruments(self) -> list[Instrument]:
        """
        All that was watched so far.
        """
        return self._catalogue.instruments

    def take(self, record: logging.LogRecord) -> bool:
        """
        Hand over what *record* has to be watched; whether it has anything.
        """
        found = self._entry_of(record)
        if found is None:
            return False
        plan, entry = found
        own = record.__dict__
        for field, _, _, cell in entry.plain:
            cell.add(own[field])
            if len(cell.waiting) >= self._fold_at:
                cell.fold()
        taken = bool(entry.plain)
        if entry.special or plan.has_metrics:
            return self._take_special(record, plan, entry) or taken
        return taken

    def _take_special(
        self, record: logging.LogRecord, plan: Plan, entry: Entry
    ) -> bool:
        """
        Hand over what more has to be done for than to look.
        """
        catalogue = self._catalogue
        taken = False
        for row, cell, value in catalogue.special_of(record, plan, entry):
            if not row.wants(record, value):
                continue
            for part, each in self._values_in(row, value):
                at = cell or catalogue.cell(row, entry, part)
                at.add(each)
                if len(at.waiting) >= self._fold_at:
                    at.fold()
                taken = True
        return taken

    def _values_in(self, row: Row, value: Any) -> Sequence[tuple[Any, Any]]:
        if row.function is None and row.unit.is_base:
            return (("", value),)
        if value is None:  # no function need know what to make of it
            return (("", None),)
        return self._catalogue.numbers_in(row, value)


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
