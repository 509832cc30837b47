"""
The way to a collector over HTTP: one connection, a POST for each batch.
"""

from __future__ import annotations

import contextlib
import encodings.idna  # noqa: F401 - a name may first be resolved at exit
import gzip
import http.client
import select
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ...compression import decoded
from ...events import Message
from ...forking import tell_child
from ...http_answers import Answer, answers_by
from ..retry import Fault, Verdict
from ..transport import PartlyRefusedError
from .endpoint import Endpoint, Security
from .faults import OTLPError, error_of_status, error_of_way
from .messages import Requests

__all__ = ["HTTPTransport"]

_LEVEL: Final = 1  # a third of the time of gzip's own, for 10 % more
_MOST_ANSWER_BYTES: Final = 64 * 1024
_LEAST_SECONDS: Final = 0.001


class HTTPTransport:
    """
    Sends each batch as one request, and waits for its answer.

    Args:
        endpoint: Where to.

        requests: Makes the requests.

        headers: Sent with each, never shown.

        compresses: Whether requests are compressed by gzip.

        security: Whom to trust, where TLS is spoken.

        say: Tells people what the collector warns of.
    """

    takes_bytes = True

    def __init__(
        self,
        endpoint: Endpoint,
        requests: Requests,
        *,
        headers: Mapping[str, str],
        compresses: bool = True,
        security: Security,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._endpoint, self._requests = endpoint, requests
        self._compresses, self._security = compresses, security
        self._headers = {
            "Content-Type": "application/x-protobuf",
            "User-Agent": "mllog",
            **headers,
        }
        if compresses:
            self._headers["Content-Encoding"] = "gzip"
        self._say, self._said = say, ""
        self._connection: Any = None
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: the connection is the parent's.
        """
        # closes a descriptor of ours, and says nothing to the collector
        self.close(0.0)

    # --- what a worker calls ---

    def open(self, deadline: float) -> None:
        """
        Connect.

        Raises:
            OTLPError: Nobody answers, or not the one we trust.
        """
        self.close(deadline)
        at, timeout = self._endpoint, _left(deadline)
        try:
            if at.is_secure:
                made: Any = http.client.HTTPSConnection(
                    at.host,
                    at.port,
                    timeout=timeout,
                    context=self._security.context(),
                )
            else:
                made = http.client.HTTPConnection(
                    at.host, at.port, timeout=timeout
                )
            made.connect()
        except Exception as exc:
            raise error_of_way(str(at), exc, is_sent=False) from exc
        self._connection = made

    def send(self, events: Sequence[Message], deadline: float) -> None:
        """
        Send *events*, and return when the collector said that it has them.

        Raises:
            PartlyRefusedError: It has them but for some.

            OTLPError: It has none, or nobody knows.
        """
        body = self._requests.request_of(events)
        if self._compresses:
            body = gzip.compress(body, _LEVEL)
        if self._connection is None or _is_over(self._connection.sock):
            self.open(deadline)
        status, headers, answer = self._exchange(body, deadline)
        if not 200 <= status < 300:
            said = answer.decode("utf-8", "replace")
            if "protobuf" in headers.get("content-type", ""):
                said = _text_in(answer)
            raise error_of_status(
                str(self._endpoint), status, said, headers.get("retry-after")
            )
        self._look_at(answer, headers.get("content-type", ""))

    def _exchange(
        self, body: bytes, deadline: float
    ) -> tuple[int, Any, bytes]:
        connection = self._connection
        unsent: OSError | None = None
        try:
            connection.sock.settimeout(_left(deadline))
            try:
                connection.request(
                    "POST", self._endpoint.path, body, self._headers
                )
            except (BrokenPipeError, ConnectionResetError) as exc:
                unsent = exc  # it may have refused the rest in an answer
            connection.response_class = answers_by(deadline)
            answer = connection.getresponse()
            found = _content_of(answer)
            if unsent is not None and answer.status < 300:
                raise unsent
            if not answer.isclosed() or answer.will_close:
                self.close(deadline)  # more than it should say, or the last
            return answer.status, answer.headers, found
        except Exception as exc:
            self.close(deadline)
            raise error_of_way(str(self._endpoint), exc, is_sent=True) from exc

    def _look_at(self, answer: bytes, content_type: str) -> None:
        """
        Hear what the collector says of a batch that it took.
        """
        refused, said = self._requests.refusal_in(answer, content_type)
        said = "".join(c if c.isprintable() else " " for c in said)[:300]
        if refused > 0:
            raise PartlyRefusedError(
                refused,
                f"{self._endpoint}: {refused} records were refused: {said}",
            )
        if said and said != self._said:
            self._said = said
            self._say(f"{self._endpoint} warns: {said}")

    def close(self, deadline: float) -> None:  # noqa: ARG002 - nothing waits
        """
        Disconnect.
        """
        made, self._connection = self._connection, None
        if made is not None:
            with contextlib.suppress(OSError):
                made.close()

    def classify(self, error: BaseException) -> Verdict:
        """
        What *error* means.
        """
        if isinstance(error, OTLPError):
            return error.verdict
        return Verdict(Fault.TRANSIENT)


def _content_of(answer: Answer) -> bytes:
    """
    The body of *answer*; of a refusal what there is, for its status is enough.

    Raises:
        HTTPException: The answer is not whole.

        OSError: The connection failed, or the time is over.
    """
    try:
        found = answer.body(_MOST_ANSWER_BYTES)
    except (OSError, http.client.HTTPException):
        if answer.status < 300:
            raise
        return b""
    coding = ",".join(answer.headers.get_all("content-encoding", ()))
    try:
        return decoded(found, coding, _MOST_ANSWER_BYTES)[0]
    except ValueError:
        return found


def _left(deadline: float) -> float:
    return max(_LEAST_SECONDS, deadline - time.monotonic())


def _is_over(sock: Any) -> bool:
    """
    Whether the other side ended a connection that was idle.
    """
    if sock is None:
        return True
    try:
        poll = select.poll() if hasattr(select, "poll") else None
        if poll is None:  # Windows
            return bool(select.select([sock], [], [], 0)[0])
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    except (OSError, ValueError):
        return True


def _text_in(status: bytes) -> str:
    """
    The message of a google.rpc.Status: its second field, a text.
    """
    at = status.find(b"\x12")
    if at < 0 or at + 2 > len(status):
        return ""
    length = status[at + 1]
    if length >= 128:  # two bytes of length; the text is cut anyway
        at, length = at + 1, 300
    return status[at + 2 : at + 2 + length].decode("utf-8", "replace")
