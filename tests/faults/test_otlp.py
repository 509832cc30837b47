"""
OTLPHandler where its collector is away, stalls, refuses, and is killed.

Each property is a function of the handler's class, which broken ones fail.
"""

import contextlib
import http.client
import logging
import socket
import subprocess
import sys
import threading
import time

from ids import as_id
import pytest
from requesting import wait_until
from servers.otlp_receiver import OTLPReceiver
from shipping import unaccounted

import mllog
from mllog.delivery.otlp.http import HTTPTransport
from mllog.delivery.retry import Fault, Verdict
from mllog.delivery.transport import PartlyRefusedError

pytestmark = pytest.mark.faults

DEADLINE = 30
MANY = 200


@pytest.fixture(params=["http/protobuf", "grpc"])
def protocol(request):
    return request.param


@pytest.fixture(scope="module")
def receiver(tmp_path_factory):
    found = OTLPReceiver(tmp_path_factory.mktemp("collector"))
    yield found
    found.stop(kill=True)


@pytest.fixture
def collector(receiver):
    receiver.begin()
    return receiver


@contextlib.contextmanager
def shipping(collector, protocol="http/protobuf", breaks=None, **options):
    """
    A logger to the collector; *breaks* makes the transport a broken one.
    """
    logger = logging.Logger("faults")
    given = {
        "linger_seconds": 0.01,
        "batch_records": 20,
        "retry_max_seconds": 0.1,
        **options,
    }
    handler = mllog.OTLPHandler(
        collector.endpoint(protocol), protocol=protocol, **given
    )
    if breaks is not None:
        breaks(handler._worker._transport)
    logger.addHandler(handler)
    try:
        yield logger, handler
    finally:
        handler.close(1)


def numbers(collector):
    return [int(body) for body in collector.bodies()]


def fails(check, *arguments, **options):
    """
    The control: *check* notices what is broken.
    """
    with pytest.raises(AssertionError):
        check(*arguments, **options)


# --- what breaks a transport ---------------------------------------------------


def forgets_errors(transport):
    """
    What could not be sent counts as sent.
    """
    send = transport.send

    def forgetful(events, deadline):
        with contextlib.suppress(Exception):
            send(events, deadline)

    transport.send = forgetful
    transport.open = lambda deadline: None


def takes_all_for_poison(transport):
    """
    What is busy is taken for what refuses.
    """
    transport.classify = lambda error: Verdict(Fault.POISON)


def hears_no_wait(transport):
    """
    Tries again at once, whatever the collector asks for.
    """
    classify = transport.classify
    transport.classify = lambda error: Verdict(classify(error).fault)


def overhears_refusals(transport):
    """
    A batch that was refused in part counts as sent.
    """
    transport._requests.refusal_in = lambda *_: (0, "")


def sends_refusals_again(transport):
    """
    A batch that was refused in part is sent once more.
    """
    send, seen = transport.send, []

    def again(events, deadline):
        try:
            send(events, deadline)
        except PartlyRefusedError as exc:
            if not seen:
                seen.append(1)
                raise ConnectionError from exc

    transport.send = again


# --- away ------------------------------------------------------------------------


def outage_costs_nothing(collector, protocol, breaks=None):
    """
    Records that are logged while the collector restarts all arrive, once.
    """
    with shipping(collector, protocol, breaks) as (logger, handler):
        for number in range(MANY):
            if number == MANY // 4:
                assert handler.flush(DEADLINE)
                collector.stop(kill=True)
            logger.info("%d", number)
            if number == MANY // 2:
                wait_until(
                    lambda: handler.stats().retried or breaks, "attempt"
                )
        assert 0 == unaccounted(handler.stats())
        collector.start()
        assert handler.flush(DEADLINE)
        stats = handler.stats()

    assert (MANY, MANY, {}) == (stats.accepted, stats.sent, stats.dropped)
    assert list(range(MANY)) == sorted(numbers(collector))


def test_otlp_outage_and_restart_lose_nothing(collector, protocol):
    """
    A collector that is killed and comes back has each record once.
    """
    outage_costs_nothing(collector, protocol)


def test_records_lost_in_an_outage_are_found(collector):
    """
    The control: a transport that takes an error for a receipt.
    """
    fails(outage_costs_nothing, collector, "http/protobuf", forgets_errors)


