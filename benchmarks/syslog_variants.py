"""
The handlers that the case ``syslog`` measures, each with a way to tell losses.
"""

from __future__ import annotations

import atexit
import logging
import logging.handlers
import os
import queue
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .application import FIELDS, LOGGER, MESSAGE, call_through

__all__ = ["NULL", "VARIANTS", "Call", "Subject", "SyslogVariant"]

Call = Callable[[float], None]

NULL = "null"

_HOST = "127.0.0.1"
_PLAIN = f"{LOGGER}: %(message)s"
_WITH_FIELDS = " ".join([_PLAIN, *(f"{key}=%({key})s" for key in FIELDS)])


@dataclass
class Subject:
    """
    The call that is timed, and what its handler tells of its losses.

    Args:
        call: What an application calls.

        told: How many records it said were lost, by whatever means.

        kept: How many are on disk, for another process to send.
    """

    call: Call
    told: Callable[[], int] = field(default=lambda: 0)
    kept: Callable[[], int] = field(default=lambda: 0)


@dataclass(frozen=True)
class SyslogVariant:
    """
    One way to send a record to a syslog server.

    Args:
        label: What tables call it.

        make: Makes it, for a port and a folder.

        needs: The module it cannot do without; "" for none.

        budget: Microseconds that its median may cost; 0 for peers.
    """

    label: str
    make: Callable[[int, str], Subject]
    needs: str = ""
    budget: float = 0.0


class _Told:
    """
    Counts what ends in ``handleError``, the stdlib's way to tell.
    """

    def __init__(self) -> None:
        self.count = 0

    def watch(self, handler: logging.Handler) -> None:
        """
        Count instead of printing a traceback, which would take its time.
        """

        def told(record: logging.LogRecord) -> None:
            self.count += 1

        handler.handleError = told  # type: ignore[method-assign]

    def number(self) -> int:
        """
        How many so far.
        """
        return self.count


def _null(port: int, folder: str) -> Subject:
    return Subject(call_through(logging.NullHandler()))


def _mllog(**options: Any) -> Callable[[int, str], Subject]:
    def make(port: int, folder: str) -> Subject:
        from mllog import SyslogHandler

        if "spool" in options:
            options["spool_dir"] = os.path.join(folder, "spool")
        handler = SyslogHandler(f"tcp://{_HOST}:{port}", **options)

        def told() -> int:
            return sum(handler.stats().dropped.values())

        def kept() -> int:
            found = handler.stats()
            is_disk = "spool" in options
            return found.spooled + (found.in_flight if is_disk else 0)

        return Subject(call_through(handler), told, kept)

    return make


def _stdlib_handler(port: int, told: _Told) -> logging.Handler:
    handler = logging.handlers.SysLogHandler(
        (_HOST, port), socktype=socket.SOCK_STREAM
    )
    handler.setFormatter(logging.Formatter(_WITH_FIELDS))
    told.watch(handler)
    return handler


def _stdlib(port: int, folder: str) -> Subject:
    told = _Told()
    return Subject(call_through(_stdlib_handler(port, told)), told.number)


def _queued(port: int, folder: str) -> Subject:
    told = _Told()
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(
        waiting, _stdlib_handler(port, told)
    )
    listener.start()
    atexit.register(listener.stop)
    handler = logging.handlers.QueueHandler(waiting)
    return Subject(call_through(handler), told.number)


def _rfc5424(port: int, folder: str) -> Subject:
    from rfc5424logging import Rfc5424SysLogHandler

    told = _Told()
    handler = Rfc5424SysLogHandler(
        (_HOST, port), socktype=socket.SOCK_STREAM, enterprise_id=32473
    )
    told.watch(handler)
    handler.addFilter(_as_structured_data)
    return Subject(call_through(handler), told.number)


def _as_structured_data(record: Any) -> bool:
    """
    What that handler wants fields to be: a dict of dicts on the record.
    """
    record.structured_data = {
        "fields": {key: str(getattr(record, key)) for key in FIELDS}
    }
    return True


def _logstash(port: int, folder: str) -> Subject:
    from logstash_async.handler import AsynchronousLogstashHandler

    return Subject(
        call_through(AsynchronousLogstashHandler(_HOST, port, None))
    )


def _loguru(port: int, folder: str) -> Subject:
    from loguru import logger

    told = _Told()
    connection = socket.create_connection((_HOST, port))

    def send(line: str) -> None:
        try:
            connection.sendall(line.encode())
        except OSError:
            told.count += 1

    logger.remove()
    logger.add(send, serialize=True, enqueue=True)

    def call(latency: float) -> None:
        logger.info(
            MESSAGE,
            inference_latency=latency,
            model_name="resnet50",
            model_version=3,
            request_id="6a7c02df-bbaa-39a9-a8b2-b80aa3e846d3",
            batch_size=8,
            confidence=0.98,
        )

    return Subject(call, told.number)


VARIANTS = {
    NULL: SyslogVariant("NullHandler (sends nothing)", _null),
    "mllog": SyslogVariant("**mllog** SyslogHandler", _mllog(), budget=4),
    "json": SyslogVariant(
        '**mllog**, fields="json"', _mllog(fields="json"), budget=4
    ),
    "overflow": SyslogVariant(
        '**mllog**, spool="overflow"', _mllog(spool="overflow"), budget=4
    ),
    "always": SyslogVariant(
        '**mllog**, spool="always"', _mllog(spool="always"), budget=12
    ),
    "stdlib": SyslogVariant("SysLogHandler, TCP", _stdlib),
    "queued": SyslogVariant("QueueHandler, SysLogHandler behind it", _queued),
    "rfc5424": SyslogVariant(
        "rfc5424-logging-handler", _rfc5424, "rfc5424logging"
    ),
    "logstash": SyslogVariant(
        "python-logstash-async, in memory", _logstash, "logstash_async"
    ),
    "loguru": SyslogVariant(
        "loguru, enqueue=True, a socket", _loguru, "loguru"
    ),
}
