"""
Kafka under faults: outages, leaders, kills, forks, exits, wrong credentials.

One oracle serves all: what a log call returned for is in the topic once, in
the order of its thread, or counted.  Most run against librdkafka's mock; those
marked ``kafka`` against an Apache Kafka.  Each safeguard that can be taken
away has a control without it, which the same oracle must catch.
"""

import collections
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

pytest.importorskip("confluent_kafka")

from producing import (  # noqa: E402
    PATIENT,
    computing,
    end,
    handler_to,
    is_open,
    late,
    open_lane,
    resident,
    sent,
    values,
)
from servers.faulty import free_port  # noqa: E402
from servers.kafka_cluster import PRODUCE  # noqa: E402
from shipping import Watch, drained, unaccounted, wait_until  # noqa: E402

from mllog.delivery import retry  # noqa: E402
from mllog.delivery.kafka import lane, outbox, producer, transport  # noqa: E402
from mllog.delivery.spool import inspect  # noqa: E402
from mllog.delivery.stock import Stock  # noqa: E402

pytestmark = pytest.mark.faults

NOT_LEADER, TOO_LARGE = 6, 10
MIB = 2**20
REAL = pytest.param(marks=pytest.mark.kafka, id="real")
BOTH = pytest.mark.parametrize((), [REAL, pytest.param(id="mock")])
THREADS = 4


@pytest.fixture
def shipper(logger):
    """
    Makes handlers of the logger, and ends them without waiting.
    """
    made = []

    def make(kafka, topic, **options):
        handler = handler_to(kafka, topic, **options)
        handler.set_name("kafka")
        handler.topic = topic
        made.append(handler)
        for other in list(logger.handlers):  # pytest's, which keep records
            if other not in made:
                logger.removeHandler(other)
        logger.addHandler(handler)
        return handler

    yield make
    for handler in made:
        logger.removeHandler(handler)
        end(handler)


@pytest.fixture
def impatient(monkeypatch):
    """
    What needs a person is tried again at once.
    """
    monkeypatch.setattr(retry, "_AUTH_FIRST_SECONDS", 0.2)
    monkeypatch.setattr(retry, "_AUTH_LONGEST_SECONDS", 0.2)


def _spooled(folder, mode="overflow"):
    return {"spool": mode, "spool_dir": str(folder / "spool")}


# --- the oracle ---

Found = collections.namedtuple("Found", "lost twice late strange")
NOTHING_WRONG = Found(lost=0, twice=0, late=0, strange=0)


def _found(kafka, topic, issued, arrived=None, repeats=False):
    """
    What is wrong with *topic*, of which *issued* should be there.

    The mock knows no sequence numbers: what it stored before a connection
    broke, and did not answer, it stores again.

    Args:
        kafka: Where it is.

        topic: Its name.

        issued: For each thread, how many numbers it logged.

        arrived: How many to wait for; None is all of them.

        repeats: Whether a message may be there again, behind the first.
    """
    expected = {
        b"%d %d" % (thread, number)
        for thread, count in enumerate(issued)
        for number in range(count)
    }
    wanted = len(expected) if arrived is None else arrived
    messages = [
        message
        for message in kafka.messages(topic, wanted, PATIENT)
        if message.value != b"first"
    ]
    seen = collections.Counter(message.value for message in messages)
    if repeats:
        firsts = {}
        for message in messages:
            firsts.setdefault(message.value, message)
        messages = list(firsts.values())
        seen = collections.Counter(list(firsts))
    return Found(
        lost=len(expected - set(seen)),
        twice=sum(times > 1 for times in seen.values()),
        late=late(messages),
        strange=len(set(seen) - expected),
    )


class Talkers:
    """
    Threads that log "<thread> <number>" until they have logged enough.

    Used with ``with``, which waits for them; ``issued`` is then how many
    numbers each logged, and ``slowest`` the longest of their calls.

    Args:
        logger: Where to.

        records: How many each logs; None is until the block ends.

        pause: Seconds between ten of them.
    """

    def __init__(self, logger, records=None, pause=0.0, threads=THREADS):
        self._logger, self._records, self._pause = logger, records, pause
        self._is_over = threading.Event()
        self.issued = [0] * threads
        self.slowest = 0.0
        self._threads = [
            threading.Thread(target=self._talk, args=(number,), daemon=True)
            for number in range(threads)
        ]

    def __enter__(self):
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *exc):
        if self._records is None:
            self._is_over.set()
        for each in self._threads:
            each.join(600)
        assert not any(each.is_alive() for each in self._threads)

    def _talk(self, thread):
        while not self._is_over.is_set():
            number = self.issued[thread]
            if number == self._records:
                return
            began = time.perf_counter()
            self._logger.warning("%d %d", thread, number)
            self.slowest = max(self.slowest, time.perf_counter() - began)
            self.issued[thread] = number + 1
            if number % 10 == 0 and self._pause:
                self._is_over.wait(self._pause)

    def wait_for(self, records):
        """
        Wait until each has logged so many more.
        """
        goal = [count + records for count in self.issued]
        if self._records is not None:
            goal = [min(each, self._records) for each in goal]
        assert wait_until(
            lambda: all(map(int.__ge__, self.issued, goal)), PATIENT
        )


# --- outages ---

SAFE = {
    "block": lambda folder: {"overflow": "block", "block_seconds": 300},
    "spool": _spooled,
}


