"""
The message of a record and its arguments, without their secrets.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from ..context import copied
from ..fields import message_of
from .keys import Keys, Verdict
from .texts import Texts
from .walk import Walk

__all__ = ["Messages"]

_PLACE = re.compile(
    r"%(?:\((?P<name>[^)]*)\))?[#0\- +]*(?P<width>\*|\d+)?"
    r"(?:\.(?P<precision>\*|\d+))?[hlL]?(?P<type>[a-zA-Z%])"
)
# the name before a place: "token %s", "password=%s", "the key is %r"
_BEFORE = re.compile(
    r"(?P<name>[\w.%-]{1,64})\\*[\"']?"
    r"(?:\s{0,3}(?:=>|->|:=|[:=])\s{0,3}|\s{1,3}(?:(?:is|was)\s{1,3})?)"
    r"[\"']?$"
)
_LOOKED_BACK: Final = 80
_MOST_TEMPLATES: Final = 1000


class Messages:
    """
    Takes secrets out of messages.

    An argument is judged by the word before its place too, so that
    ``logger.info("using token %s", token)`` is safe.

    Args:
        keys: Judges names.

        texts: Takes secrets out of text.

        replacement: What stands for a secret.
    """

    def __init__(self, keys: Keys, texts: Texts, replacement: str) -> None:
        self._keys = keys
        self._texts = texts
        self._replacement = replacement
        self._templates: dict[str, frozenset[int]] = {}

    def changes(self, record: logging.LogRecord, walk: Walk) -> dict[str, Any]:
        """
        What ``msg`` and ``args`` of *record* have to become; nothing if clean.
        """
        message, args = record.msg, record.args
        if type(message) is str and not args:
            text = self._texts.without_secrets(message)
            return {} if text is message else {"msg": text}
        found: dict[str, Any] = {}
        if isinstance(message, Mapping):  # python-json-logger's way to log
            clean = walk.value(message)
            if clean is not message:
                found["msg"] = clean
            if not args:
                return found
        if args:
            found.update(self._with_clean_args(message, args, walk))
        now = copied(record, found) if found else record
        text = message_of(now)
        clean = self._texts.without_secrets(text)
        return found if clean is text else {"msg": clean, "args": ()}

    def _with_clean_args(
        self, message: Any, args: Any, walk: Walk
    ) -> dict[str, Any]:
        if not isinstance(args, tuple):
            clean = walk.value(args)
            return {} if clean is args else {"args": clean}
        secret = self._secret_places(message)
        new, changed = list(args), set()
        for place, value in enumerate(args):
            clean = walk.value(value)
            if place in secret and _may_be_secret(value):
                clean = self._replacement
            if clean is not value:
                new[place] = clean
                changed.add(place)
        if not changed:
            return {}
        return {"msg": _fitting(message, changed), "args": tuple(new)}

    def _secret_places(self, message: Any) -> frozenset[int]:
        """
        Which arguments of a template have a secret name before their place.
        """
        if type(message) is not str:
            return frozenset()
        known = self._templates.get(message)
        if known is None:
            places = list(_PLACE.finditer(message))
            if any("*" in each[0] for each in places):
                places = []
            known = frozenset(
                number
                for number, each in enumerate(
                    each for each in places if each["type"] != "%"
                )
                if self._is_secret(message, each.start())
            )
            if len(self._templates) >= _MOST_TEMPLATES:
                self._templates.clear()
            self._templates[message] = known
        return known

    def _is_secret(self, message: str, place: int) -> bool:
        before = _BEFORE.search(message[max(0, place - _LOOKED_BACK) : place])
        return (
            before is not None
            and self._keys.of(before["name"]) is not Verdict.PLAIN
        )


def _may_be_secret(value: Any) -> bool:
    """
    Whether it is no number: "token 3 of 7" is a count.
    """
    return type(value) not in (int, float, bool, type(None))


def _fitting(message: Any, changed: set[int]) -> Any:
    """
    *message* with places that take the text of a replaced argument.
    """
    if type(message) is not str or "*" in message:
        return message
    number = -1

    def place(match: re.Match[str]) -> str:
        nonlocal number
        if match["type"] == "%":
            return match[0]
        number += 1
        is_text = match["type"] in "sra"
        return match[0] if is_text or number not in changed else "%s"

    return _PLACE.sub(place, message)
