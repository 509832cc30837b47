"""
KafkaHandler: its options in each way of configuring, keys, headers, numbers.
"""

import io
import json
import logging
import logging.config
import sys
import threading

import pytest

pytest.importorskip("confluent_kafka")

from hostile import EACH_ARRAY, EACH_OBJECT  # noqa: E402
from producing import (  # noqa: E402
    PATIENT,
    end,
    handler_to,
    is_open,
    open_lane,
    sent,
    values,
)
from shipping import drained, unaccounted  # noqa: E402

import mllog  # noqa: E402
from mllog import KafkaHandler  # noqa: E402
from mllog.errors import ConfigError, MissingPackageError  # noqa: E402
from mllog.events import Event  # noqa: E402

SECRET = "s3cr3t-of-this-test"


@pytest.fixture
def shipper(logger, mock_kafka):
    """
    Makes handlers of the logger to a topic of the mock, and ends them.
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


# --- options ---


def test_constructor_needs_no_broker():
    """
    Nobody is asked, and no thread of ours is started.
    """
    before = threading.active_count()
    handler = KafkaHandler("127.0.0.1:1", "clicks")
    threads = threading.active_count()
    handler.close()

    assert before == threads
    assert 0 == handler.stats().accepted


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"overflow": "drop_oldest"}, "cannot give up its oldest"),
        ({"overflow": "drop"}, "overflow='drop'"),
        ({"topic": "CREATE"}, "create_topic="),
        ({"topic": "a/b"}, "topic='a/b'"),
        ({"topic": ""}, "topic is empty"),
        ({"bootstrap_servers": ""}, "bootstrap_servers is empty"),
        ({"bootstrap_servers": "h"}, "bootstrap_servers"),
        ({"key_field": 5}, "key_field=5"),
        ({"key_field": ["a"]}, "key_field="),
        ({"header_fields": 5}, "header_fields=5"),
        ({"header_fields": [""]}, "header_fields="),
        ({"compression": "lz5"}, "fix: write lz4"),
        ({"create_topic": {"partitions": 1}}, "num_partitions"),
        ({"schema_registry": {"subject": "s"}}, "url"),
        ({"producer_config": {"acks": 1}}, "acks"),
        ({"spool": "overflow"}, "spool_dir"),
        ({"max_age_seconds": 1, "linger_seconds": 2}, "linger_seconds"),
        ({"topics": "t"}, "write topic"),
        ({"bootstrap_server": "h:1"}, "write bootstrap_servers"),
        ({"sasl_password": SECRET}, "sasl_mechanism"),
        (
            {"sasl_password": SECRET, "security_protocol": "SASL_PLAINTEXT"},
            "KafkaHandler",
        ),
        ({"max_queue_records": 0}, "max_queue_records=0"),
        (
            {"max_record_bytes": "2GB", "max_queue_bytes": "4GB"},
            "message.max.bytes",
        ),
    ],
)
def test_option_that_cannot_work_is_refused_by_name(options, match):
    """
    The error names handler and option, and says what would be right.
    """
    given = {"bootstrap_servers": "h:9092", "topic": "t", **options}
    with pytest.raises(ConfigError, match=match) as caught:
        KafkaHandler(**given)

    assert str(caught.value).startswith("KafkaHandler: ")
    assert SECRET not in str(caught.value)


def test_secrets_are_in_no_repr_and_no_stats(tmp_path):
    """
    Neither passwords nor settings are shown.
    """
    handler = KafkaHandler(
        "h:9092",
        "t",
        sasl_mechanism="PLAIN",
        sasl_username="me",
        sasl_password=SECRET,
        producer_config={"ssl.keystore.password": SECRET},
    )
    text = f"{handler!r} {handler} {handler.stats()} {mllog.stats()}"
    handler.close()

    assert "<KafkaHandler t@h:9092 (NOTSET)>" == repr(handler)
    assert SECRET not in text


@pytest.mark.parametrize(
    ("package", "extra", "options"),
    [("confluent_kafka", "kafka", {})],
)
def test_package_that_is_missing_is_named_with_its_extra(
    monkeypatch, package, extra, options
):
    """
    By the constructor, not by the first record.
    """
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"\[{extra}\]") as caught:
        KafkaHandler("h:9092", "t", **options)

    assert package == caught.value.package


def test_import_of_mllog_loads_no_client():
    """
    confluent_kafka comes with the first handler.
    """
    import subprocess

    code = (
        "import sys, mllog, mllog.handlers.kafka;"
        "sys.exit('confluent_kafka' in sys.modules)"
    )
    assert 0 == subprocess.run([sys.executable, "-c", code]).returncode


def test_handler_is_found_by_both_names():
    """
    As a class, which both configurators ask for.
    """
    import mllog.handlers

    assert mllog.KafkaHandler is mllog.handlers.KafkaHandler
    assert issubclass(mllog.KafkaHandler, logging.Handler)


# --- ways of configuring ---


def _configured(logger):
    (handler,) = logger.handlers
    return handler


def test_dictconfig_makes_it(logger, mock_kafka):
    """
    Lists and mappings of a configuration are what they are.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"bare": {"format": "%(message)s"}},
            "handlers": {
                "kafka": {
                    "class": "mllog.KafkaHandler",
                    "bootstrap_servers": [mock_kafka.bootstrap],
                    "topic": topic,
                    "key_field": "user",
                    "header_fields": ["model", "version"],
                    "linger_seconds": 0.005,
                    "compression": "zstd",
                    "producer_config": {"client.id": "ext://sys.platform"},
                    "create_topic": None,
                    "formatter": "bare",
                    "filters": [],
                }
            },
            "loggers": {
                logger.name: {"handlers": ["kafka"], "propagate": False}
            },
        }
    )
    handler = _configured(logger)
    logger.warning("x", extra={"user": "me", "model": "m", "version": 3})

    assert sent(handler, 1)
    (found,) = mock_kafka.messages(topic, 1)
    assert (b"x", b"me") == (found.value, found.key)
    assert [("model", b"m"), ("version", b"3")] == found.headers
    assert sys.platform == handler._settings.client["client.id"]


