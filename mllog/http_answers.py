"""
Answers of HTTP servers: whole, as HTTP ends them, and there by a deadline.
"""

from __future__ import annotations

import functools
import http.client
import io
import time
import urllib.request
from typing import Any, Final, cast

__all__ = ["Answer", "DeadlineReader", "answers_by", "open_by"]

_SWITCHING: Final = 101
_BLANK: Final = (b"\r\n", b"\n")


class DeadlineReader(io.BufferedReader):
    """
    What comes in from a socket until a deadline, however slowly.

    A timeout of the socket begins anew with each byte.  The descriptor stays
    open until both this and the socket are closed.

    Args:
        sock: A connected socket, also one of TLS.

        deadline: By ``time.monotonic()``; later reads raise TimeoutError.
    """

    def __init__(self, sock: Any, deadline: float) -> None:
        super().__init__(_Raw(sock, deadline))
        #: The last line that was read.
        self.line = b""

    def readline(self, size: int | None = -1, /) -> bytes:
        """
        The next line, which is remembered.
        """
        self.line = super().readline(size)
        return self.line


class _Raw(io.RawIOBase):
    def __init__(self, sock: Any, deadline: float) -> None:
        super().__init__()
        self._sock, self._deadline = sock, deadline
        self._file = sock.makefile("rb", 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the other side did not end in time")
        self._sock.settimeout(left)
        return cast("int | None", self._file.readinto(buffer))

    def close(self) -> None:
        self._file.close()
        super().close()


class Answer(http.client.HTTPResponse):
    """
    An answer that is an error unless it is whole, and there by a deadline.

    http.client takes the end of a connection for the end of headers, the
    beginning of a body for all of it, and 103 for the final status.
    """

    def __init__(
        self, deadline: float, sock: Any, *given: Any, **more: Any
    ) -> None:
        super().__init__(_Source(sock, deadline), *given, **more)  # type: ignore[arg-type]

    def begin(self) -> None:
        """
        Read status and headers of the final answer; interim ones are skipped.

        Raises:
            HTTPException: There are none, or they contradict each other.

            OSError: The connection failed, or the time is over.
        """
        super().begin()
        self._check_head()
        while 100 <= self.status < 200 and self.status != _SWITCHING:
            self.headers = None  # type: ignore[assignment]
            super().begin()
            self._check_head()
        self._check_framing()

    def _check_head(self) -> None:
        if cast("DeadlineReader", self.fp).line not in _BLANK:
            raise http.client.HTTPException("the answer ends in its headers")

    def _check_framing(self) -> None:
        codings = self._values("transfer-encoding")
        if codings == ["chunked"]:
            self.chunked, self.chunk_left = True, None
            self.length = None
            return
        if codings not in ([], ["identity"]):
            raise http.client.HTTPException(
                f"transfer-encoding {', '.join(codings)} was not asked for"
            )
        lengths = {*self._values("content-length")}
        if len(lengths) > 1 or not all(map(str.isdecimal, lengths)):
            raise http.client.HTTPException(
                f"content-length {', '.join(sorted(lengths))} is no length"
            )

    def _values(self, name: str) -> list[str]:
        return [
            each.strip().lower()
            for value in self.headers.get_all(name, ())
            for each in value.split(",")
        ]

    def body(self, most: int) -> bytes:
        """
        The whole body, or its first *most* bytes.

        Raises:
            HTTPException: It ends before it is whole.

            OSError: The connection failed, or the time is over.
        """
        found = b""
        while len(found) < most and (more := self.read(most - len(found))):
            found += more
        if self.length and len(found) < most:
            raise http.client.IncompleteRead(found, self.length)
        return found


class _Source:
    """
    What an HTTPResponse takes for a socket.
    """

    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, _mode: str) -> DeadlineReader:
        return DeadlineReader(self._sock, self._deadline)


def answers_by(deadline: float) -> Any:
    """
    The ``response_class`` of a connection whose answers are due at *deadline*.
    """
    return functools.partial(Answer, deadline)


def open_by(
    request: str | urllib.request.Request,
    deadline: float,
    *handlers: urllib.request.BaseHandler,
    context: Any = None,
) -> Answer:
    """
    The answer to *request*, as urllib has it.

    Args:
        request: What is asked, or a URL.

        deadline: By ``time.monotonic()``, when the answer has to be there.

        handlers: Further handlers of urllib, such as one for proxies.

        context: An SSLContext; None trusts the system's authorities.

    Raises:
        OSError: It is not, or its status is no success.

        HTTPException: What answers does not speak HTTP.
    """
    opener = urllib.request.build_opener(
        _Opening(deadline, context), *handlers
    )
    seconds = max(0.001, deadline - time.monotonic())
    return cast("Answer", opener.open(request, timeout=seconds))


class _Opening(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """
    Takes the places of urllib's two handlers.
    """

    def __init__(self, deadline: float, context: Any) -> None:
        super().__init__(context=context)
        self._deadline = deadline

    def _open(self, kind: Any, request: Any, **more: Any) -> Any:
        def made(*given: Any, **options: Any) -> Any:
            connection = kind(*given, **options)
            connection.response_class = answers_by(self._deadline)
            return connection

        return self.do_open(made, request, **more)

    def http_open(self, req: urllib.request.Request) -> Any:
        return self._open(http.client.HTTPConnection, req)

    def https_open(self, req: urllib.request.Request) -> Any:
        context: Any = self._context  # type: ignore[attr-defined]
        return self._open(http.client.HTTPSConnection, req, context=context)