# --- stalls ------------------------------------------------------------------------


def stall_holds_nobody(collector, protocol, breaks=None):
    """
    A collector that never answers holds no log call, and all is counted.
    """
    collector.tell(stalls=True)
    with shipping(collector, protocol, breaks, timeout_seconds=0.3) as (
        logger,
        handler,
    ):
        slowest = 0.0
        for number in range(MANY):
            began = time.perf_counter()
            logger.info("%d", number)
            slowest = max(slowest, time.perf_counter() - began)
        wait_until(
            lambda: handler.stats().retried or handler.stats().sent,
            "end of the first attempt",
        )
        stats = handler.stats()
        assert 0 == unaccounted(stats)
        assert 0 == stats.sent
        # less than one attempt takes: no log call waited for it
        assert slowest < 0.3
        collector.tell()
        assert handler.flush(DEADLINE)
    # what was taken without an answer may be there twice
    assert set(range(MANY)) == set(numbers(collector))


def test_otlp_collector_that_stalls_holds_nobody(collector, protocol):
    """
    Attempts end at their time, and all arrives when it answers again.
    """
    stall_holds_nobody(collector, protocol)


def test_stall_that_is_taken_for_success_is_found(collector):
    """
    The control: a transport that takes a timeout for a receipt.
    """
    fails(stall_holds_nobody, collector, "http/protobuf", forgets_errors)


