"""
The numbers of one series, by kind: taken without a lock, added up later.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from threading import RLock
from typing import Any, Final, NamedTuple

from ..metrics.instruments import Observation
from ..metrics.quantiles import Quantiles

__all__ = [
    "QUANTILES",
    "CounterCell",
    "GaugeCell",
    "HistogramCell",
    "Sample",
    "SummaryCell",
    "buckets_for",
]

#: The quantiles of a summary.
QUANTILES: Final = (0.5, 0.9, 0.95, 0.99)

# Quantiles are of the last five to ten minutes
_WINDOW_SECONDS: Final = 300.0

_NONE: Final = type(None)
_NOTHING: Final[deque[Observation]] = deque(maxlen=0)

_BUCKETS: Final = {
    "seconds": (
        *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
        *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    ),
    "ratio": (
        *(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        *(0.9, 0.95, 0.99, 1.0),
    ),
    "bytes": tuple(float(4**power) for power in range(4, 16)),
    "": tuple(float(n * 10**power) for power in range(5) for n in (1, 2, 5)),
}


class Sample(NamedTuple):
    """
    One line of a page, without name and labels.

    Args:
        suffix: What comes behind the name of the family.

        label: ``le`` or ``quantile`` and its value; ``""`` for none.

        value: The number.

        exemplar: An observation with a mark, or None.
    """

    suffix: str
    label: tuple[str, float] | None
    value: float
    exemplar: Observation | None = None


def buckets_for(unit: str) -> tuple[float, ...]:
    """
    Upper bounds for a unit that nobody gave any for.
    """
    return _BUCKETS.get(unit, _BUCKETS[""])


class _Cell:
    """
    Observations that wait, and the way to work them off.

    ``add`` is a bare ``deque.append``: it needs no lock, so that a signal
    handler, a finaliser or a fork finds none held.

    Args:
        lock: Shared by all cells of a book.
    """

    __slots__ = ("_lock", "add", "waiting")

    def __init__(self, lock: RLock) -> None:
        self._lock: Any = lock
        self.waiting: deque[Observation] = deque()
        self.add: Callable[[Observation], object] = self.waiting.append

    def refuse(self, count: Callable[[], object]) -> None:
        """
        Take no more: what waits and what comes is told to *count*, one by one.
        """
        with self._lock:
            self.add = lambda _observation: count()
            for _ in range(len(self.waiting)):
                self.waiting.popleft()
                count()

    def fold(self) -> None:
        """
        Add up what waits.
        """
        with self._lock:
            take = self.waiting.popleft
            found = [take() for _ in range(len(self.waiting))]
            if found:
                self._take(found)

    def _take(self, found: list[Observation]) -> None:
        raise NotImplementedError

    def samples(self) -> list[Sample]:
        """
        The lines of this series at this instant; none before a first value.
        """
        with self._lock:
            self.fold()
            return list(self._samples())

    def _samples(self) -> Iterator[Sample]:
        raise NotImplementedError


class CounterCell(_Cell):
    """
    A sum of what was logged, none of it below 0.
    """

    __slots__ = ("_exemplar", "_total")

    def __init__(self, lock: RLock) -> None:
        super().__init__(lock)
        self._total = 0.0
        self._exemplar: Observation | None = None

    def _take(self, found: list[Observation]) -> None:
        self._total += math.fsum(each[0] for each in found)
        for each in reversed(found):
            if each[3] is not None:
                self._exemplar = each
                break

    def _samples(self) -> Iterator[Sample]:
        yield Sample("_total", None, self._total, self._exemplar)


class GaugeCell(_Cell):
    """
    What was logged last.
    """

    __slots__ = ("_last",)

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self.waiting = _NOTHING
        self._last: deque[Observation] = deque(maxlen=1)
        self.add = self._last.append

    def _samples(self) -> Iterator[Sample]:
        for each in list(self._last):
            yield Sample("", None, float(each[0]))


class HistogramCell(_Cell):
    """
    How many values were in which bucket, and the last exemplar of each.
    """

    __slots__ = ("_bounds", "_counts", "_exemplars", "_sum")

    def __init__(
        self,
        lock: RLock,
        bounds: Sequence[float],
    ) -> None:
        super().__init__(lock)
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._exemplars: dict[int, Observation] = {}

    def _take(self, found: list[Observation]) -> None:
        values = [each[0] for each in found]
        places = list(map(bisect_left, repeat(self._bounds), values))
        counts = self._counts
        for place in places:
            counts[place] += 1
        self._sum += math.fsum(values)
        # by type: what somebody gave for an id may not like to be compared
        kinds = {type(each[3]) for each in found}
        marked: Iterable[tuple[int, Observation]]
        marked = zip(places, found, strict=True)
        if _NONE in kinds:
            if len(kinds) == 1:
                return
            marked = [each for each in marked if each[1][3] is not None]
        self._exemplars.update(marked)  # the last of each bucket stays

    def _samples(self) -> Iterator[Sample]:
        total = 0
        bounds = (*self._bounds, math.inf)
        for place, bound in enumerate(bounds):
            total += self._counts[place]
            exemplar = self._exemplars.get(place)
            yield Sample("_bucket", ("le", bound), total, exemplar)
        yield Sample("_count", None, total)
        if bounds[0] >= 0:  # a sum that may fall looks like a restart
            yield Sample("_sum", None, self._sum)


class SummaryCell(_Cell):
    """
    Count and sum since the start, and quantiles of the last minutes.
    """

    __slots__ = ("_count", "_new", "_old", "_since", "_sum")

    def __init__(self, lock: RLock) -> None:
        super().__init__(lock)
        self._count = 0
        self._sum = 0.0
        self._new, self._old = Quantiles(), Quantiles()
        self._since = time.monotonic()

    def _take(self, found: list[Observation]) -> None:
        values = [each[0] for each in found]
        self._count += len(values)
        self._sum += math.fsum(values)
        self._turn()
        for value in values:
            self._new.add(value)
        self._new.fold()

    def _turn(self) -> None:
        """
        Forget what is too old.
        """
        now = time.monotonic()
        age = now - self._since
        if age >= _WINDOW_SECONDS:
            is_old = age >= 2 * _WINDOW_SECONDS
            self._old = Quantiles() if is_old else self._new
            self._new = Quantiles()
            self._since = now

    def _samples(self) -> Iterator[Sample]:
        self._turn()
        both = Quantiles()
        both.merge(self._old)
        both.merge(self._new)
        for part, value in zip(
            QUANTILES, both.quantiles(QUANTILES), strict=True
        ):
            yield Sample("", ("quantile", part), value)  # NaN: none of late
        yield Sample("_count", None, self._count)
        yield Sample("_sum", None, self._sum)
