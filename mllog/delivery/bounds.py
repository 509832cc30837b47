"""
How much may wait, and what gives way when it is more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .. import options
from ..errors import ConfigError, shown

__all__ = ["OVERFLOWS", "Bounds"]

OVERFLOWS = ("drop_oldest", "drop_newest", "block")


@dataclass(frozen=True)
class Bounds:
    """
    The limits of an outbox, checked.

    Args:
        max_queue_records: Records kept in memory.

        max_queue_bytes: Bytes kept in memory.

        max_record_bytes: Largest record that is taken.

        overflow: What gives way when memory and spool are full.

        block_seconds: How long ``block`` waits for room.

        max_age_seconds: Age at which a record in memory is given up; None
            never.

        batch_records: Records sent together.

        batch_bytes: Bytes sent together.

        linger_seconds: How long a record waits for others to go with.
    """

    max_queue_records: int = 10_000
    max_queue_bytes: int = 16 * 2**20
    max_record_bytes: int = 64 * 2**10
    overflow: str = "drop_oldest"
    block_seconds: float = 0.1
    max_age_seconds: float | None = 300.0
    batch_records: int = 500
    batch_bytes: int = 2**20
    linger_seconds: float = 1.0

    @classmethod
    def of(cls, **given: Any) -> Bounds:
        """
        Bounds from the values of options.

        Raises:
            ConfigError: One of them cannot work.
        """
        parsed: dict[str, Any] = {
            name: _PARSERS[name](name, given[name]) for name in given
        }
        bounds = cls(**parsed)
        if bounds.max_record_bytes > bounds.max_queue_bytes:
            raise ConfigError(
                f"{shown('max_record_bytes', bounds.max_record_bytes)} is"
                f" more than max_queue_bytes={bounds.max_queue_bytes}",
                expected="a queue that holds at least one record",
            )
        return bounds

    def halved(self) -> Bounds:
        """
        Half of the room: the other half is somewhere else.
        """
        return replace(
            self,
            max_queue_records=max(1, self.max_queue_records // 2),
            max_queue_bytes=max(
                self.max_record_bytes, self.max_queue_bytes // 2
            ),
        )

    def check_age(self) -> None:
        """
        See to it that records are not too old when their batch is due.

        Raises:
            ConfigError: They are.
        """
        age = self.max_age_seconds
        if age is not None and self.linger_seconds >= age:
            raise ConfigError(
                f"{shown('linger_seconds', self.linger_seconds)} is not"
                f" less than max_age_seconds={age:g}",
                expected="records that are sent before they are too old",
            )


def _count(option: str, value: Any) -> int:
    return options.integer(option, value, minimum=1)


def _bytes(option: str, value: Any) -> int:
    size = options.size(option, value)
    if size < 1024:
        raise ConfigError(shown(option, value), expected="1KiB or more")
    return size


def _seconds(option: str, value: Any) -> float:
    return 0.0 if value in (0, "0") else options.number(option, value)


def _overflow(option: str, value: Any) -> str:
    return options.choice(option, value, OVERFLOWS)


def _age(option: str, value: Any) -> float | None:
    return options.optional(options.number, option, value)


_PARSERS: dict[str, Callable[[str, Any], Any]] = {
    "max_queue_records": _count,
    "max_queue_bytes": _bytes,
    "max_record_bytes": _bytes,
    "overflow": _overflow,
    "block_seconds": _seconds,
    "max_age_seconds": _age,
    "batch_records": _count,
    "batch_bytes": _bytes,
    "linger_seconds": _seconds,
}
