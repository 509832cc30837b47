"""
Raw inputs and outputs of models in S3, and an index of which record has which.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

from .. import options
from ..accounting import DeliveryStats
from ..compression import codec_of
from ..delivery.s3 import KEY_TEMPLATE, BatchTransport, Keys
from ..delivery.s3.handler import (
    Bucket,
    ObjectHandler,
    ObjectOptions,
    Prefix,
)
from ..delivery.s3.index import index_event, payload_event
from ..errors import ConfigError
from ..events import Entry, Event, size_of
from ..fields import fields_of
from ..filters import SamplingFilter
from ..forking import fork_safe_lock, tell_child
from ..formatters.json import JSONFormatter
from ..options import Unpack
from ..payloads import Payload, content_of, find_payloads

__all__ = ["S3PayloadHandler"]

# What the index calls the payloads of a record.
_INDEX = "payloads"


class S3PayloadHandler(ObjectHandler):
    """
    Store the images, tokens and tensors of records in S3.

    Each ``mllog.Payload`` in ``extra``, and each field named in
    *payload_fields*, becomes an object: ``.jpg`` and ``.png`` for images,
    ``.npy`` for arrays and tensors, ``.json`` for token ids and JSON values,
    ``.bin`` for other bytes.  Its key is ``payloads/<ref[:2]>/<ref>.png``,
    where the ref is the hash of its content: equal payloads are stored once,
    and the ref that any other handler writes for a ``Payload`` names it.  An
    index beside them has a JSON line for each record: its time, message and
    fields, and the refs and keys of its payloads.  Records without payloads
    are passed over.

    Guarantee:
        Values are encoded when they are logged, in the caller's thread, so
        that they may change afterwards; hashing and storing are left to a
        worker.  A line of the index is stored after the payloads it names.

    Limit:
        What is waiting is held in memory; *max_queue_bytes* has to hold the
        payloads of *linger_seconds*.  A kill -9 loses them without a spool,
        and in a spool they take a third more room.

    Args:
        bucket: Name of the bucket, which exists already.

        prefix: What all keys begin with.

        payload_fields: Fields whose values are stored, whatever they are.

        sampling: Arguments of :class:`mllog.SamplingFilter`; of records that
            it leaves out the index says ``sampled_out``.  None stores all.

        max_payload_bytes: Largest payload; of larger ones the index says
            ``too_large``.

        compression: That of the index: ``"gzip"``, ``"zstd"`` or ``"none"``.

        parallel_uploads: Objects that are put at the same time.

        max_queue_bytes: Bytes kept in memory.

        batch_records: Records whose payloads are stored together.

        batch_bytes: Bytes that are stored together.

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
        "parallel_uploads": 8,
        "max_queue_bytes": "64MiB",
        "max_record_bytes": None,  # one record may have several payloads
        "batch_records": 200,
        "batch_bytes": "8MiB",
        "linger_seconds": 5.0,
    }

    @options.checked
    def __init__(
        self,
        bucket: Bucket,
        prefix: Prefix = "",
        *,
        payload_fields: options.Names = (),
        sampling: options.Fields | None = None,
        max_payload_bytes: options.Size = "16MiB",
        compression: Literal["gzip", "zstd", "none"] = "gzip",
        **store: Unpack[ObjectOptions],
    ) -> None:
        self._payload_fields = frozenset(payload_fields)
        self._sampling = _sampling(sampling)
        self._most_payload = int(max_payload_bytes)
        codec = codec_of("compression", compression)
        self._counts: Counter[str] = Counter()
        self._counting = fork_safe_lock()
        super().__init__(bucket, prefix, **store)
        folder = f"{self.location.key}/index".lstrip("/")
        keys = Keys(
            KEY_TEMPLATE, prefix=folder, suffix=f".jsonl{codec.suffix}"
        )
        self.ship(
            BatchTransport(self._store, keys, codec, self._at_once),
            str(self.location),
        )
        tell_child(self)

    @classmethod
    def complete(cls, given: dict[str, Any]) -> None:
        """
        A record may be as large as the queue.
        """
        if given["max_record_bytes"] is None:
            given["max_record_bytes"] = given["max_queue_bytes"]

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[ConfigError]:
        """
        What is wrong with parsed options together.
        """
        sampling = given["sampling"]
        if sampling:
            for _, error in options.problems(SamplingFilter, sampling):
                yield error
        codec_of("compression", given["compression"])

    def forget_parent(self) -> None:
        """
        In a forked child: the parent counts its own payloads.
        """
        self._counts.clear()

    # --- from a record to events ---

    def default_formatter(self) -> logging.Formatter:
        """
        JSON, for the lines of the index.
        """
        return JSONFormatter()

    def way_to_entry(self) -> Callable[[logging.LogRecord], Entry]:
        """
        The payloads of a record, and its line in the index.

        Raises:
            ConfigError: The formatter writes no JSON.
        """
        fault = _unfit(self._used)
        if fault:
            raise ConfigError(
                f"{type(self._used).__name__} formats the index, and {fault}",
                expected="a JSONFormatter that writes an object in one line",
                owner=type(self).__name__,
            )
        return self._entry

    def _entry(self, record: logging.LogRecord) -> Entry:
        fields = fields_of(record)
        found = find_payloads(fields, self._payload_fields)
        if not found:
            return b""
        is_kept = self._sampling is None or self._sampling.keeps(record)
        events: list[Event] = []
        payloads: dict[str, dict[str, Any]] = {}
        for name, value, content_type in found:
            about: dict[str, Any] = {"status": "sampled_out"}
            if is_kept:
                about = self._taken(value, content_type, events)
            payloads[name] = about
        line = self._line(record, fields)
        entry = (*events, index_event(line, payloads))
        if size_of(entry) <= self._most_bytes:
            with self._counting:
                self._counts.update(
                    each["status"] for each in payloads.values()
                )
        return entry

    def _taken(
        self, value: Any, content_type: str | None, events: list[Event]
    ) -> dict[str, Any]:
        """
        Encode one payload, and put its event behind *events*.

        Returns:
            What the index says of it.
        """
        try:
            content = (
                value.content
                if issubclass(type(value), Payload)
                else content_of(value, content_type)
            )
        except Exception as exc:
            self.report(exc)
            return {"status": "failed", "error": type(exc).__name__}
        about = {
            "status": "stored",
            "type": content.kind,
            "shape": list(content.shape),
            "dtype": content.dtype or None,
            "bytes": len(content.data),
            "content_type": content.content_type,
        }
        if len(content.data) > self._most_payload:
            return about | {"status": "too_large"}
        events.append(
            payload_event(
                content.data,
                content.content_type,
                head=content.head,
                offset=content.offset,
                extension=content.extension,
                ref=content.ref or "",
            )
        )
        return about

    def _line(
        self, record: logging.LogRecord, fields: Mapping[str, Any]
    ) -> bytes:
        """
        The record as JSON, without what is stored beside it.
        """
        stored = {
            name
            for name, value in fields.items()
            if (name in self._payload_fields and value is not None)
            or _is_all_payload(value)
        }
        # a copy, as copy.copy would make it, in a third of the time
        rest = logging.LogRecord.__new__(logging.LogRecord)
        rest.__dict__ = {
            name: value
            for name, value in record.__dict__.items()
            if name not in stored
        }
        if _INDEX in rest.__dict__:
            rest.__dict__[f"{_INDEX}_"] = rest.__dict__.pop(_INDEX)
        formatter: Any = self._used
        line: bytes = formatter.format_bytes(rest)
        return line

    # --- numbers ---

    def stats(self) -> DeliveryStats:
        """
        What became of the records, and how many payloads they had.
        """
        with self._counting:
            return replace(super().stats(), payloads=dict(self._counts))


def _unfit(formatter: logging.Formatter) -> str:
    """
    Why *formatter* cannot write an index, or ``""``.
    """
    if not isinstance(formatter, JSONFormatter):
        return "it writes no JSON"
    try:
        line = formatter.format_bytes(logging.makeLogRecord({"msg": ""}))
    except Exception:  # counted with the records
        return ""
    if b"\n" in line:
        return "json_indent makes several lines of a record"
    is_object = line.startswith(b"{") and line.endswith(b"}")
    return "" if is_object else "its line is no object"


def _is_all_payload(value: Any) -> bool:
    """
    Whether *value* is a Payload, or a list or dict of nothing else.
    """
    kind = type(value)
    if kind in (list, tuple, dict):
        items = list(value.values() if kind is dict else value)
        return bool(items) and all(
            issubclass(type(item), Payload) for item in items
        )
    return issubclass(kind, Payload)


def _sampling(given: Mapping[str, Any] | None) -> SamplingFilter | None:
    arguments = options.mapping("sampling", given)
    return SamplingFilter(**arguments) if arguments else None
