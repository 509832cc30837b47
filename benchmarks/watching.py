"""
What it costs to sum up the numbers of records, and to compare them.
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Generator, Mapping
from typing import Any

from . import child
from .application import call_through
from .measure import Effort, Timing, Variant, interleaved, middle
from .table import Budget, Table

__all__ = ["run", "timed"]

_LATENCY = {"field": "inference_latency", "kind": "histogram"}


def _summary(**options: Any) -> logging.Handler:
    from mllog import SummaryHandler

    return SummaryHandler(**options)


def _drift(**options: Any) -> logging.Handler:
    from mllog import DriftHandler

    return DriftHandler(**options)


VARIANTS = {
    "null": Variant(
        "NullHandler (measures nothing)", lambda path: logging.NullHandler()
    ),
    "summary": Variant(
        "**mllog** SummaryHandler, one histogram",
        lambda path: _summary(metrics=[_LATENCY], automatic=False),
    ),
    "summary3": Variant(
        "**mllog** SummaryHandler, three histograms", lambda path: _summary()
    ),
    "drift": Variant(
        "**mllog** DriftHandler, one field",
        lambda path: _drift(fields="inference_latency", automatic=False),
    ),
    "drift2": Variant(
        "**mllog** DriftHandler, two fields",
        lambda path: _drift(
            fields=("inference_latency", "confidence"), automatic=False
        ),
    ),
}


def timed(name: str, folder: str) -> Generator[Any, int, None]:
    """
    What each child process does.
    """
    handler = VARIANTS[name].make(folder)
    return child.turns(call_through(handler))


def run(effort: Effort) -> list[Table]:
    """
    One table.
    """
    results = interleaved(
        f"{__name__}:timed",
        list(VARIANTS),
        rounds=effort.rounds,
        turns=effort.of(10, 4),
        calls=effort.of(4000, 1000),
    )
    return [
        Table(
            "Summaries and drift, one record per call",
            [
                "variant",
                "µs/call",
                "mean cost µs",
                "cost µs",
                "p50 µs",
                "p99 µs",
            ],
            [_row(results, name) for name in VARIANTS],
            [
                Budget(
                    "SummaryHandler, one histogram more",
                    _more(results, "summary", "summary3") / 2,
                    1.5,
                    "µs",
                ),
                Budget(
                    "DriftHandler, one field more",
                    _more(results, "drift", "drift2"),
                    1.5,
                    "µs",
                ),
            ],
            [
                "The mean has in it what is done once in some hundred calls:"
                " to add up what waits, and to compare a window.",
            ],
        )
    ]


def _row(results: Mapping[str, list[Timing]], name: str) -> list[str]:
    timing, idle = middle(results[name]), middle(results["null"])
    return [
        VARIANTS[name].label,
        f"{timing.mean:.2f}",
        f"{_more(results, 'null', name):.2f}",
        f"{timing.p50 - idle.p50:.2f}",
        f"{timing.p50:.2f}",
        f"{timing.p99:.2f}",
    ]


def _more(results: Mapping[str, list[Timing]], few: str, many: str) -> float:
    """
    What *many* take longer than *few*, in the mean.
    """
    return statistics.median(
        b.mean - a.mean
        for a, b in zip(results[few], results[many], strict=True)
    )
