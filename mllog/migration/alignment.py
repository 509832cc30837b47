"""
Where the bytes that LibCST writes stand in the text that it read.
"""

from __future__ import annotations

from bisect import bisect_right

__all__ = ["Alignment", "UnalignedError"]

_BLANKS = frozenset(b" \t\f\\\r\n")


class UnalignedError(Exception):
    """
    LibCST wrote something else than it read.
    """


class Alignment:
    """
    From offsets in *written* to offsets in *text*.

    LibCST passes over blanks in some places, as in ``except OSError :``; what
    it says about positions holds for the text without them.

    Raises:
        UnalignedError: More than blanks is different.
    """

    def __init__(self, written: bytes, text: bytes) -> None:
        self._from: list[int] = [0]
        self._shift: list[int] = [0]
        if written != text:
            self._align(written, text)

    def start(self, offset: int) -> int:
        """
        Where what starts at *offset* starts in the text.
        """
        return offset + self._shift[bisect_right(self._from, offset) - 1]

    def end(self, offset: int) -> int:
        """
        Where what ends at *offset* ends in the text.
        """
        return self.start(offset - 1) + 1 if offset else 0

    def _align(self, written: bytes, text: bytes) -> None:
        ours = theirs = 0
        while theirs < len(written):
            if ours < len(text) and written[theirs] == text[ours]:
                if ours - theirs != self._shift[-1]:
                    self._from.append(theirs)
                    self._shift.append(ours - theirs)
                ours, theirs = ours + 1, theirs + 1
            elif ours < len(text) and text[ours] in _BLANKS:
                ours += 1
            elif written[theirs] in _BLANKS:
                theirs += 1
            else:
                raise UnalignedError
        if text[ours:].strip():
            raise UnalignedError
