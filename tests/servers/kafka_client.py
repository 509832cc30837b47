"""
What the tests see of a Kafka: topics, and what was written to them.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

#: Of clients that are to say nothing themselves.
QUIET = {"log_level": 0, "allow.auto.create.topics": False}


class Message(NamedTuple):
    """
    One record of a topic, as a consumer got it.
    """

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp: int


class Kafka:
    """
    A Kafka at an address that stays the same.

    Attributes:
        bootstrap: Where it is, "127.0.0.1:port"; several with commas.

        is_real: Whether it is an Apache Kafka, not librdkafka's mock.

        name: What it is, for people.

        tls_bootstrap: Where it speaks TLS; None where it does not.

        mtls_bootstrap: Where it asks for a client's certificate.

        sasl_bootstrap: Where it speaks TLS and asks for a password.

        ca_file: Who signed its certificate.
    """

    is_real = True
    name = "Kafka"
    tls_bootstrap: str | None = None
    mtls_bootstrap: str | None = None
    sasl_bootstrap: str | None = None
    ca_file: str | None = None

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def start(self) -> None:
        """
        Start it where it was, unless it runs.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """
        Stop it in order; its ports refuse.
        """
        raise NotImplementedError

    def kill(self) -> None:
        """
        End it by SIGKILL, as a crash would.
        """
        raise NotImplementedError

    def pause(self) -> None:
        """
        Have it take connections and answer nothing.
        """
        raise NotImplementedError

    def resume(self) -> None:
        """
        Have it go on after a pause.
        """
        raise NotImplementedError

    def topic(self, name: str = "test") -> str:
        """
        The name of a topic that is not there, and that no other test has.
        """
        return f"{name}-{uuid.uuid4().hex[:12]}"

    def create_topic(self, name: str, partitions: int = 1) -> str:
        """
        Make the topic *name* and wait until it is there; gives its name.
        """
        from confluent_kafka.admin import NewTopic

        # a client that nobody holds ends, and its calls with it
        admin = self.admin()
        made = admin.create_topics([NewTopic(name, partitions, 1)])
        made[name].result(timeout=30)
        _wait(lambda: self.partitions(name) == partitions, f"{name} is made")
        return name

    def delete_topic(self, name: str) -> None:
        """
        Delete the topic *name* and wait until it is gone.
        """
        admin = self.admin()
        admin.delete_topics([name])[name].result(timeout=30)
        _wait(lambda: self.partitions(name) == 0, f"{name} is gone")

    def partitions(self, topic: str) -> int:
        """
        How many partitions *topic* has; 0 where there is no such topic.
        """
        with self._consumer() as consumer:
            return len(_partitions(consumer, topic))

    def messages(
        self, topic: str, count: int | None = None, timeout: float = 30.0
    ) -> list[Message]:
        """
        What *topic* holds from its beginning, by partition and offset.

        Args:
            topic: One that need not be there yet.

            count: How many to wait for; more are given if more are there.
                None waits for none.

            timeout: In seconds, until the last of them.

        Raises:
            AssertionError: Fewer came, or the oldest are no more.
        """
        from confluent_kafka import KafkaException

        deadline = time.monotonic() + timeout
        while True:
            late = time.monotonic() > deadline
            try:
                found = self._read(topic)
            except KafkaException:
                # it may just have started
                if late:
                    raise
                continue
            if count is None or len(found) >= count:
                return found
            if late:
                raise AssertionError(
                    f"{topic} at {self.bootstrap} holds {len(found)}"
                    f" messages after {timeout} s, not {count}"
                )
            time.sleep(0.05)

    def admin(self, **config: Any) -> Any:
        """
        A client for what is no producer's or consumer's business.
        """
        from confluent_kafka.admin import AdminClient

        return AdminClient(
            {"bootstrap.servers": self.bootstrap, **QUIET, **config}
        )

    def _read(self, topic: str, timeout: float = 30.0) -> list[Message]:
        """
        What is in *topic* now.
        """
        from confluent_kafka import TopicPartition

        found: list[Message] = []
        deadline = time.monotonic() + timeout
        with self._consumer() as consumer:
            unread = set(_partitions(consumer, topic))
            consumer.assign([TopicPartition(topic, p, 0) for p in unread])
            while unread:
                for got in consumer.consume(10_000, timeout=0.05):
                    if got.error():
                        unread.discard(_at_end(got))
                    else:
                        found.append(_message(got))
                assert time.monotonic() < deadline, f"no end of {topic}"
        return sorted(found, key=lambda one: (one.partition, one.offset))

    @contextlib.contextmanager
    def _consumer(self) -> Iterator[Any]:
        from confluent_kafka import Consumer

        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": uuid.uuid4().hex,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 20,
                "reconnect.backoff.max.ms": 500,
                **QUIET,
            }
        )
        try:
            yield consumer
        finally:
            consumer.close()


def _partitions(consumer: Any, topic: str) -> list[int]:
    # all topics: to ask for one by its name may make it
    found = consumer.list_topics(timeout=30).topics.get(topic)
    return [] if found is None or found.error else sorted(found.partitions)


def _at_end(got: Any) -> int:
    """
    The partition whose end *got* says has come; it may say worse.
    """
    from confluent_kafka import KafkaError, KafkaException

    code = got.error().code()
    assert code != KafkaError._AUTO_OFFSET_RESET, (
        f"{got.topic()} lost its oldest messages: {got.error()}"
    )
    if code != KafkaError._PARTITION_EOF:
        raise KafkaException(got.error())
    return int(got.partition())


def _message(got: Any) -> Message:
    return Message(
        got.partition(),
        got.offset(),
        got.key(),
        got.value(),
        got.headers() or [],
        got.timestamp()[1],
    )


def _wait(ready: Any, what: str, timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.02)
