"""
Logs in files and folders, while others write and rotate them.
"""

from __future__ import annotations

import glob
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import BinaryIO, NamedTuple

from ..errors import ConfigError
from .names import LogName, is_table, log_name
from .sources import LogFile

__all__ = ["Files", "folders", "live_logs", "log_file", "rotated_from"]

# So long after its last change a folder does not change while it is listed.
_SETTLED_NS = 1_000_000_000
_LISTINGS = 3


class _Named(NamedTuple):
    name: LogName
    path: str


class Files:
    """
    The logs that a path means: a file, a folder and all below it, or a glob.

    Args:
        path: The path.

    Raises:
        ConfigError: There is nothing, or it may not be read.
    """

    is_remote = False

    def __init__(self, path: str) -> None:
        self._paths = [path] if os.path.exists(path) else _matches(path)
        if not self._paths:
            raise ConfigError(
                f"there is no {path!r}",
                expected="a file, a folder, a glob that matches some, or"
                " s3://bucket/prefix",
                fix="mend the path; a relative one begins in the working"
                f" directory, {os.getcwd()}",
            )
        for each in self._paths:
            if not os.access(each, os.R_OK):
                raise ConfigError(
                    f"{each!r} may not be read by this user",
                    fix="chmod it, or run as a user who may",
                )

    def files(self, skipped: Counter[str]) -> Iterator[LogFile]:
        """
        Rotated files before the live one, oldest first; else by name.

        Files in a folder that are no logs by their name are passed over.
        """
        for path in self._paths:
            if os.path.isdir(path):
                yield from _in_folder(path, _slashed(path), skipped)
            else:
                base = os.path.dirname(path)
                yield log_file(path, _slashed(base))

    def payload(
        self, root: str, ref: str, extension: str | None
    ) -> bytes | None:
        """
        What ``payloads/<ref[:2]>/<ref>`` below *root* holds, or None.

        Raises:
            OSError: It is there and cannot be read.
        """
        path = f"{root}payloads/{ref[:2]}/{ref}"
        if extension is None:
            found = glob.glob(f"{glob.escape(path)}*")
            path = min(found, default="")
        else:
            path += extension
        try:
            with open(path, "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None


def rotated_from(path: str) -> list[str]:
    """
    The files that were rotated from the live file *path*, oldest first.

    Where *path* is a link, they are beside the file that it leads to.
    """
    if os.path.islink(path):
        path = os.path.realpath(path)
    folder, live = os.path.split(path)
    try:
        found = _listed_again(folder, live, None)
    except OSError:
        return []
    return _oldest_first(found, but=path)


def live_logs(path: str, skipped: Counter[str]) -> list[str]:
    """
    The live files that a path means: itself, those below it, or of a glob.

    A rotated file stands for itself.  Those of CSV are left out where there
    are others: their rows are records that the others have in full.

    Args:
        path: The path.

        skipped: Counts folders that are ``unreadable``.

    Raises:
        ConfigError: It is neither a file nor a folder, but a pipe or the like.
    """
    if os.path.isdir(path):
        found = [
            _live(entry.path)
            for _, entries, _ in folders(path, skipped)
            for entry in entries
            if _is_file(entry) and log_name(_slashed(entry.path))
        ]
    elif glob.has_magic(path) and not os.path.exists(path):
        found = [
            _live(each) for each in _matches(path) if not os.path.isdir(each)
        ]
    elif os.path.exists(path) and not os.path.isfile(path):
        raise ConfigError(
            f"{path!r} is a pipe, a socket or a device",
            expected="a file that can be read again from its end, or a folder",
            fix="write what it gives to a file",
        )
    else:
        return [path]
    found = list(dict.fromkeys(sorted(found)))
    return [each for each in found if not is_table(each)] or found


def _live(path: str) -> str:
    folder, base = os.path.split(path)
    name = log_name(_slashed(path))
    return os.path.join(folder, name.live if name else base)


def _slashed(path: str) -> str:
    return path.replace(os.sep, "/")


def _matches(pattern: str) -> list[str]:
    """
    What a glob matches: logs, and if there are none among them anything.
    """
    if not glob.has_magic(pattern):
        return []
    found = [
        path
        for path in glob.glob(pattern, recursive=True)
        if os.path.isdir(path)
        # no pipe, which would have us wait
        or (os.path.isfile(path) and not path.endswith(".tmp"))
    ]
    files = [path for path in found if not os.path.isdir(path)]
    logs = [path for path in files if log_name(_slashed(path))] or files
    # ** gives a folder and what is in it
    folders = [] if logs else [path for path in found if path not in files]
    return sorted(logs, key=_order) + sorted(folders)


def _order(path: str) -> tuple[str, str, tuple[int, str, int]]:
    folder, base = os.path.split(path)
    name = log_name(_slashed(path))
    return (
        folder,
        name.live if name else base,
        name.order if name else (0, "", 0),
    )


def log_file(path: str, base: str) -> LogFile:
    """
    The file at *path*, which may be compressed before it is opened.
    """
    return LogFile(_slashed(path), base, partial(_open, path))


def _open(path: str) -> BinaryIO:
    try:
        return open(path, "rb", buffering=0)
    except FileNotFoundError:  # compressed since it was listed
        return open(f"{path}.gz", "rb", buffering=0)


def folders(
    top: str, skipped: Counter[str]
) -> Iterator[tuple[str, list[os.DirEntry[str]], int]]:
    """
    *top* and the folders below it, with what is in them, by name.

    Links to folders are not followed, and hidden folders left out.  However
    deep they are, no recursion is needed.

    Args:
        top: A folder.

        skipped: Counts those that are ``unreadable``.

    Yields:
        A folder, its entries, and when it was changed before it was listed.
    """
    left = [top]
    while left:
        folder = left.pop()
        since = _changed(folder)
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            skipped["unreadable"] += 1
            continue
        yield folder, found, since
        left += [
            entry.path
            for entry in reversed(found)
            if not entry.name.startswith(".") and _is_folder(entry)
        ]


def _in_folder(
    top: str, base: str, skipped: Counter[str]
) -> Iterator[LogFile]:
    for folder, found, since in folders(top, skipped):
        logs = _logs(entry.path for entry in found if _is_file(entry))
        for live in sorted(logs):
            yield from _group(folder, base, live, logs[live], since)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()  # no pipe, which would have us wait
    except OSError:
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _logs(paths: Iterable[str]) -> dict[str, list[_Named]]:
    """
    The logs among *paths*, by the live file that they are or were.
    """
    found: dict[str, list[_Named]] = defaultdict(list)
    for path in paths:
        name = log_name(_slashed(path))
        if name:
            found[name.live].append(_Named(name, path))
    return found


def _changed(folder: str) -> int:
    with suppress(OSError):
        return os.stat(folder).st_mtime_ns
    return 0


def _group(
    folder: str, base: str, live: str, found: list[_Named], since: int
) -> Iterator[LogFile]:
    """
    A live file and those rotated from it, also if it rotates meanwhile.
    """
    path = os.path.join(folder, live)
    has_live = any(each.path == path for each in found)
    # the time of a change is that of the last tick, and many fit into one
    is_moving = (
        _changed(folder) != since or time.time_ns() - since < _SETTLED_NS
    )
    file = None
    if has_live or is_moving:
        try:
            file = _open(path)
        except FileNotFoundError:
            is_moving = True
        except OSError:  # which is counted when it is opened again
            pass
    try:
        if is_moving:
            opened = os.fstat(file.fileno()) if file else None
            with suppress(OSError):  # the folder is gone, and so are they
                again = _listed_again(folder, live, opened)
                if not set(again) <= set(found):  # it is one of them by now
                    has_live = False
                found = again
        for rotated in _oldest_first(found, but=path):
            yield log_file(rotated, base)
        if file:
            yield LogFile(_slashed(path), base, partial(_same, file))
        elif has_live:
            yield log_file(path, base)
    finally:
        if file:
            file.close()


def _same(file: BinaryIO) -> BinaryIO:
    return file


def _listed_again(
    folder: str, live: str, opened: os.stat_result | None
) -> list[_Named]:
    found = {}
    # what is renamed while a folder is listed may be missing in the list
    for _ in range(_LISTINGS):
        paths = (
            os.path.join(folder, name)
            for name in os.listdir(folder or os.curdir)
            if name.startswith(live)
        )
        found.update({each.path: each for each in _logs(paths)[live]})
    return [
        each
        for each in found.values()
        if not _is_same(each.path, opened) and _is_there(each.path)
    ]


def _is_there(path: str) -> bool:
    """
    Whether *path* is a file, or became one that is compressed.
    """
    return os.path.isfile(path) or os.path.isfile(f"{path}.gz")


def _is_same(path: str, opened: os.stat_result | None) -> bool:
    with suppress(OSError):
        return opened is not None and os.path.samestat(os.stat(path), opened)
    return False


def _oldest_first(found: list[_Named], but: str = "") -> list[str]:
    plain = {each.name.order for each in found if not each.name.is_packed}
    return [
        each.path
        for each in sorted(found, key=lambda each: each.name.order)
        if each.path != but and not _is_twin(each.name, plain)
    ]


def _is_twin(name: LogName, plain: set[tuple[int, str, int]]) -> bool:
    """
    Whether it is what a crash between compressing and deleting leaves.
    """
    return name.is_packed and name.is_rotated and name.order in plain
