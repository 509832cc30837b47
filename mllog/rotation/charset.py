"""
Text as the bytes of a file: its encoding, and the mark that it begins with.
"""

from __future__ import annotations

import codecs
import locale
import warnings
from typing import Any

from ..errors import ConfigError, nearest, shown
from ..values import ESCAPES, encodable

__all__ = ["Charset"]

_FAMILIAR = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "ascii")
_HANDLERS = (
    "strict",
    "ignore",
    "replace",
    "backslashreplace",
    "xmlcharrefreplace",
    "namereplace",
    "surrogateescape",
    "surrogatepass",
)


class Charset:
    """
    An encoding whose pieces may be written one by one, by several processes.

    Args:
        encoding: Any that ``open`` takes; ``"locale"`` is the system's, None
            is UTF-8.

        errors: What becomes of text that the encoding cannot write; None is
            an escape as in JSON.

    Raises:
        ConfigError: There is no such encoding or error handler, or it writes
            no file piece by piece.
    """

    def __init__(self, encoding: Any = None, errors: Any = None) -> None:
        self.name = _known("utf-8" if encoding in (None, "") else encoding)
        self.errors = _handler(ESCAPES if errors in (None, "") else errors)
        self.is_utf8 = codecs.lookup(self.name).name == "utf-8"
        line, end = "a\n", _bytes_of(self.name, "\n\n")
        end = end[len(_bytes_of(self.name, "\n")) :]
        #: What a file begins with: the byte order mark, or nothing.
        self.mark = _bytes_of(self.name, "\n").removesuffix(end)
        #: Bytes of a character, where all characters have as many.
        self.unit = len(end) if b"\0" in end else 1
        parts = self.mark + self.encode("a") + self.encode("\n")
        if not end or parts != _bytes_of(self.name, line):
            raise ConfigError(
                f"{shown('encoding', encoding)} writes no text line by line",
                expected="an encoding such as " + ", ".join(_FAMILIAR),
            )

    def encode(self, text: str, errors: str = "") -> bytes:
        """
        The bytes of *text*, without the mark.

        Args:
            text: A line, or its end.

            errors: In place of those that were given.
        """
        errors = errors or self.errors
        if errors == ESCAPES:
            text = encodable(text, self.name)
        return text.encode(self.name, errors)[len(self.mark) :]


def _known(encoding: Any) -> str:
    if encoding == "locale":
        return locale.getpreferredencoding(False)
    try:
        codecs.lookup(encoding)
        "".encode(encoding)  # not one from bytes to bytes
    except (LookupError, TypeError, ValueError):
        near = nearest(encoding, _FAMILIAR) if type(encoding) is str else ""
        raise ConfigError(
            f"unknown encoding {shown('encoding', encoding)}",
            expected='the name of a text encoding, such as "utf-8"',
            fix=f"write {near}" if near else "",
        ) from None
    return str(encoding)


def _handler(errors: Any) -> str:
    try:
        codecs.lookup_error(errors)
    except (LookupError, TypeError, ValueError):
        near = nearest(errors, _HANDLERS) if type(errors) is str else ""
        raise ConfigError(
            shown("errors", errors),
            expected="one of " + ", ".join(_HANDLERS),
            fix=f"write {near}" if near else "",
        ) from None
    return str(errors)


def _bytes_of(encoding: str, text: str) -> bytes:
    """
    *text* in *encoding*, nothing where it cannot write even that.
    """
    with warnings.catch_warnings():  # some are deprecated
        warnings.simplefilter("ignore")
        try:
            return text.encode(encoding)
        except ValueError:
            return b""
