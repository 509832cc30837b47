"""
Label values: any value of a field as short text that no sink can choke on.
"""

from __future__ import annotations

from typing import Any, Final

from ..values import convert

__all__ = ["LONGEST_LABEL", "OTHER", "label_text"]

#: The label value of all that is beyond *max_series*.
OTHER: Final = "other"

LONGEST_LABEL: Final = 200


def label_text(value: Any) -> str:
    """
    One printable line of at most 200 characters; ``""`` for None.

    Numbers that are equal have equal text: ``3`` and ``3.0`` are one series.
    Control characters, bidi marks and lone surrogates become ``_``.
    """
    if value is None:
        return ""
    plain = value if type(value) is str else convert(value)
    if plain is True or plain is False:
        return "true" if plain else "false"
    if type(plain) is float and plain.is_integer():
        plain = int(plain)
    text = str(plain)[:LONGEST_LABEL]
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else "_" for each in text)
