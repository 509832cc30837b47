"""
Logs as one table of Ibis: its fields, groups and conditions as expressions.
"""

from __future__ import annotations

import functools
import operator
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from .. import options
from ..errors import ConfigError, nearest, require, shown
from ..fields import FIELD_LABELS, VOCABULARY
from ..reading.conditions import Condition, condition
from ..reading.keys import LEVELS, text_of
from ..reading.predicates import NUMBER, AllOf, AnyOf, Comparison, Node, Not
from ..s3 import Access
from .answers import Reading, Skipped
from .load.duckdb import DuckDBStore
from .load.inputs import Input, find_inputs
from .load.schema import FieldColumn, Path, Schema, infer_schema, survey_fields
from .load.store import RecordStore, Settings

__all__ = [
    "Logs",
    "bucket_numbers",
    "bucket_width",
    "group_columns",
    "group_values",
    "is_error",
    "open_logs",
    "row_fields",
]

_BACKENDS: Final = ("duckdb", "pyspark")
_STANDARD: Final = ("level", "logger", "message")
_POINTS: Final = 60
_WIDTHS: Final = (
    *(0.001, 0.01, 0.1, 1, 2, 5, 10, 15, 30),
    *(60 * each for each in (1, 2, 5, 10, 15, 30)),
    *(3600 * each for each in (1, 2, 3, 6, 12)),
    *(86400 * each for each in (1, 2, 7, 14, 28)),
)
_SIGNS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Logs:
    """
    Records read once and queried often; a context manager.

    Made by :func:`mllog.report.open_logs`.

    Args:
        inputs: The files.

        schema: The columns.

        store: The records.

        chosen: The records that queries are about; None is all.

        seconds: How long reading took.

    Attributes:
        table: The chosen records, as a table of Ibis.

        schema: The columns.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        schema: Schema,
        store: RecordStore,
        *,
        chosen: Any = None,
        seconds: float = 0.0,
    ) -> None:
        self.schema = schema
        self._inputs = inputs
        self._store = store
        self._seconds = seconds
        self._reading: Reading | None = None
        self.table = store.table if chosen is None else chosen

    def __enter__(self) -> Logs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """
        Release memory and disk.
        """
        self._store.close()

    def __repr__(self) -> str:
        return f"<Logs of {len(self._inputs)} files>"

    def path(self, name: str) -> Path:
        """
        The path of the field *name*.

        Raises:
            ConfigError: No record has it.
        """
        path = self.schema.path(name)
        if self.schema.column(path) is None and name not in _STANDARD:
            raise _unknown_field(
                f"no sampled record has the field {name!r}",
                name,
                self._field_names,
            )
        return path

    @property
    def _field_names(self) -> tuple[str, ...]:
        return (*_STANDARD, *(each.label for each in self.schema.columns))

    def text(self, name: str) -> Any:
        """
        The expression of a field as text.
        """
        return text_expression(self.table, self.schema, self.path(name))

    def number(self, name: str) -> Any:
        """
        The expression of a field as a finite number.
        """
        return number_expression(self.table, self.schema, self.path(name))

    def has(self, name: str) -> bool:
        """
        Whether *name* can be queried.
        """
        path = self.schema.path(name)
        return self.schema.column(path) is not None or name in _STANDARD

    @property
    def numbers(self) -> list[FieldColumn]:
        """
        The columns of numbers.
        """
        return [each for each in self.schema.columns if each.is_number]

    @property
    def latency_field(self) -> str | None:
        """
        The latency that a report is about by default.
        """
        known = [
            name
            for name, field in VOCABULARY.items()
            if field.kind == "histogram" and field.unit == "seconds"
        ]
        others = [
            each.label
            for each in self.numbers
            if each.label.endswith(("latency", "latency_seconds", "duration"))
        ]
        return next(filter(self._has_numbers, (*known, *others)), None)

    def _has_numbers(self, name: str) -> bool:
        column = self.schema.column(self.schema.path(name))
        if column is None or not column.is_number:
            return False
        found = self.table[column.number].notnull().any()
        return bool(self.rows(self.table.aggregate(found=found))[0]["found"])

    @property
    def labels(self) -> tuple[str, ...]:
        """
        Those of model_name, model_version and variant that records have.
        """
        columns = (self.schema.column((name,)) for name in FIELD_LABELS)
        return tuple(
            each.label
            for each in columns
            if each is not None and each.distinct
        )

    def rows(self, query: Any) -> list[dict[str, Any]]:
        """
        The rows of a query of Ibis, as plain values.
        """
        found: list[dict[str, Any]] = query.to_pyarrow().to_pylist()
        return found

    def write(self, table: Any, folder: str, by: Sequence[str]) -> None:
        """
        Write *table* as Parquet to *folder*, in folders by columns.
        """
        self._store.write(table, folder, by)

    def where(self, given: Condition | str | None) -> Logs:
        """
        The same logs, but only the records that meet a condition.

        Raises:
            ConfigError: It is no condition, or of a field that was not read.
        """
        if given is None:
            return self
        given = condition(given) if isinstance(given, str) else given
        for path in given.fields:
            if path != ("timestamp",):
                self.path(".".join(path))
        return self._with(
            compile_condition(given.node, self.table, self.schema)
        )

    def between(self, since: float | None, until: float | None) -> Logs:
        """
        The same logs from *since* on and before *until*, in seconds.
        """
        chosen = self
        if since is not None:
            chosen = chosen._with(chosen.table.time_us >= round(since * 1e6))
        if until is not None:
            chosen = chosen._with(chosen.table.time_us < round(until * 1e6))
        return chosen

    def of_path(self, number: int) -> Logs:
        """
        The same logs, of one of the paths that were opened, by its place.
        """
        files = [
            place
            for place, each in enumerate(self._inputs)
            if each.source == number
        ]
        low, high = (files[0], files[-1]) if files else (0, -1)
        return self._with(self.table.file.between(low, high))

    def _with(self, is_chosen: Any) -> Logs:
        return Logs(
            self._inputs,
            self.schema,
            self._store,
            chosen=self.table.filter(is_chosen),
            seconds=self._seconds,
        )

    @property
    def reports(self) -> tuple[str, ...]:
        """
        What handlers reported on standard error, found among the lines.
        """
        return tuple(self._store.reports)

    @property
    def reading(self) -> Reading:
        """
        What was read, chosen and skipped.
        """
        if self._reading is None:
            self._reading = self._read()
        return self._reading

    def _read(self) -> Reading:
        table = self.table
        (found,) = self.rows(
            table.aggregate(
                chosen=table.count(),
                untimed=table.time_us.isnull().sum(),
                since=table.time_us.min(),
                until=table.time_us.max(),
            )
        )
        everything = self._store.table
        total = self.rows(everything.aggregate(n=everything.count()))[0]["n"]
        skipped = tuple(
            Skipped(self._name(number), reason, count)
            for number, reasons in sorted(self._store.skipped.items())
            for reason, count in sorted(reasons.items())
            if count
        )
        return Reading(
            len(self._inputs),
            sum(each.bytes for each in self._inputs),
            total,
            found["chosen"],
            found["untimed"] or 0,
            _seconds(found["since"]),
            _seconds(found["until"]),
            self._seconds,
            skipped,
            self._field_names,
        )

    def _name(self, number: int) -> str:
        return self._inputs[number].name if number >= 0 else "(folders)"


def _seconds(micros: int | None) -> float | None:
    return None if micros is None else micros / 1e6


def open_logs(
    paths: Any,
    *,
    backend: str = "duckdb",
    by: Iterable[str] = (),
    fields: Iterable[str] = (),
    where: Condition | str | None = None,
    since: float | None = None,
    until: float | None = None,
    access: Access | None = None,
    settings: Settings | None = None,
) -> Logs:
    """
    Read logs into a table, to be queried.

    Args:
        paths: A file, folder, glob or ``s3://bucket/prefix``, or several:
            JSON lines of mllog, python-json-logger or structlog, latency
            CSV, any of them rotated, ``.gz`` or ``.zst``, and Parquet.

        backend: ``"duckdb"`` or ``"pyspark"``.

        by: Fields that will be grouped by.

        fields: Further fields that will be queried; those of sampled
            records, and the known ones, need not be named.

        where: Only records that meet it.

        since: Only records from this time on, in seconds since 1970.

        until: Only records before this time.

        access: How to reach S3.

        settings: How the engine runs.

    Raises:
        ConfigError: A path does not exist, or an argument cannot work.

        MissingPackageError: The extra ``[report]`` or ``[spark]`` is not
            installed.

    Guarantee:
        What cannot be read is skipped and counted, by file and reason.
        With DuckDB memory is bounded by ``settings.memory_limit``.

    Limit:
        Fields that differ only by case are read under the first of their
        names.
    """
    begun = time.monotonic()
    by, fields = tuple(by), tuple(fields)
    options.choice("backend", backend, _BACKENDS)
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    settings = settings or Settings()
    where = condition(where) if isinstance(where, str) else where
    skipped: Counter[str] = Counter()
    inputs = find_inputs(list(paths), access or Access(), skipped)
    schema = _schema(inputs, by, fields, where)
    store = _store(backend, inputs, schema, settings)
    if skipped:
        store.skipped[-1] = skipped
    logs = Logs(inputs, schema, store, seconds=time.monotonic() - begun)
    try:
        _require_fields(logs, by)
        return logs.where(where).between(since, until)
    except BaseException:
        logs.close()
        raise


def _require_fields(logs: Logs, by: tuple[str, ...]) -> None:
    """
    Raise a ConfigError for a field that no record has.
    """
    if not by:
        return
    groups = group_columns(logs, by)
    counts = {name: text.count() for name, text in groups.items()}
    (row,) = logs.rows(
        logs.table.aggregate(records=logs.table.count(), **counts)
    )
    for place, name in enumerate(by):
        if row["records"] and not row[f"g{place}"]:
            known = [each for each in logs.reading.fields if each not in by]
            raise _unknown_field(
                f"no record has the field {name!r}", name, known
            )


def _unknown_field(
    problem: str, name: str, known: Sequence[str]
) -> ConfigError:
    near = nearest(name, known)
    return ConfigError(
        problem,
        expected=f"one of {', '.join(known[:20])}",
        fix=f"did you mean {near!r}?" if near else "",
    )


def _schema(
    inputs: Sequence[Input],
    by: tuple[str, ...],
    fields: tuple[str, ...],
    where: Condition | None,
) -> Schema:
    survey = survey_fields(inputs)
    first = infer_schema(survey)
    groups = [first.path(name) for name in by]
    asked = [first.path(name) for name in fields]
    if where is not None:
        asked += where.fields
    return infer_schema(survey, asked, groups)


def _store(
    backend: str, inputs: Sequence[Input], schema: Schema, settings: Settings
) -> RecordStore:
    if backend == "duckdb":
        return DuckDBStore(inputs, schema, settings)
    from .load.spark import SparkStore  # which starts Java

    return SparkStore(inputs, schema, settings)


def group_columns(logs: Logs, by: Sequence[str]) -> dict[str, Any]:
    """
    The expressions to group by, named ``g0``, ``g1``, …

    Raises:
        ConfigError: A field is not there.
    """
    if isinstance(by, str):
        raise ConfigError(shown("by", by), expected="a list of fields")
    return {f"g{n}": logs.text(name) for n, name in enumerate(by)}


def group_values(
    row: dict[str, Any], by: Sequence[str]
) -> tuple[str | None, ...]:
    """
    The values that :func:`group_columns` named, in a row.
    """
    return tuple(row[f"g{n}"] for n in range(len(by)))


def compile_condition(node: Node, table: Any, schema: Schema) -> Any:
    """
    The expression that is true of the records that meet *node*.
    """
    if isinstance(node, Not):
        return ~compile_condition(node.part, table, schema)
    if isinstance(node, Comparison):
        return _compared(node, table, schema).fill_null(False)
    parts = [compile_condition(part, table, schema) for part in node.parts]
    ibis = require("ibis", "report")
    if not parts:
        return ibis.literal(isinstance(node, AllOf))
    join = operator.and_ if isinstance(node, AllOf) else operator.or_
    assert isinstance(node, (AllOf, AnyOf))  # noqa: S101 - for mypy
    return functools.reduce(join, parts)


def _compared(node: Comparison, table: Any, schema: Schema) -> Any:
    path = node.path
    if node.kind == "time":
        return _SIGNS[node.sign](table.time_us, round(float(node.value) * 1e6))
    if node.kind == "missing" and path == ("timestamp",):
        return table.time_us.isnull()
    if node.kind == "level":
        return _SIGNS[node.sign](table.severity, int(float(node.value)))
    if node.kind == "number":
        found = number_expression(table, schema, path)
        return _SIGNS[node.sign](found, float(node.value))
    found = text_expression(table, schema, path)
    if node.kind == "missing":
        return found.isnull()
    value = str(node.value)
    if node.sign == "contains":
        return found.contains(value)
    if path == ("level",):
        value = value.upper()
    return _SIGNS[node.sign](found, value)


def is_error(table: Any) -> Any:
    """
    Whether a record is of level ERROR or above.
    """
    return (table.severity >= LEVELS["ERROR"]).fill_null(False)


def text_expression(table: Any, schema: Schema, path: tuple[str, ...]) -> Any:
    """
    A field as text; null where a record has none.
    """
    ibis = require("ibis", "report")
    if len(path) == 1 and path[0] in _STANDARD:
        return table[path[0]]
    column = schema.column(path)
    if column is None:
        return ibis.null(str)
    found = table[column.text]
    if not column.is_number:
        return found
    value = table[column.number]
    whole = ibis.ifelse(
        (value == value.floor()) & (value.abs() < 1e15),
        value.try_cast("int64").cast("string"),
        value.cast("string"),
    )
    return ibis.coalesce(found, whole)


def number_expression(
    table: Any, schema: Schema, path: tuple[str, ...]
) -> Any:
    """
    A field as a finite number; null where a record has none.
    """
    ibis = require("ibis", "report")
    column = schema.column(path)
    if column is not None and column.is_number:
        return table[column.number]
    found = text_expression(table, schema, path)
    valid = ibis.ifelse(found.re_search(NUMBER), found, ibis.null(str))
    value = valid.try_cast("float64")
    return ibis.ifelse(value.isinf() | value.isnan(), ibis.null(float), value)


def row_fields(row: dict[str, Any], logs: Logs) -> dict[str, str]:
    """
    The fields of a row that have a value, as text.
    """
    fields = {}
    for column in logs.schema.columns:
        value = row[column.text]
        if value is None and column.is_number:
            value = text_of(row[column.number])
        if value is not None:
            fields[column.label] = value
    return fields


def bucket_width(logs: Logs, points: int = _POINTS) -> float:
    """
    A round width of intervals, in seconds, so that there are about *points*.
    """
    since, until = logs.reading.since, logs.reading.until
    span = (until or 0.0) - (since or 0.0)
    for width in _WIDTHS:
        if span <= width * points:
            return float(width)
    return 86400.0 * max(28, round(span / points / 86400))


def bucket_numbers(table: Any, seconds: float) -> Any:
    """
    The number of the interval of each record.
    """
    return table.time_us // round(seconds * 1e6)
