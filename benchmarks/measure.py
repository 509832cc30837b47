"""
Variants in turn, A B C A B C, and their ratios paired within each round.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = [
    "Child",
    "Effort",
    "Spread",
    "Timing",
    "Variant",
    "installed",
    "interleaved",
    "middle",
    "ratios",
]


@dataclass(frozen=True)
class Effort:
    """
    How long to measure.

    Args:
        rounds: Sets of fresh processes.

        quick: Whether a round is short: good for seeing that all runs.
    """

    rounds: int
    quick: bool = False

    def of(self, full: int, quick: int) -> int:
        """
        A size for this effort.
        """
        return quick if self.quick else full


@dataclass(frozen=True)
class Variant:
    """
    One way to do the work.

    Args:
        label: What tables call it.

        make: Makes the call to be timed, or the handler, for a path.

        needs: The module it cannot do without; "" for none.
    """

    label: str
    make: Callable[[str], Any]
    needs: str = ""


class Timing(NamedTuple):
    """
    Microseconds per call: the mean of a loop, and percentiles of single calls.
    """

    mean: float
    p50: float
    p99: float


class Spread(NamedTuple):
    """
    The median over rounds, and the extremes.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        kept = list(values)
        return cls(statistics.median(kept), min(kept), max(kept))

    @property
    def range(self) -> str:
        return f"{self.low:.2f} to {self.high:.2f}"


class Child:
    """
    A fresh interpreter in which one variant, and nothing else, is loaded.
    """

    def __init__(self, target: str, *arguments: str) -> None:
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child", target, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def send(self, request: Any) -> None:
        """
        Ask for something, and do not wait for it.
        """
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()

    def receive(self) -> Any:
        """
        The answer; its first one is that it is ready.
        """
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            trace = self._errors.read().decode(errors="replace")
            raise RuntimeError(f"a child process failed\n{trace[-2000:]}")
        return json.loads(line)

    def ask(self, request: Any) -> Any:
        """
        Ask, and wait for the answer.
        """
        self.send(request)
        return self.receive()

    def freeze(self) -> None:
        """
        Have it do nothing, its threads included, until :meth:`let_go`.
        """
        self._process.send_signal(signal.SIGSTOP)

    def let_go(self) -> None:
        """
        Tell it to end, and do not wait for it.
        """
        if hasattr(signal, "SIGCONT"):
            self._process.send_signal(signal.SIGCONT)
        self._process.stdin.close()

    @property
    def is_running(self) -> bool:
        """
        Whether it has not ended yet.
        """
        return self._process.poll() is None

    def kill(self) -> None:
        """
        End it at once.
        """
        self._process.kill()
        self.close()

    def close(self) -> None:
        """
        Let it end.
        """
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def installed(
    variants: Mapping[str, Variant],
) -> tuple[list[str], list[str]]:
    """
    Names of the variants that can run, and what to say of the others.
    """
    names, missing = [], []
    for name, variant in variants.items():
        if not variant.needs or importlib.util.find_spec(variant.needs):
            names.append(name)
        else:
            missing.append(
                f"Missing: {variant.label} ({variant.needs} is not installed)."
            )
    return names, missing


def interleaved(
    target: str,
    names: list[str],
    *,
    rounds: int,
    turns: int,
    calls: int,
    look: Callable[[str, str, int], None] = lambda name, folder, calls: None,
) -> dict[str, list[Timing]]:
    """
    One Timing per round and name: the median over the turns of that round.

    Args:
        target: ``module:generator``, which gets a name and a folder.

        names: Variants, in the order of their turns.

        rounds: Sets of fresh processes.

        turns: How often each variant has its turn in a round.

        calls: Calls per loop of a turn.

        look: Told of each variant's folder, and how many calls were made,
            before the folder goes.
    """
    results: dict[str, list[Timing]] = {name: [] for name in names}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as root:
            taken = _round(target, names, root, turns, calls)
            for name, timings in taken.items():
                results[name].append(middle(timings))
                made = 2 * (turns * calls + _warming(calls))
                look(name, os.path.join(root, name), made)
    return results


def _round(
    target: str, names: list[str], root: str, turns: int, calls: int
) -> dict[str, list[Timing]]:
    taken: dict[str, list[Timing]] = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        children = {}
        for name in names:
            folder = os.path.join(root, name)
            os.mkdir(folder)
            children[name] = Child(target, name, folder)
            stack.callback(children[name].close)
        for child in children.values():
            child.receive()
        for child in children.values():
            child.ask(_warming(calls))
        for _ in range(turns):
            for name, child in children.items():
                taken[name].append(Timing(*child.ask(calls)))
    return taken


def _warming(calls: int) -> int:
    return calls // 4


def middle(timings: list[Timing]) -> Timing:
    """
    The median of each figure.
    """
    return Timing(*map(statistics.median, zip(*timings, strict=True)))


def ratios(
    results: Mapping[str, list[Timing]],
    name: str,
    floor: str,
    by: str = "mean",
    less: str = "",
) -> Spread:
    """
    *name* over *floor*, round by round; both less the variant *less*.
    """

    def costs(which: str) -> list[float]:
        own = [getattr(timing, by) for timing in results[which]]
        if not less:
            return own
        idle = [getattr(timing, by) for timing in results[less]]
        return [a - b for a, b in zip(own, idle, strict=True)]

    pairs = zip(costs(name), costs(floor), strict=True)
    return Spread.of(a / b for a, b in pairs)
