"""
AccessMiddleware: one record for each request of a WSGI app, and its id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from ..calls.places import Place, place_of
from .access import Access, AccessLog, Request, length_of

__all__ = ["AccessMiddleware"]

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

# An app may be wrapped twice, and a request is logged once.
_SEEN: Final = "mllog.access"


class AccessMiddleware:
    """
    Log each request as one record, and put its id on all records meanwhile.

    ::

        application = AccessMiddleware(application, exclude=("/healthz",))

    The record is that of the middleware for ASGI
    (``mllog.integrations.asgi.AccessMiddleware``): the same message, fields,
    levels and ids.  It is logged when the last of the response was taken by
    the server, or when the request fails; ``route`` is given by Flask and
    Bottle.

    The id is bound while the app runs and while the server asks for each
    piece of the response, so that neither the server's own records nor the
    next request of the thread have it.

    Guarantee:
        Each request gives exactly one record, also where apps are wrapped
        twice.  Pieces are passed on unchanged and at once, files as the
        server's own kind of file, and the app's exceptions as they are.
        Nothing that goes wrong in logging reaches the app.

    Limit:
        That a client left is known where the server stops asking, and closes
        the response.  Behind a proxy ``client_address`` is what the server
        makes of it.

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
        self._header = request_id_header
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

    def __call__(
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """
        Serve one request.
        """
        if _SEEN in environ or self._log.excluded.have(
            _decoded(environ.get("PATH_INFO"))
        ):
            return self._app(environ, start_response)
        environ[_SEEN] = True
        exchange = _Exchange(self._log, self._header, environ, start_response)
        with exchange.access.binding:
            try:
                body = self._app(environ, exchange.start_response)
            except BaseException as error:
                exchange.access.end(error)
                raise
        return exchange.around(body)


class _Exchange:
    """
    One request and its response, seen in passing.
    """

    def __init__(
        self,
        log: AccessLog,
        header: str | None,
        environ: Environ,
        start_response: StartResponse,
    ) -> None:
        self._header, self._start_response = header, start_response
        self._environ = environ
        self._file = environ.get("wsgi.file_wrapper")
        self._declared: int | None = None
        self._route: Any = None
        self.access = Access(
            log, lambda: _request(environ), lambda: (self._route, None)
        )

    def start_response(
        self, status: Any, headers: Any, exc_info: Any = None
    ) -> Any:
        """
        Pass on status and headers, with the id if the app sets none.
        """
        sent = headers
        try:
            sent = self._with_id(headers)
        except Exception as fault:
            self.access.fault(fault)
        more = () if exc_info is None else (exc_info,)
        write = self._start_response(status, sent, *more)
        try:
            # not before: a server refuses a second answer without exc_info
            self.access.status = int(status.split(None, 1)[0])
            self._declared = _declared(headers)
            # now: Flask takes it away when the app returns
            self._route = _route(self._environ)
        except Exception as fault:
            self.access.fault(fault)
        return self._counting(write)

    def _with_id(self, headers: Any) -> Any:
        name = self._header
        if name is None or type(headers) is not list:
            return headers
        if any(each.lower() == name.lower() for each, _ in headers):
            return headers
        return [*headers, (name, self.access.request_id)]

    def _counting(self, write: Any) -> Any:
        def counting(data: bytes) -> object:
            answer = write(data)
            self.answered(data)
            return answer

        return counting

    def answered(self, data: Any) -> None:
        """
        Count a piece of the response.
        """
        try:
            self.access.answered(len(data))
        except Exception as fault:
            self.access.fault(fault)

    def around(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """
        What the server is given for *body*.
        """
        if isinstance(self._file, type) and isinstance(body, self._file):
            return self._sent_as_file(body)
        return (
            _SizedBody(self, body)
            if hasattr(body, "__len__")
            else _Body(self, body)
        )

    def _sent_as_file(self, body: Any) -> Iterable[bytes]:
        """
        A file that the server may send by itself, and that it closes.
        """
        close = getattr(body, "close", None)

        def closing() -> None:
            self.access.response_bytes = self._declared or 0
            self.access.is_complete = True
            self.close(close)

        try:
            body.close = closing
        except Exception:  # of a kind that is written in C
            return _Body(self, body)
        return body  # type: ignore[no-any-return]

    def close(self, close: Any) -> None:
        """
        Close the app's response, and log the request unless that was done.
        """
        access = self.access
        with access.binding:
            try:
                if close is not None:
                    close()
            except BaseException as error:
                access.end(error)
                raise
            access.has_left = not self._is_whole()
            access.end()

    def _is_whole(self) -> bool:
        access = self.access
        return (
            access.is_complete
            or access.has_no_body()
            or (
                self._declared is not None
                and access.response_bytes >= self._declared
            )
        )


class _Body:
    """
    The pieces of a response, on their way to the server.
    """

    def __init__(self, exchange: _Exchange, body: Iterable[bytes]) -> None:
        self._exchange, self._body = exchange, body
        self._pieces: Iterator[bytes] | None = None

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        exchange = self._exchange
        access = exchange.access
        with access.binding:
            try:
                if self._pieces is None:
                    self._pieces = iter(self._body)
                piece = next(self._pieces)
            except StopIteration:
                access.is_complete = True
                access.end()
                raise
            except BaseException as error:
                access.end(error)
                raise
        exchange.answered(piece)
        return piece

    def close(self) -> None:
        """
        Close the app's response, as a server does whatever happened.
        """
        self._exchange.close(getattr(self._body, "close", None))


class _SizedBody(_Body):
    """
    Pieces that a server may ask the number of, to set a length by it.
    """

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]


def _declared(headers: Any) -> int | None:
    for name, value in headers:
        if name.lower() == "content-length":
            return length_of(value)
    return None


def _decoded(text: Any) -> str:
    """
    Text as WSGI has it, a character a byte, as what it was before.
    """
    try:
        return str(text or "").encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return str(text)


def _request(environ: Environ) -> Request:
    def header(name: str) -> str:
        key = name.upper().replace("-", "_")
        # those two have names of their own
        prefix = "" if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else "HTTP_"
        return str(environ.get(f"{prefix}{key}") or "")

    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    return Request(
        str(environ.get("REQUEST_METHOD", "-")),
        _decoded(path),
        str(environ.get("QUERY_STRING", "")),
        str(environ.get("REMOTE_ADDR", "")),
        header,
    )


def _route(environ: Environ) -> Any:
    """
    The template of the route, if the framework left it behind.
    """
    flask = getattr(environ.get("werkzeug.request"), "url_rule", None)
    found = getattr(flask, "rule", None)
    if found is None:
        found = getattr(environ.get("bottle.route"), "rule", None)
    return found


_HERE: Final = place_of(
    AccessMiddleware.__call__, Place(__file__, 1, "__call__")
)
