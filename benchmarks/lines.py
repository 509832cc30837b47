"""
The lines that a handler of mllog sends, for those that send them bare.
"""

from __future__ import annotations

import logging

from .application import LOGGER, call_through

__all__ = ["lines_of"]


class _Kept(logging.Handler):
    """
    Keeps the lines that a handler would send.
    """

    def __init__(self) -> None:
        super().__init__()
        from mllog import JSONFormatter

        self._way = JSONFormatter().format_bytes
        self.lines: list[bytes] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self._way(record))


def lines_of(latencies: list[float]) -> list[bytes]:
    """
    One JSON line for each call with one of *latencies*.
    """
    logger = logging.getLogger(LOGGER)
    handlers, logger.handlers = logger.handlers, []
    try:
        kept = _Kept()
        call = call_through(kept)
        for latency in latencies:
            call(latency)
    finally:
        logger.handlers = handlers
    return kept.lines
