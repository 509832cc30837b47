"""
Runs: which folder a record's events go to.
"""

from __future__ import annotations

import os
import socket
import string
import time
from collections.abc import Callable
from typing import Final

from .. import options
from ..errors import ConfigError, nearest, shown
from ..forking import fork_safe_lock, tell_child
from ..metrics.labels import OTHER
from .files import EventFile, safe

__all__ = ["RUN", "Runs"]

#: One folder for each start of the application.
RUN: Final = "{start}"

_NAMES: Final = ("start", "host", "pid")
_EXPECTED: Final = "text with {start}, {host} or {pid}"
_start = ""


def _started() -> str:
    """
    When the first handler of this application was made, for all its forks.
    """
    global _start
    _start = _start or time.strftime("%Y%m%d-%H%M%S")
    return _start


class Runs:
    """
    The event files of a handler, by the labels of records.

    A run is the folder ``<log_dir>/<run>/<label>/<label>…``; labels that are
    missing at the end leave nothing, others ``_``.

    Args:
        log_dir: The folder that TensorBoard is given.

        run: What a run is called: text with ``{start}``, ``{host}`` and
            ``{pid}``; ``""`` is *log_dir* itself.

        most: Sets of labels kept apart; further ones are the run ``other``.

        head: Gives the event that each file begins with.

        relabel: Told of each use of ``other`` for want of a file.

    Raises:
        ConfigError: A name that cannot be a folder's.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        run: str,
        most: int,
        head: Callable[[], bytes],
        relabel: Callable[[], None] = lambda: None,
    ) -> None:
        self.log_dir = os.path.abspath(options.path("log_dir", log_dir))
        self._run = _template("run", run)
        self._most = most
        self._head = head
        self._relabel = relabel
        self._start = _started()
        self._lock = fork_safe_lock()
        self._files: dict[str, EventFile] = {}
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: its own files.
        """
        for file in self._files.values():
            file.close()
        self._files.clear()

    @property
    def folder(self) -> str:
        """
        The folder of records without labels.
        """
        names = {
            "start": self._start,
            "host": safe(socket.gethostname()),
            "pid": str(os.getpid()),
        }
        return os.path.join(self.log_dir, self._run.format_map(names))

    def of(self, labels: tuple[str, ...]) -> EventFile:
        """
        The file for records with these label values.
        """
        if labels and all(label == OTHER for label in labels):
            labels = (OTHER,)
        name = _path_of(labels)
        file = self._files.get(name)
        if file is not None:
            return file
        with self._lock:
            if name and name != OTHER and self._labelled >= self._most:
                name = OTHER
                self._relabel()
            file = self._files.get(name)
            if file is None:
                file = EventFile(lambda: self._folder_of(name), self._head)
                self._files[name] = file
            return file

    @property
    def _labelled(self) -> int:
        return len(self._files.keys() - {"", OTHER})

    def _folder_of(self, name: str) -> str:
        return os.path.join(self.folder, *name.split("/")).rstrip("/")

    def close(self) -> None:
        """
        Let go of all files.
        """
        for file in list(self._files.values()):
            file.close()


def _path_of(labels: tuple[str, ...]) -> str:
    found = list(labels)
    while found and not found[-1]:
        found.pop()
    return "/".join(map(safe, found))


def _template(option: str, value: str) -> str:
    """
    *value*, if all it can become is a folder below another.
    """
    if value == "":
        return value
    text = options.text(option, value)
    for name in _names_in(option, text):
        if name not in _NAMES:
            near = nearest(name, _NAMES)
            raise ConfigError(
                f"{shown(option, value)} uses {{{name}}}",
                expected=_EXPECTED,
                fix=f"write {{{near}}}" if near else "list fields in labels",
            )
    parts = text.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise ConfigError(
            shown(option, value),
            expected="the path of a folder below log_dir: experiment/7",
        )
    return text


def _names_in(option: str, text: str) -> list[str]:
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as exc:
        raise ConfigError(
            f"{shown(option, text)}: {exc}", expected=_EXPECTED
        ) from None
    return [
        f"{name}!{how}" if how else f"{name}:{form}" if form else name
        for _, name, form, how in parsed
        if name is not None
    ]
