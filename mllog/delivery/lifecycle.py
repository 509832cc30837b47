"""
One end for all shippers: flush, shutdown, and the exit of the process.

All of them drain at the same time and share one budget, so that a program with
eight dead sinks ends as soon as one with one.  Nothing here needs a hook in
the application, and no signal handler is installed.
"""

from __future__ import annotations

import atexit
import math
import os
import time
import weakref
from itertools import count

from .. import waiting
from ..accounting import DeliveryStats, Stats
from ..forking import before_child_ends, fork_safe_lock, tell_child
from ..handling import every_handler
from .outbox import Outbox
from .worker import Worker

__all__ = ["Shipment", "flush", "hook_exit", "shutdown", "stats"]


class Shipment:
    """
    An outbox and its worker, which may live longer than their handler.

    ``dictConfig`` throws handlers away; what they accepted is still sent.

    Args:
        outbox: Where records wait.

        worker: Who sends them.

        close_timeout: Seconds that ``close`` waits.
    """

    def __init__(
        self, outbox: Outbox, worker: Worker, close_timeout: float
    ) -> None:
        self.outbox = outbox
        self.worker = worker
        self._close_timeout = close_timeout
        self._ending = fork_safe_lock()
        # its worker hangs in a call, and nobody waits for it any more
        self._is_given_up = False
        worker.ended = self._ended
        with _registry:
            _shipments.add(self)
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: nobody has closed what it has not begun.
        """
        self._is_given_up = False
        _closing.discard(self)

    def begin(self) -> bool:
        """
        Start the worker: at the first record, or for one after ``close``.
        """
        self._is_given_up = False
        if self.outbox.is_closed:
            self.worker.close_by = time.monotonic() + self._close_timeout
            _closing.add(self)
        return self.worker.start()

    def flush(self, timeout: float | None = None) -> bool:
        """
        Wait until what was accepted is sent, or safe on disk.

        Under logging's module lock, as in ``dictConfig``, it does not wait.
        """
        deadline = waiting.deadline(timeout)
        if self.worker.is_here or waiting.under_logging_lock():
            self.outbox.nudge()
            return self.outbox.is_empty
        if waiting.is_exiting() and not self.worker.is_running:
            return self.outbox.is_empty  # no thread: close sends it
        try:
            return self.outbox.flush(deadline)
        finally:
            waiting.waited()

    def close(self, timeout: float | None = None) -> bool:
        """
        Send what is left, up to *timeout* seconds; settle the rest.

        Under logging's module lock it leaves that to the worker.

        Returns:
            Whether all is settled.
        """
        if self.outbox.is_over:
            return True
        deadline = waiting.deadline(timeout, self._close_timeout)
        if waiting.under_logging_lock():  # a worker that nobody waits for
            deadline = time.monotonic() + self._close_timeout
        self.let_go(deadline)
        if self.worker.is_here or waiting.under_logging_lock():
            if self.outbox.is_empty and not self.worker.is_running:
                self.finish(deadline)
            return self.outbox.is_empty
        self.finish(deadline)
        waiting.waited()
        return True

    def abandon(self) -> None:
        """
        The handler is gone, and nobody closed it.
        """
        if not self.outbox.is_over and not self.outbox.is_empty:
            self.let_go(time.monotonic() + self._close_timeout)
        else:
            self.outbox.close()

    def let_go(self, deadline: float) -> None:
        """
        Take no more records; the worker has until *deadline* to send.
        """
        self.worker.close_by = min(self.worker.close_by, deadline)
        _closing.add(self)
        self.outbox.close()

    def finish(self, deadline: float) -> None:
        """
        Wait for the worker, and settle what it leaves.
        """
        with self._ending:
            if self.worker.is_running:
                if not self._is_given_up:
                    self.worker.join(deadline)
                is_late = time.monotonic() >= deadline
                if is_late and self.worker.is_running:  # in a call
                    self._is_given_up = True
                    self.worker.settle()
            elif self.outbox.is_empty:
                self.worker.settle()
                self.worker.leave()
            else:  # no thread can be started any more: send it here
                self.worker.run()
            self._ended()

    def _ended(self) -> None:
        _closing.discard(self)


_registry = fork_safe_lock()
_shipments: weakref.WeakSet[Shipment] = weakref.WeakSet()
# Held strongly: closed, and not through yet.
_closing: set[Shipment] = set()
_hooked_process = 0


def _everything() -> list[Shipment]:
    with _registry:
        return list({*_shipments, *_closing})


# --- what applications call ---


def stats() -> dict[str, Stats | DeliveryStats]:
    """
    What became of the records of every handler of mllog, by its name.

    A handler without a name goes by its class, a second one of that class by
    ``"SyslogHandler 2"``.
    """
    found: dict[str, Stats | DeliveryStats] = {}
    for handler in every_handler():
        known_as = name = handler.name or type(handler).__name__
        for number in count(2):
            if known_as not in found:
                break
            known_as = f"{name} {number}"
        found[known_as] = handler.stats()
    return found


def flush(timeout: float | None = None) -> bool:
    """
    Wait until all that was logged is sent, written, or safe in a spool.

    Args:
        timeout: Seconds for all handlers together; None is 5.

    Returns:
        Whether it is; False if the time was over before.
    """
    with waiting.within(waiting.deadline(timeout)):
        _nudge_all()
        for handler in every_handler():
            if not isinstance(handler.stats(), DeliveryStats):
                handler.flush()
        return _flush_shipments()


def _nudge_all() -> None:
    """
    Have all begin at the same time with what they will be waited for.
    """
    for shipment in _everything():
        shipment.outbox.nudge()
    for handler in every_handler():
        handler.nudge()


def _flush_shipments() -> bool:
    are_done = [shipment.flush(math.inf) for shipment in _everything()]
    return all(are_done)


def shutdown(timeout: float | None = None) -> bool:
    """
    Send what is left and close every handler of mllog.

    A process that ends with ``os._exit`` calls this before; all others need
    not, as logging does it at the exit.

    Args:
        timeout: Seconds for all handlers together; None is 5.

    Returns:
        Whether no record was left unsent.
    """
    deadline = waiting.deadline(timeout)
    with waiting.within(deadline):
        _nudge_all()
        is_done = _flush_shipments()
        for shipment in _everything():
            shipment.let_go(deadline)
        for shipment in _everything():
            shipment.finish(deadline)
        for handler in every_handler():
            handler.close()
    return is_done


# --- the end of the process ---


def _at_exit() -> None:
    """
    Before logging closes the handlers one by one, let all of them drain.
    """
    if waiting.is_exiting():
        return
    waiting.begin_exit()
    deadline = waiting.deadline(math.inf)
    _nudge_all()
    _flush_shipments()
    for shipment in list(_closing):
        shipment.finish(deadline)


def hook_exit() -> None:
    """
    See to it that the end of this process is noticed, also without atexit.
    """
    global _hooked_process
    if _hooked_process == os.getpid():
        return
    _hooked_process = os.getpid()
    before_child_ends(_at_child_exit, 0)


def _at_child_exit() -> None:
    _at_exit()
    shutdown()


# Registered after logging's own, so that it runs before.
atexit.register(_at_exit)
