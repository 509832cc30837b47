"""
Which records are wanted: by condition, level, logger and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import ConfigError, shown
from .conditions import Condition, condition
from .keys import LEVELS, level_number, part_of
from .times import moment, seconds_of

__all__ = ["Selection", "selection"]


class Selection(NamedTuple):
    """
    What a record has to be; a None asks nothing.

    Args:
        where: A condition.

        level: The least level.

        logger: The name of a logger, whose children count as well.

        since: Seconds since 1970, this moment included.

        until: Seconds since 1970, this moment not included.
    """

    where: Condition | None = None
    level: int | None = None
    logger: str | None = None
    since: float | None = None
    until: float | None = None

    @property
    def is_all(self) -> bool:
        """
        Whether nothing is asked.
        """
        return not any(each is not None for each in self)

    def __call__(self, record: Mapping[str, Any]) -> bool:
        """
        Whether *record* is wanted; without a level or time it is not where
        these are asked for.
        """
        return (
            (self.level is None or self._is_severe(record))
            and (self.logger is None or self._is_of(record))
            and self._is_in_time(record)
            and (self.where is None or self.where(record))
        )

    def _is_severe(self, record: Mapping[str, Any]) -> bool:
        found = level_number(part_of(record, "level"))
        return found is not None and found >= (self.level or 0)

    def _is_of(self, record: Mapping[str, Any]) -> bool:
        name = part_of(record, "logger")
        return name == self.logger or (
            isinstance(name, str) and name.startswith(f"{self.logger}.")
        )

    def _is_in_time(self, record: Mapping[str, Any]) -> bool:
        if self.since is None and self.until is None:
            return True
        at = seconds_of(part_of(record, "timestamp"))
        return (
            at is not None
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


def selection(
    *,
    where: str | None = None,
    level: str | None = None,
    logger: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Selection:
    """
    A selection out of what a person wrote.

    Raises:
        ConfigError: It cannot be read.
    """
    least = level_number(level)
    if level is not None and least is None:
        raise ConfigError(
            shown("level", level),
            expected="a number, or one of " + ", ".join(LEVELS),
        )
    return Selection(
        None if where is None else condition(where),
        least,
        logger,
        None if since is None else moment("since", since),
        None if until is None else moment("until", until),
    )
