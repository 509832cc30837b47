"""
A schema registry: the number before each Avro value.
"""

import logging
import time

import pytest

pytest.importorskip("confluent_kafka")

from producing import PATIENT, end, handler_to, is_open, sent  # noqa: E402
from servers.certificates import Authority  # noqa: E402
from servers.faulty import free_port  # noqa: E402
from servers.registry import Registry as Server  # noqa: E402
from shipping import unaccounted, wait_until  # noqa: E402

from mllog.delivery import retry  # noqa: E402
from mllog.delivery.kafka import Registry  # noqa: E402
from mllog.delivery.kafka.faults import KafkaError  # noqa: E402
from mllog.delivery.retry import Fault  # noqa: E402
from mllog.errors import ConfigError  # noqa: E402
from mllog.events import Event  # noqa: E402

SECRET = "s3cr3t-of-this-test"
KIND = "application/vnd.apache.avro+binary;schema=a"
OTHER = "application/vnd.apache.avro+binary;schema=b"
TEXT, NUMBER = '"string"', '"int"'


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def impatient(monkeypatch):
    """
    What needs a person is tried again at once.
    """
    monkeypatch.setattr(retry, "_AUTH_FIRST_SECONDS", 0.02)
    monkeypatch.setattr(retry, "_AUTH_LONGEST_SECONDS", 0.02)


def _of(url, **options):
    registry = Registry.of({"url": url, **options}, "clicks")
    registry.schemas = {KIND: TEXT}
    return registry


def _soon(seconds=PATIENT):
    return time.monotonic() + seconds


# --- options ---


@pytest.mark.parametrize("given", [None, {}])
def test_nothing_is_no_registry(given):
    """
    Then values go as they are.
    """
    assert Registry.of(given, "t") is None


def test_subject_is_that_of_the_topic_unless_it_is_named():
    """
    As Confluent's clients name it.
    """
    assert "clicks-value" == _of("http://h:1").subject
    assert "mine" == _of("http://h:1", subject="mine").subject
    assert "http://h:1" == _of("http://h:1/").url


@pytest.mark.parametrize(
    "given",
    [
        "http://h:1",
        {"subject": "s"},
        {"url": ""},
        {"url": "h:8081"},
        {"url": "ftp://h:8081"},
        {"url": 5},
        {"url": f"http://me:{SECRET}@h:1"},
        {"url": f"https://{SECRET}@h:1"},
        {"url": "http://h:1", "auto_register": "perhaps"},
        {"url": "http://h:1", "username": "me"},
        {"url": "http://h:1", "password": SECRET},
        {"url": "http://h:1", "pasword": SECRET},
        {"url": "http://h:1", "ca_file": "/no/such.pem"},
        {"url": "http://h:1", "subject": 5},
    ],
)
def test_option_that_cannot_work_is_refused(given):
    """
    By the constructor, and without what may be a password.
    """
    with pytest.raises(ConfigError) as caught:
        Registry.of(given, "t")

    assert SECRET not in str(caught.value)


# --- numbers ---


def test_schema_is_registered_once_and_its_number_framed(server):
    """
    A zero byte and the number in four, as each reader expects.
    """
    server.schemas += ['"bytes"'] * 299
    registry = _of(server.url)
    registry.look_up(_soon())
    registry.look_up(_soon())

    event = Event(b"value", content_type=KIND)
    assert b"\0\0\0\x01\x2cvalue" == registry.framed(event)
    assert {"clicks-value": [300]} == server.subjects
    assert 1 == len(server.asked)


def test_schema_that_others_registered_keeps_its_number(server):
    """
    The same schema has one number.
    """
    for _ in range(2):
        registry = _of(server.url)
        registry.look_up(_soon())

    assert {"clicks-value": [1]} == server.subjects
    assert b"\0\0\0\0\1" == registry.framed(Event(b"", content_type=KIND))


def test_schema_is_only_looked_up_where_we_may_not_register(server):
    """
    auto_register=false asks for the number of one that is there.
    """
    _of(server.url).look_up(_soon())
    before = len(server.schemas)
    registry = _of(server.url, auto_register="false")
    registry.look_up(_soon())

    assert before == len(server.schemas)
    assert b"\0\0\0\0\1" == registry.framed(Event(b"", content_type=KIND))


