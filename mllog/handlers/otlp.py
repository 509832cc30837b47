"""
Records to a collector of OpenTelemetry, by OTLP.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any

from .. import options
from ..delivery.handler import ShippingHandler
from ..delivery.otlp import (
    COMPRESSIONS,
    PROTOCOLS,
    Endpoint,
    Environment,
    HTTPTransport,
    Requests,
    headers_of,
    pairs,
)
from ..events import Entry
from ..fields import message_of
from ..formatters.otlp import LogRecordFormat, body_of
from ..values import clean

__all__ = ["OTLPHandler"]


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

    @options.checked
    def __init__(
        self,
        endpoint: str | None = None,
        *,
        protocol: str | None = None,
        headers: Mapping[str, Any] | str | None = None,
        timeout_seconds: float | str = 10.0,
        compression: str | None = None,
        certificate: str | None = None,
        client_certificate: str | None = None,
        client_key: str | None = None,
        service_name: str | None = None,
        resource_attributes: Mapping[str, Any] | str | None = None,
        max_attributes: int | str = 128,
        **delivery: Any,
    ) -> None:
        told = Environment()
        protocol = _chosen("protocol", protocol, PROTOCOLS) or told.protocol()
        self.endpoint = (
            told.endpoint(protocol)
            if endpoint in (None, "")
            else Endpoint.of(endpoint, protocol, is_whole=False)
        )
        self.destination = str(self.endpoint)
        security = told.security(
            certificate=certificate,
            client_certificate=client_certificate,
            client_key=client_key,
        )
        if headers in (None, ""):
            headers = told.headers(protocol)
        compression = _chosen("compression", compression, COMPRESSIONS)
        compression = compression or told.compression()
        requests = Requests(
            _resource(told, service_name, resource_attributes),
            options.integer("max_attributes", max_attributes, minimum=1),
        )
        timeout = options.number("timeout_seconds", timeout_seconds)
        delivery.setdefault("send_timeout_seconds", timeout)
        super().__init__(**delivery)
        self.ship(
            _transport(protocol)(
                self.endpoint,
                requests,
                headers=headers_of(headers),
                compresses=compression == "gzip",
                security=security,
                say=self.reports.say,
            ),
            str(self.endpoint),
        )
        for variable, problem in told.problems.items():
            self.reports.say(f"{variable} is passed over: {problem}")

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


def _chosen(name: str, given: Any, allowed: tuple[str, ...]) -> str:
    return "" if given in (None, "") else options.choice(name, given, allowed)


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
    found.update(
        options.mapping("resource_attributes", attributes)
        if isinstance(attributes, Mapping)
        else pairs("resource_attributes", attributes)
    )
    name = options.optional(options.text, "service_name", service_name)
    if name:
        found["service.name"] = name
    # the environment may hold bytes that are no text
    return {
        clean(name): clean(value) if isinstance(value, str) else value
        for name, value in found.items()
    }
