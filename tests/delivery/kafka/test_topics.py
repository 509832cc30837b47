"""
The topic: its name, and making it where it is missing.
"""

import time

import pytest

pytest.importorskip("confluent_kafka")

from mllog.delivery.kafka import Topic  # noqa: E402
from mllog.delivery.kafka.faults import KafkaError  # noqa: E402
from mllog.delivery.retry import Fault  # noqa: E402
from mllog.errors import ConfigError  # noqa: E402

ONE = {"num_partitions": 1, "num_replicas": 1}


def _soon():
    return time.monotonic() + 30


def _client(kafka, **more):
    return {"bootstrap.servers": kafka.bootstrap, "log_level": 0, **more}


@pytest.mark.parametrize("name", ["t", "A.b_c-9", "x" * 249, "none", "..."])
def test_name_that_kafka_takes_is_taken(name):
    """
    As it is; nothing is made of it.
    """
    assert Topic(name) == Topic.of(name)


def test_none_is_no_topic():
    """
    "NONE" is Hopsworks' word for off.
    """
    assert Topic.of("NONE", ONE) is None


@pytest.mark.parametrize(
    ("name", "match"),
    [
        (None, "topic is empty"),
        ("", "MLLOG_KAFKA_TOPIC"),
        ("CREATE", "create_topic="),
        ("a/b", "A-Z a-z 0-9"),
        (".", "A-Z a-z 0-9"),
        ("..", "A-Z a-z 0-9"),
        ("x" * 250, "at most 249"),
        ("a\n", "A-Z a-z 0-9"),
        ("größe", "A-Z a-z 0-9"),
        (5, "A-Z a-z 0-9"),
        (["t"], "A-Z a-z 0-9"),
    ],
)
def test_name_that_kafka_does_not_take_is_refused(name, match):
    """
    The error says what may be written.
    """
    with pytest.raises(ConfigError, match=match):
        Topic.of(name)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, (0, 0)),
        ("", (0, 0)),
        (False, (0, 0)),
        (ONE, (1, 1)),
        ({"num_partitions": "3"}, (3, 1)),
        ({"num_replicas": 2}, (1, 2)),
    ],
)
def test_create_topic_says_how_it_is_made(given, expected):
    """
    What is not said is one; nothing at all is that it has to be there.
    """
    topic = Topic.of("t", given)

    assert expected == (topic.num_partitions, topic.num_replicas)


@pytest.mark.parametrize(
    "given",
    [
        {"num_partitions": 0},
        {"num_replicas": -1},
        {"num_partitions": "many"},
        {"num_partitions": 1.5},
        {"num_partitions": True},
        {"partitions": 1},
        True,
        "1",
        [1, 1],
    ],
)
def test_create_topic_that_cannot_work_is_refused(given):
    """
    By the constructor, whichever topic it is for.
    """
    for name in ("t", "NONE"):
        with pytest.raises(ConfigError):
            Topic.of(name, given)


def test_topic_that_has_to_be_there_is_not_asked_for():
    """
    Nobody connects: there is no broker.
    """
    began = time.monotonic()
    Topic("t").ensure({"bootstrap.servers": "127.0.0.1:1"}, _soon())

    assert time.monotonic() - began < 1


def test_topic_that_no_broker_makes_is_an_error_in_time():
    """
    The deadline holds, and it may be tried again.
    """
    began = time.monotonic()
    with pytest.raises(KafkaError, match="topic clicks") as caught:
        Topic("clicks", 1, 1).ensure(
            {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}, began + 0.5
        )

    assert time.monotonic() - began < 10
    assert Fault.TRANSIENT is caught.value.verdict.fault


@pytest.mark.kafka
def test_topic_that_is_missing_is_made(kafka):
    """
    With so many partitions.
    """
    name = kafka.topic()
    Topic(name, 3, 1).ensure(_client(kafka), _soon())

    assert 3 == kafka.partitions(name)


@pytest.mark.kafka
def test_topic_that_is_there_stays_as_it_is(kafka):
    """
    What is said of partitions is for one that is missing.
    """
    name = kafka.create_topic(kafka.topic(), 2)
    Topic(name, 3, 1).ensure(_client(kafka), _soon())

    assert 2 == kafka.partitions(name)


@pytest.mark.kafka
def test_topic_with_more_replicas_than_brokers_says_what_to_do(kafka):
    """
    Somebody has to mend it.
    """
    with pytest.raises(KafkaError, match="fix: lower num_replicas") as caught:
        Topic(kafka.topic(), 1, 3).ensure(_client(kafka), _soon())

    assert Fault.AUTH is caught.value.verdict.fault


def _limited(broker):
    return {
        "bootstrap.servers": broker.sasl_bootstrap,
        "log_level": 0,
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": broker.ca_file,
        "sasl.mechanism": "PLAIN",
        "sasl.username": broker.limited.name,
        "sasl.password": broker.limited.password,
    }


@pytest.mark.kafka
def test_topic_that_we_may_not_make_is_used_if_it_is_there(broker):
    """
    Who may write need not have the right to make topics.
    """
    name = broker.create_topic(broker.topic("allowed"))

    Topic(name, 1, 1).ensure(_limited(broker), _soon())


@pytest.mark.kafka
def test_topic_that_we_may_not_make_and_that_is_missing_is_told(broker):
    """
    The error says which right is missing.
    """
    with pytest.raises(KafkaError, match="AUTHORIZATION_FAILED") as caught:
        Topic(broker.topic("allowed"), 1, 1).ensure(_limited(broker), _soon())

    assert Fault.AUTH is caught.value.verdict.fault
