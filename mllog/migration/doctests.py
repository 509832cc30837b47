"""
Doctests: what their functions print is compared, and so stays.
"""

from __future__ import annotations

import ast
import doctest
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import libcst as cst
else:
    from .syntax import cst

from .source import Source, walk

__all__ = ["Doctests"]


class Doctests:
    """
    The doctests of a program.

    Args:
        source: The program.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._printed: list[int] = []
        self._called: set[str] = set()
        if ">>>" in source.text:
            for node in source.nodes:
                if isinstance(node, cst.Expr):
                    self._read(node)
            self._follow()

    @property
    def lines(self) -> list[int]:
        """
        The lines of docstrings that print.
        """
        return self._printed

    def expect(self, node: cst.CSTNode) -> bool:
        """
        Whether *node* runs in a function that a doctest calls.
        """
        return bool(self._called) and any(
            isinstance(each, (cst.FunctionDef, cst.ClassDef))
            and each.name.value in self._called
            for each in self._source.above(node)
        )

    def _read(self, node: cst.Expr) -> None:
        if not isinstance(
            node.value, (cst.SimpleString, cst.ConcatenatedString)
        ):
            return
        text = _text(self._source.code(node.value))
        try:
            examples = doctest.DocTestParser().get_examples(text)
        except ValueError:
            return
        for example in examples:
            if "print(" in example.source:
                self._printed.append(self._source.line(node) + example.lineno)
            if example.want:
                self._called |= _calls(example.source)

    def _follow(self) -> None:
        """
        Add what the functions that are called call in turn.
        """
        bodies: dict[str, set[str]] = {}
        for node in self._source.nodes:
            if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
                called = {
                    _name(each.func)
                    for each in walk(node)
                    if isinstance(each, cst.Call)
                }
                bodies.setdefault(node.name.value, set()).update(called)
        waiting = list(self._called)
        while waiting:
            new = bodies.get(waiting.pop(), set()) - self._called
            self._called |= new
            waiting += new


def _text(code: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = ast.literal_eval(code)
    except (SyntaxError, ValueError):
        return ""
    return value if isinstance(value, str) else ""


def _calls(code: str) -> set[str]:
    return set(_called_in(code))


def _called_in(code: str) -> Iterator[str]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


def _name(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        node = node.attr
    return node.value if isinstance(node, cst.Name) else ""
