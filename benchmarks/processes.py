"""
Four processes and one file that rotates: time, and what became of each line.
"""

from __future__ import annotations

import contextlib
import glob
import logging
import logging.handlers
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from .application import LOGGER
from .measure import Child, Effort, Spread, Variant, installed
from .table import Budget, Table

__all__ = ["run", "writer"]

_WRITERS = 4
_RECORDS = 20_000
_BYTES = 1_000_000
# More than there will be: what is missing at the end was lost, not retired.
_KEPT = 200

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
# Each line says who wrote it and which it is at both ends: a torn one differs.
_MESSAGE = "writer %d number %d " + "x" * 80 + " number %d writer %d"
_LINE = re.compile(
    rb"[-\d]{10} [:\d]{8},\d{3} INFO ml\.serving"
    rb" writer (\d+) number (\d+) x{80} number \2 writer \1\n"
)

Info = Callable[..., Any]


def _through(handler: logging.Handler) -> tuple[Info, Callable[[], Any]]:
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger = logging.getLogger(LOGGER)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return logger.info, handler.close


def _plain(path: str) -> Any:
    return _through(logging.FileHandler(path))


def _mllog(path: str) -> Any:
    from mllog import TimestampedRotatingFileHandler

    return _through(TimestampedRotatingFileHandler(path, maxBytes=_BYTES))


def _rotating(path: str) -> Any:
    return _through(
        logging.handlers.RotatingFileHandler(
            path, maxBytes=_BYTES, backupCount=_KEPT
        )
    )


def _concurrent(path: str) -> Any:
    from concurrent_log_handler import ConcurrentRotatingFileHandler

    return _through(
        ConcurrentRotatingFileHandler(path, maxBytes=_BYTES, backupCount=_KEPT)
    )


def _loguru(path: str) -> Any:
    from loguru import logger

    time = "{time:YYYY-MM-DD HH:mm:ss,SSS}"
    logger.remove()
    logger.add(
        path,
        format=time + " {level} " + LOGGER + " {message}",
        rotation=_BYTES,
        retention=_KEPT,
    )

    def info(message: str, *values: int) -> None:
        logger.info(message % values)  # loguru formats with braces

    return info, logger.remove


VARIANTS = {
    "plain": Variant("FileHandler, **no rotation**", _plain),
    "mllog": Variant("**mllog** TimestampedRotatingFileHandler", _mllog),
    "rotating": Variant("RotatingFileHandler", _rotating),
    "concurrent": Variant(
        "concurrent-log-handler", _concurrent, "concurrent_log_handler"
    ),
    "loguru": Variant("loguru, a sink per process", _loguru, "loguru"),
}


def writer(name: str, path: str, number: str) -> Generator[Any, int, None]:
    """
    What each child process does: log, close, say so.
    """
    # What fails is counted as lost; a traceback per record would take time.
    logging.raiseExceptions = False
    info, close = VARIANTS[name].make(path)
    own = int(number)
    records = yield "ready"
    for each in range(records):
        info(_MESSAGE, own, each, each, own)
    close()
    yield "done"


@dataclass(frozen=True)
class Outcome:
    """
    One round of one variant.
    """

    seconds: float
    lost: int
    torn: int
    doubled: int
    files: int
    largest: int


def _outcome(name: str) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "app.log")
        seconds = _written(name, path)
        # "app.log" and "app.2026-….log" alike; hidden ones are locks
        paths = glob.glob(os.path.join(folder, "app*"))
        return _judged(seconds, paths)


def _written(name: str, path: str) -> float:
    with contextlib.ExitStack() as stack:
        children = []
        for number in range(_WRITERS):
            child = Child(f"{__name__}:writer", name, path, str(number))
            stack.callback(child.close)
            children.append(child)
        for child in children:
            child.receive()
        start = perf_counter()
        for child in children:
            child.send(_RECORDS)
        for child in children:
            child.receive()
        return perf_counter() - start


def _judged(seconds: float, paths: list[str]) -> Outcome:
    seen: Counter[tuple[bytes, ...]] = Counter()
    torn = 0
    for path in paths:
        with open(path, "rb") as file:
            for line in file:
                match = _LINE.fullmatch(line)
                if match:
                    seen[match.groups()] += 1
                else:
                    torn += 1
    return Outcome(
        seconds,
        lost=_WRITERS * _RECORDS - len(seen),
        torn=torn,
        doubled=seen.total() - len(seen),
        files=len(paths),
        largest=max(map(os.path.getsize, paths)),
    )


def run(effort: Effort) -> list[Table]:
    """
    One table.
    """
    names, missing = installed(VARIANTS)
    results: dict[str, list[Outcome]] = {name: [] for name in names}
    for _ in range(effort.rounds):
        for name in names:
            results[name].append(_outcome(name))
    return [
        Table(
            f"{_WRITERS} processes × {_RECORDS} records, one file,"
            f" rotation each {_BYTES / 1e6:g} MB",
            [
                "variant",
                "records/s",
                "time × FileHandler",
                "range",
                "lost",
                "torn",
                "doubled",
                "files",
                "largest MB",
            ],
            [_row(results, name) for name in names],
            _budgets(results),
            [
                *missing,
                "Lost, torn and doubled are the sums of"
                f" {effort.rounds} rounds of {_WRITERS * _RECORDS} lines.",
            ],
        )
    ]


def _ratio(results: dict[str, list[Outcome]], name: str) -> Spread:
    pairs = zip(results[name], results["plain"], strict=True)
    return Spread.of(own.seconds / plain.seconds for own, plain in pairs)


def _row(results: dict[str, list[Outcome]], name: str) -> list[str]:
    outcomes = results[name]
    seconds = Spread.of(each.seconds for each in outcomes).median
    spread = _ratio(results, name)
    return [
        VARIANTS[name].label,
        f"{_WRITERS * _RECORDS / seconds:,.0f}",
        f"{spread.median:.2f}",
        spread.range,
        f"{sum(each.lost for each in outcomes):,}",
        f"{sum(each.torn for each in outcomes):,}",
        f"{sum(each.doubled for each in outcomes):,}",
        f"{Spread.of(each.files for each in outcomes).median:g}",
        f"{max(each.largest for each in outcomes) / 1e6:.2f}",
    ]


def _budgets(results: dict[str, list[Outcome]]) -> list[Budget]:
    wrong = sum(
        each.lost + each.torn + each.doubled for each in results["mllog"]
    )
    return [
        Budget(
            "mllog over FileHandler without rotation",
            _ratio(results, "mllog").median,
            1.5,
        ),
        Budget("mllog's lost, torn and doubled", wrong, 0, "lines"),
    ]
