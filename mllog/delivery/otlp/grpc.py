"""
The way to a collector over gRPC: one channel, a call for each batch.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from ...errors import ConfigError, require, shown
from ...events import Message
from ...forking import tell_child
from ..retry import Fault, Verdict
from ..transport import PartlyRefusedError
from .endpoint import Endpoint, Security
from .faults import OTLPError, error_of_way
from .messages import Requests

__all__ = ["GRPCTransport", "metadata_of"]

_METHOD: Final = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
# the delivery core tries again, and knows for how long
_OPTIONS: Final = (("grpc.enable_retries", 0),)
_KEY: Final = re.compile(r"[a-z0-9_.-]+")
_DETAILS: Final = "grpc-status-details-bin"
_RETRY_INFO: Final = b"google.rpc.RetryInfo"
# What a status means; what is not here is tried again.
_FAULTS: Final = {
    "INVALID_ARGUMENT": Fault.POISON,
    "UNAUTHENTICATED": Fault.AUTH,
    "PERMISSION_DENIED": Fault.AUTH,
    "UNIMPLEMENTED": Fault.AUTH,
    "NOT_FOUND": Fault.AUTH,
    "UNAVAILABLE": Fault.TRANSIENT,
    "RESOURCE_EXHAUSTED": Fault.TRANSIENT,
}
_FIXES: Final = {
    "UNAUTHENTICATED": "give headers with valid credentials",
    "PERMISSION_DENIED": "allow these credentials to send logs",
    "UNIMPLEMENTED": "mend endpoint or protocol: the server there takes no"
    " logs of OTLP over gRPC",
}
# Channels of a parent process: closing them would end its connections.
_leaked: list[Any] = []


class GRPCTransport:
    """
    Sends each batch as one call, and waits for its answer.

    Args:
        endpoint: Where to.

        requests: Makes the requests.

        headers: Sent with each as metadata, never shown.

        compresses: Whether requests are compressed by gzip.

        security: Whom to trust, where TLS is spoken.

        say: Tells people what the collector warns of.

    Raises:
        ConfigError: gRPC has no header of such a name.

        MissingPackageError: grpcio is not installed.
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
        self._grpc: Any = require("grpc", "otlp-grpc")
        self._endpoint, self._requests = endpoint, requests
        self._metadata = metadata_of(headers)
        kinds = self._grpc.Compression
        self._compression = kinds.Gzip if compresses else kinds.NoCompression
        self._security = security
        self._say, self._said = say, ""
        self._channel: Any = None
        self._call: Any = None
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: the channel is the parent's.
        """
        if self._channel is not None:
            _leaked.append(self._channel)
        self._channel = self._call = None

    # --- what a worker calls ---

    def open(self, deadline: float) -> None:
        """
        Make the channel; it connects with the first call.

        Raises:
            OTLPError: A file of the certificates cannot be read.
        """
        self.close(deadline)
        try:
            self._channel = self._made()
        except Exception as exc:
            raise error_of_way(
                str(self._endpoint), exc, is_sent=False
            ) from exc
        self._call = self._channel.unary_unary(
            _METHOD,
            request_serializer=bytes,
            response_deserializer=bytes,
        )

    def _made(self) -> Any:
        target = self._endpoint.target
        if not self._endpoint.is_secure:
            return self._grpc.insecure_channel(target, _OPTIONS)
        files = self._security
        key = files.client_key or files.client_certificate
        credentials = self._grpc.ssl_channel_credentials(
            root_certificates=_content(files.certificate),
            private_key=_content(key),
            certificate_chain=_content(files.client_certificate),
        )
        return self._grpc.secure_channel(target, credentials, _OPTIONS)

    def send(self, events: Sequence[Message], deadline: float) -> None:
        """
        Send *events*, and return when the collector said that it has them.

        Raises:
            PartlyRefusedError: It has them but for some.

            OTLPError: It has none, or nobody knows.
        """
        body = self._requests.request_of(events)
        if self._call is None:
            self.open(deadline)
        try:
            answer = self._call(
                body,
                timeout=max(0.001, deadline - time.monotonic()),
                metadata=self._metadata,
                compression=self._compression,
            )
        except self._grpc.RpcError as exc:
            raise self._error_of(exc) from exc
        refused, said = self._requests.refusal_in(answer)
        said = _printable(said)
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
        channel, self._channel, self._call = self._channel, None, None
        if channel is not None:
            with contextlib.suppress(Exception):
                channel.close()

    def classify(self, error: BaseException) -> Verdict:
        """
        What *error* means.
        """
        if isinstance(error, OTLPError):
            return error.verdict
        return Verdict(Fault.TRANSIENT)

    def _error_of(self, error: Any) -> OTLPError:
        name = error.code().name
        said = _printable(error.details() or "")
        fault = _FAULTS.get(name, Fault.AMBIGUOUS)
        after = _retry_after(error.trailing_metadata())
        if name == "RESOURCE_EXHAUSTED" and "larger than max" in said:
            fault, after = Fault.POISON, None  # half of it may fit
        fix = _FIXES.get(name, "")
        if name == "UNAVAILABLE" and "ertificate" in said:
            fault = Fault.AUTH
            fix = "mend certificate, client_certificate and client_key"
        return OTLPError(
            f"{self._endpoint}: {name}: {said}", fault, after, fix
        )


def metadata_of(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """
    Headers as gRPC has them.

    Raises:
        ConfigError: It has none of that name; the value is not shown.
    """
    found = tuple((name.lower(), value) for name, value in headers.items())
    for name, _ in found:
        is_ours = name.startswith("grpc-") or name.endswith("-bin")
        if is_ours or not _KEY.fullmatch(name):
            raise ConfigError(
                shown("headers", [name]),
                expected="for gRPC a name of a-z 0-9 _ . -, not of gRPC's own"
                " (grpc-…, …-bin)",
            )
    return found


def _content(path: str | None) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:300]


# --- how long a collector asks to wait ---


def _retry_after(metadata: Any) -> float | None:
    """
    The seconds of a RetryInfo in the details of a google.rpc.Status.
    """
    try:
        for key, value in metadata or ():
            if key != _DETAILS:
                continue
            for number, detail in _fields(value):
                if number == 3:
                    return _seconds_in(dict(_fields(detail)))
    except Exception:  # a server may send anything
        pass
    return None


def _seconds_in(detail: Mapping[int, Any]) -> float | None:
    if not detail[1].endswith(_RETRY_INFO):
        return None
    delay = dict(_fields(dict(_fields(detail[2])).get(1, b"")))
    return float(delay.get(1, 0) + delay.get(2, 0) / 1e9)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """
    Numbers and values of a message of protobuf: integers and bytes.
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
        elif tag & 7 == 2:
            length, at = _varint(message, at)
            yield tag >> 3, message[at : at + length]
            at += length
        else:
            raise ValueError("neither an integer nor bytes")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
