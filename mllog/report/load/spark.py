"""
Records in Spark, for logs that outgrow one machine (extra ``[spark]``).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

from ...errors import ConfigError, require
from .dialect import SPARK, TABLE
from .inputs import Input
from .schema import Schema
from .store import RecordStore, Settings

__all__ = ["SparkStore"]

_CONFIG: Final = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "8",
}
# else a failed cast ends the query, and times depend on the time zone
_SESSION: Final = {
    "spark.sql.ansi.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
}
_GLOB: Final = frozenset("*?[]{}\\,")
# Spark reads the first of several objects in a line and ignores the rest
_ONE_OBJECT: Final = r"^\s*\{.*\}\s*$"
_SEVERAL: Final = r"\}\s*[^\s,\]\}]"
_FILE: Final = r"^file:/+"
_MOST_ODD: Final = 1_000_000


class SparkStore(RecordStore):
    """
    Records in a view of Spark.

    Spark reads lines where they are; lines that may be no records are parsed
    one by one, as ``mllog.read`` does, on the machine of the caller.

    Args:
        inputs: The files; their paths have to be the same on all workers.

        schema: The columns.

        settings: How it runs.
    """

    def __init__(
        self, inputs: Sequence[Input], schema: Schema, settings: Settings
    ) -> None:
        require("pyspark", "spark")
        ibis = require("ibis", "spark")
        super().__init__(settings)
        self._schema = schema
        self._frame: Any = None
        self._is_own = settings.spark is None
        self._session = settings.spark or _session(settings)
        self._before = {
            name: self._session.conf.get(name, None) for name in _SESSION
        }
        try:
            for name, value in _SESSION.items():
                self._session.conf.set(name, value)
            self._frame = self._loaded(inputs).persist()
            self._view = f"mllog_{TABLE}_{id(self):x}"
            self._frame.createOrReplaceTempView(self._view)
            self.table = ibis.pyspark.connect(self._session).table(self._view)
        except BaseException:
            self.close()
            raise

    def write(self, table: Any, folder: str, by: Sequence[str]) -> None:
        """
        Refused: DuckDB writes Parquet.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            f"Spark writes nothing to {folder!r} by {by} of {table}",
            expected='backend="duckdb"',
        )

    def close(self) -> None:
        """
        Release memory and disk, and stop Spark if it was started here.
        """
        with contextlib.suppress(Exception):
            if self._frame is not None:
                self._frame.unpersist()
                self._session.catalog.dropTempView(self._view)
        with contextlib.suppress(Exception):
            for name, value in self._before.items():
                if value is None:
                    self._session.conf.unset(name)
                else:
                    self._session.conf.set(name, value)
        if self._is_own:
            with contextlib.suppress(Exception):
                self._session.stop()
        super().close()

    def _loaded(self, inputs: Sequence[Input]) -> Any:
        """
        All records; files that break Spark are read by mllog itself.
        """
        plain = [n for n, each in enumerate(inputs) if _is_read(each)]
        try:
            frame = self._frame_of(inputs, plain)
        except _errors():
            for part in (self.skipped, self.reports):
                part.clear()
            plain = [n for n in plain if not inputs[n].packing]
            frame = self._frame_of(inputs, plain)
        for number in sorted(set(range(len(inputs))) - set(plain)):
            frame = self._with_normalised(inputs[number], number, frame)
        return frame

    def _frame_of(self, inputs: Sequence[Input], numbers: list[int]) -> Any:
        """
        The records of files that Spark reads.
        """
        frame = self._session.createDataFrame(
            [], SPARK.definition(self._schema)
        )
        for kind in ("lines", "parquet"):
            paths = {
                os.path.abspath(inputs[number].path): number
                for number in numbers
                if inputs[number].kind == kind
            }
            if paths:
                rows = (
                    self._lines(paths)
                    if kind == "lines"
                    else self._parquet(paths)
                )
                frame = frame.unionByName(rows)
        return frame

    def _lines(self, paths: dict[str, int]) -> Any:
        lines = self._numbered(self._session.read.text(list(paths)), paths)
        lines = lines.where("trim(value) <> ''")
        parsed = self._parsed(lines)
        odd = parsed.where("__odd").selectExpr(
            "file", "cast(value as binary) as value"
        )
        found = odd.limit(_MOST_ODD + 1).collect()
        if len(found) > _MOST_ODD:
            raise ConfigError(
                f"more than {_MOST_ODD} lines are no plain records",
                expected="JSON lines",
                fix='use backend="duckdb", or convert the logs first',
            )
        good = self._rows(parsed.where("NOT __odd"))
        recovered = [
            (row.file, line.decode())
            for row in found
            for line in self._recovered(bytes(row.value), row.file)
        ]
        if not recovered:
            return good
        again = self._session.createDataFrame(
            recovered, "file INT, value STRING"
        )
        rows = self._rows(self._parsed(again))
        return good.unionByName(rows)

    def _numbered(self, frame: Any, paths: dict[str, int]) -> Any:
        """
        *frame* with the number of the file of each row.
        """
        functions = require("pyspark.sql.functions", "spark")
        known = [
            (_local(uri), paths[unquote(_local(uri))])
            for uri in frame.inputFiles()
        ]
        numbers = self._session.createDataFrame(
            known, "__path STRING, file INT"
        )
        path = functions.regexp_replace("_metadata.file_path", _FILE, "/")
        named = frame.withColumn("__path", path)
        return named.join(functions.broadcast(numbers), "__path")

    def _parsed(self, lines: Any) -> Any:
        """
        Lines with the struct ``r``, and whether they may be no record.
        """
        fields = [f"{SPARK.name(key)} STRING" for key in self._schema.keys]
        fields += [
            f"{SPARK.name(key)} MAP<STRING, STRING>"
            for key in self._schema.maps
        ]
        fields.append("__bad STRING")
        functions = require("pyspark.sql.functions", "spark")
        parsed = functions.from_json(
            "value",
            ", ".join(fields),
            {
                "columnNameOfCorruptRecord": "__bad",
                "allowSingleQuotes": "false",
            },
        )
        value = functions.col("value")
        odd = (
            ~value.rlike(_ONE_OBJECT)
            | value.rlike(_SEVERAL)
            | ~functions.is_valid_utf8(value)
            | functions.coalesce(
                functions.col("r").getField("__bad").isNotNull(),
                functions.lit(True),
            )
        )
        return lines.withColumn("r", parsed).withColumn("__odd", odd)

    def _parquet(self, paths: dict[str, int]) -> Any:
        functions = require("pyspark.sql.functions", "spark")
        read = self._session.read.option("mergeSchema", "true")
        frame = self._numbered(read.parquet(*paths), paths)
        kinds = {field.name: field.dataType for field in frame.schema}
        parts = []
        for key in self._schema.keys:
            found = functions.lit(None)
            if key in kinds:
                found = functions.col(SPARK.name(key))
            parts.append(found.cast("string").alias(key))
        for key in self._schema.maps:
            found = functions.lit(None)
            if key in kinds and kinds[key].typeName() in ("struct", "map"):
                found = functions.to_json(SPARK.name(key))
            maps = functions.from_json(
                found.cast("string"), "MAP<STRING, STRING>"
            )
            parts.append(maps.alias(key))
        rows = frame.select("file", functions.struct(*parts).alias("r"))
        return self._rows(rows)

    def _with_normalised(self, given: Input, number: int, frame: Any) -> Any:
        """
        *frame*, and the records of a file that Spark does not read.
        """
        functions = require("pyspark.sql.functions", "spark")
        for path in self._normalised(given, number):
            kept = f"{path}.kept.jsonl"  # Spark reads it later, and again
            os.rename(path, kept)
            lines = self._session.read.text(kept)
            lines = lines.withColumn("file", functions.lit(number))
            frame = frame.unionByName(self._rows(self._parsed(lines)))
        return frame

    def _rows(self, parsed: Any) -> Any:
        """
        The rows of the table, of records with the struct ``r``.
        """
        row = SPARK.row(self._schema, "file", "false")
        return parsed.selectExpr(
            *(f"{value} AS {name}" for name, value in row)
        )


