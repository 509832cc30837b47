"""
Exceptions as data: type, message, traceback, and what caused them.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from ..encoding import TRUNCATED
from ..fields import causes_of, count_beyond, error_of
from ..recursion import bounded
from ..values import name_of

__all__ = ["described", "is_text", "said", "trace", "trouble_in"]

_MOST_EXCEPTIONS = 10


def described(
    error: BaseException, trace_of: Callable[[Any], Any] | None = None
) -> dict[str, Any]:
    """
    Type, message, traceback, notes and chain of *error*; each exception once.

    Ten are described; ``truncated`` says how many more there are.

    Args:
        error: What was raised.

        trace_of: Gives the traceback of one exception; None is :func:`trace`.
    """
    made = _Description(trace_of or trace)
    found = made.of(error)
    beyond = made.beyond + count_beyond(made.left, made.seen)
    if beyond:
        found["truncated"] = beyond
    return found


class _Description:
    """
    What an exception and those behind it are described by, up to a number.
    """

    def __init__(self, trace_of: Callable[[Any], Any]) -> None:
        self.trace_of = trace_of
        self.seen: set[int] = set()
        self.left: list[BaseException] = []
        self.beyond = 0

    def of(self, error: BaseException) -> dict[str, Any]:
        """
        Type, message, traceback and chain of *error*.
        """
        self.seen.add(id(error))
        found: dict[str, Any] = {
            "type": type(error).__qualname__,
            "message": said(error),
            "traceback": self.trace_of(error),
        }
        try:
            self._add_chain(found, error)
        except Exception:  # an exception whose attributes raise
            pass
        return found

    def _add_chain(self, found: dict[str, Any], error: BaseException) -> None:
        # what a stand-in of a filter left out already
        self.beyond += getattr(error, "__log_left_out__", 0)
        if notes := getattr(error, "__notes__", None):
            found["notes"] = list(notes) if type(notes) is list else [notes]
        for key, each in causes_of(error):
            if id(each) in self.seen:
                continue
            if len(self.seen) >= _MOST_EXCEPTIONS:
                self.left.append(each)
            elif key == "exceptions":
                found.setdefault(key, []).append(self.of(each))
            else:
                found[key] = self.of(each)


def said(error: Any) -> str:
    """
    What the exception, or anything else, says; its type where it cannot say.
    """
    if type(error) is str:
        return error
    try:
        return bounded(str, name_of, error)
    except Exception:
        return name_of(error)


def is_text(error: BaseException) -> bool:
    """
    Whether *error* stands for another one and has its traceback as text.
    """
    return hasattr(type(error), "__log_traceback__")


def trace(error: Any, *, chain: bool = False) -> str:
    """
    The traceback as text, with what caused it where *chain* is true.
    """
    if is_text(error):
        return str(
            error.__log_traceback_chain__ if chain else error.__log_traceback__
        )
    try:
        return bounded(partial(_printed, chain=chain), said, error)
    except Exception:
        return ""


def _printed(error: BaseException, *, chain: bool) -> str:
    lines = traceback.format_exception(
        type(error), error, error.__traceback__, chain=chain
    )
    return "".join(lines).rstrip("\n")


def trouble_in(
    record: logging.LogRecord, trace_of: Callable[[Any], Any] = trace
) -> dict[str, Any]:
    """
    The exception and the stack of *record*, and whether some are left out.
    """
    found: dict[str, Any] = {}
    error = error_of(record)
    if error is not None:
        found["exception"] = described(error, trace_of)
        if "truncated" in found["exception"]:
            found[TRUNCATED] = True
    elif record.exc_text:
        found["exception"] = {
            "type": None,
            "message": None,
            "traceback": said(record.exc_text),
        }
    if record.stack_info:
        found["stack"] = record.stack_info
    return found
