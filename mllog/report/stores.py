"""
Where the records of a report are: a table, and what was passed over.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import require
from .inputs import Input
from .loading import TABLE, Loader, duckdb_connection
from .schema import Schema
from .sql import quoted_name, quoted_text

__all__ = ["DuckDBStore", "Settings", "Store"]


@dataclass(frozen=True)
class Settings:
    """
    How an engine runs.

    Args:
        memory_limit: What DuckDB may use before it spills, ``"2GB"``; None
            is most of the memory of the machine.

        threads: Of DuckDB; None is one per processor.

        temp_folder: Where it spills; None is the system's.

        progress: Called with the part that is read, 0 to 1.

        spark: A SparkSession; None makes a local one.
    """

    memory_limit: str | None = None
    threads: int | None = None
    temp_folder: str | None = None
    progress: Callable[[float], object] | None = None
    spark: Any = field(default=None, repr=False)


class Store(Protocol):
    """
    The records, as a table of Ibis.

    Attributes:
        table: A row per record: ``file``, ``time_us``, ``level``,
            ``severity``, ``logger``,
            ``message``, and the columns of the schema.

        skipped: What was passed over, by number of the file and reason.

        reports: What handlers reported, found among the lines.
    """

    table: Any
    skipped: dict[int, Counter[str]]
    reports: list[str]

    def write(self, table: Any, folder: str, by: Sequence[str]) -> None:
        """
        Write a table of Ibis as Parquet to *folder*, in folders by columns.

        Its ``timestamp`` and ``date`` are microseconds since 1970.
        """

    def close(self) -> None:
        """
        Give back memory and disk.
        """


class DuckDBStore:
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
        self._folder = tempfile.mkdtemp(
            prefix="mllog-report-", dir=settings.temp_folder
        )
        try:
            self._connection = duckdb_connection(
                settings.memory_limit, settings.threads, self._folder
            )
            loader = Loader(
                self._connection, schema, self._folder, settings.progress
            )
            loader.load(inputs)
            backend = ibis.duckdb.from_connection(self._connection)
            self._backend = backend
            self.table = backend.table(TABLE)
        except BaseException:
            self.close()
            raise
        self.skipped = loader.skipped
        self.reports = loader.reports

    def write(self, table: Any, folder: str, by: Sequence[str]) -> None:
        """
        Write a table of Ibis as Parquet to *folder*, in folders by columns.

        Its ``timestamp`` and ``date`` are microseconds since 1970.
        """
        parts = ["FORMAT parquet", "COMPRESSION zstd"]
        if by:
            names = ", ".join(map(quoted_name, by))
            parts.append(f"PARTITION_BY ({names})")
            parts.append("FILENAME_PATTERN 'part-{uuid}', OVERWRITE_OR_IGNORE")
            target = folder
        else:
            target = os.path.join(folder, f"part-{uuid.uuid4()}.parquet")
        times = ['make_timestamptz("timestamp") AS "timestamp"']
        if "date" in by:
            day = "strftime(make_timestamp(\"date\"), '%Y-%m-%d')"
            times.append(f'{day} AS "date"')
        query = (  # what is not ours is quoted
            f"SELECT * REPLACE ({', '.join(times)})"  # noqa: S608
            f" FROM ({self._backend.compile(table)})"
        )
        self._connection.execute(
            f"COPY ({query}) TO {quoted_text(target)} ({', '.join(parts)})"
        )

    def close(self) -> None:
        """
        Give back memory and disk.
        """
        with contextlib.suppress(Exception):
            self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)
