"""
Fields of a record that an event cannot be right without, each checked.
"""

from __future__ import annotations

import operator
import re
from typing import Any, Final, NoReturn

from ..errors import EventError, shown
from ..values import clean, name_of, number
from .text import escaped

__all__ = ["count", "int32", "refuse", "seconds", "text"]

_INT32: Final = range(-(2**31), 2**31)
_DIGITS = re.compile(r"[0-9]{1,10}")
# The first second of the year 10000, which RFC 3339 cannot write.
_END_OF_TIME = 253402300800.0
_LONGEST_SHOWN = 100


def refuse(
    field: str, value: Any, *, expected: str = "", fix: str = ""
) -> NoReturn:
    """
    Raise the EventError for a *field* that is missing (None) or wrong.
    """
    problem = f"{field} is missing" if value is None else _said(field, value)
    raise EventError(field, problem, expected=expected, fix=fix)


def _said(field: str, value: Any) -> str:
    """
    The field and its value: short, on one line, and never an exception.
    """
    try:
        if isinstance(value, (str, bytes)):
            value = value[:_LONGEST_SHOWN]
        elif hasattr(type(value), "__len__"):
            return f"{field} is a {name_of(value)}"  # it may be endless
        return escaped(shown(field, value))
    except Exception:
        return f"{field} is a {name_of(value)}"


def text(field: str, value: Any, *, fix: str = "") -> str:
    """
    Text that is not empty and can be written in UTF-8.

    Raises:
        EventError: It is missing or something else.
    """
    if type(value) is not str:
        if not issubclass(type(value), str):
            refuse(field, value, expected="text", fix=fix)
        value = str.__str__(value)
    if not value:
        refuse(field, value, expected="text that is not empty", fix=fix)
    return clean(value)


def int32(field: str, value: Any, *, fix: str = "") -> int:
    """
    A whole number of 32 bits; numpy's too, but no bool.

    Raises:
        EventError: It is missing or something else.
    """
    found = _whole(value)
    if found is None or found not in _INT32:
        refuse(field, value, expected="a whole number of 32 bits", fix=fix)
    return found


def count(field: str, value: Any, *, fix: str = "") -> int:
    """
    As :func:`int32`, or the same as text (``"3"``).

    Raises:
        EventError: It is missing or something else.
    """
    if type(value) is int and value in _INT32:
        return value
    if issubclass(type(value), str):
        digits = str.__str__(value)
        if _DIGITS.fullmatch(digits):
            return int32(field, int(digits), fix=fix)
    expected = 'a whole number of 32 bits, or such as text ("3")'
    found = _whole(value)
    if found is None or found not in _INT32:
        refuse(field, value, expected=expected, fix=fix)
    return found


def _whole(value: Any) -> int | None:
    kind = type(value)
    if kind is int:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return None
    if issubclass(kind, int):
        return int.__index__(value)
    # numpy's integers; a mock has an __index__ as well
    if not hasattr(kind, "dtype"):
        return None
    try:
        return operator.index(value)
    except Exception:
        return None


def seconds(field: str, value: Any) -> float:
    """
    A time in seconds since 1970, before the year 10000.

    Raises:
        EventError: It is something else, milliseconds for example.
    """
    found = value if type(value) is float else number(value)
    if found is None or not 0 <= found < _END_OF_TIME:
        refuse(
            field,
            value,
            expected="seconds since 1970",
            fix=f"log {field}=time.time(), or leave it out",
        )
    return found
