"""
Values of a field by what they are: numbers, categories, or none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from ..values import convert, shape_of
from .labels import label_text
from .reductions import numeric

__all__ = ["Sorted", "sorted_out"]

# Beyond it squares are too large for a float
_LARGEST: Final = 1e150
_NUMBERS: Final = frozenset({float, int})


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
