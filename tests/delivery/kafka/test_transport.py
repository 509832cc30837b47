"""
Batches into a topic: what is produced, and what of it comes back.
"""

import json
import threading
import time

import pytest
from shipping import drained, unaccounted, wait_until

pytest.importorskip("confluent_kafka")

from producing import (  # noqa: E402
    PATIENT,
    SOON,
    end,
    handler_to,
    sent,
    values,
)
from servers.kafka_cluster import PRODUCE  # noqa: E402

from mllog.delivery import retry  # noqa: E402
from mllog.delivery.bounds import Bounds  # noqa: E402
from mllog.delivery.kafka import (  # noqa: E402
    KafkaTransport,
    Producer,
    Settings,
    Topic,
)
from mllog.delivery.retry import Fault  # noqa: E402
from mllog.delivery.transport import PartlySentError  # noqa: E402
from mllog.events import Event  # noqa: E402

OK, NOT_LEADER, TOO_LARGE, NO_RIGHT, POLICY = 0, 6, 10, 29, 44
ONE_EACH = {"batch.num.messages": 1, "max.in.flight": 1}


@pytest.fixture
def make(mock_kafka):
    """
    Makes transports to a topic of the mock, which is their ``topic``.
    """
    made = []

    def transport(config=ONE_EACH, **bounds):
        topic = mock_kafka.create_topic(mock_kafka.topic())
        settings = Settings(
            mock_kafka.bootstrap, producer_config={**SOON, **config}
        )
        bounds = {"linger_seconds": 0.005, "max_record_bytes": 900, **bounds}
        producer = Producer(settings.producer(Bounds(**bounds)), topic)
        transport = KafkaTransport(producer, Topic(topic), settings.client)
        transport.topic, transport.producer = topic, producer
        made.append(transport)
        transport.open(_soon())
        transport.begin()
        return transport

    yield transport
    for each in made:
        each.close(0)


@pytest.fixture
def impatient(monkeypatch):
    """
    What needs a person is tried again at once.
    """
    monkeypatch.setattr(retry, "_AUTH_FIRST_SECONDS", 0.02)
    monkeypatch.setattr(retry, "_AUTH_LONGEST_SECONDS", 0.02)


class Hand:
    """
    A worker that has to end when the test says so.
    """

    def __init__(self, close_by=float("inf"), *, is_safe=False):
        self.close_by, self.is_safe = close_by, is_safe
        self.tended = 0

    def tend(self):
        self.tended += 1


def _soon(seconds=PATIENT):
    return time.monotonic() + seconds


def _messages(count):
    return [b"%d" % number for number in range(count)]


# --- a batch ---


def test_batch_arrives_in_order_with_keys_and_headers(make, mock_kafka):
    """
    Bare bytes and events are mixed as they come.
    """
    transport = make({})
    events = [
        b"bare",
        Event(b"keyed", b"key", (("a", b"1"), ("a", b"\xff"), ("e", b""))),
        b"",
        Event(b"\0\xff"),
    ]
    transport.send(events, _soon())
    found = mock_kafka.messages(transport.topic, 4)

    assert [b"bare", b"keyed", b"", b"\0\xff"] == [one.value for one in found]
    assert [None, b"key", None, None] == [one.key for one in found]
    assert [("a", b"1"), ("a", b"\xff"), ("e", b"")] == found[1].headers
    assert [[], [], []] == [one.headers for one in found if not one.key]


def test_batch_that_partly_fails_names_those_before_the_first(
    make, mock_kafka
):
    """
    The place of the first failure, and why; those behind it arrive.
    """
    transport = make()
    mock_kafka.errors(PRODUCE, OK, OK, POLICY)
    with pytest.raises(PartlySentError) as caught:
        transport.send(_messages(5), _soon())

    assert 2 == caught.value.acknowledged
    cause = caught.value.__cause__
    assert Fault.AUTH is transport.classify(cause).fault
    assert "POLICY_VIOLATION" in str(cause)
    assert {b"0", b"1", b"3", b"4"} == set(values(mock_kafka, transport.topic))


