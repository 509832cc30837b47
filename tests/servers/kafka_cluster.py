"""
librdkafka's mock cluster as the tests see it.

It keeps all in memory: what was written survives :meth:`MockKafka.stop`, and
not :meth:`MockKafka.kill`.  It knows neither TLS, passwords, rights nor the
deletion of topics, shows what a transaction took back, makes each topic that
a client asks for (with 4 partitions), and keeps about 5 MB of a partition.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

from servers.kafka_client import Kafka
from servers.running import Running, answers, free_ports

_PROGRAM = Path(__file__).with_name("kafka_mock.py")

#: Kafka's numbers of some requests, for ``errors`` and ``requests``.
PRODUCE, FETCH, METADATA, INIT_PRODUCER_ID = 0, 1, 3, 22


class MockKafka(Kafka):
    """
    A mock cluster on free ports of 127.0.0.1, which stay the same.

    Args:
        folder: Where its output is.

        brokers: How many; they have the ids 1, 2, ….

    Attributes:
        ports: Of the brokers.
    """

    is_real = False

    def __init__(self, folder: Path, brokers: int = 1) -> None:
        import confluent_kafka

        self.name = f"librdkafka {confluent_kafka.libversion()[0]}'s mock"
        self._control, *self.ports = free_ports(1 + brokers)
        super().__init__(",".join(f"127.0.0.1:{port}" for port in self.ports))
        self._topics: dict[str, int] = {}
        self._process = Running(
            [
                *(sys.executable, str(_PROGRAM), str(self._control)),
                *map(str, self.ports),
            ],
            self._is_up,
            folder / "kafka_mock.log",
        )
        self._connection: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """
        The process id; None after :meth:`kill`.
        """
        return self._process.pid

    def start(self) -> None:
        """
        Start it, or have all its brokers answer again.

        After :meth:`kill` the topics of :meth:`create_topic` are made again,
        and are empty.
        """
        if self.pid is None:
            self._process.start()
            for name, partitions in self._topics.items():
                self.do("topic", name=name, partitions=partitions)
        else:
            self.resume()
            self.do("thaw")
            self.do("up")

    def stop(self) -> None:
        """
        Have all its brokers refuse; it keeps what was written.
        """
        if self.pid is not None:
            self.resume()
            self.do("down")

    def kill(self) -> None:
        """
        End its process by SIGKILL; what was written is gone.
        """
        self._forget_connection()
        self._process.stop(kill=True)

    def pause(self) -> None:
        """
        Stop its process by SIGSTOP: it takes connections, answers nothing.
        """
        self._process.pause()

    def resume(self) -> None:
        """
        Have its process go on.
        """
        self._process.resume()

    def create_topic(self, name: str, partitions: int = 1) -> str:
        """
        Make the topic *name*; gives its name.
        """
        self.do("topic", name=name, partitions=partitions)
        self._topics[name] = partitions
        return name

    def delete_topic(self, name: str) -> None:
        """
        It cannot.
        """
        raise NotImplementedError("the mock has topics for ever")

    def down(self, broker: int) -> None:
        """
        Have one broker refuse connections and end those it has.
        """
        self.do("down", broker=broker)

    def up(self, broker: int) -> None:
        """
        End what :meth:`down` began.
        """
        self.do("up", broker=broker)

    def freeze(self, broker: int | None = None) -> None:
        """
        Have a broker take connections and answer nothing; None is all.
        """
        self.do("freeze", broker=broker)

    def thaw(self, broker: int | None = None) -> None:
        """
        End what :meth:`freeze` began; what was held back goes through.
        """
        self.do("thaw", broker=broker)

    def rtt(self, seconds: float, broker: int | None = None) -> None:
        """
        Have each answer of a broker take *seconds*; None is all.
        """
        self.do("rtt", ms=round(seconds * 1000), broker=broker)

    def errors(self, api: int, *codes: int) -> None:
        """
        Answer the next requests of *api* with *codes*, one each.

        Args:
            api: Kafka's number of the request, as ``PRODUCE``.

            codes: Kafka's numbers of errors; -195 ends the connection.
        """
        self.do("errors", api=api, codes=codes)

    def topic_error(self, topic: str, code: int) -> None:
        """
        Answer *code* to who writes to *topic*; 0 is no error.
        """
        self.do("topic_error", name=topic, code=code)

    def leader(self, topic: str, partition: int, broker: int) -> None:
        """
        Have *broker* lead *partition*.
        """
        self.do("leader", topic=topic, partition=partition, broker=broker)

    def requests(self, *, forget: bool = False) -> dict[int, int]:
        """
        How many requests of each API came since the last time to *forget*.
        """
        counted = self.do("requests", forget=forget)
        return {int(api): count for api, count in counted.items()}

    def do(self, what: str, **arguments: Any) -> Any:
        """
        Call a method of ``kafka_mock.Cluster`` in its process.
        """
        if self._connection is None:
            self._connection = socket.create_connection(
                ("127.0.0.1", self._control), timeout=30
            )
        asked = json.dumps({"do": what, **arguments}).encode()
        self._connection.sendall(asked + b"\n")
        with self._connection.makefile("rb") as lines:
            answer = json.loads(lines.readline())
        if "error" in answer:
            raise ValueError(f"{what} {arguments}: {answer['error']}")
        return answer["gives"]

    def _is_up(self) -> bool:
        return all(
            answers(("127.0.0.1", port), socket.SOCK_STREAM)
            for port in (*self.ports, self._control)
        )

    def _forget_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
