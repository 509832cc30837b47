"""
What stands before the text of a syslog message: priority, time, names, number.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any, Final

from .. import options
from ..errors import ConfigError, nearest, shown
from ..forking import tell_child
from ..timestamps import utc
from .structured_data import text_of

__all__ = ["FACILITIES", "SEVERITIES", "SyslogHeader", "facility_of"]

#: Where a message comes from: the names of the stdlib, and RFC 5424's others.
FACILITIES: Final[Mapping[str, int]] = {
    "kern": 0,
    "user": 1,
    "mail": 2,
    "daemon": 3,
    "auth": 4,
    "syslog": 5,
    "lpr": 6,
    "news": 7,
    "uucp": 8,
    "cron": 9,
    "authpriv": 10,
    "ftp": 11,
    "ntp": 12,
    "security": 13,
    "audit": 13,
    "console": 14,
    "alert": 14,
    "solaris-cron": 15,
    "clock": 15,
    **{f"local{number}": 16 + number for number in range(8)},
}

#: How urgent a message is, 0 the most: the names of the stdlib and the RFC.
SEVERITIES: Final[Mapping[str, int]] = {
    "emerg": 0,
    "emergency": 0,
    "panic": 0,
    "alert": 1,
    "crit": 2,
    "critical": 2,
    "err": 3,
    "error": 3,
    "warn": 4,
    "warning": 4,
    "notice": 5,
    "info": 6,
    "informational": 6,
    "debug": 7,
}

# The lowest level of each severity; what is below them all is debug.
_FLOORS = ((60, 1), (50, 2), (40, 3), (30, 4), (25, 5), (20, 6))
_LONGEST = {"hostname": 255, "app_name": 48, "procid": 128, "msgid": 32}
_MOST_REMEMBERED = 1000
_LAST_SEQUENCE_ID = 2**31 - 1
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_not_printable = re.compile("[^!-~]")
_not_alphanumeric = re.compile("[^0-9A-Za-z]")


class SyslogHeader:
    """
    The header of a message, from its ``<`` to where data or text begin.

    Guarantee:
        Any record gives a valid header, and no exception.

    Args:
        is_new: Whether it is RFC 5424's, else RFC 3164's.

        facility: One of :data:`FACILITIES`, or its number.

        level_severities: Severities of levels, each by name or number.

        names: ``hostname``, ``app_name``, ``procid`` and ``msgid`` as they
            are configured; None is what the process or the record says.

        name_fields: The fields of a record that have precedence over the last
            three.

        numbers: Whether ``[meta sequenceId="…"]`` ends the header.

        longest_procid: Characters of a PROCID.

    Raises:
        ConfigError: One of them has a value that cannot work.
    """

    def __init__(
        self,
        *,
        is_new: bool,
        facility: Any,
        level_severities: Any,
        names: Mapping[str, Any],
        name_fields: Mapping[str, Any],
        numbers: bool,
        longest_procid: int,
    ) -> None:
        self._is_new = is_new
        self._facility = facility_of("facility", facility)
        self._severities = _severities(level_severities)
        self._names = {each: _name(each, names[each]) for each in names}
        self._name_fields = {
            each: options.optional(
                options.text, f"{each}_field", name_fields[each]
            )
            for each in name_fields
        }
        self._is_fixed = not any(self._name_fields.values())
        self._longest = {**_LONGEST, "procid": longest_procid}
        self._numbers = numbers
        self._time = utc if is_new else _local
        # by level; by logger and process
        self._starts: dict[Any, str] = {}
        self._ids: dict[tuple[Any, Any], str] = {}
        self._sequence = itertools.count()
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: the parent numbers its own messages.
        """
        self._sequence = itertools.count()
        self._ids.clear()  # without logging.logProcesses they are the parent's

    def of(self, record: logging.LogRecord) -> str:
        """
        The header of *record*, and what divides it from the rest.
        """
        # The hot path: called once per record.
        try:
            start = self._starts[record.levelno]
            ids = self._ids[record.name, record.process]
        except Exception:  # new, or nothing that a dict can look for
            start, ids = self._start_of(record), self._ids_of(record)
        if self._numbers:
            number = next(self._sequence) % _LAST_SEQUENCE_ID + 1
            return (
                f"{start}{self._time(record.created)} {ids}"
                f'[meta sequenceId="{number}"]'
            )
        return f"{start}{self._time(record.created)} {ids}"

    def _start_of(self, record: logging.LogRecord) -> str:
        level: Any = record.__dict__.get("levelno")
        try:
            start = self._start(self._severity_of(level))
        except Exception:  # a level that is no number
            start = self._start(SEVERITIES["info"])
        if type(level) is int and len(self._starts) < _MOST_REMEMBERED:
            self._starts[level] = start
        return start

    def _start(self, severity: int) -> str:
        number = self._facility * 8 + severity
        return f"<{number}>1 " if self._is_new else f"<{number}>"

    def _severity_of(self, level: Any) -> int:
        name = str(logging.getLevelName(level)).casefold()
        for known in (level, name):
            if known in self._severities:
                return self._severities[known]
        return next((code for floor, code in _FLOORS if level >= floor), 7)

    def _ids_of(self, record: logging.LogRecord) -> str:
        """
        What stands between the time and the structured data or the text.
        """
        own = record.__dict__
        name, process = own.get("name"), own.get("process")
        is_usual = type(process) is int and process > 0
        app_name = self._name_in(own, "app_name", _program)
        procid = self._name_in(
            own, "procid", lambda: process if is_usual else os.getpid()
        )
        if self._is_new:
            msgid = self._name_in(own, "msgid", lambda: name)
            ids = f"{self._hostname} {app_name} {procid} {msgid} "
        else:
            tag = _not_alphanumeric.sub("", app_name.removesuffix(".py"))
            tag = tag[:32] or "python"
            pid = _not_alphanumeric.sub("", procid)
            ids = f"{self._hostname} {tag}{f'[{pid}]' if pid else ''}: "
        if (
            self._is_fixed
            and (is_usual or process is None)
            and type(name) is str
            and len(self._ids) < _MOST_REMEMBERED
        ):
            self._ids[name, process] = ids
        return ids

    def _name_in(
        self, own: Mapping[str, Any], option: str, default: Callable[[], Any]
    ) -> str:
        field = self._name_fields[option]
        longest = self._longest[option]
        if field is not None and field in own:
            return _reduced(own[field], longest)
        name = self._names[option]
        return _reduced(default() if name is None else name, longest)

    @cached_property
    def _hostname(self) -> str:
        name = self._names["hostname"]
        if name is None:
            try:
                name = socket.gethostname()
            except Exception:
                name = ""
            if not self._is_new:  # which wants no domain
                name = name.partition(".")[0]
        return _reduced(name, _LONGEST["hostname"])


