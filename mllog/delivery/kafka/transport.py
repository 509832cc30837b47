"""
Batches into a topic: produced together, and done when all are reported.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ...events import Message
from ...forking import tell_child
from ..retry import Fault, Verdict
from ..transport import PartlySentError
from ..worker import Worker
from .faults import KafkaError
from .producer import Producer, Returned
from .topics import Topic

__all__ = ["KafkaTransport"]

_SLICE_SECONDS = 0.25
# Before the end, for what is given up to be settled by the worker itself.
_SETTLING_SECONDS = 0.3
_PURGE_SECONDS = 5.0


class KafkaTransport:
    """
    Sends what a producer's own queue did not take, or gave back.

    Args:
        producer: Where messages go.

        topic: Its topic, which may have to be made.

        client: Settings of librdkafka for that.
    """

    takes_bytes = True

    def __init__(
        self,
        producer: Producer,
        topic: Topic,
        client: Mapping[str, Any],
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._client = dict(client)
        #: Who calls, and knows when it has to have ended.
        self.worker: Worker | None = None
        self.forget_parent()
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: the batch is the parent's.
        """
        self._is_made = False
        self.begin()

    # --- what a worker calls ---

    def begin(self) -> None:
        """
        Another batch comes.
        """
        # by identity: a batch keeps its messages as long as it lives
        self._delivered: Counter[int] = Counter()

    def open(self, deadline: float) -> None:
        """
        Make topic and producer, if they are missing.

        Raises:
            KafkaError: One of them cannot be made.
        """
        if not self._is_made:
            self._topic.ensure(self._client, deadline)
            self._is_made = True
        self._producer.open()

    def send(self, events: Sequence[Message], deadline: float) -> None:
        """
        Produce *events*, and wait for the report of each.

        Raises:
            PartlySentError: Those before the first that failed are delivered.

            KafkaError: The first is not, or nobody knows.
        """
        if self._producer.registry is not None:
            self._producer.registry.look_up(deadline)
        places = self._places(events)
        failed = self._produced(events, places, deadline)
        self._wait(deadline)
        for each in self._producer.take_returned():
            failed.setdefault(each.number, self._fault(each))
        arrived = [place for place in places if place not in failed]
        if arrived:
            self._producer.watch.is_well()
        if failed:
            self._delivered.update(id(events[place]) for place in arrived)
            self._raise(failed)

    def close(self, deadline: float) -> None:  # noqa: ARG002 - nothing waits
        """
        Let go of the producer.
        """
        self._producer.close()

    def classify(self, error: BaseException) -> Verdict:
        """
        What *error* means.
        """
        if isinstance(error, KafkaError):
            return error.verdict
        return Verdict(Fault.TRANSIENT)

    # --- a batch ---

    def _places(self, events: Sequence[Message]) -> list[int]:
        """
        Which of *events* no earlier attempt delivered.
        """
        if not self._delivered:
            return list(range(len(events)))
        delivered, places = self._delivered.copy(), []
        for place, event in enumerate(events):
            if delivered[id(event)] > 0:
                delivered[id(event)] -= 1
            else:
                places.append(place)
        return places

    def _produced(
        self, events: Sequence[Message], places: list[int], deadline: float
    ) -> dict[int, KafkaError]:
        """
        Hand over *events*; gives those that were refused at once.
        """
        failed: dict[int, KafkaError] = {}
        for place in places:
            fault = self._produce(events[place], place, deadline)
            if fault is None:
                continue
            failed[place] = fault
            if fault.verdict.fault is not Fault.POISON:
                # none of those behind it is handed over either
                rest = places[places.index(place) :]
                return failed | dict.fromkeys(rest, fault)
        return failed

    def _produce(
        self, event: Message, number: int, deadline: float
    ) -> KafkaError | None:
        """
        Hand over one message; gives why it is not taken.
        """
        while True:
            try:
                self._producer.produce(event, number)
            except BufferError:
                if time.monotonic() < self._end(deadline):
                    self._producer.flush(_SLICE_SECONDS)
                    continue
                why = f"{self._where}: no room in librdkafka's queue"
                return KafkaError(why, Verdict(Fault.TRANSIENT))
            except Exception as exc:
                return KafkaError.of(exc, self._where)
            return None

    def _wait(self, deadline: float) -> None:
        """
        Wait until all is reported; what is not at the end comes back.
        """
        while left := self._producer.flush(_SLICE_SECONDS):
            self._producer.watch.look(left)
            if time.monotonic() >= self._end(deadline):
                self._producer.purge(_PURGE_SECONDS)
                return

    def _end(self, deadline: float) -> float:
        """
        When it gives up: by then, or now if nobody has to wait any more.
        """
        worker = self.worker
        if worker is None:
            return deadline
        if worker.is_safe and self._producer.watch.is_away:
            return 0.0
        return min(deadline, worker.close_by - _SETTLING_SECONDS)

    # --- what went wrong ---

    @property
    def _where(self) -> str:
        return f"topic {self._topic.name}"

    def _fault(self, returned: Returned) -> KafkaError:
        return KafkaError.of(
            returned.error, self._where, self._producer.watch.trouble
        )

    def _raise(self, failed: Mapping[int, KafkaError]) -> None:
        first = min(failed)
        fault = failed[first]
        if any(each.is_fatal for each in failed.values()):
            self._producer.purge(_PURGE_SECONDS)
            self._producer.close()
        if fault.verdict.fault is Fault.AUTH:
            self._is_made = False  # somebody may have deleted the topic
        if first:
            raise PartlySentError(first) from fault
        raise fault
