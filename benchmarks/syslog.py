"""
What a call costs whose record goes to a syslog server, well or not.
"""

from __future__ import annotations

import functools

from .measure import Child, Effort
from .outages import HEALTHY, Case
from .table import Table

__all__ = ["DEAD", "STALLED", "SinkServers", "run"]

STALLED, DEAD = "stalled", "dead"
_TROUBLES = {STALLED: "stall", DEAD: "die"}


class SinkServers:
    """
    All in one process, each on a port.

    Args:
        sink: What runs in it, as ``module:function``.
    """

    def __init__(self, sink: str) -> None:
        self._sink = Child(sink)
        self._sink.receive()

    def open(self, scenario: str) -> str:
        return str(self._sink.ask(["open", scenario == STALLED]))

    def trouble(self, scenario: str, address: str) -> None:
        self._sink.ask([_TROUBLES[scenario], int(address)])

    def wake(self, address: str) -> None:
        self._sink.ask(["wake", int(address)])

    def took(self, address: str) -> int:
        return int(self._sink.ask(["seen", int(address)]))

    def forget(self, address: str) -> None:
        self._sink.ask(["forget", int(address)])

    def close(self) -> None:
        self._sink.close()


_CASE = Case(
    "Syslog over TCP",
    "benchmarks.syslog_variants",
    {
        HEALTHY: "a server that reads",
        STALLED: "a server that stops reading until all is over",
        DEAD: "a server that died after the first records",
    },
    functools.partial(SinkServers, "benchmarks.syslog_sink:sink"),
)


def run(effort: Effort) -> list[Table]:
    """
    Three tables, one per kind of server.
    """
    return _CASE.run(effort)
