"""
Records that were read back, as the console would have shown them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..encoding import encode
from ..fields import RECORD_ATTRIBUTES
from ..formatters.rich import RichFormatter
from ..formatters.text import escaped
from ..reading.keys import KEYS, level_number, part_of, text_of, value_at
from ..reading.lines import MAX_LINE_BYTES, Record
from ..reading.times import seconds_of

__all__ = ["AsJSON", "AsText"]

_ERRORS = ("exception", "exc_info", "exc_text", "error.stack_trace")
_STACKS = ("stack", "stack_info")
_PARTS = frozenset(key for keys in KEYS.values() for key in keys) | {
    *_ERRORS,
    *_STACKS,
}


class AsText:
    """
    A coloured line each, with the date where it is not today's.

    Args:
        color: Whether there may be colours.

        fields: The fields to show; None is all.
    """

    def __init__(self, color: bool, fields: Sequence[str] | None) -> None:
        self._fields = fields
        self._today = RichFormatter(color=color)
        self._dated = RichFormatter(color=color, datefmt="%Y-%m-%d %H:%M:%S")

    def record(self, record: Record) -> str:
        """
        One record, and below it what went wrong.
        """
        shown = _log_record(record, self._chosen(record))
        now = time.time()
        is_today = _day(shown.created) in (_day(now), None)
        text = (self._today if is_today else self._dated).format(shown)
        return text.rstrip()

    def _chosen(self, record: Record) -> dict[str, Any]:
        record = _with_nonfinite(record)
        if self._fields is None:
            return {
                name: value
                for name, value in record.items()
                if name not in _PARTS and value is not None
            }
        return _picked(record, self._fields)

    def foreign(self, line: bytes) -> str:
        """
        A line that is no record, as it is.
        """
        return escaped(line.decode("utf-8", "backslashreplace"))


class AsJSON:
    """
    A line of JSON each, for programs.

    Args:
        fields: The fields to write; None is all.
    """

    def __init__(self, fields: Sequence[str] | None) -> None:
        self._fields = fields

    def record(self, record: Record) -> str:
        """
        One record.
        """
        if self._fields is not None:
            record = _picked(record, self._fields)
        return encode(record, max_bytes=MAX_LINE_BYTES).decode()

    def foreign(self, line: bytes) -> str:
        """
        A line that is no record, as one.
        """
        return self.record({"message": line.decode("utf-8", "replace")})


def _day(created: float) -> tuple[int, ...] | None:
    try:
        return time.localtime(created)[:3]
    except (ValueError, OverflowError, OSError):  # NaN, or no year of ours
        return None


def _with_nonfinite(record: Record) -> Record:
    """
    *record* with NaN and the infinities where JSON had to write null.
    """
    lost = record.get("nonfinite")
    if not isinstance(lost, Mapping):
        return record
    found = {**record, "nonfinite": None}
    for path, said in lost.items():
        first, _, rest = path.partition(".")
        inner = found.get(first)
        if rest and isinstance(inner, Mapping):
            found[first] = {**inner, rest: said}
        else:
            found[path] = said
    return found


def _picked(record: Record, names: Sequence[str]) -> dict[str, Any]:
    found = {name: value_at(record, _path(record, name)) for name in names}
    return {name: found[name] for name in names if found[name] is not None}


def _path(record: Record, name: str) -> list[str]:
    return [name] if name in record else name.split(".")


def _log_record(
    record: Record, fields: Mapping[str, Any]
) -> logging.LogRecord:
    """
    A record of logging that says what *record* says.
    """
    level = part_of(record, "level")
    number = level_number(level)
    name = text_of(level) or ""
    made = logging.makeLogRecord({})
    made.created = _created(record)
    made.levelno = number or 0
    is_number = number is not None and name.isdecimal()
    made.levelname = logging.getLevelName(made.levelno) if is_number else name
    made.name = text_of(part_of(record, "logger")) or ""
    made.msg = text_of(part_of(record, "message")) or ""
    made.exc_text = _trouble(record, _ERRORS)
    made.stack_info = _trouble(record, _STACKS)
    for field, value in fields.items():
        taken = field in RECORD_ATTRIBUTES
        made.__dict__[f"{field}_" if taken else field] = value
    return made


def _created(record: Record) -> float:
    found = seconds_of(part_of(record, "timestamp"))
    return float("nan") if found is None else found


def _trouble(record: Record, keys: Sequence[str]) -> str | None:
    for key in keys:
        found = record.get(key)
        if isinstance(found, Mapping):
            traceback = found.get("traceback")
            kind, said = found.get("type"), found.get("message")
            return text_of(traceback) or f"{kind}: {said}"
        if isinstance(found, list):
            return "\n".join(map(str, found))
        if found:
            return str(found)
    return None
