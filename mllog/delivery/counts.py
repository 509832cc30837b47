"""
What became of the records of one handler, in numbers.
"""

from __future__ import annotations

from collections import Counter

__all__ = ["Counts"]


class Counts:
    """
    The running numbers behind ``DeliveryStats``; its outbox's lock guards them.
    """

    __slots__ = (
        "accepted",
        "batches",
        "dead_lettered",
        "dropped",
        "last_success",
        "retried",
        "send_seconds",
        "sent",
        "skipped",
        "suppressed",
        "truncated",
        "unspooled",
    )

    def __init__(self) -> None:
        self.accepted = self.sent = self.dead_lettered = 0
        self.dropped: Counter[str] = Counter()
        self.retried = self.skipped = self.suppressed = self.unspooled = 0
        self.truncated = 0
        self.batches = 0
        self.send_seconds = self.last_success = 0.0

    def drop(self, reason: str, records: int = 1) -> None:
        """
        Records that were accepted before are lost.
        """
        self.dropped[reason] += records

    def refuse(self, reason: str) -> None:
        """
        A record is accepted, and lost at once.
        """
        self.accepted += 1
        self.dropped[reason] += 1
