"""
The way straight into a producer, and how many records are on it.
"""

from __future__ import annotations

import enum
from types import MethodType
from typing import Any

from ...events import Entry
from .producer import Producer, Returned

__all__ = ["Lane", "Way"]

_TOO_OLD = frozenset({"_MSG_TIMED_OUT", "_TIMED_OUT", "_TIMED_OUT_QUEUE"})


class Way(enum.Enum):
    """
    Whether records go straight into the producer.
    """

    #: They do.
    OPEN = "open"
    #: They will, when those before them are in the producer.
    OPENING = "opening"
    #: No more; some are not delivered yet.
    EMPTYING = "emptying"
    #: None is left there.
    SHUT = "shut"


class Lane:
    """
    Hands records to a producer, and knows what became of them in numbers.

    Delivered records leave no trace: what was given, less what is still there
    and what came back, was delivered.  Whoever uses it holds the lock of its
    outbox.

    Args:
        producer: Where records go.
    """

    __slots__ = (
        "_bare",
        "_came_back",
        "_given",
        "_in_hand",
        "_number",
        "_produce",
        "_producer",
        "budget",
        "delivered",
        "is_full",
        "is_idle",
        "way",
    )

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self.way = Way.SHUT
        #: Records that may still be handed over without counting.
        self.budget = 0
        #: Records that the brokers have.
        self.delivered = 0
        #: Whether the producer had no room for the last one.
        self.is_full = False
        #: Whether nothing was there when its worker went to sleep.
        self.is_idle = False
        self._number = self._given = 0
        # what came back: settled elsewhere, and on its way there
        self._came_back = self._in_hand = 0
        self._produce: Any = None
        self._bare: Any = None

    @property
    def given(self) -> int:
        """
        Records that were ever handed over.
        """
        return self._given

    def open(self) -> None:
        """
        From now on records are handed over, first those that wait.
        """
        self.way = Way.OPENING
        self.is_full = False
        self._produce, self._bare = self._producer.way(), self._producer.bare

    def shut(self) -> bool:
        """
        From now on none is; gives whether that is new.
        """
        if self.way not in (Way.OPEN, Way.OPENING):
            return False
        self.way = Way.EMPTYING
        self.budget = 0
        self.is_idle = False
        return True

    def empty(self) -> None:
        """
        None is left there.
        """
        self.way = Way.SHUT
        self.delivered = self._given - self._came_back
        # they would keep the client, and its threads, after a close
        self._produce = self._bare = None

    def hand_over(self, entry: Entry) -> bool:
        """
        Give *entry* to the producer; False if that cannot be.
        """
        # += and no call within: a signal handler may log anywhere else
        self._number += 1
        number = self._number
        self._given += 1
        try:
            if type(entry) is bytes:
                self._produce(
                    self._producer.topic,
                    entry,
                    None,
                    -1,
                    MethodType(self._bare, number),
                )
                return True
            if len(entry) == 1:
                self._producer.produce(entry[0], number)  # type: ignore[arg-type]
                return True
        except BufferError:
            self.is_full = True
        except Exception:  # too large, or fatal: the worker finds out
            pass
        self._given -= 1
        return False

    def waits(self) -> int:
        """
        Records that are in the producer, or came back and are not settled.

        librdkafka counts what it has to tell us as well, so that a few may
        count that are delivered; what was called delivered stays so.
        """
        if self.way is Way.SHUT:
            return 0
        there = len(self._producer) + len(self._producer.returned)
        given = self._given - self._came_back
        self.delivered = max(self.delivered, given - there - self._in_hand)
        return given - self.delivered

    def take_expired(self) -> int:
        """
        Let go of what came back because it is too old; gives how many.
        """
        returned = self._producer.returned
        count, kept = len(returned), []
        for _ in range(count):
            each = returned.popleft()
            if each.error.name() not in _TOO_OLD:
                kept.append(each)
        returned.extendleft(reversed(kept))
        expired = count - len(kept)
        self._came_back += expired
        return expired

    def take_returned(self) -> list[Returned]:
        """
        What came back otherwise, oldest first, until :meth:`settled`.
        """
        found = self._producer.take_returned()
        self._in_hand += len(found)
        self.waits()  # what is delivered by now
        return found

    def settled(self, count: int) -> None:
        """
        So many of what was taken are somewhere else.
        """
        self._in_hand -= count
        self._came_back += count