def _through_outages(kafka, handler, logger, seconds, cycles, records):
    """
    Log so many *records* while the broker is away *cycles* times.

    Gives the talkers, the watch, and the most memory that was added.
    """
    before, most = resident(), 0
    with Watch(handler, 0.002) as watch:
        with Talkers(logger, records // THREADS) as talkers:
            for _ in range(cycles):
                talkers.wait_for(records // THREADS // cycles // 2)
                kafka.stop()
                time.sleep(seconds)
                most = max(most, resident() - before)
                kafka.start()
                talkers.wait_for(1)
        assert drained(handler, 120), handler.stats()
    return talkers, watch, max(most, resident() - before)


@pytest.mark.parametrize("how", SAFE)
@pytest.mark.parametrize(
    "seconds",
    [
        0.5,
        pytest.param(5, marks=pytest.mark.full),
        pytest.param(60, marks=pytest.mark.full),
    ],
)
def test_outage_loses_nothing_and_keeps_the_order(
    shipper, logger, mock_kafka, tmp_path, how, seconds, fault_scale
):
    """
    However long it lasts, and whether callers wait or records go to disk.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic(), 8)
    handler = shipper(
        mock_kafka, topic, max_queue_records=20_000, **SAFE[how](tmp_path)
    )
    open_lane(handler, logger)
    talkers, watch, memory = _through_outages(
        mock_kafka, handler, logger, seconds, 1, int(200_000 * fault_scale)
    )
    stats = handler.stats()
    print(stats, "memory", memory // MIB, "slowest", talkers.slowest)

    found = _found(mock_kafka, topic, talkers.issued, repeats=True)
    assert NOTHING_WRONG == found
    assert 0 == stats.retried
    assert {} == stats.dropped
    assert sum(talkers.issued) + 1 == stats.sent == stats.accepted
    assert [] == watch.wrong
    assert 10 < watch.samples
    assert memory < 200 * MIB


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", SAFE)
def test_outages_one_after_the_other_lose_nothing(
    shipper, logger, mock_kafka, tmp_path, how, fault_scale
):
    """
    Of twenty short ones, with 200 000 records, each record arrives.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic(), 8)
    handler = shipper(
        mock_kafka, topic, max_queue_records=5000, **SAFE[how](tmp_path)
    )
    open_lane(handler, logger)
    talkers, watch, memory = _through_outages(
        mock_kafka,
        handler,
        logger,
        0.5 * fault_scale,
        max(5, int(20 * fault_scale)),
        int(200_000 * fault_scale),
    )
    print(handler.stats(), "memory", memory // MIB)

    found = _found(mock_kafka, topic, talkers.issued, repeats=True)
    assert NOTHING_WRONG == found
    assert 0 == handler.stats().retried
    assert {} == handler.stats().dropped
    assert sum(talkers.issued) + 1 == handler.stats().sent
    assert [] == watch.wrong
    assert memory < 200 * MIB


def _forgetful(monkeypatch):
    """
    A control: what does not fit into librdkafka's queue is forgotten.
    """
    hand_over = lane.Lane.hand_over

    def wrong(self, entry):
        return len(self._producer) > 100 or hand_over(self, entry)

    monkeypatch.setattr(lane.Lane, "hand_over", wrong)


def _hasty(monkeypatch):
    """
    A control: what was handed over is sent, whatever became of it.
    """
    monkeypatch.setattr(producer.Producer, "__len__", lambda self: 0)
    monkeypatch.setattr(
        producer.Producer, "_bare", lambda self, number, error, message: None
    )


@pytest.mark.parametrize("fault", [_forgetful, _hasty])
def test_outage_is_noticed_by_the_oracle_without_a_safeguard(
    shipper, logger, mock_kafka, monkeypatch, fault
):
    """
    The controls: each loses records uncounted, or says what is not so.
    """
    fault(monkeypatch)
    topic = mock_kafka.create_topic(mock_kafka.topic())
    handler = shipper(mock_kafka, topic, max_age_seconds=5)
    logger.warning("first")
    assert is_open(handler)
    mock_kafka.stop()
    with Watch(handler, 0.002) as watch:
        for number in range(1000):
            logger.warning("0 %d", number)
        handler.close(0.5)
    mock_kafka.start()
    arrived = len(values(mock_kafka, topic))

    assert watch.wrong or arrived != handler.stats().sent


def test_order_is_noticed_by_the_oracle_without_a_safeguard(
    shipper, logger, mock_kafka, monkeypatch, tmp_path
):
    """
    The control: what is in memory goes before what is on disk.
    """
    right = Stock.next_batch

    def wrong(self):
        if not self.queue:
            return right(self)
        self.batch = self.queue.batch()
        self.fill(self.batch)
        return self.batch

    monkeypatch.setattr(Stock, "next_batch", wrong)
    topic = mock_kafka.create_topic(mock_kafka.topic())
    handler = shipper(
        mock_kafka, topic, max_queue_records=400, **_spooled(tmp_path)
    )
    open_lane(handler, logger)
    mock_kafka.stop()
    for number in range(2000):
        logger.warning("0 %d", number)
    assert wait_until(lambda: handler.stats().spooled, PATIENT)
    mock_kafka.start()

    assert drained(handler, PATIENT)
    assert 0 < _found(mock_kafka, topic, [2000], repeats=True).late


@pytest.mark.kafka
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", SAFE)
def test_broker_that_restarts_gets_each_record_once(
    shipper, logger, own_kafka, tmp_path, how, fault_scale
):
    """
    Killed and started on its port with its data, twenty times.
    """
    topic = own_kafka.create_topic(own_kafka.topic(), 4)
    handler = shipper(
        own_kafka, topic, max_queue_records=20_000, **SAFE[how](tmp_path)
    )
    open_lane(handler, logger)
    records = int(200_000 * fault_scale) // THREADS
    cycles = int(20 * fault_scale)
    with Watch(handler, 0.002) as watch:
        with Talkers(logger, records) as talkers:
            for turn in range(cycles):
                talkers.wait_for(records // cycles // 2)
                (own_kafka.stop if turn % 4 == 3 else own_kafka.kill)()
                own_kafka.start()
        is_done = drained(handler, 120)

    assert is_done, handler.stats()
    assert NOTHING_WRONG == _found(own_kafka, topic, talkers.issued)
    assert [] == watch.wrong
    assert 0 == handler.stats().retried
    assert {} == handler.stats().dropped


@pytest.mark.kafka
@pytest.mark.timeout(600)
def test_connections_that_break_while_answers_are_due_double_nothing(
    shipper, logger, own_kafka, fault_scale
):
    """
    The broker stands still until librdkafka gives a connection up, repeatedly.
    """
    topic = own_kafka.create_topic(own_kafka.topic(), 2)
    handler = shipper(
        own_kafka,
        topic,
        overflow="block",
        block_seconds=300,
        producer_config={"socket.timeout.ms": 1000},
    )
    open_lane(handler, logger)
    with Talkers(logger, pause=0.002) as talkers:
        for _ in range(int(20 * fault_scale)):
            talkers.wait_for(50)
            own_kafka.pause()
            time.sleep(2.5)
            own_kafka.resume()
    is_done = drained(handler, 120)

    assert is_done, handler.stats()
    assert NOTHING_WRONG == _found(own_kafka, topic, talkers.issued)
    assert 0 == handler.stats().retried


def test_broker_killed_and_started_on_its_port_goes_on(
    shipper, logger, mock_kafka
):
    """
    It has lost what it had, and gets all that comes after its return.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    handler = shipper(mock_kafka, topic)
    open_lane(handler, logger)
    mock_kafka.kill()
    issued = [b"0 %d" % number for number in range(1000)]
    for value in issued:
        logger.warning(value.decode())
    mock_kafka.start()

    assert sent(handler, 1001)
    assert issued == values(mock_kafka, topic, 1000)
    assert {} == handler.stats().dropped


@BOTH
def test_broker_that_stood_still_stores_nothing_twice(
    shipper, logger, own_kafka
):
    """
    Longer than an attempt may take, and none is repeated by us.
    """
    topic = own_kafka.create_topic(own_kafka.topic())
    handler = shipper(own_kafka, topic, send_timeout_seconds=1)
    open_lane(handler, logger)
    assert handler.flush(PATIENT)
    own_kafka.pause()
    for number in range(20):  # by the worker
        logger.warning("0 %d", number)
    time.sleep(3)
    own_kafka.resume()

    assert sent(handler, 21)
    assert NOTHING_WRONG == _found(own_kafka, topic, [20])


# --- leaders and distance ---


@pytest.mark.parametrize("mock_kafka", [3], indirect=True)
def test_leaders_that_move_lose_nothing(
    shipper, logger, mock_kafka, fault_scale
):
    """
    Partitions change their broker while threads log, and one broker is away.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic(), 4)
    handler = shipper(mock_kafka, topic, overflow="block", block_seconds=300)
    open_lane(handler, logger)
    with Watch(handler, 0.002) as watch:
        with Talkers(logger, pause=0.002) as talkers:
            for turn in range(max(6, int(30 * fault_scale))):
                for partition in range(4):
                    mock_kafka.leader(
                        topic, partition, 1 + (turn + partition) % 3
                    )
                talkers.wait_for(50)
            for partition in range(4):
                mock_kafka.leader(topic, partition, 1)
            mock_kafka.down(2)
            talkers.wait_for(50)
            mock_kafka.up(2)
        assert drained(handler, PATIENT)

    assert NOTHING_WRONG == _found(mock_kafka, topic, talkers.issued)
    assert [] == watch.wrong
    assert {} == handler.stats().dropped


def test_distant_broker_gets_all_and_is_not_felt(
    shipper, logger, mock_kafka, fault_scale
):
    """
    With 200 ms to each answer nothing is lost, late or doubled.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic(), 4)
    handler = shipper(mock_kafka, topic)
    open_lane(handler, logger)
    mock_kafka.rtt(0.2)
    began = time.monotonic()
    with Talkers(logger, int(50_000 * fault_scale) // THREADS) as talkers:
        pass
    logged = time.monotonic() - began
    assert handler.flush(PATIENT)

    assert NOTHING_WRONG == _found(mock_kafka, topic, talkers.issued)
    # an answer for each would take 1000 s
    assert logged < 30
    assert 0 == handler.stats().retried


@pytest.mark.parametrize("codes", [(-195,) * 5, (NOT_LEADER,) * 20, (7,) * 5])
def test_errors_that_librdkafka_repeats_are_not_felt(
    shipper, logger, mock_kafka, codes
):
    """
    Connections that break, leaders that moved, requests that timed out.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    handler = shipper(mock_kafka, topic)
    open_lane(handler, logger)
    mock_kafka.errors(PRODUCE, *codes)
    with Talkers(logger, 500) as talkers:
        pass

    assert sent(handler, 500 * THREADS + 1)
    assert NOTHING_WRONG == _found(mock_kafka, topic, talkers.issued)
    assert 0 == handler.stats().retried


# --- a full queue ---


def test_full_queue_drops_the_newest_and_counts_them(
    shipper, logger, mock_kafka
):
    """
    What was accepted before is delivered, in order.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    handler = shipper(mock_kafka, topic, max_queue_records=1000)
    open_lane(handler, logger)
    mock_kafka.stop()
    with Watch(handler, 0.002) as watch:
        with Talkers(logger, 2000) as talkers:
            pass
        during = handler.stats()
        mock_kafka.start()
        assert drained(handler, PATIENT)
    found = _found(mock_kafka, topic, talkers.issued, arrived=1001)

    assert [] == watch.wrong
    assert {"queue_full": 7000} == during.dropped
    assert (7000, 0, 0, 0) == found
    assert 1001 == handler.stats().sent


def test_caller_does_not_feel_a_broker_in_trouble(shipper, logger, mock_kafka):
    """
    Away, frozen or full: no call takes as long as a connection would.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    handler = shipper(mock_kafka, topic, max_queue_records=2000)
    open_lane(handler, logger)
    slowest = []
    for trouble in (mock_kafka.stop, mock_kafka.freeze, mock_kafka.pause):
        trouble()
        with Talkers(logger, 2000, threads=1) as talkers:
            pass
        slowest.append(talkers.slowest)
        mock_kafka.start()
        assert drained(handler, PATIENT)

    assert max(slowest) < 1


def test_memory_is_bounded_however_long_the_broker_is_away(
    shipper, logger, mock_kafka, fault_scale
):
    """
    A million records cost what the queue may hold.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    handler = shipper(
        mock_kafka, topic, max_queue_records=10_000, max_queue_bytes="4MiB"
    )
    open_lane(handler, logger)
    mock_kafka.stop()
    for number in range(20_000):
        logger.warning("%0200d", number)
    before = resident()
    for number in range(int(1_000_000 * fault_scale)):
        logger.warning("%0200d", number)

    assert resident() - before < 30 * MIB
    stats = handler.stats()
    assert stats.queued + stats.in_flight <= 10_000
    assert 0 == unaccounted(stats)


# --- beside a thread that computes ---


def test_thread_that_computes_costs_no_record(
    shipper, logger, mock_kafka, tmp_path
):
    """
    Reports that come slowly are still all taken, at the close as well.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic(), 4)
    handler = shipper(mock_kafka, topic, **_spooled(tmp_path))
    open_lane(handler, logger)
    with computing():
        with Talkers(logger, 2500) as talkers:
            talkers.wait_for(500)
            mock_kafka.stop()
        handler.close(1)
        stats = handler.stats()
        mock_kafka.start()
        logger.removeHandler(handler)
        heir = shipper(mock_kafka, topic, **_spooled(tmp_path))
        heir.start()
        assert sent(heir, stats.spooled)

    assert {} == stats.dropped
    assert 0 == unaccounted(stats)
    found = _found(mock_kafka, topic, talkers.issued, repeats=True)
    assert NOTHING_WRONG == found


# --- forks ---


def test_children_of_a_process_that_logs_send_their_own_records_once(
    shipper, logger, mock_kafka, fault_scale
):
    """
    While threads of the parent log, and none of theirs is doubled.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic(), 4)
    handler = shipper(mock_kafka, topic, overflow="block", block_seconds=300)
    open_lane(handler, logger)
    children = max(4, int(20 * fault_scale))
    with Talkers(logger, pause=0.002) as talkers:
        for number in range(children):
            talkers.wait_for(20)
            _ended(_child(handler, logger, number))
    assert drained(handler, PATIENT)
    theirs = {
        b"child %d %d" % (child, number)
        for child in range(children)
        for number in range(50)
    }
    wanted = sum(talkers.issued) + len(theirs) + 1
    seen = collections.Counter(values(mock_kafka, topic, wanted))

    assert wanted == seen.total() == len(seen)
    assert theirs <= set(seen)


def _child(handler, logger, name):
    """
    Fork a child that logs 50 records and ends by close().
    """
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for number in range(50):
            logger.warning("child %d %d", name, number)
        handler.close(PATIENT)
        code = 0 if handler.stats().sent == 50 else 2
    finally:
        os._exit(code)


def _ended(pid, seconds=PATIENT):
    status = []

    def is_over():
        found, code = os.waitpid(pid, os.WNOHANG)
        if found:
            status.append(os.waitstatus_to_exitcode(code))
        return found

    if not wait_until(is_over, seconds):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        pytest.fail("the child hangs")
    assert 0 == status[0]


def test_children_without_the_hook_are_noticed(
    shipper, logger, mock_kafka, monkeypatch
):
    """
    The control: a child that goes on with the parent's client sends nothing.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    handler = shipper(mock_kafka, topic)
    open_lane(handler, logger)
    for kind in (outbox.ProducerOutbox, producer.Producer):
        monkeypatch.setattr(kind, "forget_parent", lambda self: None)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            logger.warning("child")
            handler._outbox.flush(time.monotonic() + 1)
            code = 0 if handler.stats().sent == 2 else 3
        finally:
            os._exit(code)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        _ended(pid, 15)


def test_children_of_multiprocessing_send_what_they_logged(mock_kafka):
    """
    They end without atexit, and all of theirs arrives.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    code = """
import logging, multiprocessing, sys
sys.path.append(sys.argv[3])
from producing import handler_to, open_lane
logger = logging.getLogger("x")

def work(number):
    for each in range(100):
        logger.warning("child %d %d", number, each)

handler = handler_to(sys.argv[1], sys.argv[2])
logger.addHandler(handler)
open_lane(handler, logger)
fork = multiprocessing.get_context("fork")
children = [fork.Process(target=work, args=(n,)) for n in range(4)]
for each in children:
    each.start()
for each in children:
    each.join(40)
print([each.exitcode for each in children])
"""
    done = _run(code, mock_kafka.bootstrap, topic)

    assert "[0, 0, 0, 0]" == done.stdout.strip(), done
    found = values(mock_kafka, topic, 401)
    assert 401 == len(found) == len(set(found))


def _run(code, *arguments, timeout=55, **options):
    """
    Run *code* with *arguments* and the folder of the tests.
    """
    return subprocess.run(
        [sys.executable, "-c", code, *arguments, str(TESTS)],
        capture_output=True,
        text=True,
        timeout=timeout,
        **options,
    )


# --- kill -9 ---

WRITER = """
import json, logging, os, sys, time
address, topic, folder, mode, fault, last, tests = sys.argv[1:]
sys.path.append(tests)
from producing import handler_to
from shipping import drained
from mllog.delivery.admission import Admission

if fault == "writes nothing ahead":
    Admission.store = lambda self, entry: False
handler = handler_to(
    address, topic, spool=mode, spool_dir=folder + "/spool",
    spool_fsync="never", max_queue_records=1000,
)
handler.set_name("kafka")
logger = logging.getLogger("writer")
logger.addHandler(handler)
logging.raiseExceptions = False
if last == "last":
    handler.start()
    time.sleep(0.2)
    done = drained(handler, 40)
    print(json.dumps({"done": done, "dropped": handler.stats().dropped}))
    sys.exit()
accepted = os.open(folder + "/accepted", os.O_WRONLY | os.O_APPEND)
print("ready", flush=True)
number = 0
while True:
    logger.warning("%s %d", last, number)
    os.write(accepted, b"%s %d\\n" % (last.encode(), number))
    number += 1
    if number > 5000:
        time.sleep(0.001)
"""


def _massacre(kafka, folder, mode, fault, kills):
    """
    Kill writers one after the other, some while the broker is away.

    Gives for each how many of its records are lost, and what is doubled.
    """
    topic = kafka.create_topic(kafka.topic(), 8)
    (folder / "accepted").touch()
    for number in range(kills):
        if number % 2:
            kafka.stop()
        victim = subprocess.Popen(
            [
                *(sys.executable, "-c", WRITER, kafka.bootstrap, topic),
                *(str(folder), mode, fault, str(number), str(TESTS)),
            ],
            stdout=subprocess.PIPE,
        )
        try:
            victim.stdout.readline()
            before = _lines(folder)
            assert wait_until(lambda: _lines(folder) > before + 1500, PATIENT)
        finally:
            victim.kill()
            victim.communicate()
            kafka.start()
    done = _run(WRITER, kafka.bootstrap, topic, str(folder), mode, "", "last")
    told = json.loads(done.stdout)
    assert told == {"done": True, "dropped": {}}, done
    # a consumer reads what an idempotent producer left at once
    arrived = collections.Counter(values(kafka, topic))
    accepted = (folder / "accepted").read_bytes().splitlines()
    lost = collections.Counter(
        line.split()[0] for line in accepted if line not in arrived
    )
    return lost, sum(times > 1 for times in arrived.values())


def _lines(folder):
    return (folder / "accepted").read_bytes().count(b"\n")


def test_spool_always_loses_no_record_to_kills(
    mock_kafka, tmp_path, fault_scale
):
    """
    Each record whose call returned arrives, whatever the broker did.
    """
    lost, _ = _massacre(
        mock_kafka, tmp_path, "always", "", max(2, int(20 * fault_scale))
    )

    assert {} == lost


def test_spool_overflow_loses_at_most_the_queue_to_a_kill(
    mock_kafka, tmp_path, fault_scale
):
    """
    With its 1000 records in memory it loses no more than them.
    """
    lost, _ = _massacre(
        mock_kafka, tmp_path, "overflow", "", max(2, int(20 * fault_scale))
    )

    assert max(lost.values(), default=0) <= 1000


def test_kills_are_noticed_by_the_oracle_where_nothing_guards(
    mock_kafka, tmp_path
):
    """
    The control: a spool that writes nothing ahead loses what waited.
    """
    lost, _ = _massacre(
        mock_kafka, tmp_path, "always", "writes nothing ahead", 2
    )

    assert 0 < lost.total()


# --- the end of a process ---

ENDING = """
import atexit, json, sys, threading, time
address, topic, folder, count, fault, tests = sys.argv[1:]

def tell():
    stats = handler.stats()
    print(json.dumps({
        "accepted": stats.accepted, "sent": stats.sent,
        "dropped": stats.dropped, "spooled": stats.spooled,
        "waits": stats.queued + stats.in_flight, "off": unaccounted(stats),
        "took": time.monotonic() - began,
    }), flush=True)

# before logging's own is registered, so that it runs after it
atexit.register(tell)
import logging
sys.path.append(tests)
from producing import handler_to, is_open
from shipping import unaccounted
from mllog.delivery.kafka import outbox

handler = handler_to(
    address, topic, **({"spool": "overflow", "spool_dir": folder} if folder else {})
)
handler.set_name("kafka")
logging.getLogger().addHandler(handler)
logging.warning("first")
if fault != "never open":
    assert is_open(handler)
print("ready", flush=True)
sys.stdin.readline()
if fault == "computing":
    def compute():
        while True:
            sum(range(1000))
    threading.Thread(target=compute, daemon=True).start()
if fault == "forgets":
    outbox.ProducerOutbox._give_back = lambda self, returned: None
for number in range(int(count)):
    logging.warning("0 %d", number)
began = time.monotonic()
"""


# what a loaded machine adds to the budget
SLACK_SECONDS = 3


@pytest.fixture
def budget(monkeypatch, fault_scale):
    """
    Seconds that all handlers have at the exit: five in full size.
    """
    seconds = 5 if fault_scale == 1 else 2
    monkeypatch.setenv("MLLOG_EXIT_SECONDS", str(seconds))
    return seconds


def _ends(kafka, topic, trouble, folder="", count=20_000, fault=""):
    """
    A process that logs after *trouble* and ends; gives what it says, in JSON.

    The seconds are those from its last log call to its end.
    """
    address = getattr(kafka, "bootstrap", kafka)
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", ENDING, address, topic, str(folder)),
            *(str(count), fault, str(TESTS)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "ready\n" == process.stdout.readline()
        trouble()
        out, err = process.communicate("go\n", timeout=45)
    finally:
        process.kill()
        process.wait()
    assert 0 == process.returncode, err
    told = json.loads(out)
    told["err"] = err
    return told


TROUBLES = {
    "dead": lambda kafka: kafka.stop,
    "frozen": lambda kafka: kafka.pause,
    "black-holed": lambda kafka: kafka.freeze,
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("how", ["off", "spool"])
def test_process_with_a_useless_broker_ends_in_time_and_counts(
    mock_kafka, tmp_path, trouble, how, budget
):
    """
    In its time, and each record is sent, in the spool, or counted.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    folder = tmp_path / "spool" if how == "spool" else ""
    told = _ends(mock_kafka, topic, TROUBLES[trouble](mock_kafka), folder)
    mock_kafka.start()
    print(told)

    assert told["took"] < budget + SLACK_SECONDS
    assert (20_001, 0, 0) == (told["accepted"], told["waits"], told["off"])
    if folder:
        assert ({}, 20_001) == (
            told["dropped"],
            told["sent"] + told["spooled"],
        )
        (left,) = [each for each in folder.iterdir()]
        waiting = sum(each.records for each in inspect(str(left)))
        assert told["spooled"] == waiting
        assert "wait in the spool" in told["err"]
    else:
        lost = told["dropped"]["unsent_at_close"]
        assert 20_001 == told["sent"] + lost
        assert f"{lost} records were not sent" in told["err"]


def test_process_whose_broker_never_was_ends_in_time_and_counts(budget):
    """
    Nobody listens, nothing was ever sent, and all of it is counted.
    """
    told = _ends(
        f"127.0.0.1:{free_port()}", "test", lambda: None, fault="never open"
    )

    assert told["took"] < budget + SLACK_SECONDS
    assert (20_001, 0, 0) == (told["accepted"], told["sent"], told["off"])
    assert 20_001 == told["dropped"]["unsent_at_close"]


@pytest.mark.parametrize("how", ["off", "spool"])
def test_process_that_computes_ends_in_time_and_counts(
    mock_kafka, tmp_path, how, budget
):
    """
    A daemon thread that never waits costs neither the budget nor a record.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    folder = tmp_path / "spool" if how == "spool" else ""
    told = _ends(mock_kafka, topic, mock_kafka.stop, folder, fault="computing")
    print(told)

    assert told["took"] < budget + SLACK_SECONDS + 2
    assert (20_001, 0, 0) == (told["accepted"], told["waits"], told["off"])
    assert 1 == told["sent"]


def test_process_that_forgets_is_noticed(mock_kafka, budget):
    """
    The control: what comes back at the exit is thrown away.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    told = _ends(mock_kafka, topic, mock_kafka.stop, fault="forgets")

    assert 0 != told["off"]


def test_process_with_a_healthy_broker_sends_all_at_its_end(mock_kafka):
    """
    Nothing is asked of the application, and it ends at once.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic(), 4)
    told = _ends(mock_kafka, topic, lambda: None)

    assert (20_001, {}) == (told["sent"], told["dropped"])
    found = values(mock_kafka, topic, 20_001)
    assert 20_001 == len(found) == len(set(found))
    assert "" == told["err"]


def test_flush_that_a_signal_handler_outlasts_ends(
    shipper, logger, mock_kafka
):
    """
    A handler that runs past the deadline does not make it wait for ever.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    handler = shipper(mock_kafka, topic)
    open_lane(handler, logger)
    mock_kafka.stop()
    logger.warning("0 0")

    def release():  # so that the test ends
        for waiter in list(handler._outbox._waiters):
            waiter.ring()

    before = signal.signal(signal.SIGUSR1, lambda *_: time.sleep(1))
    timers = [
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)),
        threading.Timer(10, release),
    ]
    try:
        for each in timers:
            each.start()
        began = time.monotonic()
        handler.flush(0.5)
        took = time.monotonic() - began
    finally:
        for each in timers:
            each.cancel()
        signal.signal(signal.SIGUSR1, before)

    assert took < 8


