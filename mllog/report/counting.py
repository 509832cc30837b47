"""
How many records there are: over time, by level, by logger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from .answers import Count, Volume, VolumePoint
from .logs import Logs, group_in, groups_of
from .translating import errors

__all__ = ["bucket_of", "buckets", "counts", "error_messages", "volume"]

_POINTS: Final = 60
_WIDTHS: Final = (
    *(0.001, 0.01, 0.1, 1, 2, 5, 10, 15, 30),
    *(60 * each for each in (1, 2, 5, 10, 15, 30)),
    *(3600 * each for each in (1, 2, 3, 6, 12)),
    *(86400 * each for each in (1, 2, 7, 14, 28)),
)


def bucket_of(logs: Logs, points: int = _POINTS) -> float:
    """
    A round width of intervals, in seconds, so that there are about *points*.
    """
    since, until = logs.reading.since, logs.reading.until
    span = (until or 0.0) - (since or 0.0)
    for width in _WIDTHS:
        if span <= width * points:
            return float(width)
    return 86400.0 * max(28, round(span / points / 86400))


def buckets(table: Any, seconds: float) -> Any:
    """
    The number of the interval of each record.
    """
    return table.time_us // round(seconds * 1e6)


def volume(
    logs: Logs,
    by: Sequence[str] = (),
    *,
    bucket_seconds: float | None = None,
) -> Volume:
    """
    Records, warnings and errors over time.

    Args:
        logs: The logs.

        by: Fields to group by.

        bucket_seconds: Width of an interval; None is one that suits the time.
    """
    width = bucket_seconds or bucket_of(logs)
    table = logs.table
    rows = logs.rows(
        table.mutate(
            bucket=buckets(table, width),
            **groups_of(logs, by),
        )
        .filter(lambda each: each.bucket.notnull())
        .group_by(["bucket", *(f"g{n}" for n in range(len(by)))])
        .aggregate(
            records=lambda each: each.count(),
            warnings=lambda each: each.severity.between(30, 39).sum(),
            errors=lambda each: (each.severity >= 40).sum(),
        )
        .order_by("bucket")
    )
    points = [
        VolumePoint(
            row["bucket"] * width,
            group_in(row, by),
            row["records"],
            row["warnings"] or 0,
            row["errors"] or 0,
        )
        for row in rows
    ]
    points.sort(
        key=lambda each: (each.start, each.group != (), str(each.group))
    )
    return Volume(width, tuple(points))


def counts(logs: Logs, name: str, most: int = 20) -> tuple[Count, ...]:
    """
    The most frequent values of a field, ``level`` and ``logger`` included.
    """
    return _counted(logs, logs.table, logs.text(name), most)


def error_messages(logs: Logs, most: int = 10) -> tuple[Count, ...]:
    """
    The most frequent messages of records of level ERROR and above.
    """
    table = logs.table.filter(errors(logs.table))
    return _counted(logs, table, table.message, most)


def _counted(
    logs: Logs, table: Any, value: Any, most: int
) -> tuple[Count, ...]:
    found = table.select(value=value)
    found = found.group_by("value").aggregate(records=found.count())
    rows = logs.rows(
        found.order_by([found.records.desc(), found.value]).limit(most)
    )
    return tuple(Count(row["value"], row["records"]) for row in rows)
