"""
What a format specification is in the ``%`` language, where it is the same.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

__all__ = ["Kind", "Percent", "is_number", "percent_of"]

Kind = Literal["", "text", "whole", "number"]

_SPEC: Final = re.compile(
    r"(?:(?P<fill>.)?(?P<align>[<>=^]))?(?P<sign>[-+ ])?(?P<alternate>[z#]*)"
    r"(?P<zero>0)?(?P<width>[0-9]+)?(?P<group>[,_])?"
    r"(?:\.(?P<precision>[0-9]+))?(?P<type>[a-zA-Z%])?",
    re.DOTALL,
)
_WHOLE: Final = frozenset("dxXo")
_NUMBER: Final = frozenset("eEfFgG")


class Percent(NamedTuple):
    """
    A code such as ``%.4f``, and the kind of value for which it is exact.
    """

    code: str
    kind: Kind


def percent_of(spec: str, conversion: str = "") -> Percent | None:
    """
    The code that writes what *spec* writes; None if there is none.

    It is equal for each value of the type that *spec* is made for: ``.4f``
    for int and float, ``>8s`` for str.  Without a type, ``>8`` is not: a bool
    would be ``1`` in one language and ``True`` in the other.
    """
    if not spec:
        return Percent(f"%{conversion or 's'}", "text" if conversion else "")
    found = _SPEC.fullmatch(spec)
    if not found or found["alternate"] or found["group"]:
        return None
    if found["fill"] not in (None, " ") or found["align"] in ("=", "^"):
        return None
    kind = found["type"]
    if conversion or kind == "s":
        return _text(found, conversion or "s")
    if kind in _WHOLE and found["precision"] is None:
        return _number(found, "whole")
    return _number(found, "number") if kind in _NUMBER else None


def _text(found: re.Match[str], letter: str) -> Percent | None:
    if found["sign"] or found["zero"] or found["type"] not in (None, "s"):
        return None
    left = "-" if found["align"] != ">" and found["width"] else ""
    return Percent(f"%{left}{_size(found)}{letter}", "text")


def _number(found: re.Match[str], kind: Kind) -> Percent | None:
    zero, align = found["zero"] or "", found["align"]
    if zero and align:
        return None
    left = "-" if align == "<" and found["width"] else ""
    sign = (found["sign"] or "").replace("-", "")
    size = _size(found)
    return Percent(f"%{left}{sign}{zero}{size}{found['type']}", kind)


def _size(found: re.Match[str]) -> str:
    precision = found["precision"]
    return (found["width"] or "") + (
        "" if precision is None else f".{precision}"
    )


def is_number(spec: str) -> bool:
    """
    Whether *spec* is made for numbers.
    """
    found = _SPEC.fullmatch(spec)
    return bool(found and found["type"] in {*"deEfFgGinu%"})
