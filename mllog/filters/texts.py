"""
Text without its secrets: by patterns, and by names that stand before a value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from .keys import Keys, Verdict
from .patterns import Pattern

__all__ = ["Texts"]

#: Longer texts are cut here: what is not looked at is not passed on.
LONGEST: Final = 64 * 1024

_MOST_CLEAN: Final = 1024
_SHORT: Final = 128
_NAMES_A_VALUE: Final = ("=", ":", "->", "--")
# A name, and what stands between it and its value.  A word is tried once,
# from its first letter, so that the search is linear.
_NAMED = re.compile(
    r"(?<![\w.%-])(?:(?P<name>[\w.%-]+)"
    r"(?P<between>\\*[\"']?\s{0,4}(?:=>|->|:=|=|:)\s{0,4})"
    r"|(?P<flag>--[\w-]+)[ ]+(?=[^\s-]))"
)
_QUOTE = re.compile(r"[bBrRuU]{0,2}(?P<quote>\\*[\"'])")
_SCHEME = re.compile(
    r"(?:bearer|basic|digest|negotiate|token)\s+", re.IGNORECASE
)
_ENDS: Final = r"\s,;&)\]}\"'<>|"
_BARE = re.compile(
    rf"(?:[^{_ENDS}]|[,;&)\]}}\"'<>|](?![{_ENDS}]|$|[\w.%-]{{1,64}}[=:]))+"
)
_LINE = re.compile(r"[^\r\n]*")
_LINE_IN = {
    '"': re.compile(r"[^\r\n\"]*"),
    "'": re.compile(r"[^\r\n']*"),
}
_HEADERS = ("authorization", "cookie")
_SAYS_NOTHING = frozenset(("true", "false", "none", "null"))
_NUMBER = re.compile(r"[-+]?[\d.,]+(?:e[-+]?\d+)?%?", re.IGNORECASE)
_BRACKETS: Final = {"{": "}", "[": "]", "(": ")"}
# words that end a name of two words: "api key: …"
_SECOND: Final = frozenset(("key", "code", "phrase", "string", "word"))


class Texts:
    """
    Takes secrets out of text.

    Args:
        keys: Judges the names that stand before ``=`` and ``:``.

        patterns: What is looked for everywhere.

        replacement: What stands there instead.
    """

    def __init__(
        self, keys: Keys, patterns: Sequence[Pattern], replacement: str
    ) -> None:
        self._keys = keys
        self._patterns = tuple(patterns)
        self._replacement = replacement
        # what any secret has in it; few texts have any of it
        self._marks = tuple(m for each in patterns for m in each.marks)
        self._unmarked = tuple(
            (each, each.hint.search) for each in patterns if not each.marks
        )
        # texts that were found clean: most are said again and again
        self._clean: set[str] = set()

    def without_secrets(self, text: str) -> str:
        """
        *text* itself if it has no secret, else a new one.
        """
        if text in self._clean:
            return text
        if len(text) > LONGEST:
            end = max(text.rfind(" ", 0, LONGEST), LONGEST // 2)
            return self._redacted(text[:end]) + self._replacement
        found = self._redacted(text)
        if found != text:
            return found
        if len(text) <= _SHORT:
            if len(self._clean) >= _MOST_CLEAN:
                self._clean.clear()
            self._clean.add(text)
        return text

    def _redacted(self, text: str) -> str:
        for mark in _NAMES_A_VALUE:
            if mark in text:
                text = self._without_named(text)
                break
        for mark in self._marks:
            if mark in text:
                for pattern in self._patterns:
                    text = pattern.replaced(text, self._replacement)
                return text
        for pattern, may_be_in in self._unmarked:
            if may_be_in(text):
                text = pattern.replaced(text, self._replacement)
        return text

    def _without_named(self, text: str) -> str:
        """
        *text* without the values of secret names.
        """
        kept, done = [], 0
        for match in _NAMED.finditer(text):
            if match.start() < done:
                continue
            verdict = self._of(match, text)
            if verdict is Verdict.PLAIN:
                continue
            start, end = _value_at(text, match)
            value = text[start:end]
            if value.lower() in _SAYS_NOTHING or not value:
                continue
            if verdict is Verdict.UNLESS_NUMBER and _NUMBER.fullmatch(value):
                continue
            kept += [text[done:start], self._replacement]
            done = end
        return "".join([*kept, text[done:]]) if kept else text

    def _of(self, match: re.Match[str], text: str) -> Verdict:
        name = match["name"]
        if name is None:  # --password hunter2
            return self._keys.of(match["flag"])
        verdict = self._keys.of(name)
        if verdict is Verdict.PLAIN and name.lower() in _SECOND:
            before = text[max(0, match.start() - 32) : match.start()].split()
            if before:
                return self._keys.of(f"{before[-1]}_{name}")
        return verdict


def _value_at(text: str, match: re.Match[str]) -> tuple[int, int]:
    """
    Where the value behind a name begins and ends.
    """
    start = match.end()
    if quoted := _QUOTE.match(text, start):
        return quoted.end(), _closing(text, quoted.end(), quoted["quote"])
    if text[start : start + 1] in _BRACKETS:
        return start, _bracket_end(text, start)
    between, name = match["between"] or "", match["name"] or ""
    if ":" in between and name.lower().endswith(_HEADERS):
        before = text[match.start() - 1 : match.start()]
        line = _LINE_IN.get(before, _LINE).match(text, start)
    else:
        scheme = _SCHEME.match(text, start)
        line = _BARE.match(text, scheme.end() if scheme else start)
    return start, line.end() if line else start


def _closing(text: str, start: int, quote: str) -> int:
    """
    Where the quoted text from *start* on ends; the end of *text* if nowhere.
    """
    slashes, mark = len(quote) - 1, quote[-1]
    at = text.find(mark, start)
    while at >= 0:
        first = at
        while first > start and text[first - 1] == "\\":
            first -= 1
        before = at - first
        if before == slashes or (not slashes and before % 2 == 0):
            return at - slashes
        at = text.find(mark, at + 1)
    return len(text)


_MARKS = re.compile(r"[\"'{}\[\]()]")


def _bracket_end(text: str, start: int) -> int:
    """
    Where the bracket that opens at *start* is closed, texts in it apart.
    """
    open_ones: list[str] = []
    at = start
    while found := _MARKS.search(text, at):
        at = found.end()
        mark = found[0]
        if mark in _BRACKETS:
            open_ones.append(_BRACKETS[mark])
        elif mark in "\"'":
            at = _closing(text, at, mark) + 1
        elif mark == open_ones[-1]:
            open_ones.pop()
            if not open_ones:
                return at
    return len(text)
