"""
Records into a table of DuckDB, each file as fast as its state allows.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ..encoding import encode_line
from ..errors import require
from ..reading.lines import records_in
from .headers import header_of
from .inputs import Input
from .naming import Named
from .schema import Schema
from .sql import definition, quoted_name, quoted_text, selected
from .washing import LONGEST_LINE_BYTES, note_reports, washed

__all__ = ["TABLE", "Loader", "duckdb_connection"]

#: The table of records.
TABLE: Final = "records"

_BATCH_BYTES: Final = 1 << 30
_BATCH_FILES: Final = 200
#: Of smaller files all is looked at if something in them is no record.
LARGE_BYTES: Final = 16 << 20
_MOST_BAD: Final = 100_000
_LONGEST_BYTES: Final = 16 << 20

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
        connection.execute(f"CREATE TABLE {TABLE} ({definition(schema)})")

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
        with Named(given, self._folder) as paths:
            if paths is None:
                return False
            source = self._source(given, paths)
            if source is None:
                return False
            try:
                self._insert(source, numbers[0])
            except self._error:
                return False
        self._mend(inputs, numbers)
        return True

    def _source(
        self, given: Sequence[Input], paths: Sequence[str]
    ) -> str | None:
        kind = given[0].kind
        if kind == "lines":
            return self._of_lines(paths)
        if kind == "parquet":
            return self._parquet(paths)
        return self._of_tables(given, paths)

    def _of_tables(
        self, given: Sequence[Input], paths: Sequence[str]
    ) -> str | None:
        """
        A query that gives CSV files the columns that lines have.

        A row that is cut or too long fails it: then mllog reads the file.
        """
        names = header_of(given)
        if names is None:
            return None
        places = {name: f"c{place}" for place, name in enumerate(names)}
        columns = ", ".join(f"'{each}': 'VARCHAR'" for each in places.values())
        parts = ["file_index"]
        for key in self._schema.keys:
            value = places.get(key, "NULL::VARCHAR")
            parts.append(f"{value} AS {quoted_name(key)}")
        parts += [
            f"NULL::MAP(VARCHAR, VARCHAR) AS {quoted_name(key)}"
            for key in self._schema.maps
        ]
        return (
            f"(SELECT {', '.join(parts)} FROM read_csv("  # noqa: S608 - quoted
            f"[{', '.join(map(quoted_text, paths))}], auto_detect = false,"
            " header = true, delim = ',', quote = '\"', escape = '\"',"
            f" columns = {{{columns}}})"
            f" WHERE c0 IS DISTINCT FROM {quoted_text(names[0])}"
            f" AND coalesce({', '.join(places.values())}) IS NOT NULL)"
        )

    def _of_lines(self, paths: Sequence[str]) -> str:
        schema = self._schema
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
        columns = ", ".join(selected(self._schema, first))
        self._connection.execute(
            f"INSERT INTO {TABLE} SELECT {columns} FROM {source}"  # noqa: S608
        )

    def _mend(self, inputs: Sequence[Input], numbers: range) -> None:
        """
        Read files again in which there was something that is no record.
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
                self._wash(inputs[number], number)
            elif lines:
                self._mend_lines(lines, number)

    def _bad_lines(self, given: Input, count: int) -> list[str] | None:
        """
        The lines of a large file that are no records, if they are that many.

        None where the whole file has to be looked at: it is small, or lines
        are bad in other ways than being no JSON.
        """
        if given.bytes < LARGE_BYTES or count > _MOST_BAD:
            return None
        try:
            with Named([given], self._folder) as paths:
                found = self._connection.execute(
                    "SELECT line FROM read_csv("  # noqa: S608 - quoted
                    f"{quoted_text((paths or [''])[0])}, header = false,"
                    " auto_detect = false, delim = '\x01', quote = '',"
                    f" escape = '', max_line_size = {_LONGEST_BYTES},"
                    " columns = {'line': 'VARCHAR'})"
                    " WHERE trim(line) <> '' AND (NOT json_valid(line)"
                    f" OR json_type(line) <> 'OBJECT') LIMIT {count + 1}"
                ).fetchall()
        except self._error:
            return None
        return [row[0] for row in found] if len(found) == count else None

    def _mend_lines(self, lines: list[str], number: int) -> None:
        """
        Insert the records in lines of a file that are none as a whole.
        """
        skipped = self.skipped.setdefault(number, Counter())
        block = "\n".join(lines).encode()
        note_reports(block, self.reports)
        found = [
            encode_line(record, "null", LONGEST_LINE_BYTES)
            for record in records_in(block, skipped)
        ]
        if not found:
            return
        handle, path = tempfile.mkstemp(suffix=".jsonl", dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(found)
            self._insert(self._of_lines([path]), str(int(number)))
        finally:
            os.unlink(path)

    def _wash(self, given: Input, number: int) -> None:
        skipped = self.skipped.setdefault(number, Counter())
        if given.kind == "parquet":
            skipped["unreadable"] += 1
            return
        for path in washed(given, self._folder, skipped, self.reports):
            self._insert(self._of_lines([path]), str(int(number)))


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
