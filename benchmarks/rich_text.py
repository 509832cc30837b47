"""
A coloured line for people, beside a plain one and rich's own handler.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from typing import Any

from . import child, costs
from .application import FIELDS, call_through
from .measure import Effort, Variant, interleaved, ratios
from .table import Budget, Table

__all__ = ["run", "timed"]

_PLAIN = "%(asctime)s %(levelname)s %(name)s %(message)s"
_WITH_FIELDS = " ".join([_PLAIN, *(f"{key}=%({key})s" for key in FIELDS)])


def _stream(formatter: logging.Formatter) -> logging.Handler:
    # A terminal would cost all of them the same, and hide what differs.
    handler = logging.StreamHandler(open(os.devnull, "w"))
    handler.setFormatter(formatter)
    return handler


def _null(path: str) -> logging.Handler:
    return logging.NullHandler()


def _plain(path: str) -> logging.Handler:
    return _stream(logging.Formatter(_PLAIN))


def _with_fields(path: str) -> logging.Handler:
    return _stream(logging.Formatter(_WITH_FIELDS))


def _mllog(path: str) -> logging.Handler:
    from mllog import RichFormatter

    return _stream(RichFormatter(color=True))


def _rich(path: str) -> logging.Handler:
    from rich.console import Console
    from rich.logging import RichHandler

    return RichHandler(
        console=Console(file=open(os.devnull, "w"), force_terminal=True)
    )


VARIANTS = {
    "null": Variant("NullHandler (writes nothing)", _null),
    "plain": Variant("**floor**: StreamHandler, Formatter, no field", _plain),
    "fields": Variant("StreamHandler, Formatter, six fields", _with_fields),
    "mllog": Variant("StreamHandler, **mllog** RichFormatter", _mllog),
    "rich": Variant("rich.logging.RichHandler, no field", _rich),
}


def timed(name: str, folder: str) -> Generator[Any, int, None]:
    """
    What each child process does.
    """
    return child.turns(call_through(VARIANTS[name].make(folder)))


def run(effort: Effort) -> list[Table]:
    """
    One table.
    """
    results = interleaved(
        f"{__name__}:timed",
        list(VARIANTS),
        rounds=effort.rounds,
        turns=effort.of(8, 3),
        calls=effort.of(1000, 300),
    )
    whole = ratios(results, "mllog", "plain")
    cost = ratios(results, "mllog", "plain", "p50", "null")
    return [
        Table(
            "Coloured line with six fields, to the null device",
            ["variant", *costs.COLUMNS],
            [costs.row(results, VARIANTS, each, "plain") for each in VARIANTS],
            [
                Budget("mllog's whole call over plain", whole.median, 2),
                Budget("mllog's cost over plain", cost.median, 2),
            ],
        )
    ]
