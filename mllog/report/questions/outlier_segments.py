"""
Which values of fields slow or failed requests have in common.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from ...fields import VOCABULARY
from ...reading.keys import text_of
from ...timestamps import utc
from ..answers import Segment, Segments
from ..load.schema import FieldColumn
from ..logs import Logs, bucket_numbers, bucket_width, is_error
from ..statistics import holm, proportions, risk_ratio

__all__ = ["error_segments", "slow_segments"]

_SLOW: Final = 0.95
_FEWEST: Final = 20
_FEW_VALUES: Final = 20
_MOST_VALUES: Final = 1000
_MOST_CELLS: Final = 50_000
_MOST_SHOWN: Final = 20
_ALPHA: Final = 0.05
_AND: Final = " & "
_TEST: Final = (
    "score test of two proportions, Fisher's exact test of few; Holm's"
    " correction for all values tested"
)
_DECILES: Final = [each / 10 for each in range(1, 10)]
_NOT_LOOKED_AT: Final = frozenset({"mllog_truncated", "nonfinite"})


class _Part(NamedTuple):
    """
    Records with one value of a field, or of two.
    """

    fields: tuple[str, ...]
    values: tuple[str, ...]
    records: int
    bad: int

    def excess(self, records: int, bad: int) -> float:
        """
        How many fewer would be bad at the rate of all others.
        """
        others = records - self.records
        rate = (bad - self.bad) / others if others else 0.0
        return self.bad - rate * self.records


def slow_segments(
    logs: Logs, field: str, threshold_seconds: float | None = None
) -> Segments | None:
    """
    Of which values the records with large *field* have more than their share.

    Args:
        logs: The logs.

        field: The latency.

        threshold_seconds: From where on a request is slow; None is the 95th
            percentile.

    Returns:
        None without latencies.
    """
    value = logs.number(field)
    table = logs.table.mutate(value=value)
    table = table.filter(table.value >= 0)
    (found,) = logs.rows(
        table.aggregate(
            n=table.count(),
            limit=table.value.quantile(_SLOW),
            low=table.value.min(),
        )
    )
    if not found["n"]:
        return None
    limit = found["limit"] if threshold_seconds is None else threshold_seconds
    is_bad = table.value >= limit
    sign = "≥"
    if threshold_seconds is None and limit == found["low"]:
        is_bad, sign = table.value > limit, ">"
    outcome = f"{field} {sign} {limit:.4g} s"
    return _segments(logs, table.mutate(bad=is_bad), outcome)


def error_segments(logs: Logs) -> Segments | None:
    """
    Of which values the records of level ERROR have more than their share.

    Returns:
        None without errors.
    """
    table = logs.table.mutate(bad=is_error(logs.table))
    (found,) = logs.rows(table.aggregate(bad=table.bad.sum()))
    if not found["bad"]:
        return None
    return _segments(logs, table, "level ≥ ERROR")


def _segments(logs: Logs, table: Any, outcome: str) -> Segments:
    table = table.mutate(bad=table.bad.cast("int64"))
    (total,) = logs.rows(
        table.aggregate(records=table.count(), bad=table.bad.sum())
    )
    records, bad = total["records"], total["bad"] or 0
    parts = [
        each
        for each in _parts(logs, table)
        if _FEWEST <= each.records < records
    ]
    p_values = [_p_value(each, records, bad) for each in parts]
    found = [
        _segment(part, p_value, adjusted, records, bad)
        for part, p_value, adjusted in zip(
            parts, p_values, holm(p_values), strict=True
        )
    ]
    return Segments(
        outcome,
        records,
        bad,
        len(found),
        _TEST,
        tuple(_worst(found)[:_MOST_SHOWN]),
    )


def _p_value(part: _Part, records: int, bad: int) -> float:
    return proportions(
        bad - part.bad, records - part.records, part.bad, part.records
    )


def _segment(
    part: _Part, p_value: float, adjusted: float, records: int, bad: int
) -> Segment:
    lift, interval = risk_ratio(
        part.bad, part.records, bad - part.bad, records - part.records
    )
    return Segment(
        _AND.join(part.fields),
        _AND.join(part.values),
        part.records,
        part.bad,
        part.bad / bad if bad else 0.0,
        part.records / records,
        lift,
        interval.low,
        interval.high,
        part.excess(records, bad),
        p_value,
        adjusted,
        adjusted < _ALPHA and lift > 1,
    )


def _worst(found: list[Segment]) -> list[Segment]:
    """
    The bad ones by what they cost; a pair before those that it explains.
    """
    singles = {
        (each.field, each.value): each for each in found if not _halves(each)
    }
    kept = list(singles.values())
    explained: set[tuple[str, str]] = set()
    for pair in found:
        parents = [singles[each] for each in _halves(pair) if each in singles]
        if parents and _is_more_specific(pair, parents):
            kept.append(pair)
            explained.update((each.field, each.value) for each in parents)
    kept.sort(
        key=lambda each: (
            not each.is_bad,
            (each.field, each.value) in explained,
            -round(each.excess, 6),
            each.field,
            each.value,
        )
    )
    return kept


def _halves(found: Segment) -> list[tuple[str, str]]:
    """
    The two values that a pair is of; none of a single value.
    """
    if _AND not in found.field:
        return []
    fields, values = found.field.split(_AND), found.value.split(_AND)
    return list(zip(fields, values, strict=False))


def _is_more_specific(pair: Segment, parents: list[Segment]) -> bool:
    """
    Whether a pair is worse than each of its two, and nearly all of their cost.
    """
    return pair.is_bad and all(
        pair.lift > 1.5 * each.lift and pair.excess > 0.8 * each.excess
        for each in parents
    )


def _parts(logs: Logs, table: Any) -> Iterator[_Part]:
    columns = list(_columns(logs))
    names, few = [], []
    for column in columns:
        count = column.distinct
        if column.is_number and count > _FEW_VALUES:
            yield from _of_ranges(logs, table, column)
        elif count <= _FEW_VALUES:
            few.append((count, column))
        elif count <= _MOST_VALUES:
            names.append(column)
    for column in names:
        yield from _single(logs, table, [column])
    few.sort(key=lambda each: each[0])
    cells = 1
    together: list[FieldColumn] = []
    for count, column in few:
        if count < 2:
            continue
        cells *= count + 1
        if cells <= _MOST_CELLS:
            together.append(column)
        else:
            yield from _single(logs, table, [column])
    yield from _single(logs, table, together)
    yield from _of_times(logs, table)


def _columns(logs: Logs) -> Iterable[FieldColumn]:
    for each in logs.schema.columns:
        name = each.path[-1]
        known = VOCABULARY.get(name)
        is_time = known is not None and known.unit == "seconds"
        if (
            not is_time
            and not name.endswith(("latency", "latency_seconds", "duration"))
            and name not in _NOT_LOOKED_AT
        ):
            yield each


def _single(
    logs: Logs, table: Any, columns: Sequence[FieldColumn]
) -> Iterator[_Part]:
    """
    The values of columns, and of each two of them, by one query.
    """
    if not columns:
        return
    picked = table.select(
        "bad",
        **{
            f"v{n}": table[each.number if each.is_number else each.text]
            for n, each in enumerate(columns)
        },
    )
    keys = [f"v{n}" for n in range(len(columns))]
    rows = logs.rows(
        picked.group_by(keys).aggregate(n=picked.count(), bad=picked.bad.sum())
    )
    places = range(len(columns))
    for chosen in itertools.chain(
        itertools.combinations(places, 1), itertools.combinations(places, 2)
    ):
        sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
        for row in rows:
            key = tuple(row[f"v{n}"] for n in chosen)
            sums[key][0] += row["n"]
            sums[key][1] += row["bad"]
        names = tuple(columns[n].label for n in chosen)
        for key, (records, bad) in sums.items():
            values = [text_of(value) for value in key]
            if None not in values:
                yield _Part(names, tuple(map(str, values)), records, bad)


def _of_ranges(logs: Logs, table: Any, column: FieldColumn) -> Iterator[_Part]:
    """
    The tenths of a column of numbers.
    """
    value = table[column.number]
    (row,) = logs.rows(table.aggregate(edges=value.quantile(_DECILES)))
    if row["edges"] is None:
        return
    edges = sorted(set(row["edges"]))
    place = sum(
        ((value >= edge).cast("int64") for edge in edges[1:]),
        (value >= edges[0]).cast("int64"),
    )
    picked = table.mutate(place=place, number=value)
    rows = logs.rows(
        picked.filter(picked.number.notnull())
        .group_by("place")
        .aggregate(
            n=lambda each: each.count(),
            bad=lambda each: each.bad.sum(),
            low=lambda each: each.number.min(),
            high=lambda each: each.number.max(),
        )
    )
    for row in rows:
        ends = f"{row['low']:.4g} … {row['high']:.4g}"
        yield _Part((column.label,), (ends,), row["n"], row["bad"])


def _of_times(logs: Logs, table: Any) -> Iterator[_Part]:
    """
    Intervals of time.
    """
    width = bucket_width(logs, 24)
    picked = table.mutate(bucket=bucket_numbers(table, width))
    rows = logs.rows(
        picked.filter(picked.bucket.notnull())
        .group_by("bucket")
        .aggregate(
            n=lambda each: each.count(), bad=lambda each: each.bad.sum()
        )
    )
    for row in rows:
        start = row["bucket"] * width
        text = f"{utc(start)[:19]} … {utc(start + width)[:19]}"
        yield _Part(("time",), (text,), row["n"], row["bad"])
