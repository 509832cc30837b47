"""
The topic that records go to, and making it where it is missing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ... import options
from ...errors import ConfigError, require, shown
from ...options import Parse
from .faults import KafkaError

__all__ = ["TOPIC", "Topic"]

_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
_EXISTS = "TOPIC_ALREADY_EXISTS"


def topic_name(option: str, name: Any) -> str:
    """
    The name of a topic, or ``"NONE"``.

    Raises:
        ConfigError: It cannot be one.
    """
    if name in (None, ""):
        raise ConfigError(
            "topic is empty",
            expected='the name of a topic, or "NONE"',
            fix="give topic=…, or set MLLOG_KAFKA_TOPIC for a preset",
        )
    if name == "CREATE":
        raise ConfigError(
            shown(option, name),
            expected="a name: mllog invents none, so that readers know it",
            fix='give topic="my-model-inference" and create_topic='
            '{"num_partitions": 1, "num_replicas": 1}',
        )
    is_one = isinstance(name, str) and _NAME.fullmatch(name)
    if not is_one or name in (".", ".."):
        raise ConfigError(
            shown(option, name),
            expected="A-Z a-z 0-9 . _ -, at most 249 of them",
        )
    return str(name)


TOPIC = Parse(topic_name, {"type": "string", "pattern": _NAME.pattern})


@dataclass(frozen=True)
class Topic:
    """
    A topic by its name, and how to make it.

    Args:
        name: ``A-Z a-z 0-9 . _ -``, up to 249 of them.

        num_partitions: How many it is made with; 0 if it is never made.

        num_replicas: Of each partition.
    """

    name: str
    num_partitions: int = 0
    num_replicas: int = 0

    @classmethod
    def of(cls, name: Any, create_topic: Any = None) -> Topic | None:
        """
        The topic that options name; None for ``"NONE"``, which is none.

        Args:
            name: Its name.

            create_topic: ``{"num_partitions": 1, "num_replicas": 1}``; None
                if it has to be there.

        Raises:
            ConfigError: It cannot be a topic.
        """
        made = _made(create_topic)
        name = topic_name("topic", name)
        return None if name == "NONE" else cls(name, **made)

    def ensure(self, config: Mapping[str, Any], deadline: float) -> None:
        """
        Make it if it is not there; one that is there stays as it is.

        Args:
            config: Settings of librdkafka for a client.

            deadline: When it has to be there.

        Raises:
            KafkaError: It cannot be made.
        """
        if not self.num_partitions:
            return
        admin = require("confluent_kafka.admin", "kafka")
        client = admin.AdminClient(dict(config))
        wanted = admin.NewTopic(
            self.name,
            num_partitions=self.num_partitions,
            replication_factor=self.num_replicas,
        )
        seconds = max(0.1, deadline - time.monotonic())
        future = client.create_topics(
            [wanted], operation_timeout=seconds, request_timeout=seconds
        )[self.name]
        try:
            future.result(seconds + 1)
        except Exception as exc:
            if not (_says_it_exists(exc) or self._is_there(client, seconds)):
                raise KafkaError.of(exc, f"topic {self.name}") from exc

    def _is_there(self, client: Any, seconds: float) -> bool:
        """
        Whether it is there: who may not make topics is told no more.

        All topics are asked for, because to ask for one might make it.
        """
        try:
            return self.name in client.list_topics(timeout=seconds).topics
        except Exception:  # the first error says more
            return False


def _says_it_exists(error: Exception) -> bool:
    found: Any = error.args[0] if error.args else None
    return hasattr(found, "name") and bool(found.name() == _EXISTS)


def _made(given: Any) -> dict[str, int]:
    if given in (None, "", False):
        return {}
    found = options.mapping("create_topic", given)
    known = ("num_partitions", "num_replicas")
    options.refuse_unknown(found, known)
    return {
        name: options.integer(name, found.get(name, 1), minimum=1)
        for name in known
    }
