"""
Threads, locks and waits of the system, also where Python's are greenlets.

gevent and eventlet replace what ``threading`` and ``time`` have, before or
after mllog is imported.  A client written in C that waits in a greenlet holds
up all of them, and a lock of the one kind cannot be waited for by the other.
So what works for mllog is always a thread of the system, with locks of the
system; and who waits for it in a greenlet lets the others go on.
"""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
import time
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any

__all__ = [
    "Flag",
    "Lock",
    "RLock",
    "SystemThread",
    "acquire",
    "are_all_green",
    "forget_parent",
    "in_greenlet",
    "only_here",
    "sleep",
]

_LOOK_SECONDS = 0.005
_LONGEST = _thread.TIMEOUT_MAX


def _of_system(module: Any, name: str) -> Any:
    """
    What *module* has as *name*, or had before somebody replaced it.
    """
    found = getattr(module, name)
    if isinstance(found, BuiltinFunctionType):
        return found
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None:
        found = gevent.get_original(module.__name__, name)
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and not isinstance(found, BuiltinFunctionType):
        found = getattr(eventlet.original(module.__name__), name)
    return found


_start_new_thread = _of_system(_thread, "start_new_thread")
_get_ident = _of_system(_thread, "get_ident")
_sleep = _of_system(time, "sleep")

#: A lock of the system.
Lock: Callable[[], _thread.LockType] = _of_system(_thread, "allocate_lock")

#: The same, re-entrant; nobody replaces this one.
RLock = _thread.RLock

# eventlet replaces the locks that it finds when it patches
_canary = RLock()

# threads of ours, by the system's number
_ours: set[int] = set()


def only_here() -> int:
    """
    What is the same for those who may have one socket in common.

    Those of gevent and eventlet are for the thread that made them.
    """
    return 0 if time.sleep is _sleep else int(_get_ident())


def in_greenlet() -> bool:
    """
    Whether a wait in this thread would hold up greenlets.
    """
    return time.sleep is not _sleep and _get_ident() not in _ours


def sleep(seconds: float) -> None:
    """
    Let others go on, for *seconds*.
    """
    if _get_ident() in _ours:
        _sleep(seconds)
    else:
        time.sleep(seconds)


def acquire(lock: Any, timeout: float) -> bool:
    """
    Take *lock*, which may need *timeout* seconds; gives whether it has it.
    """
    timeout = min(max(timeout, 0.0), _LONGEST)
    if not in_greenlet():
        return bool(lock.acquire(timeout=timeout))
    deadline = time.monotonic() + timeout
    while not lock.acquire(blocking=False):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, _LOOK_SECONDS))
    return True


class Flag:
    """
    A flag that threads wait for, as that of ``threading``.

    A signal handler may set it while its thread does, or waits.
    """

    __slots__ = ("_is_set", "_lock")

    def __init__(self) -> None:
        self._is_set = False
        self._lock = Lock()
        self._lock.acquire()

    def is_set(self) -> bool:
        """
        Whether it is set.
        """
        return self._is_set

    def set(self) -> None:
        """
        Let all who wait go on.
        """
        self._is_set = True
        self._let_go()

    def clear(self) -> None:
        """
        Have those who come wait.
        """
        self._is_set = False
        self._lock.acquire(blocking=False)

    def wait(self, timeout: float) -> bool:
        """
        Wait until it is set, up to *timeout* seconds; gives whether it is.
        """
        if not self._is_set and acquire(self._lock, timeout) and self._is_set:
            self._let_go()  # for the next who waits
        return self._is_set

    def _let_go(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is free
            self._lock.release()


class SystemThread:
    """
    A thread of the system that ends with the process.

    Args:
        target: What it does.

        name: What debuggers show.
    """

    def __init__(self, target: Callable[[], object], name: str) -> None:
        self._target: Callable[[], object] | None = target
        self._name = name
        self._ident = 0
        self._is_own = True
        self._running = Lock()

    def start(self) -> None:
        """
        Begin.

        Raises:
            RuntimeError: There are too many, or the interpreter ends.
        """
        self._running.acquire()
        try:
            self._is_own = _are_greenlets() or not are_all_green()
            if _are_greenlets():
                _start_new_thread(self._run, ())
            else:
                threading.Thread(
                    target=self._run, name=self._name, daemon=True
                ).start()
        except BaseException:
            self._running.release()
            raise

    def _run(self) -> None:
        self._ident = ident = _get_ident()
        target, self._target = self._target, None
        is_own = self._is_own
        if is_own:
            _ours.add(ident)
        try:
            if target is not None:
                target()
        finally:
            del target
            if is_own:
                _leave_hub()
                _ours.discard(ident)
            self._ident = 0
            self._running.release()

    @property
    def is_alive(self) -> bool:
        """
        Whether it has begun and not ended.
        """
        return self._running.locked()

    @property
    def is_here(self) -> bool:
        """
        Whether this is it.
        """
        return self._ident == _get_ident() and not in_greenlet()

    def join(self, timeout: float) -> None:
        """
        Wait for its end, up to *timeout* seconds; not within itself.
        """
        if not self.is_here and acquire(self._running, timeout):
            self._running.release()


def _are_greenlets() -> bool:
    """
    Whether ``threading`` has greenlets for threads, and we need none of them.
    """
    is_replaced = _thread.start_new_thread is not _start_new_thread
    return is_replaced and (_get_ident() in _ours or not are_all_green())


def are_all_green() -> bool:
    """
    Whether our threads are greenlets as well, for want of other locks.
    """
    return type(_canary) is not RLock


def _leave_hub() -> None:
    """
    Give up what gevent has for this thread, if a socket of it was waited for.
    """
    gevent = sys.modules.get("gevent")
    if gevent is not None and time.sleep is not _sleep:
        with contextlib.suppress(Exception):
            gevent.get_hub().destroy(destroy_loop=True)


def forget_parent() -> None:
    """
    In a forked child: there is no thread of ours.
    """
    _ours.clear()
