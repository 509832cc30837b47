"""
What was logged, kept for a test to look at, and waiting for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

__all__ = ["Kept", "said_to", "wait_for"]


class Kept(logging.Handler):
    """
    A foreign handler that keeps its records.
    """

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """
        Keep it.
        """
        self.records.append(record)


def said_to(name: str, level: int) -> list[logging.LogRecord]:
    """
    The records of the logger *name* from now on, and nobody else gets them.
    """
    kept = Kept()
    logger = logging.getLogger(name)
    logger.addHandler(kept)
    logger.setLevel(level)
    logger.propagate = False
    return kept.records


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    """
    Wait until *condition* holds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.005)
