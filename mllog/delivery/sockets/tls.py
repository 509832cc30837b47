"""
TLS: the files of a configuration, and the handshake.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from typing import Any

from ... import options
from ...errors import ConfigError, shown
from ..retry import Fault
from .errors import SocketError, TLSError
from .refusals import explained
from .waiting import ready

__all__ = ["TLS", "trusting"]

# How long a server that says nothing after the handshake may still refuse.
_ALERT_SECONDS = 0.05
_ALERT_LONGEST_SECONDS = 1.0


class TLS:
    """
    Whom to trust, and who we are.

    The files are read here, and again before a connection if they changed, so
    that a renewed certificate needs no restart.  One that does not exist yet
    is looked for at each connection.

    Args:
        ca_file: PEM file of the authorities that may sign the server's
            certificate; None for those of the system.

        cert_file: PEM file of our certificate, if the server asks for one.

        key_file: PEM file of its key; None if *cert_file* holds it as well.

        key_password: Password of an encrypted key.

        server_hostname: Name in the server's certificate; None for the host
            of the address.

        verify: Whether the server has to prove who it is.

    Raises:
        ConfigError: A file cannot be read, or is not what it should be.
    """

    def __init__(
        self,
        *,
        ca_file: Any = None,
        cert_file: Any = None,
        key_file: Any = None,
        key_password: Any = None,
        server_hostname: Any = None,
        verify: Any = True,
    ) -> None:
        self._ca_file = _path("ca_file", ca_file)
        self._cert_file = _path("cert_file", cert_file)
        self._key_file = _path("key_file", key_file)
        self._key_password = options.optional(
            options.text, "key_password", key_password
        )
        self.server_hostname = options.optional(
            options.text, "server_hostname", server_hostname
        )
        self._verify = options.boolean("verify", verify)
        if self._key_file and not self._cert_file:
            raise ConfigError(
                f"{shown('key_file', key_file)} without a certificate",
                expected="cert_file beside it",
            )
        self._seen = self._signature()
        self._context: ssl.SSLContext | None = None
        if not self._missing():
            self._check()

    def handshake(
        self, sock: socket.socket, host: str, name: str, deadline: float
    ) -> ssl.SSLSocket:
        """
        Speak TLS on *sock*, which is connected, non-blocking and is taken over.

        With TLS 1.3 a server that refuses our certificate says so after the
        handshake, so what it says then is waited for: as long as it takes
        twice to go there and back, and at least 50 ms.

        Args:
            sock: The connection.

            host: Name to find in the server's certificate.

            name: What the connection is called in errors.

            deadline: When the handshake must be done.

        Raises:
            SocketError: It is not the server we trust, or it does not trust us.
        """
        context = self._current(name)
        wrapped: ssl.SSLSocket | None = None
        try:
            wrapped = context.wrap_socket(
                sock,
                server_hostname=self.server_hostname or host,
                do_handshake_on_connect=False,
            )
            started = time.monotonic()
            _shake(wrapped, deadline)
            took = time.monotonic() - started
            if wrapped.version() == "TLSv1.3":
                self._await_refusal(wrapped, took, name, deadline)
            return wrapped
        except SocketError:
            if wrapped is not None:
                wrapped.close()
            raise
        except OSError as exc:
            if wrapped is not None:
                wrapped.close()
            raise explained(exc, name) from exc

    def _await_refusal(
        self, sock: ssl.SSLSocket, took: float, name: str, deadline: float
    ) -> None:
        """
        Hear whether the server refuses our certificate, or the lack of one.

        Servers send session tickets once they have accepted us: whatever
        arrives and is no alert ends the wait.  Some refuse without a word.
        """
        seconds = min(max(_ALERT_SECONDS, 2 * took), _ALERT_LONGEST_SECONDS)
        if not ready(
            sock, min(time.monotonic() + seconds, deadline), read=True
        ):
            return
        try:
            if sock.recv(4096):
                return
        except ssl.SSLWantReadError:
            return
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
            pass
        raise TLSError(
            f"{name} ended the connection right after the handshake",
            expected="a server that accepts us",
            fix="see that it accepts the certificate in cert_file"
            if self._cert_file
            else "give cert_file=… and key_file=…, if it asks for a"
            " certificate",
        )

    def _current(self, name: str) -> ssl.SSLContext:
        """
        The context of the files as they are now.

        While they are exchanged one by one they do not fit together: the
        context of before serves until they do.
        """
        seen = self._signature()
        if self._context is not None and seen == self._seen:
            return self._context
        if missing := self._missing():
            option, path = missing
            if self._context is not None:
                return self._context
            raise TLSError(
                f"{name}: {option} {path} does not exist",
                expected="a PEM file",
                fix=f"put it there, or correct {option}",
                fault=Fault.AUTH,
            )
        try:
            self._context = self._load()
            self._seen = seen
        except ConfigError as exc:
            if self._context is None:
                raise TLSError(
                    f"{name}: {exc.problem}",
                    expected=exc.expected,
                    fix=exc.fix,
                    fault=Fault.AUTH,
                ) from exc
        return self._context

    def _files(self) -> list[tuple[str, str]]:
        named = [
            ("ca_file", self._ca_file),
            ("cert_file", self._cert_file),
            ("key_file", self._key_file),
        ]
        return [(option, path) for option, path in named if path]

    def _signature(self) -> list[tuple[int, int] | None]:
        """
        What changes when one of the files does.
        """
        return [_signature(path) for _, path in self._files()]

    def _missing(self) -> tuple[str, str] | None:
        for option, path in self._files():
            if not os.path.exists(path):
                return option, path
        return None

    def _check(self) -> None:
        """
        Load what was given; the authorities of the system take 0.1 s, and are
        for the thread that connects.
        """
        if self._ca_file:
            self._context = self._load()
        elif self._cert_file:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._load_own(context, self._cert_file, self._texts())

    def _texts(self) -> dict[str, str]:
        return {
            option: _content(option, path) for option, path in self._files()
        }

    def _load(self) -> ssl.SSLContext:
        texts = self._texts()
        try:
            context = trusting(self._ca_file)
        except OSError as exc:
            raise _no_certificate("ca_file", self._ca_file) from exc
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self._cert_file:
            self._load_own(context, self._cert_file, texts)
        return context

    def _load_own(
        self, context: ssl.SSLContext, cert_file: str, texts: dict[str, str]
    ) -> None:
        if "-----BEGIN CERTIFICATE-----" not in texts["cert_file"]:
            raise _no_certificate("cert_file", cert_file)
        try:
            # "" for none: with None OpenSSL would ask the terminal
            context.load_cert_chain(
                cert_file, self._key_file, self._key_password or ""
            )
        except (OSError, ValueError) as exc:
            option = "key_file" if self._key_file else "cert_file"
            path = self._key_file or cert_file
            raise _no_key(option, path, texts[option], exc) from exc


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """
    A client's context that trusts *ca_file*, or the system's authorities.

    Raises:
        OSError: The file cannot be read, or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError:
        if not os.environ.get("SSLKEYLOGFILE"):
            raise
    # that one cannot be written, which is no reason to send nothing
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca_file)
    return context


