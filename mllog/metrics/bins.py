"""
How numbers were spread: bins, and what falls into them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final

from .moments import Moments
from .ranks import Ranks

__all__ = ["Numbers"]

_BINS: Final = 256
_GROUPS: Final = 10
_FEW: Final = 32
_OFTEN: Final = 10


@dataclass(frozen=True)
class Numbers:
    """
    Numbers in bins of about one 256th each; what is more often has its own.

    Args:
        edges: Upper ends of the bins, ascending; one more bin is open.

        counts: How many numbers each bin has.

        mean: Their mean.

        deviation: Their standard deviation.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mean: float
    deviation: float
    groups: tuple[int, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        total = sum(self.counts)
        if total < 1:
            raise ValueError("bins without a number")
        groups, below = [], 0
        for count in self.counts:
            middle = (below + count / 2) / total
            groups.append(min(_GROUPS - 1, int(middle * _GROUPS)))
            below += count
        if self._is_discrete(total):  # what never was is a group of its own
            groups = [
                group if count else _GROUPS
                for group, count in zip(groups, self.counts, strict=True)
            ]
        object.__setattr__(self, "groups", tuple(groups))

    def _is_discrete(self, total: int) -> bool:
        """
        Whether there are few numbers, and each of them often.
        """
        different = sum(map(bool, self.counts))
        return (
            different <= _FEW
            and total >= _OFTEN * different
            and not self.resolution
        )

    @classmethod
    def of(cls, ranks: Ranks, moments: Moments) -> Numbers:
        """
        The bins of a stream.
        """
        each = ranks.count / _BINS
        weights: dict[float, int] = {}
        for value, weight in ranks.weighted():
            weights[value] = weights.get(value, 0) + weight
        edges: list[float] = []
        below = 0
        filled = 0
        for value, weight in weights.items():
            if weight >= each:  # its own bin, with nothing else in it
                before = math.nextafter(value, -math.inf)
                if not edges or edges[-1] < before:
                    edges.append(before)
            below += weight
            if weight >= each or below >= filled + each:
                edges.append(value)
                filled = below
        if edges[-1] < value:
            edges.append(value)
        counts = [0] * (len(edges) + 1)
        for value, weight in weights.items():
            counts[bisect_left(edges, value)] += weight
        return cls(
            tuple(edges), tuple(counts), moments.mean, moments.deviation
        )

    @property
    def resolution(self) -> float:
        """
        The largest part of the numbers that is in one bin with others.
        """
        whole = sum(self.counts)
        mixed = [
            count
            for low, high, count in zip(
                (-math.inf, *self.edges), self.edges, self.counts, strict=False
            )
            if math.nextafter(high, -math.inf) > low
        ]
        return max(mixed, default=0) / whole

    def places(self, values: Sequence[float]) -> Iterable[int]:
        """
        The bin of each of *values*.
        """
        return map(bisect_left, repeat(self.edges), values)

    def grouped(self, counts: Sequence[float]) -> list[float]:
        """
        *counts* of bins in ten groups of about one tenth.

        Of discrete numbers what was never there is an eleventh.
        """
        found = [0.0] * (_GROUPS + 1)
        for group, count in zip(self.groups, counts, strict=True):
            found[group] += count
        return found
