"""
Curves: a metric's numbers as points, one after the other.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from itertools import count
from typing import Any, Final

from ..forking import fork_safe_lock
from ..metrics.instruments import Observation
from ..metrics.labels import label_text
from ..metrics.metric import Metric
from ..metrics.units import without_unit
from ..values import number
from .events import Point
from .files import EventFile

__all__ = [
    "Curve",
    "Now",
    "Refusing",
    "Steps",
    "Total",
    "tag_of",
]

_PLAIN: Final = frozenset({"identity", "each", "count"})
_LARGEST_STEP: Final = 2**63 - 1
# of 32 bits; readers skip points of 64
_LARGEST: Final = 3.4028234663852886e38


def tag_of(metric: Metric) -> str:
    """
    What a metric is called: as it is logged, with its reduction and unit.

    ``train/loss`` stays as it is; ``queue_ms``, which is converted, is
    ``queue_seconds``.
    """
    if metric.name is not None:
        return label_text(metric.name) or "_"
    name, unit = metric.field, metric.in_unit
    if not unit.is_base:
        name = without_unit(name)
    if metric.reduction.name not in _PLAIN:
        name = f"{name}_{metric.reduction.name}"
    if not unit.is_base:
        name = f"{name}_{unit.name}"
    return label_text(name) or "_"


class Now(threading.local):
    """
    The points of the record that this thread is working on.
    """

    points: list[Point]

    def __init__(self) -> None:
        self.points = []


class Steps:
    """
    The steps of one tag: as records have them, else counted.

    A record without a step comes one after the last; so does one whose step
    is no whole number of 64 bits.
    """

    def __init__(self) -> None:
        self._next = count()

    def at(self, given: Any) -> int:
        """
        The step of a record that has *given* one, or None.
        """
        step = given if type(given) is int else _whole(given)
        if step is None or not -_LARGEST_STEP <= step < _LARGEST_STEP:
            return next(self._next)
        self._next = count(step + 1)
        return step


def _whole(value: Any) -> int | None:
    found = number(value)
    if found is None or not found.is_integer():
        return None
    return int(found)


class Curve:
    """
    Where the numbers of a tag in a run go to: a cell of the meter.

    Nothing waits in it: a number is a point of the record that has it.  One
    that 32 bits would make infinite is refused (``too_large``).
    """

    waiting = ()

    def __init__(
        self,
        now: Now,
        file: EventFile,
        tag: str,
        refuse: Callable[[str], None],
    ) -> None:
        self._now = now
        self._refuse = refuse
        self._file = file
        self._tag = tag
        self._steps = Steps()

    def add(self, observation: Observation) -> None:
        """
        A point for this record.
        """
        self._at(observation[0], observation[3])

    def _at(self, value: float, mark: Any) -> None:
        if not -_LARGEST <= value <= _LARGEST and math.isfinite(value):
            self._refuse("too_large")
            return
        self._now.points.append(
            (self._file, self._steps.at(mark), self._tag, value)
        )

    def fold(self) -> None:
        """
        Nothing waits.
        """


class Total(Curve):
    """
    A counter: the curve is the sum so far, which nothing can spoil.
    """

    def __init__(
        self,
        now: Now,
        file: EventFile,
        tag: str,
        refuse: Callable[[str], None],
    ) -> None:
        super().__init__(now, file, tag, refuse)
        self._lock = fork_safe_lock()
        self._total = 0.0

    def add(self, observation: Observation) -> None:
        """
        A point that is higher by what the record has.
        """
        if not math.isfinite(observation[0]):
            self._refuse("not_finite")
            return
        with self._lock:
            self._total += observation[0]
            self._at(self._total, observation[3])


class Refusing:
    """
    The cell of a metric whose tag another one has.
    """

    waiting = ()

    def __init__(self, refuse: Callable[[str], None]) -> None:
        self._refuse = refuse

    def add(self, _observation: Observation) -> None:
        """
        Count it.
        """
        self._refuse("name_clash")

    def fold(self) -> None:
        """
        Nothing waits.
        """
