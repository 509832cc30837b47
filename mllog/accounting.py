"""
What became of each record: written, dropped for a reason, refused for a reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from .forking import fork_safe_lock, tell_child

__all__ = ["DeliveryStats", "Ledger", "Stats"]


@dataclass(frozen=True)
class Stats:
    """
    A snapshot of what a handler did with the records it was given.

    Args:
        written: Records whose line or row was handed to the kernel.

        dropped: Records lost, by reason (``disk_full``, ``io_error``, …).

        refused: Records whose value cannot be measured, by reason
            (``not_finite``, ``negative``, ``not_a_number``).

        fragments: Lines that a full disk cut short.

        failures: Attempts to serve, write or push metrics that failed.

        relabelled: Values measured as ``other``, since *max_series* or
            *max_runs* other label sets came before.
    """

    written: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    fragments: int = 0
    failures: int = 0
    relabelled: int = 0


@dataclass(frozen=True)
class DeliveryStats:
    """
    A snapshot of what a shipper did with the records it was given.

    Guarantee:
        At every instant *accepted* is *sent*, all of *dropped*, *queued*,
        *in_flight*, *spooled* and *dead_lettered* together.

    Args:
        accepted: Records that reached the handler, those found in the spool
            of a dead process included.

        sent: Records that the sink acknowledged.

        dropped: Records lost, by reason: ``queue_full``, ``spool_full``,
            ``would_block``, ``too_large``, ``expired``, ``rejected``,
            ``closed``, ``unsent_at_close``, ``spool_corrupt``,
            ``format_error``, ``recursion``.

        queued: Records in memory.

        in_flight: Records that the worker is sending.

        spooled: Records on disk, those in flight excepted.

        dead_lettered: Records that the sink refused, in the dead-letter file.

        queued_bytes: Their size in memory.

        spooled_bytes: Bytes of files on disk.

        oldest_seconds: Age of the oldest record in memory; 0 without one.

        adopted: Of the accepted, those that a dead process left.

        retried: Records sent once more.

        truncated: Records cut to what the sink takes.

        resent: Records sent again because a connection broke, which may have
            arrived twice.

        reconnects: Connections after the first.

        suppressed: Records of shippers' own threads, which are never taken.

        skipped: Records that the formatter makes no event of.

        unspooled: Records that the disk refused and that memory took.

        torn: Ends of files that a crash left incomplete.

        batches: Batches acknowledged.

        payloads: What was decided of payloads when they were logged:
            ``stored``, ``sampled_out``, ``too_large``, ``failed``.

        send_seconds: Time spent in sending, in seconds.

        last_success: When the sink last acknowledged, as ``time.time()``; 0
            if it never did.

        relabelled: Records stored under the key ``other``, since a batch had
            too many values of *key_fields*.
    """

    accepted: int = 0
    sent: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    queued: int = 0
    in_flight: int = 0
    spooled: int = 0
    dead_lettered: int = 0
    queued_bytes: int = 0
    spooled_bytes: int = 0
    oldest_seconds: float = 0.0
    adopted: int = 0
    retried: int = 0
    truncated: int = 0
    resent: int = 0
    reconnects: int = 0
    suppressed: int = 0
    skipped: int = 0
    unspooled: int = 0
    torn: int = 0
    batches: int = 0
    payloads: Mapping[str, int] = field(default_factory=dict)
    send_seconds: float = 0.0
    last_success: float = 0.0
    relabelled: int = 0


class Ledger:
    """
    The running counts behind :class:`Stats`, exact under threads.

    ``wrote()`` is called once per record by every thread: it is a bare
    ``count.__next__``, which needs no lock and costs 30 ns.
    """

    def __init__(self) -> None:
        self._written = count()
        self._before = 0
        self._lock = fork_safe_lock()
        self._dropped: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._fragments = self._relabelled = 0
        self.wrote = self._written.__next__
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: the parent counts its own records.
        """
        self._before = self._count()
        self._dropped.clear()
        self._refused.clear()
        self._fragments = self._relabelled = 0

    def _count(self) -> int:
        # repr is "count(n)": reading it is the only way that does not add
        return int(repr(self._written)[6:-1])

    def dropped(self, reason: str) -> None:
        """
        One record was lost.
        """
        with self._lock:
            self._dropped[reason] += 1

    def refused(self, reason: str) -> None:
        """
        One record has a value that cannot be measured.
        """
        with self._lock:
            self._refused[reason] += 1

    def fragment(self) -> None:
        """
        One line was cut short by the disk.
        """
        with self._lock:
            self._fragments += 1

    def relabelled(self) -> None:
        """
        One value is measured as ``other``: its labels have no series.
        """
        with self._lock:
            self._relabelled += 1

    @property
    def lost(self) -> int:
        """
        Records dropped so far, for whatever reason.
        """
        return self._dropped.total()

    def stats(self) -> Stats:
        """
        The counts at this instant.
        """
        with self._lock:
            return Stats(
                written=self._count() - self._before,
                dropped=dict(self._dropped),
                refused=dict(self._refused),
                fragments=self._fragments,
                relabelled=self._relabelled,
            )
