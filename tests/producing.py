"""
Kafka handlers for tests: quick ones, and what became of their records.

A test logs bare messages, so ``logger.info("7")`` arrives as ``b"7"``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shipping import wait_until

from mllog import KafkaHandler

#: Settings of librdkafka with which an outage is over soon.
SOON = {
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 100,
    "retry.backoff.ms": 20,
    "retry.backoff.max.ms": 100,
    "topic.metadata.propagation.max.ms": 500,
}
#: Options that make a test quick; a test gives its own over them.
QUICK: dict[str, Any] = {"linger_seconds": 0.005, "retry_max_seconds": 0.05}
PATIENT = 40.0


def handler_to(
    kafka: Any, topic: str, *, bare: bool = True, **options: Any
) -> KafkaHandler:
    """
    A quick handler to *topic* of *kafka*.

    Args:
        kafka: One of tests/servers/kafka.py, or an address.

        topic: Its name.

        bare: Whether a message is what was logged.

        options: Of the handler; ``producer_config`` is added to ``SOON``.
    """
    config = {**SOON, **options.pop("producer_config", {})}
    address = getattr(kafka, "bootstrap", kafka)
    handler = KafkaHandler(
        address, topic, **{**QUICK, "producer_config": config, **options}
    )
    if bare:
        handler.setFormatter(logging.Formatter("%(message)s"))
    return handler


def end(handler: KafkaHandler) -> None:
    """
    Close *handler* without waiting, and have its thread end.
    """
    handler.close(0)
    handler._worker.join(time.monotonic() + 10)


def lane(handler: KafkaHandler) -> str:
    """
    Where records of *handler* go: "open" is straight to librdkafka.
    """
    return handler._outbox._lane.way.value


def is_open(handler: KafkaHandler, seconds: float = PATIENT) -> bool:
    """
    Wait until records go straight to librdkafka; gives whether they do.
    """
    return wait_until(lambda: lane(handler) == "open", seconds)


def open_lane(handler: KafkaHandler, logger: logging.Logger) -> None:
    """
    Log one record, "first", and wait until others go straight.
    """
    logger.warning("first")
    assert is_open(handler), lane(handler)
    assert wait_until(lambda: handler.stats().sent == 1, PATIENT)


def sent(
    handler: KafkaHandler, records: int, seconds: float = PATIENT
) -> bool:
    """
    Wait until so many *records* are acknowledged; gives whether they are.
    """
    return wait_until(lambda: handler.stats().sent >= records, seconds)


def values(
    kafka: Any, topic: str, count: int | None = None, timeout: float = PATIENT
) -> list[bytes]:
    """
    What is in *topic*, by partition and offset.
    """
    found = kafka.messages(topic, count, timeout)
    return [message.value for message in found]


def late(messages: Sequence[Any]) -> int:
    """
    Messages "<thread> <number>" behind a later one of their thread.

    Only those of the same partition are compared.
    """
    last: dict[Any, int] = {}
    count = 0
    for message in messages:
        thread, number = message.value.split(b" ")[:2]
        at = message.partition, thread
        count += int(number) < last.get(at, -1)
        last[at] = max(int(number), last.get(at, -1))
    return count


def threads_of_librdkafka() -> int:
    """
    How many threads of librdkafka this process has.
    """
    count = 0
    for path in Path("/proc/self/task").glob("*/comm"):
        with contextlib.suppress(OSError):
            count += path.read_text().startswith("rdk:")
    return count


def resident() -> int:
    """
    Bytes of memory that this process has.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def computing() -> Iterator[None]:
    """
    A thread that never waits, as a training loop.
    """
    import threading

    is_over = threading.Event()

    def compute() -> None:
        while not is_over.is_set():
            sum(range(1000))

    thread = threading.Thread(target=compute, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(10)
