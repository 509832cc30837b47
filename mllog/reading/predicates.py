"""
Predicates on records: a tree that can be asked, or translated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from .keys import level_number, text_of, value_at
from .times import seconds_of

__all__ = [
    "NUMBER",
    "AllOf",
    "AnyOf",
    "Comparison",
    "Kind",
    "Node",
    "Not",
    "compiled",
    "number_of",
    "paths_in",
]

Kind = Literal["number", "text", "level", "time", "missing"]

#: What text has to look like to be compared as a number.
NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"

_is_number = re.compile(NUMBER, re.ASCII).match


class Comparison(NamedTuple):
    """
    A field compared with a value; of a record without the field it is false.

    Args:
        path: The name of the field, or the names on the way to it.

        sign: ``==``, ``<``, ``<=``, ``>``, ``>=``, ``contains``, or
            ``missing``, which is true of a record without the field.

        value: What it is compared with: a number for the kinds number, level
            (its severity) and time (seconds since 1970), else text.

        kind: As what both are compared.
    """

    path: tuple[str, ...]
    sign: str
    value: float | str
    kind: Kind


class Not(NamedTuple):
    """
    True where its part is false.
    """

    part: Node


class AllOf(NamedTuple):
    """
    True where all of its parts are.
    """

    parts: tuple[Node, ...]


class AnyOf(NamedTuple):
    """
    True where one of its parts is.
    """

    parts: tuple[Node, ...]


Node: TypeAlias = Comparison | Not | AllOf | AnyOf


def number_of(value: Any) -> float | None:
    """
    A finite number, also of text that is one; None of anything else.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if len(value) > 100 or not _is_number(value):
            return None
    elif not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def paths_in(node: Node) -> Iterator[tuple[str, ...]]:
    """
    The paths of the fields that *node* looks at, in order.
    """
    if isinstance(node, Comparison):
        yield node.path
    elif isinstance(node, Not):
        yield from paths_in(node.part)
    else:
        for part in node.parts:
            yield from paths_in(part)


# --- asking a record ---

Test: TypeAlias = Callable[[Mapping[str, Any]], bool]

_AS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "number": number_of,
    "text": text_of,
    "level": level_number,
    "time": seconds_of,
    "missing": text_of,
}
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "contains": lambda a, b: b in a,
}


def compiled(node: Node) -> Test:
    """
    A function that asks a record.
    """
    if isinstance(node, Not):
        inner = compiled(node.part)
        return lambda record: not inner(record)
    if isinstance(node, Comparison):
        return _compared(node)
    tests = [compiled(part) for part in node.parts]
    if isinstance(node, AllOf):
        return lambda record: all(test(record) for test in tests)
    return lambda record: any(test(record) for test in tests)


def _compared(node: Comparison) -> Test:
    path, value = node.path, node.value
    if node.sign == "missing":
        return lambda record: value_at(record, path) is None
    compare, read = _COMPARE[node.sign], _AS[node.kind]

    def test(record: Mapping[str, Any]) -> bool:
        found = read(value_at(record, path))
        return found is not None and compare(found, value)

    return test
