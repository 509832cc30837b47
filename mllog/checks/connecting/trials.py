"""
Try each handler of a configuration at the same time, each in a thread.
"""

from __future__ import annotations

import configparser
import contextlib
import logging
import logging.handlers
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from .building import makers
from .reasons import Reason, Unanswered, reason_of, secrets_of
from .receipts import receipt_for

__all__ = ["MESSAGE", "Answer", "connect"]

#: The message of the marked record; its field ``mllog_check`` is true.
MESSAGE = "mllog check: a test, which means nothing"

_GRACE_SECONDS = 0.5


class Answer(NamedTuple):
    """
    What the sink of a handler answered.

    Args:
        handler: The handler's name.

        is_there: Whether the sink took the marked record.

        milliseconds: How long that took, or the failure.

        said: The receipt, or what went wrong; one line.

        fix: How to mend it; ``""`` where nothing is wrong, or nobody knows.
    """

    handler: str
    is_there: bool
    milliseconds: float
    said: str
    fix: str = ""


def connect(
    config: Mapping[str, Any] | configparser.ConfigParser,
    timeout: float = 10.0,
) -> list[Answer]:
    """
    Make every handler of *config*, and have it deliver one marked record.

    Guarantee:
        Handlers are tried at the same time, and none stands in for another.
        It ends *timeout* seconds later at the latest, whatever hangs.  No
        spool is read or written, nothing is measured, and no answer holds a
        password of *config*.

    Args:
        config: What ``dictConfig`` or ``fileConfig`` would be given.  Its
            classes are run.

        timeout: Seconds that a handler has.

    Returns:
        An answer for each handler, in the order of *config*.
    """
    secrets = secrets_of(config)
    with _nothing_printed():
        trials = [
            _Trial(name, make, timeout, secrets)
            for name, make in makers(config).items()
        ]
        for each in trials:
            each.start()
        end = time.monotonic() + timeout + _GRACE_SECONDS
        for each in trials:
            each.join(max(0.0, end - time.monotonic()))
        return [each.result() for each in trials]


@contextlib.contextmanager
def _nothing_printed() -> Iterator[None]:
    """
    What goes wrong is in the answers; logging need not print it as well.
    """
    before = logging.raiseExceptions
    logging.raiseExceptions = False
    try:
        yield
    finally:
        logging.raiseExceptions = before


class _Trial(threading.Thread):
    """
    One handler that is tried.
    """

    def __init__(
        self,
        handler: str,
        make: Callable[[], logging.Handler],
        timeout: float,
        secrets: frozenset[str],
    ) -> None:
        super().__init__(name=f"mllog-check-{handler}", daemon=True)
        self._handler_name = handler
        self._make = make
        self._timeout = timeout
        self._secrets = secrets
        self._made: logging.Handler | None = None
        self._answer: Answer | None = None

    def run(self) -> None:
        began = time.perf_counter()
        deadline = time.monotonic() + self._timeout
        try:
            handler = self._made = self._make()
            began = time.perf_counter()  # to import its packages is no answer
            said = receipt_for(handler, _marked(handler), deadline)
            seconds = time.perf_counter() - began
            self._answer = self._of(Reason(said, ""), seconds, is_there=True)
        except BaseException as exc:
            # SystemExit too: a constructor may raise anything
            seconds = time.perf_counter() - began
            self._answer = self._of(reason_of(exc, self._secrets), seconds)
        _close(self._made)

    def _of(
        self, reason: Reason, seconds: float, *, is_there: bool = False
    ) -> Answer:
        return Answer(
            self._handler_name,
            is_there,
            seconds * 1000,
            reason.said,
            reason.fix,
        )

    def result(self) -> Answer:
        """
        What was found out by now.
        """
        if self.is_alive() and self._made is not None:
            _forget(self._made)
        if self._answer is not None:
            return self._answer
        late = Unanswered(f"no answer within {self._timeout:g} s")
        return self._of(reason_of(late, self._secrets), self._timeout)


def _marked(handler: logging.Handler) -> logging.LogRecord:
    """
    The record that is sent: *handler* takes its level.
    """
    level = max(logging.INFO, handler.level)
    record = logging.LogRecord(
        "mllog.check", level, __file__, 0, MESSAGE, (), None, "connect"
    )
    record.mllog_check = True
    return record


def _close(handler: logging.Handler | None) -> None:
    others = [getattr(handler, "target", None)]
    others += getattr(getattr(handler, "listener", None), "handlers", ())
    if isinstance(handler, logging.handlers.MemoryHandler):
        handler.setTarget(None)
    for each in (handler, *others):
        if isinstance(each, logging.Handler):
            with contextlib.suppress(Exception):
                each.close()


def _forget(handler: logging.Handler) -> None:
    """
    Have the end of the process not wait for a handler that hangs.
    """
    known: list[Any] = getattr(logging, "_handlerList", [])
    known[:] = [each for each in known if each() is not handler]
