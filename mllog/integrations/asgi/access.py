"""
AccessMiddleware: one record for each request of an ASGI app, and its id.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final, Protocol

from ...calls.places import Place, place_of
from ..access import Access, AccessLog, Request, length_of
from .lifespan import flushing
from .messages import (
    UNSEEN,
    Application,
    Message,
    Receive,
    Scope,
    Send,
    value_of,
    with_header,
)

__all__ = ["AccessMiddleware"]

# An app may be wrapped twice, and a request is logged once.
_SEEN: Final = "mllog.access"


class AccessMiddleware:
    """
    Log each request as one record, and put its id on all records meanwhile.

    ::

        app.add_middleware(AccessMiddleware, exclude=("/healthz",))

    The record's message is ``GET /predict 200``; its fields are
    ``request_id``, ``method``, ``path``, ``route`` where the framework says
    which it was, ``status_code``, ``request_latency`` (seconds to the last
    byte), ``first_byte_latency`` (seconds) where the answer came in pieces,
    ``request_bytes``, ``response_bytes`` and, where something went wrong,
    ``error``.  It has no traceback: servers and frameworks log that.

    The request id is the bound one (``mllog.bind``), else that of the
    request's header with all but ``A-Z a-z 0-9 . _ -`` replaced and at most
    128 characters long, else a new one.  It is sent back in the response's
    header unless the app sets that itself.  Until the app returns it is bound,
    with ``trace_id``, ``span_id`` and ``trace_flags`` of a valid
    ``traceparent``: routes in threads and background tasks log it too.

    A status from 500 on is logged as ERROR, from 400 on with
    *client_error_level*.  An exception that nothing turned into a response is
    500, and a client that left before the end, or a task that was cancelled,
    is 499.

    A websocket is one record when it ends, with ``status_code`` 101, or 403
    where it was refused, ``close_code``, and ``connection_seconds`` in place
    of the latency.

    Guarantee:
        Each request gives exactly one record, also where apps are wrapped
        twice.  Messages are passed on unchanged but for the header, at once,
        and nothing that goes wrong in logging reaches the app.  Excluded
        paths reach it untouched.  When the app has shut down, what was logged
        is sent before the server may go, for at most 5 seconds.

    Limit:
        That a client left is known where the app or the server notices.
        Behind a proxy ``client_address`` is what the server makes of it.

    Args:
        app: The application.

        logger: A Logger, a LoggerAdapter or a name; ``mllog.access`` without.

        exclude: Paths that are not logged, without the path that the app is
            mounted at: text has to be equal, a compiled regular expression to
            match all of it.

        request_id_header: Name of the header with the id; None for none.

        level: Level of the record of a request that succeeded.

        client_error_level: Level where the status is from 400 to 499.

        include: Further fields of the record: ``client_address``, ``query``,
            ``user_agent``.  They may be personal, or have secrets.

        bind: Further fields of all records meanwhile: ``method``, ``path``,
            and those.

        fields: Further fields of each record of a request.

    Raises:
        ConfigError: An option cannot work.
    """

    def __init__(
        self,
        app: Application,
        *,
        logger: logging.Logger
        | logging.LoggerAdapter[Any]
        | str
        | None = None,
        exclude: Any = (),
        request_id_header: str | None = "X-Request-ID",
        level: int | str = logging.INFO,
        client_error_level: int | str = logging.WARNING,
        include: Sequence[str] = (),
        bind: Sequence[str] = (),
        **fields: Any,
    ) -> None:
        self._app = app
        self._log = AccessLog(
            type(self).__name__,
            _HERE,
            logger=logger,
            exclude=exclude,
            request_id_header=request_id_header,
            level=level,
            client_error_level=client_error_level,
            include=include,
            bind=bind,
            fields=fields,
        )

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """
        Serve one connection.
        """
        if scope["type"] == "lifespan":
            await self._app(scope, receive, flushing(send))
            return
        kind = _KINDS.get(scope["type"])
        if (
            kind is None
            or _SEEN in scope
            or self._log.excluded.have(scope["path"], scope.get("root_path"))
        ):
            await self._app(scope, receive, send)
            return
        scope[_SEEN] = True
        seen = kind(self._log, scope, receive, send)
        with seen.access.binding:
            try:
                await self._app(scope, seen.receive, seen.send)
            except BaseException as error:
                seen.end(error)
                raise
            else:
                seen.end(None)


class _Seen(Protocol):
    """
    A connection that is seen in passing.
    """

    access: Access

    def __init__(
        self, log: AccessLog, scope: Scope, receive: Receive, send: Send
    ) -> None: ...

    async def receive(self) -> Message:
        """
        Pass on what comes from the client.
        """

    async def send(self, message: Message) -> None:
        """
        Pass on what goes to the client.
        """

    def end(self, error: BaseException | None) -> None:
        """
        Log it, unless that was done.
        """


class _Exchange:
    """
    A request and its response.
    """

    def __init__(
        self, log: AccessLog, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._receive, self._send = receive, send
        self._header = None if log.header is None else log.header.encode()
        self._declared = 0
        self._read_bytes = 0
        self.access = _access(log, scope, scope.get("method", "-"))

    async def receive(self) -> Message:
        message = await self._receive()
        try:
            if message["type"] == "http.request":
                self._read_bytes += len(message.get("body") or b"")
                if not message.get("more_body", False):
                    self.access.request_bytes = self._read_bytes
            elif not self.access.is_complete:  # http.disconnect
                self.access.has_left = True
        except Exception as fault:
            self.access.fault(fault)
        return message

    async def send(self, message: Message) -> None:
        try:
            message = self._started(message)
        except Exception as fault:
            self.access.fault(fault)
        try:
            await self._send(message)
        except OSError:
            self.access.has_left = True
            raise
        try:
            self._sent(message)
        except Exception as fault:
            self.access.fault(fault)

    def _started(self, message: Message) -> Message:
        """
        What is sent for *message*: with the request id, if the app sets none.
        """
        if message["type"] != "http.response.start":
            return message
        self.access.status = int(message["status"])
        message = with_header(message, self._header, self.access.request_id)
        self._declared = length_of(
            value_of(message.get("headers"), b"content-length")
        )
        return message

    def _sent(self, message: Message) -> None:
        """
        Count what the server took; the record is logged with the last of it.
        """
        access, kind = self.access, message["type"]
        if kind == "http.response.body":
            access.answered(len(message.get("body") or b""))
        elif kind in UNSEEN:
            access.answered(message.get("count") or self._declared)
        else:
            return
        if message.get("more_body", False):
            return
        access.is_complete = True
        access.stop()
        # where it failed, the exception may still be to come
        if access.status is not None and access.status < 500:
            access.end()

    def end(self, error: BaseException | None) -> None:
        self.access.end(error)


class _Connection:
    """
    A websocket.
    """

    def __init__(
        self, log: AccessLog, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._receive, self._send = receive, send
        self._header = None if log.header is None else log.header.encode()
        self.access = access = _access(log, scope, "WEBSOCKET")
        access.clock = "connection_seconds"

    async def receive(self) -> Message:
        message = await self._receive()
        access = self.access
        try:
            if message["type"] == "websocket.receive":
                access.request_bytes += _size(message)
            elif message["type"] == "websocket.disconnect":
                access.has_left = True
                self._closed(message, 1005)
        except Exception as fault:
            access.fault(fault)
        return message

    async def send(self, message: Message) -> None:
        try:
            message = self._seen(message)
        except Exception as fault:
            self.access.fault(fault)
        try:
            await self._send(message)
        except OSError:
            self.access.has_left = True
            raise

    def _seen(self, message: Message) -> Message:
        access, kind = self.access, message["type"]
        if kind == "websocket.accept":
            access.status = 101
        elif kind == "websocket.send":
            access.response_bytes += _size(message)
        elif kind == "websocket.close":
            if access.status is None:
                access.status = 403
            self._closed(message, 1000)
        elif kind == "websocket.http.response.start":
            access.status = int(message["status"])
        if kind in ("websocket.accept", "websocket.http.response.start"):
            return with_header(message, self._header, access.request_id)
        return message

    def _closed(self, message: Message, otherwise: int) -> None:
        if self.access.status == 101:
            code = message.get("code", otherwise)
            self.access.fields.setdefault("close_code", code)

    def end(self, error: BaseException | None) -> None:
        access = self.access
        if access.has_left and isinstance(error, Exception):
            error = None  # what an app raises that goes on with nobody there
        if error is None and access.status is not None:
            access.finish(access.status, None)
        else:
            access.end(error)


_KINDS: Final[dict[Any, type[_Seen]]] = {
    "http": _Exchange,
    "websocket": _Connection,
}


def _size(message: Message) -> int:
    text = message.get("text")
    if text is not None:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(message.get("bytes") or b"")


def _access(log: AccessLog, scope: Scope, method: str) -> Access:
    def read() -> Request:
        return _request(scope, method)

    def routed() -> tuple[Any, Place | None]:
        return _route(scope), place_of(scope.get("endpoint"), log.place)

    return Access(log, read, routed)


def _request(scope: Scope, method: str) -> Request:
    client = scope.get("client")
    headers = scope.get("headers")
    return Request(
        method,
        scope["path"],
        bytes(scope.get("query_string") or b"").decode("latin-1"),
        str(client[0]) if client else "",
        lambda name: value_of(headers, name.encode()),
    )


def _route(scope: Scope) -> Any:
    """
    The template of the route, with where the app and its part are mounted.
    """
    found = scope.get("path_template")  # Litestar's
    if found is not None:
        return found
    route, root = scope.get("route"), scope.get("root_path") or ""
    if not hasattr(route, "endpoint"):  # a mounted app without routes
        return root or None
    found = getattr(route, "path_format", None)
    return f"{root}{found}" if isinstance(found, str) else None


_HERE: Final = place_of(
    AccessMiddleware.__call__, Place(__file__, 1, "__call__")
)
