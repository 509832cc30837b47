"""
One argument of a print call as literals and the values that stand in them.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import libcst as cst
else:
    from .syntax import cst

from .evidence import Evidence
from .literals import Literal, Value
from .percents import codes_in
from .source import Source
from .specs import percent_of

__all__ = ["Piece", "Pieces"]

Piece = list[Literal] | Value


class Pieces:
    """
    Takes arguments apart.

    Args:
        source: The program they stand in.

        evidence: What is known about its expressions.
    """

    def __init__(self, source: Source, evidence: Evidence) -> None:
        self._source = source
        self._evidence = evidence

    def of(self, node: cst.BaseExpression) -> Piece:
        """
        *node* as literals with values in them, or as one value.
        """
        literals = self._literals(node)
        if literals is None:
            return self.whole(node)
        return literals

    def whole(self, node: cst.BaseExpression) -> Value:
        """
        *node* as one value, written as it stands.
        """
        return Value(self._argument(node), "%s", node)

    def _literals(self, node: cst.BaseExpression) -> list[Literal] | None:
        if isinstance(node, (cst.SimpleString, cst.FormattedString)):
            literal = self._literal(node)
            return None if literal is None else [literal]
        if isinstance(node, cst.ConcatenatedString):
            return self._concatenated(node)
        if isinstance(node, cst.Call):
            return self._from_format(node)
        if isinstance(node, cst.BinaryOperation):
            if isinstance(node.operator, cst.Modulo):
                return self._from_percent(node)
            if isinstance(node.operator, cst.Add):
                return self._from_sum(node)
        return None

    def _literal(self, node: cst.CSTNode) -> Literal | None:
        if isinstance(node, cst.SimpleString):
            prefix = node.prefix.lower()
            if "b" in prefix:
                return None
            return Literal(node.prefix, node.quote, (node.raw_value,))
        if isinstance(node, cst.FormattedString):
            prefix = "".join(each for each in node.prefix if each not in "fF")
            parts = [p for each in node.parts for p in self._parts(node, each)]
            return Literal(prefix, node.quote, tuple(parts))
        return None

    def _concatenated(self, node: cst.CSTNode) -> list[Literal] | None:
        found: list[Literal] = []
        gap = ""
        while isinstance(node, cst.ConcatenatedString):
            left = self._literal(node.left)
            if left is None:
                return None
            found.append(_behind(gap, left))
            gap = self._gap(node) or " "
            node = node.right
        last = self._literal(node)
        return None if last is None else [*found, _behind(gap, last)]

    def _gap(self, node: cst.ConcatenatedString) -> str:
        source, right = self._source, node.right
        return source.between(source.end(node.left), source.start(right))

    # --- f-strings ---

    def _parts(
        self, string_: cst.FormattedString, part: cst.CSTNode
    ) -> Iterator[str | Value]:
        if isinstance(part, cst.FormattedStringText):
            yield part.value.replace("{{", "{").replace("}}", "}")
            return
        eager = f"{string_.start}{self._source.code(part)}{string_.end}"
        yield from self._named(string_, part, eager)

    def _named(
        self, string_: cst.FormattedString, part: Any, eager: str
    ) -> Iterator[str | Value]:
        """
        A replacement field; with ``=`` its text comes first.
        """
        spec = self._spec(part.format_spec)
        conversion = part.conversion or ""
        if part.equal is not None:
            if not conversion and part.format_spec is None:
                conversion = "r"
            before = self._before_equal(part)
            if before is None:
                yield Value(eager, "%s", part.expression)
                return
            yield before
            eager = self._without_equal(string_, part, conversion)
        percent = (
            None
            if spec is None
            else self._percent(part.expression, spec, conversion)
        )
        if percent is None:
            yield Value(
                eager, "%s", part.expression, "", conversion, spec or "?"
            )
            return
        argument = self._argument(part.expression)
        yield Value(
            argument, percent, part.expression, eager, conversion, spec or ""
        )

    def _before_equal(self, part: cst.CSTNode) -> str | None:
        """
        The text that ``{x = }`` writes before the value.
        """
        bare = part.with_changes(conversion=None, format_spec=None)
        text = self._source.code(bare)[1:-1]
        is_plain = text.isprintable() and not set(text) & set("\\\"'")
        return text if is_plain else None

    def _without_equal(
        self, string_: cst.FormattedString, part: cst.CSTNode, conversion: str
    ) -> str:
        plain = part.with_changes(equal=None, conversion=conversion or None)
        return f"{string_.start}{self._source.code(plain)}{string_.end}"

    def _spec(self, parts: Sequence[Any] | None) -> str | None:
        """
        A format specification; None if it is made when the call runs.
        """
        if parts is None:
            return ""
        if all(isinstance(each, cst.FormattedStringText) for each in parts):
            text = "".join(each.value for each in parts)
            return None if "\\" in text or "{" in text or "}" in text else text
        return None

    def _percent(
        self, node: cst.BaseExpression, spec: str, conversion: str
    ) -> str | None:
        """
        The ``%`` code for a value; None if it has to be formatted as it was.
        """
        found = percent_of(spec, conversion)
        if found is None:
            return None
        if not found.kind and self._evidence.may_format_apart(node):
            return None
        is_guess = found.kind and not conversion
        if is_guess and self._evidence.is_exact:
            known = self._evidence.type_of(node)
            if known != found.kind and (known, found.kind) != (
                "whole",
                "number",
            ):
                return None
        return found.code

    # --- "...".format(...), "..." % ..., "..." + str(...) ---

    def _from_format(self, call: cst.Call) -> list[Literal] | None:
        func = call.func
        if not isinstance(func, cst.Attribute) or func.attr.value != "format":
            return None
        literals = self._texts(func.value)
        if literals is None or any(arg.star for arg in call.args):
            return None
        given: dict[str, cst.BaseExpression] = {
            arg.keyword.value if arg.keyword else str(number): arg.value
            for number, arg in enumerate(call.args)
        }
        used: list[str] = []
        try:
            filled = [self._filled(each, given, used) for each in literals]
        except (ValueError, LookupError):
            return None
        return filled if self._is_in_order(given, used) else None

    def _filled(
        self,
        literal: Literal,
        given: dict[str, cst.BaseExpression],
        used: list[str],
    ) -> Literal:
        """
        *literal*, a format, with its values.

        Raises:
            ValueError, LookupError: It has a field that ``%`` has not.
        """
        (raw,) = literal.parts
        if not isinstance(raw, str) or _hides(literal, raw, "{}"):
            raise ValueError
        parts: list[str | Value] = []
        for text, field, spec, conversion in string.Formatter().parse(raw):
            parts.append(text)
            if field is None:
                continue
            name = field or str(sum(not each for each in used))
            used.append(field)
            node = given[name]
            percent = self._percent(node, spec or "", conversion or "")
            if percent is None or "{" in (spec or ""):
                raise ValueError
            parts.append(
                Value(
                    self._argument(node),
                    percent,
                    node,
                    "",
                    conversion or "",
                    spec or "",
                )
            )
        return Literal(
            literal.prefix, literal.quote, tuple(parts), literal.gap
        )

    def _is_in_order(
        self, given: dict[str, cst.BaseExpression], used: list[str]
    ) -> bool:
        """
        Whether the values are evaluated once each, and in the same order.
        """
        if not used:
            return False
        if used in (list(given), [""] * len(given)):
            return True
        return all(
            isinstance(node, (cst.Name, cst.Integer, cst.Float))
            for node in given.values()
        )

    def _from_percent(self, node: cst.BinaryOperation) -> list[Literal] | None:
        literals = self._texts(node.left)
        if literals is None:
            return None
        right = node.right
        if isinstance(right, cst.Tuple):
            if any(isinstance(e, cst.StarredElement) for e in right.elements):
                return None
            values = [each.value for each in right.elements]
        elif isinstance(
            right, (cst.Dict, cst.DictComp)
        ) or self._evidence.may_be_tuple(right):
            return None
        else:
            values = [right]
        return _with_codes(literals, [self.whole(each) for each in values])

    def _from_sum(self, node: cst.BinaryOperation) -> list[Literal] | None:
        """
        ``"loss " + str(loss)``: texts and str() in a chain.
        """
        found: list[Literal] = []
        for term in _terms(node):
            literals = self._literals(term)
            if literals is None:
                shown = self._from_str(term)
                if shown is None:
                    return None
                literals = [Literal("", '"', (shown,))]
            if found:
                literals = [_behind(" ", literals[0]), *literals[1:]]
            found += literals
        return _unspaced(found)

    def _from_str(self, term: cst.BaseExpression) -> Value | None:
        if (
            isinstance(term, cst.Call)
            and len(term.args) == 1
            and not term.args[0].star
            and not term.args[0].keyword
            and self._source.means(term.func, "builtins.str")
        ):
            inner = term.args[0].value
            eager = self._source.code(term)
            return Value(self._argument(inner), "%s", inner, eager)
        return None

    def _texts(self, node: cst.BaseExpression) -> list[Literal] | None:
        """
        *node* as literals without values.
        """
        if isinstance(node, cst.SimpleString):
            literal = self._literal(node)
            return None if literal is None else [literal]
        if not isinstance(node, cst.ConcatenatedString):
            return None
        found = self._concatenated(node)
        if (
            found
            and all(len(each.parts) == 1 for each in found)
            and all(isinstance(each.parts[0], str) for each in found)
        ):
            return found
        return None

    def _argument(self, node: cst.BaseExpression) -> str:
        """
        *node* as an argument of a call.
        """
        code = self._source.code(node)
        bare = isinstance(node, (cst.Tuple, cst.Yield, cst.GeneratorExp))
        return f"({code})" if bare and not node.lpar else code


def _behind(gap: str, literal: Literal) -> Literal:
    return Literal(literal.prefix, literal.quote, literal.parts, gap)


def _terms(node: cst.BaseExpression) -> list[cst.BaseExpression]:
    """
    What is added, from left to right.
    """
    found: list[cst.BaseExpression] = []
    while isinstance(node, cst.BinaryOperation) and isinstance(
        node.operator, cst.Add
    ):
        found.append(node.right)
        node = node.left
    return [node, *reversed(found)]


def _unspaced(literals: list[Literal]) -> list[Literal]:
    """
    Without the gaps that are a blank only: they become one text.
    """
    return [
        _behind("" if each.gap == " " else each.gap, each) for each in literals
    ]


def _with_codes(
    literals: list[Literal], values: list[Value]
) -> list[Literal] | None:
    """
    *literals*, which have ``%`` codes, with *values*; None if they do not fit.
    """
    found: list[Literal] = []
    left = list(values)
    for literal in literals:
        (raw,) = literal.parts
        if not isinstance(raw, str) or _hides(literal, raw, "%"):
            return None
        split = codes_in(raw)
        if split is None:
            return None
        parts: list[str | Value] = []
        for text, code in split:
            parts.append(text)
            if code and not left:
                return None
            if code:
                value = left.pop(0)
                parts.append(
                    Value(value.code, code, value.node, "", "", code[1:])
                )
        found.append(
            Literal(literal.prefix, literal.quote, tuple(parts), literal.gap)
        )
    return None if left else found


def _hides(literal: Literal, raw: str, characters: str) -> bool:
    r"""
    Whether an escape stands for one of *characters*, as in ``\x25``.
    """
    said = literal.said(raw) if "\\" in raw else raw
    return any(said.count(each) != raw.count(each) for each in characters)
