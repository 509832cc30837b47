"""
The families of one registry: who has which name, and what a page says.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary, WeakMethod

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

__all__ = ["Book", "Claims", "Family", "Late", "NameTaken", "book_of"]

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


#: Told of a metric that lost its name; gives what counts its observations.
Late = Callable[[Metric, NameTaken], Callable[[], object]]


class Claims:
    """
    Which family has which name, of all that are on one page.

    Guarantee:
        What the application has registered keeps its name: before ours by
        :meth:`claim`, and after it by :meth:`lost`.
    """

    def __init__(self) -> None:
        self._owners: dict[str, Family] = {}
        self._others: list[Collection[str]] = []
        self._late: dict[Family, tuple[Metric, WeakMethod[Any] | None]] = {}

    def heed(self, registry: Any) -> None:
        """
        Leave alone the names that others have in *registry*, now and later.
        """
        # there is no public way to ask; without this one clashes go unseen
        names = getattr(registry, "_names_to_collectors", {})
        # not the registry itself: it may hold us, and has to be let go
        if not any(names is each for each in self._others):
            self._others.append(names)

    def clear(self) -> None:
        """
        Begin anew.
        """
        self._owners.clear()
        self._late.clear()

    def claim(
        self,
        family: Family,
        metric: Metric,
        late: Late | None = None,
        more: Collection[str] = (),
    ) -> None:
        """
        Take the names of *family*.

        Args:
            family: Whose they are.

            metric: What it measures.

            late: Told if somebody else takes one of them later.

            more: Names that others have, in no registry.

        Raises:
            NameTaken: Something else has one of them.
        """
        names = sample_names(family.name, family.kind)
        for name in names:
            owner = self._owners.get(name)
            if owner is not None and owner != family:
                raise NameTaken(
                    f"{' '.join(family.source)} would be {family.name} in"
                    f" Prometheus, which {' '.join(owner.source)} is already;"
                    " give one of them another name"
                )
            if name in OWN_NAMES or name in more or self._is_taken(name):
                raise _taken(family)
        self._owners.update(dict.fromkeys(names, family))
        told = None if late is None else WeakMethod(late)
        self._late[family] = metric, told

    def _is_taken(self, name: str) -> bool:
        return any(name in each for each in self._others)

    def lost(self) -> Iterator[tuple[Family, Callable[[], object]]]:
        """
        Families of whose names others took one since, and what counts what is
        measured of them from now on.
        """
        for family in list(self._late):
            if any(
                map(self._is_taken, sample_names(family.name, family.kind))
            ):
                metric, told = self._late.pop(family)
                late: Late | None = told() if told is not None else None
                # its handler may be gone: then nobody counts
                count = int if late is None else late(metric, _taken(family))
                yield family, count

    @property
    def others(self) -> int:
        """
        How many names others have.
        """
        return sum(map(len, self._others))


def _taken(family: Family) -> NameTaken:
    return NameTaken(
        f"{' '.join(family.source)} would be {family.name} in Prometheus,"
        " which is another metric of this process"
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
        self._claims = Claims()
        self._claims.heed(registry)
        self._lock = fork_safe_lock()
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
        self._claims.clear()
        self._families.clear()

    def cell(
        self,
        instrument: Instrument,
        labels: tuple[str, ...],
        prefix: str = "",
        late: Late | None = None,
    ) -> Cell:
        """
        The cell of a series; the same for handlers that measure the same.

        Args:
            instrument: What it measures.

            labels: Values of its labels.

            prefix: What its name begins with.

            late: Told if the application takes the name later.

        Raises:
            NameTaken: Something else has the name.
        """
        family, metric = family_of(instrument, prefix), instrument.metric
        with self._lock:
            if family not in self._families:
                self._claims.claim(family, metric, late)
                self._families[family] = metric, {}
            cells = self._families[family][1]
            if labels not in cells:
                cells[labels] = self._made(family)
            return cells[labels]

    def look(self) -> None:
        """
        Give up the names that the application has taken since.
        """
        with self._lock:
            for family, count in self._claims.lost():
                for cell in self._families.pop(family)[1].values():
                    cell.refuse(count)

    def _made(self, family: Family) -> OurCell:
        if family.kind == "histogram":
            return HistogramCell(self._lock, family.buckets)
        return _KINDS[family.kind](self._lock)

    # --- what prometheus_client asks for ---

    def collect(self) -> Iterator[Any]:
        """
        The families as prometheus_client has them.
        """
        self.look()
        with self._lock:
            found = [
                (family, metric, list(cells.items()))
                for family, (metric, cells) in self._families.items()
            ]
        for family, metric, cells in found:
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
