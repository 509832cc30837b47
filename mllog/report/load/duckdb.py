"""
Records in DuckDB, each file read as fast as its state allows.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ...errors import require
from .dialect import DUCKDB, TABLE
from .inputs import Input
from .schema import Schema
from .store import RecordStore, Settings

__all__ = ["LARGE_BYTES", "DuckDBStore"]

#: Smaller files are read again in full where a line is no record.
LARGE_BYTES: Final = 16 << 20

_BATCH_BYTES: Final = 1 << 30
_BATCH_FILES: Final = 200
_MOST_BAD: Final = 100_000
_LONGEST_LINE_BYTES: Final = 16 << 20
_LONGEST_HEADER_BYTES: Final = 1 << 16
_GLOB: Final = frozenset("*?[]")


class DuckDBStore(RecordStore):
    """
    Records in the memory of DuckDB, and in a temporary folder beyond it.

    Args:
        inputs: The files.

        schema: The columns.

        settings: How it runs.
    """

    def __init__(
        self, inputs: Sequence[Input], schema: Schema, settings: Settings
    ) -> None:
        ibis = require("ibis", "report")
        self._error: Any = require("duckdb", "report").Error
        self._schema = schema
        self._progress = settings.progress or (lambda part: part)
        super().__init__(settings)
        try:
            self._connection = _connected(settings, self._folder)
            self._connection.execute(
                f"CREATE TABLE {TABLE} ({DUCKDB.definition(schema)})"
            )
            self._load(inputs)
            self._backend = ibis.duckdb.from_connection(self._connection)
            self.table = self._backend.table(TABLE)
        except BaseException:
            self.close()
            raise

    def write(self, table: Any, folder: str, by: Sequence[str]) -> None:
        """
        Write a table of Ibis as Parquet to *folder*, in folders by columns.

        Its ``timestamp`` and ``date`` are microseconds since 1970.
        """
        parts = ["FORMAT parquet", "COMPRESSION zstd"]
        if by:
            names = ", ".join(map(DUCKDB.name, by))
            parts.append(f"PARTITION_BY ({names})")
            parts.append("FILENAME_PATTERN 'part-{uuid}', OVERWRITE_OR_IGNORE")
            target = folder
        else:
            target = os.path.join(folder, f"part-{uuid.uuid4()}.parquet")
        times = ['make_timestamptz("timestamp") AS "timestamp"']
        if "date" in by:
            day = "strftime(make_timestamp(\"date\"), '%Y-%m-%d')"
            times.append(f'{day} AS "date"')
        query = (  # names of fields are quoted
            f"SELECT * REPLACE ({', '.join(times)})"  # noqa: S608
            f" FROM ({self._backend.compile(table)})"
        )
        self._connection.execute(
            f"COPY ({query}) TO {DUCKDB.literal(target)} ({', '.join(parts)})"
        )

    def close(self) -> None:
        """
        Release memory and disk.
        """
        with contextlib.suppress(Exception):
            self._connection.close()
        super().close()

    def _load(self, inputs: Sequence[Input]) -> None:
        """
        Read *inputs*, numbered by their positions.
        """
        total = sum(each.bytes for each in inputs) or 1
        done = 0
        for batch in _batches(inputs):
            numbers = range(batch[0], batch[-1] + 1)
            if not inputs[batch[0]].is_plain or not self._is_read(
                inputs, numbers
            ):
                self._load_halves(inputs, numbers)
            done += sum(inputs[number].bytes for number in numbers)
            self._progress(min(1.0, done / total))

    def _load_halves(self, inputs: Sequence[Input], numbers: range) -> None:
        """
        Read in halves, down to one file, what cannot be read together.
        """
        if len(numbers) == 1:
            self._load_normalised(inputs[numbers[0]], numbers[0])
            return
        middle = len(numbers) // 2
        for part in (numbers[:middle], numbers[middle:]):
            if not self._is_read(inputs, part):
                self._load_halves(inputs, part)

    def _is_read(self, inputs: Sequence[Input], numbers: range) -> bool:
        """
        Whether DuckDB can read files as they are; nothing stays if not.
        """
        given = [inputs[number] for number in numbers]
        if not all(each.is_plain for each in given):
            return False
        with _without_globs(given, self._folder) as paths:
            if paths is None:
                return False
            source = self._source(given, paths)
            if source is None:
                return False
            try:
                self._insert(source, f"file_index + {numbers[0]}")
            except self._error:
                return False
        self._reload_bad(inputs, numbers)
        return True

    def _source(
        self, given: Sequence[Input], paths: Sequence[str]
    ) -> str | None:
        kind = given[0].kind
        if kind == "lines":
            return self._select_lines(paths)
        if kind == "parquet":
            return self._select_parquet(paths)
        return self._select_csv(given, paths)

    def _select_csv(
        self, given: Sequence[Input], paths: Sequence[str]
    ) -> str | None:
        """
        A query of CSV files with the columns of JSON lines.

        It fails at a row that is cut or too long: then mllog reads the file.
        """
        names = _common_header(given)
        if names is None:
            return None
        places = {name: f"c{place}" for place, name in enumerate(names)}
        columns = ", ".join(f"'{each}': 'VARCHAR'" for each in places.values())
        parts = ["file_index"]
        for key in self._schema.keys:
            value = places.get(key, "NULL::VARCHAR")
            parts.append(f"{value} AS {DUCKDB.name(key)}")
        parts += [
            f"NULL::MAP(VARCHAR, VARCHAR) AS {DUCKDB.name(key)}"
            for key in self._schema.maps
        ]
        return (
            f"(SELECT {', '.join(parts)} FROM read_csv("  # noqa: S608 - quoted
            f"[{', '.join(map(DUCKDB.literal, paths))}], auto_detect = false,"
            " header = true, delim = ',', quote = '\"', escape = '\"',"
            f" columns = {{{columns}}})"
            f" WHERE c0 IS DISTINCT FROM {DUCKDB.literal(names[0])}"
            f" AND coalesce({', '.join(places.values())}) IS NOT NULL)"
        )

    def _select_lines(self, paths: Sequence[str]) -> str:
        schema = self._schema
        columns = [f"{DUCKDB.literal(key)}: 'VARCHAR'" for key in schema.keys]
        columns += [
            f"{DUCKDB.literal(key)}: 'MAP(VARCHAR, VARCHAR)'"
            for key in schema.maps
        ]
        return (
            f"read_json([{', '.join(map(DUCKDB.literal, paths))}],"
            " format = 'newline_delimited', ignore_errors = true,"
            f" columns = {{{', '.join(columns)}}})"
        )

    def _select_parquet(self, paths: Sequence[str]) -> str | None:
        """
        A query of Parquet files with the columns of JSON lines.
        """
        table = (
            f"read_parquet([{', '.join(map(DUCKDB.literal, paths))}],"
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
                value = DUCKDB.name(row[0])
            elif row and str(row[1]).startswith(("STRUCT", "MAP", "JSON")):
                value = f"to_json({DUCKDB.name(row[0])})"
            parts.append(
                f"TRY_CAST({value} AS {wanted}) AS {DUCKDB.name(key)}"
            )
        return f"(SELECT {', '.join(parts)} FROM {table})"  # noqa: S608 - quoted

    def _insert(self, source: str, file: str) -> None:
        keys = [*self._schema.keys, *self._schema.maps]
        is_bad = " AND ".join(f"{DUCKDB.name(key)} IS NULL" for key in keys)
        row = DUCKDB.row(self._schema, file, is_bad)
        columns = ", ".join(value for _, value in row)
        self._connection.execute(
            f"INSERT INTO {TABLE} SELECT {columns} FROM {source}"  # noqa: S608
        )

    def _reload_bad(self, inputs: Sequence[Input], numbers: range) -> None:
        """
        Read files again in which a line was no record.
        """
        bad = self._connection.execute(
            f"SELECT file, count(*) FROM {TABLE} WHERE is_bad AND"  # noqa: S608
            f" file BETWEEN {numbers[0]} AND {numbers[-1]} GROUP BY file"
        ).fetchall()
        for number, count in sorted(bad):
            if inputs[number].kind != "lines":
                continue
            lines = self._bad_lines(inputs[number], count)
            which = "" if lines is None else " AND is_bad"
            self._connection.execute(
                f"DELETE FROM {TABLE} WHERE file = {int(number)}{which}"  # noqa: S608
            )
            if lines is None:
                self._load_normalised(inputs[number], number)
            elif lines:
                self._insert_recovered(lines, number)

    def _bad_lines(self, given: Input, count: int) -> list[str] | None:
        """
        The lines of a large file that are no records, if they are that many.

        None where the whole file has to be read again: it is small, or lines
        are bad in other ways than being no JSON.
        """
        if given.bytes < LARGE_BYTES or count > _MOST_BAD:
            return None
        try:
            with _without_globs([given], self._folder) as paths:
                found = self._connection.execute(
                    "SELECT line FROM read_csv("  # noqa: S608 - quoted
                    f"{DUCKDB.literal((paths or [''])[0])}, header = false,"
                    " auto_detect = false, delim = '\x01', quote = '',"
                    f" escape = '', max_line_size = {_LONGEST_LINE_BYTES},"
                    " columns = {'line': 'VARCHAR'})"
                    " WHERE trim(line) <> '' AND (NOT json_valid(line)"
                    f" OR json_type(line) <> 'OBJECT') LIMIT {count + 1}"
                ).fetchall()
        except self._error:
            return None
        return [row[0] for row in found] if len(found) == count else None

    def _insert_recovered(self, lines: list[str], number: int) -> None:
        """
        Insert the records in lines that are no records as a whole.
        """
        found = self._recovered("\n".join(lines).encode(), number)
        if not found:
            return
        handle, path = tempfile.mkstemp(suffix=".jsonl", dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(found)
            self._insert(self._select_lines([path]), str(number))
        finally:
            os.unlink(path)

    def _load_normalised(self, given: Input, number: int) -> None:
        for path in self._normalised(given, number):
            self._insert(self._select_lines([path]), str(number))


def _connected(settings: Settings, folder: str) -> Any:
    """
    A connection of DuckDB that spills to *folder*, and uses no network.
    """
    duckdb = require("duckdb", "report")
    config: dict[str, Any] = {
        "temp_directory": folder,
        "preserve_insertion_order": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    if settings.memory_limit:
        config["memory_limit"] = settings.memory_limit
    if settings.threads:
        config["threads"] = str(settings.threads)
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


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


@contextlib.contextmanager
def _without_globs(
    given: Sequence[Input], folder: str
) -> Iterator[list[str] | None]:
    """
    The paths of files, links in *folder* where DuckDB would expand them.

    None where links cannot be made.
    """
    links: list[str] = []
    try:
        paths: list[str] | None = [
            _without_glob(each.path, folder, links) for each in given
        ]
    except (OSError, NotImplementedError):  # Windows may allow no links
        paths = None
    try:
        yield paths
    finally:
        for each in links:
            shutil.rmtree(each, ignore_errors=True)


def _without_glob(path: str, folder: str, links: list[str]) -> str:
    path.encode()
    if _GLOB.isdisjoint(path):
        return path
    links.append(tempfile.mkdtemp(dir=folder))
    lower = path.lower()
    suffix = ".parquet" if lower.endswith(".parquet") else ".jsonl"
    suffix += next((e for e in (".gz", ".zst") if lower.endswith(e)), "")
    link = os.path.join(links[-1], f"link{suffix}")
    os.symlink(os.path.abspath(path), link)
    return link


def _common_header(given: Sequence[Input]) -> list[str] | None:
    """
    The columns that all of some files have; None where they differ.

    None also where a file is compressed, does not end with a whole line, or
    has two columns of one name: such files are read line by line.
    """
    found = {_header(each) for each in given}
    if len(found) != 1:
        return None
    (line,) = found
    if not line:
        return None
    names = next(csv.reader([line]), [])
    folded = {name.casefold() for name in names}
    return names if len(folded) == len(names) and "" not in folded else None


def _header(given: Input) -> str | None:
    if given.packing:
        return None
    try:
        with open(given.path, "rb") as file:
            if not file.seek(0, os.SEEK_END):
                return None
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                return None
            file.seek(0)
            text = file.readline(_LONGEST_HEADER_BYTES).decode("utf-8-sig")
    except (OSError, ValueError):  # reading all of it counts the reason
        return None
    is_line = text.endswith("\n") and text.count('"') % 2 == 0
    return text.rstrip("\r\n") if is_line else None
