"""
Logs as a table that can be asked.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from .. import options
from ..errors import ConfigError, nearest, shown
from ..fields import FIELD_LABELS, VOCABULARY
from ..reading.conditions import Condition, condition
from ..s3 import Access
from .answers import Reading, Skipped
from .inputs import Input, inputs_of
from .schema import Column, Path, Schema, schema_of
from .stores import DuckDBStore, Settings, Store
from .survey import surveyed
from .translating import number, text, translated

__all__ = ["Logs", "group_in", "groups_of", "open_logs"]

_BACKENDS: Final = ("duckdb", "pyspark")
_PARTS: Final = ("level", "logger", "message")


class Logs:
    """
    Logs, read once, to be asked often; use it with ``with``.

    Made by :func:`mllog.report.open_logs`.

    Args:
        inputs: The files.

        schema: The columns.

        store: The records.

        chosen: Which of the records are asked; None is all.

        seconds: How long reading took.

    Attributes:
        table: The chosen records, as a table of Ibis.

        schema: The columns.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        schema: Schema,
        store: Store,
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
        Give back memory and disk.
        """
        self._store.close()

    def __repr__(self) -> str:
        return f"<Logs of {len(self._inputs)} files>"

    # --- fields ---

    def path(self, name: str) -> Path:
        """
        The field that *name* means.

        Raises:
            ConfigError: No record has it.
        """
        path = self.schema.path(name)
        if self.schema.column(path) is None and name not in _PARTS:
            known = [*_PARTS, *(each.label for each in self.schema.columns)]
            near = nearest(name, known)
            raise ConfigError(
                f"no record that was looked at has the field {name!r}",
                expected=f"one of {', '.join(known[:20])}",
                fix=f"did you mean {near!r}?" if near else "",
            )
        return path

    def text(self, name: str) -> Any:
        """
        The expression of a field as text.
        """
        return text(self.table, self.schema, self.path(name))

    def number(self, name: str) -> Any:
        """
        The expression of a field as a finite number.
        """
        return number(self.table, self.schema, self.path(name))

    def has(self, name: str) -> bool:
        """
        Whether *name* can be asked for.
        """
        path = self.schema.path(name)
        return self.schema.column(path) is not None or name in _PARTS

    @property
    def numbers(self) -> list[Column]:
        """
        The columns of numbers.
        """
        return [each for each in self.schema.columns if each.is_number]

    @property
    def latency_field(self) -> str | None:
        """
        The latency that a report is about, unless it is told otherwise.
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

    # --- asking ---

    def rows(self, query: Any) -> list[dict[str, Any]]:
        """
        What a query of Ibis gives, as plain values.
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
        return self._with(translated(given.node, self.table, self.schema))

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

    # --- what was read ---

    @property
    def reports(self) -> tuple[str, ...]:
        """
        What handlers reported on standard error, found among the lines.
        """
        return tuple(self._store.reports)

    @property
    def reading(self) -> Reading:
        """
        What was read, chosen and passed over.
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
            (*_PARTS, *(each.label for each in self.schema.columns)),
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
    Read logs, to be asked.

    Args:
        paths: A file, folder, glob or ``s3://bucket/prefix``, or several:
            JSON lines of mllog, python-json-logger or structlog, latency
            CSV, any of them rotated, ``.gz`` or ``.zst``, and Parquet.

        backend: ``"duckdb"`` or ``"pyspark"``.

        by: Fields that will be grouped by.

        fields: Further fields that will be asked for; those of sampled
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
        What cannot be read is passed over and counted, by file and reason.
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
    inputs = inputs_of(list(paths), access or Access(), skipped)
    schema = _schema(inputs, by, fields, where)
    store = _store(backend, inputs, schema, settings)
    if skipped:
        store.skipped[-1] = skipped
    logs = Logs(inputs, schema, store, seconds=time.monotonic() - begun)
    try:
        _refuse_absent(logs, by)
        return logs.where(where).between(since, until)
    except BaseException:
        logs.close()
        raise


def _refuse_absent(logs: Logs, by: tuple[str, ...]) -> None:
    """
    Raise a ConfigError for a field that no record has.
    """
    if not by:
        return
    groups = groups_of(logs, by)
    counts = {name: text.count() for name, text in groups.items()}
    (row,) = logs.rows(
        logs.table.aggregate(records=logs.table.count(), **counts)
    )
    for place, name in enumerate(by):
        if row["records"] and not row[f"g{place}"]:
            known = [each for each in logs.reading.fields if each not in by]
            near = nearest(name, known)
            raise ConfigError(
                f"no record has the field {name!r}",
                expected=f"one of {', '.join(known[:20])}",
                fix=f"did you mean {near!r}?" if near else "",
            )


def _schema(
    inputs: Sequence[Input],
    by: tuple[str, ...],
    fields: tuple[str, ...],
    where: Condition | None,
) -> Schema:
    survey = surveyed(inputs)
    first = schema_of(survey)
    groups = [first.path(name) for name in by]
    asked = [first.path(name) for name in fields]
    if where is not None:
        asked += where.fields
    return schema_of(survey, asked, groups)


def _store(
    backend: str, inputs: Sequence[Input], schema: Schema, settings: Settings
) -> Store:
    if backend == "duckdb":
        return DuckDBStore(inputs, schema, settings)
    from .spark import SparkStore  # which starts Java

    return SparkStore(inputs, schema, settings)


def groups_of(logs: Logs, by: Sequence[str]) -> dict[str, Any]:
    """
    The expressions to group by, each under a name of ours.

    Raises:
        ConfigError: A field is not there.
    """
    if isinstance(by, str):
        raise ConfigError(shown("by", by), expected="a list of fields")
    return {f"g{n}": logs.text(name) for n, name in enumerate(by)}


def group_in(row: dict[str, Any], by: Sequence[str]) -> tuple[str | None, ...]:
    """
    The values that :func:`groups_of` named, in a row.
    """
    return tuple(row[f"g{n}"] for n in range(len(by)))
