"""
Errors of librdkafka: what they mean, and what people are told.
"""

import pytest

confluent_kafka = pytest.importorskip("confluent_kafka")

from mllog.delivery.kafka import faults as module  # noqa: E402
from mllog.delivery.kafka.faults import KafkaError, fault_of  # noqa: E402
from mllog.delivery.retry import Fault, Verdict  # noqa: E402

NAMES = sorted(
    module._POISON | module._AUTH | module._AMBIGUOUS | set(module._FIXES)
)


def _error(name, **more):
    return confluent_kafka.KafkaError(
        getattr(confluent_kafka.KafkaError, name), **more
    )


@pytest.mark.parametrize("name", NAMES)
def test_name_is_one_that_librdkafka_has(name):
    """
    A name that is mistyped would never match.
    """
    assert name == _error(name).name()


def test_name_has_one_meaning():
    """
    No error is of two kinds.
    """
    kinds = module._POISON, module._AUTH, module._AMBIGUOUS

    assert sum(map(len, kinds)) == len(frozenset().union(*kinds))


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("MSG_SIZE_TOO_LARGE", Fault.POISON),
        ("INVALID_MSG", Fault.POISON),
        ("TOPIC_AUTHORIZATION_FAILED", Fault.AUTH),
        ("SASL_AUTHENTICATION_FAILED", Fault.AUTH),
        ("_AUTHENTICATION", Fault.AUTH),
        ("_SSL", Fault.AUTH),
        ("UNKNOWN_TOPIC_OR_PART", Fault.AUTH),
        ("_UNKNOWN_TOPIC", Fault.AUTH),
        ("_PURGE_INFLIGHT", Fault.AMBIGUOUS),
        ("_TRANSPORT", Fault.AMBIGUOUS),
        ("REQUEST_TIMED_OUT", Fault.AMBIGUOUS),
        ("_PURGE_QUEUE", Fault.TRANSIENT),
        ("_MSG_TIMED_OUT", Fault.TRANSIENT),
        ("NOT_ENOUGH_REPLICAS", Fault.TRANSIENT),
        ("NOT_LEADER_FOR_PARTITION", Fault.TRANSIENT),
        ("_ALL_BROKERS_DOWN", Fault.TRANSIENT),
        ("a name of later versions", Fault.TRANSIENT),
    ],
)
def test_fault_is_that_of_the_name(name, fault):
    """
    What nobody knows is tried again.
    """
    assert fault is fault_of(name)


@pytest.mark.parametrize("name", sorted(module._FIXES))
def test_error_that_can_be_mended_says_how(name):
    """
    The text names the topic, the error and the fix.
    """
    found = KafkaError.of(_error(name), "topic clicks")

    assert str(found).startswith("topic clicks: ")
    assert f"({name})" in str(found)
    assert f"\n  fix: {module._FIXES[name]}" in str(found)
    assert fault_of(name) is found.verdict.fault


def test_error_says_what_is_known_beside_it():
    """
    A timeout says nothing; why no broker answers does.
    """
    found = KafkaError.of(
        _error("_MSG_TIMED_OUT"), "topic t", "Connection refused"
    )

    assert "Connection refused" in str(found)
    assert not found.is_fatal


@pytest.mark.parametrize(
    "error",
    [
        _error("_FATAL"),
        _error("CLUSTER_AUTHORIZATION_FAILED", fatal=True),
        confluent_kafka.KafkaException(_error("_FATAL")),
    ],
)
def test_error_that_is_fatal_is_known_as_such(error):
    """
    As it is reported, and as produce() raises it.
    """
    assert KafkaError.of(error, "topic t").is_fatal


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), ValueError(), OSError(5, "x"), RuntimeError(b"\xff")],
)
def test_error_of_somebody_else_may_pass(error):
    """
    Any exception has a text and a verdict.
    """
    found = KafkaError.of(error, "topic t")

    assert str(found).startswith("topic t: ")
    assert Verdict(Fault.TRANSIENT) == found.verdict


def test_error_of_ours_stays_what_it_is():
    """
    Its verdict is not lost on the way.
    """
    error = KafkaError("x", Verdict(Fault.POISON))

    assert error is KafkaError.of(error, "topic t")
