"""
Whether B differs from A, how much, and how sure that is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ..errors import require
from .answers import Comparison, Difference, Verdict
from .inferring import (
    Z95,
    Interval,
    brunner_munzel,
    holm,
    newcombe,
    proportions,
    two_sided,
)
from .logs import Logs
from .percentiles import Spread, spreads
from .translating import errors

__all__ = ["compare"]

_QUANTILES: Final = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
_ALPHA: Final = 0.05
_CONFIDENCE: Final = 0.95
# fewer values on either side of a quantile say nothing of it
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


class _Side(NamedTuple):
    """
    What one side has.

    Args:
        label: What it is.

        logs: Its records.

        records: How many.

        errors: How many are of level ERROR and above.

        latency: How its latencies are spread, with the limits of quantiles;
            None without any.

        variance: The variance of the latencies.

        design: How many times as large variances are because neighbours are
            alike.
    """

    label: str
    logs: Logs
    records: int
    errors: int
    latency: Spread | None
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

        names: What A and B are called.

        smallest_effect: The relative difference that is of interest.

    Guarantee:
        If nothing differs, nothing at all is called different in 95 of 100
        comparisons (Holm).

    Limit:
        Tests assume records that do not depend on each other.  Where
        neighbours in time are alike, variances are made larger by what the
        correlation of one latency and the next says; slower waves, such as
        day and night, are not seen: compare what ran at the same time.
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


# --- what a side has ---


def _side(logs: Logs, field: str | None, label: str) -> _Side:
    table = logs.table
    (row,) = logs.rows(
        table.aggregate(n=table.count(), errors=errors(table).sum())
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
    (latency,) = spreads(logs, table, [], _limits(row["n"], design))
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


# --- differences ---


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


def _ratio(
    quantity: str,
    field: str,
    test: str,
    values: tuple[float, float],
    spreads_of: tuple[float, float],
    sizes: tuple[int, int],
    smallest: float,
) -> Difference:
    """
    A ratio, from the standard errors of two logarithms.
    """
    a, b = values
    spread = math.hypot(*spreads_of)
    effect = b / a
    if spread <= 0:
        p_value = 1.0 if a == b else 0.0
    else:
        p_value = two_sided(math.log(effect) / spread)
    factor = math.exp(min(700.0, Z95 * spread))
    per_record = max(
        each * each * size
        for each, size in zip(spreads_of, sizes, strict=True)
    )
    return Difference(
        quantity,
        field,
        "seconds",
        a,
        b,
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
    values, spreads_of, sizes = [], [], []
    for side in sides:
        found = side.latency
        least = _FEWEST_BEYOND / min(p, 1 - p) * side.design
        if found is None or found.count < least:
            needed = math.ceil(_FEWEST_BEYOND / min(p, 1 - p) * side.design)
            return _nothing(name, field, "seconds", _WOODRUFF, needed)
        low, value, high = found.quantiles[3 * place : 3 * place + 3]
        if low <= 0:
            return _nothing(name, field, "seconds", _WOODRUFF, None)
        values.append(value)
        sizes.append(found.count)
        spreads_of.append(math.log(high / low) / (2 * Z95))
    return _ratio(
        name,
        field,
        _WOODRUFF,
        (values[0], values[1]),
        (spreads_of[0], spreads_of[1]),
        (sizes[0], sizes[1]),
        smallest,
    )


def _of_means(
    sides: tuple[_Side, _Side], field: str, smallest: float
) -> Difference:
    values, spreads_of, sizes = [], [], []
    for side in sides:
        found = side.latency
        if found is None or found.count < 2 * _FEWEST or found.mean <= 0:
            return _nothing("mean", field, "seconds", _WELCH, 2 * _FEWEST)
        values.append(found.mean)
        sizes.append(found.count)
        variance = side.design * side.variance / found.count
        spreads_of.append(math.sqrt(variance) / found.mean)
    return _ratio(
        "mean",
        field,
        _WELCH,
        (values[0], values[1]),
        (spreads_of[0], spreads_of[1]),
        (sizes[0], sizes[1]),
        smallest,
    )


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
