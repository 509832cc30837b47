"""
The outbox whose queue is librdkafka's: its lane, its numbers, its end.
"""

import itertools
import logging
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from shipping import Watch, drained, unaccounted, wait_until

pytest.importorskip("confluent_kafka")

from producing import (  # noqa: E402
    PATIENT,
    end,
    handler_to,
    is_open,
    lane,
    late,
    open_lane,
    sent,
    threads_of_librdkafka,
    values,
)
from servers.kafka_cluster import INIT_PRODUCER_ID, PRODUCE  # noqa: E402

from mllog.delivery import outbox as base  # noqa: E402
from mllog.delivery import retry  # noqa: E402
from mllog.delivery.kafka import outbox as module  # noqa: E402
from mllog.delivery.spool import Spool  # noqa: E402
from mllog.events import Event  # noqa: E402

NOT_LEADER, NO_RIGHT, TOO_LARGE = 6, 29, 10


@pytest.fixture
def shipper(logger, mock_kafka):
    """
    Makes handlers of the logger to a topic of the mock, and ends them.

    ``topic`` of a handler is where its records are.
    """
    made = []

    def make(partitions=1, **options):
        topic = mock_kafka.create_topic(mock_kafka.topic(), partitions)
        handler = handler_to(mock_kafka, topic, **options)
        handler.topic = topic
        made.append(handler)
        logger.addHandler(handler)
        return handler

    yield make
    mock_kafka.start()
    for handler in made:
        logger.removeHandler(handler)
        end(handler)


@pytest.fixture
def impatient(monkeypatch):
    """
    What needs a person is tried again at once.
    """
    monkeypatch.setattr(retry, "_AUTH_FIRST_SECONDS", 0.02)
    monkeypatch.setattr(retry, "_AUTH_LONGEST_SECONDS", 0.02)


def _spooled(tmp_path, mode="overflow"):
    return {"spool": mode, "spool_dir": str(tmp_path / "spool")}


def _log(logger, count, first=0):
    issued = [b"%d" % number for number in range(first, first + count)]
    for value in issued:
        logger.warning(value.decode())
    return issued


class Several(logging.Formatter):
    """
    A record "a|b|c" is three events.
    """

    def events(self, record):
        return tuple(
            Event(part.encode()) for part in record.getMessage().split("|")
        )


# --- the lane ---


def test_lane_is_shut_until_the_producer_is_made(shipper, logger, mock_kafka):
    """
    The first record goes through the worker, which makes the producer.
    """
    handler = shipper()
    before = lane(handler), handler._outbox._producer.is_open
    open_lane(handler, logger)

    assert ("shut", False) == before
    assert [b"first"] == values(mock_kafka, handler.topic, 1)


def test_lane_that_is_open_needs_no_batch(shipper, logger, mock_kafka):
    """
    Records are librdkafka's at once, and the worker sends none of them.
    """
    handler = shipper()
    open_lane(handler, logger)
    batches = handler.stats().batches
    issued = _log(logger, 1000)
    given = handler._outbox._lane.given

    assert 1000 == given
    assert drained(handler, PATIENT)
    assert batches == handler.stats().batches
    assert [b"first", *issued] == values(mock_kafka, handler.topic, 1001)
    assert "open" == lane(handler)


def test_lane_is_opened_again_after_a_flush(shipper, logger, mock_kafka):
    """
    What comes after a flush goes the long way once, in order.
    """
    handler = shipper()
    open_lane(handler, logger)
    issued = _log(logger, 50)
    assert handler.flush(PATIENT)
    issued += _log(logger, 50, 50)

    assert is_open(handler)
    assert drained(handler, PATIENT)
    assert [b"first", *issued] == values(mock_kafka, handler.topic, 101)


def test_record_of_several_events_is_counted_once_and_in_its_place(
    shipper, logger, mock_kafka
):
    """
    It shuts the lane; none overtakes it, and the lane opens again.
    """
    handler = shipper()
    handler.setFormatter(Several())
    open_lane(handler, logger)
    for text in ("a", "b|c", "d", "e|f|g", "h"):
        logger.warning(text)

    assert sent(handler, 6)
    assert [b"first", *b"a b c d e f g h".split()] == values(
        mock_kafka, handler.topic, 9
    )
    assert 0 == unaccounted(handler.stats())
    assert is_open(handler)


