"""
A process that ships records to a server, and what is shipped how.
"""

from __future__ import annotations

import atexit
import importlib
import json
import logging
import os
import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .application import call_through
from .calls import timed_calls

__all__ = [
    "LAST_WORDS",
    "NULL",
    "Call",
    "ShippingVariant",
    "Subject",
    "Told",
    "caller",
    "null",
    "shipped",
    "variants_of",
]

Call = Callable[[float], Any]

NULL = "null"

LAST_WORDS = "last_words.json"


@dataclass
class Subject:
    """
    The call that is timed, and what its handler tells of its losses.

    Args:
        call: What an application calls.

        told: How many records it said were lost, by whatever means.

        kept: How many are on disk, for another process to send.
    """

    call: Call
    told: Callable[[], int] = field(default=lambda: 0)
    kept: Callable[[], int] = field(default=lambda: 0)


@dataclass(frozen=True)
class ShippingVariant:
    """
    One way to send a record to a server.

    Args:
        label: What tables call it.

        make: Makes it, for the address of a server and a folder.

        needs: The module it cannot do without; "" for none.

        budget: Microseconds that its median may cost; 0 for peers.
    """

    label: str
    make: Callable[[str, str], Subject]
    needs: str = ""
    budget: float = 0.0


def variants_of(module: str) -> Mapping[str, ShippingVariant]:
    """
    The variants of a case, by name.
    """
    return importlib.import_module(module).VARIANTS


class Told:
    """
    Counts what ends in ``handleError``, the stdlib's way to tell.
    """

    def __init__(self) -> None:
        self.count = 0

    def watch(self, handler: logging.Handler) -> None:
        """
        Count instead of printing a traceback, which would take its time.
        """

        def told(record: logging.LogRecord) -> None:
            self.count += 1

        handler.handleError = told  # type: ignore[method-assign]

    def number(self) -> int:
        """
        How many so far.
        """
        return self.count


def null(address: str, folder: str) -> Subject:
    """
    The one that sends nothing.
    """
    return Subject(call_through(logging.NullHandler()))


def shipped(handler: Any, *, has_spool: bool) -> Subject:
    """
    A handler of mllog, which knows what it lost and what it keeps.
    """

    def told() -> int:
        return sum(handler.stats().dropped.values())

    def kept() -> int:
        found = handler.stats()
        return found.spooled + (found.in_flight if has_spool else 0)

    return Subject(call_through(handler), told, kept)


def caller(
    variants: str, name: str, folder: str, address: str
) -> Generator[Any, Any, None]:
    """
    Make as many calls as asked, and say how long each took.

    A request is one of ``timed_calls``.  The first answer comes when the
    handler is made; when the process ends it writes what became of the
    records.
    """
    # So that it is behind all that logging and handlers do at the exit.
    atexit.unregister(logging.shutdown)
    atexit.register(lambda: _write_last_words(folder, subject))
    atexit.register(logging.shutdown)
    logging.raiseExceptions = False
    subject = variants_of(variants)[name].make(address, folder)
    chance = random.Random(os.getpid())
    request = yield "ready"
    while True:
        request = yield {
            **timed_calls(subject.call, chance, request),
            **_accounts(subject),
        }


def _accounts(subject: Subject) -> dict[str, int]:
    return {"told": subject.told(), "kept": subject.kept()}


def _write_last_words(folder: str, subject: Subject) -> None:
    with open(os.path.join(folder, LAST_WORDS), "w") as file:
        json.dump(_accounts(subject), file)
