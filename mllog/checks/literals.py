"""
Read the Python in ``args`` and ``kwargs`` of INI files, and never run it.
"""

from __future__ import annotations

import ast
import socket
import warnings
from typing import Any, Final

from ..errors import ConfigError
from .model import UNKNOWN, Unknown

__all__ = ["CODE", "read"]


#: Python that would have to be run to know its value.
CODE: Final = Unknown()

_STREAMS = ("sys.stdout", "sys.stderr")
# as fileConfig can name them: it evaluates among the names of logging
_CONSTANTS = {
    f"handlers.socket.{kind.name}": kind
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)
}


def read(text: str) -> Any:
    """
    The value of *text*; UNKNOWN in it for streams, CODE for all else.

    Raises:
        ConfigError: It is not Python.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval")
        return _value(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        raise ConfigError(
            f"not valid Python: {getattr(exc, 'msg', type(exc).__name__)}",
            fix='write a tuple ("…",) for args, a dict {"name": …} for kwargs',
        ) from None


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        pass
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_value(element) for element in node.elts)
    if isinstance(node, ast.Dict):
        keys = [_value(key) if key else CODE for key in node.keys]
        if all(isinstance(key, str) for key in keys):
            return dict(zip(keys, map(_value, node.values), strict=True))
    text = ast.unparse(node)
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    return UNKNOWN if text in _STREAMS else CODE
