"""
What became of the records of one handler, in numbers.
"""

from __future__ import annotations

import time
from collections import Counter

__all__ = ["Counts"]


class Counts:
    """
    The running numbers behind ``DeliveryStats``; its outbox's lock guards them.
    """

    __slots__ = (
        "accepted",
        "batches",
        "beside",
        "dead_lettered",
        "dropped",
        "last_success",
        "retried",
        "send_seconds",
        "sent",
        "unspooled",
    )

    def __init__(self) -> None:
        self.accepted = self.sent = self.dead_lettered = 0
        self.dropped: Counter[str] = Counter()
        #: Of records that are in no sum: suppressed, skipped, truncated.
        self.beside: Counter[str] = Counter()
        self.retried = self.unspooled = self.batches = 0
        self.send_seconds = self.last_success = 0.0

    def drop(self, reason: str, records: int = 1) -> None:
        """
        Records that were accepted before are lost.
        """
        self.dropped[reason] += records

    def count(self, what: str) -> None:
        """
        One more of those that are beside the sum, such as ``suppressed``.
        """
        self.beside[what] += 1

    def acknowledge(self, seconds: float) -> None:
        """
        The sink took a batch, in *seconds*.
        """
        self.batches += 1
        self.send_seconds += seconds
        self.last_success = time.time()

    def settle(self, records: int, outcome: str) -> None:
        """
        Records that were waiting are ``sent``, ``dead_lettered``, or lost.
        """
        if outcome == "sent":
            self.sent += records
        elif outcome == "dead_lettered":
            self.dead_lettered += records
        else:
            self.drop(outcome, records)

    def refuse(self, reason: str) -> None:
        """
        A record is accepted, and lost at once.
        """
        self.accepted += 1
        self.dropped[reason] += 1
