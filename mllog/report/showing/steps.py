"""
Metrics of a training by step.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..answers import Curve
from .contrasts import Contrasts
from .grammar import MOST_GROUPS, MOST_POINTS, ZOOM, axis, named, tips
from .parts import Chart, Column, Note, Part, Spark, Table
from .words import NONE, number_in_words, short

__all__ = ["curve_chart", "training"]

_MOST_CHARTS: Final = 12
_MOST_ROWS: Final = 60


def curve_chart(name: str, metric: str, found: Sequence[Curve]) -> Chart:
    """
    A metric by step, a line for each run.
    """
    several = len(found) > 1
    rows = [
        {
            "x": step.step,
            "y": step.mean,
            **({"run": short(each.run or "", 60)} if several else {}),
        }
        for each in found[:MOST_GROUPS]
        for step in _thinned(each.steps, len(found))
        if math.isfinite(step.mean)
    ]
    spec: dict[str, Any] = {
        "height": 170,
        "data": {"values": rows},
        "params": [ZOOM],
        "mark": {
            "type": "line",
            "strokeWidth": 2,
            "tooltip": True,
            "point": {"size": 22} if len(rows) < 60 else {"opacity": 0},
            **({} if several else {"color": {"expr": "c0"}}),
        },
        "encoding": {
            "x": axis("x", "step", scale={"zero": False, "nice": False}),
            "y": axis("y", None, scale={"zero": False}),
            "tooltip": [
                *tips(**({"run": "run"} if several else {})),
                axis("x", "step", format=","),
                axis("y", short(metric, 60), format=".4~g"),
            ],
            **({"color": {**named("run"), "sort": None}} if several else {}),
        },
    }
    sparks = tuple(_curve_spark(each) for each in found[:MOST_GROUPS])
    return Chart(name, short(metric, 80), spec, sparks)


def _thinned(steps: Sequence[Any], runs: int) -> Sequence[Any]:
    most = max(MOST_POINTS // min(runs, MOST_GROUPS), 100)
    every = math.ceil(len(steps) / most)
    return [*steps[:-1:every], *steps[-1:]]


def _curve_spark(found: Curve) -> Spark:
    values = [each.mean for each in found.steps if math.isfinite(each.mean)]
    least = min(values, default=0.0)
    about = (
        f"last {number_in_words(found.last)},"
        f" {number_in_words(least)} …"
        f" {number_in_words(max(values, default=0.0))}"
    )
    name = short(found.metric, 40)
    if found.run is not None:
        name += f" ({short(found.run, 40)})"
    return Spark(name, tuple(each - least for each in values), about)


def training(found: Contrasts) -> Iterator[Part]:
    """
    Training curves, and the values they end with.
    """
    curves = found.report.curves
    if not curves:
        return
    metrics: dict[str, list[Curve]] = defaultdict(list)
    for each in curves:
        metrics[each.metric].append(each)
    for number, (metric, runs) in enumerate(metrics.items()):
        if number == _MOST_CHARTS:
            break
        yield curve_chart(f"curve-{number}", metric, runs)
    if len(metrics) > _MOST_CHARTS:
        yield Note(f"{len(metrics) - _MOST_CHARTS} more metrics are below.")
    yield Table(
        "Values",
        (
            Column("metric"),
            Column("run"),
            Column("steps", True),
            Column("last", True),
            Column("least", True),
            Column("most", True),
        ),
        tuple(_curve(each) for each in curves[:_MOST_ROWS]),
    )


def _curve(found: Curve) -> tuple[str, ...]:
    least = min(found.steps, key=lambda each: each.low)
    most = max(found.steps, key=lambda each: each.high)
    return (
        short(found.metric, 80),
        NONE if found.run is None else short(found.run, 60),
        f"{sum(each.count for each in found.steps):,}",
        number_in_words(found.last),
        f"{number_in_words(least.low)} at {number_in_words(least.step)}",
        f"{number_in_words(most.high)} at {number_in_words(most.step)}",
    )