def _program() -> str:
    """
    What this program is called.
    """
    path = str((getattr(sys, "argv", None) or [""])[0])
    folder, name = os.path.split(path)
    if name == "__main__.py":  # python -m package
        name = os.path.basename(folder)
    return "python" if name in ("", "-", "-c", "-m") else name


def _reduced(value: Any, longest: int) -> str:
    text = value if type(value) is str else text_of(value)
    return _not_printable.sub("_", text[:longest]) or "-"


def _local(created: float) -> str:
    """
    ``Nov 21 06:45:12`` in local time; 1970 for nonsense.
    """
    try:
        return _local_second(int(created))
    except Exception:  # makeLogRecord takes anything for a time
        return "Jan  1 00:00:00"


@lru_cache(maxsize=8)
def _local_second(second: int) -> str:
    broken = time.localtime(second)
    at = 3 * broken.tm_mon  # strftime speaks the language of the user
    month = _MONTHS[at - 3 : at]
    clock = f"{broken.tm_hour:02d}:{broken.tm_min:02d}:{broken.tm_sec:02d}"
    return f"{month} {broken.tm_mday:2d} {clock}"


def _name(option: str, value: Any) -> str | None:
    """
    A name of the header as it is configured.
    """
    if type(value) is int and option == "procid":
        value = str(value)
    if value is None or value == "":
        return None
    longest = _LONGEST[option]
    if (
        isinstance(value, str)
        and len(value) <= longest
        and not _not_printable.search(value)
    ):
        return value
    raise ConfigError(
        shown(option, value),
        expected=f"at most {longest} printable ASCII characters, no spaces",
    )


def _coded(
    option: str, value: Any, codes: Mapping[str, int], most: int
) -> int:
    """
    The number of a facility or a severity, given by name or number.
    """
    if type(value) is int and 0 <= value <= most:
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in codes:
        return codes[word]
    if word.isascii() and word.isdecimal() and int(word[:9]) <= most:
        return int(word)
    near = nearest(word, codes) if word else ""
    raise ConfigError(
        shown(option, value),
        expected=f"0 to {most}, or one of " + ", ".join(codes),
        fix=f"write {near}" if near else "",
    )


def facility_of(option: str, value: Any) -> int:
    """
    The number of a facility, given by name or number.

    Raises:
        ConfigError: There is none of that name.
    """
    return _coded(option, value, FACILITIES, 23)


def _severities(given: Any) -> dict[Any, int]:
    """
    Severities by number of the level, or by its name in lower case.
    """
    if given is None or given == "":
        return {}
    if not isinstance(given, Mapping):
        raise ConfigError(
            shown("level_severities", given),
            expected='severities by level, such as {"AUDIT": "notice"}',
        )
    found: dict[Any, int] = {}
    for level in given:
        option = f"level_severities[{level!r}]"
        if type(level) not in (int, str):
            raise ConfigError(
                f"{option} is of no level",
                expected="the name or the number of a level",
            )
        key = level.strip().casefold() if isinstance(level, str) else level
        if isinstance(key, str) and key.isascii() and key.isdecimal():
            key = int(key)
        # by [], because dictConfig's ConvertingDict resolves only so
        found[key] = _coded(option, given[level], SEVERITIES, 7)
    return found
