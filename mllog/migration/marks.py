"""
``# mllog: keep``: what the author says is the program's answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import libcst as cst
else:
    from .syntax import cst

from .source import Source

__all__ = ["Marks"]

_MARK: Final = re.compile(r"#.*\bmllog:\s*keep\b(?P<file>\s+file\b)?")


class Marks:
    """
    The marks of a program, and what they hold for.

    Behind a statement a mark holds for that statement, behind ``def``,
    ``if`` or ``else`` for the block; alone above a statement for all of it.
    ``# mllog: keep file`` holds for the file.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.is_for_file = False
        self._behind: set[int] = set()
        self._alone: set[int] = set()
        lines = re.split(r"\r\n|\r|\n", source.text)
        for node in source.nodes:
            found = isinstance(node, cst.Comment) and _MARK.search(node.value)
            if not found:
                continue
            line = source.line(node)
            self.is_for_file |= bool(found["file"])
            is_alone = lines[line - 1].lstrip().startswith("#")
            (self._alone if is_alone else self._behind).add(line)

    def keep(self, node: cst.CSTNode) -> bool:
        """
        Whether a mark holds for *node*.
        """
        if self.is_for_file or not (self._behind or self._alone):
            return self.is_for_file
        inner = node
        for each in self._source.above(node):
            if isinstance(each, cst.SimpleStatementLine):
                if self._is_on(each):
                    return True
            elif isinstance(getattr(each, "body", None), cst.BaseSuite):
                is_block = inner is getattr(each, "body", None)
                if self._is_above(each) or (is_block and self._heads(each)):
                    return True
            inner = each
        return False

    def _is_on(self, node: cst.CSTNode) -> bool:
        """
        Whether a mark stands in or right above a statement without a block.
        """
        first, last = self._source.line(node), self._source.last_line(node)
        held = set(range(first, last + 1))
        return not held.isdisjoint(self._behind | self._alone) or (
            first - 1 in self._alone
        )

    def _heads(self, node: cst.CSTNode) -> bool:
        """
        Whether a mark stands on the lines that head a block.
        """
        first, last = _first(self._source, node), self._source.last_line(node)
        body = getattr(node, "body", None)
        if isinstance(body, cst.IndentedBlock) and body.body:
            last = max(first, self._source.line(body.body[0]) - 1)
        return not self._behind.isdisjoint(range(first, last + 1))

    def _is_above(self, node: cst.CSTNode) -> bool:
        """
        Whether a mark stands alone above a whole statement.
        """
        return _first(self._source, node) - 1 in self._alone


def _first(source: Source, node: cst.CSTNode) -> int:
    decorators = getattr(node, "decorators", ())
    return min(map(source.line, (node, *decorators)))
