"""
The message and the arguments that say what a print call wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import libcst as cst

from .evidence import Evidence
from .literals import Literal, Value, joined, quoted
from .pieces import Piece, Pieces
from .source import Source

__all__ = ["Message", "Messages"]


@dataclass(frozen=True)
class Message:
    """
    What a logging call says.

    Args:
        literals: Its text, with the values in their places.

        is_ascii: Whether the file can hold no other characters for sure.
    """

    literals: tuple[Literal, ...]
    is_ascii: bool = False

    @property
    def values(self) -> list[Value]:
        """
        Its arguments.
        """
        return [
            part
            for literal in self.literals
            for part in literal.parts
            if isinstance(part, Value)
        ]

    @property
    def parts(self) -> list[str | Value]:
        """
        Its text as it reads, and the values between.
        """
        return [
            part if isinstance(part, Value) else literal.said(part)
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


class Messages:
    """
    Makes messages of the arguments of print calls.

    Args:
        source: The program.

        evidence: What is known about its expressions.

        is_ascii: Write no other characters than ASCII where text is quoted
            anew.
    """

    def __init__(
        self, source: Source, evidence: Evidence, *, is_ascii: bool
    ) -> None:
        self._source = source
        self._evidence = evidence
        self._pieces = Pieces(source, evidence)
        self._is_ascii = is_ascii

    def of(self, args: Sequence[cst.Arg], sep: str) -> Message:
        """
        What ``print(*args, sep=sep)`` writes.
        """
        if any(arg.star for arg in args):
            return self._starred(args, sep)
        nodes = [arg.value for arg in args]
        pieces = self._timed(nodes, [self._pieces.of(node) for node in nodes])
        return self._message(pieces, sep)

    def unchanged(self, args: Sequence[cst.Arg], sep: str) -> Message:
        """
        The same with every argument as it is: for calls with comments.
        """
        pieces: list[Piece] = [self._pieces.whole(arg.value) for arg in args]
        return self._message(pieces, sep)

    def _message(self, pieces: Sequence[Piece], sep: str) -> Message:
        literals = joined(pieces, sep, is_ascii=self._is_ascii)
        return Message(tuple(literals), self._is_ascii)

    def _starred(self, args: Sequence[cst.Arg], sep: str) -> Message:
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
        value = Value(f"{shown}.join(map(str, {given}))", "%s")
        return self._message([value], sep)

    def _timed(
        self, nodes: Sequence[cst.BaseExpression], pieces: Sequence[Piece]
    ) -> list[Piece]:
        """
        *pieces*, formatted at once where a later argument changes a value.

        ``f"{stack} {stack.pop()}"`` writes the stack before the pop.
        """
        found: list[Piece] = []
        for number, piece in enumerate(pieces):
            if isinstance(piece, Value):
                found.append(piece)
            elif self._is_late(piece, nodes[number + 1 :]):
                found.append(self._pieces.whole(nodes[number]))
            else:
                found.append(self._formatted(piece, nodes[number + 1 :]))
        return found

    def _is_late(
        self, piece: list[Literal], later: Sequence[cst.BaseExpression]
    ) -> bool:
        """
        Whether a text such as ``"...".format(x)`` has to be made at once.
        """
        return any(
            value.node is not None
            and not value.eager
            and value.spec != "?"
            and self._disturbs(later, value.node)
            for value in _values(piece)
        )

    def _formatted(
        self, piece: list[Literal], later: Sequence[cst.BaseExpression]
    ) -> list[Literal]:
        values = _values(piece)
        after = {
            id(value): [each.node for each in values[number:] if each.node]
            for number, value in enumerate(values, 1)
        }

        def timed(value: Value) -> Value:
            if not value.eager or value.node is None:
                return value
            following = [*after[id(value)], *later]
            if self._disturbs(following, value.node):
                return value.formatted_at_once()
            return value

        return [
            Literal(
                each.prefix,
                each.quote,
                tuple(
                    timed(part) if isinstance(part, Value) else part
                    for part in each.parts
                ),
                each.gap,
            )
            for each in piece
        ]

    def _disturbs(
        self,
        later: Sequence[cst.BaseExpression],
        earlier: cst.BaseExpression,
    ) -> bool:
        return any(self._evidence.disturbs(each, earlier) for each in later)


def _values(piece: list[Literal]) -> list[Value]:
    return [
        part
        for literal in piece
        for part in literal.parts
        if isinstance(part, Value)
    ]
