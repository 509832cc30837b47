"""
One thread for all spools of the process that tells the disk every 0.5 s.
"""

from __future__ import annotations

import contextlib
import weakref
from typing import Protocol

from ...forking import fork_safe_lock, tell_child
from ...threads import SystemThread, sleep
from .folders import warn_once

__all__ = ["SYNC_SECONDS", "Syncer", "syncer"]

SYNC_SECONDS = 0.5


class _Syncable(Protocol):
    def sync(self) -> None:
        """
        Have the disk hold what was written; cheap if it does.
        """


class Syncer:
    """
    Call ``sync`` of what is watched, every 0.5 s, from a daemon thread.

    What is watched is held weakly.  The thread begins with the first and ends
    with the last.
    """

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._watched: weakref.WeakSet[_Syncable] = weakref.WeakSet()
        self._thread: SystemThread | None = None
        tell_child(self)

    def watch(self, spool: _Syncable) -> None:
        """
        Sync *spool* from now on.
        """
        with self._lock:
            self._watched.add(spool)
            if self._thread is not None:
                return
            self._thread = SystemThread(self._run, "mllog-syncer")
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is shutting down
                self._thread = None

    def release(self, spool: _Syncable) -> None:
        """
        Sync *spool* no longer.
        """
        with self._lock:
            self._watched.discard(spool)

    def forget_parent(self) -> None:
        """
        In a forked child: there is no thread, and nothing to sync yet.
        """
        self._watched = weakref.WeakSet()
        self._thread = None

    def _run(self) -> None:
        while True:
            sleep(SYNC_SECONDS)
            with self._lock:
                watched = list(self._watched)
                if not watched:
                    self._thread = None
                    return
            while watched:  # emptied: nothing is held while it sleeps
                _sync(watched.pop())


def _sync(spool: _Syncable) -> None:
    try:
        spool.sync()
    except OSError as exc:
        # a filter may make an exception of it, which would end the thread
        with contextlib.suppress(Warning):
            warn_once(
                f"a spool is not safe from a power cut: the disk does not"
                f" take what was written: {exc}"
            )


syncer = Syncer()
