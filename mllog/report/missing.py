"""
What is not, or not wholly, in the logs; and what summaries say.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ..delivery.spool.inspection import inspect
from ..metrics.saying import SUMMARY
from .answers import Losses, Spooled, Summary
from .logs import Logs
from .slowness import fields_in

__all__ = ["losses", "summaries"]

_COUNTED: Final = (
    "dropped",
    "sampled_out",
    "refused",
    "skipped",
    "dead_lettered",
    "truncated",
)
_SPOOLS: Final = ("", "spool")
_MOST_SUMMARIES: Final = 50_000
_OF_SUMMARIES: Final = (
    "count",
    "rate_per_second",
    "sum",
    "mean",
    "min",
    "p50",
    "p90",
    "p95",
    "p99",
    "max",
    "last",
)
_NO_LABEL: Final = frozenset(
    {*_OF_SUMMARIES, "field", "kind", "unit", "interval_start"}
    | {"interval_seconds", "pid", "metric", "reduce"}
)


def losses(logs: Logs, spools: Iterable[Any] = ()) -> Losses:
    """
    What was skipped, cut, dropped, sampled out or waits to be sent.

    Args:
        logs: The logs.

        spools: Folders of spools, or with a folder ``spool``; others, and
            objects of S3, are passed over.
    """
    skipped: Counter[str] = Counter()
    for each in logs.reading.skipped:
        skipped[each.reason] += each.count
    return Losses(
        dict(skipped),
        _present(logs, "mllog_truncated"),
        _present(logs, "nonfinite"),
        logs.reports,
        tuple(_spooled(spools)),
        dict(_counted(logs)),
    )


def _present(logs: Logs, name: str) -> int:
    """
    How many records have a field.
    """
    if logs.schema.column((name,)) is None:
        return 0
    found = logs.table.aggregate(n=logs.text(name).count())
    count: int = logs.rows(found)[0]["n"]
    return count


def _counted(logs: Logs) -> Iterator[tuple[str, float]]:
    present = [
        each
        for each in logs.numbers
        if each.path[-1] in _COUNTED and len(each.path) == 1
    ]
    if not present:
        return
    table = logs.table
    (row,) = logs.rows(
        table.aggregate(
            **{each.number: table[each.number].sum() for each in present}
        )
    )
    for each in present:
        if row[each.number]:
            yield each.label, row[each.number]


def _spooled(folders: Iterable[Any]) -> Iterator[Spooled]:
    for given in folders:
        folder = os.fsdecode(given)
        if not os.path.isdir(folder):
            continue
        for below in _SPOOLS:
            path = os.path.join(folder, below) if below else folder
            for each in inspect(path) if os.path.isdir(path) else ():
                if each.records or each.bytes:
                    yield Spooled(each.path, each.records, each.bytes)


def summaries(logs: Logs) -> tuple[Summary, ...]:
    """
    What SummaryHandler logged of each metric and label set, in short.

    Limit:
        Of more than 50 000 summaries the newest count.
    """
    table = logs.table.filter(logs.table.logger == SUMMARY)
    rows = logs.rows(
        table.order_by(table.time_us.desc()).limit(_MOST_SUMMARIES)
    )
    found: dict[tuple[str, tuple[str, ...]], list[Any]] = defaultdict(list)
    for row in rows:
        fields = fields_in(row, logs)
        name = fields.get("metric", fields.get("field"))
        if name is None:
            continue
        labels = tuple(
            f"{label}={value}"
            for label, value in sorted(fields.items())
            if label not in _NO_LABEL
        )
        found[name, labels].append((row["time_us"], fields))
    return tuple(
        _summary(name, labels, each)
        for (name, labels), each in sorted(found.items())
    )


def _summary(name: str, labels: tuple[str, ...], found: list[Any]) -> Summary:
    time, newest = found[0]
    return Summary(
        name,
        labels,
        len(found),
        sum(int(float(fields.get("count", 0))) for _, fields in found),
        None if time is None else time / 1e6,
        {key: float(newest[key]) for key in _OF_SUMMARIES if key in newest},
    )
