"""
The access log: one record a request, and its id on all others, for any server.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from .. import options
from ..calls.call import CANCELLED, status_of
from ..calls.places import Place
from ..context import bind as bind_fields
from ..context import bound, unwrapped
from ..errors import ConfigError, shown
from ..fields import renamed
from ..reports import Reports
from ..values import name_of
from .paths import Paths, printable
from .request_ids import header_name, known_id, remote_span

__all__ = ["Access", "AccessLog", "Request", "length_of"]

_MOST_TEXT_CHARS = 1000
_OPTIONAL: Final = ("client_address", "query", "user_agent")
_BINDABLE: Final = ("method", "path", *_OPTIONAL)


class Request(NamedTuple):
    """
    What a server says of a request.

    Args:
        method: Its method, or ``WEBSOCKET``.

        path: Its path, decoded, with where the app is mounted.

        query: What follows the ``?``.

        client: Address of the client as the server sees it.

        header: Gives the value of a header, or ``""``.
    """

    method: str
    path: str
    query: str
    client: str
    header: Callable[[str], str]


class AccessLog:
    """
    What all requests of one middleware have in common; see the middlewares.

    Raises:
        ConfigError: An option cannot work.
    """

    def __init__(
        self,
        owner: str,
        place: Place,
        *,
        logger: Any,
        exclude: Any,
        request_id_header: str | None,
        level: int | str,
        client_error_level: int | str,
        include: Sequence[str],
        bind: Sequence[str],
        fields: Mapping[str, Any],
    ) -> None:
        self.owner, self.place = owner, place
        self.excluded = Paths("exclude", exclude, owner=owner)
        self.header = header_name(request_id_header, owner=owner)
        try:
            self.logger = _logger(logger)
            self._level = options.level_number("level", level)
            self._client_error = options.level_number(
                "client_error_level", client_error_level
            )
            self.included = _chosen("include", include, _OPTIONAL)
            self.bound = _chosen("bind", bind, _BINDABLE)
        except ConfigError as error:
            error.owner = owner
            raise
        self.fields = dict(fields)
        self.reports = Reports(self.label)

    def label(self) -> str:
        """
        Who speaks when something went wrong in mllog itself.
        """
        return self.owner

    def level_of(self, status: int) -> int:
        """
        The level of a record.
        """
        if status >= 500:
            return max(self._level, logging.ERROR)
        if status >= 400:
            return max(self._level, self._client_error)
        return self._level


def _logger(given: Any) -> Any:
    if given is None:
        return logging.getLogger("mllog.access")
    if isinstance(given, str):
        return logging.getLogger(given)
    if hasattr(given, "isEnabledFor"):
        return given
    raise ConfigError(
        shown("logger", given),
        expected="a logger of Python's logging, a LoggerAdapter, or a name",
    )


def _chosen(
    option: str, names: Any, allowed: Sequence[str]
) -> tuple[str, ...]:
    return tuple(
        options.choice(option, name, allowed)
        for name in options.names(option, names)
    )


class Access:
    """
    One request, from its start to its record.

    Guarantee:
        No method raises an ``Exception`` for what a request or the logging
        of it is like.

    Args:
        log: What is logged, and where to.

        read: Gives what the server says of the request.

        routed: Gives the route's template, or None, and the place of the
            function behind it, or None, after the application has run.
    """

    #: The field with the seconds that all of it took.
    clock = "request_latency"

    def __init__(
        self,
        log: AccessLog,
        read: Callable[[], Request],
        routed: Callable[[], tuple[Any, Place | None]],
    ) -> None:
        self._log, self._routed = log, routed
        self._start = time.perf_counter()
        self._seconds: float | None = None
        self._first_seconds: float | None = None
        self._is_open = True
        self._pieces = 0
        self._told = {"method": "-", "path": "-"}
        #: The status that was sent.
        self.status: int | None = None
        #: Whether all of the response was taken.
        self.is_complete = False
        #: Whether the client left before that.
        self.has_left = False
        self.request_bytes = self.response_bytes = 0
        #: Further fields of the record.
        self.fields: dict[str, Any] = {}
        known: dict[str, Any] = {}
        try:
            known = self._take(read())
        except Exception as fault:
            log.reports.fault(fault)
        #: The id of the request, in safe characters.
        self.request_id: str = known.setdefault("request_id", uuid.uuid4().hex)
        #: A block in which other records have the id of the request, and what
        #: else is bound; it may be opened several times.
        self.binding = bind_fields(**known)

    def _take(self, request: Request) -> dict[str, Any]:
        """
        Keep what the record says; what is bound meanwhile.
        """
        log, header = self._log, request.header
        told = self._told
        told["method"] = _short(request.method)
        told["path"] = printable(request.path)
        self.request_bytes = length_of(header("content-length"))
        for name, text in (
            ("client_address", request.client),
            ("query", request.query),
            ("user_agent", header("user-agent")),
        ):
            told[name] = _short(text)
        known: dict[str, Any] = {}
        if "trace_id" not in bound():
            known.update(remote_span(header("traceparent")))
        sent = None if log.header is None else header(log.header)
        request_id = known_id(sent)
        if request_id is not None:
            known["request_id"] = request_id
        known.update((name, told[name]) for name in log.bound)
        return known

    def fault(self, fault: Exception) -> None:
        """
        Hear of what went wrong in looking at the request.
        """
        self._log.reports.fault(fault)

    def answered(self, size: int) -> None:
        """
        Hear that *size* bytes of the body were handed to the server.
        """
        if size:
            if not self._pieces:
                self._first_seconds = time.perf_counter() - self._start
            self._pieces += 1
            self.response_bytes += size

    def has_no_body(self) -> bool:
        """
        Whether the answer has none, whatever the application gives.
        """
        return self.status in (204, 304) or self._told["method"] == "HEAD"

    def stop(self) -> None:
        """
        Stop the clock; the record may be logged later.
        """
        if self._seconds is None:
            self._seconds = time.perf_counter() - self._start

    def end(self, error: BaseException | None = None) -> None:
        """
        Log the record, unless that was done.
        """
        self.finish(*self._outcome(error))

    def _outcome(self, error: BaseException | None) -> tuple[int, Any]:
        status = self.status
        is_ours = error is None or isinstance(error, Exception)
        if self.has_left and is_ours:
            return CANCELLED, "the client left"
        if error is not None:
            is_fault = status is not None and status >= 500
            return (status if is_fault else status_of(error)) or 500, error
        if status is None:
            return 500, "the app sent no response"
        return status, None

    def finish(self, status: int, error: Any) -> None:
        """
        Log the record with that status, unless one was logged.

        Args:
            status: The HTTP status, sent or meant.

            error: An exception, or text, or None.
        """
        if not self._is_open:
            return
        self._is_open = False
        try:
            self.stop()
            self._write(status, error)
        except Exception as fault:
            self._log.reports.fault(fault)

    def _write(self, status: int, error: Any) -> None:
        log, told = self._log, self._told
        level = log.level_of(status)
        if not log.logger.isEnabledFor(level):
            return
        fields, place = self._fields(status, error)
        logger, message, fields = unwrapped(log.logger, "%s %s %s", fields)
        logger.handle(
            logger.makeRecord(
                logger.name,
                level,
                place.path,
                place.line,
                message,
                (told["method"], told["path"], status),
                None,
                place.function,
                renamed(fields),
            )
        )

    def _fields(self, status: int, error: Any) -> tuple[dict[str, Any], Place]:
        log, told = self._log, self._told
        fields: dict[str, Any] = {
            **log.fields,
            "request_id": self.request_id,
            "method": told["method"],
            "path": told["path"],
        }
        place: Place | None = None
        try:
            route, place = self._routed()
            if isinstance(route, str):
                fields["route"] = _short(route)
        except Exception as fault:  # a framework's objects may do anything
            log.reports.fault(fault)
        fields["status_code"] = status
        fields[self.clock] = self._seconds
        if self._pieces > 1 or (self._pieces and not self.is_complete):
            fields["first_byte_latency"] = self._first_seconds
        fields["request_bytes"] = self.request_bytes
        fields["response_bytes"] = (
            0 if self.has_no_body() else self.response_bytes
        )
        fields.update((name, told.get(name, "")) for name in log.included)
        if error is not None:
            fields["error"] = _text_of(error)
        fields.update(self.fields)
        return fields, place or log.place


def _short(text: str) -> str:
    return printable(text, is_path=False)


def length_of(header: str) -> int:
    """
    What ``Content-Length`` says, or 0.
    """
    is_number = header.isascii() and header.isdecimal() and len(header) < 16
    return int(header) if is_number else 0


def _text_of(error: Any) -> str:
    if isinstance(error, str):
        return error
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:
        text = name_of(error)
    return text[:_MOST_TEXT_CHARS]
