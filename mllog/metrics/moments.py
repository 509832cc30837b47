"""
Mean and spread of a stream of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["Moments"]


class Moments:
    """
    Mean and standard deviation of numbers, added up without cancelling.
    """

    __slots__ = ("_squares", "count", "mean")

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0

    def extend(self, values: Sequence[float]) -> None:
        """
        Take finite numbers, one at least.
        """
        count = len(values)
        mean = math.fsum(values) / count
        self.add(
            count, mean, math.fsum([(x - mean) * (x - mean) for x in values])
        )

    def merge(self, other: Moments) -> None:
        """
        Take all that *other* has seen.
        """
        if other.count:
            self.add(other.count, other.mean, other._squares)

    def add(self, count: int, mean: float, squares: float) -> None:
        """
        Take so many numbers of that mean, and of that sum of squares about it.
        """
        whole = self.count + count
        away = mean - self.mean
        self._squares += squares + away * away * self.count * count / whole
        self.mean += away * (count / whole)
        self.count = whole

    @property
    def deviation(self) -> float:
        """
        The standard deviation; 0 of fewer than two numbers.
        """
        if self.count < 2:
            return 0.0
        return math.sqrt(self._squares / (self.count - 1))
