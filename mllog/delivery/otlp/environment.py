"""
The variables by which OpenTelemetry is configured, where an option is not given.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, Final

from ... import options
from ...errors import ConfigError, MissingPackageError, require, shown
from .endpoint import Endpoint, Security

__all__ = [
    "COMPRESSIONS",
    "PROTOCOLS",
    "Environment",
    "headers_for",
    "headers_of",
    "pairs",
]

PROTOCOLS: Final = ("http/protobuf", "grpc")
COMPRESSIONS: Final = ("gzip", "none")

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PREFIX: Final = "OTEL_EXPORTER_OTLP_"
_RESOURCE: Final = "OTEL_RESOURCE_ATTRIBUTES"


class Environment:
    """
    What OpenTelemetry's variables say.

    They are the platform's, and meant for other programs as well: one that
    makes no sense, or cannot be followed here, is passed over and named.
    """

    def __init__(self) -> None:
        #: From variables that are passed over to the reason.
        self.problems: dict[str, str] = {}

    def value(self, name: str, parse: Callable[[str, str], Any]) -> Any:
        """
        The variable of that name for logs, else that for all signals, else None.

        Args:
            name: What follows ``OTEL_EXPORTER_OTLP_``, such as ``"HEADERS"``.

            parse: From a variable and its text to what it means.
        """
        for variable in (f"{_PREFIX}LOGS_{name}", f"{_PREFIX}{name}"):
            text = os.environ.get(variable, "").strip()
            if text:
                found = self._parsed(variable, text, parse)
                if found is not None:
                    return found
        return None

    def _parsed(
        self, variable: str, text: str, parse: Callable[[str, str], Any]
    ) -> Any:
        try:
            return parse(variable, text)
        except ConfigError as exc:
            self.problems[variable] = "; expected: ".join(
                filter(None, (exc.problem, exc.expected))
            )
        except MissingPackageError as exc:
            self.problems[variable] = "; ".join(
                line.strip() for line in str(exc).splitlines()
            )
        return None

    def protocol(self) -> str:
        """
        One of :data:`PROTOCOLS` that can be spoken here.
        """
        return self.value("PROTOCOL", _protocol) or PROTOCOLS[0]

    def compression(self) -> str:
        """
        One of :data:`COMPRESSIONS`.
        """
        return (
            self.value(
                "COMPRESSION",
                lambda name, text: options.choice(name, text, COMPRESSIONS),
            )
            or COMPRESSIONS[0]
        )

    def endpoint(self, protocol: str) -> Endpoint:
        """
        Where to; without a variable to this machine.

        Without a scheme, as gRPC is often given it, it is of TLS unless
        ``OTEL_EXPORTER_OTLP_INSECURE`` is true.
        """

        def parse(variable: str, text: str) -> Endpoint:
            if "://" not in text:
                is_open = self.value("INSECURE", options.boolean)
                text = f"{'http' if is_open else 'https'}://{text}"
            is_whole = variable.startswith(f"{_PREFIX}LOGS_")
            return Endpoint.of(text, protocol, is_whole=is_whole)

        found = self.value("ENDPOINT", parse)
        return found or Endpoint.of(None, protocol, is_whole=False)

    def headers(self, protocol: str) -> dict[str, str]:
        """
        Headers of each request.
        """
        return (
            self.value("HEADERS", lambda _, text: headers_for(protocol, text))
            or {}
        )

    def security(self, **given: Any) -> Security:
        """
        The files of *given*, and of the variables for those that are not.

        Raises:
            ConfigError: What is given cannot be.
        """
        found = dict(given)
        for name in ("certificate", "client_certificate", "client_key"):
            if not found.get(name):
                found[name] = self.value(name.upper(), options.text)
        is_alone = found["client_key"] and not found["client_certificate"]
        if is_alone and not given.get("client_key"):
            variable = f"{_PREFIX}CLIENT_KEY"
            self.problems[variable] = "there is no client certificate for it"
            found["client_key"] = None
        return Security.of(**found)

    def resource(self) -> dict[str, str]:
        """
        The attributes of what logs.
        """
        text = os.environ.get(_RESOURCE, "")
        found = dict(self._parsed(_RESOURCE, text, pairs) or {})
        if name := os.environ.get("OTEL_SERVICE_NAME"):
            found["service.name"] = name
        return found


def _protocol(variable: str, text: str) -> str:
    found = options.choice(variable, text, PROTOCOLS)
    if found == "grpc":
        require("grpc", "otlp-grpc")
    return found


def headers_for(protocol: str, given: Any) -> dict[str, str]:
    """
    Headers of a request by that protocol; their values are never shown.

    Raises:
        ConfigError: One of them cannot be a header there.
    """
    found = headers_of(given)
    if protocol == "grpc":
        from .grpc import metadata_of

        metadata_of(found)
    return found


def headers_of(given: Any) -> dict[str, str]:
    """
    Headers of a request; their values are never shown.

    Raises:
        ConfigError: One of them cannot be a header.
    """
    found = pairs("headers", given, is_secret=True)
    for name, value in found.items():
        is_text = value.isascii() and value.isprintable()
        if not (_NAME.fullmatch(name) and is_text):
            raise ConfigError(
                "headers has a name or a value that no header can have",
                expected="a name of letters, digits and -, and printable"
                " ASCII as its value",
            )
    return found


def pairs(
    option: str, given: Any, *, is_secret: bool = False
) -> dict[str, str]:
    """
    Names and values, also as the text ``"a=1,b=2"``, percent-encoded.

    Raises:
        ConfigError: It is neither; what is secret is not shown.
    """
    if given is None or given == "":
        return {}
    if not isinstance(given, str):
        try:
            found = options.mapping(option, given)
        except ConfigError:
            raise _misfit(option, given, is_secret=is_secret) from None
        return {name.strip(): str(value) for name, value in found.items()}
    parsed = {}
    for pair in filter(str.strip, given.split(",")):
        name, is_pair, value = pair.partition("=")
        if not (is_pair and name.strip()):
            raise _misfit(option, given, is_secret=is_secret)
        parsed[urllib.parse.unquote(name.strip())] = urllib.parse.unquote(
            value.strip()
        )
    return parsed


def _misfit(option: str, given: Any, *, is_secret: bool) -> ConfigError:
    said = option if is_secret else shown(option, given)
    if isinstance(given, Mapping):
        return ConfigError(said, expected="text as names")
    return ConfigError(said, expected='a mapping, or text such as "a=1,b=2"')
