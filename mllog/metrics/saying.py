"""
Records of our own: what meters have to say, to a logger of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import Context
from typing import Any, Final

from ..fields import renamed

__all__ = ["DRIFT", "SUMMARY", "say"]

#: The logger of summaries.
SUMMARY: Final = "mllog.summary"

#: The logger of drift.
DRIFT: Final = "mllog.drift"


def say(
    name: str, level: int, message: str, fields: Mapping[str, Any]
) -> bool:
    """
    Log *message* with *fields* to the logger *name*; whether it takes them.

    A configuration disables loggers that it does not know, unless told
    otherwise; these two are not meant by that, and are enabled again.  To
    have less of them give them a level.
    """
    # a context of its own: what is bound here is another request's
    return Context().run(_say, name, level, message, fields)


def _say(
    name: str, level: int, message: str, fields: Mapping[str, Any]
) -> bool:
    logger = logging.getLogger(name)
    logger.disabled = False
    if not logger.isEnabledFor(level):
        return False
    record = logger.makeRecord(
        name, level, __file__, 0, message, (), None, "say"
    )
    # not by extra=, which refuses what an application's own factory adds
    record.__dict__.update(renamed(fields))
    logger.handle(record)
    return True
