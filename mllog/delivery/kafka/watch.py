"""
Brokers that do not answer: since when, and who is told.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..retry import Fault, Verdict
from .faults import KafkaError

if TYPE_CHECKING:
    from ..outage import Outage

__all__ = ["Watch"]

# So long nobody is told, where it is known that brokers are away, and else.
_AWAY_SECONDS = 1.0
_SILENT_SECONDS = 5.0


class Watch:
    """
    What a producer hears of its brokers, and whether it gets on.

    Args:
        topic: The topic, for what people are told.
    """

    def __init__(self, topic: str) -> None:
        self._where = f"topic {topic}"
        #: Through whom people are told; the worker's.
        self.outage: Outage | None = None
        self.reset()

    def reset(self) -> None:
        """
        Nothing is known.
        """
        #: Why brokers cannot be reached, as librdkafka said last.
        self.trouble = ""
        #: Whether none of them can be, as far as is known.
        self.is_away = False
        self._error: KafkaError | None = None
        self._left = 0
        self._since = 0.0

    def heard(self, name: str, text: str) -> None:
        """
        Take what librdkafka says is wrong.
        """
        if name in _AWAY:
            self.is_away = True
        if name != _ALL_DOWN:
            self.trouble = text
            self._error = KafkaError.named(name, text, self._where)
            if self.outage is not None:
                self.outage.why = str(self._error)

    def is_well(self) -> None:
        """
        Something was delivered.
        """
        self.trouble, self.is_away, self._error = "", False, None

    def look(self, left: int) -> None:
        """
        Tell people if there has been no progress for a while.

        Args:
            left: Messages that are not delivered.
        """
        now = time.monotonic()
        if not left or left < self._left:
            if self._left:
                self.is_well()
                if self.outage is not None:
                    self.outage.ends()
            self._since = now
        elif not self._left:
            self._since = now
        elif now - self._since >= self._patience:
            self._since = now
            self._tell()
        self._left = left

    @property
    def _patience(self) -> float:
        return _AWAY_SECONDS if self.is_away else _SILENT_SECONDS

    def _tell(self) -> None:
        if self.outage is not None:
            error = self._error or KafkaError(
                f"{self._where}: nothing is acknowledged: brokers are silent,"
                " or have no such topic",
                Verdict(Fault.TRANSIENT),
            )
            self.outage.goes_on(error, error.verdict)


_ALL_DOWN = "_ALL_BROKERS_DOWN"
_AWAY = frozenset({_ALL_DOWN, "_AUTHENTICATION", "_SSL"})