def test_batch_that_is_sent_again_sends_only_what_is_missing(make, mock_kafka):
    """
    Those behind the failure that arrived do not arrive twice.
    """
    transport = make()
    mock_kafka.errors(PRODUCE, OK, POLICY, OK, POLICY)
    events = _messages(5)
    with pytest.raises(PartlySentError):
        transport.send(events, _soon())
    transport.send(events[1:], _soon())

    assert sorted(events) == sorted(values(mock_kafka, transport.topic))


def test_batch_that_is_tried_in_halves_sends_only_what_is_missing(
    make, mock_kafka
):
    """
    A part of the batch knows what an attempt with all of it delivered.
    """
    transport = make()
    mock_kafka.errors(PRODUCE, TOO_LARGE, OK, OK, TOO_LARGE)
    events = _messages(4)
    with pytest.raises(Exception) as caught:
        transport.send(events, _soon())
    assert Fault.POISON is transport.classify(caught.value).fault
    transport.send(events[:2], _soon())
    transport.send(events[2:], _soon())

    assert sorted(events) == sorted(values(mock_kafka, transport.topic))


def test_batch_whose_poison_was_refused_sends_none_of_the_rest_again(
    make, mock_kafka
):
    """
    The worker leaves the poison behind; its delivered neighbours stay so.
    """
    transport = make()
    mock_kafka.errors(PRODUCE, OK, TOO_LARGE)
    events = _messages(5)
    with pytest.raises(PartlySentError):
        transport.send(events, _soon())
    transport.send(events[2:], _soon())

    found = values(mock_kafka, transport.topic)
    assert [b"0", b"2", b"3", b"4"] == sorted(found)


def test_message_that_is_the_same_object_twice_is_not_taken_for_sent(
    make, mock_kafka
):
    """
    A formatter may give one object for several records.
    """
    transport = make()
    mock_kafka.errors(PRODUCE, OK, POLICY, POLICY)
    same, other = b"same" * 2, b"other"
    with pytest.raises(PartlySentError):
        transport.send([same, other, same], _soon())
    transport.send([other, same], _soon())

    found = values(mock_kafka, transport.topic)
    assert sorted([same, other, same]) == sorted(found)


@pytest.mark.parametrize("places", [(1,), (0, 3)])
def test_batch_of_one_object_is_delivered_as_often_as_it_is_there(
    make, mock_kafka, places
):
    """
    Whichever of them fail, the worker's next attempt sends just those.
    """
    transport = make()
    codes = [POLICY if place in places else OK for place in range(4)]
    mock_kafka.errors(PRODUCE, *codes)
    events, done = [b"x"] * 4, 0
    for _ in range(3):
        try:
            transport.send(events[done:], _soon())
        except PartlySentError as exc:
            done += exc.acknowledged
        except Exception:
            pass
        else:
            break

    assert 4 == len(values(mock_kafka, transport.topic))


def test_next_batch_of_the_same_objects_is_sent(make, mock_kafka):
    """
    What an earlier batch delivered is not remembered beyond it.
    """
    transport = make({})
    events = _messages(3)
    transport.send(events, _soon())
    transport.begin()
    transport.send(events, _soon())

    assert 6 == len(values(mock_kafka, transport.topic, 6))


def test_message_larger_than_librdkafka_takes_is_poison(make, mock_kafka):
    """
    It is refused at once, and its neighbours arrive.
    """
    transport = make({})
    with pytest.raises(PartlySentError) as caught:
        transport.send([b"a", bytes(2_000_000), b"b"], _soon())

    assert 1 == caught.value.acknowledged
    fault = transport.classify(caught.value.__cause__).fault
    assert Fault.POISON is fault
    assert [b"a", b"b"] == values(mock_kafka, transport.topic, 2)


