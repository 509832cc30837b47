"""
Latencies as rows of a CSV file, and their percentiles.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

from .. import options, waiting
from ..errors import ConfigError, shown
from ..fields import FIELD_LABELS, RECORD_ATTRIBUTES
from ..forking import fork_safe_lock, tell_child
from ..formatters.text import escaped
from ..handling import Handling
from ..metrics.labels import OTHER, text_of
from ..metrics.quantiles import Quantiles, QuantileSummary
from ..rotation import Plan, RotatingFile, log_path
from ..timestamps import utc
from ..values import number

__all__ = ["LatencyCSVHandler"]

_MISSING = object()
_NONE = type(None)
_STATISTICS = ("count", "mean", "min", "p50", "p90", "p95", "p99", "max")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Series:
    """
    One set of label values: the end of its rows, and its numbers.
    """

    __slots__ = ("labels", "quantiles", "row_end", "said")

    def __init__(
        self, labels: tuple[str, ...], quantiles: Quantiles | None = None
    ) -> None:
        self.labels = labels
        self.row_end = "".join(f",{_cell(label)}" for label in labels) + "\n"
        self.quantiles = quantiles or Quantiles()
        self.said = 0


class LatencyCSVHandler(Handling, logging.Handler):
    """
    Append ``timestamp,<field>,<labels…>`` for each record that has the field.

    Rows are RFC 4180 with a bare LF for a line end, the header stands once at
    the top of each file, and percentiles per label set are kept in bounded
    memory: read them with :meth:`summary`, or from the summary file beside
    (``latency.summary.csv``), which gets a row per label set and interval.

    What becomes of a value: Python, numpy and torch numbers of 0 or more are
    written; NaN and the infinities (``not_finite``), numbers below 0
    (``negative``) and all else, text and bools included (``not_a_number``),
    are refused and counted in ``stats().refused``, and so is a ``metrics``
    that raises (``unreadable``).  A record without the field is none of our
    business.

    Guarantee:
        A row is one ``os.write``; threads and processes may share the file.
        Percentiles are within 1 %.

    Args:
        filename: The live file; relative to *directory* if that is given.

        field: The field with the latency, in seconds.  It is looked for on
            the record, then in its ``metrics``.

        labels: Fields written behind it, which tell the series apart.

        maxBytes: Size in bytes at which it rotates; 0 never.

        backupCount: Rotated files to keep; 0 keeps all.

        when: As in TimestampedRotatingFileHandler.

        interval: Every so many of *when*.

        utc: Whether *when* is counted in UTC.

        atTime: Time of day for ``D``, ``MIDNIGHT`` and ``W``.

        directory: Folder of *filename*, made if need be.

        delay: Whether to open at the first row.

        max_age_days: Age in days at which rotated files go; None never.

        max_total_bytes: Size of all rotated files, beyond which the oldest
            go; None never.

        compress: Whether rotated files become ``.gz``, off the write path.

        on_rotate: Called with the path of each closed file, as in
            TimestampedRotatingFileHandler.

        permissions: Mode of new files, such as ``"0640"``; None follows the
            umask.

        close_timeout_seconds: How long ``close`` waits for *compress* and
            *on_rotate*.

        summary_interval_seconds: How often summaries are written while rows
            come; 0 only on ``flush()`` and ``close()``.

        summary_filename: Where summaries go; None is ``<name>.summary.csv``,
            ``""`` writes none.

        max_series: Label sets whose percentiles are kept apart; further ones
            are summed up as ``other``, and counted as ``relabelled``.  Rows
            keep their labels.

        filters: Filters, or plain data that names them.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.

        OSError: The file cannot be opened, and *delay* is false.
    """

    @options.checked
    def __init__(
        self,
        filename: str | os.PathLike[str],
        field: str = "inference_latency",
        labels: Any = FIELD_LABELS,
        *,
        maxBytes: int | str = 0,  # noqa: N803 - the stdlib's names
        backupCount: int | str = 0,  # noqa: N803
        when: str | None = None,
        interval: int | str = 1,
        utc: bool | str = False,
        atTime: Any = None,  # noqa: N803
        directory: str | os.PathLike[str] | None = None,
        delay: bool | str = False,
        max_age_days: float | str | None = None,
        max_total_bytes: int | str | None = None,
        compress: bool | str = False,
        on_rotate: str
        | Mapping[str, Any]
        | Callable[[str], Any]
        | None = None,
        permissions: int | str | None = None,
        close_timeout_seconds: float | str = 5.0,
        summary_interval_seconds: float | str = 60,
        summary_filename: str | None = None,
        max_series: int | str = 1000,
        filters: Any = None,
    ) -> None:
        self.field = _field("field", field)
        self.labels = tuple(
            _field("labels", name) for name in options.names("labels", labels)
        )
        self._plan = plan = Plan(
            maxBytes=maxBytes,
            backupCount=backupCount,
            when=when,
            interval=interval,
            utc=utc,
            atTime=atTime,
            max_age_days=max_age_days,
            max_total_bytes=max_total_bytes,
            compress=compress,
            on_rotate=on_rotate,
            permissions=permissions,
        )
        self._timeout = options.number(
            "close_timeout_seconds", close_timeout_seconds
        )
        self._interval = options.number(
            "summary_interval_seconds", summary_interval_seconds, above=-1
        )
        self._max_series = options.integer("max_series", max_series, minimum=1)
        wait = options.boolean("delay", delay)
        self.baseFilename = log_path(filename, directory)
        # by the values of a record, with their types where 1 and True would
        # otherwise be the same, and by their text
        self._by_value: dict[Any, tuple[_Series, tuple[type, ...] | None]] = {}
        self._by_text: dict[tuple[str, ...], _Series] = {}
        self._growing = fork_safe_lock()
        self._summary_at = math.inf
        self._file = self._csv(
            plan, self.baseFilename, (self.field, *self.labels)
        )
        self._summaries = self._summary_file(plan, summary_filename)
        super().__init__()
        self.set_up(filters)
        tell_child(self)
        self._wrote = self.ledger.wrote
        if not wait:
            self._file.open()

    def _csv(
        self, plan: Plan, path: str, columns: Sequence[str]
    ) -> RotatingFile:
        header = ",".join(map(_cell, ("timestamp", *columns))) + "\n"
        return plan.file(path, header=header.encode(), on_fault=self.report)

    def _summary_file(
        self, plan: Plan, filename: str | None
    ) -> RotatingFile | None:
        if filename == "":
            return None
        stem, ending = os.path.splitext(self.baseFilename)
        path = f"{stem}.summary{ending}"
        if filename is not None:
            path = log_path(filename, os.path.dirname(self.baseFilename))
        return self._csv(plan, path, ("pid", *self.labels, *_STATISTICS))

    # --- rows ---

    emits_alone = False

    def emit(self, record: logging.LogRecord) -> None:
        """
        Append a row, if the record has the field.
        """
        own = record.__dict__
        value = own.get(self.field, _MISSING)
        try:
            if value is _MISSING:
                value = self._in_metrics(own)
                if value is _MISSING:
                    return
            seconds = value if type(value) is float else number(value)
            if seconds is None or not 0 <= seconds < math.inf:
                self.ledger.refused(_why(seconds))
                return
            series = self._series(own)
            row = f"{utc(record.created)},{seconds!r}{series.row_end}"
            self._file.write(row.encode())
            quantiles = series.quantiles
            quantiles.add(seconds)
            if quantiles.is_pending or monotonic() >= self._summary_at:
                self._catch_up(quantiles)
        except Exception:
            self.handleError(record)
        else:
            self._wrote()

    def _in_metrics(self, own: Mapping[str, Any]) -> Any:
        metrics = own.get("metrics")
        if type(metrics) is dict:
            return metrics.get(self.field, _MISSING)
        try:
            if isinstance(metrics, Mapping):
                return metrics.get(self.field, _MISSING)
        except Exception as exc:  # a mapping that cannot be asked
            self.ledger.refused("unreadable")
            self.report(exc)
        return _MISSING

    def _series(self, own: Mapping[str, Any]) -> _Series:
        """
        The series of a record's labels.
        """
        values = tuple(map(own.get, self.labels))
        try:
            series, types = self._by_value[values]
        except Exception:  # new, or a value that cannot be hashed
            return self._series_of_text(values)
        if types is not None and types != tuple(map(type, values)):
            return self._series_of_text(values)
        return series

    def _series_of_text(self, values: tuple[Any, ...]) -> _Series:
        texts = tuple(map(_label, values))
        with self._growing:
            series = self._by_text.get(texts)
            if series is None:
                if len(self._by_text) >= self._max_series:
                    self.ledger.relabelled()
                    return _Series(texts, self._other().quantiles)
                series = self._by_text[texts] = _Series(texts)
                if self._summary_at == math.inf and self._interval > 0:
                    self._summary_at = monotonic() + self._interval
            types = tuple(map(type, values))
            if len(self._by_value) < 4 * self._max_series and all(
                each in (str, int, _NONE) for each in types
            ):
                is_unclear = any(value in (0, 1) for value in values)
                self._by_value[values] = series, types if is_unclear else None
        return series

    def _other(self) -> _Series:
        """
        The series of all labels that have none; their rows keep them.
        """
        texts = (OTHER,) * len(self.labels)
        return self._by_text.setdefault(texts, _Series(texts))

    def _catch_up(self, quantiles: Quantiles) -> None:
        """
        What need not be done at each row.
        """
        quantiles.fold()
        now = monotonic()
        if now >= self._summary_at:
            self._summary_at = now + self._interval
            self.write_summary()

    def forget_parent(self) -> None:
        """
        In a forked child: the parent writes its own summaries.
        """
        self._by_value.clear()
        self._by_text.clear()

    # --- summaries ---

    def summary(self) -> dict[tuple[str, ...], QuantileSummary]:
        """
        Count, mean, extremes and percentiles in seconds, by label values.

        The keys are in the order of *labels*; a label that a record lacks is
        ``""``.  It covers what this process logged since it started.
        """
        series = sorted(self._by_text.items())
        return {labels: each.quantiles.summary() for labels, each in series}

    def write_summary(self) -> None:
        """
        Append a row to the summary file for each series that has news.
        """
        if self._summaries is None:
            return
        now = utc(time.time())
        for labels, series in sorted(self._by_text.items()):
            found = series.quantiles.summary()
            if found.count == series.said:
                continue
            series.said = found.count
            numbers = (f"{getattr(found, name):.9g}" for name in _STATISTICS)
            cells = (now, str(os.getpid()), *map(_cell, labels), *numbers)
            self._summaries.write(f"{','.join(cells)}\n".encode())

    def flush(self) -> None:
        """
        Write the summaries; rows are never held back.
        """
        try:
            self.write_summary()
        except Exception as exc:
            self.report(exc)

    def close(self) -> None:
        """
        Write the summaries and let go of the files.
        """
        self.flush()
        deadline = waiting.deadline(None, self._timeout)
        self._file.close(self._timeout)
        if self._summaries is not None:
            self._summaries.close(self._timeout)
        self._plan.close(max(0.0, deadline - time.monotonic()), self.report)
        waiting.waited()
        super().close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.baseFilename} of {self.field}>"


def _field(option: str, name: str) -> str:
    if options.text(option, name) in RECORD_ATTRIBUTES:
        raise ConfigError(
            shown(option, name),
            expected="a field of extra=, not an attribute of LogRecord",
        )
    return name


def _why(seconds: float | None) -> str:
    if seconds is None:
        return "not_a_number"
    return "negative" if -math.inf < seconds < 0 else "not_finite"


def _label(value: Any) -> str:
    """
    The text of a label value: one line, not too long, ``""`` for None.
    """
    return escaped(text_of(value))


def _cell(text: str) -> str:
    """
    *text* as RFC 4180 has it, and never as a formula of a spreadsheet.
    """
    if text.startswith(_FORMULA) and not _is_number(text):
        text = f"'{text}"
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
