"""
The producer of one process: what it is given, and what it gives back.
"""

import os
import threading
import time

import pytest
from shipping import wait_until

pytest.importorskip("confluent_kafka")

from producing import PATIENT, SOON, computing, values  # noqa: E402
from servers.kafka_cluster import PRODUCE  # noqa: E402

from mllog import forking  # noqa: E402
from mllog.delivery.bounds import Bounds  # noqa: E402
from mllog.delivery.kafka import Producer, Settings  # noqa: E402
from mllog.delivery.kafka import producer as module  # noqa: E402
from mllog.errors import ConfigError, MissingPackageError  # noqa: E402
from mllog.events import Event  # noqa: E402

TOO_LARGE = 10


@pytest.fixture
def make(mock_kafka):
    """
    Makes open producers to a topic of the mock.
    """
    made = []

    def producer(config=None, **bounds):
        topic = mock_kafka.create_topic(mock_kafka.topic())
        settings = Settings(
            mock_kafka.bootstrap, producer_config={**SOON, **(config or {})}
        )
        bounds = {"linger_seconds": 0.005, "max_age_seconds": None, **bounds}
        producer = Producer(settings.producer(Bounds(**bounds)), topic)
        producer.open()
        made.append(producer)
        return producer

    yield producer
    for each in made:
        each.purge()
        each.close()


def _gave_all(producer):
    """
    Wait until nothing is left in *producer*.
    """
    return wait_until(lambda: not producer.flush(0.05), PATIENT)


def test_producer_connects_to_nobody_until_it_is_opened():
    """
    Its constructor needs no broker, and neither does the check.
    """
    config = Settings("127.0.0.1:1").producer(Bounds())
    producer = Producer(config, "t")
    producer.check()

    assert not producer.is_open
    assert 0 == len(producer)
    assert 0 == producer.flush(1)
    producer.poll(1)
    producer.purge()
    producer.close()


def test_setting_that_librdkafka_refuses_is_named():
    """
    By a ConfigError that names the setting.
    """
    producer = Producer({"no.such.setting": 1}, "t")

    with pytest.raises(ConfigError, match="no.such.setting"):
        producer.check()


def test_package_that_is_missing_is_named(monkeypatch):
    """
    With the extra that installs it.
    """
    import sys

    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(MissingPackageError, match=r"handlers\[kafka\]"):
        Producer({}, "t")


def test_messages_that_are_delivered_are_only_counted_out(make, mock_kafka):
    """
    Nothing comes back, and nothing is left.
    """
    producer = make()
    for number in range(100):
        producer.produce(b"%d" % number, number)
    waited = len(producer)

    assert 100 == waited
    assert _gave_all(producer)
    assert [] == producer.take_returned()
    assert [b"%d" % n for n in range(100)] == values(
        mock_kafka, producer.topic
    )


def test_messages_that_are_purged_come_back_as_they_were(make, mock_kafka):
    """
    In order, with value, key, headers, number, error and age.
    """
    producer = make()
    mock_kafka.stop()
    began = time.monotonic()
    events = [
        Event(
            b"v%d" % number,
            b"k" if number % 2 else None,
            (("h", b"%d" % number), ("h", b"\xff")),
            "a/b",
        )
        for number in range(50)
    ]
    for number, event in enumerate(events):
        producer.produce(event if number % 5 else event.value, number)
    while time.monotonic() < began + 0.2:
        producer.poll(0.05)
    producer.purge()
    took = time.monotonic() - began
    found = producer.take_returned()

    assert 0 == len(producer)
    assert list(range(50)) == [each.number for each in found]
    for each, event in zip(found, events, strict=True):
        expected = (event,) if each.number % 5 else event.value
        assert expected == each.entry
        assert each.error.name().startswith("_PURGE")
        assert 0.1 < each.seconds <= took + 0.1
    assert [] == producer.take_returned()
    mock_kafka.start()
    assert [] == values(mock_kafka, producer.topic)


def test_messages_come_back_by_number_whenever_they_did(make, mock_kafka):
    """
    One that failed late is in its place.
    """
    producer = make({"batch.num.messages": 1})
    producer.produce(b"first", 0)
    assert _gave_all(producer)
    mock_kafka.stop()
    for number in (7, 3, 5, 1):
        producer.produce(b"%d" % number, number)
    producer.purge()

    assert [1, 3, 5, 7] == [each.number for each in producer.take_returned()]


