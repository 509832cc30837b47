"""
Text in pieces becomes whole lines, one at a time for each that writes.
"""

from __future__ import annotations

import codecs

from ..forking import fork_safe_lock, tell_child
from .origin import Place, writer

__all__ = ["Lines", "final_state"]


class _Begun:
    """
    The line that somebody has begun.
    """

    __slots__ = ("decoder", "place", "text")

    def __init__(self) -> None:
        self.text = ""
        self.decoder: codecs.IncrementalDecoder | None = None
        self.place = Place("", 0, "")


class Lines:
    """
    The lines that were begun in one stream.

    Args:
        most: Characters of the longest; what is longer becomes several.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun: dict[object, _Begun] = {}
        self._lock = fork_safe_lock()
        self._is_over = False
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: what was begun is the parent's to end.
        """
        self._begun.clear()

    def add(self, text: str, place: Place) -> list[str]:
        """
        Go on with the writer's line; those that are whole by it.
        """
        with self._lock:
            if self._is_over:  # it ended this moment
                return text.split("\n")
            who = writer()
            line = self._begun.setdefault(who, _Begun())
            *whole, rest = (line.text + text).split("\n")
            rest = _kept(rest)
            while len(rest) > self._most:
                whole.append(rest[: self._most])
                rest = rest[self._most :]
            line.text, line.place = rest, place
            if not rest and line.decoder is None:
                del self._begun[who]
        return whole

    def decode(self, data: bytes, encoding: str) -> str:
        """
        The text in *data*, which may begin and end within a character.
        """
        with self._lock:
            line = self._begun.setdefault(writer(), _Begun())
            decoder = line.decoder
            if decoder is None:
                make = codecs.getincrementaldecoder(encoding)
                decoder = make("backslashreplace")
            text = decoder.decode(data)
            line.decoder = decoder if decoder.getstate()[0] else None
            return text

    def end(self) -> list[tuple[str, Place]]:
        """
        Take no more, and give what was begun.
        """
        with self._lock:
            self._is_over = True
            begun, self._begun = self._begun, {}
        for line in begun.values():
            if line.decoder is not None:
                line.text += line.decoder.decode(b"", final=True)
        return [(line.text, line.place) for line in begun.values()]


def final_state(line: str) -> str:
    r"""
    What *line* shows in the end: a ``\r`` begins it anew.
    """
    body = line.rstrip("\r")
    return body[body.rfind("\r") + 1 :]


def _kept(rest: str) -> str:
    """
    As much of a line that is not whole as matters for its end.
    """
    if "\r" not in rest:
        return rest
    # what comes next decides whether this one begins the line anew
    return final_state(rest) + ("\r" if rest[-1] == "\r" else "")
