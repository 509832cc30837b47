"""
Shippers for tests: one to a list in memory, one to a server with receipts.

A test imports ``MemoryHandler`` or ``ReceiptHandler``, logs through it, and
asks its ``sink`` what arrived.  Both lines and ids are the bare messages, so
``logger.info("7 of 9")`` arrives as ``b"7 of 9"``.

    handler = MemoryHandler(max_queue_records=100)
    handler.sink.is_down = True
    ...
    handler.sink.is_down = False
    assert handler.flush(30)
    assert handler.sink.received == [...]
    assert unaccounted(handler.stats()) == 0

Close each handler (the ``logger`` fixture does), or its worker outlives the
test.
"""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from mllog import forking
from mllog.accounting import DeliveryStats
from mllog.delivery.handler import ShippingHandler
from mllog.delivery.retry import Fault, Verdict
from mllog.delivery.transport import PartlySentError
from mllog.events import Event

#: Options that make a test quick; a test gives its own over them.
QUICK: dict[str, Any] = {
    "linger_seconds": 0.005,
    "retry_max_seconds": 0.02,
    "max_age_seconds": None,
}

_LENGTH = struct.Struct("!I")
_COUNT = struct.Struct("!Q")


class SinkError(Exception):
    """
    What a sink of this module refuses with.

    Args:
        fault: What ``classify`` shall make of it.

        retry_after: Seconds that the sink asks for.
    """

    def __init__(
        self,
        fault: Fault = Fault.TRANSIENT,
        text: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text or fault.value)
        self.verdict = Verdict(fault, retry_after)


