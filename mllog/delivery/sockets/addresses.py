"""
Where a sink is: what SysLogHandler takes as an address, and URLs.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ... import options
from ...errors import ConfigError, shown

__all__ = ["Address"]

_PORTS = {"udp": 514, "tcp": 514, "tls": 6514}
_FORMS = (
    '["host", 514], "host:514", "[::1]:514", "/dev/log", '
    '"udp://host:514", "tcp://host:514", "tls://host:6514" '
    'or "unix:///dev/log"'
)
_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://(.*)", re.DOTALL)
_BRACKETED = re.compile(r"\[([^\[\]]+)\](?::(.*))?", re.DOTALL)
_KINDS = {
    "dgram": "udp",
    "udp": "udp",
    "stream": "tcp",
    "tcp": "tcp",
    "tls": "tls",
}
# what the kernel has room for in a sockaddr_un, less the closing NUL
_LONGEST_PATH = 107


@dataclass(frozen=True)
class Address:
    """
    Where a sink is and how it is spoken to.

    Args:
        scheme: ``udp``, ``tcp``, ``tls`` or ``unix``.

        host: Name or IP address, without brackets; ``""`` for unix.

        port: 1 to 65535; 0 for unix.

        path: Path of the unix socket, else ``""``.

        stream: Whether it takes a stream; None for a unix socket that has to
            be tried.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""
    stream: bool | None = None

    @classmethod
    def parse(
        cls, value: Any, socktype: Any = None, *, option: str = "address"
    ) -> Address:
        """
        The address that an option means.

        Without a scheme and a *socktype* a host is spoken to by UDP, as
        SysLogHandler does.

        Args:
            value: A host and a port in a list or tuple, or text.

            socktype: None, ``socket.SOCK_DGRAM``, ``socket.SOCK_STREAM`` or
                ``"udp"``, ``"tcp"``, ``"tls"``, ``"dgram"``, ``"stream"``.

            option: What the option is called in errors.

        Raises:
            ConfigError: It is no address, or one that *socktype* contradicts.
        """
        kind = _kind(socktype)
        if isinstance(value, str) and value:
            return _from_text(option, value, kind)
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            # By [], because dictConfig's ConvertingList resolves only so.
            parts = [value[index] for index in range(len(value))]
            if len(parts) in {1, 2} and isinstance(parts[0], str):
                host = parts[0].removeprefix("[").removesuffix("]")
                return _of_host(option, value, kind or "udp", host, *parts[1:])
        raise ConfigError(shown(option, value), expected=_FORMS)

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def _kind(socktype: Any) -> str | None:
    """
    ``udp``, ``tcp``, ``tls``, or None if *socktype* leaves it open.
    """
    if socktype is None or socktype == "":
        return None
    if socktype == socket.SOCK_DGRAM:
        return "udp"
    if socktype == socket.SOCK_STREAM:
        return "tcp"
    if isinstance(socktype, str):
        word = socktype.lower().removeprefix("sock_")
        if word in _KINDS:
            return _KINDS[word]
    raise ConfigError(
        shown("socktype", socktype),
        expected="udp, tcp, tls, socket.SOCK_DGRAM or socket.SOCK_STREAM",
    )


def _from_text(option: str, value: str, kind: str | None) -> Address:
    url = _URL.fullmatch(value)
    if url is None:
        if "/" in value or value.startswith("\0"):
            return _of_path(option, value, value, kind)
        return _of_place(option, value, kind or "udp", value)
    scheme, place = url[1].lower(), url[2]
    if scheme == "unix":
        return _of_path(option, value, place, kind)
    if scheme not in _PORTS:
        raise ConfigError(
            f"unknown scheme in {shown(option, value)}", expected=_FORMS
        )
    if kind is not None and (kind == "udp") != (scheme == "udp"):
        raise ConfigError(
            f"{shown(option, value)} contradicts socktype={kind}",
            expected=f"a socktype that means {scheme}",
            fix="leave socktype out: the scheme says it",
        )
    if kind == "tls" and scheme == "tcp":
        scheme = "tls"
    return _of_place(option, value, scheme, place.removesuffix("/"))


def _of_place(option: str, value: Any, scheme: str, place: str) -> Address:
    """
    The address of ``host``, ``host:port``, ``[host]`` or ``[host]:port``.
    """
    if "@" in place:
        raise ConfigError(
            f"{shown(option, value)} names no host: it has a user or a"
            " password, which syslog does not know",
            expected=_FORMS,
            fix="take them out; cert_file and key_file say who sends",
        )
    if bracketed := _BRACKETED.fullmatch(place):
        host, port = bracketed[1], bracketed[2]
    elif place.count(":") > 1:
        raise ConfigError(
            f"{shown(option, value)} has more than one colon",
            expected="an IPv6 address in brackets",
            fix=f"write [{place}]:{_PORTS[scheme]} for that host",
        )
    else:
        host, colon, port = place.partition(":")
        if not colon:
            return _of_host(option, value, scheme, host)
    if port is None:
        return _of_host(option, value, scheme, host)
    return _of_host(option, value, scheme, host, port)


def _of_host(
    option: str, value: Any, scheme: str, host: str, port: Any = None
) -> Address:
    if not host or re.search(r"[\s/@?#\[\]\0]", host):
        raise ConfigError(
            f"{shown(option, value)} names no host", expected=_FORMS
        )
    try:
        number = _PORTS[scheme]
        if port is not None:
            number = options.integer("port", port, minimum=1)
        if number > 65535:
            raise ValueError
    except ValueError:
        raise ConfigError(
            f"{shown(option, value)} has the port {port!r}",
            expected="a port from 1 to 65535",
        ) from None
    return Address(scheme, host, number, stream=scheme != "udp")


def _of_path(option: str, value: Any, path: str, kind: str | None) -> Address:
    if not path or (value != path and not path.startswith("/")):
        raise ConfigError(
            f"{shown(option, value)} names no path",
            expected="an absolute path, as in unix:///dev/log",
        )
    if kind == "tls":
        raise ConfigError(
            f"{shown(option, value)} cannot be reached by TLS",
            expected="a host, as in tls://host:6514",
        )
    if len(os.fsencode(path)) > _LONGEST_PATH or "\0" in path[1:]:
        raise ConfigError(
            f"{shown(option, value)} cannot be the path of a socket",
            expected=f"at most {_LONGEST_PATH} bytes, and no NUL",
        )
    stream = None if kind is None else kind == "tcp"
    return Address("unix", path=path, stream=stream)
