"""
Questions asked of the logs (extra ``[report]``).

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
    from .asking import report as report
    from .comparing import compare as compare
    from .converting import convert as convert
    from .counting import counts as counts
    from .counting import error_messages as error_messages
    from .counting import volume as volume
    from .drifting import drift as drift
    from .logs import Logs as Logs
    from .logs import open_logs as open_logs
    from .missing import losses as losses
    from .missing import summaries as summaries
    from .percentiles import distribution as distribution
    from .percentiles import latency as latency
    from .percentiles import latency_over_time as latency_over_time
    from .segments import error_segments as error_segments
    from .segments import slow_segments as slow_segments
    from .sides import sides_of as sides_of
    from .slowness import slowest as slowest
    from .stores import Settings as Settings
    from .training import curves as curves

_HOMES = {
    "Logs": "logs",
    "Report": "answers",
    "Settings": "stores",
    "compare": "comparing",
    "convert": "converting",
    "counts": "counting",
    "curves": "training",
    "distribution": "percentiles",
    "drift": "drifting",
    "error_messages": "counting",
    "error_segments": "segments",
    "latency": "percentiles",
    "latency_over_time": "percentiles",
    "losses": "missing",
    "open_logs": "logs",
    "report": "asking",
    "sides_of": "sides",
    "slow_segments": "segments",
    "slowest": "slowness",
    "summaries": "missing",
    "volume": "counting",
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