NESTED = """
import logging, sys
address, topic, folder, what, tests = sys.argv[1:]
sys.path.append(tests)
from producing import PATIENT, handler_to, open_lane, sent
from shipping import unaccounted
from mllog.delivery.kafka.producer import Producer

logger = logging.getLogger("x")
handler = handler_to(
    address, topic, spool="overflow", spool_dir=folder, max_queue_records=5000
)
logger.addHandler(handler)
bare = Producer._bare
nested = [0]

def interrupted(self, *report):  # as by a signal in the midst of a report
    bare(self, *report)
    nested[0] += 1
    if nested[0] % 100 == 1:
        if what == "flushes":
            handler.flush(0.01)
        else:
            handler._outbox._lane.is_full = True
            logger.warning("nested")

Producer._bare = interrupted
open_lane(handler, logger)
print("ready", flush=True)
sys.stdin.readline()
for number in range(1000):
    logger.warning("%d", number)
outbox = handler._outbox
with outbox._lock:  # the reports come to this thread
    outbox._shut()
outbox._recall()
print("recalled", flush=True)
sys.stdin.readline()
is_done = handler.flush(PATIENT) and sent(handler, 1001)
assert is_done, handler.stats()
assert not unaccounted(handler.stats()), handler.stats()
assert nested[0], "no message came back"
"""


