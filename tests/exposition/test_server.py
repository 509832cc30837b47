"""
A page of metrics served over HTTP, from a thread of its own.
"""

import socket
import threading
import time

import pytest
from scraping import fetch
from servers.running import free_ports

from mllog.exposition import server
from mllog.exposition.server import Server


@pytest.fixture(name="make")
def _make():
    made = []

    def make(port=0, **options):
        faults = []
        served = Server(
            options.pop("address", "127.0.0.1"),
            port,
            lambda accept, encoding: ({}, f"{accept}\n".encode()),
            faults.append,
            **options,
        )
        served.faults = faults
        made.append(served)
        return served

    yield make
    for each in made:
        each.close()


def test_server_serves_from_start_to_close(make):
    """
    The port is chosen by the system, and given back at once.
    """
    served = make()
    served.start()
    port = served.port

    assert "text/plain\n" == fetch(port, "text/plain")
    served.close()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
    assert not served.is_serving and [] == served.faults


def test_server_may_be_closed_before_it_begins_and_twice(make):
    """
    Nothing raises, and nothing is served any more.
    """
    served = make()
    served.close()
    served.close()
    served.start()

    assert not served.is_serving


def test_server_closes_at_once_while_a_client_says_nothing(make):
    """
    A connection without a request holds up neither scrapes nor close.
    """
    served = make()
    served.start()
    with socket.create_connection(("127.0.0.1", served.port)):
        assert fetch(served.port)
        start = time.monotonic()
        served.close()

    assert time.monotonic() - start < 5


@pytest.fixture(name="visit")
def _visit():
    """
    Opens connections that ask for nothing, and closes them.
    """
    held = []

    def visit(port, text=b"G"):
        sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        held.append(sock)
        sock.sendall(text)
        return sock

    yield visit
    for sock in held:
        sock.close()


def test_server_keeps_a_thread_for_few_idle_visitors_and_serves_others(
    make, visit
):
    """
    Those who wait longest without a request make room: a scrape is answered.
    """
    served = make()
    served.start()
    before, most = threading.active_count(), 0
    for _ in range(5):
        for _ in range(30):
            visit(served.port)
            most = max(most, threading.active_count())
        assert "text/plain\n" == fetch(served.port, "text/plain")

    assert most - before <= 16
    assert [] == served.faults


def test_server_gives_no_room_to_more_than_it_answers_at_once(
    make, visit, monkeypatch
):
    """
    Who is being answered is not sent away; whoever is too many is.
    """
    monkeypatch.setattr(server, "_MOST_VISITORS", 2)
    gate, inside = threading.Event(), threading.Semaphore(0)
    served = make()
    page = served._page

    def slow(accept, encoding):
        inside.release()
        gate.wait(10)
        return page(accept, encoding)

    served._page = slow
    served.start()
    request = b"GET /metrics HTTP/1.0\r\n\r\n"
    taken = [visit(served.port, request) for _ in range(2)]
    assert all(inside.acquire(timeout=10) for _ in taken)
    try:
        refused = visit(served.port, request).recv(100)
    except ConnectionError:
        refused = b""
    gate.set()

    assert b"" == refused
    for sock in taken:
        assert sock.recv(12).endswith(b"200")


@pytest.mark.parametrize("text", [b"", b"X", b"X: y\r\n"], ids=repr)
def test_server_ends_a_request_that_does_not_come_in_time(
    make, visit, monkeypatch, text
):
    """
    A byte now and then is no reason to wait longer.
    """
    monkeypatch.setattr(server, "_REQUEST_SECONDS", 0.3)
    served = make()
    served.start()
    sock = visit(served.port, b"GET /metrics HTTP/1.1\r\n")
    sock.settimeout(0.02)
    began, is_open = time.monotonic(), True
    while is_open and time.monotonic() - began < 10:
        try:
            sock.sendall(text)
            is_open = bool(sock.recv(1))
        except TimeoutError:
            pass
        except ConnectionError:
            is_open = False

    assert not is_open
    assert time.monotonic() - began < 5


def test_server_address_that_cannot_be_is_a_fault_and_no_exception(make):
    """
    An address of another machine is said once.
    """
    served = make(9464, address="192.0.2.1")
    served.start()

    deadline = time.monotonic() + 20
    while not served.faults:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "192.0.2.1:9464" in str(served.faults[0])
    assert "PROMETHEUS_MULTIPROC_DIR" in str(served.faults[0])


def test_server_that_is_shared_says_nothing_of_its_siblings(make, monkeypatch):
    """
    A port that mllog serves is no fault; one that a stranger has is.
    """
    monkeypatch.setattr(server, "_AGAIN_SECONDS", 0.05)
    first = make()
    first.start()
    second = make(first.port, is_shared=True)
    second.start()
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        third = make(stranger.getsockname()[1], is_shared=True)
        threading.Thread(
            target=lambda: stranger.accept()[0].close(), daemon=True
        ).start()
        third.start()
        deadline = time.monotonic() + 20
        while not third.faults:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    first.close()
    deadline = time.monotonic() + 20
    while not second.is_serving:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [] == second.faults


def test_server_answers_only_get(make):
    """
    Other methods are refused, and the server goes on.
    """
    served = make()
    served.start()
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(b"POST /metrics HTTP/1.0\r\n\r\n")
        assert b" 501 " in client.recv(1000)
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(b"\x00\xff nonsense\r\n\r\n")
        client.recv(1000)

    assert fetch(served.port)


def test_server_on_ipv6_is_served(make):
    """
    The address says which family it is.
    """
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    served = make(free_ports(1)[0], address="::1")
    served.start()
    if not served.is_serving:
        pytest.skip("no address ::1")

    import urllib.request

    with urllib.request.urlopen(
        f"http://[::1]:{served.port}/metrics", timeout=10
    ) as answer:
        assert 200 == answer.status