def _shake(sock: ssl.SSLSocket, deadline: float) -> None:
    while True:
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            done = ready(sock, deadline, read=True)
        except ssl.SSLWantWriteError:
            done = ready(sock, deadline, write=True)
        else:
            return
        if not done:
            raise TimeoutError("the TLS handshake does not end in time")


def _signature(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _path(option: str, value: Any) -> str | None:
    return options.optional(options.path, option, value)


def _content(option: str, path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError as exc:
        raise ConfigError(
            f"{option} {path} cannot be read: {exc.strerror}",
            expected="a PEM file",
        ) from exc


def _no_certificate(option: str, path: str | None) -> ConfigError:
    return ConfigError(
        f"{option} {path} holds no certificate",
        expected="a PEM file with -----BEGIN CERTIFICATE-----",
    )


def _no_key(
    option: str, path: str, content: str, error: Exception
) -> ConfigError:
    """
    Why a key cannot be used: never with anything of the key itself.
    """
    reason = getattr(error, "reason", None) or ""
    if "MISMATCH" in reason:
        return ConfigError(
            f"{option} {path} does not match cert_file",
            expected="the key that the certificate was made for",
        )
    if "ENCRYPTED" in content:
        return ConfigError(
            f"{option} {path} is encrypted, and key_password does not open it",
            expected="the password of the key",
            fix="give key_password=…",
        )
    return ConfigError(
        f"{option} {path} holds no usable key",
        expected="a PEM file with a private key",
        fix="give key_file=…" if option == "cert_file" else "",
    )
