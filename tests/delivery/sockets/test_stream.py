"""
Streams: framing, order, fallback of addresses, close and fork.
"""

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from mllog.delivery.retry import Fault
from mllog.delivery.sockets import (
    Address,
    SocketError,
    StreamTransport,
    route_to,
)
from mllog.errors import ConfigError
from mllog.events import Event

TESTS = Path(__file__).parents[2]
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

from servers.faulty import StreamServer, free_port, octet_counted  # noqa: E402


def _soon(seconds=5):
    return time.monotonic() + seconds


def _transport(server, **options):
    place = server.path or f"tcp://127.0.0.1:{server.port}"
    return route_to(Address.parse(place, "stream"), **options)


def _sent(server, values, **options):
    transport = _transport(server, **options)
    transport.open(_soon())
    transport.send([Event(value) for value in values], _soon())
    transport.close(_soon())
    return transport


def test_stream_counts_octets_of_any_message():
    """
    Messages with line ends, of no bytes and of 60 kB arrive as they are.
    """
    values = [b"one\ntwo\r\n\0three", b"", b"x" * 60_000, "ü€".encode()]
    with StreamServer() as server:
        _sent(server, values * 20)

        assert server.messages == values * 20


@pytest.mark.parametrize(
    ("framing", "expected"),
    [
        ("octet-counting", b"1 a2 bb"),
        ("newline", b"a\nbb\n"),
        ("nul", b"a\0bb\0"),
    ],
)
def test_stream_writes_the_framing_it_is_told(framing, expected):
    """
    Each framing has its own bytes around a message.
    """
    with StreamServer() as server:
        _sent(server, [b"a", b"bb"], framing=framing)

        assert bytes(server.streams[0]) == expected


def test_stream_over_a_unix_socket_arrives(tmp_path):
    """
    A unix socket of that kind takes the same frames.
    """
    with StreamServer(path=str(tmp_path / "log")) as server:
        _sent(server, [b"x" * 300] * 2000)

        assert server.messages == [b"x" * 300] * 2000


def test_stream_that_is_closed_was_read():
    """
    When close() returns, a server that reads to the end has all of it.
    """
    with StreamServer() as server:
        transport = _transport(server)
        transport.open(_soon())
        transport.send([Event(b"x" * 1000)] * 5000, _soon())
        transport.close(_soon())

        assert len(server.messages) == 5000
        assert (transport.resent, transport.reconnects) == (0, 0)


def test_stream_broken_before_close_is_mended_by_it():
    """
    The last record is written again if the peer was reset after it.
    """
    with StreamServer() as server:
        transport = _transport(server)
        transport.open(_soon())
        transport.send([Event(b"last")], _soon())
        server.wait_for(1)
        server.cut("rst")
        transport.close(_soon())

        assert server.messages == [b"last", b"last"]


def test_stream_tries_each_address_of_a_name(monkeypatch):
    """
    Where the IPv6 address refuses, the IPv4 address is taken.
    """
    with StreamServer() as server:
        found = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", server.port)),
            (
                socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                ("127.0.0.1", server.port),
            ),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        transport = StreamTransport(Address("tcp", "name", server.port))
        transport.open(_soon())
        transport.send([Event(b"a")], _soon())
        transport.close(_soon())

        assert server.messages == [b"a"]


def test_stream_with_no_address_that_answers_names_each(monkeypatch):
    """
    The error says of every address why not.
    """
    port = free_port()
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    with pytest.raises(SocketError) as raised:
        StreamTransport(Address("tcp", "name", port)).open(_soon())

    assert "127.0.0.1: Connection refused" in str(raised.value)
    assert "127.0.0.2: Connection refused" in str(raised.value)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70, "a..b"])
def test_stream_to_a_name_that_is_none_may_pass(host):
    """
    A name that cannot be resolved is tried again: name servers fail.
    """
    transport = StreamTransport(Address("tcp", host, 514))
    with pytest.raises(SocketError) as raised:
        transport.open(_soon())

    assert transport.classify(raised.value).fault is Fault.TRANSIENT
    assert host in str(raised.value)


def test_stream_that_is_not_open_says_so():
    """
    send() without a connection fails; close() does not.
    """
    transport = StreamTransport(Address("tcp", "127.0.0.1", free_port()))
    with pytest.raises(ConnectionError, match="not connected"):
        transport.send([Event(b"a")], _soon())
    transport.close(_soon())
    transport.close(_soon())


def test_stream_throws_away_what_the_peer_says():
    """
    A server that talks does not fill anything, and is no error.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = StreamTransport(
            Address("tcp", *listener.getsockname()[:2])
        )
        transport.open(_soon())
        peer, _ = listener.accept()
        with peer:
            peer.sendall(b"hello" * 1000)
            time.sleep(0.02)
            transport.send([Event(b"a")], _soon())
            got = peer.recv(10)
            peer.shutdown(socket.SHUT_WR)
            transport.close(_soon())

    assert got == b"1 a"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may everything")
def test_stream_to_a_socket_that_is_forbidden_needs_a_person(tmp_path):
    """
    A unix socket without permission is tried slowly.
    """
    with StreamServer(path=str(tmp_path / "log")) as server:
        os.chmod(server.path, 0)
        transport = _transport(server)
        with pytest.raises(SocketError) as raised:
            transport.open(_soon())

    assert transport.classify(raised.value).fault is Fault.AUTH


def test_stream_permission_is_a_matter_of_unix_sockets():
    """
    EACCES of the network comes from firewalls, and passes.
    """
    unix = StreamTransport(Address("unix", path="/x", stream=True))
    tcp = StreamTransport(Address("tcp", "127.0.0.1", 1))

    assert unix.classify(PermissionError()).fault is Fault.AUTH
    assert tcp.classify(PermissionError()).fault is Fault.TRANSIENT
    assert tcp.classify(FileNotFoundError()).fault is Fault.TRANSIENT


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_stream_in_a_forked_child_is_the_parents():
    """
    The child closes its descriptor silently; the parent goes on.
    """
    with StreamServer() as server:
        transport = _transport(server)
        transport.open(_soon())
        transport.send([Event(b"parent")], _soon())
        child = os.fork()
        if child == 0:
            code = 1
            try:
                assert transport._sock is None
                assert len(transport._window) == 0
                transport.open(_soon())
                transport.send([Event(b"child")], _soon())
                transport.close(_soon())
                code = transport.reconnects
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        transport.send([Event(b"still")], _soon())
        transport.close(_soon())

        assert octet_counted(server.streams[0])[0] == [b"parent", b"still"]
        assert octet_counted(server.streams[1])[0] == [b"child"]
        assert transport.reconnects == 0


@pytest.mark.parametrize(
    "options",
    [
        {"framing": "lines"},
        {"connect_timeout_seconds": 0},
        {"send_timeout_seconds": "soon"},
    ],
)
def test_stream_with_a_wrong_option_names_it(options):
    """
    A ConfigError carries the option's name.
    """
    (option,) = options
    with pytest.raises(ConfigError, match=option):
        StreamTransport(Address("tcp", "host", 514), **options)
