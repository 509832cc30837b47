"""
What rotated files are called, and which of them are kept.
"""

from __future__ import annotations

import calendar
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import locks

__all__ = ["Names", "Retention", "Rotated"]

_TOKEN = re.compile(r"(\d{8}T\d{6}Z)-(\d{4,})")
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Rotated:
    """
    A file that was rotated: its path, and the time and number in its name.
    """

    path: str
    stamp: str
    sequence: int

    @property
    def age_seconds(self) -> float:
        """
        Seconds since its rotation, by the wall clock.
        """
        return time.time() - calendar.timegm(time.strptime(self.stamp, _STAMP))


class Names:
    """
    The names of one file's rotated files: ``app.log.20261121T064512Z-0001``.

    A name is the UTC time of the rotation and a number within that second, so
    names sort by time and none is used twice.

    Args:
        path: The live file.

        rename: From such a name to the one to use instead, as the stdlib's
            ``namer`` does.
    """

    def __init__(
        self, path: str, rename: Callable[[str], str] | None = None
    ) -> None:
        self.path = path
        self._rename = rename or str
        self._last = ("", 0)

    def new(self) -> str:
        """
        A name for a rotation now that no file has, compressed or not.
        """
        stamp = time.strftime(_STAMP, time.gmtime())
        last_stamp, sequence = self._last
        if stamp != last_stamp:
            sequence = 0
        # after the newest, not in a gap: a name that was deleted stays used
        for rotated in self.found():
            if rotated.stamp == stamp:
                sequence = max(sequence, rotated.sequence)
        sequence += 1
        while self._taken(name := self._name(stamp, sequence)):
            sequence += 1
        self._last = (stamp, sequence)
        return name

    def found(self) -> list[Rotated]:
        """
        The rotated files that exist, oldest first; nobody else's files.
        """
        folder = os.path.dirname(self._name("19700101T000000Z", 1))
        try:
            entries = os.listdir(folder)
        except OSError:
            return []
        rotated = (
            self._parsed(os.path.join(folder, entry)) for entry in entries
        )
        return sorted(
            (each for each in rotated if each),
            key=lambda each: (each.stamp, each.sequence),
        )

    def _name(self, stamp: str, sequence: int) -> str:
        return self._rename(f"{self.path}.{stamp}-{sequence:04d}")

    def _taken(self, name: str) -> bool:
        return os.path.lexists(name) or os.path.lexists(f"{name}.gz")

    def _parsed(self, path: str) -> Rotated | None:
        """
        What *path* is, if it is exactly a name that this object gives.
        """
        for match in _TOKEN.finditer(os.path.basename(path)):
            name = self._name(match[1], int(match[2]))
            if path in (name, f"{name}.gz"):
                return Rotated(path, match[1], int(match[2]))
        return None


@dataclass(frozen=True)
class Retention:
    """
    Which rotated files are kept.

    Args:
        backup_count: How many; 0 keeps all.

        max_age_days: How long, by the time in the name; None keeps all.

        max_total_bytes: How much, all rotated files together; None keeps all.
    """

    backup_count: int = 0
    max_age_days: float | None = None
    max_total_bytes: int | None = None

    def enforce(self, names: Names) -> None:
        """
        Delete what is too much, oldest first; a file in use waits.
        """
        if self == Retention():
            return
        for rotated in self._surplus(names.found()):
            locks.unlink_unused(rotated.path)

    def _surplus(self, found: list[Rotated]) -> Iterator[Rotated]:
        count, total = len(found), 0
        if self.max_total_bytes is not None:
            sizes = {each.path: _size(each.path) for each in found}
            total = sum(sizes.values())
        for each in found:
            too_many = 0 < self.backup_count < count
            too_much = (
                self.max_total_bytes is not None
                and total > self.max_total_bytes
            )
            too_old = (
                self.max_age_days is not None
                and each.age_seconds > self.max_age_days * 86400
            )
            if not (too_many or too_much or too_old):
                return
            count -= 1
            if self.max_total_bytes is not None:
                total -= sizes[each.path]
            yield each


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
