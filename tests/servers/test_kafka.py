"""
The Kafkas of the tests: what they keep, refuse, and do in an outage.
"""

import socket
import time
from types import SimpleNamespace

import pytest

from servers.kafka import Elsewhere
from servers.kafka_cluster import METADATA, PRODUCE
from servers.running import answers

confluent_kafka = pytest.importorskip("confluent_kafka")

NOT_LEADER, NO_RIGHT, TOO_LARGE = 6, 29, 10
REAL = pytest.param(marks=pytest.mark.kafka, id="real")
BOTH = pytest.mark.parametrize((), [REAL, pytest.param(id="mock")])


class Sender:
    """
    A plain producer, and what became of what it was given.
    """

    def __init__(self, bootstrap, **config):
        self.reports = []
        self.refused = []
        self._producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": bootstrap,
                "reconnect.backoff.ms": 20,
                "reconnect.backoff.max.ms": 200,
                "message.timeout.ms": 60_000,
                "topic.metadata.propagation.max.ms": 0,
                "log_level": 0,
                "error_cb": lambda error: self.refused.append(error.name()),
                **{key.replace("_", "."): v for key, v in config.items()},
            }
        )

    def put(self, topic, *values, **more):
        for value in values:
            self._producer.produce(
                topic, value, on_delivery=self._report, **more
            )
        return self

    def _report(self, error, message):
        self.reports.append(error.name() if error else None)

    def sent(self, timeout=50):
        """
        Wait for all reports: None, or the name of the error.
        """
        assert self._producer.flush(timeout) == 0
        return self.reports

    def waits(self, seconds):
        """
        Whether nothing is reported for *seconds*.
        """
        self._producer.poll(seconds)
        return not self.reports

    def refusal(self, name, timeout=20):
        """
        Whether an error called *name* comes.
        """
        deadline = time.monotonic() + timeout
        while name not in self.refused and time.monotonic() < deadline:
            self._producer.poll(0.05)
        return name in self.refused


def _is_there(bootstrap):
    host, _, port = bootstrap.partition(":")
    return answers((host, int(port)), socket.SOCK_STREAM)


@BOTH
def test_kafka_gives_back_what_was_written(kafka):
    """
    Keys, values, headers and timestamps come as they were, in order.
    """
    topic = kafka.create_topic(kafka.topic(), 3)
    values = [bytes([i]) * i for i in range(50)]
    sender = Sender(kafka.bootstrap)
    for number, value in enumerate(values):
        sender.put(
            topic,
            value,
            key=b"k%d" % (number % 3),
            headers=[("a", b"1"), ("a", b"\xff"), ("empty", b"")],
            partition=number % 3,
            timestamp=1_700_000_000_000 + number,
        )
    sender.sent()
    found = kafka.messages(topic, 50)

    assert kafka.partitions(topic) == 3
    for partition in range(3):
        of_it = [one for one in found if one.partition == partition]
        assert [one.value for one in of_it] == values[partition::3]
        assert [one.offset for one in of_it] == list(range(len(of_it)))
    assert found[0] == (
        *(0, 0, b"k0", b""),
        [("a", b"1"), ("a", b"\xff"), ("empty", b"")],
        1_700_000_000_000,
    )


@BOTH
def test_kafka_has_no_topic_that_was_not_made(kafka):
    """
    To look for a topic does not make it, and a new one is empty.
    """
    name = kafka.topic()

    assert kafka.topic() != name
    assert (kafka.partitions(name), kafka.messages(name)) == (0, [])
    assert kafka.create_topic(name, 2) == name
    assert (kafka.partitions(name), kafka.messages(name)) == (2, [])
    assert kafka.partitions(name[:-1]) == 0


@BOTH
def test_kafka_messages_that_do_not_come_are_named(kafka):
    """
    Fewer than were waited for is an error with both numbers.
    """
    topic = kafka.create_topic(kafka.topic())
    Sender(kafka.bootstrap).put(topic, b"a").sent()

    with pytest.raises(AssertionError, match="holds 1 messages .* not 2"):
        kafka.messages(topic, 2, timeout=0.2)


