"""
Whether fields still look like they did: a warning where they drift.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any, Final

from .. import options
from ..accounting import Stats
from ..delivery import lifecycle  # noqa: F401 - so that we end before it does
from ..errors import ConfigError, shown
from ..fields import FIELD_LABELS, RECORD_ATTRIBUTES
from ..handling import Handling
from ..metrics.instruments import Cell, Instrument
from ..metrics.intervals import Intervals, Span
from ..metrics.metric import metrics_from
from ..metrics.origins import Origin
from ..metrics.saying import DRIFT, SUMMARY, say
from ..metrics.verdicts import Limits, Verdict, limits_of
from ..metrics.watched import USUAL_WINDOW, Sizes, Unwatched, Watched
from ..metrics.watching import Watch, metrics_of
from ..metrics.windows import Comparison

__all__ = ["DriftHandler"]

_OWN: Final = frozenset({SUMMARY, DRIFT})
_FOLD_AT: Final = 256
# To compare at once is not worth more
_SMALLEST_FOLD: Final = 32


class DriftHandler(Handling, logging.Handler):
    """
    Compare fields with what they were, and log a WARNING where they drift.

    Of each watched field, by label set, a window of live values is compared
    with a reference: numbers by the population stability index (``psi``),
    Kolmogorov's and Smirnov's distance (``ks``) and the mean in standard
    deviations (``mean_shift``); text and bools by ``psi`` and ``chi_square``;
    and all by the part of None and NaN among the values (``null_rate``).
    Watched are *fields*, *metrics* with their reductions, and the known
    fields that have a distribution, such as ``inference_latency`` and
    ``confidence``.

    The logger ``mllog.drift`` gets a WARNING when a field begins to drift or
    drifts further, an INFO when it is back, and a DEBUG record of each other
    window.  They have the fields ``field``, ``statistic``, ``value``,
    ``threshold``, ``p_value`` and ``severity`` (``none``, ``moderate``,
    ``major``), the labels, and all distances as ``metrics``
    (``drift_psi``, …), so that a PrometheusHandler on ``mllog.drift`` shows
    them.

    The reference is, without an option, the first *reference_records* values
    of each label set; with *reference* earlier logs, of the same labels or
    the nearest; with *compare_by* what the same logs at another label value:
    ``compare_by="variant", baseline="A"`` compares B with the latest of A.

    Guarantee:
        Memory is bounded by *max_series*, *max_categories* and the size of a
        window, whatever is logged.  ``ks`` is within 0.01 of that of all
        values.  A distance counts only if it is beyond its threshold and
        less likely than *significance* by chance.  NaN is never added up.
        No call waits for the reference: it is read by a thread, and the
        latest window is kept until then.  A forked child begins anew.
        Records of ``mllog.summary`` and ``mllog.drift`` are never read.

    Limit:
        Windows do not overlap.  A process watches what it logs itself.

    Args:
        reference: What :func:`mllog.read` reads, a file that :meth:`save`
            wrote, or its content.

        fields: Fields to watch as they are; ``"re:.*_score"`` is a regular
            expression.

        metrics: What more is watched: :class:`mllog.Metric`, or its options.

        labels: Fields that tell series apart.

        automatic: Whether known fields are watched.

        compare_by: A label by whose values series are compared.

        baseline: The value that others are compared with; None is the first
            one.

        reference_records: Values of a reference that is made of live ones.

        window_records: Values of a window; None is 1000, or no number where
            *window_seconds* is given.

        window_seconds: Seconds of a window.

        min_records: Fewer values are not compared when the time is over.

        thresholds: From where a drift is moderate and major: a pair for
            all but ``mean_shift``, or pairs by statistic; None leaves a
            statistic out.

        significance: How likely a false alarm may be.

        max_series: Label sets of a field kept apart; further ones are
            ``other``.

        max_categories: Categories of a field kept apart; further ones are
            ``other``.

        reference_options: Further arguments of :func:`mllog.read`.

        close_timeout_seconds: How long ``close`` waits for a record that is
            being logged.

        filters: Filters, or plain data that names them.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.
    """

    @options.checked
    def __init__(
        self,
        reference: Any = None,
        *,
        fields: Sequence[str] | str = (),
        metrics: Any = None,
        labels: Sequence[str] | str = FIELD_LABELS,
        automatic: bool | str = True,
        compare_by: str | None = None,
        baseline: Any = None,
        reference_records: int | str = 5000,
        window_records: int | str | None = None,
        window_seconds: float | str | None = None,
        min_records: int | str = 100,
        thresholds: Any = None,
        significance: float | str = 0.0001,
        max_series: int | str = 100,
        max_categories: int | str = 100,
        reference_options: Mapping[str, Any] | None = None,
        close_timeout_seconds: float | str = 2.0,
        filters: Any = None,
    ) -> None:
        names = _names("labels", labels)
        self._limits = Limits(
            limits_of("thresholds", thresholds),
            options.number("significance", significance),
        )
        self._sizes = Sizes.of(window_records, window_seconds, min_records)
        measured: dict[str, Any] = {
            "metrics": (
                *metrics_of(_names("fields", fields)),
                *metrics_from("metrics", metrics),
            ),
            "labels": names,
            "max_series": options.integer("max_series", max_series, minimum=1),
            "automatic": options.boolean("automatic", automatic),
        }
        self._origin = Origin.of(
            self._failed,
            measured,
            reference=reference,
            compare_by=compare_by,
            baseline=baseline,
            reference_records=reference_records,
            reference_options=reference_options,
            max_categories=max_categories,
        )
        self._timeout = options.number(
            "close_timeout_seconds", close_timeout_seconds
        )
        super().__init__()
        self.set_up(filters)
        self._failures = 0
        self._wrote = self.ledger.wrote
        self._watch = Watch(
            self._cell,
            self.ledger.refused,
            self.report,
            **measured,
            relabel=self.ledger.relabelled,
            fold_at=_fold_at(self._sizes.records, reference_records),
        )
        self._take = self._watch.take
        self._intervals = (
            None
            if self._sizes.seconds is None
            else Intervals(self._turn, self._sizes.seconds, self._failed)
        )

    # --- records ---

    emits_alone = False

    def emit(self, record: logging.LogRecord) -> None:
        """
        Take the values of the record that are watched.
        """
        if record.name in _OWN:
            return
        try:
            if self._take(record):
                self._wrote()
                timer = self._intervals
                if timer is not None and monotonic() >= timer.check_at:
                    timer.touch()
        except Exception:
            self.handleError(record)

    def _cell(self, instrument: Instrument, values: tuple[str, ...]) -> Cell:
        """
        The cell of a series, with its way to a reference.
        """
        series = Watched(
            instrument,
            values,
            window_records=self._sizes.records,
            min_records=self._sizes.fewest,
            held=self._sizes.records or USUAL_WINDOW,
            tell=self._tell,
        )
        return series if self._origin.attach(series) else Unwatched()

    # --- the reference ---

    def load(self, timeout: float | None = None) -> bool:
        """
        Read the reference now, instead of at the first record.

        Args:
            timeout: Seconds to wait for it; None waits.

        Returns:
            Whether it is there.
        """
        return self._origin.load(timeout)

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        Write the references to a file, for ``reference`` of another process.

        Raises:
            OSError: The file cannot be written.
        """
        self.flush()
        self._origin.library(self._series()).save(path)

    def _series(self) -> list[Watched]:
        return [
            cell
            for instrument in self._watch.instruments
            for cell in instrument.series.copy().values()
            if isinstance(cell, Watched)
        ]

    # --- what is said ---

    def _turn(self, _span: Span) -> bool:
        return bool([each for each in self._series() if each.turn()])

    def _tell(self, series: Watched, found: Comparison) -> None:
        """
        Log how a window compares, by what was said before.
        """
        verdict = self._limits.judge(found)
        if verdict is None:
            return
        before, after = series.told, verdict.severity
        level = logging.DEBUG
        if after > before:
            level = logging.WARNING
        elif before and not after:
            level = logging.INFO
        if level != logging.DEBUG:
            series.told = after
        fields = {**verdict.fields(found), "reference": str(self._origin)}
        for name, value in series.labels.items():
            fields[f"{name}_" if name in fields else name] = value
        try:
            message = _message(series, verdict, level)
            say(DRIFT, level, message, {"field": series.name, **fields})
        except Exception as exc:
            self._failed(exc)

    def _failed(self, error: BaseException) -> None:
        self._failures += 1
        self.report(error)

    # --- ends ---

    def stats(self) -> Stats:
        """
        How many records had something to watch, and what failed.
        """
        return replace(self.ledger.stats(), failures=self._failures)

    def flush(self) -> None:
        """
        Compare the windows that are full.
        """
        for series in self._series():
            series.fold()

    def close(self) -> None:
        """
        Compare what is enough for a window; read no further.
        """
        self._origin.close()
        if self._intervals is not None:
            self._intervals.close(self._timeout)
        self.flush()
        super().close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self._series())} series>"


def _message(series: Watched, verdict: Verdict, level: int) -> str:
    whose = " ".join(series.labels.values())
    said = {logging.WARNING: "drifts", logging.INFO: "is back"}
    return (
        f"{series.name}{' of ' if whose else ''}{whose}"
        f" {said.get(level, 'compared')}: {verdict}"
    )


def _fold_at(window: int | None, reference: Any) -> int:
    """
    How many values may wait: such that none waits where a window is full.
    """
    whole = math.gcd(window or _FOLD_AT, int(reference))
    found = max(n for n in range(1, _FOLD_AT + 1) if whole % n == 0)
    return found if found >= _SMALLEST_FOLD else _FOLD_AT


def _names(option: str, value: Any) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(options.names(option, value)))
    for name in found:
        if name in RECORD_ATTRIBUTES:
            raise ConfigError(
                shown(option, value),
                expected="fields of extra=, not attributes of LogRecord",
            )
    return found
