"""
Which fields the records of some files have, by a look at some of them.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from ..compression import decompressed
from ..errors import require
from ..reading.keys import KEYS
from ..reading.lines import Record, blocks, records_in
from ..reading.predicates import number_of
from ..reading.tables import tables
from .inputs import Input

__all__ = ["Found", "Survey", "surveyed"]

_WHOLE_BYTES: Final = 8 << 20
_SAMPLE_BYTES: Final = 2 << 20
_PLACES: Final = 16
_PIECE_BYTES: Final = 1 << 16
_MOST_FILES: Final = 200
_ROWS: Final = 1000
_METRICS: Final = "metrics"
_MOST_VALUES: Final = 5000
_MOST_FIELDS: Final = 2000
_LARGEST_EXACT: Final = 2**53
_USUAL: Final = frozenset(key for keys in KEYS.values() for key in keys)
_OURS: Final = frozenset({"exception", "stack", "nonfinite"})

Path = tuple[str, ...]


@dataclass
class Found:
    """
    What the sampled records say of a field.

    Attributes:
        records: How often it has a value.

        numbers: How often that is a number.

        texts: How often it is text or a bool.

        nested: How often it is an object or a list.

        values: Some of its different values.

        has_large: Whether there are integers that a float cannot hold.
    """

    records: int = 0
    numbers: int = 0
    texts: int = 0
    nested: int = 0
    values: set[Any] = field(default_factory=set)
    has_large: bool = False

    def add(self, value: Any) -> None:
        """
        Take a value of JSON.
        """
        self.records += 1
        if isinstance(value, (Mapping, list)):
            self.nested += 1
            return
        number = number_of(value)
        if number is None:
            # NaN as text is a number that is missing
            self.texts += not _is_nonfinite(value)
        else:
            self.numbers += 1
            self.has_large |= abs(number) >= _LARGEST_EXACT
        if len(self.values) < _MOST_VALUES:
            self.values.add(value)

    @property
    def is_number(self) -> bool:
        """
        Whether it is a number far more often than not.
        """
        return self.numbers > 9 * self.texts and not self.has_large

    @property
    def is_scalar(self) -> bool:
        """
        Whether it is rather a value than something nested.
        """
        return self.numbers + self.texts >= self.nested


def _is_nonfinite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, str) and value.lower() in (
        "nan",
        "inf",
        "-inf",
        "infinity",
        "-infinity",
    )


class Survey:
    """
    The fields of sampled records.

    Attributes:
        records: How many records were looked at.

        fields: What was found, by path.

        keys: The keys of records that stand for time, level, logger and
            message.

        dotted: Keys such as ``metrics.loss``, which are not nested.
    """

    def __init__(self) -> None:
        self.records = 0
        self.fields: dict[Path, Found] = {}
        self.keys: Counter[str] = Counter()
        self.dotted: set[str] = set()

    def add(self, records: Iterable[Record]) -> None:
        """
        Look at *records*.
        """
        for record in records:
            self.records += 1
            for key, value in record.items():
                if value is None:
                    continue
                if key in _USUAL or key in _OURS:
                    self.keys[key] += 1
                if key in _OURS:
                    continue
                if key == _METRICS and isinstance(value, Mapping):
                    for name, each in value.items():
                        self._add((_METRICS, name), each)
                elif key.startswith(f"{_METRICS}."):
                    self.dotted.add(key)
                    self._add((_METRICS, key.partition(".")[2]), value)
                else:
                    self._add((key,), value)

    def _add(self, path: Path, value: Any) -> None:
        found = self.fields.get(path)
        if found is None:
            if len(self.fields) >= _MOST_FIELDS:
                return
            found = self.fields[path] = Found()
        if value is not None:
            found.add(value)


def surveyed(inputs: Sequence[Input]) -> Survey:
    """
    Look at some records of each kind of file: all of what is small.

    Limit:
        Of large logs a field that is in few records may not be found.
    """
    found = Survey()
    is_small = sum(each.bytes for each in inputs) <= _WHOLE_BYTES
    most = _WHOLE_BYTES if is_small else _SAMPLE_BYTES
    each_bytes = max(_PIECE_BYTES, most // max(1, len(inputs)))
    step = max(1, len(inputs) // _MOST_FILES)
    for given in inputs[::step]:
        # who reads all of it counts what cannot be read
        with contextlib.suppress(Exception):
            for records in _sampled(given, each_bytes):
                found.add(records)
    return found


def _sampled(given: Input, most_bytes: int) -> Iterator[list[Record]]:
    if given.kind == "parquet":
        yield from _in_parquet(given.path)
        return
    skipped: Counter[str] = Counter()
    with contextlib.closing(given.file.open()) as raw:
        is_head = given.kind == "table" or given.bytes <= most_bytes
        if given.packing or is_head:  # names of columns stand at the head
            stream: Any = _Head(decompressed(raw), most_bytes)
        else:
            stream = _Pieces(raw, given.bytes, most_bytes)
        if given.kind == "table":
            yield from tables(blocks(stream, skipped), skipped)
        else:
            for block in blocks(stream, skipped):
                yield records_in(block, skipped)


def _in_parquet(path: str) -> Iterator[list[Record]]:
    """
    The first rows of a file, with what names of its folders say.
    """
    parts = re.findall(r"([^/=]+)=([^/]*)/", path)
    said = {name: unquote(value) for name, value in parts}
    parquet = require("pyarrow.parquet", "report")
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS):
            yield [{**row, **said} for row in batch.to_pylist()]
            return


class _Head:
    """
    The first bytes of a stream.
    """

    def __init__(self, stream: Any, most: int) -> None:
        self._stream = stream
        self._left = most

    def read1(self, size: int) -> bytes:
        """
        Some of them.
        """
        if self._left <= 0:
            return b""
        read = getattr(self._stream, "read1", None) or self._stream.read
        data: bytes = read(min(size, self._left)) or b""
        self._left -= len(data)
        return data


class _Pieces:
    """
    Pieces from all over a file, each from the begin of a line.
    """

    def __init__(self, file: Any, size: int, most: int) -> None:
        self._file = file
        step = size // _PLACES
        piece = min(most // _PLACES, step)
        self._spans = [(n * step, piece) for n in range(_PLACES)]

    def read1(self, _size: int) -> bytes:
        """
        The next piece, of whole lines.
        """
        while self._spans:
            begin, size = self._spans.pop(0)
            self._file.seek(begin)
            data: bytes = self._file.read(size)
            start = data.find(b"\n") + 1 if begin else 0
            end = data.rfind(b"\n") + 1
            if start < end:
                return data[start:end]
        return b""
