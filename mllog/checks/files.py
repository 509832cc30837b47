"""
The files that handlers write: whether they can, and how they rotate.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError, shown
from ..rotation import log_path
from .findings import Report
from .model import Part, Setup

__all__ = ["check", "check_making"]

_OURS = "mllog.TimestampedRotatingFileHandler"
_EFFECTIVE: Mapping[str, Any] = (
    {"effective_ids": True} if os.access in os.supports_effective_ids else {}
)


def check(setup: Setup, report: Report) -> None:
    """
    Report files that cannot be written, or not as they are meant to be.
    """
    writers: dict[str, Part] = {}
    for handler in setup.handlers.values():
        path = _path(handler)
        if path:
            _check_folder(handler, path, report)
            _check_shared(handler, writers.setdefault(path, handler), report)
        if handler.cls is not None:
            _check_rotation(handler, report)


def _path(handler: Part) -> str:
    """
    The file of *handler*; ``""`` if it has none, or none that is known.
    """
    name, folder = handler.get("filename"), handler.get("directory")
    if not isinstance(name, (str, os.PathLike)) or not handler.cls:
        return ""
    if not isinstance(folder, (str, os.PathLike, type(None))):
        return ""
    try:
        if handler.is_ours:
            return log_path(name, folder)
        return os.path.abspath(name)
    except (ConfigError, ValueError):  # a null byte
        return ""


def _check_folder(handler: Part, path: str, report: Report) -> None:
    folder = os.path.dirname(path)
    place = handler.place(
        "directory" if handler.get("directory") else "filename"
    )
    given = os.fsdecode(handler.get("directory") or handler.get("filename"))
    if given.startswith("~") and not handler.is_ours:
        report.warning(
            place, f"{given}: logging does not expand ~", "write the path out"
        )
    if os.path.isdir(path):
        report.error(place, f"{path} is a folder", "name a file in it")
    elif os.path.exists(path):
        if not _may(path, os.W_OK):
            report.error(place, f"{path} cannot be written", _rights(path))
    elif os.path.isdir(folder):
        if not _may(folder, os.W_OK | os.X_OK):
            report.error(place, f"{folder} cannot be written", _rights(folder))
    elif not handler.is_ours:
        report.error(
            place,
            f"the folder {folder} is not there, and {handler.label} does not"
            " make it",
            f"make it, or write {_OURS}",
        )
    else:
        check_making(folder, place, report)


def check_making(
    folder: str, place: tuple[str | int, ...], report: Report
) -> None:
    """
    Report a folder that mllog's handlers could not make.

    Args:
        folder: The folder.

        place: Where the configuration names it.

        report: Takes what is found.
    """
    above = folder
    while not os.path.lexists(above) and os.path.dirname(above) != above:
        above = os.path.dirname(above)
    if not os.path.isdir(above):
        report.error(
            place,
            f"the folder {folder} cannot be made: {above} is no folder",
            "name another one",
        )
    elif not _may(above, os.W_OK | os.X_OK):
        report.error(
            place,
            f"the folder {folder} cannot be made: {above} cannot be written",
            _rights(above),
        )


def _may(path: str, mode: int) -> bool:
    return os.access(path, mode, **_EFFECTIVE)


def _rights(path: str) -> str:
    return f"give this user the right to write {path}, or name another place"


def _check_shared(handler: Part, first: Part, report: Report) -> None:
    if handler is first:
        return
    pair = (first, handler)
    rotating = [part for part in pair if part.is_a("BaseRotatingHandler")]
    kinds = {part.is_a("LatencyCSVHandler") for part in pair}
    place = handler.place("filename")
    if rotating:
        report.error(
            place,
            f"the same file as handler {first.name!r}: when"
            f" {rotating[0].label} renames it, the other goes on in the old"
            " one",
            f"name another file, or write {_OURS} for both",
        )
    elif len(kinds) > 1:
        report.error(
            place,
            f"the same file as handler {first.name!r}: rows of CSV among log"
            " lines",
            "name another file",
        )
    elif any(str(part.get("mode", "a")).startswith("w") for part in pair):
        report.error(
            place,
            f"the same file as handler {first.name!r}, and mode w empties it",
            "name another file",
        )


def _check_rotation(handler: Part, report: Report) -> None:
    if not handler.is_complete:
        return
    if handler.is_a("RotatingFileHandler"):
        _check_stdlib_rotation(handler, report)
    elif handler.is_a("TimestampedRotatingFileHandler", "LatencyCSVHandler"):
        _check_our_rotation(handler, report)


def _check_stdlib_rotation(handler: Part, report: Report) -> None:
    size = handler.get("maxBytes", 0)
    count = handler.get("backupCount", 0)
    if size == 0:
        report.warning(
            handler.place("backupCount") if count else handler.path,
            f"{handler.label} without maxBytes never rotates",
            "add maxBytes, in bytes",
        )
    elif count == 0:
        report.warning(
            handler.place("maxBytes"),
            f"{handler.label} with backupCount 0 never rotates: the file"
            " grows without limit",
            f"add backupCount, 1 or more, or write {_OURS}",
        )


def _check_our_rotation(handler: Part, report: Report) -> None:
    if _is_off(handler.get("maxBytes")) and not handler.get("when"):
        for option in ("backupCount", "max_age_days", "max_total_bytes"):
            if not _is_off(handler.get(option)):
                report.warning(
                    handler.place(option),
                    f"{shown(option, handler.get(option))} without maxBytes"
                    " and when: nothing rotates, so nothing is deleted",
                    "add maxBytes or when",
                )
    if handler.get("mode", "a") != "a" and not _is_off(
        handler.get("maxBytes")
    ):
        report.warning(
            handler.place("mode"),
            f"{shown('mode', handler.get('mode'))} is a here, for the file"
            " rotates by maxBytes",
            "take it out",
        )


def _is_off(value: Any) -> bool:
    return value in (None, 0, "", "0")
