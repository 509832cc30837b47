"""
What a call costs whose record goes to a collector of OpenTelemetry, well or not.
"""

from __future__ import annotations

import functools

from .measure import Effort
from .outages import HEALTHY, Case
from .syslog import DEAD, STALLED, SinkServers
from .table import Table

__all__ = ["run"]

_CASE = Case(
    "OTLP over HTTP",
    "benchmarks.otlp_variants",
    {
        HEALTHY: "a collector that answers",
        STALLED: "a collector that does not answer until all is over",
        DEAD: "a collector that died after the first records",
    },
    functools.partial(SinkServers, "benchmarks.otlp_sink:sink"),
)


def run(effort: Effort) -> list[Table]:
    """
    Three tables, one per kind of collector.
    """
    return _CASE.run(effort)
