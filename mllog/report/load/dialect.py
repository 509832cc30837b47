"""
SQL of both engines: how text of a record becomes times, levels and numbers.

Engines read a record as texts, one for each key, and maps for nested objects.
The rules are in :class:`Dialect`; engines differ in quoting, in the names of
functions, and in what they take for a number.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import Final

from ...reading.keys import LEVELS
from ...reading.predicates import NUMBER
from .schema import FieldColumn, Path, Schema

__all__ = ["DUCKDB", "SPARK", "TABLE", "Dialect"]

#: The table of records.
TABLE: Final = "records"

_LARGEST_EXACT: Final = 2**53
_COMMON_LEVELS: Final = ("INFO", "DEBUG", "WARNING", "ERROR")


class Dialect(abc.ABC):
    """
    The expressions that make a row of the table, in the SQL of one engine.

    Attributes:
        text_type: The type of text.

        record: What precedes the name of a record's key.
    """

    text_type: str
    record: str = ""

    @abc.abstractmethod
    def name(self, value: str) -> str:
        """
        *value* as a quoted name.
        """

    @abc.abstractmethod
    def literal(self, value: str) -> str:
        """
        *value* as a literal.
        """

    @abc.abstractmethod
    def micros(self, text: str) -> str:
        """
        Microseconds since 1970 of *text*, a time of ISO 8601.
        """

    @abc.abstractmethod
    def is_number(self, text: str) -> str:
        """
        Whether *text* is a finite number.
        """

    @abc.abstractmethod
    def within(self, value: str, path: Path) -> str:
        """
        What is at *path* of *value*, an object of JSON as text.
        """

    def unquoted(self, text: str) -> str:
        """
        *text* without the quotes of JSON that the engine keeps.
        """
        return text

    def definition(self, schema: Schema) -> str:
        """
        The names and types of the columns of the table.
        """
        text = self.text_type
        parts = [
            "file INTEGER",
            "is_bad BOOLEAN",
            "time_us BIGINT",
            f"level {text}",
            "severity BIGINT",
            f"logger {text}",
            f"message {text}",
        ]
        for each in schema.columns:
            if each.is_number:
                parts.append(f"{each.number} DOUBLE")
            parts.append(f"{each.text} {text}")
        return ", ".join(parts)

    def row(
        self, schema: Schema, file: str, is_bad: str
    ) -> Iterator[tuple[str, str]]:
        """
        The names of the columns, in order, and what is in them.

        Args:
            schema: The columns.

            file: The number of the record's file.

            is_bad: Whether the line is no record.
        """
        standard = {
            part: self._first([self._key(key) for key in keys])
            for part, keys in schema.parts.items()
        }
        level = f"upper({standard['level']})"
        yield "file", file
        yield "is_bad", is_bad
        yield "time_us", self._time(standard["timestamp"])
        yield "level", level
        yield "severity", self._severity(level)
        yield "logger", standard["logger"]
        yield "message", standard["message"]
        for each in schema.columns:
            text = self._first(list(self._places(each, schema)))
            if not each.is_number:
                yield each.text, text
                continue
            number = (
                f"CASE WHEN {self.is_number(text)}"
                f" THEN TRY_CAST({text} AS DOUBLE) END"
            )
            yield each.number, number
            is_text = f"coalesce(abs({number}) >= {_LARGEST_EXACT}, true)"
            text = self.unquoted(text)
            yield each.text, f"CASE WHEN {is_text} THEN {text} END"

    def _key(self, key: str) -> str:
        return f"{self.record}{self.name(key)}"

    def _places(self, column: FieldColumn, schema: Schema) -> Iterator[str]:
        """
        Where a record may have the value of *column*.
        """
        for key in column.keys:
            if key not in schema.maps:
                yield self._key(key)
        for path in column.nested:
            value = f"{self._key(path[0])}[{self.literal(path[1])}]"
            yield self.within(value, path[2:]) if len(path) > 2 else value

    def _first(self, places: list[str]) -> str:
        """
        The first of *places* that has a value.
        """
        if len(places) > 1:
            return f"coalesce({', '.join(places)})"
        return places[0] if places else f"CAST(NULL AS {self.text_type})"

    def _severity(self, level: str) -> str:
        """
        The number of a level, which is a name or a number.
        """
        # the usual ones first: they are compared with one after the other
        names = dict.fromkeys((*_COMMON_LEVELS, *LEVELS))
        cases = "".join(
            f" WHEN {self.literal(name)} THEN {LEVELS[name]}" for name in names
        )
        return f"CASE {level}{cases} ELSE TRY_CAST({level} AS BIGINT) END"

    def _time(self, text: str) -> str:
        """
        Microseconds since 1970 of ISO 8601, or of a number, by its size.
        """
        number = f"TRY_CAST({text} AS DOUBLE)"
        point = f"replace({text}, ',', '.')"
        return (
            f"CASE WHEN substr({text}, 5, 1) = '-' THEN {self.micros(point)}"
            f" WHEN {number} > 0 THEN TRY_CAST({number} * CASE"
            f" WHEN {number} >= 1e17 THEN 1e-3 WHEN {number} >= 1e14 THEN 1e0"
            f" WHEN {number} >= 1e11 THEN 1e3 ELSE 1e6 END AS BIGINT) END"
        )


class _DuckDB(Dialect):
    text_type = "VARCHAR"

    def name(self, value: str) -> str:
        quoted = value.replace('"', '""')
        return f'"{quoted}"'

    def literal(self, value: str) -> str:
        quoted = value.replace("'", "''")
        return f"'{quoted}'"

    def micros(self, text: str) -> str:
        return f"epoch_us(TRY_CAST({text} AS TIMESTAMPTZ))"

    def is_number(self, text: str) -> str:
        # faster than NUMBER; 1_000 is a number for DuckDB
        return (
            f"isfinite(TRY_CAST({text} AS DOUBLE)) AND NOT"
            f" contains({text}, '_')"
        )

    def within(self, value: str, path: Path) -> str:
        pointer = "".join(
            "/" + name.replace("~", "~0").replace("/", "~1") for name in path
        )
        return (
            f"json_extract_string(TRY_CAST({value} AS JSON),"
            f" {self.literal(pointer)})"
        )


class _Spark(Dialect):
    text_type = "STRING"
    record = "r."

    def name(self, value: str) -> str:
        quoted = value.replace("`", "``")
        return f"`{quoted}`"

    def literal(self, value: str) -> str:
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{quoted}'"

    def micros(self, text: str) -> str:
        return f"unix_micros(TRY_CAST({text} AS TIMESTAMP))"

    def is_number(self, text: str) -> str:
        return (
            f"{text} RLIKE {self.literal(NUMBER)} AND"
            f" abs(TRY_CAST({text} AS DOUBLE)) < double('Infinity')"
        )

    def within(self, value: str, path: Path) -> str:
        names = "".join(f"['{name}']" for name in path)
        return f"get_json_object({value}, {self.literal('$' + names)})"

    def unquoted(self, text: str) -> str:
        return f"trim(BOTH '\"' FROM {text})"


DUCKDB: Final[Dialect] = _DuckDB()
SPARK: Final[Dialect] = _Spark()
