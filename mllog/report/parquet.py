"""
Write logs as Parquet, partitioned by date and by other fields.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ConfigError, shown
from .answers import Reading
from .load.schema import FieldColumn
from .load.store import Settings
from .logs import Logs, open_logs

__all__ = ["Converted", "convert"]

_DATE: Final = "date"
_KNOWN: Final = ("date", "level", "logger")
_MOST_PARTITIONS: Final = 1000
_LONGEST_VALUE: Final = 80


@dataclass(frozen=True)
class Converted:
    """
    The result of a conversion.

    Args:
        reading: What was read.

        written: Records written.

        folder: Where.

        files: How many files were written.

        bytes: Their size.
    """

    reading: Reading
    written: int
    folder: str
    files: int
    bytes: int


def convert(
    paths: Any,
    folder: str | os.PathLike[str],
    partition_by: Sequence[str] = (_DATE,),
    *,
    append: bool = False,
    settings: Settings | None = None,
    **options: Any,
) -> Converted:
    """
    Write logs as Parquet with zstd, partitioned as Hive does.

    Columns are ``timestamp``, ``level``, ``logger``, ``message`` and the
    fields; those in ``metrics`` are named ``metrics.<name>``.  A field is a
    column of numbers if it is one in nearly all records, and its other values
    are in ``<name>_text``.

    Args:
        paths: As in :func:`open_logs`.

        folder: Where to; made if need be.

        partition_by: ``date``, ``level``, ``logger`` and fields, in the order
            of folders; none gives one folder.

        append: Whether a folder that is not empty gets more files; none
            of its own is changed.

        settings: How the engine runs.

        options: Further arguments of :func:`open_logs`.

    Raises:
        ConfigError: A path does not exist, *folder* is not empty, or a
            partition is no field.

    Guarantee:
        Other records never share a partition with those of a value; values
        are escaped in names of folders.  What cannot be read is skipped
        and counted.

    Limit:
        A field has a column if sampled records have it; name others in
        *fields*.
    """
    target = os.fspath(folder)
    _refuse_filled(target, append)
    by = [each for each in partition_by if each not in _KNOWN]
    with open_logs(paths, by=by, settings=settings, **options) as logs:
        table = _table(logs, partition_by)
        os.makedirs(target, exist_ok=True)
        before = _written(target)
        logs.write(table, target, partition_by)
        files = _written(target) - before
        return Converted(
            logs.reading,
            logs.reading.chosen,
            target,
            len(files),
            sum(map(os.path.getsize, files)),
        )


def _refuse_filled(folder: str, append: bool) -> None:
    if not append and os.path.isdir(folder) and os.listdir(folder):
        raise ConfigError(
            f"{shown('to', folder)} is not empty",
            expected="a new folder, or an empty one",
            fix="name another one, or pass --append",
        )
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"{shown('to', folder)} is no folder")


def _written(folder: str) -> set[str]:
    return {
        os.path.join(base, name)
        for base, _, names in os.walk(folder)
        for name in names
        if name.endswith(".parquet")
    }


def _table(logs: Logs, by: Sequence[str]) -> Any:
    """
    The rows that are written, with times in microseconds.
    """
    table = logs.table
    columns: dict[str, Any] = {
        "timestamp": table.time_us,
        "level": table.level,
        "logger": table.logger,
        "message": table.message,
    }
    if _DATE in by:
        columns[_DATE] = table.time_us
    mixed = _mixed(logs)
    taken = {each.lower() for each in columns}
    for each in logs.schema.columns:
        name = _free(each.label, taken)
        if not each.is_number:
            columns[name] = table[each.text]
            continue
        columns[name] = table[each.number]
        if each in mixed:
            columns[_free(f"{name}_text", taken)] = table[each.text]
    _refuse_many(logs, by)
    return table.select(**columns)


def _free(name: str, taken: set[str]) -> str:
    """
    The name of a column that no other has, whatever its case; it is taken.
    """
    while name.lower() in taken:
        name += "_"
    taken.add(name.lower())
    return name


def _mixed(logs: Logs) -> list[FieldColumn]:
    """
    The columns of numbers that have other values too.
    """
    table = logs.table
    if not logs.numbers:
        return []
    (row,) = logs.rows(
        table.aggregate(
            **{each.text: table[each.text].count() for each in logs.numbers}
        )
    )
    return [each for each in logs.numbers if row[each.text]]


def _refuse_many(logs: Logs, by: Sequence[str]) -> None:
    table = logs.table
    for name in by:
        if name == _DATE:
            continue
        text = logs.text(name)
        (row,) = logs.rows(
            table.aggregate(n=text.nunique(), longest=text.length().max())
        )
        if row["n"] > _MOST_PARTITIONS:
            raise ConfigError(
                f"partition_by {name!r} has {row['n']} values",
                expected=f"at most {_MOST_PARTITIONS}: each is a folder",
            )
        if (row["longest"] or 0) > _LONGEST_VALUE:
            raise ConfigError(
                f"partition_by {name!r} has values of {row['longest']}"
                " characters",
                expected=f"at most {_LONGEST_VALUE}: each names a folder",
            )
