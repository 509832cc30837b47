"""
Numbers of a record as metrics, beside prometheus_client called by hand.
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Generator
from typing import Any

from . import child, costs
from .application import call_through
from .measure import Effort, Variant, interleaved, ratios
from .table import Budget, Table

__all__ = ["run", "timed"]

_NEEDS = "prometheus_client"
_LABELS = ["model_name", "model_version", "variant"]
_LATENCY = {"field": "inference_latency", "kind": "histogram"}


class Direct(logging.Handler):
    """
    The least: a histogram by name, its series looked up at each call.
    """

    def __init__(self, *fields: str) -> None:
        super().__init__()
        from prometheus_client import CollectorRegistry, Histogram

        registry = CollectorRegistry()
        self._observed = [
            (name, Histogram(name, name, _LABELS, registry=registry).labels)
            for name in fields
        ]

    def handle(self, record: Any) -> None:
        """
        Observe each field; no filter, no lock, and no fault is handled.
        """
        for name, labels in self._observed:
            labels(record.model_name, record.model_version, "").observe(
                getattr(record, name)
            )


class DirectOne(Direct):
    """
    The floor: nothing is looped over.
    """

    def __init__(self) -> None:
        super().__init__("inference_latency")
        self._labels = self._observed[0][1]

    def handle(self, record: Any) -> None:
        """
        Observe the latency.
        """
        self._labels(record.model_name, record.model_version, "").observe(
            record.inference_latency
        )


def _mllog(**options: Any) -> logging.Handler:
    from mllog import PrometheusHandler
    from prometheus_client import CollectorRegistry

    return PrometheusHandler(registry=CollectorRegistry(), **options)


VARIANTS = {
    "null": Variant(
        "NullHandler (measures nothing)", lambda path: logging.NullHandler()
    ),
    "floor": Variant(
        "**floor**: one `labels().observe()`", lambda path: DirectOne(), _NEEDS
    ),
    "mllog": Variant(
        "**mllog** PrometheusHandler, one histogram",
        lambda path: _mllog(metrics=[_LATENCY], automatic=False),
        _NEEDS,
    ),
    "floor3": Variant(
        "three `labels().observe()`",
        lambda path: Direct("inference_latency", "batch_size", "confidence"),
        _NEEDS,
    ),
    "mllog3": Variant(
        "**mllog** PrometheusHandler, three histograms",
        lambda path: _mllog(),
        _NEEDS,
    ),
    "idle": Variant(
        "**mllog** PrometheusHandler, nothing to measure",
        lambda path: _mllog(automatic=False),
        _NEEDS,
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
    more = statistics.median(
        (three.mean - one.mean) / 2
        for one, three in zip(results["mllog"], results["mllog3"], strict=True)
    )
    return [
        Table(
            "Metrics for Prometheus, one record per call",
            ["variant", *costs.COLUMNS],
            [costs.row(results, VARIANTS, name, "floor") for name in VARIANTS],
            [
                Budget(
                    "mllog's mean cost over the floor's, one histogram",
                    ratios(results, "mllog", "floor", "mean", "null").median,
                    1.3,
                ),
                Budget(
                    "the same, three histograms",
                    ratios(results, "mllog3", "floor3", "mean", "null").median,
                    1.3,
                ),
                Budget("one histogram more", more, 1.5, "µs"),
            ],
        )
    ]
