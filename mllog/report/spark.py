"""
Records in Spark, for logs that outgrow one machine (extra ``[spark]``).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import unquote

from ..encoding import encode_line
from ..errors import ConfigError, require
from ..reading.lines import records_in
from ..reading.predicates import NUMBER
from .inputs import Input
from .loading import TABLE
from .schema import Column, Path, Schema
from .sql import severity
from .stores import Settings
from .washing import LONGEST_LINE_BYTES, note_reports, washed

__all__ = ["SparkStore"]

_LARGEST_EXACT: Final = 2**53
_CONFIG: Final = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "8",
}
# without them a cast that fails ends the query, and times depend on the place
_SESSION: Final = {
    "spark.sql.ansi.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
}
_GLOB: Final = frozenset("*?[]{}\\,")
# Spark takes the first of several objects, and what follows it for nothing
_ONE_OBJECT: Final = r"^\s*\{.*\}\s*$"
_SEVERAL: Final = r"\}\s*[^\s,\]\}]"
_FILE: Final = r"^file:/+"
_MOST_ODD: Final = 1_000_000


class SparkStore:
    """
    Records in a view of Spark.

    Lines are read by Spark where they are; those that may be none are looked
    at one by one, as ``mllog.read`` does, on the machine that asks.

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
        self._schema = schema
        self._folder = tempfile.mkdtemp(
            prefix="mllog-report-", dir=settings.temp_folder
        )
        self._frame: Any = None
        self._is_own = settings.spark is None
        self.skipped: dict[int, Counter[str]] = {}
        self.reports: list[str] = []
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
        Give back memory and disk, and end a Spark of our own.
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
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- reading ---

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
            frame = self._washed(inputs[number], number, frame)
        return frame

    def _frame_of(self, inputs: Sequence[Input], numbers: list[int]) -> Any:
        """
        The records of files that Spark reads.
        """
        frame = self._session.createDataFrame([], self._definition())
        for kind in ("lines", "parquet"):
            paths = {
                os.path.abspath(inputs[number].path): number
                for number in numbers
                if inputs[number].kind == kind
            }
            if paths:
                rows = (
                    self._of_lines(paths)
                    if kind == "lines"
                    else self._of_parquet(paths)
                )
                frame = frame.unionByName(rows)
        return frame

    def _definition(self) -> str:
        parts = ["file INT", "is_bad BOOLEAN", "time_us BIGINT"]
        parts += ["level STRING", "severity BIGINT"]
        parts += ["logger STRING", "message STRING"]
        for each in self._schema.columns:
            if each.is_number:
                parts.append(f"{each.number} DOUBLE")
            parts.append(f"{each.text} STRING")
        return ", ".join(parts)

    def _of_lines(self, paths: dict[str, int]) -> Any:
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
        good = parsed.where("NOT __odd").selectExpr(*self._selected())
        mended = [
            (row.file, line.decode())
            for row in found
            for line in self._mended(row.file, bytes(row.value))
        ]
        if not mended:
            return good
        again = self._session.createDataFrame(mended, "file INT, value STRING")
        rows = self._parsed(again).selectExpr(*self._selected())
        return good.unionByName(rows)

    def _mended(self, number: int, line: bytes) -> Iterator[bytes]:
        """
        The records in a line that may be none.
        """
        skipped = self.skipped.setdefault(number, Counter())
        note_reports(line, self.reports)
        for record in records_in(line, skipped):
            yield encode_line(record, "null", LONGEST_LINE_BYTES)

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
        fields = [f"{_name(key)} STRING" for key in self._schema.keys]
        fields += [
            f"{_name(key)} MAP<STRING, STRING>" for key in self._schema.maps
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

    def _of_parquet(self, paths: dict[str, int]) -> Any:
        functions = require("pyspark.sql.functions", "spark")
        read = self._session.read.option("mergeSchema", "true")
        frame = self._numbered(read.parquet(*paths), paths)
        kinds = {field.name: field.dataType for field in frame.schema}
        parts = []
        for key in self._schema.keys:
            found = functions.lit(None)
            if key in kinds:
                found = functions.col(_name(key))
            parts.append(found.cast("string").alias(key))
        for key in self._schema.maps:
            found = functions.lit(None)
            if key in kinds and kinds[key].typeName() in ("struct", "map"):
                found = functions.to_json(_name(key))
            maps = functions.from_json(
                found.cast("string"), "MAP<STRING, STRING>"
            )
            parts.append(maps.alias(key))
        rows = frame.select("file", functions.struct(*parts).alias("r"))
        return rows.selectExpr(*self._selected())

    def _washed(self, given: Input, number: int, frame: Any) -> Any:
        """
        *frame*, and the records of a file that Spark does not read.
        """
        skipped = self.skipped.setdefault(number, Counter())
        if given.kind == "parquet":
            skipped["unreadable"] += 1
            return frame
        functions = require("pyspark.sql.functions", "spark")
        for path in washed(given, self._folder, skipped, self.reports):
            kept = f"{path}.kept.jsonl"  # Spark reads it later, and again
            os.rename(path, kept)
            lines = self._session.read.text(kept)
            lines = lines.withColumn("file", functions.lit(number))
            rows = self._parsed(lines).selectExpr(*self._selected())
            frame = frame.unionByName(rows)
        return frame

    # --- SQL ---

    def _selected(self) -> Iterator[str]:
        """
        The expressions for the columns of a row.
        """
        schema = self._schema
        yield "file"
        yield "false AS is_bad"
        parts = {
            part: _coalesced([f"r.{_name(key)}" for key in keys])
            for part, keys in schema.parts.items()
        }
        yield f"{_microseconds(parts['timestamp'])} AS time_us"
        level = f"upper({parts['level']})"
        yield f"{level} AS level"
        yield f"{severity(level)} AS severity"
        yield f"{parts['logger']} AS logger"
        yield f"{parts['message']} AS message"
        for each in schema.columns:
            text = _coalesced(list(_places(each, schema)))
            if not each.is_number:
                yield f"{text} AS {each.text}"
                continue
            number = (
                f"CASE WHEN {text} RLIKE {_text(NUMBER)} AND"
                f" abs(try_cast({text} AS DOUBLE)) < double('Infinity')"
                f" THEN try_cast({text} AS DOUBLE) END"
            )
            yield f"{number} AS {each.number}"
            yield (
                f"CASE WHEN coalesce(abs({number}) >= {_LARGEST_EXACT}, true)"
                f" THEN trim(BOTH '\"' FROM {text}) END AS {each.text}"
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
        # a file that is damaged is counted, and no reason for a page of Java
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


def _name(value: str) -> str:
    quoted = value.replace("`", "``")
    return f"`{quoted}`"


def _text(value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{quoted}'"


def _coalesced(places: list[str]) -> str:
    if not places:
        return "cast(NULL AS STRING)"
    return places[0] if len(places) == 1 else f"coalesce({', '.join(places)})"


def _places(column: Column, schema: Schema) -> Iterator[str]:
    for key in column.keys:
        if key not in schema.maps:
            yield f"r.{_name(key)}"
    for path in column.nested:
        yield _within(path)


def _within(path: Path) -> str:
    found = f"r.{_name(path[0])}[{_text(path[1])}]"
    if len(path) > 2:
        names = "".join(f"['{name}']" for name in path[2:])
        found = f"get_json_object({found}, {_text('$' + names)})"
    return found


def _microseconds(text: str) -> str:
    number = f"try_cast({text} AS DOUBLE)"
    return (
        f"CASE WHEN substr({text}, 5, 1) = '-' THEN unix_micros(try_cast("
        f"replace({text}, ',', '.') AS TIMESTAMP))"
        f" WHEN {number} > 0 THEN try_cast({number} * CASE"
        f" WHEN {number} >= 1e17 THEN 1e-3 WHEN {number} >= 1e14 THEN 1e0"
        f" WHEN {number} >= 1e11 THEN 1e3 ELSE 1e6 END AS BIGINT) END"
    )
