"""
Batches of events as objects: lines together in one, payloads on their own.
"""

from __future__ import annotations

import functools
import operator
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...compression import Codec
from ...events import Event, Message
from ...forking import tell_child
from ..retry import Fault, Verdict
from .faults import StoreError
from .index import Indexed, is_payload
from .keys import Keys
from .objects import ObjectStore
from .uploads import run_all

__all__ = ["BatchTransport"]

_STAMP = b'{"timestamp":"'
_HOUR = slice(len(_STAMP), len(_STAMP) + len("2026-11-21T06"))
_HOUR_FORMAT = "%Y-%m-%dT%H"
_MOST_GROUPS = 100
_MOST_KEYS = 5
_OTHER = "other"
_PLAIN = "application/x-ndjson"

# The hour, and the values of key fields, that lines have in common.
Group = tuple[str, tuple[str, ...]]


@dataclass
class _Lines:
    """
    An object of lines on its way.

    Each attempt uses the same key, so whatever an earlier one stored without
    an answer is found by it, and not stored twice.

    Args:
        events: What its lines were made of.

        group: What its lines have in common.

        key: Its whole key.

        body: What is stored.

        is_tried: Whether an attempt may have stored it without an answer.

        is_stored: Whether it is.

        relabelled: How many of its lines have other values than its key.
    """

    events: list[Message]
    group: Group
    key: str
    body: bytes
    is_tried: bool = False
    is_stored: bool = False
    relabelled: int = 0

    @property
    def is_settled(self) -> bool:
        """
        Whether its lines must not be put into another object.
        """
        return self.is_tried or self.is_stored


@dataclass
class _Plan:
    """
    What becomes of the events of one attempt.

    Args:
        payloads: Key, body and media type of each, not stored yet.

        lines: The objects of lines.
    """

    payloads: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    lines: list[_Lines] = field(default_factory=list)


