"""
String literals with values in them, and format specifications as ``%`` codes.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    import libcst as cst

__all__ = [
    "MessageValue",
    "StringLiteral",
    "codes_in",
    "is_number",
    "join_literals",
    "percent_of",
    "quoted",
]

CodeKind = Literal["", "text", "whole", "number"]
_SPEC: Final = re.compile(
    r"(?:(?P<fill>.)?(?P<align>[<>=^]))?(?P<sign>[-+ ])?(?P<alternate>[z#]*)"
    r"(?P<zero>0)?(?P<width>[0-9]+)?(?P<group>[,_])?"
    r"(?:\.(?P<precision>[0-9]+))?(?P<type>[a-zA-Z%])?",
    re.DOTALL,
)
_WHOLE: Final = frozenset("dxXo")
_NUMBER: Final = frozenset("eEfFgG")
_CODE: Final = re.compile(
    r"%(?:%|[-+ 0]*[0-9]*(?:\.[0-9]+)?[diufFeEgGxXosra])"
)


@dataclass(frozen=True)
class MessageValue:
    """
    An argument of the message.

    Args:
        code: The argument as it is written.

        percent: Its code in the message, such as ``%s``.

        node: The expression; what is measured with ``--metrics``.

        eager: An argument that is formatted when the call is evaluated; empty
            if there is no need of one.

        conversion: ``r``, ``s``, ``a`` or empty.

        spec: The format specification as it was written.
    """

    code: str
    percent: str
    node: cst.BaseExpression | None = None
    eager: str = ""
    conversion: str = ""
    spec: str = ""

    def formatted_at_once(self) -> MessageValue:
        """
        The same text, made while the arguments are evaluated.
        """
        if not self.eager:
            return self
        return replace(self, code=self.eager, percent="%s", eager="")


LiteralPart = str | MessageValue


@dataclass(frozen=True)
class StringLiteral:
    """
    One literal with values in it.

    Args:
        prefix: ``r``, ``u`` or empty.

        quote: Its quotes.

        parts: Text as it is written between the quotes, and values.

        gap: The text before it, if it follows another.
    """

    prefix: str
    quote: str
    parts: tuple[LiteralPart, ...]
    gap: str = ""

    @property
    def is_plain(self) -> bool:
        """
        Whether text can be written into it with escapes.
        """
        return not self.prefix and len(self.quote) == 1

    def decoded(self, raw: str) -> str:
        """
        The text that *raw* is the source of, in this literal.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" works
            text: str = ast.literal_eval(
                f"{self.prefix}{self.quote}{raw}{self.quote}"
            )
        return text

    def code(self, *, with_values: bool, is_ascii: bool) -> str:
        """
        The literal, in which ``%`` is doubled if the message has values.
        """
        parts = self.parts
        if with_values and any(
            isinstance(part, str) and self._hides_percent(part)
            for part in parts
        ):
            return self._requoted(is_ascii=is_ascii)
        body = "".join(
            part.percent
            if isinstance(part, MessageValue)
            else part.replace("%", "%%")
            if with_values
            else part
            for part in parts
        )
        return f"{self.prefix}{self.quote}{body}{self.quote}"

    def _hides_percent(self, raw: str) -> bool:
        return "\\" in raw and self.decoded(raw).count("%") != raw.count("%")

    def _requoted(self, *, is_ascii: bool) -> str:
        text = "".join(
            part.percent
            if isinstance(part, MessageValue)
            else self.decoded(part).replace("%", "%%")
            for part in self.parts
        )
        return quoted(text, is_ascii=is_ascii)


def quoted(text: str, quote: str = '"', *, is_ascii: bool = False) -> str:
    """
    *text* as a literal in the quotes that are given.
    """
    code = ascii(text) if is_ascii else repr(text)
    body, used = code[1:-1], code[0]
    if used == quote:
        return code
    if used == '"':  # repr's choice if there is a ' and no "
        body = body.replace("'", "\\'")
        return f"'{body}'"
    body = body.replace("\\'", "'").replace('"', '\\"')
    return f'"{body}"'


def join_literals(
    groups: Sequence[Sequence[StringLiteral] | MessageValue],
    sep: str,
    *,
    is_ascii: bool,
) -> list[StringLiteral]:
    """
    The literals of the text that ``print(*groups, sep=sep)`` writes.
    """
    texts = [
        each
        for group in groups
        if not isinstance(group, MessageValue)
        for each in group
    ]
    quote = texts[0].quote if texts and texts[0].is_plain else '"'
    found: list[StringLiteral] = []
    for number, group in enumerate(groups):
        if number and sep:
            _append(
                found,
                StringLiteral("", quote, (_body(sep, quote, is_ascii),)),
                is_ascii,
            )
        if isinstance(group, MessageValue):
            _append(found, StringLiteral("", quote, (group,)), is_ascii)
        else:
            for each in group:
                _append(found, each, is_ascii)
    return found or [StringLiteral("", quote, ())]


