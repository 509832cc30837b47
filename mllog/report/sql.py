"""
What DuckDB is asked to make of lines: a row for each record.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..reading.keys import LEVELS
from .schema import Column, Path, Schema

__all__ = ["definition", "quoted_name", "quoted_text", "selected", "severity"]

_LARGEST_EXACT: Final = 2**53


def quoted_text(value: str) -> str:
    """
    A literal of SQL.
    """
    quoted = value.replace("'", "''")
    return f"'{quoted}'"


def quoted_name(value: str) -> str:
    """
    A name in SQL.
    """
    quoted = value.replace('"', '""')
    return f'"{quoted}"'


def definition(schema: Schema) -> str:
    """
    The columns of the table of records.
    """
    parts = [
        "file INTEGER",
        "is_bad BOOLEAN",
        "time_us BIGINT",
        "level VARCHAR",
        "severity BIGINT",
        "logger VARCHAR",
        "message VARCHAR",
    ]
    for each in schema.columns:
        if each.is_number:
            parts.append(f"{each.number} DOUBLE")
        parts.append(f"{each.text} VARCHAR")
    return ", ".join(parts)


def selected(schema: Schema, first: int | str) -> Iterator[str]:
    """
    The expressions for the columns of a row.

    Args:
        schema: The columns.

        first: Number of the first of several files, or of one as text.
    """
    yield first if isinstance(first, str) else f"file_index + {first}"
    keys = [*schema.keys, *schema.maps]
    yield " AND ".join(f"{quoted_name(key)} IS NULL" for key in keys)
    parts = {
        part: _coalesced([quoted_name(key) for key in keys])
        for part, keys in schema.parts.items()
    }
    yield _microseconds(parts["timestamp"])
    yield f"upper({parts['level']})"
    yield severity(f"upper({parts['level']})")
    yield parts["logger"]
    yield parts["message"]
    for each in schema.columns:
        text = _coalesced(list(_places(each, schema)))
        if not each.is_number:
            yield text
            continue
        number = (
            f"CASE WHEN isfinite(TRY_CAST({text} AS DOUBLE))"
            f" AND NOT contains({text}, '_') THEN TRY_CAST({text} AS DOUBLE)"
            " END"
        )
        yield number
        yield (
            f"CASE WHEN coalesce(abs({number}) >= {_LARGEST_EXACT}, true)"
            f" THEN {text} END"
        )


def _places(column: Column, schema: Schema) -> Iterator[str]:
    for key in column.keys:
        if key not in schema.maps:
            yield quoted_name(key)
    for path in column.nested:
        yield _within(path)


def _within(path: Path) -> str:
    found = f"{quoted_name(path[0])}[{quoted_text(path[1])}]"
    if len(path) > 2:
        pointer = "".join(
            "/" + name.replace("~", "~0").replace("/", "~1")
            for name in path[2:]
        )
        found = f"json_extract_string(TRY_CAST({found} AS JSON), {quoted_text(pointer)})"
    return found


def _coalesced(places: list[str]) -> str:
    if not places:
        return "NULL::VARCHAR"
    return places[0] if len(places) == 1 else f"coalesce({', '.join(places)})"


def severity(level: str) -> str:
    """
    How severe a level is, by its name or as a number.
    """
    cases = "".join(
        f" WHEN {quoted_text(name)} THEN {number}"
        for name, number in sorted(LEVELS.items(), key=_by_frequency)
    )
    return f"CASE {level}{cases} ELSE TRY_CAST({level} AS BIGINT) END"


def _by_frequency(level: tuple[str, int]) -> int:
    """
    The usual levels first: each is compared with until one is equal.
    """
    usual = ("INFO", "DEBUG", "WARNING", "ERROR")
    return usual.index(level[0]) if level[0] in usual else len(usual)


def _microseconds(text: str) -> str:
    number = f"TRY_CAST({text} AS DOUBLE)"
    return (
        f"CASE WHEN {text}[5] = '-' THEN epoch_us(TRY_CAST("
        f"replace({text}, ',', '.') AS TIMESTAMPTZ))"
        f" WHEN {number} > 0 THEN TRY_CAST({number} * CASE"
        f" WHEN {number} >= 1e17 THEN 1e-3 WHEN {number} >= 1e14 THEN 1"
        f" WHEN {number} >= 1e11 THEN 1e3 ELSE 1e6 END AS BIGINT) END"
    )
