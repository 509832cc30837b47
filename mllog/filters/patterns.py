"""
Secrets that are known by how they look: addresses, keys, numbers of cards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from .. import options
from ..errors import ConfigError, nearest, shown

__all__ = ["BUILTIN", "Pattern", "is_card", "patterns_from"]

_DIGITS = re.compile(r"[^0-9]+")
# which numbers begin those of cards, and how many digits they have
_CARDS: Final = (
    ("34 37", (15,)),
    ("30 36 38 39", (14, 16)),
    ("4", (13, 16, 19)),
    ("51 52 53 54 55 22 23 24 25 26 27", (16,)),
    ("60 62 64 65 35", (16, 17, 18, 19)),
    ("50 56 57 58 63 67", (16, 18, 19)),
)


class Pattern(NamedTuple):
    """
    How a secret is found in text.

    Args:
        name: What switches it on or off.

        expression: What finds it; of a group named ``secret`` only that group
            is replaced.

        marks: One of these is in any text that has it, so that most texts
            need no search; none is every text.

        accepts: Whether what was found is one.

        quick: What finds less exactly and sooner whether there may be one.
    """

    name: str
    expression: re.Pattern[str]
    marks: tuple[str, ...] = ()
    accepts: Callable[[str], bool] | None = None
    quick: re.Pattern[str] | None = None

    @property
    def hint(self) -> re.Pattern[str]:
        """
        What to search for before anything is replaced.
        """
        return self.quick or self.expression

    def replaced(self, text: str, replacement: str) -> str:
        """
        *text* with *replacement* for each secret of this kind.
        """

        def instead(match: re.Match[str]) -> str:
            whole = match[0]
            if self.accepts is not None and not self.accepts(whole):
                return whole
            if "secret" not in self.expression.groupindex:
                return replacement
            start, end = match.span("secret")
            if start < 0:
                return whole
            start, end = start - match.start(), end - match.start()
            return f"{whole[:start]}{replacement}{whole[end:]}"

        return self.expression.sub(instead, text)


def is_card(text: str) -> bool:
    """
    Whether *text* is the number of a card: its issuer, length and check digit.
    """
    digits = _DIGITS.sub("", text)
    known = any(
        digits.startswith(tuple(prefixes.split())) and len(digits) in lengths
        for prefixes, lengths in _CARDS
    )
    return known and _luhn(digits) and len(set(digits)) > 1


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


#: The patterns that are there, by their names.  Each is linear in the text.
BUILTIN: Final[Mapping[str, Pattern]] = {
    each.name: each
    for each in (
        Pattern(
            "private_key",
            re.compile(
                r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----"
                r"(?P<secret>[^-]*(?:-----END [A-Z0-9 ]{0,40}KEY-----)?)"
            ),
            ("PRIVATE KEY-----",),
        ),
        Pattern(
            "url_userinfo",
            re.compile(r"(?<=://)(?P<secret>[^\s/?#\"'<>]{1,1024})@"),
            ("://",),
        ),
        Pattern(
            "bearer",
            re.compile(
                r"\b(?:bearer|basic)\s+"
                r"(?P<secret>(?=[^\s\"',;]{0,512}[0-9._~+/=-])"
                r"[\w.~+/=-]{6,})",
                re.IGNORECASE,
            ),
            ("earer ", "EARER ", "asic ", "ASIC "),
        ),
        Pattern(
            "jwt",
            re.compile(r"\beyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)*"),
            ("eyJ",),
        ),
        Pattern(
            "aws_key",
            re.compile(
                r"\b(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{16}\b"
            ),
            ("AKIA", "ASIA", "ABIA", "ACCA", "AROA", "AIDA", "AGPA", "ANPA"),
        ),
        Pattern(
            "email",
            re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"),
            ("@",),
        ),
        Pattern(
            "credit_card",
            re.compile(r"(?<![\d.])[2-6](?:[ -]?\d){12,18}(?!\d)"),
            (),
            is_card,
            re.compile(r"[0-9](?:[ -]?[0-9]){12}"),
        ),
    )
}


def patterns_from(builtin: Any, own: Any) -> tuple[Pattern, ...]:
    """
    The patterns that a configuration asks for.

    Args:
        builtin: Names of :data:`BUILTIN`; None is all of them.

        own: Regular expressions: a list, or a mapping by name.

    Raises:
        ConfigError: A name or an expression is none.
    """
    names = tuple(BUILTIN)
    if builtin is not None:
        names = options.names("builtin_patterns", builtin)
    for name in names:
        if name not in BUILTIN:
            near = nearest(name, BUILTIN)
            raise ConfigError(
                shown("builtin_patterns", name),
                expected="some of " + ", ".join(BUILTIN),
                fix=f"write {near}" if near else "",
            )
    chosen = [each for name, each in BUILTIN.items() if name in names]
    return (*chosen, *_own_patterns(own))


def _own_patterns(own: Any) -> Iterable[Pattern]:
    if own is None or own == "":
        return
    given = (
        options.mapping("patterns", own)
        if isinstance(own, Mapping)
        else {
            str(number): each
            for number, each in enumerate(
                [own] if isinstance(own, str) else list(own)
            )
        }
    )
    yield from (_pattern(name, each) for name, each in given.items())


def _pattern(name: str, expression: Any) -> Pattern:
    try:
        return Pattern(name, re.compile(expression))
    except (re.error, TypeError) as exc:
        raise ConfigError(
            f"{shown('patterns', expression)}: {exc}",
            expected="a regular expression",
        ) from None