def dribble_ends_at_its_time(collector, breaks=None):
    """
    An answer that comes byte by byte, for ever, ends with the attempt.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def dribble(made):
        with made, contextlib.suppress(OSError):
            made.recv(65536)
            made.sendall(b"HTTP/1.1 200 OK\r\n")
            while not over.wait(0.02):
                made.sendall(b"x")

    def serve():
        with contextlib.suppress(OSError):
            while True:
                made = listening.accept()[0]
                threading.Thread(
                    target=dribble, args=(made,), daemon=True
                ).start()

    threading.Thread(target=serve, daemon=True).start()
    port = listening.getsockname()[1]
    handler = mllog.OTLPHandler(
        f"http://127.0.0.1:{port}", linger_seconds=0.01, timeout_seconds=0.3
    )
    if breaks is not None:
        breaks(handler._worker._transport)
    logger = logging.Logger("faults")
    logger.addHandler(handler)
    try:
        logger.info("0")
        wait_until(lambda: handler.stats().retried, "end", seconds=5)
        assert 0 == handler.stats().sent
    finally:
        over.set()
        # not shutdown alone: accept() goes on until its socket is closed
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        handler.close(1)


def waits_for_each_byte(transport):
    """
    The timeout of the socket begins anew with each byte.
    """
    made = transport.open

    def opened(deadline):
        made(deadline)
        connection = transport._connection
        usual = http.client.HTTPResponse
        type(connection).response_class = property(
            lambda _: usual, lambda *_: None
        )

    transport.open = opened


def test_otlp_answer_that_dribbles_ends_at_its_time(collector):
    """
    The time of an attempt is that of all of it.
    """
    dribble_ends_at_its_time(collector)


def test_answer_that_is_waited_for_byte_by_byte_is_found(
    collector, monkeypatch
):
    """
    The control: a client whose timeout is for each byte.
    """
    monkeypatch.setattr(
        http.client.HTTPConnection, "response_class", http.client.HTTPResponse
    )
    fails(dribble_ends_at_its_time, collector, waits_for_each_byte)


# --- busy ---------------------------------------------------------------------------


def busy_is_waited_for(collector, protocol, told, breaks=None):
    """
    While the collector is busy it is left alone for as long as it asks.
    """
    collector.tell(retry_after=1, times=1, **told)
    with shipping(collector, protocol, breaks) as (logger, handler):
        began = time.monotonic()
        logger.info("0")
        assert handler.flush(DEADLINE)
        stats = handler.stats()
        assert time.monotonic() - began >= 1
        assert 2 == collector.attempts()

    assert (1, 1, {}) == (stats.sent, stats.retried, stats.dropped)
    assert [0] == numbers(collector)


BUSY = [
    ("http/protobuf", {"status": 429}),
    ("http/protobuf", {"status": 503}),
    ("grpc", {"code": "UNAVAILABLE"}),
    ("grpc", {"code": "RESOURCE_EXHAUSTED"}),
]


@pytest.mark.parametrize(("protocol", "told"), BUSY, ids=as_id)
def test_otlp_collector_that_is_busy_is_waited_for(collector, protocol, told):
    """
    429 and 503 with Retry-After, and RetryInfo of gRPC.
    """
    busy_is_waited_for(collector, protocol, told)


@pytest.mark.parametrize("breaks", [hears_no_wait, takes_all_for_poison])
@pytest.mark.parametrize(("protocol", "told"), BUSY[1:3], ids=as_id)
def test_busy_collector_that_is_not_heard_is_found(
    collector, protocol, told, breaks
):
    """
    The controls: one that comes again at once, one that drops.
    """
    fails(busy_is_waited_for, collector, protocol, told, breaks)


# --- refused ------------------------------------------------------------------------


def partial_success_is_counted(collector, protocol, breaks=None, **options):
    """
    What is refused of a batch counts as rejected, and is not sent again.
    """
    collector.tell(rejected=3, message="too old", times=1)
    with shipping(
        collector,
        protocol,
        breaks,
        linger_seconds=0.3,
        batch_records=10,
        **options,
    ) as (logger, handler):
        for number in range(10):
            logger.info("%d", number)
        assert handler.flush(DEADLINE)
        stats = handler.stats()

    assert (10, 7) == (stats.accepted, stats.sent)
    assert {"rejected": 3} == stats.dropped
    assert 0 == unaccounted(stats)
    assert list(range(10)) == numbers(collector)


def test_otlp_partial_success_counts_what_was_refused(
    collector, protocol, capsys
):
    """
    The reason is said once.
    """
    partial_success_is_counted(collector, protocol)

    said = capsys.readouterr().err
    assert 1 == said.count("3 records were refused: too old")


def test_otlp_partial_success_is_counted_out_of_a_spool(collector, tmp_path):
    """
    What was refused is in no spool any more.
    """
    partial_success_is_counted(
        collector, "http/protobuf", spool="always", spool_dir=tmp_path
    )


@pytest.mark.parametrize("breaks", [overhears_refusals, sends_refusals_again])
def test_partial_success_that_is_not_heard_is_found(collector, breaks):
    """
    The controls: one that counts all as sent, one that sends all again.
    """
    fails(partial_success_is_counted, collector, "http/protobuf", breaks)


def test_otlp_partial_success_of_more_than_there_were(collector, protocol):
    """
    A collector that cannot count makes no record appear or vanish.
    """
    collector.tell(rejected=10**6, times=1)
    with shipping(collector, protocol) as (logger, handler):
        logger.info("0")
        assert handler.flush(DEADLINE)
        stats = handler.stats()

    assert (1, 0, {"rejected": 1}) == (
        stats.accepted,
        stats.sent,
        stats.dropped,
    )


def test_otlp_warning_of_a_collector_is_said(collector, protocol, capsys):
    """
    A message without refusals is for people, once.
    """
    collector.tell(message="field x is deprecated")
    with shipping(collector, protocol) as (logger, handler):
        for _ in range(3):
            logger.info("0")
            assert handler.flush(DEADLINE)

    said = capsys.readouterr().err
    assert 1 == said.count("warns: field x is deprecated")


def poison_is_refused_alone(collector, protocol, breaks=None, **options):
    """
    One record that the collector refuses takes no other with it.
    """
    collector.tell(poison="7")
    with shipping(
        collector, protocol, breaks, linger_seconds=0.3, **options
    ) as (logger, handler):
        for number in range(20):
            logger.info("%d", number)
        assert handler.flush(DEADLINE)
        stats = handler.stats()

    assert (19, {"rejected": 1}) == (stats.sent, stats.dropped)
    assert [n for n in range(20) if n != 7] == numbers(collector)


def test_otlp_poison_is_refused_alone(collector, protocol):
    """
    400, or INVALID_ARGUMENT: the batch is halved until it is found.
    """
    poison_is_refused_alone(collector, protocol)


def test_poison_that_takes_others_with_it_is_found(collector):
    """
    The control: a transport that takes the refusal for a receipt.
    """
    fails(poison_is_refused_alone, collector, "http/protobuf", forgets_errors)


def test_otlp_batch_that_is_too_large_is_halved(collector):
    """
    413: what the collector takes at once is found out, and all arrives.
    """
    collector.tell(largest=3)
    with shipping(collector, linger_seconds=0.3) as (logger, handler):
        for number in range(20):
            logger.info("%d", number)
        assert handler.flush(DEADLINE)
        stats = handler.stats()

    assert (20, {}) == (stats.sent, stats.dropped)
    assert list(range(20)) == numbers(collector)


@pytest.mark.parametrize(
    ("protocol", "told"),
    [
        ("http/protobuf", {"status": 401}),
        ("http/protobuf", {"status": 403}),
        ("grpc", {"code": "UNAUTHENTICATED"}),
        ("grpc", {"code": "PERMISSION_DENIED"}),
    ],
    ids=as_id,
)
def test_otlp_refused_credentials_are_kept_and_said(
    collector, protocol, told, capsys, tmp_path
):
    """
    Records wait for a person, who is told at once; none is dropped.
    """
    collector.tell(**told)
    with shipping(
        collector, protocol, spool="overflow", spool_dir=tmp_path
    ) as (logger, handler):
        logger.info("0")
        wait_until(lambda: handler.stats().retried, "attempt")
        stats = handler.stats()
        assert (0, {}, 0) == (stats.sent, stats.dropped, unaccounted(stats))
        assert "fix: " in wait_until(lambda: capsys.readouterr().err, "report")


def test_otlp_answer_that_breaks_off_is_sent_again(collector):
    """
    A batch without an answer is not counted as sent before it has one.
    """
    collector.tell(answer=False, times=1)
    with shipping(collector) as (logger, handler):
        logger.info("0")
        assert handler.flush(DEADLINE)
        stats = handler.stats()

    assert (1, 1) == (stats.sent, stats.retried)
    assert [0, 0] == numbers(collector)


# --- killed ------------------------------------------------------------------------

CHILD = """
import logging, os, signal, sys, mllog
endpoint, folder, spool, count = sys.argv[1:]
options = {"spool_dir": folder} if spool != "off" else {}
handler = mllog.OTLPHandler(endpoint, spool=spool, **options)
handler.name = "otlp"
logger = logging.getLogger("child")
logger.setLevel("INFO")
logger.addHandler(handler)
for number in range(int(count)):
    logger.info("%d", number)
