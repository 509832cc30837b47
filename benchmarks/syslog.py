"""
What a call costs whose record goes to a syslog server, well or not.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .measure import Child, Effort, Spread, installed
from .syslog_caller import LAST_WORDS
from .syslog_variants import NULL, VARIANTS
from .table import Budget, Table

__all__ = ["run"]

_HEALTHY, _STALLED, _DEAD = "healthy", "stalled", "dead"
_TITLES = {
    _HEALTHY: "a server that reads",
    _STALLED: "a server that stops reading until all is over",
    _DEAD: "a server that died after the first records",
}
_TROUBLES = {_STALLED: "stall", _DEAD: "die"}

_WARMING = 500
_BURST = 500
_PAUSE_SECONDS = 0.01
_SETTLING_SECONDS = 0.3
_PATIENCE_SECONDS = 1.0
# What the budget allows for, and what the interpreter itself takes.
_EXIT_BUDGET = 5.5
_EXIT_DEADLINE = 6.5
_P99_BUDGET, _P999_BUDGET = 1.2, 2.0


@dataclass
class Outcome:
    """
    One process: times in microseconds, sizes in bytes.

    What became of the records is known only of a process that was waited for;
    of any other *exit_seconds* is None.
    """

    p50: float
    idle: float
    p99: float
    p999: float
    worst: float
    done: int
    blocked: float
    grown: int
    told: int = 0
    kept: int = 0
    delivered: int = 0
    exit_seconds: float | None = None
    hung: bool = False

    @property
    def silent(self) -> int:
        """
        Records of which nobody knows that they are lost.
        """
        known = self.delivered + self.kept + self.told
        return max(0, self.done + _WARMING - known)


Outcomes = dict[tuple[str, str], list[Outcome]]


@dataclass
class _Process:
    """
    One that has logged, and waits to be let go.
    """

    name: str
    child: Child
    folder: str
    port: int
    outcome: Outcome


class _Round:
    """
    All variants in turn with one kind of server, each in a fresh process.

    Args:
        sink: The process of the servers.

        scenario: How the servers are.

        request: What each caller is asked for.
    """

    def __init__(self, sink: Child, scenario: str, request: list[Any]) -> None:
        self._sink = sink
        self._scenario = scenario
        self._request = request
        self._processes: list[_Process] = []

    def run(self, names: list[str], is_witnessed: bool) -> dict[str, Outcome]:
        """
        The outcomes by name; with the end of each process if it is witnessed.
        """
        with tempfile.TemporaryDirectory() as root:
            try:
                for name in names:
                    folder = os.path.join(root, name)
                    os.mkdir(folder)
                    self._processes.append(self._measured(name, folder))
                if is_witnessed:
                    self._witness()
            finally:
                for each in self._processes:
                    each.child.kill()
                    self._sink.ask(["forget", each.port])
        return {each.name: each.outcome for each in self._processes}

    def _measured(self, name: str, folder: str) -> _Process:
        port = self._sink.ask(["open", self._scenario == _STALLED])
        target = "benchmarks.syslog_caller:caller"
        child = Child(target, name, folder, str(port))
        try:
            child.receive()
            burst, pause, patience = self._request[1:]
            child.ask([_WARMING, burst, pause, patience])
            time.sleep(_SETTLING_SECONDS)  # what lingers is sent
            if self._scenario != _HEALTHY:
                self._sink.ask([_TROUBLES[self._scenario], port])
            outcome = Outcome(**child.ask(self._request))
            # its threads shall not have a part in the turns of others
            child.freeze()
        except BaseException:
            child.kill()
            raise
        return _Process(name, child, folder, port, outcome)

    def _witness(self) -> None:
        """
        Let all of them end at the same time, and see what became of records.
        """
        start = time.perf_counter()
        for each in self._processes:
            each.child.let_go()
        left = list(self._processes)
        while left and time.perf_counter() - start < _EXIT_DEADLINE:
            for each in [one for one in left if not one.child.is_running]:
                each.outcome.exit_seconds = time.perf_counter() - start
                left.remove(each)
            time.sleep(0.005)
        for each in left:
            each.outcome.exit_seconds = _EXIT_DEADLINE
            each.outcome.hung = True
            each.child.kill()
        for each in self._processes:
            self._sink.ask(["wake", each.port])
        time.sleep(_SETTLING_SECONDS)  # the sink reads to the end
        for each in self._processes:
            each.outcome.delivered = self._sink.ask(["seen", each.port])
            with contextlib.suppress(OSError, ValueError):
                path = os.path.join(each.folder, LAST_WORDS)
                with open(path) as file:
                    vars(each.outcome).update(json.load(file))


def run(effort: Effort) -> list[Table]:
    """
    Three tables, one per kind of server.
    """
    names, missing = installed(VARIANTS)
    rounds = effort.of((effort.rounds + 1) // 2, 1)
    witnessed = effort.of(2, 1)
    calls = effort.of(20_000, 6_000)
    request = [calls, _BURST, _PAUSE_SECONDS, _PATIENCE_SECONDS]
    results: Outcomes = {(each, n): [] for each in _TITLES for n in names}
    sink = Child("benchmarks.syslog_sink:sink")
    try:
        sink.receive()
        for number in range(rounds):
            for scenario in _TITLES:
                found = _Round(sink, scenario, request).run(
                    names, number < witnessed
                )
                for name, outcome in found.items():
                    results[scenario, name].append(outcome)
    finally:
        sink.close()
    return [_table(results, names, each, missing) for each in _TITLES]


# --- the tables ---


def _table(
    results: Outcomes, names: list[str], scenario: str, missing: list[str]
) -> Table:
    is_ill = scenario != _HEALTHY
    over = ["× own p99", "× own p99.9"] if is_ill else []
    sample = results[scenario, NULL][0]
    return Table(
        f"Syslog over TCP: {_TITLES[scenario]}",
        [
            "variant",
            "p50 µs",
            "cost µs",
            "range",
            "× budget",
            "p99 µs",
            "p99.9 µs",
            *over,
            "worst ms",
            "delivered",
            "on disk",
            "lost, told",
            "lost, silently",
            "exit s",
            "RSS +MB",
        ],
        [_row(results, name, scenario) for name in names],
        _budgets(results, scenario),
        [
            *missing,
            f"{len(results[scenario, NULL])} rounds of {sample.done:,} calls;"
            f" what became of the {sample.done + _WARMING:,} records, and the"
            " exit, are of the last process that was waited for.",
        ],
    )


def _row(results: Outcomes, name: str, scenario: str) -> list[str]:
    outcomes = results[scenario, name]
    cost = _cost(results, name, scenario)
    budget = VARIANTS[name].budget
    ends = [each for each in outcomes if each.exit_seconds is not None]
    times = [
        f"{_median(outcomes, 'p50'):.2f}",
        f"{cost.median:.2f}",
        cost.range,
        f"{cost.median / budget:.2f}" if budget else "–",
        f"{_median(outcomes, 'p99'):.1f}",
        f"{_median(outcomes, 'p999'):.1f}",
        *_over_own(results, name, scenario),
    ]
    if any(each.blocked for each in outcomes):
        # of the calls that ended: they say nothing
        times = ["–"] * len(times)
    return [
        _label(name, outcomes),
        *times,
        _worst(outcomes),
        *_fates(name, ends[-1]),
        _exit(ends),
        f"{(_median(outcomes, 'grown') - _idle(results)) / 1e6:.1f}",
    ]


def _label(name: str, outcomes: list[Outcome]) -> str:
    label = VARIANTS[name].label
    done = [each.done for each in outcomes if each.blocked]
    return f"{label}: **blocked** after {max(done):,} calls" if done else label


def _cost(results: Outcomes, name: str, scenario: str) -> Spread:
    return Spread.of(each.p50 - each.idle for each in results[scenario, name])


def _own_ratio(
    results: Outcomes, name: str, scenario: str, by: str
) -> float | None:
    """
    A percentile over the same one with a server that reads.
    """
    pairs = zip(results[scenario, name], results[_HEALTHY, name], strict=True)
    return statistics.median(
        getattr(ill, by) / getattr(well, by) for ill, well in pairs
    )


def _over_own(results: Outcomes, name: str, scenario: str) -> list[str]:
    if scenario == _HEALTHY:
        return []
    return [
        f"{_own_ratio(results, name, scenario, by):.2f}"
        for by in ("p99", "p999")
    ]


def _worst(outcomes: list[Outcome]) -> str:
    worst = max(each.worst for each in outcomes) / 1000
    more = "> " if any(each.blocked for each in outcomes) else ""
    return f"{more}{worst:,.1f}"


def _fates(name: str, end: Outcome) -> list[str]:
    if name == NULL:
        return ["–"] * 4
    numbers = (end.delivered, end.kept, end.told, end.silent)
    return [f"{number:,}" for number in numbers]


def _exit(ends: list[Outcome]) -> str:
    if any(each.hung for each in ends):
        return f"> {_EXIT_DEADLINE:g}"
    return f"{max(each.exit_seconds or 0 for each in ends):.2f}"


def _median(outcomes: list[Outcome], by: str) -> float:
    return statistics.median(getattr(each, by) for each in outcomes)


def _idle(results: Outcomes) -> float:
    return _median(results[_HEALTHY, NULL], "grown")


def _budgets(results: Outcomes, scenario: str) -> list[Budget]:
    ours = [name for name in VARIANTS if VARIANTS[name].budget]

    def worst(of: Callable[[str], float | None]) -> float:
        return max(of(name) or 0.0 for name in ours)

    budgets = [
        Budget(
            f"cost of {VARIANTS[name].label}",
            _cost(results, name, scenario).median,
            VARIANTS[name].budget,
            "µs",
        )
        for name in ours
    ]
    if scenario != _HEALTHY:
        budgets += [
            Budget(
                f"mllog's worst {title} over its own with a healthy server",
                worst(lambda name: _own_ratio(results, name, scenario, by)),
                limit,
            )
            for title, by, limit in (
                ("p99", "p99", _P99_BUDGET),
                ("p99.9", "p999", _P999_BUDGET),
            )
        ]
    exits = [
        each.exit_seconds or 0.0
        for name in ours
        for each in results[scenario, name]
    ]
    return [
        *budgets,
        Budget("mllog's slowest exit", max(exits), _EXIT_BUDGET, "s"),
    ]