def test_schema_that_is_not_there_says_what_to_do(server):
    """
    Somebody has to register it.
    """
    with pytest.raises(KafkaError, match="fix: register the schema") as caught:
        _of(server.url, auto_register=False).look_up(_soon())

    assert Fault.AUTH is caught.value.verdict.fault
    assert [] == server.schemas


@pytest.mark.parametrize(
    ("code", "fault", "says"),
    [
        (401, Fault.AUTH, "mend username and password"),
        (403, Fault.AUTH, "allow it to this user"),
        (409, Fault.AUTH, "give another subject"),
        (42201, Fault.AUTH, "mend the schema"),
        (429, Fault.TRANSIENT, ""),
        (500, Fault.TRANSIENT, ""),
        (503, Fault.TRANSIENT, ""),
    ],
)
def test_refusal_says_what_it_is_and_what_to_do(server, code, fault, says):
    """
    The error names the registry and the subject.
    """
    server.fail(code)
    with pytest.raises(KafkaError) as caught:
        _of(server.url).look_up(_soon())

    assert fault is caught.value.verdict.fault
    assert says in str(caught.value)
    assert server.url in str(caught.value)
    assert "clicks-value" in str(caught.value)


@pytest.mark.parametrize("how", ["dead", "silent"])
def test_registry_that_does_not_answer_is_an_error_in_time(server, how):
    """
    The deadline holds, and it is tried again.
    """
    url = f"http://127.0.0.1:{free_port()}" if how == "dead" else server.url
    server.silence()
    began = time.monotonic()
    with pytest.raises(KafkaError) as caught:
        _of(url).look_up(began + 0.5)

    assert time.monotonic() - began < 10
    assert Fault.TRANSIENT is caught.value.verdict.fault


def test_password_is_sent_and_never_shown():
    """
    The right one gets a number, a wrong one an error without it.
    """
    with Server("me", SECRET) as server:
        right = _of(server.url, username="me", password=SECRET)
        right.look_up(_soon())
        wrong = _of(server.url, username="me", password=f"no {SECRET}")
        with pytest.raises(KafkaError, match="mend username") as caught:
            wrong.look_up(_soon())

    assert right.framed(Event(b"", content_type=KIND))
    for text in (caught.value, repr(right), repr(wrong)):
        assert SECRET not in str(text)


def test_tls_is_verified(tmp_path):
    """
    With its authority it answers, without it nothing is asked.
    """
    authority = Authority(tmp_path / "ca")
    other = Authority(tmp_path / "other")
    with Server(identity=authority.identity("server")) as server:
        _of(server.url, ca_file=authority.cert).look_up(_soon())
        asked = len(server.asked)
        for options in ({}, {"ca_file": other.cert}):
            with pytest.raises(KafkaError):
                _of(server.url, **options).look_up(_soon(5))

    assert (1, 1) == (asked, len(server.asked))


# --- events ---


@pytest.mark.parametrize("kind", ["", "application/json", "text/plain"])
def test_event_that_is_not_avro_has_no_number(server, kind):
    """
    JSON beside Avro goes as it is.
    """
    registry = _of(server.url)
    registry.look_up(_soon())

    assert b"value" == registry.framed(Event(b"value", content_type=kind))


def test_event_of_an_unknown_schema_is_refused_not_sent_bare(server):
    """
    Nobody could read it; the error says what to do.
    """
    registry = _of(server.url)
    registry.look_up(_soon())
    with pytest.raises(KafkaError, match="fix: give the handler") as caught:
        registry.framed(Event(b"value", content_type=OTHER))

    assert Fault.POISON is caught.value.verdict.fault


# --- within a handler ---


class Avro(logging.Formatter):
    """
    Events of one kind, or of the kind that a record names.
    """

    def __init__(self, schemas):
        super().__init__()
        self.avro_schemas = schemas

    def events(self, record):
        kind = getattr(record, "kind", KIND)
        value = record.getMessage().encode()
        return (Event(value, content_type=kind),)


