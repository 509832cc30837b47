"""
Latencies: percentiles by group and over time, distribution, slowest requests.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..answers import (
    Bar,
    Distribution,
    Group,
    Latency,
    LatencyPoint,
    SlowRequest,
)
from ..load.schema import Path
from ..logs import (
    Logs,
    bucket_numbers,
    bucket_width,
    group_columns,
    group_values,
    row_fields,
)

__all__ = [
    "EXACT_UP_TO",
    "GroupQuantiles",
    "distribution",
    "latency",
    "latency_over_time",
    "quantiles_by_group",
    "slowest",
]

#: Of more records percentiles are counted in bins of 1 %.
EXACT_UP_TO: Final = 20_000_000
_GROWTH: Final = 1.01
_LOG: Final = math.log(_GROWTH)
_ERROR: Final = math.sqrt(_GROWTH) - 1
_MOST_GROUPS: Final = 50


@dataclass(frozen=True)
class GroupQuantiles:
    """
    Numbers of a group.

    Args:
        keys: What they are grouped by.

        count: How many.

        mean: Their mean.

        low: The least.

        high: The most.

        quantiles: The requested ones.

        relative_error: As in Latency.
    """

    keys: tuple[Any, ...]
    count: int
    mean: float
    low: float
    high: float
    quantiles: tuple[float, ...]
    relative_error: float


def quantiles_by_group(
    logs: Logs,
    table: Any,
    keys: Sequence[str],
    probabilities: Sequence[float],
    *,
    exact_up_to: int = EXACT_UP_TO,
) -> list[GroupQuantiles]:
    """
    How the column ``value`` of *table*, 0 or more, is spread in each group.

    Args:
        logs: Whose table it is.

        table: Has ``value`` and *keys*.

        keys: Columns to group by.

        probabilities: Ascending, 0 to 1.

        exact_up_to: Records up to which quantiles are exact, by linear
            interpolation between neighbours.
    """
    if logs.reading.chosen > exact_up_to:
        return _approximate(logs, table, keys, probabilities)
    columns = {
        "n": table.count(),
        "mean": table.value.mean(),
        "low": table.value.min(),
        "high": table.value.max(),
        "quantiles": table.value.quantile(list(probabilities)),
    }
    query = table.group_by(list(keys)) if keys else table
    return [
        GroupQuantiles(
            tuple(row[key] for key in keys),
            row["n"],
            row["mean"],
            row["low"],
            row["high"],
            tuple(row["quantiles"]),
            0.0,
        )
        for row in logs.rows(query.aggregate(**columns))
        if row["n"]
    ]


def _approximate(
    logs: Logs, table: Any, keys: Sequence[str], probabilities: Sequence[float]
) -> list[GroupQuantiles]:
    """
    The same from counts in bins, each 1 % wider than the one before.
    """
    binned = table.mutate(
        bin=(table.value.nullif(0).ln() / _LOG).floor().cast("int64")
    )
    rows = logs.rows(
        binned.group_by([*keys, "bin"]).aggregate(
            n=binned.count(),
            total=binned.value.sum(),
            low=binned.value.min(),
            high=binned.value.max(),
        )
    )
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return [
        _from_bins(key, bins, probabilities) for key, bins in groups.items()
    ]


def _from_bins(
    key: tuple[Any, ...],
    bins: list[dict[str, Any]],
    probabilities: Sequence[float],
) -> GroupQuantiles:
    bins.sort(key=lambda row: -math.inf if row["bin"] is None else row["bin"])
    count = sum(row["n"] for row in bins)
    low, high = bins[0]["low"], bins[-1]["high"]
    found = []
    below, place = bins[0]["n"], 0
    for probability in probabilities:
        while below < probability * (count - 1) + 1 and place + 1 < len(bins):
            place += 1
            below += bins[place]["n"]
        number = bins[place]["bin"]
        value = 0.0 if number is None else _GROWTH ** (number + 0.5)
        found.append(min(max(value, low), high))
    mean = sum(row["total"] for row in bins) / count
    return GroupQuantiles(key, count, mean, low, high, tuple(found), _ERROR)


def latency_values(logs: Logs, field: str, by: Sequence[str] = ()) -> Any:
    """
    The latencies as the column ``value``, with the columns of groups.
    """
    value = logs.number(field)
    table = logs.table.mutate(value=value, **group_columns(logs, by))
    return table.filter(table.value >= 0)


def latency(
    logs: Logs, field: str, by: Sequence[str] = (), *, most: int = _MOST_GROUPS
) -> tuple[Latency, ...]:
    """
    Percentiles of each group, the largest group first.

    Args:
        logs: The logs.

        field: The latency.

        by: Fields to group by.

        most: So many groups at most.
    """
    keys = [f"g{n}" for n in range(len(by))]
    table = latency_values(logs, field, by)
    found = quantiles_by_group(logs, table, keys, (0.5, 0.9, 0.95, 0.99))
    found.sort(key=lambda each: (-each.count, str(each.keys)))
    refused = _refused(logs, field, by)
    return tuple(
        Latency(
            field,
            each.keys,
            each.count,
            refused.get(each.keys, 0),
            each.mean,
            each.low,
            each.quantiles[0],
            each.quantiles[1],
            each.quantiles[2],
            each.quantiles[3],
            each.high,
            each.relative_error,
        )
        for each in found[:most]
    )


def _refused(logs: Logs, field: str, by: Sequence[str]) -> dict[Group, int]:
    """
    How many values of each group are no latency.
    """
    column = logs.schema.column(logs.path(field))
    if column is None or not column.is_number:
        return {}
    table = logs.table.mutate(**group_columns(logs, by))
    is_bad = table[column.text].notnull() | (table[column.number] < 0)
    bad = table.filter(is_bad)
    keys = [f"g{n}" for n in range(len(by))]
    query = bad.group_by(keys) if keys else bad
    rows = logs.rows(query.aggregate(n=bad.count()))
    return {group_values(row, by): row["n"] for row in rows}


def latency_over_time(
    logs: Logs,
    field: str,
    by: Sequence[str] = (),
    *,
    bucket_seconds: float | None = None,
) -> tuple[LatencyPoint, ...]:
    """
    Percentiles of each group in each interval.

    Args:
        logs: The logs.

        field: The latency.

        by: Fields to group by.

        bucket_seconds: Width of an interval; None is one that suits the time.
    """
    width = bucket_seconds or bucket_width(logs)
    table = latency_values(logs, field, by)
    table = table.mutate(bucket=bucket_numbers(table, width))
    table = table.filter(table.bucket.notnull())
    keys = ["bucket", *(f"g{n}" for n in range(len(by)))]
    found = quantiles_by_group(logs, table, keys, (0.5, 0.95, 0.99))
    found.sort(key=lambda each: (each.keys[0], str(each.keys[1:])))
    return tuple(
        LatencyPoint(
            each.keys[0] * width,
            each.keys[1:],
            each.count,
            each.quantiles[0],
            each.quantiles[1],
            each.quantiles[2],
            each.relative_error,
        )
        for each in found
    )


def distribution(
    logs: Logs, field: str, by: Sequence[str] = (), *, bars: int = 60
) -> tuple[Distribution, ...]:
    """
    How often each latency is, in bars of one width on a log scale.

    Args:
        logs: The logs.

        field: The latency.

        by: Fields to group by; all groups have the same bars.

        bars: How many.
    """
    keys = [f"g{n}" for n in range(len(by))]
    table = latency_values(logs, field, by)
    positive = table.value.nullif(0)
    (ends,) = logs.rows(
        table.aggregate(low=positive.min(), high=positive.max())
    )
    low = ends["low"] or 1.0
    width = max(math.log((ends["high"] or low) / low) / bars, 1e-9)
    place = (positive / low).ln() / width
    table = table.mutate(bar=place.floor().cast("int64"))
    rows = logs.rows(table.group_by([*keys, "bar"]).aggregate(n=table.count()))
    groups: dict[Group, dict[int | None, int]] = defaultdict(dict)
    for row in rows:
        number = row["bar"]
        if number is not None:  # the largest value closes the last bar
            number = min(max(number, 0), bars - 1)
        found = groups[group_values(row, by)]
        found[number] = found.get(number, 0) + row["n"]
    return tuple(
        _bars(field, group, counts, low, width)
        for group, counts in sorted(groups.items(), key=str)
    )


def _bars(
    field: str,
    group: Group,
    counts: dict[int | None, int],
    low: float,
    width: float,
) -> Distribution:
    numbers = sorted(each for each in counts if each is not None)
    return Distribution(
        field,
        group,
        counts.get(None, 0),
        tuple(
            Bar(
                low * math.exp(number * width),
                low * math.exp((number + 1) * width),
                counts[number],
            )
            for number in numbers
        ),
    )


def slowest(logs: Logs, field: str, most: int = 10) -> tuple[SlowRequest, ...]:
    """
    The records with the largest values of *field*.

    Args:
        logs: The logs.

        field: The latency.

        most: How many.
    """
    value = logs.number(field)
    table = logs.table.mutate(value=value)
    rows = logs.rows(
        table.filter(table.value >= 0)
        .order_by([table.value.desc(), table.time_us])
        .limit(most)
    )
    path = logs.path(field)
    return tuple(_request(row, logs, path) for row in rows)


def _request(row: dict[str, Any], logs: Logs, path: Path) -> SlowRequest:
    own = logs.schema.column(path)
    fields = row_fields(row, logs)
    if own is not None:
        fields.pop(own.label, None)
    time = row["time_us"]
    return SlowRequest(
        None if time is None else time / 1e6,
        row["value"],
        row["level"],
        row["logger"],
        row["message"],
        fields,
    )
