"""
Records as compressed JSON lines in S3, one object for each batch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from .. import options
from ..accounting import DeliveryStats
from ..compression import Codec, codec_of
from ..delivery.s3 import KEY_TEMPLATE, BatchTransport, Keys, safe
from ..delivery.s3.handler import (
    Bucket,
    ObjectHandler,
    ObjectOptions,
    Prefix,
)
from ..errors import ConfigError
from ..events import Entry, Event, events_of
from ..options import Unpack

__all__ = ["S3Handler"]


class S3Handler(ObjectHandler):
    """
    Store records in S3, from a background worker.

    A batch becomes one object of JSON lines, which is there as soon as the
    batch is full or *linger_seconds* have passed.  Keys are those of a Hive
    table partitioned by day and hour, which Spark, Athena and DuckDB read as
    it is.  Credentials are found by boto3's own chain.

    Guarantee:
        Logging never waits for the server, and its constructor does not need
        it.  While the process lives each batch is stored exactly once: an
        attempt without an answer is repeated with the same key, and the
        server refuses to store it twice.  No object is ever replaced.

    Limit:
        A record is in memory until its batch is stored, up to
        *linger_seconds* in quiet times; a kill -9 loses it without a spool.
        What a spool hands to another process may be stored twice.  Without
        *create_only* a repeated attempt replaces the object by itself.

    Args:
        bucket: Name of the bucket, which exists already.

        prefix: What all keys begin with.

        key_template: What comes behind *prefix*, with ``{host}``, ``{pid}``,
            ``{start}``, ``{sequence}``, ``{date}``, ``{hour}`` and names of
            *key_fields*.  Day and hour are UTC, those of the lines.

        key_fields: Fields of records that may stand in a key, reduced to
            ``A-Z a-z 0-9 . _ -``; records are sorted into objects by them, at
            most 100 in a batch; further ones have ``other`` in their key,
            and count as ``relabelled``.

        compression: ``"gzip"``, ``"zstd"`` or ``"none"``.

        compression_level: 0 to 3 for gzip, 1 to 19 for zstd; None is fast.

        max_queue_records: Records kept in memory.

        max_queue_bytes: Bytes kept in memory.

        batch_records: Records in an object, at most.

        batch_bytes: Bytes in an object before compression, at most.

        linger_seconds: How long a record waits for others to go with.

        store: The options of
            :class:`mllog.delivery.s3.handler.ObjectHandler`: endpoint,
            region, encryption, tags; and those of
            :class:`mllog.delivery.handler.ShippingHandler`: queue, spool,
            overflow, timeouts, filters.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.

        MissingPackageError: boto3, or what *compression* needs, is not
            installed.
    """

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "max_queue_records": 100_000,
        "max_queue_bytes": "32MiB",
        "batch_records": 50_000,
        "batch_bytes": "8MiB",
        "linger_seconds": 60.0,
    }

    @options.checked
    def __init__(
        self,
        bucket: Bucket,
        prefix: Prefix = "",
        *,
        key_template: options.Text | None = KEY_TEMPLATE,
        key_fields: options.Names = (),
        compression: Literal["gzip", "zstd", "none"] = "gzip",
        compression_level: options.Count | None = None,
        **store: Unpack[ObjectOptions],
    ) -> None:
        self._key_fields = tuple(key_fields)
        codec = codec_of("compression", compression, compression_level)
        super().__init__(bucket, prefix, **store)
        keys = _keys(key_template, self._key_fields, prefix, codec)
        self.ship(
            BatchTransport(self._store, keys, codec, self._at_once),
            str(self.location),
        )

    def stats(self) -> DeliveryStats:
        """
        What became of the records, and where the others are.
        """
        way = self.__dict__.get("way")  # None while it is made
        relabelled = 0 if way is None else way.relabelled
        return replace(super().stats(), relabelled=relabelled)

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[ConfigError]:
        """
        What is wrong with parsed options together.
        """
        _keys(
            given["key_template"],
            given["key_fields"],
            given["prefix"],
            codec_of(
                "compression", given["compression"], given["compression_level"]
            ),
        )
        yield from ()

    def way_to_entry(self) -> Callable[[logging.LogRecord], Entry]:
        """
        The line, and beside it the values that its key needs.
        """
        way, names = super().way_to_entry(), self._key_fields
        if not names and not hasattr(self._used, "events"):
            return way

        def entry_of(record: logging.LogRecord) -> Entry:
            entry = way(record)
            if not entry:
                return entry
            own = record.__dict__
            values = tuple(
                (name, safe(own.get(name)).encode()) for name in names
            )
            return tuple(
                Event(event.value, headers=values)
                for event in events_of(entry)
            )

        return entry_of


def _keys(
    template: str | None, fields: Sequence[str], prefix: str, codec: Codec
) -> Keys:
    return Keys(
        template or KEY_TEMPLATE,
        fields,
        prefix=prefix,
        suffix=f".jsonl{codec.suffix}",
    )
