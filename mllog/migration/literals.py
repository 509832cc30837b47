"""
Literal texts: as they are written, and with ``%`` codes in them.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import libcst as cst

__all__ = ["Literal", "Part", "Value", "joined", "quoted"]


@dataclass(frozen=True)
class Value:
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

    def formatted_at_once(self) -> Value:
        """
        The same text, made while the arguments are evaluated.
        """
        if not self.eager:
            return self
        return replace(self, code=self.eager, percent="%s", eager="")


Part = str | Value


@dataclass(frozen=True)
class Literal:
    """
    One literal, in which values stand.

    Args:
        prefix: ``r``, ``u`` or empty.

        quote: Its quotes.

        parts: Text as it is written between the quotes, and values.

        gap: What stands before it, if it follows another.
    """

    prefix: str
    quote: str
    parts: tuple[Part, ...]
    gap: str = ""

    @property
    def is_plain(self) -> bool:
        """
        Whether text can be written into it with escapes.
        """
        return not self.prefix and len(self.quote) == 1

    def said(self, raw: str) -> str:
        """
        What *raw*, text as it is written in this literal, says.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" works, and is not ours
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
            if isinstance(part, Value)
            else part.replace("%", "%%")
            if with_values
            else part
            for part in parts
        )
        return f"{self.prefix}{self.quote}{body}{self.quote}"

    def _hides_percent(self, raw: str) -> bool:
        return "\\" in raw and self.said(raw).count("%") != raw.count("%")

    def _requoted(self, *, is_ascii: bool) -> str:
        text = "".join(
            part.percent
            if isinstance(part, Value)
            else self.said(part).replace("%", "%%")
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


def joined(
    groups: Sequence[Sequence[Literal] | Value], sep: str, *, is_ascii: bool
) -> list[Literal]:
    """
    The literals that say what ``print(*groups, sep=sep)`` writes.
    """
    texts = [
        each
        for group in groups
        if not isinstance(group, Value)
        for each in group
    ]
    quote = texts[0].quote if texts and texts[0].is_plain else '"'
    found: list[Literal] = []
    for number, group in enumerate(groups):
        if number and sep:
            _append(
                found,
                Literal("", quote, (_body(sep, quote, is_ascii),)),
                is_ascii,
            )
        if isinstance(group, Value):
            _append(found, Literal("", quote, (group,)), is_ascii)
        else:
            for each in group:
                _append(found, each, is_ascii)
    return found or [Literal("", quote, ())]


def _append(found: list[Literal], new: Literal, is_ascii: bool) -> None:
    """
    Put *new* behind the others, into the last of them if that is possible.
    """
    merged = _merged(found[-1], new, is_ascii) if found else None
    if not found:
        found.append(replace(new, gap=""))
    elif merged and not new.gap:  # a gap stays as it is written
        found[-1] = merged
    else:
        found.append(replace(new, gap=new.gap or " "))


def _merged(last: Literal, new: Literal, is_ascii: bool) -> Literal | None:
    """
    One literal for both; None if it would not say the same.
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
            apart = last.said(one) + last.said(other)
            return both if last.said(one + other) == apart else None
    return both


def _in_quotes_of(last: Literal, new: Literal, is_ascii: bool) -> Literal:
    parts = tuple(
        _body(new.said(part), last.quote, is_ascii)
        if isinstance(part, str) and set(part) & {"'", '"'}
        else part
        for part in new.parts
    )
    return replace(last, parts=parts)


def _is_neutral(literal: Literal) -> bool:
    """
    Whether the text of *literal* says the same between any quotes.
    """
    return all(
        isinstance(part, Value)
        or (part.isprintable() and not set(part) & {"\\", '"', "'"})
        for part in literal.parts
    )


def _body(text: str, quote: str, is_ascii: bool) -> str:
    return quoted(text, quote, is_ascii=is_ascii)[1:-1]