@pytest.mark.parametrize("what", ["flushes", "logs"])
def test_signal_handler_in_a_report_does_not_end_the_process(
    mock_kafka, tmp_path, what
):
    """
    The client must not be polled within its own callback.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", NESTED, mock_kafka.bootstrap, topic),
            *(str(tmp_path / "spool"), what, str(TESTS)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "ready\n" == process.stdout.readline()
        mock_kafka.stop()
        process.stdin.write("go\n")
        process.stdin.flush()
        said = process.stdout.readline()
        mock_kafka.start()
        _, err = process.communicate("go\n", timeout=50)
    finally:
        process.kill()
        process.wait()

    assert ("recalled\n", 0) == (said, process.returncode), err
    found = set(values(mock_kafka, topic))
    assert {b"%d" % number for number in range(1000)} <= found


# --- what needs a person ---


def _told(capsys, so_far):
    so_far.append(capsys.readouterr().err)
    return "".join(so_far)


@pytest.mark.kafka
def test_wrong_password_is_told_and_loses_nothing(
    shipper, logger, broker, tmp_path, capsys, impatient
):
    """
    People hear what to mend, never the password; the right one sends all.
    """
    topic = broker.create_topic(broker.topic())
    access = {
        "ca_file": broker.ca_file,
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": broker.writer.name,
    }
    secret = "wrong-" + broker.writer.password
    wrong = shipper(
        broker.sasl_bootstrap,
        topic,
        sasl_password=secret,
        **access,
        **_spooled(tmp_path),
    )
    for number in range(100):
        logger.warning("0 %d", number)
    so_far = []

    assert wait_until(lambda: "cannot send" in _told(capsys, so_far), PATIENT)
    assert "fix: mend sasl_username, sasl_password" in _told(capsys, so_far)
    wrong.close(1)
    text = _told(capsys, so_far)
    assert secret not in text + repr(wrong) + str(wrong.stats())
    assert (100, {}) == (wrong.stats().spooled, wrong.stats().dropped)
    logger.removeHandler(wrong)
    right = shipper(
        broker.sasl_bootstrap,
        topic,
        sasl_password=broker.writer.password,
        **access,
        **_spooled(tmp_path),
    )
    right.start()
    assert sent(right, 100)
    assert NOTHING_WRONG == _found(broker, topic, [100])


@pytest.mark.kafka
@pytest.mark.parametrize("how", ["wrong authority", "no TLS", "wrong port"])
def test_tls_that_does_not_fit_is_told_and_nothing_is_sent(
    shipper, logger, broker, tmp_path, capsys, how
):
    """
    The reason stands in the report, and no byte of a record went out.
    """
    from servers.certificates import Authority

    topic = broker.create_topic(broker.topic())
    ca = Authority(tmp_path, "other").cert
    address, options = {
        "wrong authority": (broker.tls_bootstrap, {"ca_file": ca}),
        "no TLS": (broker.tls_bootstrap, {}),
        "wrong port": (broker.bootstrap, {"ca_file": broker.ca_file}),
    }[how]
    handler = shipper(address, topic, **options)
    logger.warning("0 0")
    so_far = []

    assert wait_until(lambda: "cannot send" in _told(capsys, so_far), PATIENT)
    told = "".join(so_far)
    assert topic in told
    assert {
        "wrong authority": "certificate",
        "no TLS": "security_protocol",
        "wrong port": "SSL",
    }[how] in told
    assert 0 == handler.stats().sent
    assert [] == values(broker, topic)


@pytest.mark.kafka
def test_right_that_is_missing_is_told_and_kept(
    shipper, logger, broker, capsys, impatient
):
    """
    Who may not write hears which right it is, at once.
    """
    topic = broker.create_topic(broker.topic("forbidden"))
    handler = shipper(
        broker.sasl_bootstrap,
        topic,
        ca_file=broker.ca_file,
        sasl_mechanism="PLAIN",
        sasl_username=broker.limited.name,
        sasl_password=broker.limited.password,
    )
    logger.warning("0 0")
    so_far = []

    assert wait_until(
        lambda: "allow Write and Describe" in _told(capsys, so_far), PATIENT
    )
    assert 0 == handler.stats().sent
    assert 0 == unaccounted(handler.stats())


@pytest.mark.kafka
@pytest.mark.timeout(200)
@pytest.mark.parametrize("create", [True, False])
def test_topic_deleted_meanwhile_is_made_again_or_waited_for(
    shipper, logger, own_kafka, capsys, impatient, create
):
    """
    With create_topic by the handler; else people hear, and make it.
    """
    topic = own_kafka.create_topic(own_kafka.topic())
    handler = shipper(
        own_kafka,
        topic,
        create_topic={"num_partitions": 2} if create else None,
        producer_config={"topic.metadata.refresh.interval.ms": 1000},
    )
    open_lane(handler, logger)
    own_kafka.delete_topic(topic)
    with Watch(handler, 0.002) as watch:
        with Talkers(logger, pause=0.01, threads=2) as talkers:
            so_far = []
            if not create:
                assert wait_until(
                    lambda: (
                        "make the topic, mend its name"
                        in _told(capsys, so_far)
                    ),
                    90,
                )
                own_kafka.create_topic(topic, 2)
            assert wait_until(lambda: own_kafka.partitions(topic), 90)
            assert wait_until(lambda: handler.stats().sent > 1, 90)
            talkers.wait_for(100)
        is_done = drained(handler, 90)

    assert is_done, handler.stats()
    assert [] == watch.wrong
    assert {} == handler.stats().dropped
    seen = set(values(own_kafka, topic))
    issued = {
        b"%d %d" % (thread, number)
        for thread, count in enumerate(talkers.issued)
        for number in range(count)
    }
    # what was stored between the look and the deletion went with it
    assert len(issued - seen) <= handler.stats().sent - len(seen)


@pytest.mark.kafka
def test_topic_that_is_not_there_is_told_and_made_when_asked_for(
    shipper, logger, kafka, capsys
):
    """
    Without create_topic people hear; with it the handler makes it.
    """
    topic = kafka.topic()
    lacking = shipper(kafka, topic)
    logger.warning("0 0")
    so_far = []
    assert wait_until(
        lambda: "make the topic, mend its name" in _told(capsys, so_far),
        PATIENT,
    )
    assert 0 == lacking.stats().sent
    logger.removeHandler(lacking)
    making = shipper(kafka, topic, create_topic={"num_partitions": 3})
    logger.warning("0 0")

    assert sent(making, 1)
    assert 3 == kafka.partitions(topic)


# --- messages that the broker does not take ---


@pytest.mark.kafka
@pytest.mark.parametrize("keeps", [True, False])
def test_message_too_large_for_the_broker_harms_no_neighbour(
    shipper, logger, kafka, tmp_path, keeps, capsys
):
    """
    Its limit is below ours: those are kept for people, or counted.
    """
    from confluent_kafka.admin import NewTopic

    topic = kafka.topic()
    admin = kafka.admin()  # one that nobody holds ends
    wanted = NewTopic(topic, 1, 1, config={"max.message.bytes": "5000"})
    admin.create_topics([wanted])[topic].result(30)
    letters = tmp_path / "letters"
    handler = shipper(
        kafka,
        topic,
        compression="none",
        **({"dead_letter_file": str(letters)} if keeps else {}),
    )
    with Watch(handler, 0.002) as watch:
        open_lane(handler, logger)
        for number in range(600):
            size = 20_000 if number % 100 == 50 else 20
            logger.warning("0 %d %s", number, "x" * size)
        is_done = drained(handler, PATIENT)
    stats = handler.stats()

    assert is_done, stats
    assert [] == watch.wrong
    found = kafka.messages(topic, 595)[1:]
    expected = [n for n in range(600) if n % 100 != 50]
    assert expected == [int(m.value.split()[1]) for m in found]
    assert 595 == stats.sent
    if keeps:
        assert (6, {}) == (stats.dead_lettered, stats.dropped)
        assert 6 == len(letters.read_text().splitlines())
    else:
        assert (0, {"rejected": 6}) == (stats.dead_lettered, stats.dropped)


# --- recursion ---


def test_root_at_debug_brings_nothing_of_its_own(mock_kafka, tmp_path):
    """
    What client and registry log while they send never comes to the topic.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    code = """
import logging, sys
sys.path.append(sys.argv[3])
from producing import handler_to
from servers.registry import Registry

class Avro(logging.Formatter):
    avro_schemas = {"application/vnd.apache.avro+binary;schema=a": '"string"'}
    def events(self, record):
        from mllog.events import Event
        (kind,) = self.avro_schemas
        return (Event(record.getMessage().encode(), content_type=kind),)

with Registry() as registry:
    handler = handler_to(
        sys.argv[1], sys.argv[2], bare=False,
        producer_config={"debug": "broker,msg"},
        schema_registry={"url": registry.url},
    )
    handler.setFormatter(Avro())
    root = logging.getLogger()
    root.setLevel(1)
    root.addHandler(handler)
    for number in range(100):
        logging.debug("%d", number)
        if number == 50:
            handler.flush(30)
    handler.flush(30)
    stats = handler.stats()
    print(stats.accepted, stats.sent, len(registry.asked))
"""
    done = _run(code, mock_kafka.bootstrap, topic)
    found = values(mock_kafka, topic)

    assert 0 == done.returncode, done
    assert 100 == len(found), done
    expected = [b"\0\0\0\0\1%d" % number for number in range(100)]
    assert expected == found
    accepted, went, _ = done.stdout.split()
    assert ("100", "100") == (accepted, went)
    assert "" == done.stderr


def test_recursion_is_noticed_without_the_guard(
    shipper, logger, mock_kafka, monkeypatch
):
    """
    The control: a client that logs while it sends goes round and round.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    monkeypatch.setattr(
        "mllog.delivery.worker.mark_as_ours", contextlib.nullcontext
    )
    send = transport.KafkaTransport.send

    def talking(self, events, deadline):
        logger.warning("sends")
        send(self, events, deadline)

    monkeypatch.setattr(transport.KafkaTransport, "send", talking)
    handler = shipper(mock_kafka, topic, **{"spool": "off"})
    logger.warning("first")

    assert wait_until(lambda: handler.stats().accepted > 1, PATIENT)
