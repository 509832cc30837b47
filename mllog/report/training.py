"""
Training curves: metrics by step.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from ..fields import VOCABULARY
from .answers import Curve, Step
from .logs import Logs
from .schema import Column

__all__ = ["curves"]

_STEPS: Final = ("step", "global_step", "iteration", "epoch")
_RUNS: Final = ("run", "run_id", "run_name", "experiment", "model_name")
_MOST_RUNS: Final = 20
_TRAINING: Final = frozenset(
    name for name, field in VOCABULARY.items() if field.kind == "gauge"
)


def curves(
    logs: Logs, run: str | None = None, *, points: int = 500
) -> tuple[Curve, ...]:
    """
    Each metric by step: those in ``metrics``, and the known ones of training.

    Args:
        logs: The logs.

        run: The field that tells runs apart; None is the first of ``run``,
            ``run_id``, ``run_name``, ``experiment`` and ``model_name``.

        points: More steps than that are put together.
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
    rows = _rows(logs, step, metrics, run, points)
    return tuple(_curves(rows, metrics))


def _numbers_of(logs: Logs, names: tuple[str, ...]) -> Column | None:
    for name in names:
        column = logs.schema.column(logs.schema.path(name))
        if column is not None and column.is_number:
            return column
    return None


def _rows(
    logs: Logs,
    step: Column,
    metrics: list[Column],
    run: str | None,
    points: int,
) -> list[dict[str, Any]]:
    table = logs.table
    if run is not None:
        table = table.mutate(run=logs.text(run))
    table = table.filter(
        table[step.number].notnull()
        # what summaries and drift say is no curve of training
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
    asked: dict[str, Any] = {"step": table[step.number].max()}
    for number, each in enumerate(metrics):
        value = table[each.number]
        asked[f"c{number}"] = value.count()
        asked[f"m{number}"] = value.mean()
        asked[f"l{number}"] = value.min()
        asked[f"h{number}"] = value.max()
    keys = ["place"] if run is None else ["run", "place"]
    return logs.rows(table.group_by(keys).aggregate(**asked).order_by(keys))


def _curves(rows: list[dict[str, Any]], metrics: list[Column]) -> list[Curve]:
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
