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
from typing import Any

from .application import FIELDS, LOGGER, MESSAGE, call_through
from .shipping import NULL, ShippingVariant, Subject, Told, null, shipped

__all__ = ["VARIANTS"]

_HOST = "127.0.0.1"
_PLAIN = f"{LOGGER}: %(message)s"
_WITH_FIELDS = " ".join([_PLAIN, *(f"{key}=%({key})s" for key in FIELDS)])


def _mllog(**options: Any) -> Callable[[str, str], Subject]:
    def make(port: str, folder: str) -> Subject:
        from mllog import SyslogHandler

        if "spool" in options:
            options["spool_dir"] = os.path.join(folder, "spool")
        handler = SyslogHandler(f"tcp://{_HOST}:{port}", **options)
        return shipped(handler, has_spool="spool" in options)

    return make


def _stdlib_handler(port: str, told: Told) -> logging.Handler:
    handler = logging.handlers.SysLogHandler(
        (_HOST, int(port)), socktype=socket.SOCK_STREAM
    )
    handler.setFormatter(logging.Formatter(_WITH_FIELDS))
    told.watch(handler)
    return handler


def _stdlib(port: str, folder: str) -> Subject:
    told = Told()
    return Subject(call_through(_stdlib_handler(port, told)), told.number)


def _queued(port: str, folder: str) -> Subject:
    told = Told()
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(
        waiting, _stdlib_handler(port, told)
    )
    listener.start()
    atexit.register(listener.stop)
    handler = logging.handlers.QueueHandler(waiting)
    return Subject(call_through(handler), told.number)


def _rfc5424(port: str, folder: str) -> Subject:
    from rfc5424logging import Rfc5424SysLogHandler

    told = Told()
    handler = Rfc5424SysLogHandler(
        (_HOST, int(port)), socktype=socket.SOCK_STREAM, enterprise_id=32473
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


def _logstash(port: str, folder: str) -> Subject:
    from logstash_async.handler import AsynchronousLogstashHandler

    return Subject(
        call_through(AsynchronousLogstashHandler(_HOST, int(port), None))
    )


def _loguru(port: str, folder: str) -> Subject:
    from loguru import logger

    told = Told()
    connection = socket.create_connection((_HOST, int(port)))

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
    NULL: ShippingVariant("NullHandler (sends nothing)", null),
    "mllog": ShippingVariant("**mllog** SyslogHandler", _mllog(), budget=4),
    "json": ShippingVariant(
        '**mllog**, fields="json"', _mllog(fields="json"), budget=4
    ),
    "overflow": ShippingVariant(
        '**mllog**, spool="overflow"', _mllog(spool="overflow"), budget=4
    ),
    "always": ShippingVariant(
        '**mllog**, spool="always"', _mllog(spool="always"), budget=12
    ),
    "stdlib": ShippingVariant("SysLogHandler, TCP", _stdlib),
    "queued": ShippingVariant(
        "QueueHandler, SysLogHandler behind it", _queued
    ),
    "rfc5424": ShippingVariant(
        "rfc5424-logging-handler", _rfc5424, "rfc5424logging"
    ),
    "logstash": ShippingVariant(
        "python-logstash-async, in memory", _logstash, "logstash_async"
    ),
    "loguru": ShippingVariant(
        "loguru, enqueue=True, a socket", _loguru, "loguru"
    ),
}
