"""
Records that a sink refuses for what they are, kept for people to look at.
"""

from __future__ import annotations

import os
import time
from base64 import b64encode
from typing import Any

from ..encoding import encode_value
from ..errors import masked
from ..events import Entry, Event, events_of
from ..timestamps import utc
from .spool.descriptor import SAFELY

__all__ = ["DeadLetters"]

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | SAFELY


class DeadLetters:
    """
    A file of JSON lines: time, error, and the event as it was to be sent.

    Limit:
        It is never rotated: a sink that refuses much needs somebody to look.

    Args:
        path: The file, made with mode 0600.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def add(self, entry: Entry, error: BaseException) -> bool:
        """
        Append a record; False if that cannot be.
        """
        lines = [self._line(event, error) for event in events_of(entry)]
        text = "".join(f"{line}\n" for line in lines).encode()
        try:
            fd = os.open(self.path, _FLAGS, 0o600)
            try:
                if _is_torn(fd):
                    text = b"\n" + text
                return os.write(fd, text) == len(text)
            finally:
                os.close(fd)
        except OSError:
            return False

    @staticmethod
    def _line(event: Event, error: BaseException) -> str:
        letter: dict[str, Any] = {
            "timestamp": utc(time.time()),
            "error": masked(f"{type(error).__name__}: {error}"),
        }
        for name, data in (("value", event.value), ("key", event.key)):
            if data is not None:
                _put(letter, name, data)
        if event.headers:
            letter["headers"] = {
                name: value.decode("utf-8", "backslashreplace")
                for name, value in event.headers
            }
        return encode_value(letter).decode()


def _is_torn(fd: int) -> bool:
    """
    Whether a full disk cut the last line short.
    """
    size = os.lseek(fd, 0, os.SEEK_END)
    if not size:
        return False
    os.lseek(fd, size - 1, os.SEEK_SET)
    return os.read(fd, 1) != b"\n"


def _put(letter: dict[str, Any], name: str, data: bytes) -> None:
    """
    Text as text; what is none as base64.
    """
    try:
        letter[name] = data.decode()
    except UnicodeDecodeError:
        letter[f"{name}_base64"] = b64encode(data).decode("ascii")
