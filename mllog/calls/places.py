"""
Places in the code that a record may say it comes from.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any, NamedTuple

__all__ = ["Place", "place_here", "place_of"]


class Place(NamedTuple):
    """
    Where a record says that it comes from.

    Args:
        path: The file.

        line: The line in it.

        function: Name of the function.
    """

    path: str
    line: int
    function: str


def place_of(function: Any, otherwise: Place) -> Place:
    """
    Where *function* is defined, if it is a function written in Python.
    """
    try:
        code = inspect.unwrap(function).__code__
        return Place(code.co_filename, code.co_firstlineno, code.co_name)
    except Exception:  # a class, a builtin, a partial
        return otherwise


def place_here(depth: int) -> Place:
    """
    The line that runs *depth* frames above.
    """
    frame = sys._getframe(depth)
    code = frame.f_code
    return Place(code.co_filename, frame.f_lineno, code.co_name)
