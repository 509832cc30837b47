"""
Closed files on their way to a bucket: links that keep them, and a journal.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import socket
import string
import time
import zlib
from collections.abc import Iterator

from ...errors import ConfigError, shown
from ...forking import fork_safe_lock, tell_child
from ..spool.folders import Home, homes
from .keys import safe

__all__ = ["FILE_TEMPLATE", "FileKeys", "Journal", "Links", "identity_of"]

#: Beside what S3Handler stores by default, in the same partitions.
FILE_TEMPLATE = "dt={date}/hour={hour}/{host}-{name}"

_NAMES = ("date", "hour", "host", "name")
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)\d{4}Z-\d{4,}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LITERAL = re.compile(r"[A-Za-z0-9._/=-]*")
_LONGEST_NAME = 150
_LINK = re.compile(r"[0-9a-f]+\.[0-9a-f]+\.[0-9a-f]{8}-.*")
_DRAFT = ".draft"
_JOURNAL_BYTES = 256 * 1024


def identity_of(path: str) -> str:
    """
    What tells the file at *path* from any other: its time, size and place.

    Raises:
        OSError: It is not there.
    """
    status = os.stat(path)
    place = zlib.crc32(os.fsencode(os.path.abspath(path)))
    return f"{status.st_mtime_ns:x}.{status.st_size:x}.{place:08x}"


class FileKeys:
    """
    Keys for files, each by the name of its link.

    Args:
        template: With ``{date}``, ``{hour}``, ``{host}`` and ``{name}``.

        prefix: What goes before.

    Raises:
        ConfigError: The template names something else, or lacks host or name.
    """

    def __init__(
        self, template: str = FILE_TEMPLATE, prefix: str = ""
    ) -> None:
        _check(template)
        self._template = template.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._host = safe(socket.gethostname())

    def of(self, link: str, *, is_unique: bool = False) -> str:
        """
        The key of the file behind *link*.

        Args:
            link: A link of :class:`Links`.

            is_unique: Whether no other file may have it, whatever the names
                of hosts and files are.
        """
        identity, _, name = os.path.basename(link).partition("-")
        date, hour = _hour_of(identity, name)
        if is_unique:
            name = f"{zlib.crc32(identity.encode()):08x}-{name}"
        filled = self._template.format(
            date=date, hour=hour, host=self._host, name=name
        )
        return f"{self._prefix}{filled}"


def _hour_of(identity: str, name: str) -> tuple[str, str]:
    """
    Day and hour of the rotation, UTC; those of the last change without a stamp.
    """
    stamps = _STAMP.findall(name)
    if stamps:
        year, month, day, hour = stamps[-1]
        return f"{year}-{month}-{day}", hour
    changed = time.gmtime(int(identity.partition(".")[0], 16) // 10**9)
    return time.strftime("%Y-%m-%d", changed), time.strftime("%H", changed)


def _check(template: str) -> None:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as exc:
        raise ConfigError(f"{shown('key_template', template)}: {exc}") from exc
    named = {name for _, name, _, _ in parts if name is not None}
    are_plain = not any(spec or how for _, _, spec, how in parts)
    literal = "".join(text for text, *_ in parts)
    if (
        named - set(_NAMES)
        or not {"host", "name"} <= named
        or not are_plain
        or not _LITERAL.fullmatch(literal)
        or ".." in literal
    ):
        raise ConfigError(
            shown("key_template", template),
            expected="{host} and {name}, {date} and {hour} if you like, and"
            " A-Z a-z 0-9 . _ - = / around them",
        )


class Links:
    """
    Hard links that keep closed files until they are stored.

    Each process has its links in a directory of its own, with a lock that the
    kernel gives back when it dies.

    Args:
        folder: Where those directories are.

        max_bytes: What all links there may keep.
    """

    def __init__(self, folder: str, max_bytes: int) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._lock = fork_safe_lock()
        self._own: Home | None = None
        self._inherited: list[Home] = []
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: the directories are the parent's.
        """
        for home in self._homes():
            home.forget()
        self._own, self._inherited = None, []

    def _homes(self) -> list[Home]:
        own = [] if self._own is None else [self._own]
        return [*own, *self._inherited]

    def add(self, path: str) -> str | None:
        """
        Keep the file at *path*, by a copy where a link cannot be.

        Returns:
            The link, relative to the folder; None if there is one already.

        Raises:
            OSError: It cannot be kept.
        """
        name = _UNSAFE.sub("_", os.path.basename(path))[-_LONGEST_NAME:]
        name = f"{identity_of(path)}-{name}"
        with self._lock:
            self._check_room(os.stat(path).st_size)
            if self._own is None:
                self._own = Home.make(self.folder)
            target = os.path.join(self._own.path, name)
            if os.path.lexists(target):
                return None
            try:
                _keep(path, target)
            except FileNotFoundError:
                if not os.path.isdir(self._own.path):  # somebody cleaned up
                    self._own.forget()
                    self._own = None
                raise
            return os.path.relpath(target, self.folder)

    def _check_room(self, size: int) -> None:
        kept = 0
        for path, _ in homes(self.folder):
            for link in _links_in(path):
                with contextlib.suppress(OSError):  # stored just now
                    kept += os.stat(link).st_size
        if kept + size > self._max_bytes:
            raise OSError(
                errno.EDQUOT,
                f"{kept} bytes of files wait already, spool_max_bytes is"
                f" {self._max_bytes}",
                self.folder,
            )

    def orphans(self) -> list[str]:
        """
        The links of dead processes, relative to the folder, now kept by this one.
        """
        found: list[str] = []
        with self._lock:
            for path, _ in homes(self.folder):
                home = Home.inherited(path)
                if home is None:
                    continue
                for name in os.listdir(path):
                    if name.startswith(_DRAFT):
                        os.unlink(os.path.join(path, name))
                links = list(_links_in(path))
                if links:
                    self._inherited.append(home)
                    found += links
                else:
                    home.remove()
        return [os.path.relpath(link, self.folder) for link in sorted(found)]

    def path(self, link: str) -> str:
        """
        Where *link* is.
        """
        return os.path.join(self.folder, link)

    def remove(self, link: str) -> None:
        """
        The file behind *link* is kept no longer.
        """
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(link))

    def close(self) -> None:
        """
        Leave what still waits to whoever comes next.
        """
        with self._lock:
            for home in self._homes():
                if any(_links_in(home.path)):
                    home.release()
                else:
                    home.remove()
            self._own, self._inherited = None, []


