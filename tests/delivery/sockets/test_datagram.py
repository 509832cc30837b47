"""
Datagrams: UDP and unix sockets, long messages, receivers that come and go.
"""

import os
import sys
import time
from pathlib import Path

import pytest

from mllog.delivery.retry import Fault
from mllog.delivery.sockets import (
    Address,
    DatagramTransport,
    SocketError,
    route_to,
)
from mllog.formatters.syslog import shortened
from mllog.delivery.transport import PartlySentError
from mllog.events import Event

TESTS = Path(__file__).parents[2]
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

from servers.faulty import DatagramServer, StreamServer, free_port  # noqa: E402


def _soon(seconds=5):
    return time.monotonic() + seconds


def _opened(server):
    place = server.path or f"udp://127.0.0.1:{server.port}"
    transport = route_to(Address.parse(place))
    transport.open(_soon())
    return transport


def test_datagram_over_udp_is_one_message_each():
    """
    Each event is a datagram, as it is.
    """
    values = [b"one\ntwo", b"x" * 60_000, "ü".encode()]
    with DatagramServer() as server:
        transport = _opened(server)
        transport.send([Event(value) for value in values], _soon())
        transport.close(_soon())

        assert server.wait_for(3) == values
        assert transport.cut == 0


def test_datagram_that_is_too_long_is_cut_between_characters():
    """
    What does not fit is cut where a character ends, and counted.
    """
    long = ("a" + "€" * 40_000).encode()
    with DatagramServer() as server:
        transport = _opened(server)
        transport.send([Event(long), Event(b"short")], _soon())
        transport.close(_soon())
        first, second = server.wait_for(2)

        kept, mark, missing = first.partition(b" [truncated ")
        assert mark and kept == long[: len(kept)]
        assert 65_500 < len(first) <= 65_507
        assert kept.decode().endswith("€")
        assert missing == b"%d bytes]" % (len(long) - len(kept))
        assert (second, transport.cut) == (b"short", 1)


def test_datagram_of_a_unix_socket_is_cut_to_what_the_kernel_takes(tmp_path):
    """
    The size is halved until it passes, and remembered.
    """
    long = ("€" * 400_000).encode()
    with DatagramServer(path=str(tmp_path / "log")) as server:
        transport = _opened(server)
        transport.send([Event(long)] * 3, _soon())
        transport.close(_soon())
        messages = server.wait_for(3)

        assert len(messages[0]) >= 65_536
        kept, _, missing = messages[0].decode().partition(" [truncated ")
        assert kept.strip("€") == ""
        assert missing == f"{len(long) - len(kept.encode())} bytes]"
        assert len(set(messages)) == 1
        assert transport.cut == 3


@pytest.mark.parametrize("size", range(64, 80))
@pytest.mark.parametrize("text", ["ü" * 90, "€" * 60, "a😀" * 40])
def test_message_that_is_shortened_never_splits_a_character(text, size):
    """
    What is left is valid UTF-8, with one mark that counts what is missing.
    """
    message = text.encode()
    once, was_whole = shortened(message, size)
    kept, _, missing = once.decode().partition(" [truncated ")

    assert was_whole and len(once) <= size and text.startswith(kept)
    assert missing == f"{len(message) - len(kept.encode())} bytes]"


def test_message_that_is_shortened_again_has_one_mark_still():
    """
    It counts all that is missing, and is not counted once more.
    """
    message = b"x" * 1000
    first, was_whole = shortened(message, 500)
    second, was_whole_still = shortened(first, 100)

    assert (True, False) == (was_whole, was_whole_still)
    assert len(second) <= 100
    kept = second.count(b"x")
    assert second == b"x" * kept + b" [truncated %d bytes]" % (1000 - kept)


def test_datagram_to_a_port_that_is_closed_is_sent_again():
    """
    What the host refused arrives once somebody listens.
    """
    server = DatagramServer()
    server.stop()
    transport = _opened(server)
    events = [Event(b"one"), Event(b"two")]
    with pytest.raises(ConnectionError) as raised:
        transport.send(events, _soon())
    server.start()
    with server:
        transport.open(_soon())
        transport.send(events, _soon())
        transport.close(_soon())

        assert server.wait_for(2) == [b"one", b"two"]
        assert transport.classify(raised.value).fault is Fault.TRANSIENT
        assert transport.reconnects == 1


def test_datagram_refused_after_its_batch_is_owed(monkeypatch):
    """
    The last datagram of a batch, refused later, goes before the next batch.
    """
    server = DatagramServer()
    server.stop()
    transport = _opened(server)
    monkeypatch.setattr(transport, "_hear", lambda: None)
    transport.send([Event(b"one")], _soon())
    with pytest.raises(ConnectionError):
        transport.send([Event(b"two")], _soon())
    server.start()
    with server:
        transport.open(_soon())
        transport.send([Event(b"two")], _soon())
        transport.close(_soon())

        assert server.wait_for(2) == [b"one", b"two"]
        assert transport.resent == 1


