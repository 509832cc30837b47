"""
Batches into a topic: produced together, and done when all are reported.
"""

from __future__ import annotations

import itertools
import operator
import time
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
        self._batch: list[Message] = []
        self._delivered: set[int] = set()
        # the place of the first that is not delivered
        self._first = 0

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
        start = self._start_of(events)
        wanted = range(start, start + len(events))
        failed = self._produced(
            [n for n in wanted if n not in self._delivered]
        )
        self._wait()
        for each in self._producer.take_returned():
            failed.setdefault(each.number, self._fault(each))
        self._delivered.update(n for n in wanted if n not in failed)
        self._first = min(failed, default=wanted.stop)
        if self._first > start:
            self._producer.watch.is_well()
        if failed:
            self._raise(failed, start)

    @property
    def receipt(self) -> str:
        """
        What the brokers said: reports are of what was not delivered.
        """
        return f"topic {self._topic.name} acknowledged it"

    def reach(self, deadline: float) -> str:
        """
        Ask for the topic, and produce nothing.

        Raises:
            KafkaError: It is not there, or no broker answers.
        """
        self.open(deadline)
        seconds = max(0.1, deadline - time.monotonic())
        if self._topic.name not in self._producer.topics(seconds):
            raise KafkaError.named(
                "UNKNOWN_TOPIC_OR_PART",
                "brokers answer, and have no such topic",
                self._where,
            )
        return f"brokers answer, and have the topic {self._topic.name}"

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

    def _start_of(self, events: Sequence[Message]) -> int:
        """
        The place in the batch where *events*, which are a part of it, begin.

        Mostly they are all of it that is left.  Else they begin with the first
        that is not delivered; before that where its record has more events,
        and behind it where that record was given up.
        """
        whole, first = len(self._batch), self._first
        starts = (
            [max(0, whole - len(events))],
            range(first, -1, -1),
            range(first + 1, whole),
        )
        for start in itertools.chain(*starts):
            part = self._batch[start : start + len(events)]
            if part and _are_same(part, events):
                return start
        self.begin()
        self._batch = list(events)
        return 0

    def _produced(self, places: Sequence[int]) -> dict[int, KafkaError]:
        """
        Hand over what is at *places*; gives those that were refused at once.
        """
        failed: dict[int, KafkaError] = {}
        for index, place in enumerate(places):
            fault = self._produce(place)
            if fault is None:
                continue
            failed[place] = fault
            if fault.verdict.fault is not Fault.POISON:
                # none of those behind it is handed over either
                return failed | dict.fromkeys(places[index:], fault)
        return failed

    def _produce(self, place: int) -> KafkaError | None:
        """
        Hand over one message; gives why it is not taken.
        """
        while True:
            try:
                self._producer.produce(self._batch[place], place)
            except BufferError:
                if not self._is_over():
                    self._look()
                    continue
                why = f"{self._where}: no room in librdkafka's queue"
                return KafkaError(why, Verdict(Fault.TRANSIENT))
            except Exception as exc:
                return KafkaError.of(exc, self._where)
            return None

    def _wait(self) -> None:
        """
        Wait until all is reported; what is not at the end comes back.

        However long that takes: what is on its way may have arrived, and only
        librdkafka can repeat it without doubling it.
        """
        while self._look():
            if self._is_over():
                self._producer.purge()
                return

    def _look(self) -> int:
        """
        Take reports for a moment, and see to the rest meanwhile.
        """
        left = self._producer.flush(_SLICE_SECONDS)
        # what came back is no progress
        self._producer.watch.look(left + len(self._producer.returned))
        if left and self.worker is not None:
            self.worker.tend()
        return left

    def _is_over(self) -> bool:
        """
        Whether to give up: the worker has to end, or nobody has to wait.
        """
        worker = self.worker
        if worker is None:
            return False
        if worker.is_safe and self._producer.watch.is_away:
            return True
        return time.monotonic() >= worker.close_by - _SETTLING_SECONDS

    # --- what went wrong ---

    @property
    def _where(self) -> str:
        return f"topic {self._topic.name}"

    def _fault(self, returned: Returned) -> KafkaError:
        return KafkaError.of(
            returned.error, self._where, self._producer.watch.trouble
        )

    def _raise(self, failed: Mapping[int, KafkaError], start: int) -> None:
        fault = failed[self._first]
        if any(each.is_fatal for each in failed.values()):
            self._producer.close()
        if fault.verdict.fault is Fault.AUTH:
            self._is_made = False  # somebody may have deleted the topic
        if self._first > start:
            raise PartlySentError(self._first - start) from fault
        raise fault


def _are_same(some: Sequence[Message], others: Sequence[Message]) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))
