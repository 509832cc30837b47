"""
Conditions as expressions of Ibis.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..errors import require
from ..reading.keys import LEVELS
from ..reading.predicates import NUMBER, AllOf, AnyOf, Comparison, Node, Not
from .schema import Schema

__all__ = ["errors", "number", "text", "translated"]

_SIGNS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LARGEST_EXACT: Final = 2**53
_PARTS: Final = ("level", "logger", "message")


def translated(node: Node, table: Any, schema: Schema) -> Any:
    """
    The expression that is true of the records that meet *node*.
    """
    if isinstance(node, Not):
        return ~translated(node.part, table, schema)
    if isinstance(node, Comparison):
        return _compared(node, table, schema).fill_null(False)
    parts = [translated(part, table, schema) for part in node.parts]
    ibis = require("ibis", "report")
    if not parts:
        return ibis.literal(isinstance(node, AllOf))
    join = operator.and_ if isinstance(node, AllOf) else operator.or_
    assert isinstance(node, (AllOf, AnyOf))  # noqa: S101 - for mypy
    return functools.reduce(join, parts)


def _compared(node: Comparison, table: Any, schema: Schema) -> Any:
    path = node.path
    if node.kind == "time":
        return _SIGNS[node.sign](table.time_us, round(float(node.value) * 1e6))
    if node.kind == "missing" and path == ("timestamp",):
        return table.time_us.isnull()
    if node.kind == "level":
        return _SIGNS[node.sign](table.severity, int(float(node.value)))
    if node.kind == "number":
        found = number(table, schema, path)
        return _SIGNS[node.sign](found, float(node.value))
    found = text(table, schema, path)
    if node.kind == "missing":
        return found.isnull()
    value = str(node.value)
    if node.sign == "contains":
        return found.contains(value)
    if path == ("level",):
        value = value.upper()
    return _SIGNS[node.sign](found, value)


def errors(table: Any) -> Any:
    """
    Whether a record is of level ERROR or above.
    """
    return (table.severity >= LEVELS["ERROR"]).fill_null(False)


def text(table: Any, schema: Schema, path: tuple[str, ...]) -> Any:
    """
    A field as text; null where a record has none.
    """
    ibis = require("ibis", "report")
    if len(path) == 1 and path[0] in _PARTS:
        return table[path[0]]
    column = schema.column(path)
    if column is None:
        return ibis.null(str)
    found = table[column.text]
    if not column.is_number:
        return found
    value = table[column.number]
    whole = ibis.ifelse(
        (value == value.floor()) & (value.abs() < 1e15),
        value.try_cast("int64").cast("string"),
        value.cast("string"),
    )
    return ibis.coalesce(found, whole)


def number(table: Any, schema: Schema, path: tuple[str, ...]) -> Any:
    """
    A field as a finite number; null where a record has none.
    """
    ibis = require("ibis", "report")
    column = schema.column(path)
    if column is not None and column.is_number:
        return table[column.number]
    found = text(table, schema, path)
    valid = ibis.ifelse(found.re_search(NUMBER), found, ibis.null(str))
    value = valid.try_cast("float64")
    return ibis.ifelse(value.isinf() | value.isnan(), ibis.null(float), value)
