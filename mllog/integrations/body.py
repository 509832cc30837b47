"""
The body of a request or a response, of which only the beginning is kept.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from ..compression import decoded

__all__ = ["Body"]

# Names of charsets that are looked up: others would be imported, remembered
# for ever, or take quadratic time.
_CHARSET: Final = re.compile(
    r"utf-?(8|16|32)(-?(le|be|sig))?|(us-)?ascii|latin-?1|iso-?8859-\d{1,2}"
    r"|(windows-|cp)125\d|koi8-[ru]|shift_?jis|euc-(jp|kr)|gb(2312|k|18030)"
    r"|big5",
    re.IGNORECASE,
)
_PARAMETER: Final = r";\s*%s\s*=\s*\"?([^\s;,\"]{1,80})"
_CHARSET_IN: Final = re.compile(_PARAMETER % "charset", re.IGNORECASE)
_BOUNDARY_IN: Final = re.compile(_PARAMETER % "boundary", re.IGNORECASE)
_NAME_IN: Final = re.compile(rb"[;\s]name=\"([^\"\r\n]*)\"", re.IGNORECASE)
# What is not there, for JSON may be null.
_NOTHING: Final = object()
_TYPE_IN: Final = re.compile(rb"content-type:\s*([!-~]+)", re.IGNORECASE)


class Body:
    """
    The beginning of a body that passes by.
    """

    def __init__(self, most: int) -> None:
        self._chunks: list[bytes] = []
        self._most = self._room = most
        self.size = 0
        self.is_complete = False
        self.is_cut = False

    def see(self, message: Mapping[str, Any]) -> None:
        """
        Keep what there is room for of one message.
        """
        self.is_complete = not message.get("more_body", False)
        chunk = message.get("body") or b""
        self.size += len(chunk)
        if len(chunk) > self._room:
            self.is_cut = True
        if chunk and self._room:
            kept = bytes(chunk[: self._room])
            self._chunks.append(kept)
            self._room -= len(kept)

    def skip(self, message: Mapping[str, Any]) -> None:
        """
        Know of a message whose content cannot be seen.
        """
        self.is_complete = not message.get("more_body", False)
        self.is_cut = True

    def is_whole(self) -> bool:
        """
        Whether nothing is missing.
        """
        return self.is_complete and not self.is_cut

    def content(self, content_type: str, coding: str) -> tuple[Any, bool]:
        """
        What the body is, and whether that is all of it.

        JSON as it is, else the fields of a form, else text, else what is
        known of it; without the content coding where that can be undone.

        Args:
            content_type: The header of that name.

            coding: The header Content-Encoding.
        """
        data, is_whole = b"".join(self._chunks), self.is_whole()
        try:
            data, is_all = decoded(data, coding, self._most)
        except ValueError:
            # or it was undone before, and the header left
            found = _json(data, "") if is_whole else _NOTHING
            if found is not _NOTHING:
                return found, True
            return {**self._summary(content_type), "encoding": coding}, False
        return self._read(data, content_type, is_whole=is_whole and is_all)

    def _read(
        self, data: bytes, content_type: str, *, is_whole: bool
    ) -> tuple[Any, bool]:
        kind = content_type.partition(";")[0].strip().lower()
        charset = _charset_of(content_type)
        if is_whole and not kind.startswith("text/"):
            found = _json(data, charset or "")
            if found is _NOTHING and kind == "multipart/form-data":
                found = _form(data, content_type)
            if found is not _NOTHING:
                return found, True
        if charset is None and not data.isascii():
            return self._summary(content_type), False
        try:
            decoder = codecs.getincrementaldecoder(charset or "utf-8")()
            # the last character may be cut
            return decoder.decode(data, final=is_whole), is_whole
        except UnicodeDecodeError:
            is_form = kind.startswith("multipart/")
            return self._summary(content_type), is_whole and not is_form

    def _summary(self, content_type: str) -> dict[str, Any]:
        return {"type": content_type or "bytes", "bytes": self.size}


def _charset_of(content_type: str) -> str | None:
    """
    The charset that is named, ``""`` where none is; None for an unknown one.
    """
    named = _CHARSET_IN.search(content_type)
    if named is None:
        return ""
    return named[1] if _CHARSET.fullmatch(named[1]) else None


def _json(data: bytes, charset: str) -> Any:
    """
    What *data* is as JSON; ``_NOTHING`` where it is none.
    """
    try:
        return json.loads(data.decode(charset) if charset else data)
    except (ValueError, LookupError, RecursionError):
        return _NOTHING


def _form(data: bytes, content_type: str) -> Any:
    """
    The fields of a form; of files and the like their type and size.

    ``_NOTHING`` where it is none.
    """
    named = _BOUNDARY_IN.search(content_type)
    if named is None:
        return _NOTHING
    mark = b"\r\n--" + named[1].encode("latin-1")
    parts = (b"\r\n" + data).split(mark)
    if not parts[-1].startswith(b"--"):
        return _NOTHING
    form: dict[str, list[Any]] = {}
    for part in parts[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        name = _NAME_IN.search(head)
        if name is None:
            return _NOTHING
        key = name[1].decode("utf-8", "replace")
        form.setdefault(key, []).append(_field(head, value))
    return {
        name: values[0] if len(values) == 1 else values
        for name, values in form.items()
    }


def _field(head: bytes, value: bytes) -> Any:
    typed = _TYPE_IN.search(head)
    kind = typed[1].decode() if typed else ""
    if b"filename" not in head.lower():
        found = _json(value, "") if "json" in kind else _NOTHING
        if found is not _NOTHING:
            return found
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass
    return {"type": kind or "bytes", "bytes": len(value)}