def test_datagram_refused_in_a_batch_is_counted_from_it(monkeypatch):
    """
    The datagram before the one that failed is not acknowledged.
    """
    with DatagramServer() as server:
        transport = _opened(server)
        passed = transport._pass

        def third_fails(message, deadline):
            if message == b"3":
                raise ConnectionRefusedError(111, "refused")
            passed(message, deadline)

        monkeypatch.setattr(transport, "_pass", third_fails)
        with pytest.raises(PartlySentError) as raised:
            transport.send([Event(b"1"), Event(b"2"), Event(b"3")], _soon())

        assert raised.value.acknowledged == 1
        assert isinstance(raised.value.__cause__, SocketError)


def test_datagram_socket_made_anew_is_found(tmp_path):
    """
    When /dev/log is made anew nothing is lost, and nobody waits.
    """
    with DatagramServer(path=str(tmp_path / "log")) as server:
        transport = _opened(server)
        transport.send([Event(b"one")], _soon())
        server.stop()
        server.start()
        transport.send([Event(b"two")], _soon())
        transport.close(_soon())

        assert server.wait_for(2) == [b"one", b"two"]
        assert transport.reconnects == 1


def test_datagram_socket_that_is_gone_may_come_back(tmp_path):
    """
    A missing /dev/log is transient.
    """
    transport = route_to(Address.parse(str(tmp_path / "none")))
    with pytest.raises(SocketError, match="No such file") as raised:
        transport.open(_soon())

    assert transport.classify(raised.value).fault is Fault.TRANSIENT


def test_datagram_to_a_receiver_that_is_full_waits_until_the_deadline(
    tmp_path,
):
    """
    A receiver that reads nothing costs the deadline; the rest is not sent.
    """
    import socket

    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        transport = DatagramTransport(Address.parse(path, "dgram"))
        transport.open(_soon())
        started = time.monotonic()
        with pytest.raises(PartlySentError) as raised:
            transport.send([Event(b"x")] * 1000, _soon(0.2))
        took = time.monotonic() - started

        assert 0 < raised.value.acknowledged < 1000
        assert isinstance(raised.value.__cause__, TimeoutError)
        assert 0.15 < took < 1


def test_datagrams_to_a_slow_receiver_all_arrive(tmp_path):
    """
    A full queue is waited for.
    """
    with DatagramServer(path=str(tmp_path / "log")) as server:
        transport = _opened(server)
        transport.send([Event(b"%d" % n) for n in range(5000)], _soon())
        transport.close(_soon())

        assert server.wait_for(5000) == [b"%d" % n for n in range(5000)]


def test_unix_socket_of_unknown_kind_is_tried_as_both(tmp_path):
    """
    A stream socket that refuses datagrams gets a stream, also when it changes.
    """
    path = str(tmp_path / "log")
    with StreamServer(path=path) as stream:
        transport = route_to(Address.parse(path))
        transport.open(_soon())
        transport.send([Event(b"one")], _soon())
        transport.close(_soon())
        assert stream.messages == [b"one"]
    with DatagramServer(path=path) as datagrams:
        transport.open(_soon())
        transport.send([Event(b"two")], _soon())
        transport.close(_soon())

        assert datagrams.wait_for(1) == [b"two"]


def test_datagram_finds_the_address_that_listens(monkeypatch):
    """
    Where the first address of a name refuses, the next one is tried.
    """
    import socket

    with DatagramServer() as server:
        found = [
            (socket.AF_INET, socket.SOCK_DGRAM, 17, "", (host, server.port))
            for host in ("127.0.0.2", "127.0.0.1")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        transport = DatagramTransport(Address("udp", "name", server.port))
        transport.open(_soon())
        with pytest.raises(ConnectionError):
            transport.send([Event(b"a")], _soon())
        transport.open(_soon())
        transport.send([Event(b"a")], _soon())
        transport.close(_soon())

        assert server.wait_for(1) == [b"a"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_datagram_socket_in_a_forked_child_is_the_parents():
    """
    The child has no socket and no counts; the parent's goes on.
    """
    with DatagramServer() as server:
        transport = _opened(server)
        child = os.fork()
        if child == 0:
            os._exit(transport._sock is not None or transport._connections)
        code = os.waitpid(child, 0)[1]
        transport.send([Event(b"a")], _soon())
        transport.close(_soon())

        assert code == 0
        assert server.wait_for(1) == [b"a"]


def test_datagram_to_nobody_is_no_surprise():
    """
    send() without open() is a connection error, and close() is none.
    """
    transport = DatagramTransport(Address("udp", "127.0.0.1", free_port()))
    with pytest.raises(ConnectionError, match="not connected"):
        transport.send([Event(b"a")], _soon())
    transport.close(_soon())
