"""
The classes of logging and mllog: found by name, asked for their options.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import nearest
from ..options import constructors

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
    names: list[str] = []
    positional: list[str] = []
    required: list[str] = []
    for index, init in enumerate(constructors(cls)):
        found = list(inspect.signature(init).parameters.values())[1:]
        for each in found:
            if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
                continue
            names.append(each.name)
            if index == 0 and each.kind is not each.KEYWORD_ONLY:
                positional.append(each.name)
            if index == 0 and each.default is each.empty:
                required.append(each.name)
    return Options(
        tuple(dict.fromkeys(names)), tuple(positional), tuple(required)
    )


def defaults_of(cls: type | None) -> dict[str, Any]:
    """
    What holds for the options of *cls* that are not given.
    """
    found: dict[str, Any] = {}
    for init in constructors(cls) if cls else ():
        for each in inspect.signature(init).parameters.values():
            if each.default is not each.empty:
                found.setdefault(each.name, each.default)
    return found
