"""
What sends to a collector of OpenTelemetry: its options, alone and together.
"""

from __future__ import annotations

import importlib.util
import os

from ..delivery.otlp.endpoint import Endpoint
from ..delivery.otlp.environment import (
    PROTOCOLS,
    Environment,
)
from ..errors import ConfigError, shown
from .findings import Report
from .model import Part, Setup, is_known
from .storing import is_here
from .trying import given

__all__ = ["check"]

_FILES = ("certificate", "client_certificate", "client_key")


def check(setup: Setup, report: Report) -> None:
    """
    Report what cannot be sent, or not as it is meant to be.
    """
    for part in setup.handlers.values():
        if part.is_a("OTLPHandler"):
            _check_packages(part, report)
            _check_place(part, report)
            _check_security(part, report)
            _check_environment(part, report)


def _check_packages(part: Part, report: Report) -> None:
    is_grpc = part.get("protocol") == "grpc"
    needed = [("opentelemetry.proto", "opentelemetry-proto", "otlp")]
    if is_grpc:
        needed.append(("grpc", "grpcio", "otlp-grpc"))
    for module, package, extra in needed:
        if not _is_there(module):
            option = "protocol" if module == "grpc" else "class"
            report.error(
                part.place(option),
                f"{part.label}: {package} is not installed",
                f"pip install 'mllog-handlers[{extra}]'",
            )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is not there
        return False


def _check_place(part: Part, report: Report) -> None:
    """
    Report an endpoint that is none, or that lets strangers read secrets.
    """
    endpoint, protocol = part.get("endpoint"), part.get("protocol")
    if endpoint in (None, "") or not is_known(endpoint):
        return
    if protocol not in PROTOCOLS:
        protocol = PROTOCOLS[0]
    try:
        found = Endpoint.of(endpoint, protocol, is_whole=False)
    except ConfigError:  # the constructor reports it
        return
    _check_port(part, found, protocol, report)
    if found.is_secure or is_here(found.host):
        return
    if part.get("headers"):
        report.warning(
            part.place("headers"),
            f"http to {found.host}: whoever is on the way reads the headers",
            f"write https://{found.host}",
        )


def _check_port(
    part: Part, found: Endpoint, protocol: str, report: Report
) -> None:
    """
    Report the usual port of the other protocol.
    """
    other = {"http/protobuf": 4317, "grpc": 4318}[protocol]
    if found.port == other:
        right = PROTOCOLS[1 - PROTOCOLS.index(protocol)]
        report.warning(
            part.place("endpoint"),
            f"{part.label}: port {other} is usually that of {right}, and"
            f" protocol is {protocol}",
            f'write protocol="{right}", or the other port',
        )


def _check_security(part: Part, report: Report) -> None:
    found = given(part, _FILES)
    for name, value in found.items():
        if isinstance(value, str) and value and not os.path.isfile(value):
            report.warning(
                part.place(name),
                f"{shown(name, value)} is no file on this machine",
            )
    endpoint = part.get("endpoint")
    if any(found.values()) and str(endpoint or "").startswith("http:"):
        name = next(name for name, value in found.items() if value)
        report.warning(
            part.place(name),
            f"{name} has no effect: {shown('endpoint', endpoint)} has no TLS",
            "write https://",
        )


def _check_environment(part: Part, report: Report) -> None:
    """
    Report variables of the platform that the handler will pass over.
    """
    told = Environment()
    protocol = part.get("protocol")
    if protocol not in PROTOCOLS:
        protocol = told.protocol()
    if not part.get("endpoint"):
        told.endpoint(protocol)
    if not part.get("headers"):
        told.headers(protocol)
    if not part.get("compression"):
        told.compression()
    told.resource()
    for variable, problem in told.problems.items():
        report.warning(
            part.place("class"),
            f"{variable} is passed over: {problem}",
            f"correct {variable} in the environment",
        )
