"""
Text without its secrets: by patterns, and by names that stand before a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote

from .issued import LEAST
from .keys import HARMLESS_PASSES, Keys, Verdict
from .patterns import Pattern

__all__ = ["PAIR_NAMES", "PAIR_VALUES", "SAYS_NOTHING", "Texts"]

#: Longer texts are cut here: what is not looked at is not passed on.
LONGEST: Final = 64 * 1024
#: The keys of a mapping that holds one name and its value.
PAIR_NAMES: Final = (
    "name", "Name", "NAME", "key", "Key", "KEY", "field", "header",
    "headerName", "parameter", "ParameterKey", "ParameterName", "variable",
    "attribute", "option", "setting", "property", "k", "var", "env",
)  # fmt: skip
PAIR_VALUES: Final = frozenset(
    (
        "value", "Value", "VALUE", "val", "Val", "v", "content",
        "headerValue", "ParameterValue", "stringValue", "string_value",
        "SecretValue", "default", "defaultValue", "Default",
    )
)  # fmt: skip

_MOST_CLEAN: Final = 1024
_SHORT: Final = 128
_NAMES_A_VALUE: Final = ("=", ":", "->", "<-", "%3", "\\u003")
# What stands between a name and its value.  They are fewer than the names, so
# they are looked for, and the name before them is read backwards.
_BETWEEN = re.compile(r"=|:|->|<-|%(?:25){0,3}3[dDaA]|\\u003[dD]")
_MORE_BETWEEN = re.compile(r"[=~:]{0,2}>?\s{0,4}")
# after what may be between: "password" :   token !=   user[password]=
_BACK = re.compile(
    r"[!+~?|^*]{0,2}\s{0,4}"
    r"(?:[\"'`\\\]\[)}]{1,12}|(?:;touq&|;43#&|;93#&|;72x#&|22%){1,2})?"
    r"(?!(?:[\d.,%-]+)(?![\w.%-]))(?P<name>[\w.%-]{1,64})"
)
_LOOKED_BACK: Final = 96
_MOST_DULL: Final = 2000
_IN_QUERY = re.compile(r"[?&;=,/\s]+")
# a parameter's type before its default: (password: str = "…")
_ANNOTATED = re.compile(r"[\w.\[\], |?]{1,64}?\s{0,4}=\s{0,4}(?![=\s])")
_FLAG = re.compile(
    r"-(?<![\w-]-)-?(?P<name>[A-Za-z][\w-]{0,63})"
    r"(?:\\{0,4}[\"']?,\s{0,4}|[ \t]{1,4})(?=[^\s-])"
)
# an element of XML: its name, the name that it is given, and its text
_ELEMENT = re.compile(
    r"<(?:[\w-]{1,40}:)?(?P<tag>[\w.-]{1,64})(?P<attributes>\s[^<>]{0,512})?>"
    r"\s*(?:<!\[CDATA\[)?(?P<value>[^<]*)"
)
_GIVEN = re.compile(r"\b(?:name|key|id)\s?=\s?[\"']([^\"']{1,128})")
_QUOTE = re.compile(r"[bBrRuUfF]{0,2}(?P<quote>\\*[\"'`])")
_SCHEME = re.compile(
    r"(?:bearer|basic|digest|negotiate|token)\s+", re.IGNORECASE
)
_ENDS: Final = r"\s,;&)\]}\"'<>|"
_BARE = re.compile(
    rf"(?:[^{_ENDS}]|[,;&)\]}}\"'<>|](?![{_ENDS}]|$|[\w.%-]{{1,64}}[=:]))+"
)
_ENCODED = re.compile(
    r"(?:[^\s&\"'<>;,)}%]|%(?!(?:25){0,3}(?:2[6cC027]|3[bB])))+"
)
_ENCODED_QUOTE = re.compile(r"(?:%(?:25){0,3}2[027]){1,3}")
_LINE = re.compile(r"[^\r\n]*")
_LINE_IN = {
    '"': re.compile(r"[^\r\n\"]*"),
    "'": re.compile(r"[^\r\n']*"),
}
_HEADERS = ("authorization", "cookie")
#: Under a secret name they say whether there is one, or how it went.
SAYS_NOTHING: Final = frozenset(
    (
        "true", "false", "none", "null", "nil", "undefined", "nan", "yes",
        "no", "ok", "on", "off", "set", "unset", "enabled", "disabled",
        "missing", "required", "valid", "invalid", "expired", "failed",
        "passed", "success",
    )
)  # fmt: skip
_NUMBER = re.compile(
    r"[-+]?[\d.,_]+(?:e[-+]?\d+)?"
    r"(?:\s?(?:[a-zµ%]{1,7}(?:/[a-z]{1,7})?|/\s?[\d.,_]+[a-z]{0,3}))?"
    r"|[-+]?(?:inf|nan)",
    re.IGNORECASE,
)
_NUMBERS = re.compile(
    r"(?:array|tensor)?[(\[{]*[\d\s.,:eE+()\[\]{}\"'-]*[)\]}]*"
)
# the keys of a mapping of numbers, and what stands where there is none
_NO_NUMBER = re.compile(
    r"[\"'][\w .@/-]{1,64}[\"']\s?:|\b(?:null|None|nan|NaN|true|false)\b"
)
# no float is a secret, in a field or in text
_FRACTION = re.compile(r"[-+]?\d{1,12}\.\d+(?:e[-+]?\d+)?(?:[a-zµ%]{1,3})?")
_BRACKETS: Final = {"{": "}", "[": "]", "(": ")"}
_WORD = re.compile(r" {1,3}([\w-]{1,40})")
# words that end a name of two words: "api key: …", "latency per token: …"
_SECOND: Final = frozenset(
    ("key", "code", "phrase", "string", "word", "token", "tokens", "pass")
)
_PAIR_AT_MOST: Final = 256


class _Found(NamedTuple):
    """
    A name in a text, and where its value begins.
    """

    name: str
    start: int
    value: int
    sign: str


class Texts:
    """
    Takes secrets out of text.

    The time is in proportion to the text: each search begins at what is rare
    in any text, and what needs more is done where that stands.

    Args:
        keys: Judges the names that stand before ``=`` and ``:``.

        patterns: What is looked for everywhere.

        replacement: What stands there instead.
    """

    def __init__(
        self, keys: Keys, patterns: Sequence[Pattern], replacement: str
    ) -> None:
        self._keys = keys
        self._replacement = replacement
        # what any secret has in it; few texts have any of it
        self._marked = _by_marks(p for p in patterns if not p.is_long)
        self._long_marked = _by_marks(p for p in patterns if p.is_long)
        self._long = [p for p in patterns if p.is_long and not p.marks]
        self._unmarked = [
            (p, p.hint.search)
            for p in patterns
            if not p.is_long and not p.marks
        ]
        #: Texts that were found clean: most are said again and again.
        self.clean: set[str] = set()
        # names that are plain wherever they stand, backwards as they are read
        self._dull: set[str] = set()

    def without_secrets(self, text: str) -> str:
        """
        *text* itself if it has no secret, else a new one.
        """
        if text in self.clean:
            return text
        if len(text) > LONGEST:
            end = max(text.rfind(" ", 0, LONGEST), LONGEST // 2)
            return self._redacted(text[:end]) + self._replacement
        found = self._redacted(text)
        if found != text:
            return found
        if len(text) <= _SHORT:
            if len(self.clean) >= _MOST_CLEAN:
                self.clean.clear()
            self.clean.add(text)
        return text

    def value(self, verdict: Verdict, text: str) -> str:
        """
        *text*, the repr of a value whose name has that *verdict*.
        """
        if verdict is Verdict.PLAIN:
            return self.without_secrets(text)
        may_stay = self._may_stay(text.strip("'\""), verdict)
        return text if may_stay else self._replacement

    def _redacted(self, text: str) -> str:
        for mark in _NAMES_A_VALUE:
            if mark in text:
                text = self._without_named(text)
                break
        if "-" in text:
            text = self._without_flags(text)
        if "</" in text:
            text = self._without_elements(text)
        for mark, of_mark in self._marked:
            if mark in text:
                text = self._without_marked(text, of_mark)
        if len(text) >= LEAST:
            text = self._without_long(text)
        for pattern, may_be_in in self._unmarked:
            if may_be_in(text):
                text = pattern.replaced(text, self._replacement)
        return text

    def _without_marked(self, text: str, patterns: Sequence[Pattern]) -> str:
        for pattern in patterns:
            marks = pattern.marks if pattern.needs else ()
            if not marks or any(mark in text for mark in marks):
                text = pattern.replaced(text, self._replacement)
        return text

    def _without_long(self, text: str) -> str:
        """
        *text* without the secrets that are one long word.
        """
        plain = text.replace('"', " ") if len(text) > _SHORT else text
        words = [word for word in plain.split() if len(word) >= LEAST]
        if not words:
            return text
        searched = " ".join(words)
        patterns = [
            each
            for mark, of_mark in self._long_marked
            if mark in searched
            for each in of_mark
        ]
        for pattern in (*patterns, *self._long):
            if pattern.expression.search(searched):
                text = pattern.replaced(text, self._replacement)
        return text

    # --- names before values ---

    def _without_named(self, text: str) -> str:
        """
        *text* without the values of secret names.
        """
        kept: list[str] = []
        done = 0
        named_until, named = 0, Verdict.PLAIN
        dull, back = self._dull, _BACK.match
        for match in _BETWEEN.finditer(text):
            at = match.start()
            if at < done:
                continue
            before = back(text[max(done, at - _LOOKED_BACK) : at][::-1])
            if before is None or before[1] in dull:
                continue
            found = _found(text, match, before)
            verdict = self._of(found, text)
            if verdict is Verdict.PLAIN:
                if found.name in PAIR_VALUES:
                    if at > named_until:
                        continue
                    verdict = named
                    named_until = 0
                elif found.name in PAIR_NAMES:
                    start, end = _value_at(text, found)
                    named = self._keys.of(text[start:end][:_LOOKED_BACK])
                    if named is not Verdict.PLAIN:
                        named_until = end + _PAIR_AT_MOST
                    continue
                else:
                    self._remember(found.name, before[1])
                    continue
            elif found.sign == ":" and text.startswith((":", "//"), at + 1):
                continue  # of an address
            start, end = _value_at(text, found)
            if self._may_stay(text[start:end], verdict):
                continue
            kept += (text[done:start], self._replacement)
            done = end
        return "".join((*kept, text[done:])) if kept else text

    def _remember(self, name: str, backwards: str) -> None:
        """
        That *name*, as it is read, is always a plain one.
        """
        if name.lower() in _SECOND or name.lower() == "signature":
            return  # it depends on what stands before it
        if len(self._dull) >= _MOST_DULL:
            self._dull.clear()
        self._dull.add(backwards)

    def _of(self, found: _Found, text: str) -> Verdict:
        name = found.name
        verdict = self._keys.of(name)
        lower = name.lower()
        if lower in _SECOND:
            before = _word_before(text, found.start)
            if not before:
                return verdict
            if lower == "pass":
                is_plain = before.lower() in HARMLESS_PASSES
                return Verdict.PLAIN if is_plain else verdict
            return self._keys.of(f"{before}_{name}")
        if lower == "signature" and text[found.start - 1 : found.start] in (
            "?",
            "&",
        ):
            return Verdict.SECRET
        return verdict

    def _may_stay(self, value: str, verdict: Verdict) -> bool:
        if not value or value == self._replacement:
            return True
        if value.lower() in SAYS_NOTHING or _FRACTION.fullmatch(value):
            return True
        if verdict is not Verdict.UNLESS_NUMBER:
            return False
        if _NUMBER.fullmatch(value):
            return True
        return _NUMBERS.fullmatch(_NO_NUMBER.sub("", value)) is not None

    # --- options and elements ---

    def _without_flags(self, text: str) -> str:
        """
        *text* without what follows ``--password``.
        """
        kept: list[str] = []
        done = 0
        for match in _FLAG.finditer(text):
            if match.start() < done:
                continue
            verdict = self._keys.of(match["name"])
            if verdict is Verdict.PLAIN:
                continue
            found = _Found(match["name"], match.start(), match.end(), " ")
            start, end = _value_at(text, found)
            if self._may_stay(text[start:end], verdict):
                continue
            kept += (text[done:start], self._replacement)
            done = end
        return "".join((*kept, text[done:])) if kept else text

    def _without_elements(self, text: str) -> str:
        """
        *text* without the text of XML's elements that have a secret name.
        """
        kept: list[str] = []
        done = 0
        named = Verdict.PLAIN
        for match in _ELEMENT.finditer(text):
            value = match["value"].rstrip()
            verdict = self._of_element(match)
            if verdict is Verdict.PLAIN:
                verdict = named
            if not value:  # its elements have what it is called by
                named = verdict
                continue
            named = Verdict.PLAIN
            if match["tag"] in PAIR_NAMES:  # <key>password</key><string>…
                named = self._keys.of(value)
            elif verdict is not Verdict.PLAIN and not self._may_stay(
                value, verdict
            ):
                start = match.start("value")
                kept += (text[done:start], self._replacement)
                done = start + len(value)
        return "".join((*kept, text[done:])) if kept else text

    def _of_element(self, match: re.Match[str]) -> Verdict:
        verdict = self._keys.of(match["tag"])
        if verdict is Verdict.PLAIN and match["attributes"]:
            given = _GIVEN.search(match["attributes"])
            if given:
                return self._keys.of(given[1])
        return verdict


def _by_marks(
    patterns: Iterable[Pattern],
) -> tuple[tuple[str, tuple[Pattern, ...]], ...]:
    """
    What is looked for in a text, and the patterns to try where it is.
    """
    found: dict[str, list[Pattern]] = {}
    for each in patterns:
        for mark in (each.needs,) if each.needs else each.marks:
            found.setdefault(mark, []).append(each)
    return tuple((mark, tuple(each)) for mark, each in found.items())


def _found(text: str, match: re.Match[str], before: re.Match[str]) -> _Found:
    """
    The name that was read backwards, and where its value begins.
    """
    name, at = before["name"][::-1], match.start()
    if "%" in name:
        name = _IN_QUERY.split(unquote(unquote(name)))[-1]
    value = match.end()
    if match[0][0] != "%" and (more := _MORE_BETWEEN.match(text, value)):
        value = more.end()
    return _Found(name, at - before.end(), value, match[0])


def _word_before(text: str, start: int) -> str:
    """
    The word on the same line that stands before *start*.
    """
    before = _WORD.match(text[max(0, start - 48) : start][::-1])
    return before[1][::-1] if before else ""


def _value_at(text: str, found: _Found) -> tuple[int, int]:
    """
    Where the value behind a name begins and ends.
    """
    start = found.value
    if found.sign[0] == "%":
        quote = _ENCODED_QUOTE.match(text, start)
        start = quote.end() if quote else start
        encoded = _ENCODED.match(text, start)
        return start, encoded.end() if encoded else start
    if quoted := _QUOTE.match(text, start):
        return quoted.end(), _closing(text, quoted.end(), quoted["quote"])
    if text[start : start + 1] in _BRACKETS:
        return start, _bracket_end(text, start)
    if found.sign == ":":
        if found.name.lower().endswith(_HEADERS):
            before = text[found.start - 1 : found.start]
            line = _LINE_IN.get(before, _LINE).match(text, start)
            return start, line.end() if line else start
        if annotated := _ANNOTATED.match(text, start):
            return _value_at(
                text, found._replace(value=annotated.end(), sign="=")
            )
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
