"""
Records to a collector of OpenTelemetry, by OTLP.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from .. import options
from ..delivery.handler import DeliveryOptions, ShippingHandler
from ..delivery.otlp import (
    Endpoint,
    Environment,
    HTTPTransport,
    Requests,
    headers_of,
    pairs,
)
from ..errors import ConfigError
from ..events import Entry
from ..fields import message_of
from ..formatters.otlp import LogRecordFormat, body_of
from ..options import Parse, Unpack
from ..values import clean

__all__ = ["OTLPHandler"]


def _headers(option: str, value: Any) -> dict[str, str]:  # noqa: ARG001
    return headers_of(value)


def _attributes(option: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return options.mapping(option, value)
    return dict(pairs(option, value))


_PAIRS = {"type": ["object", "string"]}
_HEADERS = Parse(_headers, _PAIRS)
_ATTRIBUTES = Parse(_attributes, _PAIRS)


class OTLPHandler(ShippingHandler):
    """
    Send each record to a collector of OpenTelemetry, from a background worker.

    The record's message is the body, or what a formatter makes of it; the
    fields are attributes of their types, the logger is the scope.  Levels,
    also custom ones, have OpenTelemetry's severity numbers.  Exceptions,
    code and span are where its conventions want them.

    An option that is not given is taken from OpenTelemetry's variables
    (``OTEL_EXPORTER_OTLP_ENDPOINT``, ``…_LOGS_ENDPOINT``, ``…_HEADERS``,
    ``…_PROTOCOL``, ``…_INSECURE``, ``…_COMPRESSION``, ``…_CERTIFICATE``,
    ``…_CLIENT_CERTIFICATE``, ``…_CLIENT_KEY``, ``OTEL_SERVICE_NAME``,
    ``OTEL_RESOURCE_ATTRIBUTES``).  One that makes no sense is reported and
    passed over: it is the platform's, and stops no program.

    Guarantee:
        Logging never waits for the collector, and its constructor does not
        need it.  A record is sent when the collector said that it has it, in
        an answer that is whole and a collector's; what it refused of a batch is counted as ``rejected``, with its
        reason, and never sent again.

    Limit:
        A batch without an answer is sent once more, and may arrive twice:
        OTLP has no ids of records.  Of a batch that was refused in part
        nobody says which records, so none of them go to *dead_letter_file*.
        HTTP does not go through proxies.

    Args:
        endpoint: URL of the collector, ``"https://collector:4318"``; logs go
            to ``/v1/logs`` below it.  None is this machine's.

        protocol: ``"http/protobuf"`` or ``"grpc"``; None is the former.

        headers: Headers of each request, ``{"Authorization": "Bearer …"}``,
            or text ``"a=1,b=2"``.  They are never shown.

        timeout_seconds: How long one attempt may take; it is the
            *send_timeout_seconds* of other handlers.

        compression: ``"gzip"`` or ``"none"``; None is the former.

        certificate: PEM file of the authorities that may have signed the
            collector's certificate; None is the system's.

        client_certificate: PEM file with our own certificate.

        client_key: PEM file with its key; None if it is in that file.

        service_name: The attribute ``service.name``; None is
            ``unknown_service``.

        resource_attributes: Further attributes of what logs, such as
            ``{"deployment.environment.name": "test"}``, or text ``"a=1,b=2"``.
            ``host.name`` and ``process.pid`` are there already.

        max_attributes: Attributes of one record; more are counted in its
            ``dropped_attributes_count``.

        delivery: The options of
            :class:`mllog.delivery.handler.ShippingHandler`: queue, spool,
            overflow, retries, filters.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.

        MissingPackageError: opentelemetry-proto, or for gRPC grpcio, is not
            installed.
    """

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"send_timeout_seconds": None}

    @options.checked
    def __init__(
        self,
        endpoint: options.Text | None = None,
        *,
        protocol: Literal["http/protobuf", "grpc"] | None = None,
        headers: Annotated[Mapping[str, Any] | str, _HEADERS] | None = None,
        timeout_seconds: options.Positive = 10.0,  # noqa: ARG002 - complete's
        compression: Literal["gzip", "none"] | None = None,
        certificate: options.Text | None = None,
        client_certificate: options.Text | None = None,
        client_key: options.Text | None = None,
        service_name: options.Text | None = None,
        resource_attributes: Annotated[Mapping[str, Any] | str, _ATTRIBUTES]
        | None = None,
        max_attributes: options.PositiveCount = 128,
        **delivery: Unpack[DeliveryOptions],
    ) -> None:
        told = Environment()
        spoken = protocol or told.protocol()
        self.endpoint = (
            told.endpoint(spoken)
            if endpoint is None
            else Endpoint.of(endpoint, spoken, is_whole=False)
        )
        self.destination = str(self.endpoint)
        security = told.security(
            certificate=certificate,
            client_certificate=client_certificate,
            client_key=client_key,
        )
        requests = Requests(
            _resource(told, service_name, resource_attributes),
            int(max_attributes),
        )
        super().__init__(**delivery)
        self.ship(
            _transport(spoken)(
                self.endpoint,
                requests,
                headers=headers_of(headers or told.headers(spoken)),
                compresses=(compression or told.compression()) == "gzip",
                security=security,
                say=self.reports.say,
            ),
            str(self.endpoint),
        )
        for variable, problem in told.problems.items():
            self.reports.say(f"{variable} is passed over: {problem}")

    @classmethod
    def complete(cls, given: dict[str, Any]) -> None:
        """
        One attempt may take *timeout_seconds*, unless it is said twice.
        """
        if given["send_timeout_seconds"] is None:
            given["send_timeout_seconds"] = given["timeout_seconds"]

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[ConfigError]:
        """
        What is wrong with parsed options together.
        """
        told = Environment()
        spoken = given["protocol"] or told.protocol()
        if given["endpoint"] is not None:
            Endpoint.of(given["endpoint"], spoken, is_whole=False)
        told.security(
            **{
                name: given[name]
                for name in ("certificate", "client_certificate", "client_key")
            }
        )
        yield from ()

    def default_formatter(self) -> logging.Formatter:
        """
        The message alone: the rest is not text.
        """
        return _MessageFormatter()

    def way_to_entry(self) -> Callable[[logging.LogRecord], Entry]:
        """
        The record as a line, with the formatter's text as its body.
        """
        used = self._used
        lines = LogRecordFormat(self._bounds.max_record_bytes)
        if type(used) is _MessageFormatter:
            return lines.way(body_of)
        return lines.way(used.format)


class _MessageFormatter(logging.Formatter):
    """
    The message.
    """

    def format(self, record: logging.LogRecord) -> str:
        return message_of(record)


def _transport(protocol: str) -> Any:
    if protocol == "grpc":
        from ..delivery.otlp.grpc import GRPCTransport

        return GRPCTransport
    return HTTPTransport


def _resource(
    told: Environment, service_name: Any, attributes: Any
) -> dict[str, Any]:
    """
    The attributes of what logs; what is given wins over the environment.
    """
    found: dict[str, Any] = {
        "service.name": "unknown_service",
        "host.name": socket.gethostname(),
        **told.resource(),
    }
    found.update(attributes or {})
    if service_name:
        found["service.name"] = service_name
    # the environment may hold bytes that are no text
    return {
        clean(name): clean(value) if isinstance(value, str) else value
        for name, value in found.items()
    }