@pytest.fixture
def shipper(logger, mock_kafka, server):
    """
    Makes handlers of the logger with the registry, and ends them.
    """
    made = []

    def make(schemas, topic=None, **options):
        topic = topic or mock_kafka.create_topic(mock_kafka.topic())
        handler = handler_to(
            mock_kafka,
            topic,
            schema_registry={"url": server.url},
            **options,
        )
        handler.topic = topic
        handler.setFormatter(Avro(schemas))
        made.append(handler)
        logger.addHandler(handler)
        return handler

    yield make
    server.recover()
    server.speak()
    for handler in made:
        logger.removeHandler(handler)
        end(handler)


def _values(kafka, handler, count=None):
    return [m.value for m in kafka.messages(handler.topic, count, PATIENT)]


def test_records_are_framed_by_worker_and_lane_alike(
    shipper, logger, mock_kafka, server
):
    """
    The log call asks nobody; the worker did, once.
    """
    handler = shipper({KIND: TEXT})
    logger.warning("0")
    assert is_open(handler)
    for number in range(1, 100):
        logger.warning("%d", number)

    assert sent(handler, 100)
    assert 1 == len(server.asked)
    assert [b"\0\0\0\0\1%d" % n for n in range(100)] == _values(
        mock_kafka, handler
    )


def test_records_wait_while_the_registry_is_away(
    shipper, logger, mock_kafka, server, impatient, capsys
):
    """
    Neither lost nor sent without a number; then they go.
    """
    server.fail(503)
    handler = shipper({KIND: TEXT})
    for number in range(20):
        logger.warning("%d", number)
    assert wait_until(lambda: len(server.asked) > 2, PATIENT)
    before = _values(mock_kafka, handler)
    server.recover()

    assert [] == before
    assert sent(handler, 20)
    assert 20 == len(_values(mock_kafka, handler))
    assert 0 == unaccounted(handler.stats())


def test_records_of_a_schema_that_nobody_knows_are_rejected(
    shipper, logger, mock_kafka, capsys
):
    """
    They are counted, and hold up nobody.
    """
    handler = shipper({KIND: TEXT})
    logger.warning("0")
    assert is_open(handler)
    logger.warning("1", extra={"kind": OTHER})
    logger.warning("2")

    assert sent(handler, 2)
    assert {"rejected": 1} == handler.stats().dropped
    assert [b"\0\0\0\0\0010", b"\0\0\0\0\0012"] == _values(mock_kafka, handler)


def test_formatter_that_is_changed_brings_its_own_schema(
    shipper, logger, mock_kafka, server
):
    """
    No value goes out with another one's number, or with none.
    """
    handler = shipper({KIND: TEXT})
    logger.warning("0")
    assert is_open(handler)
    handler.setFormatter(Avro({KIND: TEXT, OTHER: NUMBER}))
    logger.warning("1", extra={"kind": OTHER})

    assert sent(handler, 2)
    assert [b"\0\0\0\0\0010", b"\0\0\0\0\0021"] == _values(mock_kafka, handler)


def test_formatter_that_gives_one_name_another_schema_is_not_mixed_up(
    shipper, logger, mock_kafka, server
):
    """
    The number is that of the schema, not of its name.
    """
    handler = shipper({KIND: TEXT})
    logger.warning("0")
    assert is_open(handler)
    assert sent(handler, 1)
    handler.setFormatter(Avro({KIND: NUMBER}))
    logger.warning("1")

    assert sent(handler, 2)
    assert [b"\0\0\0\0\0010", b"\0\0\0\0\0021"] == _values(mock_kafka, handler)


def test_records_of_the_spool_have_their_number_too(
    shipper, logger, mock_kafka, server, tmp_path
):
    """
    The number is put before the value when it is sent, by whom it may be.
    """
    spool = {"spool": "overflow", "spool_dir": str(tmp_path / "spool")}
    server.fail(503)
    handler = shipper({KIND: TEXT}, **spool)
    logger.warning("0")
    handler.close(0.5)
    logger.removeHandler(handler)
    assert 1 == handler.stats().spooled
    server.recover()
    heir = handler_to(
        mock_kafka,
        handler.topic,
        schema_registry={"url": server.url},
        **spool,
    )
    heir.setFormatter(Avro({KIND: TEXT}))
    heir.start()
    try:
        assert sent(heir, 1)
        assert [b"\0\0\0\0\0010"] == _values(mock_kafka, handler)
    finally:
        end(heir)