def test_record_without_events_is_skipped(shipper, logger):
    """
    It is neither accepted nor sent, and leaves the lane open.
    """
    handler = shipper()

    class Nothing(logging.Formatter):
        def events(self, record):
            return ()

    open_lane(handler, logger)
    handler.setFormatter(Nothing())
    logger.warning("x")

    assert 1 == handler.stats().skipped
    assert 1 == handler.stats().accepted
    assert "open" == lane(handler)


def test_event_with_key_and_headers_goes_straight(shipper, logger, mock_kafka):
    """
    An entry of one event is no reason to shut the lane.
    """
    handler = shipper()

    class Keyed(logging.Formatter):
        def events(self, record):
            text = record.getMessage().encode()
            return (Event(text, b"k" + text, (("h", text), ("h", b"\xff"))),)

    handler.setFormatter(Keyed())
    open_lane(handler, logger)
    logger.warning("x")

    assert "open" == lane(handler)
    assert sent(handler, 2)
    found = mock_kafka.messages(handler.topic, 2)[1]
    assert (b"x", b"kx") == (found.value, found.key)
    assert [("h", b"x"), ("h", b"\xff")] == found.headers


def test_message_that_comes_back_is_sent_again_in_its_place(
    shipper, logger, mock_kafka, impatient
):
    """
    A refused one shuts the lane, comes back, and none is lost or doubled.
    """
    handler = shipper(producer_config={"batch.num.messages": 10})
    open_lane(handler, logger)
    mock_kafka.errors(PRODUCE, NO_RIGHT)
    with Watch(handler) as watch:
        issued = _log(logger, 100)
        assert sent(handler, 101)

    assert [] == watch.wrong
    assert 0 < handler.stats().retried
    found = values(mock_kafka, handler.topic, 101)
    assert [b"first", *issued] == sorted(found, key=[b"first", *issued].index)
    assert is_open(handler)


def test_leader_that_moves_is_no_reason_to_shut_the_lane(
    shipper, logger, mock_kafka
):
    """
    What librdkafka repeats by itself is none of our business.
    """
    handler = shipper()
    open_lane(handler, logger)
    mock_kafka.errors(PRODUCE, NOT_LEADER, NOT_LEADER)
    issued = _log(logger, 100)

    assert sent(handler, 101)
    assert [b"first", *issued] == values(mock_kafka, handler.topic, 101)
    assert 0 == handler.stats().retried
    assert "open" == lane(handler)


def test_crowd_goes_to_the_spool_and_comes_back_in_order(
    shipper, logger, mock_kafka, tmp_path
):
    """
    Above the high-water mark all moves to disk, and is sent from there.
    """
    handler = shipper(max_queue_records=400, **_spooled(tmp_path))
    open_lane(handler, logger)
    mock_kafka.stop()
    with Watch(handler) as watch:
        issued = _log(logger, 2000)
        assert wait_until(lambda: handler.stats().spooled > 500, PATIENT)
        waiting = handler.stats()
        mock_kafka.start()
        assert sent(handler, 2001)

    assert [] == watch.wrong
    assert {} == handler.stats().dropped
    assert waiting.queued + waiting.in_flight <= 400 + 200
    assert [b"first", *issued] == values(mock_kafka, handler.topic, 2001)
    assert is_open(handler)


def test_orphans_that_are_found_while_the_lane_is_open_are_sent(
    shipper, logger, mock_kafka, tmp_path, monkeypatch
):
    """
    The spool of a process that died meanwhile is sent by one that idles.
    """
    monkeypatch.setattr(base, "_IDLE_SECONDS", 0.1)
    handler = shipper(**_spooled(tmp_path))
    handler.set_name("kafka")
    open_lane(handler, logger)
    pid = os.fork()
    if not pid:
        spool = Spool(handler.spool_folder, max_bytes=1 << 20, fsync="never")
        spool.append([b"orphan 1", b"orphan 2"])
        os._exit(0)
    os.waitpid(pid, 0)

    assert wait_until(lambda: handler.stats().adopted, PATIENT)
    assert sent(handler, 3)
    assert [b"first", b"orphan 1", b"orphan 2"] == values(
        mock_kafka, handler.topic, 3
    )
    assert 0 == unaccounted(handler.stats())


