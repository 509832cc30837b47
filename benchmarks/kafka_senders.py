"""
The ways to a Kafka topic that the case ``kafka`` measures to the receipt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .application import PJL, call_through
from .lines import lines_of

__all__ = [
    "BARE",
    "MLLOG",
    "NAIVE",
    "NULL",
    "REPORTED",
    "SENDERS",
    "NaiveHandler",
    "Sender",
    "SenderVariant",
    "kafka_logger",
    "producer",
]

NULL, BARE, REPORTED = "null", "bare", "reported"
MLLOG, NAIVE = "mllog", "naive"

# Longer than any turn takes.
_PATIENCE_SECONDS = 60.0
# What mllog asks of librdkafka, asked of it by all.
_SETTINGS = {
    "acks": "all",
    "enable.idempotence": True,
    "compression.type": "lz4",
    "linger.ms": 50,
    "batch.size": 2**20,
    "log_level": 0,
}
_POLL_EACH = 100


@dataclass
class Sender:
    """
    One way, ready to be timed.

    Args:
        call: Sends one of what *prepare* gives.

        flush: Waits until all of it has its receipt; gives how many records
            have none.

        prepare: Makes what *call* takes, from latencies.
    """

    call: Callable[[Any], Any]
    flush: Callable[[], int] = field(default=lambda: 0)
    prepare: Callable[[list[float]], Sequence[Any]] = field(
        default=lambda latencies: latencies
    )


@dataclass(frozen=True)
class SenderVariant:
    """
    One way to bring records into a topic.

    Args:
        label: What tables call it.

        make: Makes it, for an address and a topic.

        needs: The module it cannot do without; "" for none.

        share: How much of the records it gets, for one that is slow.
    """

    label: str
    make: Callable[[str, str], Sender]
    needs: str = ""
    share: float = 1.0


def producer(address: str, **settings: Any) -> Any:
    """
    A producer of confluent-kafka, with the settings that all have.
    """
    from confluent_kafka import Producer

    return Producer({"bootstrap.servers": address, **_SETTINGS, **settings})


class NaiveHandler(logging.Handler):
    """
    What one finds in tutorials: format, produce, poll; flush at the end.

    Args:
        client: The producer.

        topic: Where to.

        report: Called with what became of each record; None asks nothing.
    """

    def __init__(
        self,
        client: Any,
        topic: str,
        report: Callable[[Any, Any], None] | None = None,
    ) -> None:
        super().__init__()
        self._client, self._topic, self._report = client, topic, report

    def emit(self, record: logging.LogRecord) -> None:
        """
        Produce the line of *record*.
        """
        try:
            line = self.format(record).encode()
            self._client.produce(self._topic, line, on_delivery=self._report)
            self._client.poll(0)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """
        Wait for what is on its way.
        """
        self._client.flush(5)
        super().close()


def kafka_logger(address: str, topic: str, **arguments: Any) -> Any:
    """
    The handler of kafka-logging-handler, on a kafka-python that works here.
    """
    from kafka_logger.handlers import KafkaLoggingHandler

    return KafkaLoggingHandler(
        address,
        topic,
        security_protocol="PLAINTEXT",
        kafka_producer_args={
            # librdkafka's mock does not answer what it asks for by itself
            "api_version": (2, 0),
            "linger_ms": 50,
        },
        **arguments,
    )


def _null(address: str, topic: str) -> Sender:
    return Sender(call_through(logging.NullHandler()))


def _bare(address: str, topic: str) -> Sender:
    """
    Nothing is known of single records but that none is left at the end.
    """
    client = producer(address)
    produce = client.produce

    def call(line: bytes) -> None:
        produce(topic, line)

    return Sender(call, lambda: client.flush(_PATIENCE_SECONDS), lines_of)


def _reported(address: str, topic: str) -> Sender:
    """
    The least that knows which record failed.
    """
    client = producer(address, **{"delivery.report.only.error": True})
    produce, poll = client.produce, client.poll
    failed: list[Any] = []
    calls = 0

    def report(error: Any, message: Any) -> None:
        failed.append(message)

    def call(line: bytes) -> None:
        nonlocal calls
        produce(topic, line, None, -1, report)
        calls += 1
        if calls % _POLL_EACH == 0:
            poll(0)

    def flush() -> int:
        return client.flush(_PATIENCE_SECONDS) + len(failed)

    return Sender(call, flush, lines_of)


def _mllog(**options: Any) -> Callable[[str, str], Sender]:
    def make(address: str, topic: str) -> Sender:
        from mllog import KafkaHandler

        handler = KafkaHandler(address, topic, **options)

        def flush() -> int:
            handler.flush(_PATIENCE_SECONDS)
            stats = handler.stats()
            return stats.accepted - stats.sent

        return Sender(call_through(handler), flush)

    return make


def _naive(address: str, topic: str) -> Sender:
    return _handled(producer(address), topic)


def _naive_told(address: str, topic: str) -> Sender:
    failed: list[Any] = []

    def report(error: Any, message: Any) -> None:
        if error is not None:
            failed.append(message)

    return _handled(producer(address), topic, report)


def _handled(client: Any, topic: str, report: Any = None) -> Sender:
    from pythonjsonlogger.orjson import OrjsonFormatter

    handler = NaiveHandler(client, topic, report)
    handler.setFormatter(OrjsonFormatter(PJL))
    return Sender(
        call_through(handler), lambda: client.flush(_PATIENCE_SECONDS)
    )


def _kafka_logger(address: str, topic: str) -> Sender:
    handler = kafka_logger(address, topic, flush_buffer_size=1000)

    def flush() -> int:
        handler.flush()
        return len(handler.buffer)

    return Sender(call_through(handler), flush)


SENDERS = {
    NULL: SenderVariant("NullHandler (sends nothing)", _null),
    BARE: SenderVariant(
        "bare: `produce` of the same bytes, one flush",
        _bare,
        "confluent_kafka",
    ),
    REPORTED: SenderVariant(
        "bare, and told of each record that fails",
        _reported,
        "confluent_kafka",
    ),
    MLLOG: SenderVariant(
        "**mllog** KafkaHandler", _mllog(), "confluent_kafka"
    ),
    NAIVE: SenderVariant(
        "python-json-logger (orjson), `produce` and `poll` per record",
        _naive,
        "confluent_kafka",
    ),
    "naive_told": SenderVariant(
        "the same, told by a callback of each record",
        _naive_told,
        "confluent_kafka",
    ),
    "kafka_logger": SenderVariant(
        "kafka-logging-handler, kafka-python",
        _kafka_logger,
        "kafka_logger",
        share=0.2,
    ),
}
