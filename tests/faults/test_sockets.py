"""
Streams whose peer ends them at random, stalls, swallows packets, comes back.

Each safeguard has a control without it: no resend window, and no look before
a write whether the peer has gone.
"""

import json
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mllog.delivery.retry import Fault
from mllog.delivery.sockets import (
    Address,
    ResendWindow,
    SocketError,
    StreamTransport,
)
from mllog.delivery.sockets.window import unsent_bytes
from mllog.delivery.transport import PartlySentError
from mllog.events import Event

TESTS = Path(__file__).parents[1]
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

from servers.faulty import (  # noqa: E402
    StreamServer,
    black_hole,
    free_port,
    octet_counted,
    reset,
)

pytestmark = pytest.mark.faults

RECORDS = 20_000
BATCH = 50
# seconds that a connection lives, and between two looks of the server at it
LIFE = (0.01, 0.05, 0.002)


class Unminding(ResendWindow):
    """
    The control: nothing that was written is kept.
    """

    def __init__(self):
        super().__init__(least_records=0, least_bytes=0, most_bytes=0)


class Process:
    """
    The server of tests/servers/faulty.py in a process of its own.
    """

    def __init__(self, ending, shortest, longest, lag=0.0):
        self._process = subprocess.Popen(
            [
                sys.executable,
                str(TESTS / "servers" / "faulty.py"),
                *(ending, str(shortest), str(longest), str(lag)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def received(self):
        """
        The numbers of the records that came since it was last asked.
        """
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return [
            int(word) for word in json.loads(self._process.stdout.readline())
        ]


def _transport(port, **options):
    return StreamTransport(Address.parse(f"tcp://127.0.0.1:{port}"), **options)


def _ship(transport, records=RECORDS, pause=0.001):
    """
    Do what the worker does: open, send, and again after an error.
    """
    pad = b" " + b"x" * 290
    connected, breaks = False, 0
    for first in range(0, records, BATCH):
        left = [Event(b"%d" % n + pad) for n in range(first, first + BATCH)]
        while left:
            deadline = time.monotonic() + 5
            try:
                if not connected:
                    transport.open(deadline)
                    connected = True
                transport.send(left, deadline)
                left = []
            except (PartlySentError, SocketError) as exc:
                connected = False
                breaks += 1
                cause = exc
                if isinstance(exc, PartlySentError):
                    del left[: exc.acknowledged]
                    cause = exc.__cause__
                assert transport.classify(cause).fault is Fault.TRANSIENT
                time.sleep(random.uniform(0, 0.002))
        time.sleep(pause)
    transport.close(time.monotonic() + 2)
    return breaks


def _run(server, **options):
    """
    One run: how many records were lost, and how many came twice.
    """
    transport = _transport(server.port, **options)
    breaks = _ship(transport)
    received = server.received()
    seen = set(received)
    assert seen <= set(range(RECORDS))
    return RECORDS - len(seen), len(received) - len(seen), breaks, transport


def test_stream_with_a_peer_that_breaks_off_loses_next_to_nothing(fault_scale):
    """
    Of 20 000 records over connections of 10 to 50 ms the median loss is 0.

    The server reads each 2 ms, and drops what it has not read at the end.
    """
    with Process("either", *LIFE) as server:
        runs = [_run(server) for _ in range(max(int(100 * fault_scale), 3))]
    lost = [run[0] for run in runs]
    print("lost", sorted(lost), "twice", sorted(run[1] for run in runs))
    print("breaks", sorted(run[2] for run in runs))

    assert statistics.median(lost) == 0
    assert max(lost) <= 64
    assert statistics.median([run[2] for run in runs]) >= 5
    assert all(run[3].resent > 0 for run in runs)


def test_control_without_a_window_loses_records():
    """
    The control: the same server, and nothing kept for it.
    """
    with Process("either", *LIFE) as server:
        runs = [_run(server, window=Unminding()) for _ in range(3)]
    print("lost", [run[0] for run in runs], "twice", [run[1] for run in runs])

    assert sum(run[0] for run in runs) > 0


def _taken_and_never_read(**options):
    """
    Ten records that the peer's kernel took, its program did not, and a reset.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = _transport(listener.getsockname()[1], **options)
        transport.open(time.monotonic() + 5)
        peer, _ = listener.accept()
        first = [b"%d" % number for number in range(10)]
        transport.send([Event(v) for v in first], time.monotonic() + 5)
        while unsent_bytes(transport._sock):
            time.sleep(0.005)
        reset(peer)
        with pytest.raises(SocketError):
            transport.send([Event(b"new")], time.monotonic() + 5)
        transport.open(time.monotonic() + 5)
        transport.send([Event(b"new")], time.monotonic() + 5)
        peer, _ = listener.accept()
        with peer:
            received = octet_counted(peer.recv(65536))[0]
        transport.close(time.monotonic())
    return received, [*first, b"new"]


def test_stream_repeats_what_was_taken_and_perhaps_not_read():
    """
    The last records before a reset come again, in order, before new ones.
    """
    received, sent = _taken_and_never_read()

    assert received == sent


def test_control_that_trusts_the_kernel_alone_loses_them():
    """
    The control: what the peer's kernel took counts as read.
    """
    window = ResendWindow(least_records=0, least_bytes=0)
    received, _ = _taken_and_never_read(window=window)

    assert received == [b"new"]


def _send_after_close(monkeypatch=None):
    """
    Three records to a peer that then goes and comes back, without a window.
    """
    with StreamServer() as server:
        transport = _transport(server.port, window=Unminding())
        transport.open(time.monotonic() + 5)
        transport.send([Event(b"a")], time.monotonic() + 5)
        server.wait_for(1)
        server.cut("fin")
        time.sleep(0.05)
        if monkeypatch is not None:
            monkeypatch.setattr(transport, "_look", lambda sock: None)
        failed = 0
        for value in (b"b", b"c"):
            try:
                transport.send([Event(value)], time.monotonic() + 5)
            except SocketError:
                failed += 1
                transport.open(time.monotonic() + 5)
                transport.send([Event(value)], time.monotonic() + 5)
            time.sleep(0.05)
        transport.close(time.monotonic() + 2)
        return server.messages, failed


def test_stream_looks_before_it_writes_to_a_peer_that_has_gone():
    """
    The first record after the peer closed is not written into nowhere.
    """
    assert _send_after_close() == ([b"a", b"b", b"c"], 1)


def test_control_that_does_not_look_loses_the_first_record(monkeypatch):
    """
    The control: the first write after the peer closed succeeds and is lost.
    """
    received, _ = _send_after_close(monkeypatch)

    assert b"b" not in received


def test_stream_to_a_server_that_restarts_is_back_within_a_second():
    """
    A server that was away for 0.3 s has the next record 1 s after it listens.
    """
    with StreamServer() as server:
        transport = _transport(server.port)
        transport.open(time.monotonic() + 5)
        transport.send([Event(b"before")], time.monotonic() + 5)
        server.wait_for(1)
        server.stop("rst")
        listening = []

        def restart():
            time.sleep(0.3)
            server.start()
            listening.append(time.monotonic())

        thread = threading.Thread(target=restart)
        thread.start()
        connected = True
        while True:
            try:
                if not connected:
                    transport.open(time.monotonic() + 5)
                    connected = True
                transport.send([Event(b"after")], time.monotonic() + 5)
                break
            except SocketError:
                connected = False
                time.sleep(0.01)
        thread.join()
        server.wait_for(3)
        took = time.monotonic() - listening[0]
        transport.close(time.monotonic() + 2)

        assert took < 1
        assert server.messages == [b"before", b"before", b"after"]
        assert (transport.reconnects, transport.resent) == (1, 1)


def test_stream_to_a_black_hole_gives_up_at_its_timeout():
    """
    A peer that swallows packets costs the connect timeout, not minutes.
    """
    with black_hole() as port:
        transport = _transport(port, connect_timeout_seconds=0.2)
        started = time.monotonic()
        with pytest.raises(TimeoutError, match="no answer in time"):
            transport.open(time.monotonic() + 10)
        took = time.monotonic() - started

        assert took < 1


def test_stream_to_a_black_hole_ends_at_the_deadline():
    """
    The deadline of the call is kept, though the timeout is longer.
    """
    with black_hole() as port:
        transport = _transport(port)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            transport.open(time.monotonic() + 0.2)
        took = time.monotonic() - started

        assert took < 1


def test_stream_to_a_peer_that_never_reads_gives_up_at_its_timeout():
    """
    A stalled peer costs the send timeout; what its kernel took is told.
    """
    with StreamServer(stall=True) as server:
        transport = _transport(server.port, send_timeout_seconds=0.3)
        transport.open(time.monotonic() + 5)
        started = time.monotonic()
        events = [Event(b"x" * 6_000)] * 4000
        with pytest.raises(PartlySentError) as failed:
            transport.send(events, time.monotonic() + 10)
        took = time.monotonic() - started
        cause = failed.value.__cause__
        owed = len(transport._window)
        transport.close(time.monotonic() + 0.2)

        assert took < 1.5
        assert isinstance(cause, TimeoutError)
        # what was taken and left the window is acknowledged, the rest is ours
        assert (0 < failed.value.acknowledged < 4000, owed) == (True, 0)
        assert transport.classify(cause).fault is Fault.TRANSIENT


def test_stream_closes_in_time_on_a_peer_that_never_reads():
    """
    close() ends at its deadline, whatever the peer does.
    """
    with StreamServer(stall=True) as server:
        transport = _transport(server.port)
        transport.open(time.monotonic() + 5)
        transport.send([Event(b"x" * 50_000)] * 4, time.monotonic() + 5)
        started = time.monotonic()
        transport.close(time.monotonic() + 0.3)
        transport.close(time.monotonic() + 0.3)
        took = time.monotonic() - started

        assert took < 1


def test_stream_to_nobody_fails_at_once():
    """
    A closed port is no reason to wait.
    """
    transport = _transport(free_port())
    with pytest.raises(ConnectionError, match="refused"):
        transport.open(time.monotonic() + 5)
