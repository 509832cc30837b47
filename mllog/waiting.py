"""
Whether this thread may wait: not under logging's lock, not in an event loop.
"""

from __future__ import annotations

import logging
import sys

__all__ = ["begin_exit", "in_event_loop", "is_exiting", "under_logging_lock"]

_is_exiting = False


def is_exiting() -> bool:
    """
    Whether the process is about to end.
    """
    return _is_exiting


def begin_exit() -> None:
    """
    From now on the process is about to end.
    """
    global _is_exiting
    _is_exiting = True


def under_logging_lock() -> bool:
    """
    Whether this thread holds logging's module lock, as in ``dictConfig``.

    Another thread that asks for a logger waits for that lock, so whoever
    holds it must not wait for another thread.
    """
    owned = getattr(getattr(logging, "_lock", None), "_is_owned", None)
    return bool(owned and owned())


def in_event_loop() -> bool:
    """
    Whether an asyncio event loop runs in this thread.
    """
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    return asyncio._get_running_loop() is not None
