"""
Some of the records: by chance, each so many, or by a field's value.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Annotated, Any

from .. import options
from ..accounting import Ledger
from ..errors import ConfigError, shown
from ..forking import tell_child
from ..options import Parse
from ..values import convert, number
from .record_filter import RecordFilter

__all__ = ["SamplingFilter"]

_HASHES = 2**64

if TYPE_CHECKING:
    from random import Random


def _share(option: str, value: Any) -> float:
    try:
        share = options.number(option, value, above=-1)
    except ConfigError:
        share = math.inf
    if not 0 <= share <= 1:
        raise ConfigError(
            shown(option, value),
            expected="the share of records to keep, 0 to 1",
        )
    return share


_SHARE = Parse(_share, {"type": ["number", "string"], "minimum": 0})


class SamplingFilter(RecordFilter):
    """
    Keep some of the records: by chance, each so many, or by a field's value.

    With ``by="request_id"`` the decision is a function of that value and of
    nothing else: a hash of its text, compared with the rate.  So every record
    of a request is kept or none is, by every handler, process, host and
    Python version with the same rate; and what a rate of 0.1 keeps, a rate of
    0.5 keeps too.

    Limit:
        A record is judged alone, when it comes.  The two rules that always
        keep see a slow response or an error, but not its request, which was
        logged before.  Each object counts for itself: without *by* two
        handlers keep different records.

    Args:
        rate: The share of records to keep, 0 to 1, by chance.

        every: Keep the 1st record, and then each so many; 1 keeps all.  Each
            process counts its own.

        by: A field that decides for all records with the same value, text and
            numbers alike (``7`` is ``"7"``); with *every* the rate is
            ``1 / every``.  Records without it, or with None, fall back to
            chance or *every*.  On a handler that is not ours a
            :class:`ContextFilter` before this one brings bound fields.

        keep_level: Records of this level and above are always kept; None or
            ``""`` has no such rule.

        slow_field: Where the latency is, in seconds, on the record or in its
            ``metrics``.

        slow_seconds: Records at least so slow are always kept; None has no
            such rule.  What is no number is not slow.

    Raises:
        ConfigError: *rate* and *every* are both given, or neither, or an
            option has a value that cannot work.
    """

    @options.checked
    def __init__(
        self,
        rate: Annotated[float | str, _SHARE] | None = None,
        every: options.PositiveCount | None = None,
        by: options.Text | None = None,
        keep_level: options.Level | None = "ERROR",
        slow_field: options.Text = "inference_latency",
        slow_seconds: options.Positive | None = None,
    ) -> None:
        super().__init__()
        self.rate = None if rate is None else float(rate)
        self.every = None if every is None else int(every)
        self.by = by
        self._share = 1 / self.every if self.every else self.rate or 0.0
        self._hash = _hasher() if self.by else None
        self._keep_from = _number_of(keep_level)
        self._slow_field = slow_field
        self._slow_seconds = (
            None if slow_seconds is None else float(slow_seconds)
        )
        self._kept = Ledger()
        self._sampled_out = Ledger()
        # not the application's generator, whose seed makes a run repeatable
        self._chance = _generator()
        self._count = count()
        tell_child(self)

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[ConfigError]:
        """
        What is wrong with parsed options together.
        """
        rate, every = given["rate"], given["every"]
        if (rate is None) == (every is None):
            yield ConfigError(
                f"{shown('rate', rate)} and {shown('every', every)}",
                expected="exactly one of rate and every",
                fix="write rate=0.1, or every=10",
            )

    def forget_parent(self) -> None:
        """
        In a forked child: its own luck, and its own first record.
        """
        self._chance.seed()
        self._count = count()

    def keeps(self, record: logging.LogRecord) -> bool:
        """
        Decide about *record*, and count it.
        """
        kept = record.levelno >= self._keep_from or self._is_due(record)
        (self._kept if kept else self._sampled_out).wrote()
        return kept

    def apply(self, record: logging.LogRecord) -> logging.LogRecord | None:
        """
        *record* itself, or None where it is sampled out.
        """
        return record if self.keeps(record) else None

    @property
    def kept(self) -> int:
        """
        Records that this process kept.
        """
        return self._kept.stats().written

    @property
    def sampled_out(self) -> int:
        """
        Records that this process did not keep.
        """
        return self._sampled_out.stats().written

    def _is_due(self, record: logging.LogRecord) -> bool:
        if self._slow_seconds is not None and self._is_slow(record.__dict__):
            return True
        if self._hash is not None:
            hashed = self._hash(record.__dict__.get(self.by or ""))
            if hashed is not None:
                return hashed < self._share * _HASHES
        if self.every is not None:
            return next(self._count) % self.every == 0
        return self._chance.random() < self._share

    def _is_slow(self, own: Mapping[str, Any]) -> bool:
        value = own.get(self._slow_field)
        if value is None:
            try:
                metrics = own.get("metrics")
                if not isinstance(metrics, Mapping):
                    return False
                value = metrics.get(self._slow_field)
            except Exception:  # a mapping that cannot be asked has no number
                return False
        seconds = number(value)
        return seconds is not None and seconds >= (self._slow_seconds or 0)


def _hasher() -> Callable[[Any], int | None]:
    """
    From any value to a number below 2 ** 64 that its text alone decides.

    There is no number for None, and for what cannot be written as text.
    """
    from hashlib import blake2b  # here, for it takes 3 ms to import

    def hashed(value: Any) -> int | None:
        if value is None:
            return None
        try:
            data = value if type(value) is bytes else _text(value)
        except Exception:
            return None
        return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")

    return hashed


def _text(value: Any) -> bytes:
    text = value if type(value) is str else str(convert(value))
    return text.encode("utf-8", "surrogatepass")


def _generator() -> Random:
    from random import Random  # here, for it takes 1 ms to import

    return Random()


def _number_of(level: int | str | None) -> float:
    """
    A level as a number; infinite for none.
    """
    if level is None:
        return math.inf
    return level if isinstance(level, int) else logging.getLevelName(level)