class BatchTransport:
    """
    Stores each batch as one object of lines, and each payload as one of its own.

    Lines of different hours, by their own timestamps, and with different
    values of key fields go to different objects.

    Args:
        store: Where to.

        keys: Keys of the objects with lines.

        codec: How lines are compressed.

        at_once: How many objects are put at the same time.
    """

    takes_bytes = True

    def __init__(
        self, store: ObjectStore, keys: Keys, codec: Codec, at_once: int = 1
    ) -> None:
        self._store = store
        self._keys = keys
        self._codec = codec
        self._at_once = at_once
        #: Lines that were stored under other values than their own.
        self.relabelled = 0
        self.begin()
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: the batch is the parent's.
        """
        self.relabelled = 0
        self.begin()

    # --- what a worker calls ---

    def begin(self) -> None:
        """
        Another batch comes.
        """
        self._sent: Sequence[Message] = ()
        self._plan = _Plan()

    def open(self, deadline: float) -> None:  # noqa: ARG002 - makes no connection
        """
        Make the client; it connects with the first object.
        """
        self._store.open()

    def send(self, events: Sequence[Message], deadline: float) -> None:
        """
        Store what *events* are; what is stored already stays.

        Raises:
            StoreError: Not all of it is stored, or nobody knows.
        """
        if not _are_same(events, self._sent):
            self._plan, self._sent = self._planned(events), events
        plan = self._plan
        # an index names what is there
        self._run(
            functools.partial(self._put_payload, key, deadline)
            for key in list(plan.payloads)
        )
        self._run(
            functools.partial(self._put_lines, item, deadline)
            for item in plan.lines
            if not item.is_stored
        )

    @property
    def receipt(self) -> str:
        """
        The object that was stored last.
        """
        return f"s3://{self._store.location.bucket}/{self._store.stored}"

    def reach(self, deadline: float) -> str:  # noqa: ARG002 - the client's own
        """
        Ask for the bucket, and store nothing.

        Raises:
            StoreError: It is not there, or cannot be reached.
        """
        self._store.ask()
        return f"bucket {self._store.location.bucket} is there"

    def close(self, deadline: float) -> None:  # noqa: ARG002 - nothing waits
        """
        Let go of the client.
        """
        self._store.close()

    def classify(self, error: BaseException) -> Verdict:
        """
        What *error* means.
        """
        if isinstance(error, StoreError):
            return error.verdict
        return Verdict(Fault.TRANSIENT)

    # --- storing ---

    def _run(self, jobs: Iterator[functools.partial[None]]) -> None:
        # a server that asks one of several to wait means all of them
        run_all(jobs, self._at_once, _seconds_asked)

    def _put_payload(self, key: str, deadline: float) -> None:
        self._check_time(deadline)
        body, content_type = self._plan.payloads[key]
        # what has the key already has the same content
        self._store.put(key, body, content_type)
        del self._plan.payloads[key]

    def _put_lines(self, item: _Lines, deadline: float) -> None:
        for _ in range(_MOST_KEYS):
            self._check_time(deadline)
            try:
                is_new = self._store.put(item.key, item.body, self._type)
            except StoreError as exc:
                if exc.verdict.fault is Fault.POISON:
                    item.is_tried = False  # the same bytes were refused
                item.is_tried = item.is_tried or exc.may_be_stored
                raise
            if is_new or item.is_tried:
                item.is_stored = True
                self.relabelled += item.relabelled
                item.body = b""
                return
            # somebody else's, which is never replaced
            item.key = self._keys.new(*item.group)
        raise StoreError(
            f"{self._store.location}: others have {_MOST_KEYS} keys in a row",
            Verdict(Fault.TRANSIENT),
        )

    @property
    def _type(self) -> str:
        return self._codec.content_type or _PLAIN

    def _check_time(self, deadline: float) -> None:
        if time.monotonic() >= deadline:
            raise StoreError(
                f"{self._store.location}: the time for one batch is over",
                Verdict(Fault.TRANSIENT),
            )

    # --- planning ---

    def _planned(self, events: Sequence[Message]) -> _Plan:
        """
        A plan for *events*; an earlier one of the same batch goes on in it.
        """
        try:
            return self._go_on_with(events)
        except (LookupError, StopIteration, TypeError, ValueError) as exc:
            # of another version's spool: the others must not wait for it
            raise StoreError(
                f"{self._store.location}: a record makes no sense:"
                f" {type(exc).__name__}",
                Verdict(Fault.POISON),
            ) from exc

    def _go_on_with(self, events: Sequence[Message]) -> _Plan:
        plan = _Plan()
        plan.lines = [item for item in self._plan.lines if item.is_settled]
        if plan.lines:
            settled = {id(each) for item in plan.lines for each in item.events}
            events = [each for each in events if id(each) not in settled]
        if not events:
            return plan
        bare = [each for each in events if isinstance(each, bytes)]
        if len(bare) == len(events) and (hour := _common_hour(bare)):
            values = tuple(self._keys.values_in(()))
            plan.lines.append(self._lines((hour, values), bare, bare))
        else:
            self._sort(events, plan)
        return plan

    def _sort(self, events: Sequence[Message], plan: _Plan) -> None:
        """
        Give each event its place in *plan*.
        """
        index = Indexed(self._store.location.key)
        groups: dict[Group, tuple[list[Message], list[bytes]]] = {}
        relabelled: Counter[Group] = Counter()
        for message in events:
            event = Event(message) if isinstance(message, bytes) else message
            if is_payload(event):
                key = index.take(event)
                plan.payloads[key] = event.value, event.content_type
                continue
            line = index.line_of(event)
            values = tuple(self._keys.values_in(event.headers))
            group: Group = _hour_of(line), values
            if group not in groups and len(groups) >= _MOST_GROUPS:
                group = _hour_now(), (_OTHER,) * len(values)
                relabelled[group] += 1
            members, lines = groups.setdefault(group, ([], []))
            members.append(message)
            lines.append(line)
        for group, parts in groups.items():
            item = self._lines(group, *parts)
            item.relabelled = relabelled[group]
            plan.lines.append(item)

    def _lines(
        self, group: Group, events: Sequence[Message], lines: list[bytes]
    ) -> _Lines:
        body = self._codec.compress(b"\n".join([*lines, b""]))
        return _Lines(list(events), group, self._keys.new(*group), body)


def _seconds_asked(error: BaseException) -> float:
    verdict = getattr(error, "verdict", None)
    return (verdict and verdict.retry_after) or 0.0


def _are_same(events: Sequence[Message], others: Sequence[Message]) -> bool:
    return len(events) == len(others) and all(
        map(operator.is_, events, others)
    )


def _hour_now() -> str:
    return time.strftime(_HOUR_FORMAT, time.gmtime())


def _hour_of(line: bytes) -> str:
    """
    The hour in UTC that a line of JSON says it is of; else that of the clock.
    """
    found = line[_HOUR] if line.startswith(_STAMP) else b""
    return _checked(found) or _hour_now()


@functools.lru_cache(maxsize=64)
def _checked(hour: bytes) -> str:
    """
    *hour* as text if it is one, else ``""``.
    """
    try:
        text = hour.decode("ascii")
        is_one = time.strftime(_HOUR_FORMAT, time.strptime(text, _HOUR_FORMAT))
    except ValueError:
        return ""
    return text if is_one == text else ""


def _common_hour(lines: Sequence[bytes]) -> str:
    """
    The hour of all lines, if the first and the last one are of the same.

    In between they are too, but for threads that were overtaken.
    """
    first = _hour_of(lines[0])
    return first if first == _hour_of(lines[-1]) else ""
