"""
What is measured, and the series that its numbers go to.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from itertools import count
from typing import Any, Protocol

from .metric import Metric

__all__ = ["Cell", "Instrument", "Observation"]

#: A value, the time of its record, and the mark: the name of a field and what
#: the record has there (a trace id, or a step), or ``""`` and None.
Observation = tuple[float, float, str, Any]


class Cell(Protocol):
    """
    Where a sink keeps the numbers of one series.
    """

    @property
    def add(self) -> Callable[[Observation], object]:
        """
        Takes one observation, from any thread; usually ``deque.append``.
        """

    @property
    def waiting(self) -> Sized:
        """
        Observations that :meth:`fold` has still to be called for.
        """

    def fold(self) -> None:
        """
        Work off what waits.
        """


class Instrument:
    """
    A metric of one field, and its series.

    Args:
        metric: What is measured; its field is no regular expression.

        labels: Names of the labels, that of parts last.
    """

    def __init__(self, metric: Metric, labels: tuple[str, ...]) -> None:
        self.metric = metric
        part = metric.reduction.part
        self.has_part = bool(part)
        self.labels = (*labels, part) if part else labels
        #: Cells by label values.
        self.series: dict[tuple[str, ...], Cell] = {}
        #: Records that found their label set beyond *max_series*.
        self.overflowed = 0
        self._turns = count()

    def is_due(self) -> bool:
        """
        Whether this value is one of those that *every* leaves.
        """
        return next(self._turns) % int(self.metric.every) == 0
