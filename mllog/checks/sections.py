"""
The sections of an INI file: which are read, and which of their keys.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Sequence

from ..errors import nearest, shown
from . import classes
from .findings import Report
from .lines import Lines

__all__ = ["PREFIXES", "Sections", "split"]

PREFIXES = {
    "loggers": "logger_",
    "handlers": "handler_",
    "formatters": "formatter_",
}
# fileConfig takes their % as it is
_RAW = ("format", "datefmt", "style", "defaults")
_INTERPOLATED = re.compile(r"%\((\w+)\)s")


def split(text: str) -> list[str]:
    """
    The names in a list with commas, as fileConfig splits it.
    """
    return [name.strip() for name in text.split(",")] if text else []


class Sections:
    """
    The sections of one file, and the report of what is wrong with them.
    """

    def __init__(
        self,
        config: configparser.ConfigParser,
        report: Report,
        lines: Lines,
    ) -> None:
        self._config = config
        self._lines = lines
        self.report = report

    def names(self, kind: str) -> list[str]:
        """
        The names in the ``keys`` of *kind* that have a section.
        """
        if not self.has(kind, "keys"):
            what = "keys" if self._config.has_section(kind) else "section"
            self.report.error(
                (kind,),
                f"the {what} of {kind} is missing",
                f"add [{kind}] with keys = …, empty if there are none",
            )
            return []
        listed = split(self.get(kind, "keys"))
        self._compare(kind, listed)
        prefix = PREFIXES[kind]
        return [
            name for name in listed if self._config.has_section(prefix + name)
        ]

    def has(self, section: str, key: str) -> bool:
        """
        Whether *section* or ``[DEFAULT]`` has *key*.
        """
        return self._config.has_option(section, key)

    def get(self, section: str, key: str, default: str = "") -> str:
        """
        A value as fileConfig reads it.
        """
        try:
            return self._config.get(
                section, key, raw=key in _RAW, fallback=default
            )
        except configparser.InterpolationError as exc:
            # not str(exc): it quotes the value, which may hold a secret
            missing = getattr(exc, "reference", "")
            self.report.error(
                (section, key),
                f"%({missing})s is defined nowhere"
                if missing
                else "a % begins no %(name)s",
                "write %% for a percent sign, or add the name to [DEFAULT]",
            )
            return default

    def check_keys(
        self, section: str, known: Sequence[str], cls: type | None
    ) -> None:
        """
        Report the keys of *section* that nothing reads.

        Those of ``[DEFAULT]`` are in every section, and those that another
        value of the section takes in by ``%(key)s`` are read there.
        """
        raw = dict(self._config.items(section, raw=True))
        taken = {
            name.lower()
            for key in known
            for name in _INTERPOLATED.findall(raw.get(key, ""))
        }
        read = {*known, *taken, *self._config.defaults()}
        for key in [each for each in raw if each not in read]:
            spelled = self._lines.spelled.get((section, key), key)
            self.report.error(
                (section, key),
                f"fileConfig ignores {spelled}: of this section it reads only"
                f" {', '.join(known)}",
                _mend(section, spelled, raw[key], known, cls),
            )

    def _compare(self, kind: str, listed: list[str]) -> None:
        """
        Report names without a section, and sections without a name.
        """
        prefix = PREFIXES[kind]
        there = [
            each.removeprefix(prefix)
            for each in self._config.sections()
            if each.startswith(prefix)
        ]
        for name in listed:
            if name not in there:
                near = nearest(name, there)
                self.report.error(
                    (kind, "keys"),
                    f"there is no section [{prefix}{name}]",
                    f"write {near}" if near else "add it",
                )
        for name in there:
            if name not in listed:
                self.report.warning(
                    (prefix + name,),
                    f"the section is not read: keys of [{kind}] lack {name}",
                    f"add {name} to them, or take the section out",
                )


def _mend(
    section: str,
    key: str,
    value: str,
    known: Sequence[str],
    cls: type | None,
) -> str:
    """
    Where an ignored key belongs.
    """
    names = classes.options_of(cls).names if cls else ()
    same = (each for each in names if each.lower() == key.lower())
    option = next(same, "")
    if section.startswith("handler_") and (option or cls is None):
        is_plain = value.isdigit() and value in shown(key, value)
        plain = value if is_plain else "…"  # it may be a secret
        return f'write kwargs = {{"{option or key}": {plain}}}'
    if section.startswith("formatter_") and option:
        return (
            f'write "formatter_options": {{"{option}": …}} into the kwargs of'
            " an mllog handler"
        )
    if section.startswith("logger_") and key == "filters":
        return 'write "filters": […] into the kwargs of an mllog handler'
    near = nearest(key, (*known, *names))
    return f"write {near}" if near else "take it out"
