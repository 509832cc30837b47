"""
Percentiles of a stream in constant memory.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from operator import mul

__all__ = ["Quantiles", "QuantileSummary"]

# Buckets grow by the factor γ = (1 + α) / (1 - α), so that any value is within
# α of the middle of its bucket (Masson, Rim, Lee: DDSketch, VLDB 2019).
_ALPHA = 0.0099
_GAMMA = (1 + _ALPHA) / (1 - _ALPHA)
_PER_LOG = 1 / math.log(_GAMMA)
_SMALLEST = 1e-12
_LARGEST = 1e12
_PENDING = 256


@dataclass(frozen=True)
class QuantileSummary:
    """
    What a stream of numbers looked like, in the unit of the numbers.

    ``mean`` and the percentiles are NaN where ``count`` is 0.
    """

    count: int
    sum: float
    mean: float
    min: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


class Quantiles:
    """
    Count, sum, extremes and percentiles of numbers that are not negative.

    Guarantee:
        A percentile is within 1 % of the exact one, for values from 10⁻¹² to
        10¹², at 2 800 buckets at most.  Two objects merge without further
        error.  ``add`` may be called by many threads.

    ::

        latencies = Quantiles()
        latencies.add(0.0123)
        latencies.quantile(0.99)
    """

    __slots__ = (
        "_buckets",
        "_lock",
        "_max",
        "_min",
        "_pending",
        "_sum",
        "add",
    )

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._buckets: Counter[int] = Counter()
        self._sum = 0.0
        self._min = math.inf
        self._max = -math.inf
        self._lock = threading.Lock()
        self._pending: deque[float] = deque(values)
        #: Take one value; only finite ones, 0 or more.
        self.add = self._pending.append

    @property
    def is_pending(self) -> bool:
        """
        Whether so many values wait that :meth:`fold` is due.
        """
        return len(self._pending) >= _PENDING

    def fold(self) -> None:
        """
        Sort the values that wait into their buckets.
        """
        with self._lock:
            take = self._pending.popleft
            values = [take() for _ in range(len(self._pending))]
            if not values:
                return
            self._sum += math.fsum(values)
            self._min = min(self._min, min(values))
            self._max = max(self._max, max(values))
            clipped = [
                _SMALLEST if v < _SMALLEST else _LARGEST if v > _LARGEST else v
                for v in values
            ]
            logs = map(mul, map(math.log, clipped), repeat(_PER_LOG))
            self._buckets.update(map(math.ceil, logs))

    def merge(self, other: Quantiles) -> None:
        """
        Take all that *other* has seen.
        """
        other.fold()
        self.fold()
        with self._lock:
            self._buckets.update(other._buckets)
            self._sum += other._sum
            self._min = min(self._min, other._min)
            self._max = max(self._max, other._max)

    @property
    def count(self) -> int:
        """
        How many values there were.
        """
        self.fold()
        return sum(self._buckets.values())

    def quantile(self, q: float) -> float:
        """
        The value that a part *q* (0 to 1) of all values does not exceed.
        """
        return self.quantiles((q,))[0]

    def quantiles(self, parts: Iterable[float]) -> list[float]:
        """
        Several quantiles in one pass; NaN each where there were no values.
        """
        self.fold()
        with self._lock:
            buckets = sorted(self._buckets.items())
            low, high = self._min, self._max
        total = sum(count for _, count in buckets)
        return [_at(buckets, total, q, low, high) for q in parts]

    def summary(self) -> QuantileSummary:
        """
        Everything at once.
        """
        p50, p90, p95, p99 = self.quantiles((0.5, 0.9, 0.95, 0.99))
        count = self.count
        return QuantileSummary(
            count=count,
            sum=self._sum,
            mean=self._sum / count if count else math.nan,
            min=self._min if count else math.nan,
            p50=p50,
            p90=p90,
            p95=p95,
            p99=p99,
            max=self._max if count else math.nan,
        )


def _at(
    buckets: list[tuple[int, int]],
    total: int,
    q: float,
    low: float,
    high: float,
) -> float:
    """
    The quantile *q*, never outside the extremes that were seen.
    """
    if not total:
        return math.nan
    rank = q * (total - 1)
    seen = 0
    for index, count in buckets:
        seen += count
        if seen > rank:
            middle = 2 * _GAMMA**index / (_GAMMA + 1)
            return min(max(middle, low), high)
    return high
