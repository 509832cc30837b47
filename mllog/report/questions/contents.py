"""
Records counted and lost, and the metrics that they carry.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ...delivery.spool.inspection import inspect
from ...fields import VOCABULARY
from ...metrics.saying import SUMMARY
from ..answers import (
    Count,
    Curve,
    Losses,
    Spooled,
    Step,
    Summary,
    Volume,
    VolumePoint,
)
from ..load.schema import FieldColumn
from ..logs import (
    Logs,
    bucket_numbers,
    bucket_width,
    group_columns,
    group_values,
    is_error,
    row_fields,
)

__all__ = [
    "counts",
    "curves",
    "error_messages",
    "losses",
    "summaries",
    "volume",
]

_LOSS_FIELDS: Final = (
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
_STEPS: Final = ("step", "global_step", "iteration", "epoch")
_RUNS: Final = ("run", "run_id", "run_name", "experiment", "model_name")
_MOST_RUNS: Final = 20
_TRAINING: Final = frozenset(
    name for name, field in VOCABULARY.items() if field.kind == "gauge"
)


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
    width = bucket_seconds or bucket_width(logs)
    table = logs.table
    rows = logs.rows(
        table.mutate(
            bucket=bucket_numbers(table, width),
            **group_columns(logs, by),
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
            group_values(row, by),
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
    table = logs.table.filter(is_error(logs.table))
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


def losses(logs: Logs, spools: Iterable[Any] = ()) -> Losses:
    """
    What was skipped, cut, dropped, sampled out or waits to be sent.

    Args:
        logs: The logs.

        spools: Folders of spools, or with a folder ``spool``; others, and
            objects of S3, are ignored.
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
        dict(_loss_counters(logs)),
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


def _loss_counters(logs: Logs) -> Iterator[tuple[str, float]]:
    present = [
        each
        for each in logs.numbers
        if each.path[-1] in _LOSS_FIELDS and len(each.path) == 1
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
        fields = row_fields(row, logs)
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


def curves(
    logs: Logs, run: str | None = None, *, points: int = 500
) -> tuple[Curve, ...]:
    """
    Each metric by step: those in ``metrics``, and the known ones of training.

    Args:
        logs: The logs.

        run: The field that identifies runs; None is the first of ``run``,
            ``run_id``, ``run_name``, ``experiment`` and ``model_name``.

        points: Above so many steps neighbours are merged.
    """
    step = _numbers_of(logs, _STEPS)
    metrics = [
        each
        for each in logs.numbers
        if each.path[0] == "metrics" or each.path[-1] in _TRAINING
    ]
    metrics = [
        each for each in metrics if step is None or each.path != step.path
    ]
    if step is None or not metrics:
        return ()
    run = run or next(filter(logs.has, _RUNS), None)
    rows = _curve_rows(logs, step, metrics, run, points)
    return tuple(_curves(rows, metrics))


def _numbers_of(logs: Logs, names: tuple[str, ...]) -> FieldColumn | None:
    for name in names:
        column = logs.schema.column(logs.schema.path(name))
        if column is not None and column.is_number:
            return column
    return None


def _curve_rows(
    logs: Logs,
    step: FieldColumn,
    metrics: list[FieldColumn],
    run: str | None,
    points: int,
) -> list[dict[str, Any]]:
    table = logs.table
    if run is not None:
        table = table.mutate(run=logs.text(run))
    table = table.filter(
        table[step.number].notnull()
        # records of summaries and drift are no training curves
        & ~table.logger.fill_null("").startswith("mllog.")
    )
    (ends,) = logs.rows(
        table.aggregate(
            low=table[step.number].min(), high=table[step.number].max()
        )
    )
    if ends["low"] is None:
        return []
    width = max(1.0, (ends["high"] - ends["low"] + 1) / points)
    place = ((table[step.number] - ends["low"]) / width).floor()
    table = table.mutate(place=place)
    columns: dict[str, Any] = {"step": table[step.number].max()}
    for number, each in enumerate(metrics):
        value = table[each.number]
        columns[f"c{number}"] = value.count()
        columns[f"m{number}"] = value.mean()
        columns[f"l{number}"] = value.min()
        columns[f"h{number}"] = value.max()
    keys = ["place"] if run is None else ["run", "place"]
    return logs.rows(table.group_by(keys).aggregate(**columns).order_by(keys))


def _curves(
    rows: list[dict[str, Any]], metrics: list[FieldColumn]
) -> list[Curve]:
    found: dict[tuple[int, str | None], list[Step]] = defaultdict(list)
    for row in rows:
        for number in range(len(metrics)):
            count = row[f"c{number}"]
            if count:
                step = Step(
                    row["step"],
                    row[f"m{number}"],
                    row[f"l{number}"],
                    row[f"h{number}"],
                    count,
                )
                found[number, row.get("run")].append(step)
    runs = list(dict.fromkeys(run for _, run in found))[:_MOST_RUNS]
    return [
        Curve(metrics[number].path[-1], run, tuple(steps), steps[-1].mean)
        for (number, run), steps in sorted(
            found.items(), key=lambda each: (each[0][0], str(each[0][1]))
        )
        if run in runs
    ]
