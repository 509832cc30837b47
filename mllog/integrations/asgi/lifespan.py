"""
The end of a server: what was logged is sent before the server may go.
"""

from __future__ import annotations

from ...calls.call import REPORTS
from ...delivery.lifecycle import flush
from .messages import Message, Send

__all__ = ["flushing"]

_ENDS = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed"})


def flushing(send: Send) -> Send:
    """
    *send* for lifespan events, which flushes all handlers at the shutdown.

    A server that was told to end by SIGTERM ends by that signal once more
    (https://github.com/encode/uvicorn/pull/1600), and then nothing that was
    registered for the exit is run.
    """

    async def flushed(message: Message) -> None:
        if message["type"] in _ENDS:
            try:
                flush()  # no request is left that could wait for it
            except Exception as fault:
                REPORTS.fault(fault)
        await send(message)

    return flushed
