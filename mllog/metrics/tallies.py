"""
The numbers of one series in one interval, by kind.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from ..forking import fork_safe_lock
from .instruments import Instrument, Observation
from .quantiles import Quantiles

__all__ = ["CounterTally", "GaugeTally", "SpreadTally", "Tally", "tally_of"]


class Tally:
    """
    Observations since the last time that somebody asked.

    ``add`` is a bare ``deque.append``, which needs no lock.
    """

    __slots__ = ("_lock", "add", "waiting")

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self.waiting: deque[Observation] = deque()
        self.add = self.waiting.append
        self._clear()

    def fold(self) -> None:
        """
        Add up what waits.
        """
        with self._lock:
            take = self.waiting.popleft
            found = [take()[0] for _ in range(len(self.waiting))]
            if found:
                self._take(found)

    def turn(self, seconds: float) -> dict[str, Any] | None:
        """
        What an interval of *seconds* came to, and begin the next one.

        None if nothing was observed.
        """
        with self._lock:
            self.fold()
            found = self._found(seconds)
            if found is not None:
                self._clear()
            return found

    def _clear(self) -> None:
        raise NotImplementedError

    def _take(self, values: list[float]) -> None:
        raise NotImplementedError

    def _found(self, seconds: float) -> dict[str, Any] | None:
        raise NotImplementedError


class CounterTally(Tally):
    """
    How much was counted.
    """

    __slots__ = ("_count", "_sum")

    def _clear(self) -> None:
        self._count, self._sum = 0, 0.0

    def _take(self, values: list[float]) -> None:
        self._count += len(values)
        self._sum += math.fsum(values)

    def _found(self, seconds: float) -> dict[str, Any] | None:
        if not self._count:
            return None
        return {
            "count": self._count,
            "sum": self._sum,
            **_rate(self._sum, seconds),
        }


class GaugeTally(Tally):
    """
    Where a number went: the last one, the extremes and the mean.
    """

    __slots__ = ("_count", "_last", "_max", "_mean", "_min")

    def _clear(self) -> None:
        self._count = 0
        self._mean = self._last = 0.0
        self._min, self._max = math.inf, -math.inf

    def _take(self, values: list[float]) -> None:
        before, self._count = self._count, self._count + len(values)
        # a mean of parts, whose sum may be larger than any float
        self._mean = math.fsum(
            (
                self._mean * (before / self._count),
                *(value / self._count for value in values),
            )
        )
        self._last = values[-1]
        self._min = min(self._min, *values)
        self._max = max(self._max, *values)

    def _found(self, _seconds: float) -> dict[str, Any] | None:
        if not self._count:
            return None
        return {
            "count": self._count,
            "last": float(self._last),
            "mean": _short(self._mean),
            "min": float(self._min),
            "max": float(self._max),
        }


class SpreadTally(Tally):
    """
    Percentiles within 1 %, of numbers on both sides of zero.
    """

    __slots__ = ("_above", "_below")

    def _clear(self) -> None:
        self._above, self._below = Quantiles(), Quantiles()

    def _take(self, values: list[float]) -> None:
        above, below = self._above, self._below
        if min(values) < 0:
            for value in values:
                if value < 0:
                    below.add(-value)
            if below.is_pending:
                below.fold()
            values = [value for value in values if value >= 0]
        deque(map(above.add, values), 0)
        if above.is_pending:
            above.fold()

    def _found(self, seconds: float) -> dict[str, Any] | None:
        above, below = self._above.summary(), self._below.summary()
        count = above.count + below.count
        if not count:
            return None
        total = above.sum - below.sum
        return {
            "count": count,
            **_rate(count, seconds),
            "sum": total,
            "mean": _short(total / count),
            "min": float(-below.max if below.count else above.min),
            **{
                f"p{percent}": _short(
                    self._at(percent / 100, below.count, count)
                )
                for percent in (50, 90, 95, 99)
            },
            "max": float(above.max if above.count else -below.min),
        }

    def _at(self, part: float, below: int, count: int) -> float:
        """
        The value that *part* of all do not exceed.
        """
        if not below:
            return self._above.quantile(part)
        # half a rank on, so that rounding cannot lead to the one before
        rank = math.floor(part * (count - 1))
        if rank < below:  # counted from the other side
            left = below - 1 - rank + 0.5
            return -self._below.quantile(left / max(1, below - 1))
        rank -= below
        return self._above.quantile((rank + 0.5) / max(1, count - below - 1))


def _rate(amount: float, seconds: float) -> dict[str, float]:
    """
    So much per second; nothing where no time has passed.
    """
    return {"rate": _short(amount / seconds)} if seconds > 0 else {}


def _short(value: float) -> float:
    """
    *value* without digits that mean nothing.
    """
    return float(f"{value:.6g}")


def tally_of(instrument: Instrument, _labels: tuple[str, ...]) -> Tally:
    """
    What the kind of a metric asks for.
    """
    kind = instrument.metric.kind
    if kind == "counter":
        return CounterTally()
    return GaugeTally() if kind == "gauge" else SpreadTally()