@BOTH
@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_kafka_takes_each_compression(kafka, codec):
    """
    What was compressed is read as it was.
    """
    topic = kafka.create_topic(kafka.topic())
    values = [b"%d" % i * 100 for i in range(100)]
    Sender(kafka.bootstrap, compression_type=codec).put(topic, *values).sent()

    assert [one.value for one in kafka.messages(topic, 100)] == values


@BOTH
def test_kafka_stopped_refuses_and_started_has_what_it_had(kafka):
    """
    A stop in order loses nothing, and one producer goes on where it was.
    """
    topic = kafka.create_topic(kafka.topic())
    sender = Sender(kafka.bootstrap, enable_idempotence=True)
    sender.put(topic, b"before").sent()
    kafka.stop()

    assert not _is_there(kafka.bootstrap)
    sender.put(topic, b"during")
    kafka.start()
    assert sender.put(topic, b"after").sent() == [None, None, None]
    found = [one.value for one in kafka.messages(topic, 3)]
    assert found == [b"before", b"during", b"after"]


@pytest.mark.kafka
def test_broker_killed_has_what_it_acknowledged(own_kafka):
    """
    A SIGKILL loses nothing, and one producer goes on where it was.
    """
    topic = own_kafka.create_topic(own_kafka.topic(), 2)
    sender = Sender(own_kafka.bootstrap, enable_idempotence=True)
    values = [b"%d" % i for i in range(1000)]
    assert set(sender.put(topic, *values, partition=1).sent()) == {None}
    own_kafka.kill()

    assert not _is_there(own_kafka.bootstrap)
    sender.put(topic, b"during", partition=1)
    own_kafka.start()
    assert sender.sent() == [None] * 1001
    found = [one.value for one in own_kafka.messages(topic, 1001)]
    assert found == [*values, b"during"]


