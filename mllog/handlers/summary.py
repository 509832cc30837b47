"""
Every minute a record of what the fields of records came to.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from .. import options
from ..accounting import Stats
from ..delivery import lifecycle  # noqa: F401 - so that we end before it does
from ..errors import ConfigError, shown
from ..fields import FIELD_LABELS, RECORD_ATTRIBUTES
from ..handling import Handling
from ..metrics.intervals import Intervals, Span
from ..metrics.meter import Meter
from ..metrics.metric import Metric, metrics_from
from ..metrics.saying import DRIFT, SUMMARY, say
from ..metrics.tallies import tally_of
from ..timestamps import utc

__all__ = ["SummaryHandler"]

_OWN = frozenset({SUMMARY, DRIFT})
_PLAIN = frozenset({"identity", "each", "count"})
_SAID = ("rate", "sum", "last", "mean", "min", "p50", "p95", "p99", "max")


class SummaryHandler(Handling, logging.Handler):
    """
    Log count, rate, mean and percentiles of each measured field, every minute.

    Each *interval_seconds* the logger ``mllog.summary`` gets one INFO record
    per field and label set, so that any other handler writes or sends it: a
    JSON file, Kafka, S3.  What is measured, and as what kind, is as in
    PrometheusHandler: configured *metrics*, the known fields, and every
    number in ``extra={"metrics": {…}}``.  The record has the fields ``field``,
    ``kind``, ``unit``, ``interval_start``, ``interval_seconds``, ``pid``, the
    labels, and by kind

    * histogram and summary: ``count rate sum mean min p50 p90 p95 p99 max``;
    * counter: ``count sum rate``, which is the sum per second;
    * gauge: ``count last mean min max``.

    Guarantee:
        Percentiles are within 1 %, in memory that *max_series* bounds.  What
        was not logged in an interval is not summed up in it: an application
        that is idle gets no records, and no thread.  The last summary comes
        at ``flush``, at ``close`` or at the exit.  A forked child begins with
        nothing.  Records of ``mllog.summary`` are never read, whatever
        handler wrote them, and those of ``mllog.drift`` only where the
        handler is put on that logger itself.  What cannot be measured is counted in
        ``stats().refused``, as ``not_finite``, ``not_a_number``, ``negative``
        or ``too_large``.

    Limit:
        A process sums up what it logged itself; ``pid`` tells them apart.
        The level of ``mllog.summary`` holds: beneath a root logger at WARNING
        give it INFO.

    Args:
        interval_seconds: Length of an interval.

        aligned: Whether intervals end at whole multiples of it, such as at
            each full minute, in UTC.

        metrics: What is measured: :class:`mllog.Metric`, or its options.

        labels: Fields that tell series apart.

        automatic: Whether known fields and ``metrics`` are measured without
            being configured.

        max_series: Label sets of a metric kept apart; further ones count as
            ``other``.

        close_timeout_seconds: How long ``close`` waits for a summary that is
            being logged.

        filters: Filters, or plain data that names them.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.
    """

    @options.checked
    def __init__(
        self,
        interval_seconds: float | str = 60.0,
        *,
        aligned: bool | str = False,
        metrics: Any = None,
        labels: Sequence[str] | str = FIELD_LABELS,
        automatic: bool | str = True,
        max_series: int | str = 1000,
        close_timeout_seconds: float | str = 2.0,
        filters: Any = None,
    ) -> None:
        measured: Any = {
            "metrics": metrics_from("metrics", metrics),
            "labels": _labels("labels", labels),
            "max_series": options.integer("max_series", max_series, minimum=1),
            "automatic": options.boolean("automatic", automatic),
        }
        self._timeout = options.number(
            "close_timeout_seconds", close_timeout_seconds
        )
        seconds = options.number("interval_seconds", interval_seconds)
        is_aligned = options.boolean("aligned", aligned)
        super().__init__()
        self.set_up(filters)
        self._failures = 0
        self._wrote = self.ledger.wrote
        self._meter = Meter(
            tally_of,
            self.ledger.refused,
            self.report,
            relabel=self.ledger.relabelled,
            **measured,
        )
        self._take = self._meter.take
        self._intervals = Intervals(
            self._sum_up, seconds, self._failed, aligned=is_aligned
        )
        self._seconds = seconds

    emits_alone = False

    def emit(self, record: logging.LogRecord) -> None:
        """
        Measure the record, if it has anything to measure.
        """
        if record.name in _OWN and not self._is_meant(record.name):
            return
        try:
            if self._take(record):
                self._wrote()
                if monotonic() >= self._intervals.check_at:
                    self._intervals.touch()
        except Exception:
            self.handleError(record)

    def _is_meant(self, name: str) -> bool:
        """
        Whether a record of our own is one that this handler is put on.
        """
        return name == DRIFT and self in logging.getLogger(DRIFT).handlers

    def _sum_up(self, span: Span) -> bool:
        """
        Log what an interval came to; whether it came to something.
        """
        found = [
            (instrument, labels, numbers)
            for instrument in self._meter.instruments
            for labels, tally in instrument.series.copy().items()
            if (numbers := tally.turn(span.seconds))  # type: ignore[attr-defined]
        ]
        for instrument, labels, numbers in found:
            fields = _fields(instrument.metric, span)
            named = {
                name: value
                for name, value in zip(instrument.labels, labels, strict=True)
                if value
            }
            fields.update(numbers)
            for name, value in named.items():
                fields[f"{name}_" if name in fields else name] = value
            try:
                say(SUMMARY, logging.INFO, _message(fields, named), fields)
            except Exception as exc:  # the next one may do
                self._failed(exc)
        return bool(found)

    def _failed(self, error: BaseException) -> None:
        self._failures += 1
        self.report(error)

    def stats(self) -> Stats:
        """
        How many records were measured, and how many values were refused.
        """
        return replace(self.ledger.stats(), failures=self._failures)

    def flush(self) -> None:
        """
        Log the summary of the interval so far.
        """
        self._intervals.flush()

    def close(self) -> None:
        """
        Log the last summary.
        """
        self._intervals.close(self._timeout)
        super().close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} every {self._seconds:g} s>"


def _fields(metric: Metric, span: Span) -> dict[str, Any]:
    """
    What is measured, and when.
    """
    found: dict[str, Any] = {"field": metric.field, "kind": metric.kind}
    reduction = metric.reduction.name
    if reduction not in _PLAIN:
        found["reduce"] = reduction
    if metric.name:
        found["metric"] = metric.name
    if metric.in_unit.name:
        found["unit"] = metric.in_unit.name
    found["interval_start"] = utc(span.since)
    found["interval_seconds"] = round(span.seconds, 3)
    found["pid"] = os.getpid()
    return found


def _message(fields: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """
    The same in a line for people.
    """
    what = fields.get("metric", fields["field"])
    what = " ".join(filter(None, (what, fields.get("reduce", ""))))
    whose = f" of {' '.join(labels.values())}" if labels else ""
    found = ", ".join(
        f"{name} {fields[name]:.4g}" for name in _SAID if name in fields
    )
    unit = f" {fields['unit']}" if "unit" in fields else ""
    seconds = fields["interval_seconds"]
    return f"{what}{whose}: {fields['count']} in {seconds:g} s, {found}{unit}"


def _labels(option: str, value: Any) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(options.names(option, value)))
    for name in found:
        if name in RECORD_ATTRIBUTES:
            raise ConfigError(
                shown(option, value),
                expected="fields of extra=, level or logger",
            )
    return found
