"""
What a call costs whose record goes to a server that is well, or is not.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .measure import Child, Effort, Spread, installed
from .shipping import LAST_WORDS, NULL, variants_of
from .table import Budget, Table

__all__ = ["HEALTHY", "Case", "Servers"]

HEALTHY = "healthy"

_WARMING = 500
_BURST = 500
_PAUSE_SECONDS = 0.01
_SETTLING_SECONDS = 0.3
_PATIENCE_SECONDS = 1.0
# What the budget allows for, and what the interpreter itself takes.
_EXIT_BUDGET = 5.5
_EXIT_DEADLINE = 6.5
_P99_BUDGET, _P999_BUDGET = 1.2, 2.0


class Servers(Protocol):
    """
    The servers of a case, one for each process that logs.
    """

    def open(self, scenario: str) -> str:
        """
        A new one, which is well; gives its address.
        """

    def trouble(self, scenario: str, address: str) -> None:
        """
        It has from now on what the scenario says.
        """

    def wake(self, address: str) -> None:
        """
        Have it take what it did not, if it lives.
        """

    def took(self, address: str) -> int:
        """
        How many records came.
        """

    def forget(self, address: str) -> None:
        """
        Nobody needs it any more.
        """

    def close(self) -> None:
        """
        End all of them.
        """


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
    address: str
    outcome: Outcome


class _Round:
    """
    All variants in turn with one kind of server, each in a fresh process.

    Args:
        case: What is measured.

        servers: Where to.

        scenario: How the servers are.

        request: What each caller is asked for.
    """

    def __init__(
        self, case: Case, servers: Servers, scenario: str, request: list[Any]
    ) -> None:
        self._case = case
        self._servers = servers
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
                    self._servers.forget(each.address)
        return {each.name: each.outcome for each in self._processes}

    def _measured(self, name: str, folder: str) -> _Process:
        address = self._servers.open(self._scenario)
        child = Child(
            "benchmarks.shipping:caller",
            *(self._case.variants, name, folder, address),
        )
        try:
            child.receive()
            burst, pause, patience = self._request[1:]
            child.ask([_WARMING, burst, pause, patience])
            time.sleep(self._case.settling_seconds)  # what lingers is sent
            if self._scenario != HEALTHY:
                self._servers.trouble(self._scenario, address)
            outcome = Outcome(**child.ask(self._request))
            # its threads shall not have a part in the turns of others
            child.freeze()
        except BaseException:
            child.kill()
            raise
        return _Process(name, child, folder, address, outcome)

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
            self._servers.wake(each.address)
        time.sleep(self._case.settling_seconds)  # they read to the end
        for each in self._processes:
            each.outcome.delivered = self._servers.took(each.address)
            with contextlib.suppress(OSError, ValueError):
                path = os.path.join(each.folder, LAST_WORDS)
                with open(path) as file:
                    vars(each.outcome).update(json.load(file))


@dataclass(frozen=True)
class Case:
    """
    Variants and the situations they are put in.

    Args:
        title: What tables are about.

        variants: The module that has them as ``VARIANTS``.

        scenarios: Titles by name; the first one is ``HEALTHY``.

        servers: Makes where records go.

        settling_seconds: After which nothing lingers any more.
    """

    title: str
    variants: str
    scenarios: Mapping[str, str]
    servers: Callable[[], Servers]
    settling_seconds: float = 0.3

    def run(self, effort: Effort) -> list[Table]:
        """
        One table per situation.
        """
        names, missing = installed(variants_of(self.variants))
        rounds = effort.of((effort.rounds + 1) // 2, 1)
        witnessed = effort.of(2, 1)
        calls = effort.of(20_000, 6_000)
        request = [calls, _BURST, _PAUSE_SECONDS, _PATIENCE_SECONDS]
        results: Outcomes = {
            (each, name): [] for each in self.scenarios for name in names
        }
        servers = self.servers()
        try:
            for number in range(rounds):
                for scenario in self.scenarios:
                    found = _Round(self, servers, scenario, request).run(
                        names, number < witnessed
                    )
                    for name, outcome in found.items():
                        results[scenario, name].append(outcome)
        finally:
            servers.close()
        tables = _Tables(self, results, names, missing)
        return [tables.of(scenario) for scenario in self.scenarios]


# --- the tables ---


class _Tables:
    """
    What was found, as tables.

    Args:
        case: What was measured.

        results: The outcomes, by scenario and name.

        names: Of the variants, in their order.

        missing: What to say of those that are not installed.
    """

    def __init__(
        self,
        case: Case,
        results: Outcomes,
        names: list[str],
        missing: list[str],
    ) -> None:
        self._case = case
        self._results = results
        self._variants = variants_of(case.variants)
        self._names = names
        self._missing = missing

    def of(self, scenario: str) -> Table:
        """
        The table of one situation.
        """
        over = [] if scenario == HEALTHY else ["× own p99", "× own p99.9"]
        sample = self._results[scenario, NULL][0]
        return Table(
            f"{self._case.title}: {self._case.scenarios[scenario]}",
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
            [self._row(name, scenario) for name in self._names],
            self._budgets(scenario),
            [
                *self._missing,
                f"{len(self._results[scenario, NULL])} rounds of"
                f" {sample.done:,} calls; what became of the"
                f" {sample.done + _WARMING:,} records, and the exit, are of"
                " the last process that was waited for.",
            ],
        )

    def _row(self, name: str, scenario: str) -> list[str]:
        outcomes = self._results[scenario, name]
        cost = self._cost(name, scenario)
        budget = self._variants[name].budget
        ends = [each for each in outcomes if each.exit_seconds is not None]
        times = [
            f"{_median(outcomes, 'p50'):.2f}",
            f"{cost.median:.2f}",
            cost.range,
            f"{cost.median / budget:.2f}" if budget else "–",
            f"{_median(outcomes, 'p99'):.1f}",
            f"{_median(outcomes, 'p999'):.1f}",
            *self._over_own(name, scenario),
        ]
        if any(each.blocked for each in outcomes):
            # of the calls that ended: they say nothing
            times = ["–"] * len(times)
        idle = _median(self._results[HEALTHY, NULL], "grown")
        return [
            _label(self._variants[name].label, outcomes),
            *times,
            _worst(outcomes),
            *_fates(name, ends[-1]),
            _exit(ends),
            f"{(_median(outcomes, 'grown') - idle) / 1e6:.1f}",
        ]

    def _cost(self, name: str, scenario: str) -> Spread:
        return Spread.of(
            each.p50 - each.idle for each in self._results[scenario, name]
        )

    def _own_ratio(self, name: str, scenario: str, by: str) -> float:
        """
        A percentile over the same one with a server that is well.
        """
        pairs = zip(
            self._results[scenario, name],
            self._results[HEALTHY, name],
            strict=True,
        )
        return statistics.median(
            getattr(ill, by) / getattr(well, by) if getattr(well, by) else 0.0
            for ill, well in pairs
        )

    def _over_own(self, name: str, scenario: str) -> list[str]:
        if scenario == HEALTHY:
            return []
        return [
            f"{self._own_ratio(name, scenario, by):.2f}"
            for by in ("p99", "p999")
        ]

    def _budgets(self, scenario: str) -> list[Budget]:
        ours = [name for name in self._names if self._variants[name].budget]
        budgets = [
            Budget(
                f"cost of {self._variants[name].label}",
                self._cost(name, scenario).median,
                self._variants[name].budget,
                "µs",
            )
            for name in ours
        ]
        if scenario != HEALTHY:
            budgets += [
                Budget(
                    f"mllog's worst {title} over its own with a healthy server",
                    max(self._own_ratio(name, scenario, by) for name in ours),
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
            for each in self._results[scenario, name]
        ]
        return [
            *budgets,
            Budget("mllog's slowest exit", max(exits), _EXIT_BUDGET, "s"),
        ]


def _label(label: str, outcomes: list[Outcome]) -> str:
    done = [each.done for each in outcomes if each.blocked]
    return f"{label}: **blocked** after {max(done):,} calls" if done else label


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
