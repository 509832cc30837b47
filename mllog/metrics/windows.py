"""
What a field looks like now, counted in the bins of what it looked like before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .drift import (
    Distance,
    chi_square,
    kolmogorov_smirnov,
    mean_shift,
    null_rate,
    population_stability,
)
from .kinds import sorted_out
from .labels import OTHER, label_text
from .moments import Moments
from .references import Reference

__all__ = ["Comparison", "Window"]

# Of fewer values a distribution says nothing
_FEWEST: Final = 10


@dataclass(frozen=True)
class Comparison:
    """
    A window against its reference.

    Args:
        count: Values of the window.

        null_rate: The part of them that is missing.

        mean: Their mean; None where they are no numbers.

        distances: What was found, by statistic.

        reference: What they were compared with.
    """

    count: int
    null_rate: float
    mean: float | None
    distances: tuple[Distance, ...]
    reference: Reference


class Window:
    """
    Values counted in the bins of a reference, in constant memory.
    """

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._moments = Moments()
        self._counts: list[int] = []
        if reference.numbers is not None:
            self._counts = [0] * len(reference.numbers.counts)
        self._texts: Counter[str] = Counter()
        self._nulls = 0
        self.count = 0

    def extend(self, values: Sequence[Any]) -> None:
        """
        Take values of any kind.
        """
        found = sorted_out(values)
        self.count += len(values)
        self._nulls += found.nulls
        numbers, categories = (
            self._reference.numbers,
            self._reference.categories,
        )
        if numbers is not None:
            self._nulls += len(found.texts)
            if found.numbers:
                counts = self._counts
                for place in numbers.places(found.numbers):
                    counts[place] += 1
                self._moments.extend(found.numbers)
        elif categories is not None:
            self._nulls += len(found.numbers)
            for text, count in Counter(found.texts).items():
                self._texts[_category(text, categories)] += count
        else:  # the reference never had a value
            self._texts[OTHER] += len(found.texts) + len(found.numbers)

    def compare(self) -> Comparison:
        """
        How far the values are from the reference.
        """
        reference = self._reference
        mean = self._moments.mean if self._moments.count else None
        return Comparison(
            self.count,
            self._nulls / self.count,
            mean,
            tuple(self._distances()),
            reference,
        )

    def _distances(self) -> Iterator[Distance]:
        reference = self._reference
        values = self.count - self._nulls
        if values >= _FEWEST:
            if reference.numbers is not None:
                yield from self._of_numbers()
            elif reference.categories is not None:
                yield from self._of_categories(reference.categories)
        yield null_rate(
            self._nulls, self.count, reference.nulls, reference.count
        )

    def _of_numbers(self) -> Iterator[Distance]:
        before = self._reference.numbers
        assert before is not None  # noqa: S101 - for mypy
        yield population_stability(
            before.grouped(self._counts), before.grouped(before.counts)
        )
        yield kolmogorov_smirnov(self._counts, before.counts)
        now = self._moments
        found = mean_shift(
            now.mean,
            now.deviation,
            now.count,
            before.mean,
            before.deviation,
            sum(before.counts),
        )
        if found is not None:
            yield found

    def _of_categories(self, before: Mapping[str, int]) -> Iterator[Distance]:
        live = [self._texts[name] for name in before]
        counts = list(before.values())
        yield population_stability(live, counts)
        yield chi_square(live, counts)


def _category(text: str, categories: Mapping[str, int]) -> str:
    if text not in categories:
        text = label_text(text)
    return text if text in categories else OTHER
