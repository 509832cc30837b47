"""
Paths: which requests a middleware looks at, or looks away from.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ..errors import ConfigError, shown

__all__ = ["Paths", "printable"]

_MOST_CHARS: Final = 2048


class Paths:
    """
    Some paths of an application.

    Args:
        option: Name of the option, for the error.

        given: Text, which has to be equal, and compiled regular expressions,
            which have to match all of a path; or one of them.

        owner: Whose option it is, for the error.

    Raises:
        ConfigError: One of them is neither.
    """

    def __init__(self, option: str, given: Any, *, owner: str) -> None:
        if isinstance(given, (str, re.Pattern)):
            given = (given,)
        exact, patterns = [], []
        for each in given:
            if isinstance(each, re.Pattern) and isinstance(each.pattern, str):
                patterns.append(each)
            elif isinstance(each, str) and each.startswith("/"):
                exact.append(each)
            else:
                raise ConfigError(
                    shown(option, each),
                    expected='a path such as "/predict", or a compiled'
                    " expression such as re.compile(r'/models/\\w+/predict')",
                    owner=owner,
                )
        self._exact: frozenset[str] = frozenset(exact)
        self._patterns = tuple(patterns)

    def have(self, path: str, root: str | None = None) -> bool:
        """
        Whether *path* is one of them, without *root*, where the app is mounted.
        """
        if root and path.startswith(f"{root}/"):
            path = path[len(root) :]
        return path in self._exact or any(
            each.fullmatch(path) for each in self._patterns
        )


def printable(text: str, *, is_path: bool = True) -> str:
    """
    *text* on one line and bounded: what cannot be printed as ``%`` and hex.

    Args:
        text: What a client sent.

        is_path: Whether a blank is written so too.
    """
    text = text[:_MOST_CHARS]
    other = " " if is_path else ""
    if text.isprintable() and not (other and other in text):
        return text
    return "".join(
        each if each.isprintable() and each != other else _escaped(each)
        for each in text
    )


def _escaped(character: str) -> str:
    code = character.encode("utf-8", "surrogatepass")
    return "".join(f"%{byte:02X}" for byte in code)
