"""
What wakes the worker, or somebody who waits for it.
"""

from __future__ import annotations

from contextlib import suppress

from .. import threads

__all__ = ["Alarm"]

_NEVER = 1 << 62


class Alarm:
    """
    Rings once when as much waits as the worker said before it went to sleep.

    Not an ``Event``: the lock inside of one is not re-entrant.  A signal
    handler that logs while its thread rings would wait for itself, and while
    its thread waits, for a worker that waits for that lock.  Nor a
    ``SimpleQueue``, whose ``get`` waits for ever, up to Python 3.12, where a
    signal handler runs past its timeout.  A bare lock that whoever dozes
    acquires, and whoever rings releases, has neither fault.
    """

    __slots__ = ("_silence", "bytes", "records")

    def __init__(self) -> None:
        self._silence = threads.Lock()
        self._silence.acquire()
        #: It rings at a record that finds as many there already …
        self.records = _NEVER
        #: … or that makes it so many bytes.
        self.bytes = _NEVER

    def set(self, records: int = _NEVER, size: int = _NEVER) -> None:
        """
        Ring when that many records, or bytes, wait.
        """
        self.records = records
        self.bytes = size

    def ring(self) -> None:
        """
        Wake the worker, and let it sleep again only when it says so.
        """
        self.records = self.bytes = _NEVER
        with suppress(RuntimeError):  # it rings already
            self._silence.release()

    def doze(self, seconds: float) -> bool:
        """
        Sleep until it rings, or for that long; gives whether it rang.
        """
        return threads.acquire(self._silence, seconds)
