"""
Which names say that their value is a secret.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final
from urllib.parse import unquote

from ..fields import VOCABULARY
from ..values import key_of

__all__ = ["PARTS", "WORDS", "Keys", "Verdict"]

#: A name is secret that has one of these in it, however it is written:
#: ``api_key`` finds ``X-API-Key``, ``apiKey`` and ``api.key`` too.
PARTS: Final = (
    "access_key",
    "account_key",
    "api_key",
    "authorization",
    "bearer",
    "connection_string",
    "cookie",
    "credential",
    "csrf",
    "encryption_key",
    "jwt",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "secret",
    "session",
    "shared_key",
    "signing_key",
    "ssh_key",
    "token",
    "xsrf",
)
#: Too short for that: these are secret where they are a word of the name.
WORDS: Final = frozenset(
    ("auth", "cvc", "cvv", "dsn", "otp", "pin", "pwd", "sid", "ssn")
)

_LONGEST: Final = 256
_MOST_KNOWN: Final = 2000
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BREAKS = re.compile(r"[\W_]+")
# models count tokens, and cut text into them
_COUNTED = re.compile(
    r"tokens|token_(?:budget|count|ids?|index|len|length|limit|num|number"
    r"|position|rate|type|usage)"
    r"|(?:avg|completion|eos|bos|first|input|max|mean|min|n|next|num|output|pad"
    r"|per|prompt|total|unk)_(?:\w+_)?token"
)
_TOKENIZER = re.compile("tokeni[sz]")


class Verdict(Enum):
    """
    What a name says of its value.
    """

    PLAIN = 0
    SECRET = 1
    #: A secret unless it is a number: ``max_tokens`` counts.
    UNLESS_NUMBER = 2


class Keys:
    """
    Judges names, each spelling once.

    Args:
        more: Further parts of names; they are found as :data:`PARTS` are.

        builtin: Whether :data:`PARTS` and :data:`WORDS` count.

        allowed: Names that are not secret, as they are written.
    """

    def __init__(
        self,
        more: Sequence[str] = (),
        *,
        builtin: bool = True,
        allowed: Sequence[str] = (),
    ) -> None:
        parts = (*(PARTS if builtin else ()), *more)
        self._parts = tuple(_joined(part) for part in parts)
        self._words = WORDS if builtin else frozenset()
        self._fixed = dict.fromkeys((*VOCABULARY, *allowed), Verdict.PLAIN)
        self._known: dict[str, Verdict] = {}
        self.allowed = frozenset(allowed)

    def of(self, key: Any) -> Verdict:
        """
        What *key*, the name of a field or the key of a mapping, says.
        """
        if type(key) is not str:
            key = _text_of(key)
        found = self._known.get(key)
        if found is None:
            found = self._fixed.get(key) or self._judged(key)
            if len(self._known) >= _MOST_KNOWN:  # names made of data
                self._known.clear()
            if len(key) <= _LONGEST:
                self._known[key] = found
        return found

    def _judged(self, key: str) -> Verdict:
        words = _words(key[-_LONGEST:])
        joined = words.replace("_", "")
        without = _TOKENIZER.sub("", joined)
        found = [part for part in self._parts if part in without]
        if not found and self._words.isdisjoint(words.split("_")):
            return Verdict.PLAIN
        if found == ["token"] and _COUNTED.search(words):
            return Verdict.UNLESS_NUMBER
        return Verdict.SECRET


def _text_of(key: Any) -> str:
    if isinstance(key, (bytes, bytearray)):  # the headers of ASGI
        return bytes(key).decode("utf-8", "replace")
    return key_of(key)


def _words(name: str) -> str:
    """
    *name* in small letters, its words apart by ``_``.
    """
    if "%" in name:
        name = unquote(name)
    if not name.isascii():  # full-width letters, accents apart
        name = unicodedata.normalize("NFKC", name)
    return _BREAKS.sub("_", _CAMEL.sub("_", name).casefold())


def _joined(part: str) -> str:
    return _words(part).replace("_", "")
