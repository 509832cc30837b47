"""
The thread that sends: batches out of an outbox, through a transport.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from .. import waiting
from ..forking import tell_child
from ..recursion import mark_as_ours
from ..reports import Reports
from ..threads import SystemThread
from .batch import Batch
from .letters import DeadLetters
from .outage import Outage
from .outbox import Outbox
from .retry import Backoff, Fault, Verdict
from .transport import PartlyRefusedError, PartlySentError, Transport

__all__ = ["Worker"]

_CLOSING_PAUSE_SECONDS = 0.25


class Worker:
    """
    Sends what an outbox has, and tries again what fails.

    What it does is the same in its thread and, where no thread can be started
    any more, in whoever closes the handler.

    Args:
        outbox: Where records come from.

        transport: The way to the sink.

        reports: Where trouble is told.

        send_timeout: Seconds that one attempt may take.

        longest_wait: Bound of the wait between attempts, in seconds.

        dead_letters: Where records go that the sink refuses; None drops them.
    """

    def __init__(
        self,
        outbox: Outbox,
        transport: Transport,
        reports: Reports,
        *,
        send_timeout: float = 30.0,
        longest_wait: float = 30.0,
        dead_letters: DeadLetters | None = None,
    ) -> None:
        self._outbox = outbox
        self._transport = transport
        self._reports = reports
        self._send_timeout = send_timeout
        self._longest_wait = longest_wait
        self._dead_letters = dead_letters
        # 33 000 lines are an object: to wrap each would take longer than to
        # store it
        takes_bytes = getattr(transport, "takes_bytes", False)
        self._begin: Callable[[], None] = getattr(
            transport, "begin", lambda: None
        )
        self._cut: Any = Batch.messages if takes_bytes else Batch.events
        #: What is told while the sink is away.
        self.outage = Outage(reports)
        #: Called when it has let go of the sink.
        self.ended: Callable[[], None] = lambda: None
        self.forget_parent()
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: there is no thread.
        """
        self._thread: SystemThread | None = None
        self._is_open = False
        self._backoff = Backoff(self._longest_wait)
        self.outage.reset()

    @property
    def close_by(self) -> float:
        """
        By ``time.monotonic()``, when it has to have ended.
        """
        return self._outbox.close_by

    @close_by.setter
    def close_by(self, when: float) -> None:
        self._outbox.close_by = when

    # --- the thread ---

    def start(self) -> bool:
        """
        Begin to send, in a thread; False where none can be had.
        """
        before = self._thread
        thread = SystemThread(lambda: self._run_after(before), "mllog-worker")
        self._thread = thread
        try:
            thread.start()
        except RuntimeError as exc:  # too many, or the interpreter ends
            self._thread = before
            # 3.12 refuses before the first atexit handler has run
            if not waiting.is_exiting() and "shutdown" not in str(exc):
                self._reports.fault(exc)
            return False
        return True

    @property
    def is_running(self) -> bool:
        """
        Whether there is a thread.
        """
        thread = self._thread
        return thread is not None and thread.is_alive

    @property
    def is_here(self) -> bool:
        """
        Whether this is its thread.
        """
        thread = self._thread
        return thread is not None and thread.is_here

    def join(self, deadline: float) -> None:
        """
        Wait for the end of the thread, until *deadline*.
        """
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, deadline - time.monotonic()))

    def run(self) -> None:
        """
        Send until the outbox is closed and empty, or until ``close_by``.
        """
        try:
            with mark_as_ours():
                self._outbox.look_around()
                if not self._send_all():
                    self.settle()
                self.leave()
        except BaseException as exc:  # a bug, or no memory: not the end of it
            self._is_open = False
            self._outbox.release()
            self._reports.fault(exc)

    def _run_after(self, before: SystemThread | None) -> None:
        """
        One thread at a time has the transport.
        """
        if before is not None:
            before.join(math.inf)
        del before
        self.run()

    def settle(self) -> None:
        """
        Give up what was not sent, for the time is over.
        """
        is_known = self._outbox.is_over  # close did it while this one was busy
        unsent = self._outbox.finish()
        if unsent:
            were = "record was" if unsent == 1 else "records were"
            # what was told before need not be told again
            because = "" if self.outage.is_said else self.outage.why
            self._reports.say(
                f"{unsent} {were} not sent before the close: lost"
                + (f"\n  because: {because}" if because else "")
            )
        left = self._outbox.left_on_disk
        if left and not is_known:
            noun = "record waits" if left == 1 else "records wait"
            self._reports.say(
                f"{left} {noun} in the spool for the next process"
            )

    def leave(self) -> None:
        """
        Let go of the sink.
        """
        self._is_open = False
        try:
            deadline = time.monotonic() + self._send_timeout
            self._transport.close(min(self.close_by, deadline))
        except Exception as exc:
            self._reports.fault(exc)
        self.ended()

    def _send_all(self) -> bool:
        """
        Send what there is; False where the time is over before.
        """
        while True:
            batch = self._outbox.take()
            if batch is None:
                return True
            self._backoff.reset()
            if not self._send(batch):
                return False

    # --- a batch ---

    def _send(self, batch: Batch) -> bool:
        """
        Send all of *batch*; False where the time is over before.
        """
        self._begin()
        most = len(batch.entries)
        while batch.left:
            if time.monotonic() >= self.close_by:
                return False
            most = min(most, batch.left)
            error = self._attempt(batch, most)
            if error is None:
                most = len(batch.entries)
                continue
            verdict = self._transport.classify(error)
            if verdict.fault is not Fault.POISON:
                if self.is_safe:
                    return False  # nobody has to wait
                self._wait(batch, error, verdict)
                if self.is_safe and verdict.retry_after is not None:
                    return False  # the sink did not ask for another attempt
            elif most > 1:
                most //= 2
            else:
                self._refuse(batch, error)
                most = len(batch.entries)
        self._begin()  # nothing of this one needs to be kept
        return True

    def _attempt(self, batch: Batch, most: int) -> BaseException | None:
        """
        Send the next *most* records; gives what went wrong.
        """
        began = time.monotonic()
        deadline = min(began + self._send_timeout, self.close_by)
        try:
            if not self._is_open:
                self._transport.open(deadline)
                self._is_open = True
            self._transport.send(self._cut(batch, most), deadline)
        except PartlySentError as exc:
            arrived = batch.records_in(exc.acknowledged)
            if arrived:
                self._arrived(batch, arrived, began)
            return exc.__cause__ or exc
        except PartlyRefusedError as exc:
            refused = min(exc.refused, most)
            self._arrived(batch, most - refused, began)
            # which of them is not known, so none can be kept for people
            self._outbox.settle(batch, refused, "rejected")
            self._reports.fault(exc)
            return None
        except Exception as exc:
            return exc
        self._arrived(batch, most, began)
        return None

    def _arrived(self, batch: Batch, records: int, began: float) -> None:
        seconds = time.monotonic() - began
        self._outbox.settle(batch, records, "sent", seconds)
        self._backoff.reset()
        self.outage.ends()

    def _wait(
        self, batch: Batch, error: BaseException, verdict: Verdict
    ) -> None:
        self._is_open = False
        self._outbox.failed(batch)
        self.outage.goes_on(error, verdict)
        seconds = self._backoff.wait(verdict)
        if verdict.retry_after is not None:
            self._wait_as_asked(seconds)
            return
        if self._outbox.is_closed or waiting.is_exiting():
            left = self.close_by - time.monotonic()
            seconds = min(seconds, _CLOSING_PAUSE_SECONDS, max(left, 0.0))
        self._outbox.pause(seconds)

    def _wait_as_asked(self, seconds: float) -> None:
        """
        Wait as long as the sink asked for, whoever flushes or closes.
        """
        until = time.monotonic() + seconds
        while not self.is_safe:
            left = min(until, self.close_by) - time.monotonic()
            if left <= 0:
                return
            self._outbox.pause(left)

    def tend(self) -> None:
        """
        See to what waits, while a batch is long on its way.
        """
        self._outbox.tend()

    @property
    def is_safe(self) -> bool:
        """
        Whether it closes, and what is not sent can be left on disk.
        """
        return self._outbox.is_closed and self._outbox.has_disk

    def _refuse(self, batch: Batch, error: BaseException) -> None:
        """
        The sink will never take this record: keep it for people, or drop it.
        """
        kept = self._dead_letters is not None and self._dead_letters.add(
            batch.entries[batch.done], error
        )
        outcome = "dead_lettered" if kept else "rejected"
        self._outbox.settle(batch, 1, outcome)
        self._reports.fault(error)