def _links_in(path: str) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(path):
            if _LINK.fullmatch(name):
                yield os.path.join(path, name)


def _keep(path: str, target: str) -> None:
    """
    Give the file at *path* another name, or copy it: there is all or nothing.
    """
    try:
        os.link(path, target)
    except (OSError, AttributeError, NotImplementedError):
        if not os.path.exists(path):
            raise
        draft = os.path.join(os.path.dirname(target), _DRAFT)
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(path, "rb") as source, open(fd, "wb") as copy:
                shutil.copyfileobj(source, copy, 1024 * 1024)
                copy.flush()
                os.fsync(copy.fileno())
            os.replace(draft, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise


class Journal:
    """
    Which files were accepted: a line each, in a file that processes share.

    A line that is lost to a crash, or to another process that compacts the
    file just then, makes a file come twice, and never not at all.

    Args:
        path: The journal.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._compact_at = _JOURNAL_BYTES

    def had(self) -> dict[str, str]:
        """
        The identity of each accepted file, by its path.
        """
        try:
            with open(self._path, "rb") as file:
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return {}
        found = {}
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):
                path, identity = json.loads(line)
                found[path] = identity
        return found

    def add(self, path: str, identity: str) -> None:
        """
        The file at *path* is accepted.

        Raises:
            OSError: It cannot be written down.
        """
        self._append(_line(path, identity))
        if os.stat(self._path).st_size > self._compact_at:
            self._compact()

    def _append(self, line: bytes) -> None:
        os.makedirs(os.path.dirname(self._path), 0o700, exist_ok=True)
        for _ in range(3):
            fd = os.open(
                self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
            )
            try:
                # it begins anew, for the last one may be half a line
                if os.write(fd, b"\n" + line) != len(line) + 1:
                    raise OSError(errno.ENOSPC, "no room", self._path)
                with contextlib.suppress(FileNotFoundError):
                    there = os.stat(self._path)
                    if os.path.samestat(os.fstat(fd), there):
                        return
            finally:
                os.close(fd)

    def _compact(self) -> None:
        """
        Forget files that are no longer there.
        """
        lines = [
            _line(path, identity)
            for path, identity in self.had().items()
            if os.path.lexists(path)
        ]
        draft = f"{self._path}.{os.getpid()}.tmp"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "wb") as file:
            size = file.write(b"".join(lines))
        os.replace(draft, self._path)
        self._compact_at = max(_JOURNAL_BYTES, 2 * size)


def _line(path: str, identity: str) -> bytes:
    return json.dumps([path, identity]).encode() + b"\n"
