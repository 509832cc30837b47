"""
What a handler tells people on standard error: once in full, then as counts.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
import weakref
from collections.abc import Callable

from .errors import MllogError, masked
from .forking import fork_safe_lock

__all__ = ["Reports"]

_SECONDS_BETWEEN = 30.0
_MOST_KINDS = 10


class Reports:
    """
    Reports of one handler; a fault that comes often is not said often.

    They are silent where ``logging.raiseExceptions`` is false, as the
    stdlib's are.

    Args:
        label: Gives the handler's name.
    """

    def __init__(self, label: Callable[[], str]) -> None:
        # weak: a worker that outlives its handler still has something to say
        self._label = weakref.WeakMethod(label)
        self._known_as = label()
        self._lock = fork_safe_lock()
        self._kinds: set[str] = set()
        self._unsaid = 0
        self._say_at = 0.0
        #: Hears of everything instead of people; for who tries a handler.
        self.listener: Callable[[str | BaseException | None], None] | None
        self.listener = None

    def _name(self) -> str:
        label = self._label()
        if label is not None:  # it may have been named since
            self._known_as = label()
        return self._known_as

    def say(self, text: str) -> None:
        """
        Write a line now; the caller sees to it that it comes seldom.
        """
        if self.listener is not None:
            self.listener(text)
        elif logging.raiseExceptions:
            _print(f"mllog: {self._name()}: {text}\n")

    def fault(
        self,
        error: BaseException | None,
        record: logging.LogRecord | None = None,
    ) -> None:
        """
        Describe *error*: in full where it is the first of its kind.
        """
        if self.listener is not None:
            self.listener(error)
            return
        if not logging.raiseExceptions:
            return
        try:
            if not isinstance(error, RecursionError):
                self._describe(error, record)
        except Exception:  # what failed cannot even be described
            pass

    def _describe(
        self, error: BaseException | None, record: logging.LogRecord | None
    ) -> None:
        kind = type(error).__name__
        now = time.monotonic()
        with self._lock:
            first = kind not in self._kinds and len(self._kinds) < _MOST_KINDS
            if first:
                self._kinds.add(kind)
            else:
                self._unsaid += 1
                if now < self._say_at:
                    return
            self._say_at = now + _SECONDS_BETWEEN
            unsaid = self._unsaid
            if not first:
                self._unsaid = 0
        if first:
            _print(_in_full(self._name(), error, record))
        else:
            _print(f"mllog: {self._name()}: {kind} {unsaid} more times\n")


def _in_full(
    label: str, error: BaseException | None, record: logging.LogRecord | None
) -> str:
    lines = [
        f"mllog: {label} failed; the application goes on, later ones are counted"
    ]
    if record is not None:
        lines.append(
            f"  at the call in {record.pathname}:{record.lineno},"
            f" logger {record.name}"
        )
    # one of ours says what is wrong and how to mend it; where is no use
    is_ours = isinstance(error, MllogError)
    trace = (
        f"{type(error).__name__}: {error}"
        if is_ours
        else "".join(traceback.format_exception(error)).rstrip()
    )
    lines += [f"  {line}" for line in trace.splitlines()]
    return "\n".join(lines) + "\n"


def _print(text: str) -> None:
    """
    Write *text*, which may quote what others said, without any password.
    """
    stream = sys.stderr
    try:
        if stream is not None:
            stream.write(masked(text))
            stream.flush()
    except Exception:  # nowhere left to say it
        pass
