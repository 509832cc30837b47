"""
From a record to observations: every metric of a handler in one pass.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..fields import FIELD_LABELS, VOCABULARY
from .catalogue import Catalogue
from .instruments import Cell, Instrument
from .metric import Metric
from .plans import Entry, Plan
from .reductions import numeric
from .rows import refusal

__all__ = ["Meter"]

# Values that may wait in a cell: more of them cost a little less each, but the
# call that adds them up takes longer, and each series may have to hold so many
_WAITING: Final = 32


def _known(field: str, value: Any) -> Metric | None:
    """
    A known field; and any *value* in ``metrics`` that is a number, as a gauge.
    """
    if field in VOCABULARY:
        return Metric(field)
    return None if numeric(value) is None else Metric(field, "gauge")


class Meter:
    """
    Finds in each record what is to be measured, and hands it to its series.

    In this order: a configured metric; a known field
    (:data:`mllog.fields.VOCABULARY`); every number in ``metrics``, as a
    gauge.  Other fields are not measured.  A bool is no number, and neither
    is text that looks like one.  NaN and the infinities never reach a cell;
    they are refused, and so is what a kind cannot take: counters, summaries
    and histograms without buckets below 0 take nothing below 0.

    Guarantee:
        At most *max_series* series of a metric and one more, whose labels are
        ``other``.

    Args:
        cell_of: Makes the cell of an instrument's series.

        refuse: Told why a value cannot be measured.

        report: Told of a reduction that failed.

        metrics: Configured metrics.

        labels: Fields that tell all series apart.

        max_series: Label sets of a metric kept apart.

        automatic: Whether known fields and ``metrics`` are measured without
            being configured.

        marks: Fields that tie an observation to its record; the first that
            the record has.

        takes_nonfinite: Hand on NaN and the infinities, whatever the kind.

        relabel: Told of each value that is measured as ``other``.
    """

    def __init__(
        self,
        cell_of: Callable[[Instrument, tuple[str, ...]], Cell],
        refuse: Callable[[str], None],
        report: Callable[[BaseException], None],
        *,
        metrics: Sequence[Metric] = (),
        labels: Sequence[str] = FIELD_LABELS,
        max_series: int = 1000,
        automatic: bool = True,
        marks: Sequence[str] = (),
        takes_nonfinite: bool = False,
        relabel: Callable[[], None] = lambda: None,
    ) -> None:
        self._refuse = refuse
        self._takes_nonfinite = takes_nonfinite
        self._catalogue = Catalogue(
            cell_of,
            refuse,
            report,
            _known,
            metrics=metrics,
            labels=labels,
            max_series=max_series,
            automatic=automatic,
            marks=marks,
            relabel=relabel,
        )
        self._entry_of = self._catalogue.entry_of

    @property
    def instruments(self) -> list[Instrument]:
        """
        All that was measured so far.
        """
        return self._catalogue.instruments

    def take(self, record: logging.LogRecord) -> bool:
        """
        Measure *record*; whether anything in it was measured.
        """
        found = self._entry_of(record)
        if found is None:
            return False
        plan, entry = found
        own = record.__dict__
        name = plan.mark
        mark = own[name] if name else None
        created = record.created
        taken = False
        for field, low, high, cell in entry.plain:
            value = own[field]
            kind = type(value)
            if not ((kind is float or kind is int) and low <= value <= high):
                value = self._number(value, low, high)
                if value is None:
                    continue
            cell.add((value, created, name, mark))
            if len(cell.waiting) >= _WAITING:
                cell.fold()
            taken = True
        if entry.special or plan.has_metrics:
            return self._take_special(record, plan, entry, mark) or taken
        return taken

    def _take_special(
        self, record: logging.LogRecord, plan: Plan, entry: Entry, mark: Any
    ) -> bool:
        """
        Measure what more has to be done for than to look.
        """
        catalogue = self._catalogue
        taken = False
        for row, cell, value in catalogue.special_of(record, plan, entry):
            if not row.wants(record, value):
                continue
            for part, each in catalogue.numbers_in(row, value):
                number = self._number(each, row.low, row.high)
                if number is None:
                    continue
                at = cell or catalogue.cell(row, entry, part)
                at.add((number, record.created, plan.mark, mark))
                if len(at.waiting) >= _WAITING:
                    at.fold()
                taken = True
        return taken

    def _number(self, value: Any, low: float, high: float) -> float | None:
        """
        What a cell can take; None, and counted, where it can take nothing.
        """
        found, reason = refusal(value, low, high)
        if not reason:
            return found
        if reason == "not_finite" and self._takes_nonfinite:
            return found
        self._refuse(reason)
        return None
