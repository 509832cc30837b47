"""
One metric of one field: what it takes, and what it makes of a value.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..fields import message_of
from ..payloads import Payload
from ..values import shape_of
from .instruments import Instrument
from .metric import MESSAGE, Metric
from .reductions import numeric

__all__ = ["Row", "bounds_of", "found_in", "refusal"]

_LARGEST: Final = 1.7976931348623157e308
# 10¹⁸ of them still have a finite sum
_LARGEST_ADDED: Final = 1e290


class Row:
    """
    A metric as the meter needs it: everything looked up already.
    """

    __slots__ = (
        "field",
        "function",
        "high",
        "instrument",
        "is_automatic",
        "is_plain",
        "low",
        "metric",
        "of_message",
        "pattern",
        "unit",
    )

    def __init__(
        self,
        instrument: Instrument,
        metric: Metric,
        low: float,
        high: float,
        is_automatic: bool,
    ) -> None:
        self.instrument = instrument
        self.metric = metric
        self.low = low
        self.high = high
        self.is_automatic = is_automatic
        self.field = metric.field
        self.of_message = metric.field == MESSAGE
        self.function = metric.reduction.function
        self.unit = metric.in_unit
        self.pattern = (
            re.compile(metric.message, re.DOTALL) if metric.message else None
        )
        self.is_plain = (
            self.function is None
            and self.unit.is_base
            and self.pattern is None
            and metric.every == 1
            and not self.of_message
        )

    def wants(self, record: logging.LogRecord, value: Any) -> bool:
        """
        Whether value, message and turn are those that are measured.

        What is measured without being configured has to be a number; NaN is
        one.
        """
        if self.is_automatic and numeric(value) is None:
            return False
        if self.pattern is not None and not self.pattern.search(
            message_of(record)
        ):
            return False
        return self.metric.every == 1 or self.instrument.is_due()


def bounds_of(metric: Metric) -> tuple[float, float]:
    """
    The smallest and the largest value that the kind of *metric* takes.
    """
    if metric.kind == "gauge":
        return -_LARGEST, _LARGEST
    if metric.kind == "histogram" and metric.buckets and metric.buckets[0] < 0:
        return -_LARGEST_ADDED, _LARGEST_ADDED
    return 0.0, _LARGEST_ADDED


def refusal(value: Any, low: float, high: float) -> tuple[float, str]:
    """
    *value* as a number, and why it is none between *low* and *high*.
    """
    found = numeric(value)
    if found is None:
        return 0.0, "not_a_number"
    if not math.isfinite(found):
        return found, "not_finite"
    if found < low:
        return 0.0, "negative"
    return found, "too_large" if found > high else ""


def found_in(row: Row, value: Any) -> Iterator[tuple[Any, Any]]:
    """
    The numbers that the reduction of *row* finds in *value*, with their parts.
    """
    if row.function is not None:
        if isinstance(value, Payload):
            value = value.value
        value = row.function(value)
    for part, each in _numbers(value, row.function is not None):
        if row.unit.is_base:
            yield part, each
        else:
            number = numeric(each)
            yield part, each if number is None else row.unit.base(number)


def _numbers(value: Any, is_reduced: bool) -> Iterator[tuple[Any, Any]]:
    """
    One number, or those of a mapping or list that a reduction gave.
    """
    if is_reduced and shape_of(value):
        value = value.tolist()
    if is_reduced and isinstance(value, Mapping):
        yield from value.items()
    elif is_reduced and isinstance(value, (list, tuple)):
        for each in value:
            yield from _numbers(each, is_reduced)
    else:
        yield "", value
