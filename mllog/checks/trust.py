"""
Refuse what could run foreign code, for configurations of unknown origin.
"""

from __future__ import annotations

import configparser
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .. import env
from ..errors import ConfigError
from . import classes, literals
from .fileconfig import full_name
from .findings import Report
from .lines import Path
from .model import walk

__all__ = ["refuse", "refuse_ini"]

_EXTERNAL = re.compile(r"ext://(.*)", re.DOTALL)
_STREAM = re.compile(r"sys\.(?:std(?:in|out|err)|__std(?:in|out|err)__)")
_BASES = (logging.Handler, logging.Formatter, logging.Filter)
# Options whose text is the name of something to import, and later to call
_LOADING = frozenset(
    {
        "json_default",
        "json_encoder",
        "json_serializer",
        "listener",
        "on_rotate",
        "queue",
    }
)
# Options whose text is such a name only if it has a dot
_LOADING_DOTTED = frozenset({"reduce", "registry"})


def refuse(config: Any, report: Report, allow: Sequence[str]) -> None:
    """
    Report what ``dictConfig`` would import or set beyond logging and mllog.
    """
    _Guard(report, allow).walk(config, ())


def refuse_ini(
    config: configparser.ConfigParser, report: Report, allow: Sequence[str]
) -> None:
    """
    Report what ``fileConfig`` would import or evaluate beyond that.
    """
    guard = _Guard(report, allow)
    for section in config.sections():
        kind, _, _ = section.partition("_")
        if kind not in ("handler", "formatter"):
            continue
        for key in ("class", "args", "kwargs", "defaults"):
            try:
                text = config.get(
                    section, key, raw=key == "defaults", fallback=None
                )
            except configparser.InterpolationError:  # reported by fileconfig
                continue
            if text is None:
                continue
            if key == "class":
                guard.name(full_name(text, f"{kind}s"), (section, key))
            else:
                guard.code(text, (section, key))


class _Guard:
    """
    What may be named, and the report of what was.
    """

    def __init__(self, report: Report, allow: Sequence[str]) -> None:
        self._report = report
        self._allow = tuple(prefix.rstrip(".") for prefix in allow)

    def walk(self, value: Any, path: Path) -> None:
        """
        Look at everything in *value*.
        """
        for each, place in walk(value, path):
            if isinstance(each, Mapping):
                for key in each:
                    self._key(str(key), each[key], (*place, str(key)))
            else:
                self._single(each, place)

    def name(self, dotted: Any, path: Path) -> None:
        """
        Refuse the name of a class that is not allowed.
        """
        text = dotted if isinstance(dotted, str) else ""
        if any(
            text == prefix or text.startswith(f"{prefix}.")
            for prefix in self._allow
        ):
            return
        cls = classes.find(text)
        if cls is None or not issubclass(cls, _BASES):
            self._report.error(
                path,
                f"untrusted: {text or type(dotted).__name__} is not a class of"
                " logging or mllog",
                f"if it is safe: --allow {text}" if text else "",
            )

    def code(self, text: str, path: Path) -> None:
        """
        Refuse Python that is more than literals and the standard streams.
        """
        try:
            found = literals.read(text)
        except ConfigError:  # reported by fileconfig
            return
        self.walk(found, path)
        filters = found.get("filters") if isinstance(found, dict) else None
        for each in filters if isinstance(filters, list) else [filters]:
            if isinstance(each, str):  # a name that the handler imports
                self.name(each, path)

    def _key(self, key: str, value: Any, path: Path) -> None:
        names_code = key == "class" or key in _LOADING
        if key in _LOADING_DOTTED and isinstance(value, str):
            names_code = "." in value
        if key == "()" or (names_code and isinstance(value, str)):
            self.name(value, path)
        elif key == ".":
            self._report.error(
                path,
                "untrusted: . sets any attribute",
                "give options instead",
            )

    def _single(self, value: Any, path: Path) -> None:
        if value is literals.CODE:
            self._report.error(
                path,
                "untrusted: Python code that fileConfig would run",
                "write literals, or sys.stdout or sys.stderr",
            )
        elif isinstance(value, str) and (match := _EXTERNAL.fullmatch(value)):
            name = match[1]
            setting = name.removeprefix("mllog.env.")
            if not _STREAM.fullmatch(name) and not (
                setting != name and setting in env.SETTINGS
            ):
                self._report.error(
                    path,
                    f"untrusted: {value} is neither a standard stream nor a"
                    " setting of mllog.env",
                    "write the value itself",
                )
