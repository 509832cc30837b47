"""
What a call costs whose record goes to a syslog server, well or not.
"""

from __future__ import annotations

from .measure import Child, Effort
from .outages import HEALTHY, Case
from .table import Table

__all__ = ["run"]

_STALLED, _DEAD = "stalled", "dead"
_TROUBLES = {_STALLED: "stall", _DEAD: "die"}


class _Servers:
    """
    All in one process, each on a port.
    """

    def __init__(self) -> None:
        self._sink = Child("benchmarks.syslog_sink:sink")
        self._sink.receive()

    def open(self, scenario: str) -> str:
        return str(self._sink.ask(["open", scenario == _STALLED]))

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
        _STALLED: "a server that stops reading until all is over",
        _DEAD: "a server that died after the first records",
    },
    _Servers,
)


def run(effort: Effort) -> list[Table]:
    """
    Three tables, one per kind of server.
    """
    return _CASE.run(effort)