def test_spool_always_never_opens_the_lane(
    shipper, logger, mock_kafka, tmp_path
):
    """
    A record is on disk before its call returns, and not librdkafka's alone.
    """
    handler = shipper(**_spooled(tmp_path, "always"))
    issued = _log(logger, 50)

    assert drained(handler, PATIENT)
    assert issued == values(mock_kafka, handler.topic, 50)
    assert "shut" == lane(handler)
    assert 0 == handler._outbox._lane.given


def test_producer_that_is_fatal_is_replaced(
    shipper, logger, mock_kafka, capfd
):
    """
    A client that can do nothing any more is not kept.
    """
    mock_kafka.errors(INIT_PRODUCER_ID, 31)
    handler = shipper()
    issued = _log(logger, 10)

    assert sent(handler, 10)
    assert issued == values(mock_kafka, handler.topic, 10)
    assert 0 == unaccounted(handler.stats())


def test_producer_that_becomes_fatal_loses_nothing(
    shipper, logger, mock_kafka
):
    """
    What the lane gave it comes back, and a new one sends it.
    """
    handler = shipper()
    open_lane(handler, logger)
    first = handler._outbox._producer._made
    mock_kafka.stop()
    issued = _log(logger, 100)
    # a new epoch is asked for after a message that may be lost
    mock_kafka.errors(PRODUCE, 45)
    mock_kafka.errors(INIT_PRODUCER_ID, 31)
    mock_kafka.start()

    assert sent(handler, 101)
    found = values(mock_kafka, handler.topic, 101)
    assert {b"first", *issued} == set(found)
    assert 0 == unaccounted(handler.stats())
    del first


def test_messages_that_the_broker_will_never_take_are_settled(
    shipper, logger, mock_kafka, capsys
):
    """
    What comes back for what it is goes the long way, and not in circles.
    """
    handler = shipper()
    open_lane(handler, logger)
    mock_kafka.errors(PRODUCE, *[TOO_LARGE] * 60)
    _log(logger, 20)

    assert drained(handler, PATIENT)
    stats = handler.stats()
    rejected = stats.dropped["rejected"]
    assert 0 < rejected
    assert 21 == stats.sent + rejected == stats.accepted
    assert stats.sent == len(values(mock_kafka, handler.topic))
    assert is_open(handler)


def test_lane_that_is_opening_without_room_gets_on(
    shipper, logger, mock_kafka
):
    """
    Large records inside and small ones behind them: all arrive in order.
    """
    handler = shipper(max_queue_bytes="64KiB", max_record_bytes="8KiB")
    open_lane(handler, logger)
    mock_kafka.stop()
    for _ in range(16):
        logger.warning("x" * 4000)
    flush = threading.Thread(target=handler.flush, args=(1,))
    flush.start()
    assert wait_until(lambda: handler._outbox._waiters)
    for number in range(100):
        logger.warning("%03d%s", number, "y" * 300)
    accepted = handler.stats()
    flush.join(PATIENT)
    assert wait_until(lambda: lane(handler) != "emptying")
    mock_kafka.start()

    assert drained(handler, 10)
    dropped = sum(handler.stats().dropped.values())
    found = values(mock_kafka, handler.topic)
    assert handler.stats().accepted - dropped == len(found), accepted
    assert [b"first"] + [b"x" * 4000] * 16 == found[:17]
    assert sorted(found[17:]) == found[17:]


# --- the bounds ---


