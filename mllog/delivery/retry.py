"""
When to try again: what an error means, and how long to wait after it.
"""

from __future__ import annotations

import enum
import random
from typing import NamedTuple

__all__ = ["Backoff", "Fault", "Verdict"]

_LONGEST_RETRY_AFTER = 300.0
_FIRST_SECONDS = 0.5
_AUTH_FIRST_SECONDS = 37.5  # less the jitter, 30
_AUTH_LONGEST_SECONDS = 300.0


class Fault(enum.Enum):
    """
    What kind of trouble an error is.
    """

    #: It may pass by itself: a timeout, a reset, a server that is busy.
    TRANSIENT = "transient"
    #: It passes when somebody mends a permission, a certificate, a name.
    AUTH = "auth"
    #: It is the events' own: too large, or refused as they are.
    POISON = "poison"
    #: Sent, and no answer: it may have arrived.
    AMBIGUOUS = "ambiguous"


class Verdict(NamedTuple):
    """
    What a transport makes of an error.

    Args:
        fault: The kind of trouble.

        retry_after: Seconds that the sink asked for; None if it did not.
    """

    fault: Fault
    retry_after: float | None = None


class Backoff:
    """
    How long to wait before each further attempt of one batch.

    Full jitter, ``uniform(0, min(longest, 0.5 * 2 ** n))``, keeps a fleet that
    lost its server from coming back as one.  What needs a person is tried
    every 30 to 300 s.

    Args:
        longest: Bound of the wait after a transient fault, in seconds.
    """

    def __init__(self, longest: float = 30.0) -> None:
        self._longest = longest
        self._attempt = 0

    def reset(self) -> None:
        """
        Begin anew: something was acknowledged.
        """
        self._attempt = 0

    def wait(self, verdict: Verdict) -> float:
        """
        Seconds to wait after *verdict*.
        """
        attempt = min(self._attempt, 16)
        self._attempt += 1
        if verdict.retry_after is not None:
            asked = verdict.retry_after
            if 0 <= asked < _LONGEST_RETRY_AFTER:  # false for nan
                return asked + random.uniform(0, 0.1 * asked)
            return _LONGEST_RETRY_AFTER if asked > 0 else 0.0
        if verdict.fault is Fault.AUTH:
            bound = min(
                _AUTH_FIRST_SECONDS * 2.0**attempt, _AUTH_LONGEST_SECONDS
            )
            return random.uniform(0.8 * bound, bound)
        bound = min(_FIRST_SECONDS * 2.0**attempt, self._longest)
        return random.uniform(0, bound)
