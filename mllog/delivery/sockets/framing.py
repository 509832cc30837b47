"""
How a stream says where one message ends and the next begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import options

__all__ = ["FRAMINGS", "Framing", "framing_of"]

Framing = Callable[[bytes], bytes]


def _octet_counted(message: bytes) -> bytes:
    """
    The length before the message (RFC 6587): the message may hold anything.
    """
    return b"%d %b" % (len(message), message)


def _newline(message: bytes) -> bytes:
    """
    LF behind the message, which has none itself: the formatter sees to that.
    """
    return message + b"\n"


def _nul(message: bytes) -> bytes:
    """
    NUL behind the message, as the stdlib's SysLogHandler writes it.
    """
    return message + b"\0"


FRAMINGS: dict[str, Framing] = {
    "octet-counting": _octet_counted,
    "newline": _newline,
    "nul": _nul,
}


def framing_of(name: Any) -> Framing:
    """
    The framing of that *name*.

    Raises:
        ConfigError: There is none of that name.
    """
    return FRAMINGS[options.choice("framing", name, tuple(FRAMINGS))]
