"""
What a forked child finds: locks that are free, counts that begin at zero.

The threads of the parent do not exist in the child, so a lock that one of
them held would be held for ever.  Nothing of it needs a hook in the
application.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from . import threads

__all__ = [
    "Heir",
    "adopt_lock",
    "before_child_ends",
    "fork_safe_lock",
    "process",
    "tell_child",
    "woke_up",
]


class Heir(Protocol):
    """
    An object that does something when it finds itself in a forked child.
    """

    def forget_parent(self) -> None:
        """
        Called in the child, before any other code of it runs.
        """


_locks: weakref.WeakSet[Any] = weakref.WeakSet()
_heirs: weakref.WeakSet[Any] = weakref.WeakSet()

#: The process that all of this belongs to.
process = os.getpid()


def fork_safe_lock() -> threads.RLock:
    """
    A re-entrant lock that is free in a forked child.

    Re-entrant, because a signal handler or a finaliser may log while its
    thread holds it.
    """
    lock = threads.RLock()
    _locks.add(lock)
    return lock


def adopt_lock(lock: Any) -> None:
    """
    Have *lock*, which somebody else made, be free in a forked child.

    What cannot be set free there, or is no lock, is left alone.
    """
    if callable(getattr(lock, "_at_fork_reinit", None)):
        _locks.add(lock)


def tell_child(heir: Heir) -> None:
    """
    Have ``forget_parent`` of *heir* called in each forked child.
    """
    _heirs.add(heir)


# What the end of a process of Celery's pool calls, by priority.
_last_calls: dict[int, Callable[[], object]] = {}


def before_child_ends(call: Callable[[], object], priority: int) -> None:
    """
    Have *call* called before this process ends, if it is one that skips atexit.

    Children of multiprocessing end with ``os._exit``, but run finalizers; those
    of Celery's pool only send a signal.

    Args:
        call: What is called.

        priority: Higher ones are called first; each one is for one call.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing import util  # loaded already, in such a child

        util.Finalize(None, call, exitpriority=priority)
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        _last_calls[priority] = call
        signals.worker_process_shutdown.connect(
            _before_end_in_pool, weak=False, dispatch_uid="mllog"
        )


def _before_end_in_pool(**_given: Any) -> None:
    for _, call in sorted(_last_calls.items(), reverse=True):
        call()


def woke_up() -> None:
    """
    Do in a child what should have been done at the fork.

    A server that forks in C (uWSGI) may not run Python's hooks, so what
    outlives a fork compares :data:`process` with ``os.getpid()`` before it
    takes a lock.
    """
    if os.getpid() != process:
        _in_child()


def _in_child() -> None:
    global process
    process = os.getpid()
    threads.forget_parent()
    for lock in list(_locks):
        # the way logging frees the locks of handlers
        lock._at_fork_reinit()
    for heir in list(_heirs):
        heir.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
