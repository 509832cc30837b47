"""
Where a collector listens, and how it and we prove who we are.
"""

from __future__ import annotations

import re
import ssl
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from ... import options
from ...errors import ConfigError, shown
from ..sockets.tls import trusting

__all__ = ["Endpoint", "Security"]

_PORTS = {"http/protobuf": 4318, "grpc": 4317}
_PATH = "/v1/logs"
_SCHEMES = ("http", "https")
# what no URL has, and http.client refuses with every request
_ODD = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True)
class Endpoint:
    """
    The address of a collector.

    Args:
        host: Its name or address.

        port: Its port.

        is_secure: Whether TLS is spoken.

        path: Where logs go, for HTTP.
    """

    host: str
    port: int
    is_secure: bool
    path: str = _PATH

    @classmethod
    def of(cls, given: Any, protocol: str, *, is_whole: bool) -> Endpoint:
        """
        The endpoint that the text *given* means; None is this machine's.

        Args:
            given: ``"https://collector:4318"``; for gRPC without a path.

            protocol: ``"http/protobuf"`` or ``"grpc"``.

            is_whole: Whether the path is to be taken as it is.

        Raises:
            ConfigError: It is no such address.
        """
        text = given or f"http://localhost:{_PORTS[protocol]}"
        try:
            url = urllib.parse.urlsplit(str(text))
            port = url.port
        except ValueError:
            raise _wrong(text) from None
        is_odd = _ODD.search(str(text)) is not None
        if is_odd or url.scheme not in _SCHEMES or not url.hostname:
            raise _wrong(text)
        if url.username or url.password:
            raise ConfigError(
                "endpoint has a user and a password",
                fix='give them as headers={"Authorization": "Basic …"}',
            )
        is_secure = url.scheme == "https"
        path = url.path
        if not is_whole and not path.rstrip("/").endswith(_PATH):
            path = path.rstrip("/") + _PATH
        if protocol == "grpc":
            return cls(url.hostname, port or _PORTS[protocol], is_secure, "")
        if url.query:
            path = f"{path}?{url.query}"
        port = port or (443 if is_secure else 80)
        return cls(url.hostname, port, is_secure, path or "/")

    @property
    def target(self) -> str:
        """
        Host and port, as gRPC names them.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        scheme = "https" if self.is_secure else "http"
        # a query may hold a key
        return f"{scheme}://{self.target}{self.path.partition('?')[0]}"


def _wrong(given: Any) -> ConfigError:
    text = str(given)
    said = "endpoint" if "@" in text else shown("endpoint", given)
    return ConfigError(
        said,
        expected='a URL such as "http://localhost:4318" or'
        ' "https://collector.example.com:4317"',
    )


@dataclass(frozen=True)
class Security:
    """
    Whom to trust, and who we are: the files, which are read at each connection.

    Args:
        certificate: PEM file of the authorities that may sign the
            collector's certificate; None for those of the system.

        client_certificate: PEM file of our certificate.

        client_key: PEM file of its key; None if it is in that file.
    """

    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, **given: Any) -> Security:
        """
        Security from the values of options.

        Raises:
            ConfigError: One of them is no text, or one is missing.
        """
        parsed = {
            name: options.optional(options.text, name, value)
            for name, value in given.items()
        }
        if parsed.get("client_key") and not parsed.get("client_certificate"):
            raise ConfigError(
                shown("client_key", parsed["client_key"]),
                expected="client_certificate beside it",
            )
        return cls(**parsed)

    def context(self) -> ssl.SSLContext:
        """
        What a connection over TLS is made with.

        Raises:
            OSError: A file cannot be read, or is not what it should be.
        """
        context = trusting(self.certificate)
        if self.client_certificate:
            context.load_cert_chain(self.client_certificate, self.client_key)
        return context