def test_mock_killed_is_where_it_was_and_empty(mock_kafka):
    """
    What it had is gone but for the topics, and a producer goes on.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic(), 2)
    sender = Sender(mock_kafka.bootstrap, enable_idempotence=True)
    sender.put(topic, b"before", partition=1).sent()
    mock_kafka.kill()

    assert not _is_there(mock_kafka.bootstrap)
    mock_kafka.start()
    assert mock_kafka.partitions(topic) == 2
    sender.put(topic, b"after", partition=1).sent()
    assert [one.value for one in mock_kafka.messages(topic, 1)] == [b"after"]


@BOTH
def test_kafka_paused_takes_connections_and_says_nothing(own_kafka):
    """
    Who writes is left waiting, and served when it goes on.
    """
    topic = own_kafka.create_topic(own_kafka.topic())
    sender = Sender(own_kafka.bootstrap)
    sender.put(topic, b"before").sent()
    sender.reports.clear()
    own_kafka.pause()

    assert _is_there(own_kafka.bootstrap)
    assert sender.put(topic, b"during").waits(0.5)
    own_kafka.resume()
    assert sender.sent() == [None]
    found = [one.value for one in own_kafka.messages(topic, 2)]
    assert found == [b"before", b"during"]


@pytest.mark.kafka
def test_broker_without_the_topic_says_so(kafka):
    """
    A topic that is not made by anybody cannot be written, nor a deleted one.
    """
    sender = Sender(kafka.bootstrap)
    assert sender.put("never-made", b"x").sent() == ["UNKNOWN_TOPIC_OR_PART"]

    topic = kafka.create_topic(kafka.topic())
    assert Sender(kafka.bootstrap).put(topic, b"x").sent() == [None]
    kafka.delete_topic(topic)
    assert (kafka.partitions(topic), kafka.messages(topic)) == (0, [])


@pytest.mark.kafka
@pytest.mark.parametrize("wrong", [False, True])
def test_broker_speaks_tls_to_who_knows_its_authority(broker, wrong, tmp_path):
    """
    With its authority all is delivered, with another one nothing.
    """
    from servers.certificates import Authority

    ca = Authority(tmp_path, "other").cert if wrong else broker.ca_file
    topic = broker.create_topic(broker.topic())
    sender = Sender(
        broker.tls_bootstrap, security_protocol="SSL", ssl_ca_location=ca
    )
    sender.put(topic, b"x")

    if wrong:
        assert sender.refusal("_SSL")
        assert broker.messages(topic) == []
    else:
        assert sender.sent() == [None]
        assert len(broker.messages(topic, 1)) == 1


@pytest.mark.kafka
@pytest.mark.parametrize("shows", [True, False])
def test_broker_asks_for_a_certificate_where_it_says_so(broker, shows):
    """
    The client with its certificate is served, the one without is not.
    """
    topic = broker.create_topic(broker.topic())
    own = {
        "ssl_certificate_location": broker.client.cert,
        "ssl_key_location": broker.client.key,
    }
    sender = Sender(
        broker.mtls_bootstrap,
        security_protocol="SSL",
        ssl_ca_location=broker.ca_file,
        **(own if shows else {}),
    ).put(topic, b"x")

    if shows:
        assert sender.sent() == [None]
    else:
        assert sender.refusal("_ALL_BROKERS_DOWN")
        assert broker.messages(topic) == []


def _signed_in(broker, user, password=None, mechanism="PLAIN", **config):
    return Sender(
        broker.sasl_bootstrap,
        security_protocol="SASL_SSL",
        ssl_ca_location=broker.ca_file,
        sasl_mechanisms=mechanism,
        sasl_username=user.name,
        sasl_password=password or user.password,
        **config,
    )


@pytest.mark.kafka
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_broker_takes_a_password_and_no_wrong_one(broker, mechanism):
    """
    The right one delivers; a wrong one is an error of authentication.
    """
    topic = broker.create_topic(broker.topic())
    right = _signed_in(broker, broker.writer, mechanism=mechanism)
    wrong = _signed_in(broker, broker.writer, "wrong", mechanism)
    wrong.put(topic, b"wrong")

    assert right.put(topic, b"right").sent() == [None]
    assert wrong.refusal("_AUTHENTICATION")
    assert [one.value for one in broker.messages(topic, 1)] == [b"right"]


@pytest.mark.kafka
def test_broker_refuses_who_has_not_the_right(broker):
    """
    Who may write some topics is refused the others, and a stranger all.
    """
    topic = broker.create_topic(broker.topic())
    allowed = broker.create_topic(broker.topic("allowed"))
    limited = _signed_in(broker, broker.limited, enable_idempotence=True)
    stranger = _signed_in(broker, broker.stranger)

    assert limited.put(topic, b"x").sent() == ["TOPIC_AUTHORIZATION_FAILED"]
    limited.reports.clear()
    assert limited.put(allowed, b"x").sent() == [None]
    assert stranger.put(allowed, b"y").sent() == ["TOPIC_AUTHORIZATION_FAILED"]
    assert len(broker.messages(allowed, 1)) == 1


@pytest.mark.parametrize(
    ("codes", "reported"),
    [
        ([NOT_LEADER, NOT_LEADER], None),
        ([-195], None),
        ([NO_RIGHT], "TOPIC_AUTHORIZATION_FAILED"),
        ([TOO_LARGE], "MSG_SIZE_TOO_LARGE"),
    ],
)
def test_mock_answers_with_the_errors_it_is_told(mock_kafka, codes, reported):
    """
    Errors that pass are tried again, and others are reported.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    sender = Sender(mock_kafka.bootstrap).put(topic, b"before")
    sender.sent()
    sender.reports.clear()
    mock_kafka.errors(PRODUCE, *codes)

    assert sender.put(topic, b"x").sent() == [reported]
    assert len(mock_kafka.messages(topic)) == (2 if reported is None else 1)