class MemoryTransport:
    """
    A sink that is a list, and that can be in trouble.

    Each switch may be turned at any time, from any thread.  In a forked child
    it is empty and its gate is open; the other switches stay.

    Attributes:
        received: Values of all acknowledged and ambiguous events, in order.

        events: The same as ``Event``.

        batches: How many events each attempt brought, failed ones included.

        attempted: When each attempt began, by ``time.monotonic()``.

        opens, closes: How often each was called.

        is_down: Neither ``open`` nor ``send`` works (transient).

        delay_seconds: How long each ``send`` takes.

        is_poison: Says of an event whether the sink refuses it for what it
            is; the whole batch is refused with it, and nothing of it kept.

        faults: Errors for the next attempts, the first first: raised before
            anything is kept.  A ``PartlySentError`` keeps its events first,
            and so does a ``SinkError`` that is ambiguous, which keeps all.

        on_send: Called with the events at the start of each ``send``, in the
            worker's thread; what it raises is raised.

        on_open: Called at the start of each ``open``.
    """

    def __init__(self) -> None:
        self.is_down = False
        self.delay_seconds = 0.0
        self.is_poison: Callable[[Event], bool] | None = None
        self.on_send: Callable[[Sequence[Event]], None] | None = None
        self.on_open: Callable[[], None] | None = None
        self.forget_parent()
        forking.tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: nothing arrived yet.
        """
        self.events: list[Event] = []
        self.batches: list[int] = []
        self.attempted: list[float] = []
        self.opens = self.closes = 0
        self.faults: deque[BaseException] = deque()
        self._gate = threading.Event()
        self._gate.set()

    @property
    def received(self) -> list[bytes]:
        """
        Values of all events that arrived, in order.
        """
        return [event.value for event in list(self.events)]

    def block(self) -> None:
        """
        From now on ``send`` hangs, until its deadline or :meth:`unblock`.
        """
        self._gate.clear()

    def unblock(self) -> None:
        """
        Let those go on that hang, and all others.
        """
        self._gate.set()

    # --- what the worker calls ---

    def open(self, deadline: float) -> None:
        self.opens += 1
        if self.on_open is not None:
            self.on_open()
        self._fail_if_down()

    def send(self, events: Sequence[Event], deadline: float) -> None:
        self.attempted.append(time.monotonic())
        self.batches.append(len(events))
        if self.on_send is not None:
            self.on_send(events)
        if self.delay_seconds:
            time.sleep(self.delay_seconds)
        if not self._gate.wait(max(0.0, deadline - time.monotonic())):
            raise TimeoutError("blocked")
        self._fail_if_down()
        if self.faults:
            self._fail(self.faults.popleft(), events)
        if self.is_poison is not None and any(map(self.is_poison, events)):
            raise SinkError(Fault.POISON)
        self.events.extend(events)

    def _fail_if_down(self) -> None:
        if self.is_down:
            raise SinkError(Fault.TRANSIENT, "the sink is down")

    def _fail(self, error: BaseException, events: Sequence[Event]) -> None:
        if isinstance(error, PartlySentError):
            self.events.extend(events[: error.acknowledged])
        elif (
            isinstance(error, SinkError)
            and error.verdict.fault is Fault.AMBIGUOUS
        ):
            self.events.extend(events)
        raise error

    def close(self, deadline: float) -> None:
        self.closes += 1

    def classify(self, error: BaseException) -> Verdict:
        """
        What a ``SinkError`` says; anything else is transient.
        """
        if isinstance(error, SinkError):
            return error.verdict
        return Verdict(Fault.TRANSIENT)


class MemoryHandler(ShippingHandler):
    """
    Ships bare messages to :class:`MemoryTransport`, which is its ``sink``.

    Args:
        sink: The transport; None makes one.

        options: What every shipper takes, over ``QUICK``.
    """

    def __init__(self, sink: Any = None, **options: Any) -> None:
        super().__init__(**{**QUICK, **options})
        self.sink: Any = MemoryTransport() if sink is None else sink
        self.ship(self.sink, "memory")

    def default_formatter(self) -> logging.Formatter:
        """
        The message alone.
        """
        return logging.Formatter("%(message)s")


class ReceiptTransport:
    """
    To a server of tests/servers/receipts.py: frames there, counts back.

    Holds one connection and acknowledges nothing that the server did not.

    Args:
        address: Host and port.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self._socket: socket.socket | None = None
        forking.tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: the connection is the parent's.
        """
        self.close(0.0)

    def open(self, deadline: float) -> None:
        self.close(deadline)
        self._socket = socket.create_connection(
            self.address, timeout=_left(deadline)
        )
        self._acknowledged = 0
        self._rest = b""

    def send(self, events: Sequence[Event], deadline: float) -> None:
        assert self._socket is not None
        before = self._acknowledged
        try:
            self._socket.settimeout(_left(deadline))
            self._socket.sendall(framed(events))
            while self._acknowledged < before + len(events):
                self._socket.settimeout(_left(deadline))
                self._receive()
        except OSError as exc:
            raise PartlySentError(self._acknowledged - before) from exc

    def _receive(self) -> None:
        assert self._socket is not None
        data = self._socket.recv(4096)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        data = self._rest + data
        whole = len(data) // _COUNT.size * _COUNT.size
        self._rest = data[whole:]
        if whole:
            last = data[whole - _COUNT.size : whole]
            self._acknowledged = _COUNT.unpack(last)[0]

    def close(self, deadline: float) -> None:
        found, self._socket = self._socket, None
        if found is not None:
            found.close()

    def classify(self, error: BaseException) -> Verdict:
        """
        A connection that broke may have brought what it was given.
        """
        if isinstance(error, ConnectionRefusedError):
            return Verdict(Fault.TRANSIENT)
        return Verdict(Fault.AMBIGUOUS)


class ReceiptHandler(ShippingHandler):
    """
    Ships bare messages to a server of tests/servers/receipts.py.

    Args:
        address: Host and port.

        options: What every shipper takes, over ``QUICK``.
    """

    def __init__(self, address: tuple[str, int], **options: Any) -> None:
        super().__init__(**{**QUICK, **options})
        self.sink = ReceiptTransport((address[0], int(address[1])))
        self.ship(self.sink, "receipts")

    def default_formatter(self) -> logging.Formatter:
        """
        The message alone.
        """
        return logging.Formatter("%(message)s")


def framed(events: Sequence[Event]) -> bytes:
    """
    The values of *events*, each behind its length.
    """
    return b"".join(
        _LENGTH.pack(len(event.value)) + event.value for event in events
    )


def _left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())


def unaccounted(stats: DeliveryStats) -> int:
    """
    By how much the identity of *stats* is wrong; 0 if it holds.
    """
    return (
        stats.accepted
        - stats.sent
        - sum(stats.dropped.values())
        - stats.queued
        - stats.in_flight
        - stats.spooled
        - stats.dead_lettered
    )


def drained(handler: Any, seconds: float = 30.0) -> bool:
    """
    Wait until nothing waits any more, on disk neither; gives whether it is so.

    ``flush`` is content with what is safe on disk.
    """

    def is_empty() -> bool:
        stats = handler.stats()
        return not (stats.queued or stats.in_flight or stats.spooled)

    return wait_until(is_empty, seconds)


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> bool:
    """
    Wait until *condition* is true; gives whether it is.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


class Later:
    """
    A module ``time`` whose monotonic clock a test moves forward.

    Attributes:
        ahead: By how many seconds it is ahead of the real one.
    """

    def __init__(self) -> None:
        self.ahead = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def monotonic(self) -> float:
        """
        What it shows.
        """
        return time.monotonic() + self.ahead


class Watch:
    """
    Samples the numbers of a handler in a thread of its own.

    Used with ``with``; afterwards ``samples`` says how many it took, and
    ``wrong`` holds those whose identity did not hold or that were negative.

    Args:
        handler: Whose ``stats()``.

        pause: Seconds between two samples.
    """

    def __init__(self, handler: Any, pause: float = 0.0005) -> None:
        self._handler = handler
        self._pause = pause
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.samples = 0
        self.wrong: list[DeliveryStats] = []

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._ended.wait(self._pause):
            stats = self._handler.stats()
            self.samples += 1
            if unaccounted(stats) or _least(stats) < 0:
                self.wrong.append(stats)


def _least(stats: DeliveryStats) -> float:
    return min(
        stats.queued,
        stats.in_flight,
        stats.spooled,
        stats.queued_bytes,
        stats.spooled_bytes,
        stats.oldest_seconds,
        stats.send_seconds,
        *stats.dropped.values(),
    )
