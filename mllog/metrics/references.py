"""
What a field looked like before, and how that is gathered.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ConfigError
from .bins import Numbers
from .kinds import sorted_out
from .labels import OTHER, label_text
from .moments import Moments
from .ranks import Ranks

__all__ = ["Gathered", "Reference"]

_CANDIDATES: Final = 10


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
        except Exception as exc:  # numbers that are none, or too large
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