def test_queue_that_is_full_refuses_the_newest(shipper, logger, mock_kafka):
    """
    librdkafka's queue is bounded by our option, and each refusal counts.
    """
    handler = shipper(max_queue_records=200)
    open_lane(handler, logger)
    mock_kafka.stop()
    with Watch(handler) as watch:
        issued = _log(logger, 500)
    stats = handler.stats()

    assert [] == watch.wrong
    assert {"queue_full": 300} == stats.dropped
    assert 200 == stats.in_flight + stats.queued
    mock_kafka.start()
    assert sent(handler, 201)
    assert [b"first", *issued[:200]] == values(mock_kafka, handler.topic, 201)


def test_queue_nearly_full_refuses_what_is_below_warning(
    shipper, logger, mock_kafka
):
    """
    The last 5 % are for warnings.
    """
    handler = shipper(max_queue_records=200)
    open_lane(handler, logger)
    mock_kafka.stop()
    for number in range(300):
        logger.info("%d", number)
    infos = handler.stats()
    for number in range(20):
        logger.warning("w%d", number)
    warnings = handler.stats()

    assert 190 == infos.in_flight + infos.queued
    assert {"queue_full": 110} == infos.dropped
    assert 200 == warnings.in_flight + warnings.queued
    assert {"queue_full": 120} == warnings.dropped


def test_queue_is_bounded_by_bytes(shipper, logger, mock_kafka):
    """
    max_queue_bytes is what librdkafka keeps as well.
    """
    handler = shipper(max_queue_bytes="64KiB", max_record_bytes="8KiB")
    open_lane(handler, logger)
    mock_kafka.stop()
    for _ in range(100):
        logger.warning("x" * 4000)
    stats = handler.stats()

    assert 16 == stats.in_flight + stats.queued
    assert {"queue_full": 84} == stats.dropped


@pytest.mark.parametrize("how", ["flush", "several events"])
def test_queue_is_not_doubled_by_what_shuts_the_lane(
    shipper, logger, mock_kafka, how
):
    """
    librdkafka's queue and ours together have max_queue_records.
    """
    handler = shipper(max_queue_records=200)
    handler.setFormatter(Several())
    open_lane(handler, logger)
    mock_kafka.stop()
    _log(logger, 150)
    if how == "flush":
        assert not handler.flush(0.1)
    else:
        logger.warning("a|b")
    _log(logger, 400)
    stats = handler.stats()

    assert stats.queued + stats.in_flight <= 200
    assert 0 == unaccounted(stats)


def test_record_as_large_as_the_queue_is_sent(shipper, logger, mock_kafka):
    """
    Whatever our bounds take, librdkafka's do.
    """
    handler = shipper(max_queue_bytes=2000, max_record_bytes=1900)
    logger.warning("x" * 1800)
    logger.warning("y")

    assert sent(handler, 2)
    assert [b"x" * 1800, b"y"] == values(mock_kafka, handler.topic, 2)


def test_block_waits_for_room_and_loses_nothing(shipper, logger, mock_kafka):
    """
    A log call waits until librdkafka has delivered some.
    """
    handler = shipper(
        max_queue_records=100, overflow="block", block_seconds=PATIENT
    )
    open_lane(handler, logger)
    with Watch(handler) as watch:
        issued = _log(logger, 2000)
        assert sent(handler, 2001)

    assert [] == watch.wrong
    assert {} == handler.stats().dropped
    assert [b"first", *issued] == values(mock_kafka, handler.topic, 2001)


def test_block_gives_up_after_its_time(shipper, logger, mock_kafka):
    """
    With the broker away the record is dropped as queue_full.
    """
    handler = shipper(
        max_queue_records=10, overflow="block", block_seconds=0.2
    )
    open_lane(handler, logger)
    mock_kafka.stop()
    _log(logger, 10)
    began = time.monotonic()
    logger.warning("x")
    took = time.monotonic() - began

    assert {"queue_full": 1} == handler.stats().dropped
    assert 0.2 <= took < 5


