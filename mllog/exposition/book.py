"""
The families of one registry: who has which name, and what a page says.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from ..fields import Kind
from ..forking import adopt_lock, fork_safe_lock, tell_child
from ..metrics.instruments import Cell, Instrument, Observation
from ..metrics.labels import label_text
from ..metrics.metric import Metric
from .cells import (
    CounterCell,
    GaugeCell,
    HistogramCell,
    SummaryCell,
    buckets_for,
)
from .names import base_name, help_of, label_names, sample_names
from .records import OWN_NAMES, accounting

__all__ = ["Book", "Family", "NameTaken", "book_of"]

# what OpenMetrics allows names and values of an exemplar together
_LONGEST_EXEMPLAR = 128

OurCell = CounterCell | GaugeCell | HistogramCell | SummaryCell

_KINDS: Final[dict[Kind, type[CounterCell | GaugeCell | SummaryCell]]] = {
    "counter": CounterCell,
    "gauge": GaugeCell,
    "summary": SummaryCell,
}


class NameTaken(Exception):  # noqa: N818 - it is caught where it is raised for
    """
    A metric whose name in Prometheus belongs to another one.
    """


class Family(NamedTuple):
    """
    All series of a name.

    Args:
        name: Without ``_total``.

        kind: Kind of metric.

        unit: Base unit, or ``""``.

        labels: Names of the labels.

        buckets: Upper bounds, without +Inf, of a histogram.

        source: What it measures: nothing else may have its name.
    """

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...]
    source: tuple[str, ...]


def family_of(instrument: Instrument, prefix: str) -> Family:
    """
    What *instrument* is called in Prometheus.
    """
    metric = instrument.metric
    unit = metric.in_unit.name
    buckets: tuple[float, ...] = ()
    if metric.kind == "histogram":
        buckets = metric.buckets or buckets_for(unit)
    source = (
        ("name", metric.name)
        if metric.name
        else ("field", metric.field, metric.reduction.name)
    )
    return Family(
        base_name(metric, prefix),
        metric.kind,
        unit,
        label_names(instrument.labels),
        buckets,
        source,
    )


class Book:
    """
    A collector of a registry, shared by the handlers that write into it.

    Guarantee:
        No name comes twice on a page, whatever fields are called and whatever
        the application has registered itself.  Nothing that a record holds
        makes a page fail.

    Args:
        registry: Where it is registered; known weakly.
    """

    def __init__(self, registry: Any) -> None:
        # now, not at a scrape: a fork would find the import half done
        self._client = importlib.import_module("prometheus_client.core")
        self._utils = importlib.import_module("prometheus_client.utils")
        # not the registry itself: it holds this book, and has to be let go
        self._taken = _names_in(registry)
        self._lock = fork_safe_lock()
        self._owners: dict[str, Family] = {}
        self._families: dict[
            Family, tuple[Metric, dict[tuple[str, ...], OurCell]]
        ] = {}
        self.handlers = 0
        self.has_accounting = False
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: begin at zero.
        """
        self._owners.clear()
        self._families.clear()

    def cell(
        self, instrument: Instrument, labels: tuple[str, ...], prefix: str = ""
    ) -> Cell:
        """
        The cell of a series; the same for handlers that measure the same.

        Raises:
            NameTaken: Something else has the name.
        """
        family = family_of(instrument, prefix)
        with self._lock:
            if family not in self._families:
                self._claim(family)
                self._families[family] = instrument.metric, {}
            cells = self._families[family][1]
            if labels not in cells:
                cells[labels] = self._made(family)
            return cells[labels]

    def _claim(self, family: Family) -> None:
        names = sample_names(family.name, family.kind)
        for name in names:
            if (owner := self._owners.get(name)) is not None:
                raise NameTaken(
                    f"{' '.join(family.source)} would be {family.name} in"
                    f" Prometheus, which {' '.join(owner.source)} is already;"
                    " give one of them another name"
                )
            if name in OWN_NAMES or name in self._taken:
                raise NameTaken(
                    f"{' '.join(family.source)} would be {family.name} in"
                    " Prometheus, which is another metric of this process"
                )
        self._owners.update(dict.fromkeys(names, family))

    def _made(self, family: Family) -> OurCell:
        if family.kind == "histogram":
            return HistogramCell(self._lock, family.buckets)
        return _KINDS[family.kind](self._lock)

    # --- what prometheus_client asks for ---

    def collect(self) -> Iterator[Any]:
        """
        The families as prometheus_client has them.
        """
        with self._lock:
            found = [
                (family, metric, list(cells.items()))
                for family, (metric, cells) in self._families.items()
            ]
        for family, metric, cells in found:
            if not self._taken.isdisjoint(
                sample_names(family.name, family.kind)
            ):
                continue  # the application came later
            written = self._client.Metric(
                family.name, help_of(metric), family.kind, family.unit
            )
            for labels, cell in cells:
                self._write(written, family, labels, cell)
            if written.samples:
                yield written
        if self.has_accounting:
            yield from accounting(self._client)

    def _write(
        self,
        written: Any,
        family: Family,
        values: tuple[str, ...],
        cell: OurCell,
    ) -> None:
        """
        Add the samples of a series; a label without a value is left out.
        """
        labels = {
            name: value
            for name, value in zip(family.labels, values, strict=True)
            if value
        }
        text = self._utils.floatToGoString
        for suffix, more, value, seen in cell.samples():
            own = (
                labels if more is None else {**labels, more[0]: text(more[1])}
            )
            mark = None if seen is None else self._exemplar(seen)
            written.add_sample(
                f"{family.name}{suffix}", own, value, None, mark
            )

    def _exemplar(self, seen: Observation) -> Any:
        """
        The observation that a mark leads to; None if the mark is too long.
        """
        value, created, name, mark = seen
        (label,), text = label_names([name]), label_text(mark)
        if not text or len(label) + len(text) > _LONGEST_EXEMPLAR:
            return None
        at = round(created, 3) if math.isfinite(created) else None
        return self._client.Exemplar({label: text}, value, at)


class _Names:
    """
    The names that others have in a registry, as they are at each question.
    """

    def __init__(self, names: Any) -> None:
        self._names = names

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def isdisjoint(self, names: list[str]) -> bool:
        """
        Whether nobody has one of *names*.
        """
        return not any(name in self._names for name in names)


def _names_in(registry: Any) -> _Names:
    # there is no public way to ask; without this one clashes go unseen
    return _Names(getattr(registry, "_names_to_collectors", {}))


_books: WeakKeyDictionary[Any, Book] = WeakKeyDictionary()
_opening = fork_safe_lock()


def book_of(registry: Any) -> Book:
    """
    The book of *registry*, opened for one handler more.
    """
    with _opening:
        book = _books.get(registry)
        if book is None:
            book = Book(registry)
            registry.register(book)
            adopt_lock(getattr(registry, "_lock", None))
            _books[registry] = book
        book.handlers += 1
        return book


def let_go(registry: Any, book: Book) -> None:
    """
    One handler less; the last one takes the book out of the registry.
    """
    with _opening:
        book.handlers -= 1
        if book.handlers == 0 and _books.get(registry) is book:
            del _books[registry]
            registry.unregister(book)
