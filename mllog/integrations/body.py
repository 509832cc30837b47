"""
The body of a request or a response, of which only the beginning is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["Body"]


class Body:
    """
    The beginning of a body that passes by.
    """

    def __init__(self, most: int) -> None:
        self._chunks: list[bytes] = []
        self._room = most
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

    def value(self, content_type: str) -> Any:
        """
        The body as JSON says it, else its text, else what is known of it.
        """
        data = b"".join(self._chunks)
        if self.is_whole() and not content_type.startswith("text/"):
            try:
                return json.loads(data)
            except (ValueError, RecursionError):
                pass
        try:
            # the last character may be cut
            return _text(data, is_whole=self.is_whole())
        except UnicodeDecodeError:
            return {"type": content_type or "bytes", "bytes": self.size}


def _text(data: bytes, *, is_whole: bool) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if is_whole or error.end < len(data) or len(data) - error.start > 3:
            raise
        return data[: error.start].decode()
