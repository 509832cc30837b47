"""
The message and the arguments that reproduce the output of a print call.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .analyse import Changes, Evidence
from .parsed_source import ParsedSource
from .string_literals import (
    MessageValue,
    StringLiteral,
    codes_in,
    join_literals,
    percent_of,
    quoted,
)

if TYPE_CHECKING:
    import libcst as cst
else:
    from .parsed_source import cst

__all__ = ["LogMessage", "MessageBuilder"]

SplitArgument = list[StringLiteral] | MessageValue


@dataclass(frozen=True)
class LogMessage:
    """
    The message of a logging call.

    Args:
        literals: Its text, with the values in their places.

        is_ascii: Whether the file can hold no other characters for sure.
    """

    literals: tuple[StringLiteral, ...]
    is_ascii: bool = False

    @property
    def values(self) -> list[MessageValue]:
        """
        Its arguments.
        """
        return _values(self.literals)

    @property
    def parts(self) -> list[str | MessageValue]:
        """
        Its decoded text, and the values between.
        """
        return [
            part if isinstance(part, MessageValue) else literal.decoded(part)
            for literal in self.literals
            for part in literal.parts
        ]

    def code(self) -> str:
        """
        The first argument of the call.
        """
        has_values = bool(self.values)
        return "".join(
            literal.gap
            + literal.code(with_values=has_values, is_ascii=self.is_ascii)
            for literal in self.literals
        )


class MessageBuilder:
    """
    Makes messages of the arguments of print calls.

    Args:
        source: The program.

        evidence: What is known about its expressions.

        is_ascii: Write no other characters than ASCII where text is quoted
            anew.
    """

    def __init__(
        self, source: ParsedSource, evidence: Evidence, *, is_ascii: bool
    ) -> None:
        self._source = source
        self._evidence = evidence
        self._splitter = ArgumentSplitter(source, evidence)
        self._is_ascii = is_ascii

    def of(self, args: Sequence[cst.Arg], sep: str) -> LogMessage:
        """
        What ``print(*args, sep=sep)`` writes.
        """
        if any(arg.star for arg in args):
            return self._starred(args, sep)
        nodes = [arg.value for arg in args]
        pieces = self._evaluated_in_order(
            nodes, [self._splitter.of(node) for node in nodes]
        )
        return self._message(pieces, sep)

    def unchanged(self, args: Sequence[cst.Arg], sep: str) -> LogMessage:
        """
        The same with every argument as it is: for calls with comments.
        """
        pieces: list[SplitArgument] = [
            self._splitter.whole(arg.value) for arg in args
        ]
        return self._message(pieces, sep)

    def _message(
        self, pieces: Sequence[SplitArgument], sep: str
    ) -> LogMessage:
        literals = join_literals(pieces, sep, is_ascii=self._is_ascii)
        return LogMessage(tuple(literals), self._is_ascii)

    def _starred(self, args: Sequence[cst.Arg], sep: str) -> LogMessage:
        """
        How many there are is known when the call runs, so one value is all.
        """
        code = self._source.code
        shown = quoted(sep, is_ascii=self._is_ascii)
        if len(args) == 1:
            given = code(args[0].value)
        else:
            items = (f"{arg.star}{code(arg.value)}" for arg in args)
            given = f"({', '.join(items)})"
        value = MessageValue(f"{shown}.join(map(str, {given}))", "%s")
        return self._message([value], sep)

    def _evaluated_in_order(
        self,
        nodes: Sequence[cst.BaseExpression],
        pieces: Sequence[SplitArgument],
    ) -> list[SplitArgument]:
        """
        *pieces*, formatted at once where a later argument changes a value.

        ``f"{stack} {stack.pop()}"`` writes the stack before the pop.
        """
        found: list[SplitArgument] = []
        changes = self._evidence.changes(nodes)
        for number, piece in enumerate(pieces):
            if isinstance(piece, MessageValue):
                found.append(piece)
            elif _is_late(piece, changes, number):
                found.append(self._splitter.whole(nodes[number]))
            else:
                found.append(self._formatted(piece, changes, number))
        return found

    def _formatted(
        self, piece: list[StringLiteral], later: Changes, number: int
    ) -> list[StringLiteral]:
        values = _values(piece)
        places = {id(value): place for place, value in enumerate(values)}
        inside = self._evidence.changes(each.node for each in values)

        def timed(value: MessageValue) -> MessageValue:
            node = value.node
            if not value.eager or node is None:
                return value
            if inside.reach(node, places[id(value)]) or later.reach(
                node, number
            ):
                return value.formatted_at_once()
            return value

        return [
            replace(
                each,
                parts=tuple(
                    timed(part) if isinstance(part, MessageValue) else part
                    for part in each.parts
                ),
            )
            for each in piece
        ]


def _is_late(piece: list[StringLiteral], later: Changes, number: int) -> bool:
    """
    Whether a text such as ``"...".format(x)`` has to be made at once.
    """
    return any(
        value.node is not None
        and not value.eager
        and value.spec != "?"
        and later.reach(value.node, number)
        for value in _values(piece)
    )


def _values(piece: Sequence[StringLiteral]) -> list[MessageValue]:
    return [
        part
        for literal in piece
        for part in literal.parts
        if isinstance(part, MessageValue)
    ]


class ArgumentSplitter:
    """
    Splits arguments into literals and values.

    Args:
        source: The program.

        evidence: What is known about its expressions.
    """

    def __init__(self, source: ParsedSource, evidence: Evidence) -> None:
        self._source = source
        self._evidence = evidence

    def of(self, node: cst.BaseExpression) -> SplitArgument:
        """
        *node* as literals with values in them, or as one value.
        """
        literals = self._literals(node)
        if literals is None:
            return self.whole(node)
        return literals

    def whole(self, node: cst.BaseExpression) -> MessageValue:
        """
        *node* as one value.
        """
        return MessageValue(self._argument(node), "%s", node)

    def _literals(
        self, node: cst.BaseExpression
    ) -> list[StringLiteral] | None:
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

    def _literal(self, node: cst.CSTNode) -> StringLiteral | None:
        if isinstance(node, cst.SimpleString):
            prefix = node.prefix.lower()
            if "b" in prefix:
                return None
            return StringLiteral(node.prefix, node.quote, (node.raw_value,))
        if isinstance(node, cst.FormattedString):
            prefix = "".join(each for each in node.prefix if each not in "fF")
            parts = [p for each in node.parts for p in self._parts(node, each)]
            return StringLiteral(prefix, node.quote, tuple(parts))
        return None

    def _concatenated(self, node: cst.CSTNode) -> list[StringLiteral] | None:
        found: list[StringLiteral] = []
        gap = ""
        while isinstance(node, cst.ConcatenatedString):
            left = self._literal(node.left)
            if left is None:
                return None
            found.append(replace(left, gap=gap))
            gap = self._gap(node) or " "
            node = node.right
        last = self._literal(node)
        return None if last is None else [*found, replace(last, gap=gap)]

    def _gap(self, node: cst.ConcatenatedString) -> str:
        source, right = self._source, node.right
        return source.between(source.end(node.left), source.start(right))

    def _parts(
        self, string_: cst.FormattedString, part: cst.CSTNode
    ) -> Iterator[str | MessageValue]:
        if isinstance(part, cst.FormattedStringText):
            yield part.value.replace("{{", "{").replace("}}", "}")
            return
        eager = f"{string_.start}{self._source.code(part)}{string_.end}"
        yield from self._named(string_, part, eager)

    def _named(
        self, string_: cst.FormattedString, part: Any, eager: str
    ) -> Iterator[str | MessageValue]:
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
                yield MessageValue(eager, "%s", part.expression)
                return
            yield before
            eager = self._without_equal(string_, part, conversion)
        percent = (
            None
            if spec is None
            else self._percent(part.expression, spec, conversion)
        )
        if percent is None:
            yield MessageValue(
                eager,
                "%s",
                part.expression,
                conversion=conversion,
                spec=spec or "?",
            )
            return
        argument = self._argument(part.expression)
        yield MessageValue(
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
        if not found.kind and self._evidence.may_format_differently(node):
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

    def _from_format(self, call: cst.Call) -> list[StringLiteral] | None:
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
        literal: StringLiteral,
        given: dict[str, cst.BaseExpression],
        used: list[str],
    ) -> StringLiteral:
        """
        *literal*, a format, with its values.

        Raises:
            ValueError, LookupError: It has a field that ``%`` has not.
        """
        (raw,) = literal.parts
        if not isinstance(raw, str) or _hides(literal, raw, "{}"):
            raise ValueError
        parts: list[str | MessageValue] = []
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
                MessageValue(
                    self._argument(node),
                    percent,
                    node,
                    conversion=conversion or "",
                    spec=spec or "",
                )
            )
        return replace(literal, parts=tuple(parts))

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

    def _from_percent(
        self, node: cst.BinaryOperation
    ) -> list[StringLiteral] | None:
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

    def _from_sum(
        self, node: cst.BinaryOperation
    ) -> list[StringLiteral] | None:
        """
        ``"loss " + str(loss)``: texts and str() in a chain.
        """
        found: list[StringLiteral] = []
        for term in _terms(node):
            literals = self._literals(term)
            if literals is None:
                shown = self._from_str(term)
                if shown is None:
                    return None
                literals = [StringLiteral("", '"', (shown,))]
            if found:
                literals = [replace(literals[0], gap=" "), *literals[1:]]
            found += literals
        return _unspaced(found)

    def _from_str(self, term: cst.BaseExpression) -> MessageValue | None:
        if (
            isinstance(term, cst.Call)
            and len(term.args) == 1
            and not term.args[0].star
            and not term.args[0].keyword
            and self._source.means(term.func, "builtins.str")
        ):
            inner = term.args[0].value
            eager = self._source.code(term)
            return MessageValue(self._argument(inner), "%s", inner, eager)
        return None

    def _texts(self, node: cst.BaseExpression) -> list[StringLiteral] | None:
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


def _unspaced(literals: list[StringLiteral]) -> list[StringLiteral]:
    """
    Without the gaps that are a blank only, so that they are merged.
    """
    return [
        replace(each, gap="" if each.gap == " " else each.gap)
        for each in literals
    ]


def _with_codes(
    literals: list[StringLiteral], values: list[MessageValue]
) -> list[StringLiteral] | None:
    """
    *literals*, which have ``%`` codes, with *values*; None if they do not fit.
    """
    found: list[StringLiteral] = []
    left = list(values)
    for literal in literals:
        (raw,) = literal.parts
        if not isinstance(raw, str) or _hides(literal, raw, "%"):
            return None
        split = codes_in(raw)
        if split is None:
            return None
        parts: list[str | MessageValue] = []
        for text, code in split:
            parts.append(text)
            if code and not left:
                return None
            if code:
                value = left.pop(0)
                parts.append(replace(value, percent=code, spec=code[1:]))
        found.append(replace(literal, parts=tuple(parts)))
    return None if left else found


def _hides(literal: StringLiteral, raw: str, characters: str) -> bool:
    r"""
    Whether an escape stands for one of *characters*, as in ``\x25``.
    """
    decoded = literal.decoded(raw) if "\\" in raw else raw
    return any(decoded.count(each) != raw.count(each) for each in characters)
