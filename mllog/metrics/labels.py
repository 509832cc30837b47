"""
Label values: any value of a field as short text that no sink can choke on.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

from ..values import convert, name_of

__all__ = ["LONGEST_LABEL", "OTHER", "label_text", "text_of"]

#: The label value of all that is beyond *max_series*.
OTHER: Final = "other"

LONGEST_LABEL: Final = 200


def label_text(value: Any) -> str:
    """
    One printable line of at most 200 characters; ``""`` for None.

    What is longer ends in ``…`` and a checksum: other values stay others.

    Control characters, bidi marks and lone surrogates become ``_``.

    Guarantee:
        Numbers that are equal have equal text: ``3`` and ``3.0`` are one
        series.  What cannot be written is its type: ``<Tensor>``.
    """
    text = text_of(value)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else "_" for each in text)


def text_of(value: Any) -> str:
    """
    The same with every character that *value* has.
    """
    if value is None:
        return ""
    if type(value) is str:
        return value if len(value) <= LONGEST_LABEL else _cut(value)
    try:
        text = str(_plain(value))
        return text if len(text) <= LONGEST_LABEL else _cut(text)
    except Exception:  # a repr that raises, too deep, or too many digits
        return name_of(value)


def _cut(text: str) -> str:
    found = zlib.crc32(text.encode("utf-8", "surrogatepass"))
    return f"{text[: LONGEST_LABEL - 9]}…{found:08x}"


def _plain(value: Any) -> Any:
    plain = convert(value)
    if plain is True or plain is False:
        return "true" if plain else "false"
    if type(plain) is float and plain.is_integer():
        return int(plain)
    return "" if plain is None else plain