def _append(
    found: list[StringLiteral], new: StringLiteral, is_ascii: bool
) -> None:
    """
    Append *new*, into the last literal if that is possible.
    """
    merged = _merged(found[-1], new, is_ascii) if found else None
    if not found:
        found.append(replace(new, gap=""))
    elif merged and not new.gap:  # a gap stays as it is written
        found[-1] = merged
    else:
        found.append(replace(new, gap=new.gap or " "))


def _merged(
    last: StringLiteral, new: StringLiteral, is_ascii: bool
) -> StringLiteral | None:
    """
    One literal for both; None if its text would differ.
    """
    if (last.prefix, last.quote) != (new.prefix, new.quote):
        if last.is_plain and new.is_plain:
            new = _in_quotes_of(last, new, is_ascii)
        elif _is_neutral(last):
            last = replace(last, prefix=new.prefix, quote=new.quote)
        elif not _is_neutral(new):
            return None
    both = replace(last, parts=last.parts + new.parts)
    before, after = last.parts[-1:], new.parts[:1]
    if before and after:
        one, other = before[0], after[0]
        if isinstance(one, str) and isinstance(other, str):
            # "\\0" and "7" are not "\\07"
            apart = last.decoded(one) + last.decoded(other)
            return both if last.decoded(one + other) == apart else None
    return both


def _in_quotes_of(
    last: StringLiteral, new: StringLiteral, is_ascii: bool
) -> StringLiteral:
    parts = tuple(
        _body(new.decoded(part), last.quote, is_ascii)
        if isinstance(part, str) and set(part) & {"'", '"'}
        else part
        for part in new.parts
    )
    return replace(last, parts=parts)


def _is_neutral(literal: StringLiteral) -> bool:
    """
    Whether the text of *literal* is the same between any quotes.
    """
    return all(
        isinstance(part, MessageValue)
        or (part.isprintable() and not set(part) & {"\\", '"', "'"})
        for part in literal.parts
    )


def _body(text: str, quote: str, is_ascii: bool) -> str:
    return quoted(text, quote, is_ascii=is_ascii)[1:-1]


class PercentCode(NamedTuple):
    """
    A code such as ``%.4f``, and the kind of value for which it is exact.
    """

    code: str
    kind: CodeKind


def percent_of(spec: str, conversion: str = "") -> PercentCode | None:
    """
    The code that writes what *spec* writes; None if there is none.

    It is equal for each value of the type that *spec* is made for: ``.4f``
    for int and float, ``>8s`` for str.  Without a type, ``>8`` is not: a bool
    would be ``1`` in one language and ``True`` in the other.
    """
    if not spec:
        return PercentCode(
            f"%{conversion or 's'}", "text" if conversion else ""
        )
    found = _SPEC.fullmatch(spec)
    if not found or found["alternate"] or found["group"]:
        return None
    if found["fill"] not in (None, " ") or found["align"] in ("=", "^"):
        return None
    kind = found["type"]
    if conversion or kind == "s":
        return _text_code(found, conversion or "s")
    if kind in _WHOLE and found["precision"] is None:
        return _number_code(found, "whole")
    return _number_code(found, "number") if kind in _NUMBER else None


def _text_code(found: re.Match[str], letter: str) -> PercentCode | None:
    if found["sign"] or found["zero"] or found["type"] not in (None, "s"):
        return None
    left = "-" if found["align"] != ">" and found["width"] else ""
    return PercentCode(f"%{left}{_size(found)}{letter}", "text")


def _number_code(found: re.Match[str], kind: CodeKind) -> PercentCode | None:
    zero, align = found["zero"] or "", found["align"]
    if zero and align:
        return None
    left = "-" if align == "<" and found["width"] else ""
    sign = (found["sign"] or "").replace("-", "")
    size = _size(found)
    return PercentCode(f"%{left}{sign}{zero}{size}{found['type']}", kind)


def _size(found: re.Match[str]) -> str:
    precision = found["precision"]
    return (found["width"] or "") + (
        "" if precision is None else f".{precision}"
    )


def is_number(spec: str) -> bool:
    """
    Whether *spec* is made for numbers.
    """
    found = _SPEC.fullmatch(spec)
    return bool(found and found["type"] in {*"deEfFgGinu%"})


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
