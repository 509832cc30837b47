"""
What to ask of records with the same fields, compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, Final

from .instruments import Cell
from .metric import RECORD_LABELS
from .rows import Row

__all__ = ["METRICS", "Entry", "Plan", "items_of"]

#: The field that holds a mapping of further numbers.
METRICS: Final = "metrics"


def items_of(
    metrics: Any, fault: Callable[[Exception], object]
) -> list[tuple[Any, Any]]:
    """
    Names and values in the field ``metrics``; none if it is no mapping.

    Args:
        metrics: What the field holds.

        fault: Told of a mapping that raises; what came before counts.
    """
    if type(metrics) is dict:
        return list(metrics.items())
    found: list[tuple[Any, Any]] = []
    try:
        if issubclass(type(metrics), Mapping):
            # one of somebody's own may never come to an end
            for name, value in islice(metrics.items(), len(metrics)):
                found.append((name, value))
    except Exception as exc:
        fault(exc)
    return found


class Entry:
    """
    What one layout with one set of label values measures, and where to.
    """

    __slots__ = ("named", "plain", "special", "texts", "types")

    def __init__(
        self,
        texts: Mapping[str, str],
        plain: tuple[tuple[str, float, float, Cell], ...],
        special: tuple[tuple[Row, Cell | None], ...],
    ) -> None:
        self.texts = texts
        self.plain = plain
        self.special = special
        # by the name that a number has in ``metrics``
        self.named: dict[Any, tuple[tuple[Row, Cell | None], ...]] = {}
        # set where 1 and True would otherwise be taken for the same label
        self.types: tuple[type, ...] | None = None


class Plan:
    """
    What records with one set of fields have to be asked for.
    """

    __slots__ = (
        "entries",
        "getter",
        "has_metrics",
        "labels",
        "logger",
        "mark",
        "measures",
        "names",
        "rows",
    )

    def __init__(
        self, names: Sequence[Any], logger: str, rows: Sequence[Row]
    ) -> None:
        self.names = frozenset(names)
        self.logger = logger
        self.rows = tuple(rows)
        self.has_metrics = METRICS in self.names
        self.measures = bool(rows) or self.has_metrics
        self.entries: dict[Any, Entry] = {}
        self.mark = ""
        self.labels: tuple[str, ...] = ()
        self.getter: Callable[[Mapping[str, Any]], Any] = _nothing

    def ask_for(self, labels: Sequence[str]) -> None:
        """
        Have *getter* give what a record has under *labels*.
        """
        self.labels = tuple(
            name
            for name in dict.fromkeys(labels)
            if name in RECORD_LABELS or name in self.names
        )
        keys = [RECORD_LABELS.get(name, name) for name in self.labels]
        if keys:
            self.getter = itemgetter(*keys)

    def values(self, own: Mapping[str, Any]) -> tuple[Any, ...]:
        """
        The label values of a record, in the order of *labels*.
        """
        found = self.getter(own)
        return found if len(self.labels) != 1 else (found,)


def _nothing(_own: Mapping[str, Any]) -> tuple[()]:
    return ()
