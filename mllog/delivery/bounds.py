"""
How much may wait, and what gives way when it is more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ..errors import ConfigError, shown

__all__ = ["Bounds"]


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
    def of(cls, given: Mapping[str, Any]) -> Bounds:
        """
        The limits among parsed options of a handler.

        Raises:
            ConfigError: No record fits the queue.
        """
        bounds = cls(**{name: given[name] for name in _NAMES})
        if bounds.max_age_seconds is None and given["spool"] == "off":
            bounds = replace(bounds, max_age_seconds=300.0)
        if bounds.max_record_bytes > bounds.max_queue_bytes:
            raise ConfigError(
                f"{shown('max_record_bytes', bounds.max_record_bytes)} is"
                f" more than max_queue_bytes={bounds.max_queue_bytes}",
                expected="a queue that holds at least one record",
            )
        bounds.check_age()
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


_NAMES = tuple(each.name for each in fields(Bounds))
