"""
What a bucket costs: the batch, its compression, and the call behind it all.
"""

from __future__ import annotations

import gzip
import random
import statistics
import tempfile
import time
from time import perf_counter
from typing import Any

from .measure import Child, Effort, Spread, installed
from .s3_variants import MLLOG, NULL, VARIANTS
from .table import Budget, Table

__all__ = ["run"]

_BATCH_RECORDS = 30_000  # just below the 8 MiB that are the default
_COMPRESSIONS = ("none", "gzip", "zstd")

_HEALTHY, _SLOW, _DEAD = "healthy", "slow", "dead"
_TITLES = {
    _HEALTHY: "an endpoint that answers at once",
    _SLOW: "an endpoint that takes 1 s for each answer",
    _DEAD: "an endpoint that died after the first records",
}
_WARMING = 500
_BURST = 500
_PAUSE_SECONDS = 0.05
_PATIENCE_SECONDS = 1.0
_SETTLING_SECONDS = 1.5  # what lingers is sent
_EXIT_BUDGET, _EXIT_DEADLINE = 5.5, 6.5


def run(effort: Effort) -> list[Table]:
    """
    The batch, the codecs, the payloads, and the caller in three situations.
    """
    names, missing = installed(VARIANTS)
    if MLLOG not in names:
        return [Table("S3: not measured", ["variant"], [], [], missing)]
    sink = Child("benchmarks.s3_sink:sink")
    try:
        sink.receive()
        return [
            _batch_table(effort, sink),
            _codec_table(effort),
            *_payload_tables(effort, sink),
            *_caller_tables(effort, sink, names, missing),
        ]
    finally:
        sink.close()


# --- a batch ---


def _batch_table(effort: Effort, sink: Child) -> Table:
    found: dict[str, list[dict[str, float]]] = {}
    missing = []
    for compression in _COMPRESSIONS:
        try:
            found[compression] = _batches(effort, sink, compression)
        except RuntimeError:
            missing.append(
                f"Missing: {compression}, whose package is not there."
            )
    rows = [row for each, parts in found.items() for row in _rows(each, parts)]
    return Table(
        f"S3: a batch of {_BATCH_RECORDS:,} records, from the queue to the"
        " receipt",
        [
            "what",
            "ms",
            "records/s",
            "MB/s of lines",
            "MB stored",
            "bare / mllog",
            "range",
        ],
        rows,
        [
            Budget(
                f"bare work over mllog's, compression={each}",
                _share(parts).median,
                0.9,
                at_least=True,
            )
            for each, parts in found.items()
        ],
        [
            *missing,
            "Bare is one join, the same codec, and one put_object of the same"
            " bytes; mllog's queue is full before its time begins.",
        ],
    )


