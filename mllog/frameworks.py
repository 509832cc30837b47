"""
What a framework needs to log by mllog: files to start from, and what to do next.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .config import presets_folder
from .errors import ConfigError, PresetNotFoundError, nearest

if TYPE_CHECKING:
    from importlib.abc import Traversable

__all__ = ["Framework", "framework", "framework_names"]

_ABOUT = "init.json"


@dataclass(frozen=True)
class Framework:
    """
    A configuration to start from.

    Args:
        name: The framework.

        title: What one gets, in a line.

        files: What each file is, by its path below the project, with ``/``.

        next: The lines that are to be added or run then, as they are typed.

        page: The page of the documentation.
    """

    name: str
    title: str
    files: Mapping[str, str]
    next: tuple[str, ...]
    page: str

    def content(self, file: str) -> bytes:
        """
        What one of its files holds.
        """
        return _within(_folder() / self.name, file).read_bytes()


def framework_names() -> list[str]:
    """
    The frameworks that there is a configuration for.
    """
    return sorted(
        entry.name
        for entry in _folder().iterdir()
        if entry.is_dir() and (entry / _ABOUT).is_file()
    )


def framework(name: str) -> Framework:
    """
    What there is for a framework.

    Raises:
        PresetNotFoundError: Nothing is.

        ConfigError: What is there is not as it must be.
    """
    known = framework_names()
    if name not in known:
        near = nearest(name, known)
        raise PresetNotFoundError(
            f"there is nothing for a framework called {name!r}",
            expected="one of " + ", ".join(known),
            fix=f"write {near}" if near else "",
        )
    folder = _folder() / name
    about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    return _checked(name, about, folder)


def _folder() -> Traversable:
    return presets_folder() / "frameworks"


def _checked(name: str, about: Any, folder: Traversable) -> Framework:
    """
    *about* as a value, if it is one.
    """
    owner = f"frameworks/{name}/{_ABOUT}"
    keys = {"title": str, "files": dict, "next": list, "page": str}
    if not isinstance(about, dict) or about.keys() != keys.keys():
        raise ConfigError(
            "its keys are wrong", expected=", ".join(keys), owner=owner
        )
    for key, kind in keys.items():
        if not isinstance(about[key], kind) or not about[key]:
            raise ConfigError(
                f"{key}={about[key]!r}",
                expected=f"a {kind.__name__} that is not empty",
                owner=owner,
            )
    for file in about["files"]:
        if not _is_below(file) or not _within(folder, file).is_file():
            raise ConfigError(
                f"files names {file!r}",
                expected=f"a file in frameworks/{name}, with / and without ..",
                owner=owner,
            )
    return Framework(
        name,
        about["title"],
        dict(about["files"]),
        tuple(map(str, about["next"])),
        about["page"],
    )


def _is_below(file: str) -> bool:
    is_plain = file == posixpath.normpath(file) and file != _ABOUT
    return is_plain and not file.startswith(("/", "../")) and ":" not in file


def _within(folder: Traversable, file: str) -> Traversable:
    for part in file.split("/"):  # a zip takes only one at a time before 3.12
        folder = folder / part
    return folder
