"""
What a network handler adds to the core: four methods, and no LogRecord.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..errors import MllogError
from ..events import Event
from .retry import Verdict

__all__ = ["PartlyRefusedError", "PartlySentError", "Transport"]


class PartlySentError(MllogError):
    """
    Raised by ``send`` when the first events arrived and the rest did not.

    Its ``__cause__`` is what went wrong, and is what ``classify`` gets.

    Args:
        acknowledged: How many events, counted from the first.
    """

    def __init__(self, acknowledged: int) -> None:
        super().__init__(f"{acknowledged} events were acknowledged")
        self.acknowledged = acknowledged


class PartlyRefusedError(MllogError):
    """
    Raised by ``send`` when the sink has all events but for some it refused.

    It does not say which, and none may be sent again.

    Args:
        refused: How many.

        text: What the sink said.
    """

    def __init__(self, refused: int, text: str) -> None:
        super().__init__(text)
        self.refused = refused


class Transport(Protocol):
    """
    The way to one sink.  Only the worker calls it, so it needs no lock.

    A deadline is a ``time.monotonic()`` at which the call must have ended.
    What it logs never comes back: records of the worker's thread are not
    taken by any shipper.  A forked child finds it as the parent left it, so
    it either registers with ``forking.tell_child`` or holds nothing open.

    One that sets ``takes_bytes`` to True is given bare bytes for the events
    that are only a value.  One that has a method ``begin`` is told by it before
    the first ``send`` of a batch, and after the last; in between each is of
    what is left of the same one, or of the first half of that.

    For ``mllog check --connect`` one may have ``receipt``, what is known of
    what arrived last, and ``reach(deadline)``, which asks the sink without
    sending anything, and says who answered or raises as ``send`` does.
    """

    def open(self, deadline: float) -> None:
        """
        Connect.  Called before the first ``send``, and again after a failure.

        Raises:
            Exception: Whatever ``classify`` understands.
        """

    def send(self, events: Sequence[Event], deadline: float) -> None:
        """
        Send *events*, and return when all of them are acknowledged.

        Raises:
            PartlySentError: Some at the front are acknowledged.

            PartlyRefusedError: All are settled, and some of them refused.

            Exception: None is, or nobody knows.
        """

    def close(self, deadline: float) -> None:
        """
        Disconnect; wait for what the sink has not taken yet.  May be called twice.
        """

    def classify(self, error: BaseException) -> Verdict:
        """
        What *error*, which ``open`` or ``send`` raised, means.
        """
