"""
Conditions on records, as ``--where`` takes them: parsed, and never evaluated.

The language is the part of Python's that compares fields with values::

    inference_latency > 0.2 and model_name == "resnet50"
    level >= "WARNING" and not "timeout" in message
    0.1 <= metrics["train/loss"] < 0.5 or variant in ("A", "B")
    request_id is not None
    timestamp >= "2026-11-21T06:45" and field("odd name") != 3
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from ..errors import ConfigError, shown
from .keys import LEVELS, level_number
from .predicates import (
    AllOf,
    AnyOf,
    Comparison,
    Node,
    Not,
    compiled,
    paths_in,
)
from .times import moment, seconds_of

__all__ = ["Condition", "condition"]

_EXAMPLE: Final = 'inference_latency > 0.2 and model_name == "resnet50"'
_LONGEST: Final = 10_000
_DEEPEST: Final = 50
_SIGNS: Final = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


class Condition:
    """
    A condition: call it with a record.

    Guarantee:
        A call returns a bool and raises nothing, whatever the record holds.

    Attributes:
        text: As it was written.

        node: The same as a tree, for who translates it.

        fields: The paths that it looks at.
    """

    def __init__(self, text: str, node: Node) -> None:
        self.text = text
        self.node = node
        self.fields = tuple(dict.fromkeys(paths_in(node)))
        self._test = compiled(node)

    def __call__(self, record: Mapping[str, Any]) -> bool:
        """
        Whether *record* meets it.
        """
        try:
            return self._test(record)
        except Exception:  # a mapping of somebody else's may raise anything
            return False

    def __repr__(self) -> str:
        return f"<Condition {self.text}>"


def condition(text: str, now: float | None = None) -> Condition:
    """
    Read a condition.

    A missing field equals nothing, and is neither greater nor less than
    anything: ``!=`` and ``not in`` are true of it.  A number is compared with
    numbers and with text that is one; text with text, and with numbers as
    they are written; ``level`` by severity; ``timestamp`` with times,
    ``"15m"`` ago included.

    Args:
        text: Such as ``inference_latency > 0.2``.

        now: Seconds since 1970, from which *ago* counts; None is the clock.

    Raises:
        ConfigError: It is no condition.
    """
    if len(text) > _LONGEST:
        raise _refused(text[:40] + "…", f"at most {_LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        said = exc.msg if isinstance(exc, SyntaxError) else str(exc)
        hint = ": write == to compare" if "==" in said or "=" in text else ""
        raise _refused(text, f"a condition such as {_EXAMPLE}{hint}") from None
    return Condition(text, _Reader(text, now).node(tree))


def _refused(text: str, expected: str) -> ConfigError:
    return ConfigError(
        f"{shown('where', text)} cannot be read", expected=expected
    )


class _Reader:
    """
    From Python's syntax tree to ours.
    """

    def __init__(self, text: str, now: float | None) -> None:
        self._text = text
        self._now = now

    def node(self, tree: ast.expr, depth: int = 0) -> Node:
        """
        The part of a condition that *tree* is.
        """
        if depth > _DEEPEST:
            raise _refused(self._text, f"at most {_DEEPEST} levels")
        if isinstance(tree, ast.BoolOp):
            parts = tuple(self.node(each, depth + 1) for each in tree.values)
            return (
                AllOf(parts) if isinstance(tree.op, ast.And) else AnyOf(parts)
            )
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
            return Not(self.node(tree.operand, depth + 1))
        if isinstance(tree, ast.Compare):
            return self._compared(tree)
        if isinstance(
            tree, (ast.Name, ast.Attribute, ast.Subscript, ast.Call)
        ):
            return self._comparison(self._path(tree), "==", True)
        raise self._odd(tree)

    def _compared(self, tree: ast.Compare) -> Node:
        sides = [tree.left, *tree.comparators]
        parts = tuple(
            self._pair(left, op, right)
            for left, op, right in zip(
                sides, tree.ops, sides[1:], strict=False
            )
        )
        return parts[0] if len(parts) == 1 else AllOf(parts)

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Node:
        if isinstance(op, (ast.NotIn, ast.IsNot)):
            plain = ast.In() if isinstance(op, ast.NotIn) else ast.Is()
            return Not(self._pair(left, plain, right))
        if isinstance(op, ast.In):
            return self._within(left, right)
        if isinstance(op, ast.Is):
            return self._is(self._path(left), right)
        sign = _SIGNS[type(op)]
        if _is_value(left):
            left, right, sign = right, left, _TURNED.get(sign, sign)
        value = self._value(right)
        path = self._path(left)
        if sign == "!=":
            return Not(self._comparison(path, "==", value))
        return self._comparison(path, sign, value)

    def _within(self, left: ast.expr, right: ast.expr) -> Node:
        """
        Text in a field, or a field that is one of several values.
        """
        if _is_value(left):
            value = self._value(left)
            if not isinstance(value, str):
                raise self._odd(left)
            return Comparison(self._path(right), "contains", value, "text")
        if not isinstance(right, (ast.Tuple, ast.List, ast.Set)):
            raise self._odd(right)
        path = self._path(left)
        return AnyOf(
            tuple(
                self._comparison(path, "==", self._value(each))
                for each in right.elts
            )
        )

    def _is(self, path: tuple[str, ...], right: ast.expr) -> Node:
        value = self._value(right)
        if value is None or isinstance(value, bool):
            return self._comparison(path, "==", value)
        raise self._odd(right)

    def _comparison(
        self, path: tuple[str, ...], sign: str, value: Any
    ) -> Node:
        if value is None:
            if sign != "==":
                raise _refused(self._text, "None only with ==, != and is")
            return Comparison(path, "missing", "", "missing")
        if isinstance(value, bool):
            return Comparison(path, sign, str(value).lower(), "text")
        if path == ("timestamp",):
            return Comparison(path, sign, self._moment(value), "time")
        severity = level_number(value) if path == ("level",) else None
        if severity is not None:
            return Comparison(path, sign, float(severity), "level")
        if isinstance(value, str):
            if path == ("level",) and sign != "==":
                raise _refused(
                    self._text, f"a level: {', '.join(LEVELS)}, or a number"
                )
            return Comparison(path, sign, value, "text")
        return Comparison(path, sign, float(value), "number")

    def _moment(self, value: Any) -> float:
        if isinstance(value, str):
            return moment("timestamp", value, self._now)
        found = seconds_of(value)
        if found is None:
            raise _refused(self._text, "a time after 1970")
        return found

    def _path(self, tree: ast.expr) -> tuple[str, ...]:
        """
        The names of a field: ``a``, ``a.b``, ``a["b"]``, ``field("a")``.
        """
        names: list[str] = []
        while not isinstance(tree, ast.Name):
            if isinstance(tree, ast.Attribute):
                names.append(tree.attr)
                tree = tree.value
            elif isinstance(tree, ast.Subscript) and _is_text(tree.slice):
                names.append(str(tree.slice.value))
                tree = tree.value
            elif (name := _field_name(tree)) is not None:
                return (name, *reversed(names))
            else:
                raise self._odd(tree)
        return (tree.id, *reversed(names))

    def _value(self, tree: ast.expr) -> Any:
        sign = 1
        if isinstance(tree, ast.UnaryOp) and isinstance(
            tree.op, (ast.USub, ast.UAdd)
        ):
            sign = -1 if isinstance(tree.op, ast.USub) else 1
            tree = tree.operand
            if not _is_value(tree, (int, float)):
                raise self._odd(tree)
        if not _is_value(tree):
            raise self._odd(tree)
        value: Any = getattr(tree, "value", None)
        if isinstance(value, (bool, str)) or value is None:
            return value
        try:
            return sign * float(value)
        except OverflowError:
            raise _refused(self._text, "smaller numbers") from None

    def _odd(self, tree: ast.AST) -> ConfigError:
        try:
            part = ast.unparse(tree)
        except RecursionError:
            part = self._text
        part = part if len(part) <= 60 else part[:57] + "..."
        return _refused(
            self._text,
            f"a field compared with a value where {part!r} stands, as in"
            f' {_EXAMPLE}; a field of an odd name is field("odd name"),'
            ' one within another metrics["train/loss"]',
        )


def _is_value(
    tree: Any, kinds: tuple[type, ...] = (bool, int, float, str, type(None))
) -> bool:
    if isinstance(tree, ast.UnaryOp) and not isinstance(tree.op, ast.Not):
        return isinstance(tree.operand, ast.Constant)
    return isinstance(tree, ast.Constant) and type(tree.value) in kinds


def _is_text(tree: Any) -> TypeGuard[ast.Constant]:
    return isinstance(tree, ast.Constant) and isinstance(tree.value, str)


def _field_name(tree: ast.expr) -> str | None:
    """
    The name in ``field("name")``, or None of anything else.
    """
    is_call = (
        isinstance(tree, ast.Call)
        and isinstance(tree.func, ast.Name)
        and tree.func.id == "field"
        and not tree.keywords
        and len(tree.args) == 1
    )
    name = tree.args[0] if is_call else None  # type: ignore[attr-defined]
    return str(name.value) if _is_text(name) else None
