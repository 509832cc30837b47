"""
What a field looked like before: bins, categories, and how they are gathered.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final

from ..errors import ConfigError
from ..values import convert, shape_of
from .labels import OTHER, label_text
from .ranks import Ranks
from .reductions import numeric

__all__ = [
    "Gathered",
    "Moments",
    "Numbers",
    "Reference",
    "Sorted",
    "sorted_out",
]

_BINS: Final = 256
_GROUPS: Final = 10
# Beyond it squares are too large for a float
_LARGEST: Final = 1e150
_CANDIDATES: Final = 10
_NUMBERS: Final = frozenset({float, int})
_FEW: Final = 32
_OFTEN: Final = 10


class Sorted:
    """
    Values of a field by what they are.

    Args:
        numbers: Finite numbers.

        texts: What is compared as a category: text and bools.

        nulls: None, NaN, the infinities, and whatever is none of these.
    """

    __slots__ = ("nulls", "numbers", "texts")

    def __init__(self) -> None:
        self.numbers: list[float] = []
        self.texts: list[str] = []
        self.nulls = 0


def sorted_out(values: Sequence[Any]) -> Sorted:
    """
    *values* by what they are.
    """
    found = Sorted()
    kinds = set(map(type, values))
    if kinds <= _NUMBERS and _are_finite(values):
        found.numbers = list(values)
    elif kinds == {str}:
        found.texts = list(values)
    else:
        for value in values:
            _sort(value, found)
    return found


def _are_finite(values: Sequence[float]) -> bool:
    """
    Whether all can be counted with, which is looked at in C.
    """
    # the sum tells of a NaN, which has no place in an order
    return bool(
        values
        and min(values) >= -_LARGEST
        and max(values) <= _LARGEST
        and sum(values) <= math.inf
    )


def _sort(value: Any, found: Sorted) -> None:
    number = numeric(value)
    if number is not None and -_LARGEST <= number <= _LARGEST:
        found.numbers.append(number)
        return
    if _is_bool(value) or issubclass(type(value), str):
        found.texts.append(label_text(value))
    else:
        found.nulls += 1


def _is_bool(value: Any) -> bool:
    """
    Whether it is a bool of Python, numpy or torch.
    """
    if type(value) is bool:
        return True
    try:
        return shape_of(value) == () and type(convert(value)) is bool
    except Exception:  # an object that cannot even be looked at
        return False


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


@dataclass(frozen=True)
class Reference:
    """
    What a field looked like before.

    Args:
        count: How often it was logged.

        nulls: How often without a value.

        numbers: Its numbers, where it is a number.

        categories: Its values and how often they were, where it is none;
            rare ones are ``other``.
    """

    count: int
    nulls: int
    numbers: Numbers | None = None
    categories: Mapping[str, int] | None = None

    def plain(self) -> dict[str, Any]:
        """
        The same as plain data.
        """
        found: dict[str, Any] = {"count": self.count, "nulls": self.nulls}
        if self.numbers is not None:
            found["numbers"] = {
                "edges": list(self.numbers.edges),
                "counts": list(self.numbers.counts),
                "mean": self.numbers.mean,
                "deviation": self.numbers.deviation,
            }
        if self.categories is not None:
            found["categories"] = dict(self.categories)
        return found

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Reference:
        """
        What :meth:`plain` gave.

        Raises:
            ConfigError: It did not.
        """
        try:
            return cls._of(data)
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise ConfigError(
                f"a reference that cannot be read: {exc!r}",
                expected="what DriftHandler.save wrote",
            ) from None

    @classmethod
    def _of(cls, data: Mapping[str, Any]) -> Reference:
        numbers = categories = None
        if (given := data.get("numbers")) is not None:
            numbers = Numbers(
                tuple(map(float, given["edges"])),
                tuple(map(int, given["counts"])),
                float(given["mean"]),
                float(given["deviation"]),
            )
            rising = zip(numbers.edges, numbers.edges[1:], strict=False)
            if (
                len(numbers.counts) != len(numbers.edges) + 1
                or min(numbers.counts) < 0
                or not all(low < high for low, high in rising)
                or not all(map(math.isfinite, numbers.edges))
            ):
                raise ValueError("its bins do not fit")
        if (given := data.get("categories")) is not None:
            categories = {str(key): int(given[key]) for key in given}
            if min(categories.values()) < 0:
                raise ValueError("a category below 0")
        count, nulls = int(data["count"]), int(data["nulls"])
        if not 0 <= nulls <= count or count < 1:
            raise ValueError("its counts do not fit")
        return cls(count, nulls, numbers, categories)


class Gathered:
    """
    Values that become a reference.

    Args:
        max_categories: Categories kept apart in the end.
    """

    def __init__(self, max_categories: int) -> None:
        self._max_categories = max_categories
        self._ranks = Ranks()
        self._moments = Moments()
        self._texts: Counter[str] = Counter()
        self._rare = 0
        self._nulls = 0

    @property
    def count(self) -> int:
        """
        How many values there were.
        """
        texts = self._texts.total() + self._rare
        return self._ranks.count + texts + self._nulls

    def extend(self, values: Sequence[Any]) -> None:
        """
        Take values of any kind.
        """
        found = sorted_out(values)
        self._nulls += found.nulls
        if found.numbers:
            self._ranks.extend(found.numbers)
            self._moments.extend(found.numbers)
        for text, count in Counter(found.texts).items():
            self._count(label_text(text), count)

    def merge(self, other: Gathered) -> None:
        """
        Take all that *other* has.
        """
        self._ranks.merge(other._ranks)
        self._moments.merge(other._moments)
        self._nulls += other._nulls
        self._rare += other._rare
        for text, count in other._texts.items():
            self._count(text, count)

    def _count(self, text: str, count: int) -> None:
        most = _CANDIDATES * self._max_categories
        if text in self._texts or len(self._texts) < most:
            self._texts[text] += count
        else:
            self._rare += count

    def reference(self) -> Reference | None:
        """
        The reference; None of nothing.

        What is mostly numbers is compared as numbers, anything else by
        categories.
        """
        count = self.count
        texts = self._texts.total() + self._rare
        if not count:
            return None
        if not texts and not self._ranks.count:
            return Reference(count, self._nulls)
        if self._ranks.count >= texts:
            numbers = Numbers.of(self._ranks, self._moments)
            return Reference(count, self._nulls + texts, numbers)
        common = dict(self._texts.most_common(self._max_categories))
        rare = texts - sum(common.values())
        common[OTHER] = common.get(OTHER, 0) + rare
        nulls = self._nulls + self._ranks.count
        return Reference(count, nulls, None, common)
