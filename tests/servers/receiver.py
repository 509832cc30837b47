"""
A syslog server on free loopback ports, and the messages it received.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from servers.certificates import Authority
from servers.running import Running, answers, free_ports

#: Inputs with a port of 127.0.0.1, and how they take it.
PORTS = {
    "udp": socket.SOCK_DGRAM,
    "tcp": socket.SOCK_STREAM,
    "tls": socket.SOCK_STREAM,
    "mtls": socket.SOCK_STREAM,
}

_SERVERS = pytest.StashKey[dict[type[Any], Any]]()
_Receiver = TypeVar("_Receiver", bound="Receiver")
_FRACTION = re.compile(r"\.(\d+)")


class Receiver:
    """
    What the tests see of a syslog server.

    Args:
        folder: Where its configuration, sockets and output are.

    Attributes:
        inputs: The kind of socket of each input.

        address: Where each input is: a host and a port, or a socket's path.

        authority: Who signed its certificate, whose name is 127.0.0.1.

        identity: Its certificate and key.

        client: Those of a client that the input "mtls" accepts.
    """

    inputs: Mapping[str, socket.SocketKind]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder / "certificates")
        self.identity = self.authority.identity("server")
        self.client = self.authority.identity("client")
        ports = iter(free_ports(len(self.inputs)))
        self.address: dict[str, tuple[str, int] | str] = {
            name: str(folder / name)
            if name.startswith("unix")
            else ("127.0.0.1", next(ports))
            for name in self.inputs
        }
        self._output = folder / "messages.json"
        self._offset = 0
        self._records: list[dict[str, Any]] = []
        self._silent = list(self.inputs)
        self.process = self._running()

    def _running(self) -> Running:
        raise NotImplementedError

    def _normal(self, line: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def _ready(self) -> bool:
        # each is asked until it answers and no more: a server that accepts
        # nothing yet has room for few connections, then it ignores them
        self._silent = [
            name
            for name in self._silent
            if not answers(self.address[name], self.inputs[name])
        ]
        return not self._silent

    def context(self, name: str) -> ssl.SSLContext:
        """
        What a client of the input *name* has: "mtls" asks for a certificate.
        """
        context = ssl.create_default_context(cafile=self.authority.cert)
        if name == "mtls":
            context.load_cert_chain(self.client.cert, self.client.key)
        return context

    def ports(self) -> dict[str, tuple[str, int] | str | int]:
        """
        The port or the path of each input, as a configuration names it.
        """
        return {
            name: where if isinstance(where, str) else where[1]
            for name, where in self.address.items()
        }

    def start(self) -> None:
        """
        Start it on the same ports as before, unless it runs.
        """
        self._silent = list(self.inputs)
        self.process.start()

    def stop(self, *, kill: bool = False) -> None:
        """
        Stop it; what it received can still be read.

        Args:
            kill: End it as a crash would.
        """
        self.process.stop(kill=kill)
        if kill and self._output.exists():
            # half a line of the dead would spoil the first of the next
            text = self._output.read_bytes()
            os.truncate(self._output, text.rfind(b"\n") + 1)

    def restart(self, *, kill: bool = False) -> None:
        """
        Stop and start it: connections end, ports and messages stay.
        """
        self.stop(kill=kill)
        self.start()

    def records(
        self, marker: str, count: int = 1, timeout: float = 10.0
    ) -> list[dict[str, Any]]:
        """
        Wait for *count* messages with *marker* in text or structured data.

        Each is a dict with the keys input, parsed (False if the server could
        not read it as RFC 5424), facility, severity, hostname, app_name,
        procid, msgid, timestamp (aware), structured_data (names and values by
        id), message (without byte order mark) and raw (as it came).  What the
        frame left nil is None; a server may fill in hostname and timestamp.

        Args:
            marker: A text that only the messages of one test contain.

            count: How many to wait for; more are given if more are there.

            timeout: In seconds.

        Raises:
            AssertionError: Fewer came; says what the server wrote.
        """
        deadline = time.monotonic() + timeout
        while True:
            late = time.monotonic() > deadline
            self._read()
            found = [one for one in self._records if _has(one, marker)]
            if len(found) >= count:
                return found
            if late:
                problem = (
                    f"wrote {len(found)} messages with {marker!r}"
                    f" in {timeout} s, not {count}"
                )
                raise AssertionError(self.process.told(problem))
            time.sleep(0.005)

    def _read(self) -> None:
        if not self._output.exists():
            return
        with open(self._output, "rb") as file:
            file.seek(self._offset)
            text = file.read()
        # a line that is being written is left for the next time
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.split(b"\n")[:-1]:
            decoded = line.decode(errors="surrogateescape")
            self._records.append(self._normal(json.loads(decoded)))


def _has(record: dict[str, Any], marker: str) -> bool:
    # raw has what a server could not place anywhere
    if marker in record["message"] or marker in record["raw"]:
        return True
    return any(
        marker in text
        for element in record["structured_data"].values()
        for pair in element.items()
        for text in pair
    )


def moment(text: str) -> datetime:
    """
    The time that *text* says in RFC 3339, which Python 3.10 reads in part.
    """
    text = text.replace("Z", "+00:00")
    return datetime.fromisoformat(
        _FRACTION.sub(lambda match: f".{match[1]:0<6.6}", text)
    )


def nil(text: str) -> str | None:
    """
    None for what a frame left out.
    """
    return None if text in ("", "-") else text


def shared(
    request: pytest.FixtureRequest,
    factory: pytest.TempPathFactory,
    kind: type[_Receiver],
) -> _Receiver:
    """
    The one server of *kind* that the session has, running.

    A fixture that several modules import is one fixture for each of them,
    whatever its scope; the server is therefore kept beside the session.
    """
    servers = request.config.stash.setdefault(_SERVERS, {})
    if kind not in servers:
        server = kind(factory.mktemp("syslog"))
        request.session.addfinalizer(server.stop)
        servers[kind] = server
    server = servers[kind]
    server.start()
    return server


def openssl(missing: Callable[[str, str], None]) -> None:
    """
    Skip the test where the certificates cannot be made.
    """
    if shutil.which("openssl") is None:
        missing("openssl", "the command that makes the tests' certificates")
