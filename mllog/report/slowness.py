"""
The slowest requests, each with its context.
"""

from __future__ import annotations

from typing import Any

from ..reading.keys import text_of
from .answers import SlowRequest
from .logs import Logs
from .schema import Path

__all__ = ["fields_in", "slowest"]


def slowest(logs: Logs, field: str, most: int = 10) -> tuple[SlowRequest, ...]:
    """
    The records with the largest values of *field*.

    Args:
        logs: The logs.

        field: The latency.

        most: How many.
    """
    value = logs.number(field)
    table = logs.table.mutate(value=value)
    rows = logs.rows(
        table.filter(table.value >= 0)
        .order_by([table.value.desc(), table.time_us])
        .limit(most)
    )
    path = logs.path(field)
    return tuple(_request(row, logs, path) for row in rows)


def _request(row: dict[str, Any], logs: Logs, path: Path) -> SlowRequest:
    own = logs.schema.column(path)
    fields = fields_in(row, logs)
    if own is not None:
        fields.pop(own.label, None)
    time = row["time_us"]
    return SlowRequest(
        None if time is None else time / 1e6,
        row["value"],
        row["level"],
        row["logger"],
        row["message"],
        fields,
    )


def fields_in(row: dict[str, Any], logs: Logs) -> dict[str, str]:
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
