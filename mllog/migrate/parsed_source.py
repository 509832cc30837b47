"""
A program parsed by LibCST: its nodes, their positions, and what names mean.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..errors import require

if TYPE_CHECKING:
    import libcst as cst
    from libcst import metadata

__all__ = [
    "Edit",
    "ParsedSource",
    "UnalignedError",
    "apply_edits",
    "cst",
    "walk",
]

_BREAK: Final = re.compile(rb"\r\n|\r|\n")
_BLANKS = frozenset(b" \t\f\\\r\n")


class _Package:
    """
    A package that is imported at the first use of one of its names.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(require(self._name, "migrate"), name)
        setattr(self, name, value)
        return value


if not TYPE_CHECKING:
    cst = _Package("libcst")
    metadata = _Package("libcst.metadata")


@dataclass(frozen=True)
class Edit:
    """
    Text that replaces the bytes from *start* to *end*.
    """

    start: int
    end: int
    text: str
    is_call: bool = False


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """
    *node* and all below it.
    """
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += _children(node)


def _children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """
    The children of *node*; ``node.children`` takes ten times as long.
    """
    base = cst.CSTNode
    kind: Any = type(node)
    for name in _names(kind):
        value = getattr(node, name)
        if isinstance(value, base):
            yield value
        elif type(value) in (list, tuple):
            for each in value:
                if isinstance(each, base):
                    yield each


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in dataclasses.fields(kind))


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """
    *text* after *edits*, which do not overlap.
    """
    data = text.encode()
    pieces, at = [], 0
    for edit in sorted(edits, key=lambda each: (each.start, each.end)):
        pieces += [data[at : edit.start], edit.text.encode()]
        at = edit.end
    return b"".join([*pieces, data[at:]]).decode()


