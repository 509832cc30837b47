"""
A producer of librdkafka: what it is given, and what it gives back.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from threading import get_ident
from types import MethodType
from typing import Any, NamedTuple

from ... import threads
from ...errors import ConfigError, require
from ...events import Entry, Event, Message
from ...forking import tell_child
from .faults import KafkaError
from .registry import Registry
from .watch import Watch

__all__ = ["Producer", "Returned"]

# Producers of a parent process: to destroy one in a child waits for its
# threads, which do not exist there.
_leaked: list[Any] = []
# The reports of 100 000 messages take a quarter of a second.
_PURGES = 5
_PURGE_SECONDS = 1.0
_LOOK_SECONDS = 0.005


# Of what librdkafka logs, what matters comes as an error as well.
_SILENT = logging.Logger("librdkafka")  # noqa: LOG001 - in no hierarchy
_SILENT.addHandler(logging.NullHandler())


class Returned(NamedTuple):
    """
    A message that was not delivered.

    Args:
        number: What it was produced with.

        entry: What it was.

        error: The ``KafkaError``.

        seconds: How long ago it was produced.
    """

    number: int
    entry: Entry
    error: Any
    seconds: float


class _Numbered(NamedTuple):
    number: int
    event: Event


class Producer:
    """
    The producer of one process, made when it is needed.

    It may be used by several threads.  Delivered messages are only counted
    out; those that are not come back, each with the number it was given.

    Args:
        config: Settings of librdkafka.

        topic: Where messages go.

        registry: Where the schemas of Avro values are known; None without.

    Raises:
        MissingPackageError: confluent-kafka is not installed.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        topic: str,
        registry: Registry | None = None,
    ) -> None:
        self._kafka = require("confluent_kafka", "kafka")
        self._config = dict(config)
        self.topic = topic
        self.registry = registry
        #: How its brokers are.
        self.watch = Watch(topic)
        self._made: Any = None
        self._reset()
        tell_child(self)

    def _reset(self) -> None:
        #: What was not delivered, until somebody takes it.
        self.returned: deque[Returned] = deque()
        # threads that are within a call that takes reports
        self._inside: set[int] = set()
        self.watch.reset()

    def forget_parent(self) -> None:
        """
        In a forked child: the client is the parent's, and never touched.
        """
        if self._made is not None:
            _leaked.append(self._made)
        self._made = None
        self._reset()

    # --- its life ---

    @property
    def is_open(self) -> bool:
        """
        Whether there is a client.
        """
        return self._made is not None

    def open(self) -> None:
        """
        Make the client, which connects by itself.

        Raises:
            ConfigError: librdkafka does not take a setting.
        """
        if self._made is None:
            self._made = self._client(self._config)

    def check(self) -> None:
        """
        Have librdkafka look at the settings, without a connection.

        Raises:
            ConfigError: It does not take one of them.
        """
        self._client({**self._config, "bootstrap.servers": ""})

    def _client(self, config: Mapping[str, Any]) -> Any:
        try:
            return self._kafka.Producer(
                {**config, "error_cb": self._heard, "logger": _SILENT}
            )
        except self._kafka.KafkaException as exc:
            error = exc.args[0]
            said = error.str() if hasattr(error, "str") else str(error)
            raise ConfigError(
                f"librdkafka refuses its settings: {said}",
                fix="mend producer_config",
            ) from None

    def topics(self, seconds: float) -> set[str]:
        """
        The topics that the brokers have, asked for all: so none is made.

        Raises:
            KafkaError: No broker answers.
        """
        try:
            return set(self._made.list_topics(timeout=seconds).topics)
        except self._kafka.KafkaException as exc:
            # who hears of the brokers' trouble is told by a poll
            self.poll(0)
            where = f"topic {self.topic}"
            raise KafkaError.of(exc, where, self.watch.trouble) from exc

    def close(self) -> None:
        """
        Let go of the client, which has nothing left to deliver.
        """
        self._made = None

    # --- out ---

    def produce(self, message: Message, number: int) -> None:
        """
        Hand over one message.

        Args:
            message: The message.

            number: What it comes back with, if it does.

        Raises:
            BufferError: There is no room.

            KafkaException: It will never be taken.

            KafkaError: There is no schema for it.
        """
        if type(message) is bytes:
            self._made.produce(
                self.topic, message, None, -1, MethodType(self._bare, number)
            )
            return
        event: Any = message
        registry, numbered = self.registry, _Numbered(number, event)
        self._made.produce(
            self.topic,
            event.value if registry is None else registry.framed(event),
            event.key,
            -1,
            MethodType(self._event, numbered),
            headers=list(event.headers) or None,
        )

    def way(self) -> Callable[..., None]:
        """
        The shortest way for bare bytes: topic, value, None, -1, and a callable.
        """
        return self._made.produce  # type: ignore[no-any-return]

    @property
    def bare(self) -> Callable[[int, Any, Any], None]:
        """
        What is told of bytes that came back, with their number.
        """
        return self._bare

    def __len__(self) -> int:
        """
        Messages that are neither delivered nor given back.
        """
        made = self._made
        return 0 if made is None else len(made)

    def poll(self, seconds: float) -> None:
        """
        Take reports, up to *seconds*.
        """
        made = self._made  # somebody may close it meanwhile
        if made is not None:
            self._safely(made.poll, seconds)

    def flush(self, seconds: float) -> int:
        """
        Send without waiting for more, up to *seconds*; gives what is left.
        """
        made = self._made
        if made is None:
            return 0
        self._wait(made, max(seconds, 0.0))
        return len(made)

    def _wait(self, made: Any, seconds: float) -> None:
        if not threads.in_greenlet():
            self._safely(made.flush, seconds)
            return
        deadline = time.monotonic() + seconds
        while len(made):  # the client would hold up all greenlets
            self._safely(made.poll, 0)
            if time.monotonic() >= deadline:
                return
            threads.sleep(_LOOK_SECONDS)

    def purge(self) -> None:
        """
        Have all that is not delivered come back.

        What is on its way to a broker may have arrived.
        """
        made = self._made
        for _ in range(_PURGES):
            if made is None or not len(made):
                return
            self._safely(made.purge)
            self._wait(made, _PURGE_SECONDS)

    def _safely(self, call: Callable[..., Any], *arguments: float) -> None:
        """
        Take reports by *call*, which raises once where all is lost.

        From then on each message comes back, and none is taken.  The client
        must not be called within its own callback, as by a signal handler
        that logs; then this does nothing.
        """
        thread = get_ident()
        if thread in self._inside:
            return
        self._inside.add(thread)
        try:
            call(*arguments)
        except self._kafka.KafkaException as exc:
            self._heard(exc.args[0])
        finally:
            self._inside.discard(thread)

    # --- reports, in the thread that polls ---

    def _bare(self, number: int, error: Any, message: Any) -> None:
        self.returned.append(
            Returned(number, message.value(), error, message.latency() or 0.0)
        )

    def _event(self, sent: _Numbered, error: Any, message: Any) -> None:
        # headers are not in a report
        seconds = message.latency() or 0.0
        self.returned.append(
            Returned(sent.number, (sent.event,), error, seconds)
        )

    def take_returned(self) -> list[Returned]:
        """
        What came back since, by number.
        """
        found = []
        while self.returned:
            found.append(self.returned.popleft())
        return sorted(found, key=lambda each: each.number)

    def _heard(self, error: Any) -> None:
        self.watch.heard(error.name(), error.str())