def test_fileconfig_makes_it_of_strings(logger, mock_kafka, tmp_path):
    """
    Each option that INI can say is understood as text.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    config = f"""
[loggers]
keys=root,app
[handlers]
keys=kafka
[formatters]
keys=
[logger_root]
handlers=
[logger_app]
qualname={logger.name}
handlers=kafka
propagate=0
[handler_kafka]
class=mllog.KafkaHandler
args=()
kwargs={{
  "bootstrap_servers": "{mock_kafka.bootstrap}", "topic": "{topic}",
  "header_fields": "model, version", "max_queue_records": "1000",
  "max_queue_bytes": "1MiB", "max_record_bytes": "64KiB",
  "linger_seconds": "0.005", "batch_records": "100",
  "spool": "overflow", "spool_dir": "{tmp_path / "spool"}",
  "formatter_options": {{"timestamp": False}} if False else {{}}}}
"""
    logging.config.fileConfig(
        io.StringIO(config), disable_existing_loggers=False
    )
    handler = _configured(logger)
    logger.warning("x", extra={"model": "m"})

    assert sent(handler, 1)
    (found,) = mock_kafka.messages(topic, 1)
    assert "x" == json.loads(found.value)["message"]
    assert [("model", b"m")] == found.headers


def test_topic_none_sends_nothing_and_asks_nobody(logger):
    """
    Each record is skipped, none is formatted, and no thread starts.
    """
    handler = KafkaHandler("127.0.0.1:1", "NONE", key_field="user")

    class Raising(logging.Formatter):
        def format(self, record):
            raise AssertionError

    handler.setFormatter(Raising())
    logger.addHandler(handler)
    for _ in range(10):
        logger.warning("x", extra={"user": "me"})
    stats = handler.stats()

    assert (10, 0, {}) == (stats.skipped, stats.accepted, stats.dropped)
    assert not handler._worker.is_running
    assert handler.flush(0.1)


# --- values, keys and headers ---


def test_record_is_a_json_line_by_default(shipper, logger, mock_kafka):
    """
    With its fields, and neither key nor header.
    """
    handler = shipper(bare=False)
    logger.warning("hello", extra={"loss": 0.5})

    assert sent(handler, 1)
    (found,) = mock_kafka.messages(handler.topic, 1)
    line = json.loads(found.value)
    assert ("hello", 0.5) == (line["message"], line["loss"])
    assert (None, []) == (found.key, found.headers)


def test_key_chooses_the_partition(shipper, logger, mock_kafka):
    """
    All of one key are in one, in order; a record without it has none.
    """
    handler = shipper(4, key_field="user")
    open_lane(handler, logger)
    for number in range(200):
        user = number % 10 or None
        logger.warning("%s %d", user, number, extra={"user": user})

    assert sent(handler, 201)
    found = mock_kafka.messages(handler.topic, 201)
    places = {}
    for one in found:
        if one.value == b"first":
            continue
        user, number = one.value.split()
        assert one.key == (None if user == b"None" else user)
        if one.key:
            places.setdefault(user, []).append((one.partition, int(number)))
    assert 9 == len(places)
    for of_it in places.values():
        assert 1 == len({partition for partition, _ in of_it})
        assert sorted(of_it) == of_it
        assert 20 == len(of_it)


def test_key_of_the_handler_goes_before_that_of_the_formatter(
    shipper, logger, mock_kafka
):
    """
    And its headers behind the formatter's; without the field both stay.
    """

    class Keyed(logging.Formatter):
        def events(self, record):
            return (Event(b"x", b"formatter", (("a", b"1"),)),) * 2

    handler = shipper(key_field="user", header_fields="model")
    handler.setFormatter(Keyed())
    logger.warning("x", extra={"user": "me", "model": "m"})
    logger.warning("x")

    assert sent(handler, 2)
    found = mock_kafka.messages(handler.topic, 4)
    both = [("a", b"1"), ("model", b"m")]
    assert [b"me", b"me", b"formatter", b"formatter"] == [m.key for m in found]
    assert [both, both, both[:1], both[:1]] == [m.headers for m in found]


def test_key_and_headers_are_what_is_bound_as_well(
    shipper, logger, mock_kafka
):
    """
    A field may come from the context.
    """
    handler = shipper(key_field="user", header_fields=["model"])
    with mllog.bind(user="me", model="m"):
        logger.warning("x")

    assert sent(handler, 1)
    (found,) = mock_kafka.messages(handler.topic, 1)
    assert (b"me", [("model", b"m")]) == (found.key, found.headers)


VALUES = [
    ("é", "é".encode()),
    ("", b""),
    (b"\0\xff", b"\0\xff"),
    (0, b"0"),
    (1.5, b"1.5"),
    (False, b"False"),
    (None, None),
    ("\ud800", rb"\ud800"),
    ("a\nb\0", b"a\nb\0"),
    ("x" * 5000, b"x" * 1024),
    (b"x" * 5000, b"x" * 1024),
    (["a", 1], b"['a', 1]"),
]


def test_value_of_a_field_becomes_text(shipper, logger, mock_kafka):
    """
    As key and as header; bytes as they are, and no more than 1024.
    """
    handler = shipper(key_field="field", header_fields=["field"])
    for number, (value, _) in enumerate(VALUES):
        logger.warning("%d", number, extra={"field": value})

    assert sent(handler, len(VALUES))
    found = mock_kafka.messages(handler.topic, len(VALUES))
    for one, (value, expected) in zip(found, VALUES, strict=True):
        assert expected == one.key, value
        headers = [] if expected is None else [("field", expected)]
        assert headers == one.headers, value


class Liar(str):
    """
    Text that is something else wherever it is asked.
    """

    def __str__(self):
        return self

    def __getitem__(self, index):
        return self

    def encode(self, *args):
        return 5


class Raises:
    """
    An object that cannot be shown.
    """

    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


class Logs:
    """
    An object that logs while it is shown.
    """

    def __init__(self, logger):
        self._logger = logger

    def __str__(self):
        self._logger.warning("nested")
        return "logs"

    __repr__ = __str__


@pytest.mark.parametrize("kind", [Liar, Raises, Logs, "hostile"])
def test_hostile_value_harms_neither_caller_nor_neighbours(
    shipper, logger, mock_kafka, kind, capsys
):
    """
    Each record is sent or counted, and those behind it arrive.
    """
    handler = shipper(key_field="field", header_fields=["field"])
    open_lane(handler, logger)
    if kind == "hostile":
        given = [make() for make in EACH_OBJECT] + EACH_ARRAY
    else:
        given = [kind(logger) if kind is Logs else kind()]
    for value in given:
        logger.warning("hostile", extra={"field": value})
    logger.warning("last")

    assert drained(handler, PATIENT)
    stats = handler.stats()
    assert 0 == unaccounted(stats)
    assert stats.accepted >= 2 + len(given)
    found = values(mock_kafka, handler.topic)
    assert b"last" == found[-1]
    assert stats.sent == len(found)


# --- formatters ---


def test_formatter_with_events_sends_each(shipper, logger, mock_kafka):
    """
    Of InferenceFormatter two for a request, with one key.
    """
    handler = shipper(4, bare=False)
    handler.setFormatter(
        mllog.InferenceFormatter(
            model_name="resnet", model_version=1, serving_id=7
        )
    )
    for number in range(5):
        logger.info(
            "Inference complete",
            extra={
                "inputs": [[number]],
                "predictions": [number],
                "request_id": f"r{number}",
            },
        )
    logger.info("an ordinary line")

    assert sent(handler, 5)
    found = mock_kafka.messages(handler.topic, 10)
    assert 10 == len(found)
    assert {b"r%d" % n for n in range(5)} == {one.key for one in found}
    stats = handler.stats()
    assert (5, 5, 1) == (stats.accepted, stats.sent, stats.skipped)


def test_record_that_no_right_event_can_be_made_of_is_counted(
    shipper, logger, mock_kafka, capsys
):
    """
    As invalid_event; people hear which field, and its neighbours arrive.
    """
    handler = shipper(bare=False)
    handler.setFormatter(
        mllog.InferenceFormatter(
            model_name="resnet", model_version=1, serving_id=7
        )
    )
    for status in (200, "two hundred", 200):
        logger.info(
            "Inference complete",
            extra={"inputs": [1], "predictions": [2], "status_code": status},
        )

    assert sent(handler, 2)
    stats = handler.stats()
    assert {"invalid_event": 1} == stats.dropped
    assert 3 == stats.accepted
    assert 0 == unaccounted(stats)
    assert "status_code" in capsys.readouterr().err


def test_record_too_large_is_dropped_and_counted(shipper, logger, mock_kafka):
    """
    Key and headers count as well.
    """
    handler = shipper(max_record_bytes=1024, key_field="k")
    open_lane(handler, logger)
    logger.warning("x" * 1025)
    logger.warning("x" * 900, extra={"k": "k" * 200})
    logger.warning("x" * 900, extra={"k": "k" * 100})

    assert sent(handler, 2)
    assert {"too_large": 2} == handler.stats().dropped
    assert 2 == len(values(mock_kafka, handler.topic))


def test_record_as_large_as_it_may_be_is_sent(shipper, logger, mock_kafka):
    """
    900 KB by default, and librdkafka takes it, incompressible and framed.
    """
    import os

    class Noise(logging.Formatter):
        def format_bytes(self, record):
            return os.urandom(900_000)

    handler = shipper(compression="none")
    handler.setFormatter(Noise())
    logger.warning("x")
    assert is_open(handler)
    logger.warning("x")

    assert sent(handler, 2)
    assert [900_000] * 2 == [
        len(value) for value in values(mock_kafka, handler.topic, 2)
    ]


@pytest.mark.parametrize("codec", ["lz4", "zstd", "gzip", "snappy", "none"])
def test_compression_is_undone_by_the_reader(
    shipper, logger, mock_kafka, codec
):
    """
    What was logged is read, whatever it was compressed with.
    """
    handler = shipper(compression=codec)
    issued = [b"x" * number for number in range(1, 100)]
    for value in issued:
        logger.warning(value.decode())

    assert sent(handler, 99)
    assert issued == values(mock_kafka, handler.topic, 99)


def test_filters_see_a_record_before_key_and_headers(
    shipper, logger, mock_kafka
):
    """
    What a filter takes away is in no key and in no header.
    """

    def redact(record):
        other = logging.makeLogRecord(record.__dict__)
        other.token = "gone"
        return other

    handler = shipper(key_field="token", header_fields="token")
    handler.addFilter(redact)
    logger.warning("x", extra={"token": SECRET})

    assert sent(handler, 1)
    (found,) = mock_kafka.messages(handler.topic, 1)
    assert (b"gone", [("token", b"gone")]) == (found.key, found.headers)


# --- numbers ---


def test_numbers_are_those_of_every_shipper(shipper, logger):
    """
    By handler.stats() and mllog.stats(), by its name.
    """
    handler = shipper()
    handler.set_name("clicks")
    open_lane(handler, logger)
    for _ in range(10):
        logger.warning("x")
    assert handler.flush(PATIENT)
    stats = handler.stats()

    assert (11, 11, {}) == (stats.accepted, stats.sent, stats.dropped)
    assert stats == mllog.stats()["clicks"]
    assert 0 < stats.last_success


def test_mllog_flush_and_shutdown_reach_it(shipper, logger, mock_kafka):
    """
    What was logged is there when they say so.
    """
    handler = shipper(linger_seconds=5)
    logger.warning("1")
    assert mllog.flush(PATIENT)
    logger.warning("2")

    assert mllog.shutdown(PATIENT)
    assert [b"1", b"2"] == values(mock_kafka, handler.topic)
