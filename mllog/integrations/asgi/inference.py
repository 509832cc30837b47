"""
InferenceMiddleware: the predict routes of FastAPI, Starlette and other ASGI apps.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ... import options
from ...calls.call import CANCELLED, REPORTS, Call, Plan, plan_of
from ...calls.places import Place, place_of
from ..body import Body
from ..paths import Paths
from ..request_ids import header_name, known_id
from .lifespan import flushing
from .messages import (
    UNSEEN,
    Application,
    Message,
    Receive,
    Scope,
    Send,
    value_of,
    values_of,
    with_header,
)

__all__ = ["InferenceMiddleware"]

_MOST_ERROR_CHARS = 500


class InferenceMiddleware:
    """
    Log each request of a predict route as one record.

    ::

        app.add_middleware(
            InferenceMiddleware, logger=logger, model="resnet50", version=3
        )

    The record has the fields of ``mllog.inference``: ``inputs`` is the body of
    the request and ``predictions`` that of the response, parsed as JSON or as
    a form, else as text in its charset, else ``{"type", "bytes"}``; gzip and
    deflate, and zstd where that is installed, are undone.  It has ``path``,
    too.  It is logged when the
    response is complete, or when the request fails, and says that it comes
    from the route's function where the framework tells which that is.

    A status from 400 to 499 is logged as WARNING, from 500 on as ERROR; the
    ``error`` is the exception, or ``HTTP 404`` with the ``detail`` or ``error``
    of the response.  An exception that nothing turned into a response is 500,
    and a client that left before the end is 499.

    The request id is the bound one (``mllog.bind``), else that of the
    request's header with all but ``A-Z a-z 0-9 . _ -`` replaced, else a new
    one.  It is bound during the request, so that what the route logs has it,
    and is sent back in the response's header unless the app sets that itself.

    Guarantee:
        Bodies are passed on unchanged and at once, chunk by chunk.  The app's
        exceptions go on unchanged, and nothing that goes wrong in logging
        reaches it.  Other routes and websockets cost a comparison.  When the
        app has shut down, what was logged is sent before the server may go,
        for at most 5 seconds.

    Limit:
        A body longer than *max_body_bytes*, or one that was not read or sent
        to its end, is logged as the text of its beginning, and ``truncated``
        lists the field; so it does where the coding or the charset is unknown.
        Parsing takes place in the event loop, after the
        response.

    Args:
        app: The application.

        logger: A Logger or a LoggerAdapter.

        model: Name of the model.

        version: Its version.

        paths: The routes, without the path that the app is mounted at: text
            has to be equal, a compiled regular expression to match all of it.

        methods: The methods that are logged.

        max_body_bytes: How much of a body is kept, such as ``"64KiB"``.

        request_id_header: Name of the header with the id; None for none.

        level: Level of the record of a request that succeeded.

        fields: Further fields of each record.

    Raises:
        ConfigError: An option cannot work.
    """

    def __init__(
        self,
        app: Application,
        *,
        logger: logging.Logger | logging.LoggerAdapter[Any],
        model: Any = None,
        version: Any = None,
        paths: Sequence[str | re.Pattern[str]] = ("/predict",),
        methods: Sequence[str] = ("POST",),
        max_body_bytes: int | str = "256KiB",
        request_id_header: str | None = "x-request-id",
        level: int | str = logging.INFO,
        **fields: Any,
    ) -> None:
        self._app = app
        self._plan = plan_of(logger, model, version, fields, level=level)
        owner = type(self).__name__
        self._paths = Paths("paths", paths, owner=owner)
        self._methods = frozenset(
            name.upper() for name in options.names("methods", methods)
        )
        self._max = options.size("max_body_bytes", max_body_bytes)
        header = header_name(request_id_header, owner=owner)
        self._header = None if header is None else header.encode()

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """
        Serve one connection.
        """
        if scope["type"] == "lifespan":
            await self._app(scope, receive, flushing(send))
            return
        if (
            scope["type"] != "http"
            or scope["method"] not in self._methods
            or not self._paths.have(scope["path"], scope.get("root_path"))
            or not self._plan.is_on()
        ):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(
            self._plan, scope, receive, send, self._max, self._header
        )
        with exchange.call:
            try:
                await self._app(scope, exchange.receive, exchange.send)
            except BaseException as error:
                exchange.failed(error)
                raise
            else:
                exchange.finish()


class _Exchange:
    """
    One request and its response, seen in passing.
    """

    def __init__(
        self,
        plan: Plan,
        scope: Mapping[str, Any],
        receive: Receive,
        send: Send,
        max_body_bytes: int,
        header: bytes | None,
    ) -> None:
        self._scope, self._header = scope, header
        self._receive, self._send = receive, send
        self._request = Body(max_body_bytes)
        self._response = Body(max_body_bytes)
        self._response_kind = "", ""
        self._status: Any = None
        self._has_left = False
        self.call = Call(plan, _HERE, self._known_id())
        self.call.add(path=scope["path"])

    def _known_id(self) -> str | None:
        try:
            sent = None
            if self._header is not None:
                sent = value_of(self._scope.get("headers"), self._header)
            return known_id(sent)
        except Exception as fault:
            REPORTS.fault(fault)
            return None

    async def receive(self) -> Message:
        """
        Pass on what comes from the client.
        """
        message = await self._receive()
        try:
            if message["type"] == "http.request":
                self._request.see(message)
            elif not self._response.is_complete:  # http.disconnect
                self._has_left = True
        except Exception as fault:
            REPORTS.fault(fault)
        return message

    async def send(self, message: Message) -> None:
        """
        Pass on what goes to the client.
        """
        try:
            message = self._seen(message)
        except Exception as fault:
            REPORTS.fault(fault)
        is_last = self._response.is_complete
        if is_last:
            self.call.stop()
        try:
            await self._send(message)
        except OSError:
            self._has_left = True
            raise
        # where it failed, the exception may still be to come
        if is_last and not _is_fault(self._status):
            self.finish()

    def _seen(self, message: Message) -> Message:
        """
        What is sent for *message*: with the request id, if the app sets none.
        """
        kind = message["type"]
        if kind == "http.response.body":
            self._response.see(message)
        elif kind in UNSEEN:
            self._response.skip(message)
        if kind != "http.response.start":
            return message
        self._status = message["status"]
        message = with_header(message, self._header, self.call.request_id)
        self._response_kind = _kind_in(message.get("headers"))
        return message

    def failed(self, error: BaseException) -> None:
        """
        Log that the app raised, unless its response was logged.
        """
        if self._has_left and isinstance(error, Exception):
            self.call.status_code = CANCELLED
        elif _is_fault(self._status):
            self.call.status_code = self._status
        self._log(error)

    def finish(self) -> None:
        """
        Log the request, unless that was done.
        """
        self._log(None)

    def _log(self, error: BaseException | None) -> None:
        try:
            self._gather(error)
        except Exception as fault:
            REPORTS.fault(fault)
        self.call.end(error)

    def _gather(self, error: BaseException | None) -> None:
        call = self.call
        if not call.is_open():
            return
        call.place = place_of(self._scope.get("endpoint"), _HERE)
        cut = []
        request, response = self._request, self._response
        is_whole = request.is_whole()
        if is_whole or request.size:
            call.inputs, is_whole = request.content(
                *_kind_in(self._scope.get("headers"))
            )
        if not is_whole:
            cut.append("inputs")
        is_whole = response.is_whole()
        if is_whole or response.size:
            call.predictions, is_whole = response.content(*self._response_kind)
        if self._status is not None and not is_whole:
            cut.append("predictions")
        if cut:
            call.add(truncated=cut)
        if error is None:
            self._say_status()

    def _say_status(self) -> None:
        """
        The status that was sent, and what it says went wrong.
        """
        call, status = self.call, self._status
        if self._has_left and not self._response.is_complete:
            call.status_code = CANCELLED
            call.add(error="the client left")
        elif status is None:
            call.status_code = 500
            call.add(error="the app sent no response")
        else:
            call.status_code = status
            if status >= 400:
                call.add(error=_detail(status, call.predictions))


def _kind_in(headers: Any) -> tuple[str, str]:
    """
    The headers that say what the bytes of a body mean: type and coding.
    """
    return (
        value_of(headers, b"content-type"),
        values_of(headers, b"content-encoding"),
    )


def _is_fault(status: Any) -> bool:
    return isinstance(status, int) and status >= 500


def _detail(status: int, body: Any) -> str:
    for name in ("detail", "error"):  # FastAPI's and KServe's
        said = body.get(name) if isinstance(body, dict) else None
        if isinstance(said, str):
            return f"HTTP {status}: {said[:_MOST_ERROR_CHARS]}"
    return f"HTTP {status}"


_HERE: Final = place_of(
    InferenceMiddleware.__call__, Place(__file__, 1, "__call__")
)