def test_records_grow_too_old_in_the_producer(shipper, logger, mock_kafka):
    """
    max_age_seconds holds for librdkafka's queue, and is counted as expired.
    """
    # the first one needs half a second: librdkafka asks for its id
    handler = shipper(max_age_seconds=3)
    open_lane(handler, logger)
    mock_kafka.stop()
    with Watch(handler) as watch:
        _log(logger, 100)
        assert wait_until(
            lambda: handler.stats().dropped.get("expired") == 100, PATIENT
        )
    mock_kafka.start()
    logger.warning("last")

    assert [] == watch.wrong
    assert sent(handler, 2)
    assert [b"first", b"last"] == values(mock_kafka, handler.topic, 2)


# --- the numbers ---


def test_numbers_add_up_while_all_happens(
    shipper, logger, mock_kafka, tmp_path, impatient
):
    """
    Threads log, flush, overflow and outlast errors; each sample is exact.
    """
    handler = shipper(
        3, max_queue_records=300, batch_records=50, **_spooled(tmp_path)
    )
    handler.setFormatter(Several())
    is_over = threading.Event()

    def work(thread):
        for number in range(600):
            several = "|" if number % 97 == 0 else ""
            text = f"{thread} {number}"
            logger.warning(f"{text}{several}{text if several else ''}")
            if number % 20 == 0:
                time.sleep(0.002)

    def disturb():
        while not is_over.is_set():
            handler.flush(0.01)
            mock_kafka.errors(PRODUCE, NO_RIGHT, NOT_LEADER)
            is_over.wait(0.1)
            mock_kafka.stop()
            is_over.wait(0.1)
            mock_kafka.start()
            is_over.wait(0.1)

    disturber = threading.Thread(target=disturb)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    with Watch(handler) as watch:
        for each in (*threads, disturber):
            each.start()
        for each in threads:
            each.join(PATIENT)
        is_over.set()
        disturber.join(PATIENT)
        mock_kafka.start()
        is_done = drained(handler, PATIENT)

    stats = handler.stats()
    assert is_done, stats
    assert [] == watch.wrong
    assert 50 < watch.samples
    assert (2400, {}) == (stats.accepted, stats.dropped)
    found = set(values(mock_kafka, handler.topic))
    assert {b"%d %d" % (t, n) for t in range(4) for n in range(600)} == found


def test_identity_notices_messages_that_are_forgotten(
    shipper, logger, mock_kafka, monkeypatch
):
    """
    The control: what comes back is thrown away, and the oracle sees it.
    """
    monkeypatch.setattr(
        module.ProducerOutbox, "_give_back", lambda self, returned: None
    )
    handler = shipper(producer_config={"batch.num.messages": 10})
    open_lane(handler, logger)
    mock_kafka.errors(PRODUCE, NO_RIGHT)
    _log(logger, 100)

    assert wait_until(lambda: unaccounted(handler.stats()) > 0, PATIENT)


