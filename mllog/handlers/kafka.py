"""
Records as messages of a Kafka topic.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from .. import options
from ..delivery.bounds import Bounds
from ..delivery.handler import DeliveryOptions, ShippingHandler
from ..delivery.kafka import (
    PRODUCER_CONFIG,
    SERVERS,
    TOPIC,
    KafkaSecurity,
    KafkaTransport,
    Producer,
    ProducerOutbox,
    Registry,
    Settings,
    Topic,
)
from ..errors import ConfigError, shown
from ..events import Entry, events_of
from ..options import Parse, Unpack

__all__ = ["KafkaHandler"]

# Characters of a field that becomes a key or a header.
_LONGEST = 1024


def _overflow(option: str, value: Any) -> str:
    allowed = ("drop_newest", "block")
    if value == "drop_oldest":
        raise ConfigError(
            f"{shown(option, value)}: librdkafka's queue cannot give up its"
            " oldest",
            expected="drop_newest or block",
            fix='write "drop_newest", and add spool="overflow" to lose nothing',
        )
    return options.choice(option, value, allowed)


_OVERFLOW = Parse(_overflow, {"enum": ["drop_newest", "block"]})


class KafkaOptions(KafkaSecurity, DeliveryOptions, total=False):
    """
    How to reach brokers, and how to deliver to them.
    """


class KafkaHandler(ShippingHandler):
    """
    Publish records to a Kafka topic, through librdkafka's queue.

    A log call formats the record and hands it to librdkafka, whose threads
    send it; a worker takes the reports.  Records of any formatter go: JSON
    lines by default, events of :class:`mllog.InferenceFormatter`, or those of
    your own.

    Guarantee:
        Logging never waits for a broker, and its constructor does not need
        one.  A record counts as sent when all replicas in sync have it.
        Within a process each is stored once, and those of one partition keep
        their order.  With ``spool="overflow"`` an outage loses nothing.

    Limit:
        What comes back from librdkafka on its way to the spool, or is sent
        from there by another process, may be stored twice.  A record with
        several messages, such as request and response, is not atomic.

    Args:
        bootstrap_servers: ``"kafka-1:9092,kafka-2:9092"``, or a list.

        topic: Its name; ``"NONE"`` sends nothing.

        key_field: Field whose value becomes the key of the message, by which
            Kafka chooses the partition; None leaves the choice to the
            formatter and to Kafka.

        header_fields: Fields that become headers, as text.

        create_topic: ``{"num_partitions": 1, "num_replicas": 1}`` to make a
            topic that is not there; None if it has to be.

        compression: ``lz4``, ``zstd``, ``gzip``, ``snappy`` or ``none``.

        security_protocol: ``PLAINTEXT``, ``SSL`` or ``SASL_SSL``; None is
            what the other options ask for.

        ca_file: PEM file with the authorities that may have signed the
            brokers' certificates; None is the system's.

        cert_file: PEM file with our own certificate.

        key_file: PEM file with its key.

        key_password: Password of an encrypted key.

        sasl_mechanism: ``PLAIN``, ``SCRAM-SHA-256``, ``SCRAM-SHA-512``, ….

        sasl_username: Who we are.

        sasl_password: How we prove it; only ever sent over TLS.

        schema_registry: ``{"url": "https://registry:8081"}`` to put the
            number of its schema before each Avro value, as Confluent's
            clients do; with ``subject`` (``<topic>-value``), ``username``,
            ``password``, ``ca_file`` and ``auto_register`` (true).

        producer_config: Further settings of librdkafka, by its names.

        overflow: What gives way when memory and spool are full:
            ``"drop_newest"`` or ``"block"``.  librdkafka cannot give up its
            oldest.

        max_queue_records: Records in memory.

        max_queue_bytes: Bytes in memory.

        max_record_bytes: Largest record; brokers take 1 MB by default.

        batch_records: Records replayed together after an outage.

        batch_bytes: Bytes replayed together.

        linger_seconds: How long a record waits for others to go with.

        delivery: The other options of
            :class:`mllog.delivery.handler.ShippingHandler`: spool, dead
            letters, timeouts, filters.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.

        MissingPackageError: confluent-kafka, or the client of the schema
            registry, is not installed.
    """

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "overflow": "drop_newest",
        "max_queue_records": 100_000,
        "max_queue_bytes": "32MiB",
        "max_record_bytes": "900KB",
        "batch_records": 2_000,
        "batch_bytes": "4MiB",
        "linger_seconds": 0.05,
    }
    PARSERS: ClassVar[Mapping[str, Parse]] = {"overflow": _OVERFLOW}

    @options.checked
    def __init__(
        self,
        bootstrap_servers: Annotated[str | Sequence[str], SERVERS],
        topic: Annotated[str, TOPIC],
        *,
        key_field: options.Text | None = None,
        header_fields: options.Names = (),
        create_topic: options.Fields | None = None,
        compression: Literal["lz4", "zstd", "gzip", "snappy", "none"] = "lz4",
        schema_registry: options.Fields | None = None,
        producer_config: Annotated[Mapping[str, Any], PRODUCER_CONFIG]
        | None = None,
        **more: Unpack[KafkaOptions],
    ) -> None:
        given = {
            **more,
            "bootstrap_servers": bootstrap_servers,
            "producer_config": producer_config,
            "compression": compression,
        }
        self._topic = Topic.of(topic, create_topic)
        self._settings = options.construct(Settings, given)
        self._key_field = key_field
        self._header_fields = tuple(header_fields)
        name = "" if self._topic is None else self._topic.name
        self.destination = name
        self._registry = Registry.of(schema_registry, name)
        super().__init__(**options.only(DeliveryOptions, more))
        if self._spool_mode != "off":  # librdkafka's queue has the other half
            self._bounds = self._bounds.halved()
        producer = Producer(
            self._settings.producer(self._bounds), name, self._registry
        )
        transport = KafkaTransport(
            producer,
            self._topic or Topic("NONE"),
            self._settings.client,
        )
        self.ship(
            transport,
            f"{name}@{self._settings.servers}",
            functools.partial(ProducerOutbox, producer=producer),
        )
        producer.watch.outage = self._worker.outage
        transport.worker = self._worker

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[ConfigError]:
        """
        What is wrong with parsed options together.
        """
        topic = Topic.of(given["topic"], given["create_topic"])
        name = "" if topic is None else topic.name
        registry = Registry.of(given["schema_registry"], name)
        settings = options.construct(Settings, given).producer(
            Bounds.of(given)
        )
        Producer(settings, name, registry).check()
        yield from ()

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802
        """
        Use *fmt*; its Avro schemas are those of the registry.
        """
        super().setFormatter(fmt)
        if self._registry is not None:
            self._registry.schemas = dict(
                getattr(self._used, "avro_schemas", {})
            )

    def way_to_entry(self) -> Callable[[logging.LogRecord], Entry]:
        """
        What the formatter makes of a record, with key and headers.
        """
        if self._topic is None:
            return _nothing
        way, key, headers = (
            super().way_to_entry(),
            self._key_field,
            self._header_fields,
        )
        if key is None and not headers:
            return way

        def entry_of(record: logging.LogRecord) -> Entry:
            entry = way(record)
            if not entry:
                return entry
            own = record.__dict__
            chosen = None if key is None else _bytes_of(own.get(key))
            more = tuple(
                (name, value)
                for name in headers
                if (value := _bytes_of(own.get(name))) is not None
            )
            return tuple(
                event._replace(
                    key=event.key if chosen is None else chosen,
                    headers=event.headers + more,
                )
                for event in events_of(entry)
            )

        return entry_of


def _nothing(_record: logging.LogRecord) -> Entry:
    return ()


def _bytes_of(value: Any) -> bytes | None:
    """
    The value of a field as key or header; None where there is none to say.
    """
    if value is None:
        return None
    if isinstance(value, bytes):
        return value[:_LONGEST]
    try:
        text = value if type(value) is str else str(value)
        return text[:_LONGEST].encode("utf-8", "backslashreplace")
    except Exception:  # an object's __str__ may do anything
        return None