def _batches(
    effort: Effort, sink: Child, compression: str
) -> list[dict[str, float]]:
    port = sink.ask(["open", None])
    found = []
    for _ in range(effort.of((effort.rounds + 1) // 2, 1)):
        child = Child("benchmarks.s3_caller:batches", compression, str(port))
        try:
            child.receive()
            child.ask(1000)
            turns = [child.ask(_BATCH_RECORDS) for _ in range(effort.of(9, 5))]
        finally:
            child.kill()
        found += turns
    sink.ask(["forget", port])
    return found


def _bare(parts: dict[str, float]) -> float:
    return parts["join"] + parts["compress"] + parts["put"]


def _share(turns: list[dict[str, float]]) -> Spread:
    return Spread.of(_bare(each) / each["mllog"] for each in turns)


def _rows(compression: str, turns: list[dict[str, float]]) -> list[list[str]]:
    def middle(*names: str) -> float:
        return statistics.median(
            sum(each[name] for name in names) for each in turns
        )

    def row(label: str, seconds: float, *rest: str) -> list[str]:
        return [
            f"{label}, {compression}",
            f"{seconds * 1e3:.1f}",
            f"{_BATCH_RECORDS / seconds:,.0f}",
            f"{middle('bytes') / seconds / 1e6:,.0f}",
            f"{middle('packed') / 1e6:.2f}",
            *(rest or ("–", "–")),
        ]

    share = _share(turns)
    return [
        row(
            "**mllog** S3Handler, its worker",
            middle("mllog"),
            f"{share.median:.2f}",
            share.range,
        ),
        row("bare: join, compress, put", middle("join", "compress", "put")),
        row("of it the compression", max(middle("compress"), 1e-9)),
        row("of it put_object", middle("put")),
        row("**mllog**, the calls with it", middle("called", "mllog")),
    ]


# --- codecs ---


def _codec_table(effort: Effort) -> Table:
    data = _lines(effort.of(33_000, 8_000))
    codecs: dict[str, Any] = {
        "gzip -6, stdlib": lambda: gzip.compress(data, 6)
    }
    ours = {"**mllog** gzip": "gzip", "**mllog** zstd": "zstd"}
    missing = []
    for label, name in ours.items():
        try:
            codecs[label] = _codec(name, data)
        except ImportError as exc:
            missing.append(f"Missing: {name} ({str(exc).splitlines()[0]}).")
    times: dict[str, list[float]] = {label: [] for label in codecs}
    sizes = {}
    for _ in range(effort.of(9, 5)):
        for label, compress in codecs.items():
            began = perf_counter()
            sizes[label] = len(compress())
            times[label].append(perf_counter() - began)
    floor = times["gzip -6, stdlib"]
    speeds = {
        label: Spread.of(a / b for a, b in zip(floor, own, strict=True))
        for label, own in times.items()
    }
    return Table(
        f"S3: compression of {len(data) / 1e6:.1f} MB of JSON lines, one thread",
        ["codec", "MB/s", "ratio", "× gzip -6", "range"],
        [
            [
                label,
                f"{len(data) / statistics.median(times[label]) / 1e6:,.0f}",
                f"{len(data) / sizes[label]:.2f}",
                f"{speeds[label].median:.2f}",
                speeds[label].range,
            ]
            for label in codecs
        ],
        [
            Budget(
                "mllog's gzip over the stdlib's -6",
                speeds["**mllog** gzip"].median,
                5,
                at_least=True,
            )
        ],
        missing,
    )


def _codec(name: str, data: bytes) -> Any:
    from mllog.compression import codec_of

    compress = codec_of("compression", name).compress
    return lambda: compress(data)


def _lines(count: int) -> bytes:
    chance = random.Random(1)
    return b"".join(
        b'{"timestamp":"2026-11-21T06:00:%02d.%06dZ","level":"INFO",'
        b'"logger":"ml.serving","message":"Inference complete",'
        b'"inference_latency":%.17g,"model_name":"resnet50",'
        b'"model_version":3,"request_id":"%032x","batch_size":8,'
        b'"confidence":0.98}\n'
        % (
            number // 600 % 60,
            number * 1666 % 1_000_000,
            chance.lognormvariate(-4, 0.7),
            chance.getrandbits(128),
        )
        for number in range(count)
    )


# --- payloads ---


def _payload_tables(effort: Effort, sink: Child) -> list[Table]:
    """
    What a call with an array costs beside the encoding alone.
    """
    port = sink.ask(["open", None])
    child = Child("benchmarks.s3_caller:payloads", str(port))
    try:
        try:
            child.receive()
        except RuntimeError:
            return []  # without numpy
        child.ask([100, 4096])
        found = {
            size: [
                child.ask([effort.of(400, 100), size])
                for _ in range(effort.of(9, 5))
            ]
            for size in (64, 150_528, 1_000_000)
        }
    finally:
        child.kill()
        sink.ask(["forget", port])
    ratios = {
        size: Spread.of(
            (each["mllog"] - each["null"]) / each["bare"] for each in turns
        )
        for size, turns in found.items()
    }

    def middle(size: int, name: str) -> float:
        return statistics.median(each[name] for each in found[size])

    return [
        Table(
            "S3: a call with an array of float32 for S3PayloadHandler",
            [
                "floats",
                "µs/call",
                "cost µs",
                "np.save µs",
                "× np.save",
                "range",
            ],
            [
                [
                    f"{size:,}",
                    f"{middle(size, 'mllog'):.1f}",
                    f"{middle(size, 'mllog') - middle(size, 'null'):.1f}",
                    f"{middle(size, 'bare'):.1f}",
                    f"{ratios[size].median:.2f}",
                    ratios[size].range,
                ]
                for size in found
            ],
            [
                Budget(
                    f"cost of a call with {size:,} floats over np.save",
                    ratios[size].median,
                    1.1,
                )
                for size in list(found)[1:]
            ],
            ["np.save writes to a BytesIO, whose bytes are then taken."],
        )
    ]


# --- the caller ---


def _caller_tables(
    effort: Effort, sink: Child, names: list[str], missing: list[str]
) -> list[Table]:
    rounds = effort.of((effort.rounds + 1) // 2, 1)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {
        (each, name): [] for each in _TITLES for name in names
    }
    request = [
        effort.of(40_000, 12_000),
        *(_BURST, _PAUSE_SECONDS, _PATIENCE_SECONDS),
    ]
    for number in range(rounds):
        for scenario in _TITLES:
            for name in names:
                found[scenario, name].append(
                    _called(sink, name, scenario, request, number == 0)
                )
    return [_caller_table(found, names, each, missing) for each in _TITLES]


def _called(
    sink: Child,
    name: str,
    scenario: str,
    request: list[Any],
    is_witnessed: bool,
) -> dict[str, Any]:
    port = sink.ask(["open", None])
    with tempfile.TemporaryDirectory() as folder:
        child = Child("benchmarks.s3_caller:caller", name, folder, str(port))
        try:
            child.receive()
            child.ask([_WARMING, *request[1:]])
            time.sleep(_SETTLING_SECONDS)
            if scenario == _SLOW:
                sink.ask(["slow", port])
            elif scenario == _DEAD:
                sink.ask(["die", port])
            outcome: dict[str, Any] = child.ask(request)
            outcome["exit"] = _exit(child) if is_witnessed else None
        finally:
            child.kill()
            sink.ask(["forget", port])
    return outcome


def _exit(child: Child) -> float:
    """
    Seconds that the process takes to end.
    """
    began = perf_counter()
    child.let_go()
    while child.is_running and perf_counter() - began < _EXIT_DEADLINE:
        time.sleep(0.005)
    return min(perf_counter() - began, _EXIT_DEADLINE)


def _caller_table(
    found: dict[tuple[str, str], list[dict[str, Any]]],
    names: list[str],
    scenario: str,
    missing: list[str],
) -> Table:
    ours = [name for name in names if VARIANTS[name].budget]
    costs = {
        name: Spread.of(
            each["p50"] - each["idle"] for each in found[scenario, name]
        )
        for name in names
    }
    exits = {
        name: max(each["exit"] or 0.0 for each in found[scenario, name])
        for name in names
    }
    return Table(
        f"S3, the caller: {_TITLES[scenario]}",
        [
            "variant",
            "p50 µs",
            "cost µs",
            "range",
            "× budget",
            "p99 µs",
            "p99.9 µs",
            "worst ms",
            "lost, told",
            "exit s",
            "RSS +MB",
        ],
        [
            _caller_row(name, found[scenario, name], costs[name], exits[name])
            for name in names
        ],
        [
            *(
                Budget(
                    f"cost of {VARIANTS[name].label}",
                    costs[name].median,
                    VARIANTS[name].budget,
                    "µs",
                )
                for name in ours
            ),
            Budget(
                "mllog's slowest exit",
                max(exits[name] for name in ours),
                _EXIT_BUDGET,
                "s",
            ),
        ],
        missing,
    )


def _caller_row(
    name: str, outcomes: list[dict[str, Any]], cost: Spread, end: float
) -> list[str]:
    def middle(by: str) -> float:
        return statistics.median(each[by] for each in outcomes)

    budget = VARIANTS[name].budget
    times = [
        f"{middle('p50'):.2f}",
        f"{cost.median:.2f}",
        cost.range,
        f"{cost.median / budget:.2f}" if budget else "–",
        f"{middle('p99'):.1f}",
        f"{middle('p999'):.1f}",
    ]
    label = VARIANTS[name].label
    blocked = [each["done"] for each in outcomes if each["blocked"]]
    if blocked:  # of the calls that ended: they say nothing
        label = f"{label}: **blocked** after {max(blocked):,} calls"
        times = ["–"] * len(times)
    worst = max(each["worst"] for each in outcomes) / 1000
    late = end >= _EXIT_DEADLINE
    return [
        label,
        *times,
        f"{'> ' if blocked else ''}{worst:,.1f}",
        "–" if name == NULL else f"{middle('told'):,.0f}",
        f"> {_EXIT_DEADLINE:g}" if late else f"{end:.2f}",
        f"{middle('grown') / 1e6:.1f}",
    ]
