"""
A process that logs to a server that is well, stalled or dead.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import random
from collections.abc import Generator
from typing import Any

from .calls import timed_calls
from .syslog_variants import VARIANTS, Subject

__all__ = ["LAST_WORDS", "caller"]

LAST_WORDS = "last_words.json"


def caller(name: str, folder: str, port: str) -> Generator[Any, Any, None]:
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
    subject = VARIANTS[name].make(int(port), folder)
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