def test_message_that_the_broker_refuses_comes_back_alone(make, mock_kafka):
    """
    Its neighbours are delivered.
    """
    producer = make({"batch.num.messages": 1, "max.in.flight": 1})
    mock_kafka.errors(PRODUCE, 0, TOO_LARGE)
    for number in range(3):
        producer.produce(b"%d" % number, number)

    assert _gave_all(producer)
    (returned,) = producer.take_returned()
    assert (1, b"1") == (returned.number, returned.entry)
    assert "MSG_SIZE_TOO_LARGE" == returned.error.name()
    assert [b"0", b"2"] == values(mock_kafka, producer.topic)


def test_purge_beside_a_thread_that_computes_gives_all_back(make, mock_kafka):
    """
    However slowly reports come, none is left behind.
    """
    producer = make(max_queue_records=20_000)
    mock_kafka.stop()
    for number in range(20_000):
        producer.produce(b"x", number)
    with computing():
        producer.purge()

    assert 0 == len(producer)
    assert 20_000 == len(producer.take_returned())


def test_queue_that_is_full_raises_buffererror(make, mock_kafka):
    """
    By records and by bytes, and there is room again when some are gone.
    """
    producer = make(max_queue_records=10)
    mock_kafka.stop()
    for number in range(10):
        producer.produce(b"x", number)
    with pytest.raises(BufferError):
        producer.produce(b"x", 10)
    mock_kafka.start()

    assert _gave_all(producer)
    producer.produce(b"x", 10)


def test_broker_that_is_away_is_known_and_why(make, mock_kafka):
    """
    Until something is delivered.
    """
    producer = make()
    producer.produce(b"x", 0)
    assert _gave_all(producer)
    mock_kafka.stop()
    producer.produce(b"x", 1)

    def is_away():
        producer.poll(0.05)
        return producer.watch.is_away and producer.watch.trouble

    assert wait_until(is_away, PATIENT)
    assert "refused" in producer.watch.trouble
    producer.watch.is_well()
    assert ("", False) == (producer.watch.trouble, producer.watch.is_away)


def test_child_of_a_fork_leaks_the_client(make, mock_kafka):
    """
    It has none, what was returned is the parent's, and it makes its own.
    """
    producer = make()
    producer.produce(b"parent", 0)
    assert _gave_all(producer)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            is_new = not producer.is_open and not producer.returned
            is_kept = len(module._leaked) > 0
            producer.open()
            producer.produce(b"child", 0)
            is_sent = _gave_all(producer)
            producer.close()
            code = 0 if is_new and is_kept and is_sent else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)

    assert 0 == os.waitstatus_to_exitcode(status)
    assert [b"parent", b"child"] == values(mock_kafka, producer.topic, 2)


def test_child_that_the_hook_did_not_reach_finds_out(make, monkeypatch):
    """
    A server that forks in C is noticed by the number of the process.
    """
    producer = make()
    made = producer._made
    monkeypatch.setattr(forking, "process", -1)
    forking.woke_up()

    assert not producer.is_open
    assert made in module._leaked
    module._leaked.remove(made)


def test_threads_may_poll_flush_and_close_at_once(make):
    """
    None of them hangs or fails while others use it.
    """
    producer = make()
    faults = []

    def use(method):
        try:
            for number in range(100):
                method(number)
        except BaseException as exc:
            faults.append(exc)

    def produce(number):
        try:
            producer.produce(b"x", number)
        except AttributeError:  # closed, which its callers see to
            pass

    uses = (
        produce,
        lambda number: producer.poll(0.001),
        lambda number: producer.flush(0.001),
        lambda number: len(producer),
        lambda number: producer.take_returned(),
        lambda number: number == 50 and producer.close(),
    )
    threads = [threading.Thread(target=use, args=(each,)) for each in uses]
    for each in threads:
        each.start()
    for each in threads:
        each.join(PATIENT)

    assert not any(each.is_alive() for each in threads)
    assert [] == faults