def test_mock_topic_with_an_error_refuses_until_it_is_none(mock_kafka):
    """
    A topic's error is that of what is written to it.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    mock_kafka.topic_error(topic, NO_RIGHT)
    sender = Sender(mock_kafka.bootstrap)

    assert sender.put(topic, b"x").sent() == ["TOPIC_AUTHORIZATION_FAILED"]
    mock_kafka.topic_error(topic, 0)
    assert Sender(mock_kafka.bootstrap).put(topic, b"y").sent() == [None]


@pytest.mark.parametrize("mock_kafka", [3], indirect=True)
def test_mock_leader_that_is_down_is_replaced_on_demand(mock_kafka):
    """
    One broker is down alone, and another one takes what it led.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    mock_kafka.leader(topic, 0, 2)
    sender = Sender(mock_kafka.bootstrap)
    sender.put(topic, b"before").sent()
    sender.reports.clear()
    mock_kafka.down(2)
    up = [_is_there(f"127.0.0.1:{port}") for port in mock_kafka.ports]

    assert up == [True, False, True]
    assert sender.put(topic, b"during").waits(0.3)
    mock_kafka.leader(topic, 0, 3)
    assert sender.sent() == [None]
    mock_kafka.up(2)
    found = [one.value for one in mock_kafka.messages(topic, 2)]
    assert found == [b"before", b"during"]


def test_mock_frozen_keeps_what_it_is_sent_and_its_order(mock_kafka):
    """
    What is written into a frozen one is there after it, in order.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    values = [b"%d" % i for i in range(2000)]
    sender = Sender(mock_kafka.bootstrap)
    sender.put(topic, *values[:1000]).sent()
    sender.reports.clear()
    mock_kafka.freeze()
    sender.put(topic, *values[1000:])

    assert _is_there(mock_kafka.bootstrap)
    assert sender.waits(0.3)
    mock_kafka.thaw()
    assert set(sender.sent()) == {None}
    assert [one.value for one in mock_kafka.messages(topic, 2000)] == values


def test_mock_with_a_round_trip_time_answers_no_sooner(mock_kafka):
    """
    An answer takes the time that it is told to take.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    sender = Sender(mock_kafka.bootstrap)
    sender.put(topic, b"before").sent()
    mock_kafka.rtt(0.5)
    before = time.monotonic()
    sender.put(topic, b"x").sent()

    assert time.monotonic() - before >= 0.5


def test_mock_counts_requests_of_each_kind(mock_kafka):
    """
    Each request counts once, until it is forgotten.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    sender = Sender(mock_kafka.bootstrap)
    for value in (b"1", b"2", b"3"):
        sender.put(topic, value).sent()
    counted = mock_kafka.requests(forget=True)

    assert counted[PRODUCE] == 3
    assert counted[METADATA] >= 1
    assert PRODUCE not in mock_kafka.requests()


def test_mock_that_lost_messages_is_found_out(mock_kafka):
    """
    What the mock keeps no longer is an error, and not a shorter answer.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    values = [b"x" * 100_000] * 100
    Sender(mock_kafka.bootstrap).put(topic, *values).sent()

    with pytest.raises(AssertionError, match="lost its oldest messages"):
        mock_kafka.messages(topic)


def test_mock_says_what_it_cannot_do(mock_kafka):
    """
    A refused command is an error with the command, and the mock goes on.
    """
    with pytest.raises(ValueError, match="leader .*nowhere"):
        mock_kafka.leader("nowhere", 7, 9)
    assert mock_kafka.create_topic(mock_kafka.topic())


def test_address_of_ones_own_is_never_stopped(missing, monkeypatch):
    """
    A test that would stop the Kafka of MLLOG_TEST_KAFKA is skipped.
    """
    monkeypatch.delenv("CI", raising=False)
    elsewhere = Elsewhere("127.0.0.1:1", SimpleNamespace)
    said = []
    elsewhere._missing = lambda *words: said.append(words)
    for what in ("stop", "kill", "pause", "resume"):
        getattr(elsewhere, what)()

    assert len(said) == 4
    assert "MLLOG_TEST_KAFKA" in said[0][1]
