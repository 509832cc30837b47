"""
Exceptions as data: type, message, traceback, and what caused them.
"""

from __future__ import annotations

import traceback
from functools import partial
from typing import Any

from ..recursion import bounded
from ..values import name_of

__all__ = ["described", "is_text", "said", "trace"]

_MOST_EXCEPTIONS = 10


def described(error: BaseException) -> dict[str, Any]:
    """
    Type, message, traceback, notes and chain of *error*; each exception once.
    """
    return _described(error, set())


def _described(error: BaseException, seen: set[int]) -> dict[str, Any]:
    """
    Type, message, traceback and chain of *error*; each exception once.
    """
    seen.add(id(error))
    found: dict[str, Any] = {
        "type": type(error).__qualname__,
        "message": said(error),
        "traceback": trace(error),
    }
    try:
        _add_chain(found, error, seen)
    except Exception:  # an exception whose attributes raise
        pass
    return found


def _add_chain(
    found: dict[str, Any], error: BaseException, seen: set[int]
) -> None:
    if notes := getattr(error, "__notes__", None):
        found["notes"] = list(notes) if type(notes) is list else [notes]
    cause = error.__cause__
    if cause is None and not error.__suppress_context__:
        cause = error.__context__
    if cause is not None and _is_new(cause, seen):
        key = "cause" if error.__cause__ is cause else "context"
        found[key] = _described(cause, seen)
    inner = getattr(error, "exceptions", None)
    if isinstance(inner, tuple):
        found["exceptions"] = [
            _described(each, seen) for each in inner if _is_new(each, seen)
        ]


def _is_new(error: Any, seen: set[int]) -> bool:
    return (
        isinstance(error, BaseException)
        and id(error) not in seen
        and len(seen) < _MOST_EXCEPTIONS
    )


def said(error: BaseException) -> str:
    """
    What the exception says, or its type where it cannot say.
    """
    try:
        return bounded(str, name_of, error)
    except Exception:
        return f"<{type(error).__name__}>"


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
