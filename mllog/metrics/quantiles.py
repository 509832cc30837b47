"""
Percentiles of a stream in constant memory.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from operator import mul

from ..forking import fork_safe_lock

__all__ = ["QuantileSummary", "Quantiles"]

# Buckets grow by the factor γ = (1 + α) / (1 - α), so that any value is within
# α of the middle of its bucket (Masson, Rim, Lee: DDSketch, VLDB 2019).
_ALPHA = 0.0099
_GAMMA = (1 + _ALPHA) / (1 - _ALPHA)
_PER_LOG = 1 / math.log(_GAMMA)
_SMALLEST = 1e-12
_LARGEST = 1e12
# Where zero is sorted, and what is as good as zero: a bucket of its own.
_TINY = _SMALLEST / _GAMMA**2
_TINY_INDEX = math.ceil(math.log(_TINY) * _PER_LOG)
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
        self._lock = fork_safe_lock()
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
            self._sum += _sum(values)
            self._min = min(self._min, min(values))
            self._max = max(self._max, max(values))
            if min(values) < _SMALLEST or max(values) > _LARGEST:
                values = [
                    _TINY if v < _SMALLEST else min(v, _LARGEST)
                    for v in values
                ]
            # one pass each, in C: a good part of the cost of a row is here
            logs = map(mul, map(math.log, values), repeat(_PER_LOG))
            self._buckets.update(map(math.ceil, logs))

    def merge(self, other: Quantiles) -> None:
        """
        Take all that *other* has seen.
        """
        buckets, total, low, high = other._state()
        self.fold()
        with self._lock:
            self._buckets.update(buckets)
            self._sum += total
            self._min = min(self._min, low)
            self._max = max(self._max, high)

    def _state(self) -> tuple[dict[int, int], float, float, float]:
        """
        Buckets, sum and extremes of one instant.
        """
        self.fold()
        with self._lock:
            return dict(self._buckets), self._sum, self._min, self._max

    @property
    def count(self) -> int:
        """
        How many values there were.
        """
        return sum(self._state()[0].values())

    def quantile(self, q: float) -> float:
        """
        The value that a part *q* (0 to 1) of all values does not exceed.
        """
        return self.quantiles((q,))[0]

    def quantiles(self, parts: Iterable[float]) -> list[float]:
        """
        Several quantiles in one pass; NaN each where there were no values.
        """
        buckets, _, low, high = self._state()
        return _quantiles(buckets, parts, low, high)

    def summary(self) -> QuantileSummary:
        """
        Everything at once, of one instant.
        """
        buckets, total, low, high = self._state()
        count = sum(buckets.values())
        p50, p90, p95, p99 = _quantiles(
            buckets, (0.5, 0.9, 0.95, 0.99), low, high
        )
        return QuantileSummary(
            count=count,
            sum=total,
            mean=total / count if count else math.nan,
            min=low if count else math.nan,
            p50=p50,
            p90=p90,
            p95=p95,
            p99=p99,
            max=high if count else math.nan,
        )


def _sum(values: list[float]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:
        return sum(values)


def _quantiles(
    buckets: dict[int, int], parts: Iterable[float], low: float, high: float
) -> list[float]:
    ordered = sorted(buckets.items())
    total = sum(buckets.values())
    return [_at(ordered, total, q, low, high) for q in parts]


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
    if rank >= total - 1:
        return high
    seen = 0
    for index, count in buckets:
        seen += count
        if seen > rank:
            if index <= _TINY_INDEX:
                return low
            middle = 2 * _GAMMA**index / (_GAMMA + 1)
            return min(max(middle, low), high)
    return high
