"""
The classes of logging and mllog: found by name, asked for their options.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import nearest
from ..options import REQUIRED, declared

__all__ = [
    "Options",
    "covers",
    "defaults_of",
    "find",
    "options_of",
    "suggestion",
]

# Only modules of which the import does nothing: mllog.__main__, for one, runs.
_HOME = re.compile(
    r"mllog(?:\.filters|\.metrics|\.(?:handlers|formatters)(?:\.[a-z0-9_]+)?)?"
    r"|logging(?:\.handlers)?"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


def covers(dotted: str) -> bool:
    """
    Whether *dotted* says that it is in a module that is looked into.
    """
    return _HOME.fullmatch(dotted.rpartition(".")[0]) is not None


def find(dotted: str) -> type | None:
    """
    The class that *dotted* means, if it is one of logging or mllog.

    Nothing else is imported, and nothing that such a module imported counts:
    ``logging.os.system`` is not found.
    """
    home, _, name = dotted.rpartition(".")
    if not _NAME.fullmatch(dotted) or not _HOME.fullmatch(home):
        return None
    try:
        found = getattr(importlib.import_module(home), name, None)
    except ImportError:
        return None
    if not isinstance(found, type) or found.__name__ != name:
        return None
    belongs = found.__module__.split(".")[0] == home.split(".")[0]
    return found if belongs else None


def suggestion(dotted: str, kind: str) -> str:
    """
    The full name of the class that *dotted* was most likely meant to be.
    """
    known = dict(_names(kind.removesuffix("s").capitalize()))
    near = nearest(dotted.rpartition(".")[2], known)
    return known[near] if near else ""


def _names(ending: str) -> Iterator[tuple[str, str]]:
    """
    Short and full names of the classes of a kind; logging's own win.
    """
    for home in ("mllog", "logging.handlers", "logging"):
        module = importlib.import_module(home)
        for name in getattr(module, "__all__", vars(module)):
            if name.endswith(ending):
                yield name, f"{home}.{name}"


@dataclass(frozen=True)
class Options:
    """
    What a class takes.

    Args:
        names: Options by name, in order.

        positional: Those that may stand in ``args``, in order.

        required: Those without a default.
    """

    names: tuple[str, ...]
    positional: tuple[str, ...]
    required: tuple[str, ...]


def options_of(cls: type) -> Options:
    """
    The options of *cls*, and of its bases as far as it passes options on.
    """
    known = declared(cls)
    return Options(
        tuple(known),
        tuple(name for name in known if known[name].is_positional),
        tuple(name for name in known if known[name].default is REQUIRED),
    )


def defaults_of(cls: type | None) -> dict[str, Any]:
    """
    What holds for the options of *cls* that are not given.
    """
    known = declared(cls) if cls else {}
    return {
        name: option.default
        for name, option in known.items()
        if option.default is not REQUIRED
    }
