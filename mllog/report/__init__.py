"""
Reports on logs (extra ``[report]``).

::

    from mllog.report import latency, open_logs, report

    with open_logs("logs", by=["model_version"]) as logs:
        for each in latency(logs, "inference_latency", ["model_version"]):
            print(each.group, each.p95_seconds)
        everything = report(logs).plain()

Answers are frozen dataclasses of :mod:`mllog.report.answers`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .answers import Report as Report
    from .build import report as report
    from .load.store import Settings as Settings
    from .logs import Logs as Logs
    from .logs import open_logs as open_logs
    from .parquet import convert as convert
    from .questions.comparison import compare as compare
    from .questions.comparison import sides_of as sides_of
    from .questions.contents import counts as counts
    from .questions.contents import curves as curves
    from .questions.contents import error_messages as error_messages
    from .questions.contents import losses as losses
    from .questions.contents import summaries as summaries
    from .questions.contents import volume as volume
    from .questions.field_drift import drift as drift
    from .questions.latency import distribution as distribution
    from .questions.latency import latency as latency
    from .questions.latency import latency_over_time as latency_over_time
    from .questions.latency import slowest as slowest
    from .questions.outlier_segments import error_segments as error_segments
    from .questions.outlier_segments import slow_segments as slow_segments

_HOMES = {
    "Logs": "logs",
    "Report": "answers",
    "Settings": "load.store",
    "compare": "questions.comparison",
    "convert": "parquet",
    "counts": "questions.contents",
    "curves": "questions.contents",
    "distribution": "questions.latency",
    "drift": "questions.field_drift",
    "error_messages": "questions.contents",
    "error_segments": "questions.outlier_segments",
    "latency": "questions.latency",
    "latency_over_time": "questions.latency",
    "losses": "questions.contents",
    "open_logs": "logs",
    "report": "build",
    "sides_of": "questions.comparison",
    "slow_segments": "questions.outlier_segments",
    "slowest": "questions.latency",
    "summaries": "questions.contents",
    "volume": "questions.contents",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - the keys are names


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(
            importlib.import_module(f".{_HOMES[name]}", __name__), name
        )
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