def test_batch_that_has_no_room_waits_for_it(make, mock_kafka):
    """
    A batch larger than librdkafka's queue goes through it bit by bit.
    """
    transport = make({}, max_queue_records=10)
    events = _messages(500)
    transport.send(events, _soon())

    assert events == values(mock_kafka, transport.topic, 500)


def test_leader_that_moves_is_librdkafkas_to_follow(make, mock_kafka):
    """
    An error that it repeats by itself is none of ours.
    """
    transport = make({})
    mock_kafka.errors(PRODUCE, NOT_LEADER, NOT_LEADER)
    transport.send(_messages(100), _soon())

    assert _messages(100) == values(mock_kafka, transport.topic, 100)


# --- brokers that do not answer ---


@pytest.mark.parametrize("how", ["stop", "pause", "freeze"])
def test_batch_comes_back_when_the_worker_has_to_end(make, mock_kafka, how):
    """
    Whatever the broker does, ``close_by`` holds, and nothing is left inside.
    """
    transport = make()
    transport.send([b"first"], _soon())
    getattr(mock_kafka, how)()
    transport.worker = hand = Hand(_soon(0.6))
    began = time.monotonic()
    with pytest.raises(Exception) as caught:
        transport.send(_messages(20), _soon())
    took = time.monotonic() - began

    assert not isinstance(caught.value, PartlySentError)
    fault = transport.classify(caught.value).fault
    assert fault in (Fault.TRANSIENT, Fault.AMBIGUOUS)
    assert took < 5
    assert hand.tended
    assert 0 == len(transport.producer)
    assert not transport.producer.returned


def test_batch_waits_as_long_as_it_takes(make, mock_kafka):
    """
    It is not given up while nobody has to end: that could store it twice.
    """
    transport = make()
    transport.send([b"first"], _soon())
    mock_kafka.freeze()
    timer = threading.Timer(1.5, mock_kafka.thaw)
    timer.start()
    transport.send(_messages(20), time.monotonic() + 0.2)
    timer.join()

    assert [b"first", *_messages(20)] == values(mock_kafka, transport.topic)


def test_batch_is_given_up_at_once_where_nobody_has_to_wait(make, mock_kafka):
    """
    With a spool and no broker a close does not wait for its end.
    """
    transport = make()
    transport.send([b"first"], _soon())
    mock_kafka.stop()
    transport.worker = Hand(_soon(), is_safe=True)
    began = time.monotonic()
    with pytest.raises(Exception):
        transport.send(_messages(20), _soon())

    assert time.monotonic() - began < 15


# --- topics and schemas ---


def test_open_makes_the_topic_once(make, monkeypatch):
    """
    A client that is open and a topic that is made are left as they are.
    """
    transport = make()
    asked = []
    monkeypatch.setattr(
        Topic, "ensure", lambda self, config, deadline: asked.append(config)
    )
    made = transport.producer._made
    transport.open(_soon())

    assert [] == asked
    assert made is transport.producer._made


def test_topic_that_is_unknown_is_looked_for_again(make, mock_kafka):
    """
    An error that a person mends has the topic made anew at the next try.
    """
    transport = make()
    transport._topic = asked = Asked(transport.topic)
    mock_kafka.errors(PRODUCE, NO_RIGHT)
    with pytest.raises(Exception):
        transport.send([b"x"], _soon())
    transport.open(_soon())

    assert 1 == asked.count


class Asked:
    """
    A topic that counts how often it is to be made.
    """

    def __init__(self, name):
        self.name, self.count = name, 0

    def ensure(self, config, deadline):
        self.count += 1


def test_child_of_a_fork_opens_anew(make):
    """
    The topic is looked for, and the client made, in each process.
    """
    transport = make()
    transport.forget_parent()
    transport.producer.forget_parent()
    transport._topic = asked = Asked(transport.topic)
    transport.open(_soon())

    assert 1 == asked.count
    transport.send([b"x"], _soon())


# --- within a handler ---


