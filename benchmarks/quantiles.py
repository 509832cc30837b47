"""
Percentiles of a stream: error, memory and time, beside a list that is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from time import perf_counter
from typing import Any

from .measure import Child, Effort, Spread, Variant, installed
from .table import Budget, Table

__all__ = ["run", "sketched"]

_PARTS = (0.5, 0.99, 0.999)
_CHUNK = 10_000
_SEED = 7

Add = Callable[[float], Any]
Ask = Callable[[float], float]


def _list(_: str) -> tuple[Add, Ask]:
    values: list[float] = []

    def ask(part: float) -> float:
        return sorted(values)[int(part * (len(values) - 1))]

    return values.append, ask


def _mllog(_: str) -> tuple[Add, Ask]:
    from mllog.metrics.quantiles import Quantiles

    quantiles = Quantiles()

    def add(value: float) -> None:  # as the handler does
        quantiles.add(value)
        if quantiles.is_pending:
            quantiles.fold()

    return add, quantiles.quantile


def _ddsketch(_: str) -> tuple[Add, Ask]:
    from ddsketch import DDSketch

    sketch = DDSketch(0.01)
    return sketch.add, sketch.get_quantile_value


VARIANTS = {
    "list": Variant("a list, sorted when asked", _list),
    "mllog": Variant("**mllog** Quantiles", _mllog),
    "ddsketch": Variant("ddsketch, 1 %", _ddsketch, "ddsketch"),
}


def sketched(name: str) -> Generator[Any, int, None]:
    """
    What each child process does: take the values, say what was seen.
    """
    add, ask = VARIANTS[name].make("")
    count = yield "ready"
    for _ in _chunks(_CHUNK):  # numpy is loaded before memory is looked at
        pass
    start, seconds = _resident(), []
    for chunk in _chunks(count):
        seconds.append(_added(add, chunk))
        if len(seconds) == count // _CHUNK // 2:
            halfway = _resident()
    end = _resident()
    yield {
        "ns": sum(seconds) / count * 1e9,
        "MB": (end - start) / 1e6,
        "late MB": (end - halfway) / 1e6,
        "errors": _errors(ask, count),
    }


def _chunks(count: int) -> Iterator[list[float]]:
    import numpy

    chance = numpy.random.default_rng(_SEED)
    for _ in range(count // _CHUNK):
        yield chance.lognormal(-4, 0.7, _CHUNK).tolist()


def _added(add: Add, values: list[float]) -> float:
    start = perf_counter()
    for value in values:
        add(value)
    return perf_counter() - start


def _errors(ask: Ask, count: int) -> list[float]:
    import numpy

    values = numpy.concatenate([*_chunks(count)])
    exact = numpy.quantile(values, _PARTS)
    pairs = zip(_PARTS, exact.tolist(), strict=True)
    return [abs(ask(part) / true - 1) * 100 for part, true in pairs]


def _resident() -> float:
    """
    Bytes of memory in use; where that cannot be asked, the most so far.
    """
    try:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _found(name: str, count: int) -> dict[str, Any]:
    child = Child(f"{__name__}:sketched", name)
    try:
        child.receive()
        return child.ask(count)
    finally:
        child.close()


def run(effort: Effort) -> list[Table]:
    """
    One table.
    """
    count = effort.of(2_000_000, 500_000)
    names, missing = installed(VARIANTS)
    results: dict[str, list[Any]] = {name: [] for name in names}
    for _ in range(effort.rounds):
        for name in names:
            results[name].append(_found(name, count))
    return [
        Table(
            f"Percentiles of {count:,} lognormal latencies",
            [
                "sketch",
                "ns/add",
                "× list.append",
                "MB grown",
                "of it in the second half",
                *(f"error % at p{part * 100:g}" for part in _PARTS),
            ],
            [_row(results, name) for name in names],
            _budgets(results["mllog"]),
            [*missing, "Errors are against numpy.quantile of all values."],
        )
    ]


def _row(results: dict[str, list[Any]], name: str) -> list[str]:
    found = results[name]
    pairs = zip(found, results["list"], strict=True)
    times = Spread.of(own["ns"] / base["ns"] for own, base in pairs)
    return [
        VARIANTS[name].label,
        f"{Spread.of(each['ns'] for each in found).median:.0f}",
        f"{times.median:.1f}",
        f"{Spread.of(each['MB'] for each in found).median:.1f}",
        f"{Spread.of(each['late MB'] for each in found).median:.1f}",
        *(f"{error:.2f}" for error in found[0]["errors"]),
    ]


def _budgets(found: list[Any]) -> list[Budget]:
    worst = max(error for each in found for error in each["errors"])
    grown = Spread.of(each["late MB"] for each in found).median
    return [
        Budget("mllog's largest error", worst, 1, "%"),
        Budget(
            "what the second half adds to mllog's memory", grown, 0.5, "MB"
        ),
    ]
