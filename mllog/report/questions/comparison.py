"""
Whether B differs from A, how much, and how certain that is.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ...errors import ConfigError, require
from ...reading import predicates
from ...reading.conditions import Condition, condition
from ...reading.times import moment
from ..answers import Comparison, Difference, Verdict
from ..logs import Logs, is_error
from ..statistics import (
    Z95,
    Interval,
    brunner_munzel,
    holm,
    newcombe,
    proportions,
    two_sided,
)
from .latency import GroupQuantiles, quantiles_by_group

__all__ = ["Sides", "compare", "equal", "sides_of"]

_QUANTILES: Final = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
_ALPHA: Final = 0.05
_CONFIDENCE: Final = 0.95
# of fewer values on either side a quantile is not estimated
_FEWEST_BEYOND: Final = 10
_FEWEST: Final = 30
_POWER_Z: Final = 0.8416  # the normal quantile of a power of 0.8
_NEIGHBOURS: Final = 20_000
_BIN: Final = math.log(1.001)
_WOODRUFF: Final = (
    "Woodruff's test of quantiles: order-statistic limits, on the log scale"
)
_WELCH: Final = "Welch's test of means, on the log scale"
_BRUNNER: Final = "Brunner-Munzel test"
_SCORE: Final = (
    "score test of two proportions, Fisher's exact test of few; Newcombe's"
    " interval"
)
_RANGE: Final = ".."
_SIGNS: Final = ("==", "!=", "<", ">", " in ", " is ")
_EXPECTED_SIDE: Final = (
    "a value with its field, model_version=4; a condition; a time window,"
    " 2026-11-20..2026-11-21; or a path"
)

_Window = tuple[float | None, float | None]


class _Side(NamedTuple):
    """
    The statistics of one side.

    Args:
        label: Its name.

        logs: Its records.

        records: How many.

        errors: How many are of level ERROR and above.

        latency: Its latencies, with quantiles and their limits; None without
            any.

        variance: The variance of the latencies.

        design: How many times as large variances are because neighbours are
            alike.
    """

    label: str
    logs: Logs
    records: int
    errors: int
    latency: GroupQuantiles | None
    variance: float
    design: float
    autocorrelation: float | None


def compare(
    a: Logs,
    b: Logs,
    field: str | None,
    *,
    names: tuple[str, str] = ("A", "B"),
    smallest_effect: float = 0.05,
) -> Comparison:
    """
    Latencies and error rate of *b* against *a*.

    Compared are the percentiles 50, 95 and 99, the mean and the location of
    the latencies, and the part of records of level ERROR and above.

    Args:
        a: What B is compared with.

        b: What is judged.

        field: The latency; None compares the error rate alone.

        names: The names of A and B.

        smallest_effect: The relative difference that is of interest.

    Guarantee:
        If nothing differs, nothing is called different in 95 of 100
        comparisons (Holm).

    Limit:
        Tests assume records that do not depend on each other.  Where
        neighbours in time are alike, variances are enlarged by the
        correlation of one latency and the next; slower cycles, such as day
        and night, are not seen: compare what ran at the same time.
    """
    sides = (_side(a, field, names[0]), _side(b, field, names[1]))
    found = [*_differences(sides, field, smallest_effect)]
    tested = [each for each in found if each.p_value is not None]
    adjusted = iter(holm([each.p_value or 0.0 for each in tested]))
    judged = tuple(
        each
        if each.p_value is None
        else _judged(each, next(adjusted), smallest_effect)
        for each in found
    )
    correlations = [
        each.autocorrelation
        for each in sides
        if each.autocorrelation is not None
    ]
    return Comparison(
        names[0],
        names[1],
        sides[0].records,
        sides[1].records,
        judged,
        smallest_effect,
        f"Holm, over {len(tested)} tests",
        max(correlations, default=None),
        tuple(_notes(sides, judged)),
    )


def _judged(
    found: Difference, adjusted: float, smallest_effect: float
) -> Difference:
    low, high = _alike(found.quantity, smallest_effect)
    verdict: Verdict = "not enough data"
    if adjusted < _ALPHA:
        verdict = "different"
    elif (
        found.low is not None
        and found.high is not None
        and low <= found.low
        and found.high <= high
    ):
        verdict = "alike"
    return replace(found, p_adjusted=adjusted, verdict=verdict)


def _alike(quantity: str, smallest: float) -> tuple[float, float]:
    """
    The effects that are too small to be of interest.
    """
    if quantity == "error rate":
        return -smallest / 10, smallest / 10
    if quantity == "location":
        return 0.5 - smallest, 0.5 + smallest
    return 1 / (1 + smallest), 1 + smallest


def _notes(
    sides: tuple[_Side, _Side], found: tuple[Difference, ...]
) -> Iterator[str]:
    for side in sides:
        if side.records == 0:
            yield f"{side.label} has no records."
    worst = max(sides, key=lambda each: each.design)
    if worst.design > 1:
        yield (
            f"Neighbouring latencies of {worst.label} are alike (correlation"
            f" {worst.autocorrelation:.2f}): variances count"
            f" {worst.design:.1f} times, and slower waves are not seen."
        )
    a, b = (each.logs.reading for each in sides)
    if None not in (a.since, a.until, b.since, b.until) and (
        (a.until or 0) < (b.since or 0) or (b.until or 0) < (a.since or 0)
    ):
        yield (
            "A and B did not run at the same time: what else changed between"
            " them is not told apart."
        )
    if any(each.verdict == "not enough data" for each in found):
        yield (
            "Not enough data means that neither a difference nor its absence"
            " is shown."
        )


def _side(logs: Logs, field: str | None, label: str) -> _Side:
    table = logs.table
    (row,) = logs.rows(
        table.aggregate(n=table.count(), errors=is_error(table).sum())
    )
    side = _Side(
        label, logs, row["n"], row["errors"] or 0, None, 0.0, 1.0, None
    )
    if field is None or not row["n"]:
        return side
    value = logs.number(field)
    table = table.mutate(value=value).filter(lambda each: each.value >= 0)
    (row,) = logs.rows(
        table.aggregate(n=table.count(), variance=table.value.var())
    )
    if row["n"] < _FEWEST:
        return side
    correlation = _autocorrelation(table)
    design = _design(correlation, row["n"])
    (latency,) = quantiles_by_group(logs, table, [], _limits(row["n"], design))
    return side._replace(
        latency=latency,
        variance=row["variance"],
        design=design,
        autocorrelation=correlation,
    )


def _autocorrelation(table: Any) -> float | None:
    """
    The correlation of the logarithm of each latency and the next.
    """
    rows = (
        table.filter(table.time_us.notnull() & (table.value > 0))
        .order_by("time_us")
        .limit(_NEIGHBOURS)
        .select("value")
        .to_pyarrow()
        .to_pydict()["value"]
    )
    logs_of = [math.log(each) for each in rows]
    count = len(logs_of)
    if count < _FEWEST:
        return None
    mean = math.fsum(logs_of) / count
    away = [each - mean for each in logs_of]
    variance = math.fsum(each * each for each in away)
    if variance <= 0:
        return None
    both = math.fsum(one * other for one, other in itertools.pairwise(away))
    return both / variance


def _design(correlation: float | None, count: int) -> float:
    """
    How many times as large a variance is; 1 where that may be chance.
    """
    if correlation is None:
        return 1.0
    seen = min(count, _NEIGHBOURS)
    if correlation < 3 / math.sqrt(seen):
        return 1.0
    bounded = min(correlation, 0.99)
    return (1 + bounded) / (1 - bounded)


def _limits(count: int, design: float) -> list[float]:
    """
    For each quantile: its lower limit, itself, and its upper limit.
    """
    found = []
    for p, _ in _QUANTILES:
        spread = Z95 * math.sqrt(design * p * (1 - p) / count)
        found += [max(0.0, p - spread), p, min(1.0, p + spread)]
    return found


def _differences(
    sides: tuple[_Side, _Side], field: str | None, smallest: float
) -> Iterator[Difference]:
    if field is not None:
        for place in range(len(_QUANTILES)):
            yield _of_quantile(sides, field, place, smallest)
        yield _of_means(sides, field, smallest)
        yield _of_location(sides, field, smallest)
    yield _of_errors(sides, smallest)


def _nothing(
    quantity: str, field: str, unit: str, test: str, needed: int | None
) -> Difference:
    return Difference(
        quantity,
        field,
        unit,
        *(None,) * 5,
        _CONFIDENCE,
        test,
        None,
        None,
        "not enough data",
        needed,
    )


class _Estimate(NamedTuple):
    """
    A value of one side, the standard error of its logarithm, and its records.
    """

    value: float
    error: float
    records: int


def _ratio(
    quantity: str,
    field: str,
    test: str,
    estimates: Sequence[_Estimate],
    smallest: float,
) -> Difference:
    """
    The ratio of two estimates, tested on the log scale.
    """
    a, b = estimates
    error = math.hypot(a.error, b.error)
    effect = b.value / a.value
    if error <= 0:
        p_value = 1.0 if a.value == b.value else 0.0
    else:
        p_value = two_sided(math.log(effect) / error)
    factor = math.exp(min(700.0, Z95 * error))
    per_record = max(each.error**2 * each.records for each in estimates)
    return Difference(
        quantity,
        field,
        "seconds",
        a.value,
        b.value,
        effect,
        effect / factor,
        effect * factor,
        _CONFIDENCE,
        test,
        p_value,
        None,
        "not enough data",
        _needed(per_record, math.log1p(smallest)),
    )


def _needed(variance: float, effect: float) -> int:
    """
    Records of each side by which *effect* is found 4 times of 5.
    """
    return math.ceil(2 * variance * ((Z95 + _POWER_Z) / effect) ** 2)


def _of_quantile(
    sides: tuple[_Side, _Side], field: str, place: int, smallest: float
) -> Difference:
    p, name = _QUANTILES[place]
    estimates = []
    for side in sides:
        found = side.latency
        fewest = _FEWEST_BEYOND / min(p, 1 - p) * side.design
        if found is None or found.count < fewest:
            return _nothing(
                name, field, "seconds", _WOODRUFF, math.ceil(fewest)
            )
        low, value, high = found.quantiles[3 * place : 3 * place + 3]
        if low <= 0:
            return _nothing(name, field, "seconds", _WOODRUFF, None)
        error = math.log(high / low) / (2 * Z95)
        estimates.append(_Estimate(value, error, found.count))
    return _ratio(name, field, _WOODRUFF, estimates, smallest)


def _of_means(
    sides: tuple[_Side, _Side], field: str, smallest: float
) -> Difference:
    estimates = []
    for side in sides:
        found = side.latency
        if found is None or found.count < 2 * _FEWEST or found.mean <= 0:
            return _nothing("mean", field, "seconds", _WELCH, 2 * _FEWEST)
        variance = side.design * side.variance / found.count
        error = math.sqrt(variance) / found.mean
        estimates.append(_Estimate(found.mean, error, found.count))
    return _ratio("mean", field, _WELCH, estimates, smallest)


def _of_location(
    sides: tuple[_Side, _Side], field: str, smallest: float
) -> Difference:
    if any(side.latency is None for side in sides):
        return _nothing("location", field, "", _BRUNNER, _FEWEST)
    counts = [_binned(side.logs, field) for side in sides]
    bins = sorted(counts[0].keys() | counts[1].keys())
    design = max(side.design for side in sides)
    found = brunner_munzel(
        [counts[0].get(each, 0) for each in bins],
        [counts[1].get(each, 0) for each in bins],
        design,
    )
    spread = Z95 * found.spread
    interval = Interval(
        max(0.0, found.probability - spread),
        min(1.0, found.probability + spread),
    )
    # 1/12 is the variance of a place among others, where both are alike
    return Difference(
        "location",
        field,
        "",
        0.5,
        found.probability,
        found.probability,
        *interval,
        _CONFIDENCE,
        _BRUNNER,
        found.p_value,
        None,
        "not enough data",
        _needed(design / 12, smallest),
    )


def _binned(logs: Logs, field: str) -> dict[int, int]:
    """
    How many latencies are in each bin of a thousandth; 0 is below all.
    """
    ibis = require("ibis", "report")
    table = logs.table.mutate(value=logs.number(field))
    table = table.filter(table.value >= 0)
    place = (table.value.nullif(0).ln() / _BIN).floor().cast("int64")
    table = table.mutate(bin=ibis.coalesce(place, -(1 << 40)))
    rows = logs.rows(table.group_by("bin").aggregate(n=table.count()))
    return {row["bin"]: row["n"] for row in rows}


def _of_errors(sides: tuple[_Side, _Side], smallest: float) -> Difference:
    a, b = sides
    if min(a.records, b.records) < _FEWEST:
        return _nothing("error rate", "level", "ratio", _SCORE, _FEWEST)
    rates = a.errors / a.records, b.errors / b.records
    low, high = newcombe(a.errors, a.records, b.errors, b.records)
    pooled = (a.errors + b.errors + 1) / (a.records + b.records + 2)
    return Difference(
        "error rate",
        "level",
        "ratio",
        *rates,
        rates[1] - rates[0],
        low,
        high,
        _CONFIDENCE,
        _SCORE,
        proportions(a.errors, a.records, b.errors, b.records),
        None,
        "not enough data",
        _needed(pooled * (1 - pooled), smallest / 10),
    )


class Sides(NamedTuple):
    """
    The two sides of a comparison.

    Args:
        names: Their names.

        filters: The records of each: a condition, or since when and until
            when, where None is no end; none for paths.

        paths: Their paths, where they are paths.
    """

    names: tuple[str, str]
    filters: tuple[Condition | _Window, ...] = ()
    paths: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """
        The fields that have to be read.
        """
        paths = (
            path
            for each in self.filters
            if isinstance(each, Condition)
            for path in each.fields
        )
        return tuple(dict.fromkeys(map(".".join, paths)))

    def of(self, logs: Logs, first_path: int) -> tuple[Logs, Logs]:
        """
        The records of each side.

        Args:
            logs: All records.

            first_path: The position of the first of *paths* among the paths
                that were opened.
        """
        if self.paths:
            return logs.of_path(first_path), logs.of_path(first_path + 1)
        a, b = (
            logs.where(each)
            if isinstance(each, Condition)
            else logs.between(*each)
            for each in self.filters
        )
        return a, b


def sides_of(
    given: Sequence[str], by: Iterable[str] = (), now: float | None = None
) -> Sides:
    """
    Parse the two arguments of a comparison.

    Args:
        given: A and B: ``FIELD=VALUE``; a condition; ``SINCE..UNTIL``, either
            of which may be left out; a path or ``s3://…``; or, with *by*, a
            value of its first field.

        by: Fields that groups are by.

        now: Seconds since 1970; None is the clock.

    Raises:
        ConfigError: They are none of these, or a path and something else.
    """
    a, b = given
    if _is_path(a) and _is_path(b):
        return Sides((a, b), paths=(a, b))
    field = next(iter(by), None)
    return Sides(
        (a, b), tuple(_parsed_side(each, field, now) for each in (a, b))
    )


def _is_path(text: str) -> bool:
    return text.startswith("s3://") or os.path.exists(text)


def _parsed_side(
    text: str, field: str | None, now: float | None
) -> Condition | _Window:
    if any(sign in text for sign in _SIGNS):
        return condition(text, now)
    if _RANGE in text:
        since, _, until = text.partition(_RANGE)
        return (
            moment("compare", since, now) if since else None,
            moment("compare", until, now) if until else None,
        )
    name, equals, value = text.partition("=")
    if not equals:
        name, value = field or "", text
    name = name.strip()
    if not name:
        raise ConfigError(
            f"compare={text!r} names no field", expected=_EXPECTED_SIDE
        )
    return equal(name, value.strip(), text)


def equal(name: str, value: str, text: str) -> Condition:
    """
    The condition that a field has a value, be it a number or text.
    """
    path = (name,) if "." not in name else tuple(name.split("."))
    as_text = predicates.Comparison(path, "==", value, "text")
    number = predicates.number_of(value)
    if number is None:
        return Condition(text, as_text)
    as_number = predicates.Comparison(path, "==", number, "number")
    return Condition(text, predicates.AnyOf((as_text, as_number)))
