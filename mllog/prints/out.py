"""
The way of a line into the log.
"""

from __future__ import annotations

import logging
from typing import Any

from ..context import unwrapped
from ..fields import renamed
from .origin import Place

__all__ = ["Out"]


class Out:
    """
    The way into a logger.

    Args:
        logger: A logger, or an adapter of one.

        level: The level of its records, by name or number.
    """

    def __init__(
        self,
        logger: logging.Logger | logging.LoggerAdapter[Any],
        level: int | str,
    ) -> None:
        self._logger = logger
        number = level if isinstance(level, int) else _number(level)
        self._level = number

    def is_heard(self) -> bool:
        """
        Whether there is a handler.
        """
        logger: Any = self._logger
        while isinstance(logger, logging.LoggerAdapter):
            logger = logger.logger
        return bool(logger.hasHandlers())

    def log(self, message: str, at: Place, **fields: Any) -> bool:
        """
        Log *message*, as if by a call *at* a place; whether that worked.
        """
        try:
            if not self.is_heard():
                return False
            logger, message, extra = unwrapped(self._logger, message, fields)
            if logger.isEnabledFor(self._level):
                logger.handle(
                    logger.makeRecord(
                        logger.name,
                        self._level,
                        at.path,
                        at.line,
                        message,
                        (),
                        None,
                        at.function,
                        renamed(extra),
                    )
                )
        except Exception:  # of a handler or a filter that raises
            return False
        return True


def _number(level: str) -> int:
    text = level.strip()
    if text.isdecimal():
        return int(text)
    found = logging.getLevelName(text)
    return (
        found if isinstance(found, int) else logging.getLevelName(text.upper())
    )
