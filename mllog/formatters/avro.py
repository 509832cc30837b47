"""
Rows as Avro, without its container: what Kafka's consumers expect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from ..errors import require

__all__ = ["AvroEncoder", "schema_of"]


def schema_of(name: str, fields: Mapping[str, str]) -> str:
    """
    The JSON text of a record's schema.

    Args:
        name: Of the record.

        fields: Their Avro types by name, in order.
    """
    described = [{"name": each, "type": fields[each]} for each in fields]
    return json.dumps({"type": "record", "name": name, "fields": described})


class AvroEncoder:
    """
    Writes rows by one schema, which is compiled once.

    Args:
        schema: Its JSON text.

    Raises:
        MissingPackageError: fastavro is not installed.
    """

    def __init__(self, schema: str) -> None:
        fastavro = require("fastavro", "kafka")
        self._schema = fastavro.parse_schema(json.loads(schema))
        self._write = fastavro.schemaless_writer

    def __call__(self, row: Mapping[str, Any]) -> bytes:
        """
        *row* in binary, in the order of the schema.
        """
        buffer = BytesIO()
        self._write(buffer, self._schema, row)
        return buffer.getvalue()
