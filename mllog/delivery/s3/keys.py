"""
The keys of objects: a layout that readers know, and nothing a record chose.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import string
import time
from collections.abc import Iterable, Sequence
from typing import Any

from ... import options
from ...errors import ConfigError, nearest, shown
from ...forking import tell_child

__all__ = ["KEY_TEMPLATE", "MISSING", "Keys", "safe"]

#: A table that Spark, Athena and DuckDB find partitioned by day and hour.
KEY_TEMPLATE = "dt={date}/hour={hour}/{host}-{pid}-{start}-{sequence}"
#: What Hive calls the partition of rows without a value.
MISSING = "__HIVE_DEFAULT_PARTITION__"

_OURS = ("host", "pid", "start", "date", "hour", "sequence")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST = 64
_MOST_BYTES = 1024


def safe(value: Any) -> str:
    """
    *value* as a part of a key: ``A-Z a-z 0-9 . _ -``, at most 64 of them.

    It is never empty, ``.`` or ``..``, and never begins with a dot.
    """
    if value is None:
        return MISSING
    try:
        text = _UNSAFE.sub("_", str(value)[: 4 * _LONGEST])[:_LONGEST]
    except Exception:  # an object's __str__ may do anything
        return MISSING
    return re.sub(r"^\.+", "_", text) or MISSING


class Keys:
    """
    New keys, each of them once.

    A key has the host, the process, and the microsecond of its first key with
    32 random bits: containers may have host, process and clock in common.  A
    number counts the objects.

    Args:
        template: With ``{host}``, ``{pid}``, ``{start}``, ``{date}``,
            ``{hour}``, ``{sequence}``, and the names in *fields*.

        fields: Fields of records that may stand in it.

        prefix: What goes before.

        suffix: What goes behind, ``".jsonl.gz"``.

    Raises:
        ConfigError: The template names something else, or does not tell
            objects apart.
    """

    def __init__(
        self,
        template: str = KEY_TEMPLATE,
        fields: Sequence[str] = (),
        *,
        prefix: str = "",
        suffix: str = "",
    ) -> None:
        self._parts = _parts(options.text("key_template", template), fields)
        self._fields = tuple(fields)
        self._prefix = f"{prefix}/" if prefix else ""
        self._suffix = suffix
        self._host = safe(socket.gethostname())
        self.forget_parent()
        tell_child(self)
        longest = self.new("2026-11-21T06", ["x" * _LONGEST] * len(fields))
        if len(longest.encode()) + _LONGEST > _MOST_BYTES:
            raise ConfigError(
                "prefix, key_template and key_fields make keys of more than"
                f" {_MOST_BYTES} bytes",
                fix="shorten them",
            )
        self._sequence = 0

    def forget_parent(self) -> None:
        """
        In a forked child: its own id, start and numbers.
        """
        self._process = os.getpid()
        seconds, nanos = divmod(time.time_ns(), 10**9)
        second = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
        self._start = f"{second}{nanos // 1000:06d}Z{secrets.token_hex(4)}"
        self._sequence = 0

    def values_in(self, headers: Iterable[tuple[str, bytes]]) -> list[str]:
        """
        The values of *fields* among *headers*, safe.
        """
        if not self._fields:
            return []
        given = {name: value.decode() for name, value in headers}
        return [safe(given.get(name)) for name in self._fields]

    def new(self, hour: str, values: Sequence[str] = ()) -> str:
        """
        The next key.

        Args:
            hour: ``"2026-11-21T06"``, UTC.

            values: Those of *fields*, safe.
        """
        if self._process != os.getpid():  # forked without Python's hooks
            self.forget_parent()
        self._sequence += 1
        date, _, hour = hour.partition("T")
        named = dict(zip(self._fields, values, strict=True))
        named |= {
            "host": self._host,
            "pid": str(self._process),
            "start": self._start,
            "date": date,
            "hour": hour,
            "sequence": f"{self._sequence:06d}",
        }
        # not str.format, which takes names apart
        filled = "".join(
            literal + ("" if name is None else named[name])
            for literal, name in self._parts
        )
        return f"{self._prefix}{filled}{self._suffix}"


def _parts(
    template: str, fields: Sequence[str]
) -> list[tuple[str, str | None]]:
    """
    The template as literal text and the names behind it.

    Raises:
        ConfigError: As for :class:`Keys`.
    """
    try:
        parts = list(string.Formatter().parse(template.strip("/")))
    except ValueError as exc:
        raise ConfigError(f"{shown('key_template', template)}: {exc}") from exc
    named = {name for _, name, _, _ in parts if name is not None}
    for name in sorted(named):
        _check_name(template, name, fields)
    if any(spec or conversion for _, _, spec, conversion in parts):
        raise ConfigError(
            shown("key_template", template), expected="{name} without a format"
        )
    _check_fields(fields, named)
    missing = {"host", "pid", "start", "sequence"} - named
    if missing:
        raise ConfigError(
            f"{shown('key_template', template)} does not tell objects apart",
            expected="{host}, {pid}, {start} and {sequence} in it",
            fix=f"add {', '.join(f'{{{name}}}' for name in sorted(missing))}",
        )
    literal = "".join(text for text, *_ in parts)
    if ".." in literal or _UNSAFE.search(re.sub(r"[/=]", "", literal)):
        raise ConfigError(
            shown("key_template", template),
            expected="A-Z a-z 0-9 . _ - = / around the names, and no '..'",
        )
    return [(text, name) for text, name, _, _ in parts]


def _check_fields(fields: Sequence[str], named: set[str]) -> None:
    if clash := sorted(set(fields) & set(_OURS)):
        raise ConfigError(
            f"{shown('key_fields', list(fields))}: {clash[0]} is not a field"
            " but what keys have anyway"
        )
    if unused := sorted(set(fields) - named):
        raise ConfigError(
            f"{shown('key_fields', list(fields))}: key_template does not use"
            f" {unused[0]}",
            fix=f'add "{unused[0]}={{{unused[0]}}}/" to key_template',
        )


def _check_name(template: str, name: str, fields: Sequence[str]) -> None:
    if name in _OURS or name in fields:
        return
    close = nearest(name, _OURS)
    raise ConfigError(
        f"{shown('key_template', template)} uses the field {name!r}, which"
        " records may set freely",
        expected=f"one of {', '.join(_OURS)}, or a field listed in key_fields",
        fix=f"write {{{close}}}"
        if close
        else f'add key_fields=["{name}"] (values are then reduced to'
        " A-Z a-z 0-9 . _ -)",
    )