os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_costs_nothing(collector, folder, spool="always"):
    """
    What was logged before a kill -9 is sent by the next process.
    """
    collector.stop(kill=True)
    subprocess.run(
        [sys.executable, "-c", CHILD, collector.endpoint()]
        + [str(folder), spool, "50"],
        timeout=60,
    )
    collector.start()
    handler = mllog.OTLPHandler(
        collector.endpoint(), spool="always", spool_dir=folder
    )
    handler.name = "otlp"
    handler.start()
    deadline = time.monotonic() + 10
    while handler.stats().sent < 50 and time.monotonic() < deadline:
        time.sleep(0.01)
    handler.flush(DEADLINE)
    stats = handler.stats()
    handler.close()

    assert (50, 50) == (stats.sent, stats.adopted)
    assert list(range(50)) == numbers(collector)
    found = {each.resource["process.pid"] for each in collector.received()}
    assert 1 == len(found)


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_otlp_kill_loses_nothing_with_a_spool(collector, tmp_path):
    """
    Each record arrives once, with the process id of the one that died.
    """
    kill_costs_nothing(collector, tmp_path / "spool")


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_records_lost_in_a_kill_are_found(collector, tmp_path, monkeypatch):
    """
    The control: the same without a spool.
    """
    monkeypatch.setattr(time, "monotonic", _hasty(time.monotonic))
    fails(kill_costs_nothing, collector, tmp_path / "spool", spool="off")


def _hasty(clock):
    """
    A clock that is ten times as fast, for a wait that is known to be in vain.
    """
    began = clock()
    return lambda: began + (clock() - began) * 10


def test_transport_of_http_is_the_one_that_is_broken_here():
    """
    The controls replace methods that the handler's transport has.
    """
    handler = mllog.OTLPHandler("http://127.0.0.1:9")
    transport = handler._worker._transport
    handler.close()

    assert isinstance(transport, HTTPTransport)
    assert all(hasattr(transport, n) for n in ("open", "send", "classify"))
