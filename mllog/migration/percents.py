"""
The ``%`` codes of a text that is written for them.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["codes_in"]

_CODE: Final = re.compile(
    r"%(?:%|[-+ 0]*[0-9]*(?:\.[0-9]+)?[diufFeEgGxXosra])"
)


def codes_in(raw: str) -> list[tuple[str, str]] | None:
    """
    *raw* as texts, each with the code that follows it; the last has none.

    A ``%%`` becomes a part of the text.  None if there is a code that has not
    one argument of its own, as ``%(name)s`` and ``%*d``.
    """
    found, text, at = [], "", 0
    while (place := raw.find("%", at)) >= 0:
        text += raw[at:place]
        code = _CODE.match(raw, place)
        if code is None:
            return None
        if code[0] == "%%":
            text += "%"
        else:
            found.append((text, code[0]))
            text = ""
        at = code.end()
    return [*found, (text + raw[at:], "")]
