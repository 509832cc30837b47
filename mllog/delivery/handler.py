"""
What the handlers that send records over a network share.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypedDict

from .. import forking, options
from ..accounting import DeliveryStats
from ..errors import ConfigError, masked
from ..events import Entry, size_of
from ..formatters.json import JSONFormatter
from ..handling import Handling
from ..options import Default, Unpack
from ..recursion import local
from . import lifecycle
from .backlog import Backlog, check_spool
from .bounds import Bounds
from .letters import DeadLetters
from .outbox import Outbox
from .spool import Spool
from .stock import Stock
from .transport import Transport
from .worker import Worker

__all__ = ["DeliveryOptions", "ShippingHandler"]

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class DeliveryOptions(TypedDict, total=False):
    """
    The options of every handler that sends over a network.
    """

    overflow: Annotated[
        Literal["drop_oldest", "drop_newest", "block"], Default("drop_oldest")
    ]
    block_seconds: Annotated[options.NotNegative, Default(0.1)]
    max_queue_records: Annotated[options.PositiveCount, Default(10_000)]
    max_queue_bytes: Annotated[options.LeastKiB, Default("16MiB")]
    max_record_bytes: Annotated[options.LeastKiB, Default("64KiB")]
    batch_records: Annotated[options.PositiveCount, Default(500)]
    batch_bytes: Annotated[options.LeastKiB, Default("1MiB")]
    linger_seconds: Annotated[options.NotNegative, Default(1.0)]
    max_age_seconds: Annotated[options.Positive | None, Default(None)]
    send_timeout_seconds: Annotated[options.Positive, Default(30.0)]
    retry_max_seconds: Annotated[options.Positive, Default(30.0)]
    close_timeout_seconds: Annotated[options.NotNegative, Default(5.0)]
    spool: Annotated[Literal["off", "overflow", "always"], Default("off")]
    spool_dir: Annotated[options.Path | None, Default(None)]
    spool_max_bytes: Annotated[options.LeastKiB, Default("1GiB")]
    spool_fsync: Annotated[
        Literal["never", "interval", "always"], Default("interval")
    ]
    dead_letter_file: Annotated[options.Path | None, Default(None)]
    filters: Annotated[Any, Default(None)]
    formatter_options: Annotated[Any, Default(None)]


class ShippingHandler(Handling, logging.Handler):
    """
    Hands records to a worker that sends them, and never waits for a network.

    A handler derives from it, makes a transport, and calls :meth:`ship`.  All
    that follows a log call happens in one background thread, which starts at
    the first record of a process.

    Guarantee:
        With ``spool="off"`` each accepted record is sent, or counted under
        exactly one reason, while the process lives.  With ``"overflow"`` an
        outage loses nothing up to *spool_max_bytes*, and a kill -9 what is in
        memory.  With ``"always"`` a record whose log call returned survives a
        kill -9, and with ``spool_fsync="always"`` a power cut.

    Args:
        overflow: What gives way when memory and spool are full:
            ``"drop_oldest"``, ``"drop_newest"``, or ``"block"``, which waits
            up to *block_seconds*.  From 95 % on, records below WARNING are
            refused first.

        block_seconds: How long ``"block"`` waits for room.  It never does in
            an asyncio event loop.

        max_queue_records: Records kept in memory.

        max_queue_bytes: Bytes kept in memory (``"16MiB"``).

        max_record_bytes: Largest record, in bytes; larger ones are dropped as
            ``too_large``, where a handler cannot cut them.

        batch_records: Records sent together.

        batch_bytes: Bytes sent together.

        linger_seconds: How long a record waits for others to go with.

        max_age_seconds: Age at which a record in memory is given up; None is
            300 without a spool, and never with one.

        send_timeout_seconds: How long one attempt may take.

        retry_max_seconds: Bound of the wait between attempts.

        close_timeout_seconds: How long ``close`` waits for what is left.

        spool: ``"off"``, ``"overflow"`` or ``"always"``.

        spool_dir: Folder for it, on a local disk.

        spool_max_bytes: What this process may keep there.

        spool_fsync: ``"never"``, ``"interval"`` (each 0.5 s) or ``"always"``.

        dead_letter_file: Where records go that the sink refuses for what they
            are; None drops them as ``rejected``.

        filters: Filters, or plain data that names them.

        formatter_options: Options for the formatter; with a ``class`` the
            formatter itself.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.
    """

    @options.checked
    def __init__(self, **given: Unpack[DeliveryOptions]) -> None:
        self._spool_mode = given["spool"]
        self._bounds = Bounds.of(given)
        self._send_timeout = float(given["send_timeout_seconds"])
        self._retry_max = float(given["retry_max_seconds"])
        self._close_timeout = float(given["close_timeout_seconds"])
        folder, letters = given["spool_dir"], given["dead_letter_file"]
        self._spool_dir = None if folder is None else os.fspath(folder)
        self._spool_max = int(given["spool_max_bytes"])
        self._fsync = given["spool_fsync"]
        self._letters = (
            None if letters is None else DeadLetters(os.fspath(letters))
        )
        self._most_bytes = self._bounds.max_record_bytes
        super().__init__()
        self.set_up(given["filters"], given["formatter_options"])

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[ConfigError]:
        """
        What is wrong with parsed options together.
        """
        check_spool(given)
        Bounds.of(given)
        yield from ()

    def ship(
        self,
        transport: Transport,
        sink: str,
        outbox: Callable[..., Outbox] = Outbox,
    ) -> None:
        """
        Send through *transport*; a handler calls it once, when it is made.

        Args:
            transport: The way to the sink.

            sink: What the folder of the spool is named after, if the handler
                has no name, so that no other handler sends what is in it.

            outbox: Makes the outbox; a client with a queue of its own has
                another.
        """
        self._sink = sink
        #: The way to the sink.
        self.way: Any = transport
        self._stock = Stock(self._bounds)
        self._outbox = outbox(
            self._stock,
            writes_ahead=self._spool_mode == "always",
            start=_weakly(self._begin),
        )
        self._worker = Worker(
            self._outbox,
            transport,
            self.reports,
            send_timeout=self._send_timeout,
            longest_wait=self._retry_max,
            dead_letters=self._letters,
        )
        #: What is known of a sink that is away.
        self.outage = self._worker.outage
        self._shipment = lifecycle.Shipment(
            self._outbox, self._worker, self._close_timeout
        )
        self._put = self._outbox.put
        # a handler that nobody closed, such as one of a failed dictConfig
        weakref.finalize(self, self._shipment.abandon).atexit = False

    def without_spool(self) -> None:
        """
        Touch no disk; to be called before the first record.
        """
        self._spool_dir = self._letters = None

    def start(self) -> None:
        """
        Begin before the first record to send what dead processes left.
        """
        self._outbox.begin()

    @property
    def spool_folder(self) -> str:
        """
        The folder below *spool_dir* for all processes; ``""`` without a spool.
        """
        if self._spool_dir is None:
            return ""
        return os.path.join(self._spool_dir, self._folder())

    def _begin(self) -> bool:
        """
        At the first record of a process: now the handler has its name.
        """
        if self.spool_folder and self._stock.backlog is None:
            make = functools.partial(
                Spool,
                self.spool_folder,
                max_bytes=self._spool_max,
                fsync=self._fsync,
            )
            self._stock.backlog = Backlog(
                make,
                drops_oldest=self._bounds.overflow == "drop_oldest",
                say=self.reports.say,
            )
        lifecycle.hook_exit()
        return self._shipment.begin()

    #: What records are for, where another handler of the same name and in the
    #: same *spool_dir* must never send them to its own.
    destination = ""

    def _folder(self) -> str:
        name = self.name or f"{type(self).__name__}-{self._sink}"
        if self.name and self.destination:
            name = f"{name}-{self.destination}"
        safe = _UNSAFE.sub("_", name).lstrip(".")[:100]
        if safe == name:
            return safe
        # two names must not share a folder because they look alike
        return f"{safe}-{zlib.crc32(name.encode('utf-8', 'replace')):08x}"

    # --- formatting ---

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802
        """
        Use *fmt*; None is the handler's default.
        """
        before = self.formatter
        super().setFormatter(fmt)
        try:
            self._use()
        except ConfigError:  # it goes on with what it had
            self.formatter = before
            self._use()
            raise

    def _use(self) -> None:
        self._used = self.formatter or self.default_formatter()
        self.entry_of = self.way_to_entry()

    def default_formatter(self) -> logging.Formatter:
        """
        JSON lines.
        """
        return JSONFormatter()

    def way_to_entry(self) -> Callable[[logging.LogRecord], Entry]:
        """
        The shortest way from a record to what is sent for it.
        """
        for method in ("events", "format_bytes"):
            way = getattr(self._used, method, None)
            if way is not None:
                return way  # type: ignore[no-any-return]
        return self._encoded

    def format(self, record: logging.LogRecord) -> str:
        """
        The record as the formatter writes it.
        """
        return self._used.format(record)

    def _encoded(self, record: logging.LogRecord) -> bytes:
        return self.format(record).encode("utf-8", "backslashreplace")

    # --- shipping ---

    emits_alone = False

    def emit(self, record: logging.LogRecord) -> None:
        """
        Put what the formatter makes of *record* on the queue.
        """
        if local.thread.is_ours:
            self._outbox.count("suppressed")
            return
        try:
            # logging has made the system call already
            if record.process != forking.process:
                forking.woke_up()
            entry = self.entry_of(record)
            size = len(entry) if type(entry) is bytes else size_of(entry)
            if not entry:
                self._outbox.count("skipped")
            elif size > self._most_bytes:
                self.lost("too_large")
            else:
                self._put(entry, size, record.levelno)
        except Exception:
            self.handleError(record)

    def lost(self, reason: str) -> None:
        """
        Count a record that is lost before it is on the queue.
        """
        self._outbox.lost(reason)

    def stats(self) -> DeliveryStats:
        """
        What became of the records, and where the others are.
        """
        outbox = self.__dict__.get("_outbox")  # None while it is made
        return DeliveryStats() if outbox is None else outbox.stats()

    def flush(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        """
        Wait until what was logged is sent, or safe in the spool.

        Args:
            timeout: Seconds; None is 5.

        Returns:
            Whether it is.
        """
        shipment = self.__dict__.get("_shipment")
        return shipment is None or shipment.flush(timeout)

    def close(self, timeout: float | None = None) -> None:
        """
        Send what is left, and settle what cannot be sent.

        Args:
            timeout: Seconds; None is *close_timeout_seconds*.
        """
        shipment = self.__dict__.get("_shipment")
        if shipment is not None:  # its constructor did not fail
            shipment.close(timeout)
        super().close()

    def __repr__(self) -> str:
        level = logging.getLevelName(self.level)
        return masked(f"<{type(self).__name__} {self._sink} ({level})>")


def _weakly(method: Callable[[], bool]) -> Callable[[], bool]:
    """
    *method*, as long as there is its object.
    """
    reference = weakref.WeakMethod(method)

    def call() -> bool:
        found = reference()
        return found is not None and found()

    return call
