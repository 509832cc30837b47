"""
Records into a table of DuckDB, each file as fast as its state allows.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ..errors import require
from ..reading.keys import LEVELS
from .inputs import Input
from .schema import Column, Path, Schema
from .washing import washed

__all__ = [
    "TABLE",
    "Loader",
    "duckdb_connection",
    "quoted_name",
    "quoted_text",
    "severity_in_sql",
]

#: The table of records.
TABLE: Final = "records"

_BATCH_BYTES: Final = 1 << 30
_BATCH_FILES: Final = 200
_GLOB: Final = frozenset("*?[]")
_LARGEST_EXACT: Final = 2**53

Progress = Callable[[float], object]


def duckdb_connection(
    memory_limit: str | None, threads: int | None, folder: str
) -> Any:
    """
    A connection of DuckDB that spills to *folder*, and asks no network.
    """
    duckdb = require("duckdb", "report")
    config: dict[str, Any] = {
        "temp_directory": folder,
        "preserve_insertion_order": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    if memory_limit:
        config["memory_limit"] = memory_limit
    if threads:
        config["threads"] = str(threads)
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


class Loader:
    """
    Fills the table of records.

    Args:
        connection: Of DuckDB.

        schema: The columns.

        folder: For what is made on the way.

        progress: Called with the part that is done, 0 to 1.
    """

    def __init__(
        self,
        connection: Any,
        schema: Schema,
        folder: str,
        progress: Progress | None = None,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._folder = folder
        self._progress = progress or (lambda part: part)
        self._error: Any = require("duckdb", "report").Error
        #: Why what was passed over, by number of the file.
        self.skipped: dict[int, Counter[str]] = {}
        #: What handlers reported, found among the lines.
        self.reports: list[str] = []
        connection.execute(f"CREATE TABLE {TABLE} ({_definition(schema)})")

    def load(self, inputs: Sequence[Input]) -> None:
        """
        Read *inputs*, whose numbers are their places.
        """
        total = sum(each.bytes for each in inputs) or 1
        done = 0
        for batch in _batches(inputs):
            numbers = range(batch[0], batch[-1] + 1)
            if not inputs[batch[0]].is_plain or not self._is_read(
                inputs, numbers
            ):
                self._halved(inputs, numbers)
            done += sum(inputs[number].bytes for number in numbers)
            self._progress(min(1.0, done / total))

    def _halved(self, inputs: Sequence[Input], numbers: range) -> None:
        """
        Read what cannot be read together in parts, down to one file.
        """
        if len(numbers) == 1:
            self._wash(inputs[numbers[0]], numbers[0])
            return
        middle = len(numbers) // 2
        for part in (numbers[:middle], numbers[middle:]):
            if not self._is_read(inputs, part):
                self._halved(inputs, part)

    def _is_read(self, inputs: Sequence[Input], numbers: range) -> bool:
        """
        Whether DuckDB can read files as they are; nothing stays if not.
        """
        given = [inputs[number] for number in numbers]
        if not all(each.is_plain for each in given):
            return False
        with _Named(given, self._folder) as paths:
            if paths is None:
                return False
            source = self._source(given[0], paths)
            if source is None:
                return False
            try:
                self._insert(source, numbers[0])
            except self._error:
                return False
        self._mend(inputs, numbers)
        return True

    def _source(self, given: Input, paths: Sequence[str]) -> str | None:
        schema = self._schema
        if given.kind == "lines":
            columns = [f"{quoted_text(key)}: 'VARCHAR'" for key in schema.keys]
            columns += [
                f"{quoted_text(key)}: 'MAP(VARCHAR, VARCHAR)'"
                for key in schema.maps
            ]
            return (
                f"read_json([{', '.join(map(quoted_text, paths))}],"
                " format = 'newline_delimited', ignore_errors = true,"
                f" columns = {{{', '.join(columns)}}})"
            )
        if given.kind == "parquet":
            return self._parquet(paths)
        return None

    def _parquet(self, paths: Sequence[str]) -> str | None:
        """
        A query that gives Parquet files the columns that lines have.
        """
        table = (
            f"read_parquet([{', '.join(map(quoted_text, paths))}],"
            " union_by_name = true, hive_partitioning = true)"
        )
        try:
            described = self._connection.execute(f"DESCRIBE FROM {table}")
            kinds = {row[0].lower(): row for row in described.fetchall()}
        except self._error:
            return None
        parts = ["file_index"]
        for key in (*self._schema.keys, *self._schema.maps):
            is_map = key in self._schema.maps
            wanted = "MAP(VARCHAR, VARCHAR)" if is_map else "VARCHAR"
            row = kinds.get(key.lower())
            value = "NULL"
            if row and not is_map:
                value = quoted_name(row[0])
            elif row and str(row[1]).startswith(("STRUCT", "MAP", "JSON")):
                value = f"to_json({quoted_name(row[0])})"
            parts.append(
                f"TRY_CAST({value} AS {wanted}) AS {quoted_name(key)}"
            )
        return f"(SELECT {', '.join(parts)} FROM {table})"  # noqa: S608 - quoted

    def _insert(self, source: str, first: int | str) -> None:
        columns = ", ".join(_selected(self._schema, first))
        self._connection.execute(
            f"INSERT INTO {TABLE} SELECT {columns} FROM {source}"  # noqa: S608
        )

    def _mend(self, inputs: Sequence[Input], numbers: range) -> None:
        """
        Read files again in which there was something that is no record.
        """
        bad = self._connection.execute(
            f"SELECT file FROM {TABLE} WHERE is_bad AND"  # noqa: S608 - ours
            f" file BETWEEN {numbers[0]} AND {numbers[-1]} GROUP BY file"
        ).fetchall()
        for (number,) in sorted(bad):
            if inputs[number].kind != "lines":
                continue
            self._connection.execute(
                f"DELETE FROM {TABLE} WHERE file = {int(number)}"  # noqa: S608
            )
            self._wash(inputs[number], number)

    def _wash(self, given: Input, number: int) -> None:
        skipped = self.skipped.setdefault(number, Counter())
        if given.kind == "parquet":
            skipped["unreadable"] += 1
            return
        for path in washed(given, self._folder, skipped, self.reports):
            source = self._source(given._replace(kind="lines"), [path])
            assert source is not None  # noqa: S101 - for mypy
            self._insert(source, str(int(number)))


class _Named:
    """
    Paths that DuckDB does not take for globs: links where they look so.
    """

    def __init__(self, given: Sequence[Input], folder: str) -> None:
        self._given = given
        self._folder = folder
        self._links = ""

    def __enter__(self) -> list[str] | None:
        paths = [each.path for each in self._given]
        try:
            return [self._named(path, n) for n, path in enumerate(paths)]
        except (OSError, NotImplementedError):  # Windows may allow no links
            return None

    def _named(self, path: str, number: int) -> str:
        path.encode()
        if _GLOB.isdisjoint(path):
            return path
        self._links = self._links or tempfile.mkdtemp(dir=self._folder)
        suffix = ".parquet" if path.lower().endswith(".parquet") else ".jsonl"
        for packed in (".gz", ".zst"):
            if path.lower().endswith(packed):
                suffix += packed
        link = os.path.join(self._links, f"{number}{suffix}")
        os.symlink(os.path.abspath(path), link)
        return link

    def __exit__(self, *_: object) -> None:
        if self._links:
            shutil.rmtree(self._links, ignore_errors=True)


def _batches(inputs: Sequence[Input]) -> Iterator[list[int]]:
    """
    Numbers of files that are read together: neighbours of one kind.
    """
    batch: list[int] = []
    size = 0
    for number, given in enumerate(inputs):
        if batch and (
            size >= _BATCH_BYTES
            or len(batch) >= _BATCH_FILES
            or given.kind != inputs[batch[-1]].kind
            or given.is_plain != inputs[batch[-1]].is_plain
        ):
            yield batch
            batch, size = [], 0
        batch.append(number)
        size += given.bytes
    if batch:
        yield batch


# --- SQL ---


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


def _definition(schema: Schema) -> str:
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


def _selected(schema: Schema, first: int | str) -> Iterator[str]:
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
    yield severity_in_sql(f"upper({parts['level']})")
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


def severity_in_sql(level: str) -> str:
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