def _session(settings: Settings) -> Any:
    """
    The running Spark, or one on this machine.
    """
    sql = require("pyspark.sql", "spark")
    builder = sql.SparkSession.builder.appName("mllog report")
    if not os.environ.get("SPARK_REMOTE"):
        builder = builder.master(f"local[{settings.threads or '*'}]")
    for name, value in _CONFIG.items():
        builder = builder.config(name, value)
    if settings.memory_limit:
        memory = settings.memory_limit.strip().lower().removesuffix("b")
        builder = builder.config("spark.driver.memory", memory)
    try:
        session = builder.getOrCreate()
        # a damaged file is counted; it needs no page of Java's log
        session.sparkContext.setLogLevel("OFF")
        return session
    except Exception as exc:
        raise ConfigError(
            f"Spark does not start: {str(exc).strip()[:300]}",
            expected="Java 17 or 21 in PATH or JAVA_HOME",
        ) from exc


def _errors() -> tuple[type[BaseException], ...]:
    """
    What Spark raises where a file cannot be read.
    """
    base = require("pyspark.errors", "spark").PySparkException
    gateway = require("py4j.protocol", "spark").Py4JError
    return (base, gateway)


def _is_read(given: Input) -> bool:
    return (
        given.is_plain
        and given.kind != "table"
        and given.packing != "zstd"
        and _GLOB.isdisjoint(given.path)
        and given.bytes > 0
    )


def _local(uri: str) -> str:
    return re.sub(_FILE, "/", uri)
