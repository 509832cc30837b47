"""
The brokers of the case ``kafka``: the mock cluster that the tests have.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["TOPIC", "Brokers"]

_TESTS = Path(__file__).resolve().parent.parent / "tests"
TOPIC = "benchmark"


class Brokers:
    """
    A process with a broker for whoever asks, so that one can be stopped alone.

    Each has the topic :attr:`topic` with one partition.
    """

    topic = TOPIC

    def __init__(self) -> None:
        if str(_TESTS) not in sys.path:
            sys.path.append(str(_TESTS))
        self._root = tempfile.TemporaryDirectory()
        self._open: dict[str, Any] = {}
        # what a broker took that is dead now
        self._took: dict[str, int] = {}

    def open(self) -> str:
        """
        Start one; gives its address.
        """
        from servers.kafka_cluster import MockKafka

        folder = tempfile.mkdtemp(dir=self._root.name)
        broker = MockKafka(Path(folder))
        broker.start()
        broker.create_topic(TOPIC)
        self._open[broker.bootstrap] = broker
        return str(broker.bootstrap)

    def freeze(self, address: str) -> None:
        """
        Have it take connections and answer nothing: SIGSTOP.
        """
        self._open[address].pause()

    def thaw(self, address: str) -> None:
        """
        Have it go on.
        """
        if address not in self._took:
            self._open[address].resume()

    def die(self, address: str) -> None:
        """
        End its process: nobody listens any more.
        """
        self._took[address] = self.took(address)
        self._open[address].kill()

    def took(self, address: str) -> int:
        """
        How many records it has stored, or had when it died.
        """
        if address in self._took:
            return self._took[address]
        from confluent_kafka import Consumer, TopicPartition

        client = Consumer(
            {"bootstrap.servers": address, "group.id": "g", "log_level": 0}
        )
        try:
            return int(
                client.get_watermark_offsets(
                    TopicPartition(TOPIC, 0), timeout=10
                )[1]
            )
        finally:
            client.close()

    def forget(self, address: str) -> None:
        """
        Nobody needs it any more.
        """
        self._took.pop(address, None)
        self._open.pop(address).kill()

    def close(self) -> None:
        """
        End all of them.
        """
        for address in list(self._open):
            self.forget(address)
        self._root.cleanup()