@pytest.fixture
def shipper(logger, mock_kafka):
    """
    Makes handlers of the logger to a topic of the mock, and ends them.
    """
    made = []

    def make(**options):
        topic = mock_kafka.create_topic(mock_kafka.topic())
        handler = handler_to(mock_kafka, topic, **options)
        handler.topic = topic
        made.append(handler)
        logger.addHandler(handler)
        return handler

    yield make
    for handler in made:
        logger.removeHandler(handler)
        end(handler)


def test_poison_is_isolated_and_kept_for_people(
    shipper, logger, mock_kafka, tmp_path, capsys
):
    """
    The broker refuses one message; its neighbours arrive once.
    """
    letters = tmp_path / "letters"
    handler = shipper(dead_letter_file=str(letters), producer_config=ONE_EACH)
    # in the whole batch, in its half, and alone
    mock_kafka.errors(
        PRODUCE, *[OK] * 3, TOO_LARGE, *[OK] * 6, *[TOO_LARGE] * 3
    )
    with handler._outbox._lock:
        for number in range(10):
            logger.warning("%d", number)

    assert drained(handler, PATIENT)
    stats = handler.stats()
    assert (9, 1, {}) == (stats.sent, stats.dead_lettered, stats.dropped)
    found = values(mock_kafka, handler.topic, 9)
    assert [b"%d" % n for n in range(10) if n != 3] == sorted(found)
    (letter,) = letters.read_text().splitlines()
    assert "MSG_SIZE_TOO_LARGE" in letter
    assert json.loads(letter)
    assert "fix: raise max.message.bytes" in capsys.readouterr().err


def test_poison_without_a_file_is_rejected(
    shipper, logger, mock_kafka, capsys
):
    """
    It is counted, told, and holds up nobody.
    """
    handler = shipper(producer_config=ONE_EACH)
    mock_kafka.errors(PRODUCE, TOO_LARGE, OK, TOO_LARGE)
    with handler._outbox._lock:
        logger.warning("a")
        logger.warning("b")

    assert drained(handler, PATIENT)
    assert {"rejected": 1} == handler.stats().dropped
    assert [b"b"] == values(mock_kafka, handler.topic, 1)
    assert 0 == unaccounted(handler.stats())


def test_trouble_is_told_once_with_what_to_do(
    shipper, logger, mock_kafka, capsys, impatient
):
    """
    A right that is missing is said at once, and that it works again.
    """
    handler = shipper()
    mock_kafka.topic_error(handler.topic, NO_RIGHT)
    logger.warning("x")
    assert wait_until(
        lambda: handler.stats().retried > 20 or handler.stats().sent, PATIENT
    )
    mock_kafka.topic_error(handler.topic, 0)
    assert sent(handler, 1)
    handler.close(PATIENT)
    told = capsys.readouterr().err

    assert 1 == told.count("cannot send")
    assert 1 == told.count("allow Write and Describe on the topic")
    assert 1 == told.count("sends again")


def test_broker_that_is_away_is_told_of_with_the_reason(
    shipper, logger, mock_kafka, capsys, monkeypatch
):
    """
    People hear that no broker answers, and why, while the lane is open too.
    """
    from mllog.delivery.kafka import watch

    monkeypatch.setattr(watch, "_SILENT_SECONDS", 1.0)
    handler = shipper()
    logger.warning("first")
    assert sent(handler, 1)
    mock_kafka.stop()
    logger.warning("second")
    told = []

    def is_told():
        told.append(capsys.readouterr().err)
        return "cannot send" in "".join(told)

    assert wait_until(is_told, PATIENT)
    mock_kafka.start()
    assert sent(handler, 2)
    assert wait_until(
        lambda: (
            told.append(capsys.readouterr().err)
            or "sends again" in "".join(told)
        ),
        PATIENT,
    )
    text = "".join(told)
    assert handler.topic in text
    assert "refused" in text
    assert 1 == text.count("cannot send")
