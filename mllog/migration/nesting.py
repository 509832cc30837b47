"""
How deeply a program is nested, and room on the stack for it.
"""

from __future__ import annotations

import ast
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, Final, TypeVar

__all__ = ["TooDeepError", "depth_of", "with_room"]

_T = TypeVar("_T")

_MOST: Final = 600
_USUAL: Final = 40
_MOST_BRACKETS: Final = 150  # Python itself allows 200
_FRAMES: Final = 30  # that LibCST takes for a level
_STACK_BYTES: Final = 256 << 20


class TooDeepError(Exception):
    """
    A program that would exhaust the stack, which LibCST does not survive.
    """


def depth_of(text: str) -> int:
    """
    How many nodes of the syntax tree are within each other at most.

    Raises:
        TooDeepError: More than can be parsed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (RecursionError, MemoryError) as exc:
        raise TooDeepError from exc
    except (SyntaxError, ValueError) as exc:
        if _brackets(text) > _MOST_BRACKETS:
            raise TooDeepError from exc
        return 0  # LibCST says what is wrong, or knows a later Python
    deepest, level = 0, [ast.iter_child_nodes(tree)]
    while level:
        node = next(level[-1], None)
        if node is None:
            level.pop()
            continue
        level.append(ast.iter_child_nodes(node))
        deepest = max(deepest, len(level))
    if deepest > _MOST:
        raise TooDeepError
    return deepest


def _brackets(text: str) -> int:
    depth = deepest = 0
    for each in text:
        if each in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif each in ")]}":
            depth = max(0, depth - 1)
    return deepest


def with_room(depth: int, function: Callable[[], _T]) -> _T:
    """
    What *function* returns or raises, called with a stack for *depth* levels.
    """
    if depth <= _USUAL:
        return function()
    found: dict[str, Any] = {}

    def call() -> None:
        try:
            found["result"] = function()
        except BaseException as exc:
            found["error"] = exc

    limit, size = sys.getrecursionlimit(), threading.stack_size(_STACK_BYTES)
    sys.setrecursionlimit(max(limit, depth * _FRAMES))
    try:
        thread = threading.Thread(target=call, name="mllog-migrate-prints")
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
        sys.setrecursionlimit(limit)
    if "error" in found:
        raise found["error"]
    result: _T = found["result"]
    return result
