"""
What a topic costs: from the call to the receipt, and the call itself.
"""

from __future__ import annotations

import contextlib
import statistics

from .kafka_broker import Brokers
from .kafka_events import EVENTS
from .kafka_senders import BARE, MLLOG, NAIVE, NULL, SENDERS
from .measure import Child, Effort, Spread, installed
from .outages import HEALTHY, Case
from .table import Budget, Table

__all__ = ["run"]

_CPU_BUDGET, _RATE_BUDGET = 1.8, 1.6
# Fewer than librdkafka's queue takes, so that none waits for room.
_RECORDS, _FEW_RECORDS = 30_000, 10_000
_WARMING = 2_000

_FROZEN, _DEAD = "frozen", "dead"


class _Servers(Brokers):
    """
    Brokers that get into trouble.
    """

    def open(self, scenario: str = HEALTHY) -> str:
        return super().open()

    def trouble(self, scenario: str, address: str) -> None:
        (self.freeze if scenario == _FROZEN else self.die)(address)

    wake = Brokers.thaw


_CASE = Case(
    "Kafka",
    "benchmarks.kafka_variants",
    {
        HEALTHY: "a broker that is well",
        _FROZEN: "a broker that answers nothing any more",
        _DEAD: "a broker that died after the first records",
    },
    _Servers,
    # the slowest of them sends once a second
    settling_seconds=1.5,
)


def run(effort: Effort) -> list[Table]:
    """
    To the receipt, the caller in three situations, and inference events.
    """
    names, missing = installed(SENDERS)
    if MLLOG not in names:
        return [Table("Kafka: not measured", ["variant"], [], [], missing)]
    return [
        _receipt_table(_receipts(effort, names), names, missing),
        *_CASE.run(effort),
        _event_table(effort),
    ]


# --- to the receipt ---


class _Receipts:
    """
    Turns of all ways, each with the others of its time.

    Args:
        turns: What each turn took, by name.
    """

    def __init__(self, turns: dict[str, list[dict[str, float]]]) -> None:
        self._turns = turns

    def micros(self, name: str, by: str) -> list[float]:
        """
        Microseconds per record, of each turn.
        """
        return [each[by] / each["records"] * 1e6 for each in self._turns[name]]

    def cpu_over_floor(self, name: str) -> Spread:
        """
        The processor's time over a NullHandler's call and a bare produce.
        """
        floor = zip(
            self.micros(NULL, "cpu"), self.micros(BARE, "cpu"), strict=True
        )
        pairs = zip(self.micros(name, "cpu"), floor, strict=True)
        return Spread.of(own / sum(both) for own, both in pairs)

    def rate_over_naive(self, name: str) -> Spread:
        """
        Records per second over those of the naive handler.
        """
        pairs = zip(
            self.micros(NAIVE, "seconds"),
            self.micros(name, "seconds"),
            strict=True,
        )
        return Spread.of(naive / own for naive, own in pairs)

    def left(self, name: str) -> int:
        """
        Records without a receipt.
        """
        return int(sum(each["left"] for each in self._turns[name]))

    @property
    def count(self) -> int:
        """
        How many turns each had.
        """
        return len(self._turns[NULL])


def _receipts(effort: Effort, names: list[str]) -> _Receipts:
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    records = effort.of(_RECORDS, _FEW_RECORDS)
    for _ in range(effort.of(effort.rounds, 2)):
        with contextlib.ExitStack() as stack:
            brokers = stack.enter_context(contextlib.closing(Brokers()))
            children = {}
            for name in names:
                child = children[name] = Child(
                    "benchmarks.kafka_caller:sender",
                    *(name, brokers.open(), brokers.topic),
                )
                stack.callback(child.kill)
                child.receive()
                child.ask(_WARMING)
            for _ in range(effort.of(5, 3)):
                for name, child in children.items():
                    own = int(records * SENDERS[name].share)
                    turns[name].append({"records": own, **child.ask(own)})
    return _Receipts(turns)


def _receipt_table(
    found: _Receipts, names: list[str], missing: list[str]
) -> Table:
    return Table(
        "Kafka: from the call to the acknowledgement of the last record",
        [
            "variant",
            "CPU µs/record",
            "× (NullHandler + bare)",
            "range",
            "records/s",
            "× naive",
            "range of it",
            "µs/call",
            "without a receipt",
        ],
        [_receipt_row(found, name) for name in names],
        [
            Budget(
                "mllog's CPU over NullHandler and bare produce",
                found.cpu_over_floor(MLLOG).median,
                _CPU_BUDGET,
            ),
            Budget(
                "mllog's rate over the naive handler's",
                found.rate_over_naive(MLLOG).median,
                _RATE_BUDGET,
                at_least=True,
            ),
        ],
        [
            *missing,
            f"{found.count} turns; CPU is that of all threads of the process.",
        ],
    )


def _receipt_row(found: _Receipts, name: str) -> list[str]:
    def middle(by: str) -> float:
        return statistics.median(found.micros(name, by))

    cpu, rate = found.cpu_over_floor(name), found.rate_over_naive(name)
    return [
        SENDERS[name].label,
        f"{middle('cpu'):.2f}",
        f"{cpu.median:.2f}",
        cpu.range,
        f"{1e6 / middle('seconds'):,.0f}",
        f"{rate.median:.2f}",
        rate.range,
        f"{middle('called'):.2f}",
        f"{found.left(name):,}",
    ]


# --- inference events ---


def _event_table(effort: Effort) -> Table:
    names, missing = installed(EVENTS)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    request = [effort.of(10_000, 2_000), 500, 0.05, 1.0]
    for _ in range(effort.of((effort.rounds + 1) // 2, 1)):
        with contextlib.closing(Brokers()) as brokers:
            for name in names:
                found[name].append(_called(name, brokers.open(), request))
    return Table(
        "Kafka: one inference, the caller's cost",
        ["variant", "p50 µs", "cost µs", "range", "p99 µs", "lost"],
        [_event_row(found, name) for name in names],
        notes=[
            *missing,
            "A cost is over the same call with a NullHandler.",
        ],
    )


def _called(name: str, address: str, request: list[float]) -> dict[str, float]:
    child = Child("benchmarks.kafka_events:caller", name, address)
    try:
        child.receive()
        child.ask([500, *request[1:]])
        return dict(child.ask(request))
    finally:
        child.kill()


def _event_row(
    found: dict[str, list[dict[str, float]]], name: str
) -> list[str]:
    turns = found[name]
    pairs = zip(turns, found[NULL], strict=True)
    # both less the NullHandler of another record, which ran at their time
    cost = Spread.of(
        (own["p50"] - own["idle"]) - (null["p50"] - null["idle"])
        for own, null in pairs
    )
    return [
        EVENTS[name].label,
        f"{statistics.median(each['p50'] for each in turns):.2f}",
        f"{cost.median:.2f}",
        cost.range,
        f"{statistics.median(each['p99'] for each in turns):.1f}",
        f"{sum(each['lost'] for each in turns):.0f}",
    ]
