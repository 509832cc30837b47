"""
A row of a latency CSV per call, beside what people write by hand.
"""

from __future__ import annotations

import csv
import logging
import os
import time
from collections.abc import Callable, Generator
from typing import Any

from . import child, costs
from .application import call_through
from .measure import Effort, Variant, interleaved, ratios
from .table import Budget, Table

__all__ = ["run", "timed"]

Call = Callable[[float], None]


class Floor(logging.Handler):
    """
    The least that gives this row: an f-string and one write.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._fd = os.open(path, flags, 0o666)

    def emit(self, record: Any) -> None:
        """
        Write four values by name; no fault is handled.
        """
        row = (
            f"{record.created},{record.inference_latency},"
            f"{record.model_name},{record.model_version}\n"
        )
        os.write(self._fd, row.encode())


class KeptWriter(logging.Handler):
    """
    A csv.writer that stays open and is flushed after each row.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._file = open(path, "a", newline="")
        self._row = csv.writer(self._file, lineterminator="\n").writerow

    def emit(self, record: Any) -> None:
        """
        Write a row and flush.
        """
        self._row(
            (
                record.created,
                record.inference_latency,
                record.model_name,
                record.model_version,
            )
        )
        self._file.flush()


class TutorialHandler(logging.Handler):
    """
    As tutorials have it: opens the file per record, and keeps all values.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.latencies: list[float] = []

    def emit(self, record: Any) -> None:
        """
        Open, write, close.
        """
        message = record.getMessage()
        if record.levelname == "INFO" and "Inference complete" in message:
            latency = record.inference_latency
            self.latencies.append(latency)
            with open(self._path, "a") as file:
                file.write(f"{time.time()}, {latency}\n")


def _mllog(path: str) -> logging.Handler:
    from mllog import LatencyCSVHandler

    return LatencyCSVHandler(path)


def _formatted(path: str) -> logging.Handler:
    handler = logging.FileHandler(path)
    handler.setFormatter(
        logging.Formatter(
            "%(created)s,%(inference_latency)s,"
            "%(model_name)s,%(model_version)s"
        )
    )
    return handler


VARIANTS = {
    "null": Variant(
        "NullHandler (writes nothing)", lambda path: logging.NullHandler()
    ),
    "floor": Variant("**floor**: f-string, os.write", Floor),
    "mllog": Variant("**mllog** LatencyCSVHandler, with percentiles", _mllog),
    "kept": Variant("csv.writer kept open, flush per row", KeptWriter),
    "formatted": Variant("FileHandler formatted as CSV", _formatted),
    "tutorial": Variant("tutorial: open('a') per record", TutorialHandler),
}


def timed(name: str, folder: str) -> Generator[Any, int, None]:
    """
    What each child process does.
    """
    handler = VARIANTS[name].make(os.path.join(folder, "latency.csv"))
    return child.turns(call_through(handler))


class Rows:
    """
    How many rows the variants did not write.
    """

    def __init__(self) -> None:
        self.lost: dict[str, int] = {}

    def look(self, name: str, folder: str, calls: int) -> None:
        """
        Count the rows of one round.
        """
        path = os.path.join(folder, "latency.csv")
        if os.path.exists(path):
            with open(path) as file:
                rows = sum(not row.startswith("timestamp") for row in file)
            self.lost[name] = self.lost.get(name, 0) + calls - rows


def run(effort: Effort) -> list[Table]:
    """
    One table.
    """
    rows = Rows()
    results = interleaved(
        f"{__name__}:timed",
        list(VARIANTS),
        rounds=effort.rounds,
        turns=effort.of(10, 4),
        calls=effort.of(2000, 800),
        look=rows.look,
    )
    return [
        Table(
            "Latency CSV, one row per call",
            ["variant", *costs.COLUMNS, "lost"],
            [
                [
                    *costs.row(results, VARIANTS, name, "floor"),
                    str(rows.lost.get(name, "–")),
                ]
                for name in VARIANTS
            ],
            [
                Budget(
                    "mllog's cost over the floor's",
                    ratios(results, "mllog", "floor", "p50", "null").median,
                    1.3,
                )
            ],
        )
    ]
