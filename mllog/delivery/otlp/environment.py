"""
The variables by which OpenTelemetry is configured, where an option is not given.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any, Final

from ... import options
from ...errors import ConfigError, shown

__all__ = [
    "endpoint_from_environment",
    "from_environment",
    "headers_of",
    "pairs",
]

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def from_environment(name: str) -> str | None:
    """
    The variable of that name for logs, else that for all signals, else None.

    Args:
        name: What follows ``OTEL_EXPORTER_OTLP_``, such as ``"HEADERS"``.
    """
    for variable in (
        f"OTEL_EXPORTER_OTLP_LOGS_{name}",
        f"OTEL_EXPORTER_OTLP_{name}",
    ):
        found = os.environ.get(variable, "").strip()
        if found:
            return found
    return None


def endpoint_from_environment() -> tuple[str | None, bool]:
    """
    The endpoint of the environment, and whether its path is the whole one.

    Without a scheme, as gRPC is often given it, it is of TLS unless
    ``OTEL_EXPORTER_OTLP_INSECURE`` is true.
    """
    found = from_environment("ENDPOINT")
    if found and "://" not in found:
        is_open = (from_environment("INSECURE") or "").lower() == "true"
        found = f"{'http' if is_open else 'https'}://{found}"
    of_logs = os.environ.get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "")
    return found, bool(of_logs.strip())


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