def test_signal_handler_that_logs_is_counted_and_does_not_hang(
    shipper, logger, mock_kafka
):
    """
    A signal each millisecond logs in the middle of log calls.
    """
    handler = shipper()
    open_lane(handler, logger)
    came, numbers = [], itertools.count()

    def interrupt(number, frame):
        name = b"s%d" % next(numbers)  # a signal may come in between
        came.append(name)
        logger.warning(name.decode())

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        issued = _log(logger, 20_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    stats = handler.stats()
    assert came
    assert 1 + len(issued) + len(came) == stats.accepted + stats.suppressed
    assert 0 == unaccounted(stats)
    assert sent(handler, stats.accepted - sum(stats.dropped.values()))
    found = values(mock_kafka, handler.topic)
    assert len(found) == len(set(found)) == handler.stats().sent
    assert [b"first", *issued] == [x for x in found if x[:1] != b"s"]


def test_threads_keep_their_order_and_are_counted_exactly(
    shipper, logger, mock_kafka
):
    """
    What one thread logged is in a partition in the order of its calls.
    """
    handler = shipper(4)

    def work(thread):
        for number in range(1000):
            logger.warning("%d %d", thread, number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    with Watch(handler) as watch:
        for each in threads:
            each.start()
        for each in threads:
            each.join(PATIENT)
        assert sent(handler, 8000)

    found = mock_kafka.messages(handler.topic, 8000)
    assert [] == watch.wrong
    assert 8000 == len({message.value for message in found}) == len(found)
    assert 0 == late(found)


# --- flush ---


def test_flush_says_true_only_when_all_before_is_there(
    shipper, logger, mock_kafka
):
    """
    Each time it says so, the topic has each record that was logged before.
    """
    handler = shipper()
    mock_kafka.rtt(0.03)
    for number in range(1, 6):
        _log(logger, 200, 200 * number)

        assert handler.flush(PATIENT)
        assert 200 * number == len(values(mock_kafka, handler.topic))


def test_flush_while_others_log_ends(shipper, logger, mock_kafka):
    """
    It waits for what was before it, and not for what comes.
    """
    handler = shipper()
    open_lane(handler, logger)
    is_over = threading.Event()

    def work():
        while not is_over.is_set():
            logger.warning("x")
            time.sleep(0.0005)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    try:
        for _ in range(5):
            assert handler.flush(PATIENT)
    finally:
        is_over.set()
        for each in threads:
            each.join(10)


def test_flush_with_the_broker_away_says_false_in_time(
    shipper, logger, mock_kafka
):
    """
    Without a spool it waits as long as it was told to.
    """
    handler = shipper()
    open_lane(handler, logger)
    mock_kafka.stop()
    _log(logger, 100)
    began = time.monotonic()
    is_done = handler.flush(0.3)
    took = time.monotonic() - began

    assert not is_done
    assert 0.3 <= took < 5
    mock_kafka.start()
    assert sent(handler, 101)
    assert 101 == len(values(mock_kafka, handler.topic))


def test_flush_with_the_broker_away_moves_all_to_the_spool(
    shipper, logger, mock_kafka, tmp_path
):
    """
    Then it says true, and nothing is in memory alone.
    """
    handler = shipper(**_spooled(tmp_path))
    open_lane(handler, logger)
    mock_kafka.stop()
    issued = _log(logger, 1000)
    is_done = handler.flush(1)
    stats = handler.stats()

    assert is_done
    assert stats.spooled + stats.in_flight == 1000
    assert 0 == stats.queued
    mock_kafka.start()
    assert sent(handler, 1001)
    assert [b"first", *issued] == values(mock_kafka, handler.topic)


def test_flush_of_the_worker_does_not_wait_for_itself(shipper, logger):
    """
    What the worker calls may flush, and all goes on.
    """
    handler = shipper()
    answers = []
    send = handler._worker._transport.send

    def flushing(events, deadline):
        answers.append(handler.flush(30))
        send(events, deadline)

    handler._worker._transport.send = flushing
    began = time.monotonic()
    logger.warning("first")

    assert sent(handler, 1)
    assert [False] == answers
    assert time.monotonic() - began < 25


def test_flush_under_loggings_lock_does_not_wait(shipper, logger, mock_kafka):
    """
    dictConfig flushes handlers under it; the worker gets on meanwhile.
    """
    handler = shipper()
    open_lane(handler, logger)
    mock_kafka.stop()
    _log(logger, 10)
    with logging._lock:
        began = time.monotonic()
        is_done = handler.flush(30)
        took = time.monotonic() - began

    assert not is_done
    assert took < 5


# --- close ---


def test_close_sends_what_is_in_the_producer(shipper, logger, mock_kafka):
    """
    Then all is there, and the thread and those of librdkafka are gone.
    """
    before = threads_of_librdkafka()
    handler = shipper(linger_seconds=5)
    logger.warning("first")
    assert handler.flush(PATIENT)
    issued = _log(logger, 1000)
    handler.close(PATIENT)

    assert [b"first", *issued] == values(mock_kafka, handler.topic)
    assert 1001 == handler.stats().sent
    assert wait_until(lambda: not handler._worker.is_running)
    assert before <= threads_of_librdkafka()


def test_close_lets_go_of_librdkafka(shipper, logger):
    """
    No thread of the client outlives the worker.
    """
    before = threads_of_librdkafka()
    handler = shipper()
    open_lane(handler, logger)
    logger.warning("straight")
    during = threads_of_librdkafka()
    handler.close(PATIENT)

    assert before < during
    assert wait_until(lambda: threads_of_librdkafka() <= before, PATIENT)


def test_close_twice_and_from_many_threads_is_one_close(
    shipper, logger, mock_kafka
):
    """
    None of them hangs, and the numbers are exact.
    """
    handler = shipper()
    open_lane(handler, logger)
    _log(logger, 500)
    threads = [
        threading.Thread(target=handler.close, args=(PATIENT,))
        for _ in range(5)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(PATIENT)
    handler.close()

    assert not any(each.is_alive() for each in threads)
    assert (
        501 == handler.stats().sent == len(values(mock_kafka, handler.topic))
    )
    assert 0 == unaccounted(handler.stats())


def test_close_with_the_broker_away_counts_what_is_lost(
    shipper, logger, mock_kafka
):
    """
    Without a spool that is all that waited, and it comes back in time.
    """
    handler = shipper()
    open_lane(handler, logger)
    mock_kafka.stop()
    _log(logger, 1000)
    began = time.monotonic()
    with Watch(handler) as watch:
        handler.close(0.5)
    took = time.monotonic() - began
    stats = handler.stats()

    assert took < 5
    assert [] == watch.wrong
    assert (1, {"unsent_at_close": 1000}) == (stats.sent, stats.dropped)
    mock_kafka.start()
    assert [b"first"] == values(mock_kafka, handler.topic)


def test_close_with_the_broker_away_leaves_all_in_the_spool(
    shipper, logger, mock_kafka, tmp_path
):
    """
    The next handler of that name sends it, in order.
    """
    handler = shipper(**_spooled(tmp_path))
    handler.set_name("kafka")
    open_lane(handler, logger)
    mock_kafka.stop()
    issued = _log(logger, 1000)
    handler.close(2)
    stats = handler.stats()
    mock_kafka.start()

    assert ({}, 1000) == (stats.dropped, stats.spooled)
    assert 0 == unaccounted(stats)
    logger.removeHandler(handler)
    heir = handler_to(mock_kafka, handler.topic, **_spooled(tmp_path))
    heir.set_name("kafka")
    heir.start()
    try:
        assert sent(heir, 1000)
        assert [b"first", *issued] == values(mock_kafka, handler.topic)
    finally:
        end(heir)


def test_record_after_close_is_still_sent(shipper, logger, mock_kafka):
    """
    A thread that found the handler before it was closed loses nothing.
    """
    handler = shipper()
    open_lane(handler, logger)
    handler.close(PATIENT)
    logger.warning("late")

    assert sent(handler, 2)
    assert [b"first", b"late"] == values(mock_kafka, handler.topic)
    assert 0 == unaccounted(handler.stats())


def test_close_of_what_was_never_used_is_nothing(shipper):
    """
    No thread, no client, no number.
    """
    handler = shipper()
    before = threads_of_librdkafka()
    handler.flush()
    handler.close()

    assert before == threads_of_librdkafka()
    assert 0 == handler.stats().accepted


def test_configuration_made_anew_under_load_loses_nothing(logger, mock_kafka):
    """
    dictConfig replaces the handler while threads log, and all arrives.
    """
    import logging.config

    topic = mock_kafka.create_topic(mock_kafka.topic(), 2)
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"bare": {"format": "%(message)s"}},
        "handlers": {
            "kafka": {
                "class": "mllog.KafkaHandler",
                "bootstrap_servers": mock_kafka.bootstrap,
                "topic": topic,
                "formatter": "bare",
                "linger_seconds": 0.005,
            }
        },
        "loggers": {
            logger.name: {
                "handlers": ["kafka"],
                "level": "DEBUG",
                "propagate": False,
            }
        },
    }
    logging.config.dictConfig(config)
    handlers = list(logger.handlers)
    is_over = threading.Event()
    logged = [0] * 3

    def work(thread):
        while not is_over.is_set():
            logger.warning("%d %d", thread, logged[thread])
            logged[thread] += 1
            time.sleep(0.0002)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for each in threads:
        each.start()
    for _ in range(5):
        time.sleep(0.1)
        logging.config.dictConfig(config)
        handlers += logger.handlers
    is_over.set()
    for each in threads:
        each.join(10)
    for each in handlers:
        each.close(PATIENT)

    stats = [handler.stats() for handler in handlers]
    missed = sum(logged) - sum(each.accepted for each in stats)
    # between the old handler and the new one a logger has none
    assert 0 <= missed < sum(logged) / 2
    assert [{}] * 6 == [each.dropped for each in stats]
    assert [0] * 6 == [unaccounted(each) for each in stats]
    accepted = sum(each.accepted for each in stats)
    assert wait_until(
        lambda: accepted == sum(each.stats().sent for each in handlers),
        PATIENT,
    )
    found = values(mock_kafka, topic, accepted)
    assert accepted == len(found) == len(set(found))


# --- the worker ---


def test_worker_that_dies_is_followed_by_another(
    shipper, logger, mock_kafka, capsys
):
    """
    What is in the producer stays the outbox's, and the next record goes on.
    """
    handler = shipper()
    open_lane(handler, logger)
    look = handler._outbox._look
    died = []

    def dying(now):
        if not died:
            died.append(now)
            raise MemoryError
        look(now)

    mock_kafka.stop()
    issued = _log(logger, 50)
    handler._outbox._look = dying
    assert wait_until(lambda: died and not handler._worker.is_running, PATIENT)
    mock_kafka.start()
    issued += _log(logger, 50, 50)

    assert sent(handler, 101)
    assert [b"first", *issued] == values(mock_kafka, handler.topic)
    assert 0 == unaccounted(handler.stats())


def test_worker_that_dies_leaves_what_a_flush_can_wait_for(
    shipper, logger, mock_kafka, capsys
):
    """
    flush() starts another one.
    """
    handler = shipper()
    open_lane(handler, logger)
    with handler._outbox._lock:
        _log(logger, 10)
        handler._outbox._is_over = False
        take = handler._outbox._ready_at
        handler._outbox._ready_at = lambda now: 1 / 0
    assert wait_until(lambda: not handler._worker.is_running, PATIENT)
    handler._outbox._ready_at = take

    assert handler.flush(PATIENT)
    assert 11 == len(values(mock_kafka, handler.topic))


# --- forks ---


def test_child_begins_anew_and_never_touches_the_parents_client(
    shipper, logger, mock_kafka
):
    """
    It counts from zero, sends its own once, and ends; the parent goes on.
    """
    handler = shipper()
    open_lane(handler, logger)
    mock_kafka.rtt(0.05)
    issued = _log(logger, 100)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            is_new = lane(handler) == "shut" and not handler.stats().accepted
            logger.warning("child")
            is_sent = handler.flush(PATIENT)
            handler.close(PATIENT)
            code = 0 if is_new and is_sent else 2
        finally:
            os._exit(code)
    issued += _log(logger, 100, 100)

    assert _ended(pid) == 0
    assert sent(handler, 201)
    found = values(mock_kafka, handler.topic, 202)
    assert 1 == found.count(b"child")
    assert [b"first", *issued] == [x for x in found if x != b"child"]


def test_child_that_ends_as_python_does_does_not_hang(mock_kafka, tmp_path):
    """
    The inherited client is not destroyed at the end of the interpreter.
    """
    import subprocess
    import sys

    topic = mock_kafka.create_topic(mock_kafka.topic())
    code = """
import logging, os, sys
sys.path.append(sys.argv[3])
from producing import handler_to, open_lane
logger = logging.getLogger("x")
handler = handler_to(sys.argv[1], sys.argv[2])
logger.addHandler(handler)
open_lane(handler, logger)
if os.fork():
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
logger.warning("child")
"""
    tests = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, mock_kafka.bootstrap, topic, str(tests)],
        timeout=50,
    )

    assert 0 == done.returncode
    assert [b"first", b"child"] == values(mock_kafka, topic, 2)


def _ended(pid, seconds=PATIENT):
    """
    The exit code of a child; one that does not end is killed.
    """
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
    return status[0]