class ParsedSource:
    """
    A module, parsed.

    Args:
        text: The whole of it, line ends as they are.

    Raises:
        libcst.ParserSyntaxError: It is no Python of this time.

        UnalignedError: LibCST does not reproduce the text.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        wrapper = metadata.MetadataWrapper(
            cst.parse_module(text), unsafe_skip_copy=True
        )
        self.module = wrapper.module
        found = wrapper.resolve_many(
            (metadata.ByteSpanPositionProvider, metadata.ScopeProvider)
        )
        self._spans: Mapping[cst.CSTNode, Any] = found[
            metadata.ByteSpanPositionProvider
        ]
        self._scopes: Mapping[cst.CSTNode, Any] = found[metadata.ScopeProvider]
        self._parents: dict[cst.CSTNode, cst.CSTNode] = {}
        self._data = text.encode()
        self._alignment = Alignment(self.module.code.encode(), self._data)
        self._ends = [each.end() for each in _BREAK.finditer(self._data)]
        self.nodes = sorted(self._linked(), key=self._place)

    def _linked(self) -> Iterator[cst.CSTNode]:
        """
        Each node of the text, once its parent is known.
        """
        waiting: list[cst.CSTNode] = [self.module]
        while waiting:
            node = waiting.pop()
            if node in self._spans:
                yield node
            for each in _children(node):
                self._parents[each] = node
                waiting.append(each)

    def _place(self, node: cst.CSTNode) -> tuple[int, int]:
        span = self._spans[node]
        return span.start, -span.length

    @property
    def newline(self) -> str:
        """
        How its lines end.
        """
        newline: str = self.module.default_newline
        return newline

    def code(self, node: cst.CSTNode) -> str:
        """
        *node* as it is written, with the brackets around it.
        """
        if node not in self._spans:
            code: str = self.module.code_for_node(node)
            return code
        start, end = self.start(node), self.end(node)
        if isinstance(node, cst.BaseExpression) and node.lpar:
            start, end = self.start(node.lpar[0]), self.end(node.rpar[-1])
        return self.between(start, end)

    def between(self, start: int, end: int) -> str:
        """
        The text from one byte to another.
        """
        return self._data[start:end].decode()

    def start(self, node: cst.CSTNode) -> int:
        """
        Where *node* starts, in bytes; brackets around it are before that.
        """
        return self._alignment.start(self._spans[node].start)

    def end(self, node: cst.CSTNode) -> int:
        """
        Where *node* ends, in bytes.
        """
        span = self._spans[node]
        if not span.length:
            return self._alignment.start(span.start)
        return self._alignment.end(span.start + span.length)

    def line(self, node: cst.CSTNode) -> int:
        """
        The line on which *node* starts, from 1.
        """
        return bisect_right(self._ends, self.start(node)) + 1

    def last_line(self, node: cst.CSTNode) -> int:
        """
        The line on which *node* ends.
        """
        return bisect_left(self._ends, self.end(node)) + 1

    def indentation(self, node: cst.CSTNode) -> str:
        """
        The text before *node* on its line.
        """
        line = self.line(node)
        start = self._ends[line - 2] if line > 1 else 0
        return self.between(start, self.start(node))

    def line_end(self, node: cst.CSTNode) -> int:
        """
        Where the last line of *node* ends, after a comment on it.
        """
        found = _BREAK.search(self._data, self.end(node))
        return found.start() if found else len(self._data)

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """
        The parent of *node*.
        """
        return self._parents.get(node)

    def above(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """
        The ancestors of *node*, from its parent to the module.
        """
        found = self._parents.get(node)
        while found is not None:
            yield found
            found = self._parents.get(found)

    def scope(self, node: cst.CSTNode) -> Any:
        """
        The scope in which the names of *node* are looked up.
        """
        while node not in self._scopes or self._scopes[node] is None:
            node = self._parents[node]
        return self._scopes[node]

    def meanings(self, node: cst.CSTNode) -> frozenset[str]:
        """
        The full names that a name may stand for: ``{"sys.stderr"}``.
        """
        if not isinstance(node, (cst.Name, cst.Attribute)):
            return frozenset()
        found = self.scope(node).get_qualified_names_for(node)
        return frozenset(each.name for each in found)

    def means(self, node: cst.CSTNode, name: str) -> bool:
        """
        Whether *node* can only be *name*.
        """
        return self.meanings(node) == {name}

    @functools.cached_property
    def globals(self) -> Any:
        """
        The scope of the module.
        """
        return self.scope(self.module).globals

    @functools.cached_property
    def scopes(self) -> frozenset[Any]:
        """
        Each scope of the module.
        """
        return frozenset(filter(None, self._scopes.values()))

    def statement(self, node: cst.CSTNode) -> cst.CSTNode:
        """
        The top-level statement that contains *node*.
        """
        found = node
        for each in self.above(node):
            if isinstance(each, cst.Module):
                break
            found = each
        return found


class UnalignedError(Exception):
    """
    LibCST does not reproduce the text that it parsed.
    """


class Alignment:
    """
    From offsets in *written* to offsets in *text*.

    LibCST drops blanks in some places, as in ``except OSError :``; its
    positions are those of the text without them.

    Raises:
        UnalignedError: More than blanks is different.
    """

    def __init__(self, written: bytes, text: bytes) -> None:
        self._from: list[int] = [0]
        self._shift: list[int] = [0]
        if written != text:
            self._align(written, text)

    def start(self, offset: int) -> int:
        """
        Where what starts at *offset* starts in the text.
        """
        return offset + self._shift[bisect_right(self._from, offset) - 1]

    def end(self, offset: int) -> int:
        """
        Where what ends at *offset* ends in the text.
        """
        return self.start(offset - 1) + 1 if offset else 0

    def _align(self, written: bytes, text: bytes) -> None:
        ours = theirs = 0
        while theirs < len(written):
            if ours < len(text) and written[theirs] == text[ours]:
                if ours - theirs != self._shift[-1]:
                    self._from.append(theirs)
                    self._shift.append(ours - theirs)
                ours, theirs = ours + 1, theirs + 1
            elif ours < len(text) and text[ours] in _BLANKS:
                ours += 1
            elif written[theirs] in _BLANKS:
                theirs += 1
            else:
                raise UnalignedError
        if text[ours:].strip():
            raise UnalignedError
