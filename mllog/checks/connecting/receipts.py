"""
Hand a handler the marked record, and say what its sink made of it.

Nothing is measured by it: handlers of metrics are asked where their metrics
go, and get no record that they could count.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import stat
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import singledispatch
from typing import Any

from ...delivery.handler import ShippingHandler
from ...handlers.latency_csv import LatencyCSVHandler
from ...handlers.prometheus import PrometheusHandler
from ...handlers.tensorboard import TensorBoardHandler
from ...handling import Handling
from ...http_answers import open_by
from .reasons import Unanswered

__all__ = ["receipt_for"]

# What is wrong is known by then, where it is known at all.
_PATIENCE_SECONDS = 3.0
_LOOK_SECONDS = 0.1
_CLOSE_SECONDS = 0.2
_ASK_SECONDS = 2.0
# As it begins where librdkafka does not say which of several things is wrong
_GUESS = "nothing is acknowledged"
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104


@singledispatch
def receipt_for(
    handler: logging.Handler, record: logging.LogRecord, deadline: float
) -> str:
    """
    Have *handler* take *record*, and say where it is.

    Args:
        handler: A new handler, which is of no use afterwards.

        record: The record.

        deadline: By ``time.monotonic()``, when nobody waits any more.

    Raises:
        Unanswered: It did not arrive.

        Exception: Whatever the handler failed with.
    """
    del deadline
    _emit(handler, record)
    return "took it without an error; it tells no more"


def _emit(handler: logging.Handler, record: logging.LogRecord) -> None:
    """
    Have *record* emitted now, and raise what goes wrong.
    """
    faults: list[Any] = []
    if isinstance(handler, Handling):
        handler.reports.listener = faults.append
    else:
        handler.handleError = (  # type: ignore[method-assign]
            lambda record: faults.append(sys.exc_info()[1])  # noqa: ARG005
        )
    _hand_over(handler, record)
    handler.flush()
    _raise_first(faults)
    if isinstance(handler, Handling) and handler.ledger.lost:
        raise Unanswered(f"lost: {', '.join(handler.stats().dropped)}")


def _hand_over(handler: logging.Handler, record: logging.LogRecord) -> None:
    if not handler.handle(record):  # a filter is no reason not to try
        handler.filters.clear()
        handler.handle(record)


def _raise_first(faults: list[Any]) -> None:
    for each in faults:
        if isinstance(each, BaseException):
            raise each
    if faults:
        raise Unanswered(str(faults[0]))


# --- streams and files ---


@receipt_for.register
def _stream(
    handler: logging.StreamHandler,  # type: ignore[type-arg]
    record: logging.LogRecord,
    deadline: float,
) -> str:
    del deadline
    _emit(handler, record)
    for name in ("stdout", "stderr"):
        if handler.stream is getattr(sys, name):
            return f"written to {name}"
    named = getattr(handler.stream, "name", None)
    return f"written to {named or type(handler.stream).__name__}"


@receipt_for.register
def _file(
    handler: logging.FileHandler, record: logging.LogRecord, deadline: float
) -> str:
    del deadline
    _emit(handler, record)
    return _told(handler.baseFilename)


@receipt_for.register
def _csv(
    handler: LatencyCSVHandler, record: logging.LogRecord, deadline: float
) -> str:
    del deadline
    _emit(handler, record)
    return _writable(handler.baseFilename)


def _told(path: str) -> str:
    found = os.stat(path)
    return f"{path}, {found.st_size} bytes, {stat.filemode(found.st_mode)}"


def _writable(path: str) -> str:
    """
    That *path* can be written, without writing it.

    Raises:
        PermissionError: It cannot.
    """
    if os.path.isfile(path):
        with open(path, "ab"):
            return f"{_told(path)}; writable"
    folder = os.path.abspath(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"permission denied: {folder}")
    return f"{path} can be made; nothing was measured"


# --- metrics ---


@receipt_for.register
def _tensorboard(
    handler: TensorBoardHandler, record: logging.LogRecord, deadline: float
) -> str:
    del record, deadline  # a run without a curve would be shown for ever
    return _writable(os.path.join(handler.folder, ""))


@receipt_for.register
def _prometheus(
    handler: PrometheusHandler, record: logging.LogRecord, deadline: float
) -> str:
    del record  # it would be counted
    ways = handler.ways
    found = []
    if ways.asked_port is not None:
        found.append(_scraped(handler, deadline))
    if ways.textfile:
        found.append(_writable(ways.textfile))
    if ways.gateway:
        url = f"{ways.gateway.rstrip('/')}/metrics"
        _get(url, deadline, ways.authorization)
        found.append("the gateway answers; nothing was pushed")
    return ", ".join(found) or "in the registry of prometheus_client"


def _scraped(handler: PrometheusHandler, deadline: float) -> str:
    ways = handler.ways
    host = _ANYWHERE.get(ways.address, ways.address)
    host = f"[{host}]" if ":" in host else host
    port = handler.port or ways.asked_port
    url = f"http://{host}:{port}/metrics"
    if handler.port is None:
        raise Unanswered(_why_taken(ways.address, port, url, deadline))
    page = _get(url, deadline)
    return f"{url} answers, {len(page)} bytes"


def _why_taken(
    address: str, port: int | None, url: str, deadline: float
) -> str:
    where = f"port {port} of {address}"
    try:
        _get(url, min(deadline, time.monotonic() + _ASK_SECONDS))
    except Exception:  # whoever has it does not speak HTTP
        return f"{where} is already in use, or not of this machine"
    return f"{where} is already in use: {url} answers; the application may run"


def _get(url: str, deadline: float, authorization: str = "") -> bytes:
    # no proxy: it is this machine, or a neighbour
    direct = urllib.request.ProxyHandler({})
    request = urllib.request.Request(url)  # noqa: S310 - http or https
    if authorization:
        request.add_unredirected_header("Authorization", authorization)
    try:
        with open_by(request, deadline, direct) as answer:
            return answer.body(1 << 20)
    except urllib.error.URLError as exc:
        raise Unanswered(f"{url}: {exc.reason}") from exc


# --- networks ---


@receipt_for.register
def _ship(
    handler: ShippingHandler, record: logging.LogRecord, deadline: float
) -> str:
    faults: list[Any] = []
    handler.reports.listener = faults.append
    handler.without_spool()
    _hand_over(handler, record)
    if handler.stats().skipped:
        _raise_first(faults)
        who = _ask(handler, deadline) or "not asked"
        return f"{who}; its formatter makes nothing of a test"
    try:
        _wait(handler, faults, deadline)
        return str(getattr(handler.way, "receipt", "acknowledged"))
    finally:
        handler.close(_CLOSE_SECONDS)


def _ask(handler: ShippingHandler, deadline: float) -> str:
    """
    Who answers, without sending anything; ``""`` where that cannot be asked.
    """
    reach = getattr(handler.way, "reach", None)
    return "" if reach is None else str(reach(deadline))


def _wait(
    handler: ShippingHandler, faults: list[Any], deadline: float
) -> None:
    """
    Wait until the record is acknowledged, lost, or beyond hope.
    """
    since = 0.0
    deadline -= min(_ASK_SECONDS, (deadline - time.monotonic()) / 4)
    while (now := time.monotonic()) < deadline:
        handler.flush(min(_LOOK_SECONDS, deadline - now))
        found = handler.stats()
        if found.sent:
            return
        if found.dropped or found.dead_lettered:
            raise _why(handler, faults, f"lost: {', '.join(found.dropped)}")
        outage = handler.outage
        since = (since or now) if outage.why else 0.0
        is_certain = since and now - since >= _PATIENCE_SECONDS
        if is_certain or outage.needs_people:
            break
    raise _why(handler, faults, "")


def _why(
    handler: ShippingHandler, faults: list[Any], otherwise: str
) -> BaseException:
    """
    The best that is known about what is wrong.
    """
    for each in faults:
        if isinstance(each, BaseException):
            return each
    said = handler.outage.why or otherwise
    if said and _GUESS not in said:
        return Unanswered(said)
    try:
        _ask(handler, time.monotonic() + _ASK_SECONDS)
    except Exception as exc:
        return exc
    return Unanswered(said or "it timed out: nothing was acknowledged")


@receipt_for.register
def _socket(
    handler: logging.handlers.SocketHandler,
    record: logging.LogRecord,
    deadline: float,
) -> str:
    # it tries again later, and says nothing
    handler.makeSocket(max(0.1, deadline - time.monotonic())).close()
    _emit(handler, record)
    return f"sent to {handler.host}:{handler.port}; it has no receipt"


@receipt_for.register
def _syslog(
    handler: logging.handlers.SysLogHandler,
    record: logging.LogRecord,
    deadline: float,
) -> str:
    del deadline
    _emit(handler, record)
    return f"sent to {handler.address}; syslog has no receipt"


def _pass_on(handler: Any, record: logging.LogRecord, deadline: float) -> str:
    del handler, record, deadline  # what it hands on to is tried by itself
    return "made; it passes records on to others"


_passers: tuple[Callable[..., Any], ...] = (
    logging.handlers.MemoryHandler,
    logging.handlers.QueueHandler,
)
for _each in _passers:
    receipt_for.register(_each, _pass_on)  # type: ignore[call-overload]
