"""
What rotated files are called, and which of them are kept.
"""

from __future__ import annotations

import datetime
import functools
import os
import re
import time
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass

from ..errors import ConfigError
from . import locks
from .live import behind

__all__ = ["Names", "Retention", "Rotated"]

_TOKEN = re.compile(r"(\d{8}T\d{6}Z)-(\d{4,})")
_STAMP = "%Y%m%dT%H%M%SZ"
# beyond it names would no longer sort as they were given
_MOST_IN_A_SECOND = 9999
_LAST_YEAR = "9999"


@dataclass(frozen=True)
class Rotated:
    """
    A file that was rotated: its path, and the time and number in its name.
    """

    path: str
    stamp: str
    sequence: int

    @property
    def order(self) -> tuple[str, int]:
        """
        Less for a file that was rotated earlier.
        """
        return self.stamp, self.sequence

    @property
    def age_seconds(self) -> float:
        """
        Seconds since its rotation, by the wall clock; 0 if nobody can tell.

        A time that is still to come was given by a clock that was ahead, or
        after it.  Then the file's last change says more.
        """
        now = time.time()
        age = now - (_seconds(self.stamp) or 0.0)
        if age < 0:
            with suppress(OSError):
                age = now - os.lstat(self.path).st_mtime
        return max(age, 0.0)


@functools.lru_cache(maxsize=1024)
def _seconds(stamp: str) -> float | None:
    """
    The time that *stamp* means, since 1970; None for digits that are none.
    """
    try:
        # not strptime, which imports a module when it is first called
        moment = datetime.datetime.fromisoformat(
            f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}"
            f"T{stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]}+00:00"
        )
    except ValueError:
        return None
    return moment.timestamp()


class Names:
    """
    The names of one file's rotated files: ``app.log.20261121T064512Z-0001``.

    A name is the UTC time of the rotation and a number within that second.

    Guarantee:
        No name is used twice, and none sorts before one that is there: after
        the clock was set back, names go on with the newest time.

    Args:
        path: The live file.  Where it is a link, rotated files are beside the
            file that it leads to, and called by its name.

        rename: From such a name to the one to use instead, as the stdlib's
            ``namer`` does.
    """

    def __init__(
        self, path: str, rename: Callable[[str], str] | None = None
    ) -> None:
        self.path = path
        self._rename = rename or str
        self._last = ("", 0)

    @property
    def folder(self) -> str:
        """
        Where the live file is, and its rotated files if nobody renames them.
        """
        return os.path.dirname(behind(self.path))

    def new(self) -> str:
        """
        A name for a rotation now that no file has, compressed or not.

        Raises:
            ConfigError: *rename* gives one name for several.
        """
        stamp = time.strftime(_STAMP, time.gmtime())
        given = [self._last, (stamp, 0)]
        with suppress(OSError):  # a folder that may not be read
            given += [rotated.order for rotated in self.found()]
        # after the newest, not in a gap: a name that was deleted stays used
        stamp, sequence = _after(*max(given))
        live, refused = behind(self.path), ""
        while self._taken(name := self._name(live, stamp, sequence)):
            if name == refused:
                raise ConfigError(
                    f"namer gives {name} again, and that file is there",
                    expected="another name for each rotated file",
                    fix="keep the time and the number of the name it is given",
                )
            refused = name
            stamp, sequence = _after(stamp, sequence)
        self._last = (stamp, sequence)
        return name

    def found(self) -> list[Rotated]:
        """
        The rotated files that exist, oldest first; nobody else's files.

        A link is not one of them, whatever it is called.

        Raises:
            OSError: The folder is there and cannot be read.
        """
        live = behind(self.path)
        folder = os.path.dirname(self._name(live, "19700101T000000Z", 1))
        found = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    rotated = self._parsed(
                        live, os.path.join(folder, entry.name)
                    )
                    if rotated and entry.is_file(follow_symlinks=False):
                        found.append(rotated)
        except FileNotFoundError:
            return []
        return sorted(found, key=lambda each: each.order)

    def _name(self, live: str, stamp: str, sequence: int) -> str:
        return self._rename(f"{live}.{stamp}-{sequence:04d}")

    def _taken(self, name: str) -> bool:
        return os.path.lexists(name) or os.path.lexists(f"{name}.gz")

    def knows(self, path: str) -> bool:
        """
        Whether *path* is exactly a name that this object gives.
        """
        return self._parsed(behind(self.path), path) is not None

    def _parsed(self, live: str, path: str) -> Rotated | None:
        for match in _TOKEN.finditer(os.path.basename(path)):
            stamp, sequence = match[1], int(match[2])
            name = self._name(live, stamp, sequence)
            if path in (name, f"{name}.gz") and _seconds(stamp) is not None:
                return Rotated(path, stamp, sequence)
        return None


def _after(stamp: str, sequence: int) -> tuple[str, int]:
    """
    The time and number of the name that comes next.
    """
    if sequence < _MOST_IN_A_SECOND or stamp.startswith(_LAST_YEAR):
        return stamp, sequence + 1
    second = time.gmtime((_seconds(stamp) or 0.0) + 1)
    return time.strftime(_STAMP, second), 1


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

    def enforce(
        self,
        names: Names,
        owed: Callable[[list[str]], Container[str]] = lambda _: (),
    ) -> None:
        """
        Delete what is too much, oldest first; a file in use waits.

        Args:
            names: Of the rotated files.

            owed: Gives those of some paths that somebody has to get first.

        Raises:
            OSError: A file cannot be deleted, or the folder not be read; all
                others are deleted.
        """
        if self == Retention():
            return
        surplus = [each.path for each in self._surplus(names.found())]
        kept = owed(surplus) if surplus else ()
        failed = [
            exc
            for path in surplus
            if path not in kept and (exc := _undeleted(path))
        ]
        if failed:
            raise failed[0]

    def _surplus(self, found: list[Rotated]) -> list[Rotated]:
        return found[
            : max(
                self._too_many(found),
                self._too_much(found),
                self._too_old(found),
            )
        ]

    def _too_many(self, found: list[Rotated]) -> int:
        return max(0, len(found) - self.backup_count) * bool(self.backup_count)

    def _too_much(self, found: list[Rotated]) -> int:
        """
        How many have to go so that the others have *max_total_bytes*.
        """
        if self.max_total_bytes is None:
            return 0
        room = self.max_total_bytes
        for index in range(len(found), 0, -1):
            room -= _size(found[index - 1].path)
            if room < 0:
                return index
        return 0

    def _too_old(self, found: list[Rotated]) -> int:
        """
        How many are too old, or before one that is: a clock that was ahead
        may have named those.
        """
        if self.max_age_days is None:
            return 0
        most = self.max_age_days * 86400
        for index in range(len(found), 0, -1):
            if found[index - 1].age_seconds > most:
                return index
        return 0


def _undeleted(path: str) -> OSError | None:
    """
    Delete *path* unless somebody uses it; why it cannot be deleted.
    """
    try:
        locks.unlink_unused(path)
    except OSError as exc:
        return exc
    return None


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
