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

    Behind a statement, or alone above it, a mark holds for that statement:
    all of it, if it is a ``def``, a ``class`` or another block.
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
        return any(
            self._is_marked(each)
            for each in (node, *self._source.above(node))
            if isinstance(each, (cst.BaseStatement, cst.BaseSuite))
            or hasattr(each, "body")
        )

    def _is_marked(self, node: cst.CSTNode) -> bool:
        if isinstance(node, (cst.Module, cst.BaseSuite)):
            return False
        first, last = self._source.line(node), self._source.last_line(node)
        above = first - 1
        for decorator in getattr(node, "decorators", ()):
            above = min(above, self._source.line(decorator) - 1)
        body = getattr(node, "body", None)
        if isinstance(body, cst.IndentedBlock) and body.body:
            last = max(first, self._source.line(body.body[0]) - 1)
        held = set(range(first, last + 1))
        return bool(held & self._behind) or (
            above in self._alone
            or (
                not isinstance(body, cst.IndentedBlock)
                and bool(held & self._alone)
            )
        )
