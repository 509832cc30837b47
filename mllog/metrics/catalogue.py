"""
Which metrics a record has, and the series that its numbers go to.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from ..errors import ConfigError
from ..fields import (
    FIELD_LABELS,
    OWN_COUNT,
    OWN_LAST,
    VOCABULARY,
    layout_of,
    message_of,
)
from ..forking import fork_safe_lock, tell_child
from ..values import key_of
from .instruments import Cell, Instrument
from .labels import OTHER, label_text
from .metric import MESSAGE, PATTERN, Metric
from .plans import METRICS, Entry, Plan, items_of
from .rows import Row, bounds_of, found_in

__all__ = ["Catalogue"]

_BEHIND: Final = OWN_COUNT - 1
_NONE: Final = type(None)
# Beyond them names and layouts are made of data, which never ends
_MOST_LAYOUTS: Final = 1000
_MOST_NAMES: Final = 1000


class Catalogue:
    """
    Looks up what is to be measured of a record, and keeps what it found.

    Guarantee:
        At most *max_series* series of a metric and one more, whose labels are
        ``other``.  What is compiled is kept per set of fields, so that a
        record with nothing to measure costs one look into a dict.

    Args:
        cell_of: Makes the cell of an instrument's series.

        refuse: Told why a value cannot be measured.

        report: Told of what raised.

        known: What is measured of a field, and of a value in ``metrics``,
            that is not configured; None is nothing.

        metrics: Configured metrics.

        labels: Fields that tell all series apart.

        max_series: Label sets of a metric kept apart.

        automatic: Whether *known* is asked.

        marks: Fields that tie an observation to its record; the first that
            the record has.

        relabel: Told of each value that is measured as ``other``.
    """

    def __init__(
        self,
        cell_of: Callable[[Instrument, tuple[str, ...]], Cell],
        refuse: Callable[[str], None],
        report: Callable[[BaseException], None],
        known: Callable[[str, Any], Metric | None],
        *,
        metrics: Sequence[Metric] = (),
        labels: Sequence[str] = FIELD_LABELS,
        max_series: int = 1000,
        automatic: bool = True,
        marks: Sequence[str] = (),
        relabel: Callable[[], None] = lambda: None,
    ) -> None:
        self._cell_of = cell_of
        self._refuse = refuse
        self._relabel = relabel
        self._report = report
        self._known = known
        self._metrics = tuple(metrics)
        self._labels = tuple(labels)
        self._max_series = max_series
        self._automatic = automatic
        self._marks = tuple(marks)
        self._by_logger = any(each.logger is not None for each in metrics)
        self._lock = fork_safe_lock()
        self._plans: dict[Any, Plan] = {}
        self._instruments: dict[Metric, Instrument] = {}
        self._names = 0
        self._entries = 0
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: what the parent measured is the parent's.
        """
        self._plans.clear()
        self._instruments.clear()
        self._names = self._entries = 0

    @property
    def instruments(self) -> list[Instrument]:
        """
        All that was measured so far.
        """
        with self._lock:
            return list(self._instruments.values())

    def entry_of(self, record: logging.LogRecord) -> tuple[Plan, Entry] | None:
        """
        What is measured of *record*, and where to; None if nothing is.
        """
        own = record.__dict__
        key: Any = tuple(own)[_BEHIND:]
        if self._by_logger:
            key = record.name, key
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plan(own, record.name, key)
        if not plan.measures:
            return None
        try:
            entry = plan.entries[plan.getter(own)]
        except Exception:  # new, or a value that has no hash
            return plan, self._entry(plan, own)
        if entry.types is not None and entry.types != tuple(
            map(type, plan.values(own))
        ):
            entry = self._entry(plan, own)
        return plan, entry

    def special_of(
        self, record: logging.LogRecord, plan: Plan, entry: Entry
    ) -> Iterator[tuple[Row, Cell | None, Any]]:
        """
        What more has to be done for than to look: rows and their values.

        Those of the record, and of all that its ``metrics`` has.
        """
        own = record.__dict__
        for row, cell in entry.special:
            value = message_of(record) if row.of_message else own[row.field]
            yield row, cell, value
        if not plan.has_metrics:
            return
        metrics = own[METRICS]
        found = items_of(metrics, self._unreadable)
        if not found and self._is_odd(metrics):
            self._refuse("not_a_mapping")
        for name, value in found:
            rows = entry.named.get(name) if type(name) is str else None
            if rows is None:
                rows = self._rows_of(name, value, plan, entry)
            for row, cell in rows:
                yield row, cell, value

    def numbers_in(self, row: Row, value: Any) -> list[tuple[Any, Any]]:
        """
        What the reduction of *row* finds in *value*, by part; nothing, and
        counted, if it fails.
        """
        try:
            return list(found_in(row, value))
        except Exception as exc:
            self._refuse("reduction_failed")
            self._report(exc)
            return []

    def cell(self, row: Row, entry: Entry, part: Any) -> Cell:
        """
        The cell of a *part* that a reduction found.
        """
        return self._cell(row.instrument, entry.texts, part)

    def _is_odd(self, metrics: Any) -> bool:
        """
        Whether something else stands where we look for numbers.
        """
        is_asked = self._automatic or bool(self._metrics)
        kind = type(metrics)  # isinstance() asks the object, which may lie
        return is_asked and not issubclass(kind, (_NONE, Mapping))

    def _unreadable(self, error: Exception) -> None:
        self._refuse("unreadable")
        self._report(error)

    # --- compiling ---

    def _plan(self, own: Mapping[str, Any], logger: str, key: Any) -> Plan:
        """
        What is to be done with records of these fields.
        """
        names = layout_of(own).names
        rows = [
            row
            for name in names
            if name != METRICS
            for row in self._rows(name, logger)
        ]
        rows += [
            self._row(metric)
            for metric in self._metrics
            if metric.field == MESSAGE and metric.takes_logger(logger)
        ]
        plan = Plan(names, logger, rows)
        # what ``metrics`` holds is known only when it comes
        more = self._metrics if plan.has_metrics else ()
        asked = [name for row in rows for name in row.metric.labels]
        asked += [name for metric in more for name in metric.labels]
        plan.ask_for((*self._labels, *asked))
        plan.mark = next((n for n in self._marks if n in plan.names), "")
        attributes = tuple(own)[_BEHIND:]
        if attributes[:1] == (OWN_LAST,) and len(self._plans) < _MOST_LAYOUTS:
            self._plans[key] = plan
        return plan

    def _rows(
        self, field: Any, logger: str, value: Any = None
    ) -> Iterator[Row]:
        """
        What is measured of *field*: by configuration, else as it is known.
        """
        if not isinstance(field, str) or field.startswith(PATTERN):
            return
        is_configured = False
        for metric in self._metrics:
            found = self._of_field(metric, field)
            if found is not None:
                is_configured = True
                if found.takes_logger(logger) and (
                    found is metric or self._has_room(found)
                ):
                    yield self._row(found)
        if is_configured or not self._automatic:
            return
        known = self._known(field, value)
        if known is not None:
            is_named = field in VOCABULARY
            if is_named or self._has_room(known):
                yield self._row(known, is_automatic=not is_named)

    def _of_field(self, metric: Metric, field: str) -> Metric | None:
        """
        What *metric* measures of *field*; a pattern may make a name of it
        that none can have.
        """
        if metric.field == MESSAGE:
            return None
        try:
            return metric.of_field(field)
        except ConfigError as exc:
            self._refuse("bad_name")
            self._report(exc)
            return None

    def _has_room(self, metric: Metric) -> bool:
        """
        Whether there may be one more metric that nobody named.
        """
        if metric in self._instruments:
            return True
        if self._names >= _MOST_NAMES:
            self._refuse("too_many_names")
            return False
        self._names += 1
        return True

    def _row(self, metric: Metric, *, is_automatic: bool = False) -> Row:
        with self._lock:
            instrument = self._instruments.get(metric)
            if instrument is None:
                labels = dict.fromkeys((*self._labels, *metric.labels))
                instrument = Instrument(metric, tuple(labels))
                self._instruments[metric] = instrument
        low, high = bounds_of(metric)
        return Row(instrument, metric, low, high, is_automatic)

    def _rows_of(
        self, name: Any, value: Any, plan: Plan, entry: Entry
    ) -> tuple[tuple[Row, Cell | None], ...]:
        """
        What is measured of the number that ``metrics`` has under *name*.

        A field of the same name on the record goes before it.
        """
        try:
            text = key_of(name)
        except Exception as exc:  # a name that raises when it is looked at
            self._unreadable(exc)
            return ()
        if text in plan.names:
            rows: list[Row] = []
        else:
            text = text.removeprefix(PATTERN) or "_"
            rows = list(self._rows(text, plan.logger, value))
        before = _overflowed(rows)
        found = tuple(
            (row, self._cell_or_none(row, entry.texts)) for row in rows
        )
        is_own = before == _overflowed(rows)
        is_safe = type(name) is str and len(entry.named) < _MOST_NAMES
        if rows and is_own and is_safe:
            entry.named[name] = found
        return found

    def _entry(self, plan: Plan, own: Mapping[str, Any]) -> Entry:
        """
        Where records with these label values go to.
        """
        values = plan.values(own)
        texts = dict(zip(plan.labels, map(label_text, values), strict=True))
        before = _overflowed(plan.rows)
        plain, special = [], []
        for row in plan.rows:
            cell = self._cell_or_none(row, texts)
            if row.is_plain and cell is not None:
                plain.append((row.field, row.low, row.high, cell))
            else:
                special.append((row, cell))
        entry = Entry(texts, tuple(plain), tuple(special))
        if before == _overflowed(plan.rows):
            self._remember(plan, entry, values)
        return entry

    def _remember(
        self, plan: Plan, entry: Entry, values: tuple[Any, ...]
    ) -> None:
        """
        Find *entry* at once the next time, if it is safe to look it up.
        """
        types = tuple(map(type, values))
        if not all(each in (str, int, _NONE) for each in types):
            return
        if any(value in (0, 1) for value in values):  # as False and True are
            entry.types = types
        with self._lock:
            if self._entries >= 4 * self._max_series:
                for each in list(self._plans.values()):
                    each.entries = {}
                self._entries = 0
            self._entries += 1
            plan.entries[values if len(values) != 1 else values[0]] = entry

    def _cell_or_none(self, row: Row, texts: Mapping[str, str]) -> Cell | None:
        """
        The cell of a metric without parts; with parts it is found at each.
        """
        if row.instrument.has_part:
            return None
        return self._cell(row.instrument, texts, "")

    def _cell(
        self, instrument: Instrument, texts: Mapping[str, str], part: Any
    ) -> Cell:
        key = tuple(texts.get(name, "") for name in instrument.labels)
        if instrument.has_part:
            key = (*key[:-1], label_text(part))
        cell = instrument.series.get(key)
        return cell or self._new_cell(instrument, key)

    def _new_cell(self, instrument: Instrument, key: tuple[str, ...]) -> Cell:
        """
        The cell of a new series, or that of all others where there is no room.
        """
        with self._lock:
            series = instrument.series
            is_full = len(series) >= self._max_series
            if key and is_full and key not in series:
                instrument.overflowed += 1
                self._relabel()
                key = (OTHER,) * len(key)
            if key not in series:
                series[key] = self._cell_of(instrument, key)
            return series[key]


def _overflowed(rows: Sequence[Row]) -> int:
    return sum(row.instrument.overflowed for row in rows)
