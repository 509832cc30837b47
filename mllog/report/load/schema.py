"""
Which fields sampled records have, and which columns they become.
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

from ...compression import decompressed
from ...errors import require
from ...fields import FIELD_LABELS, VOCABULARY
from ...reading.keys import KEYS
from ...reading.lines import Record, blocks, records_in
from ...reading.predicates import number_of
from ...reading.tables import tables
from .inputs import Input

__all__ = [
    "FieldColumn",
    "FieldStatistics",
    "FieldSurvey",
    "Path",
    "Schema",
    "infer_schema",
    "survey_fields",
]

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
_MOST_COLUMNS: Final = 60
_MOST_METRICS: Final = 200
_ALWAYS: Final = ("mllog_truncated",)


@dataclass
class FieldStatistics:
    """
    The values of a field in the sampled records.

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


class FieldSurvey:
    """
    The fields of sampled records.

    Attributes:
        records: How many records were sampled.

        fields: What was found, by path.

        keys: The keys of records that hold time, level, logger and
            message.

        dotted: Keys such as ``metrics.loss``, which are not nested.
    """

    def __init__(self) -> None:
        self.records = 0
        self.fields: dict[Path, FieldStatistics] = {}
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
            found = self.fields[path] = FieldStatistics()
        if value is not None:
            found.add(value)


def survey_fields(inputs: Sequence[Input]) -> FieldSurvey:
    """
    Look at some records of each kind of file: all of what is small.

    Limit:
        Of large logs a field that is in few records may not be found.
    """
    found = FieldSurvey()
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
        if given.packing or is_head:  # the header comes first
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
    The first rows of a file, with the partitions in its path.
    """
    parts = re.findall(r"([^/=]+)=([^/]*)/", path)
    partitions = {name: unquote(value) for name, value in parts}
    parquet = require("pyarrow.parquet", "report")
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS):
            yield [{**row, **partitions} for row in batch.to_pylist()]
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


@dataclass(frozen=True)
class FieldColumn:
    """
    A field in the table of records.

    Args:
        path: The field.

        index: Its number among the columns.

        is_number: Whether it has a column of numbers; what is none, and all
            values of other fields, are in its column of texts.

        keys: The keys of a record that hold it, the first one that does.

        nested: Those that hold it within an object: its key, and the names
            from there.

        distinct: How many different values the sampled records have.
    """

    path: Path
    index: int
    is_number: bool
    keys: tuple[str, ...]
    nested: tuple[Path, ...]
    distinct: int = 0

    @property
    def number(self) -> str:
        """
        The name of its column of numbers.
        """
        return f"n{self.index}"

    @property
    def text(self) -> str:
        """
        The name of its column of texts.
        """
        return f"t{self.index}"

    @property
    def label(self) -> str:
        """
        The name of the field as a user writes it.
        """
        return ".".join(self.path)


@dataclass(frozen=True)
class Schema:
    """
    The columns of the table of records.

    Args:
        parts: The keys of time, level, logger and message.

        columns: The fields.

        unread: Fields that differ from another only by case, and are not
            read.
    """

    parts: dict[str, tuple[str, ...]]
    columns: tuple[FieldColumn, ...]
    unread: tuple[str, ...]

    @property
    def keys(self) -> list[str]:
        """
        The keys of a record that are read as text.
        """
        found = [key for keys in self.parts.values() for key in keys]
        found += [key for each in self.columns for key in each.keys]
        maps = set(self.maps)
        return [key for key in dict.fromkeys(found) if key not in maps]

    @property
    def maps(self) -> list[str]:
        """
        The keys of a record that are read as an object.
        """
        return list(
            dict.fromkeys(
                path[0] for each in self.columns for path in each.nested
            )
        )

    def column(self, path: Path) -> FieldColumn | None:
        """
        The column of the field at *path*.
        """
        for each in self.columns:
            if each.path == path:
                return each
        if len(path) == 1:
            return self.column((_METRICS, *path))
        return None

    def path(self, name: str) -> Path:
        """
        The field that a person means by *name*.
        """
        parts = tuple(name.split("."))
        for path in ((name,), (_METRICS, name), parts):
            if self.column(path) is not None:
                return path
        return (name,) if name in KEYS else parts


def infer_schema(
    survey: FieldSurvey,
    wanted: Iterable[Path] = (),
    as_text: Iterable[Path] = (),
) -> Schema:
    """
    The columns for the sampled fields and for those that are queried.

    Args:
        survey: What was found.

        wanted: Fields that are read in any case.

        as_text: Those of them that are groups: their values are names.
    """
    parts = {
        part: tuple(key for key in keys if key in survey.keys) or keys[:1]
        for part, keys in KEYS.items()
    }
    texts = dict.fromkeys((*((name,) for name in FIELD_LABELS), *as_text))
    paths = dict.fromkeys(
        path
        for path in (*texts, *wanted, *_found_in(survey, parts))
        if _is_writable(path) and path[0] not in KEYS
    )
    taken = {key.lower(): key for keys in parts.values() for key in keys}
    taken.setdefault(_METRICS, _METRICS)
    columns: list[FieldColumn] = []
    unread: list[str] = []
    for path in paths:
        if taken.setdefault(path[0].lower(), path[0]) != path[0]:
            unread.append(path[0])
            continue
        columns.append(_column(path, len(columns), survey, path in texts))
    return Schema(parts, tuple(columns), tuple(dict.fromkeys(unread)))


def _found_in(
    survey: FieldSurvey, parts: dict[str, tuple[str, ...]]
) -> Iterable[Path]:
    first = {keys[0] for keys in parts.values()}
    found = [
        path
        for path, each in survey.fields.items()
        if each.is_scalar and each.records and path[0] not in first
    ]

    def order(path: Path) -> tuple[bool, int]:
        is_known = path[0] in VOCABULARY or path[0] in _ALWAYS
        return not is_known, -survey.fields[path].records

    fields = sorted((path for path in found if len(path) == 1), key=order)
    metrics = sorted((path for path in found if len(path) == 2), key=order)
    yield from fields[:_MOST_COLUMNS]
    yield from metrics[:_MOST_METRICS]
    if "nonfinite" in survey.keys:
        yield ("nonfinite",)


def _column(
    path: Path, index: int, survey: FieldSurvey, is_text: bool
) -> FieldColumn:
    found = survey.fields.get(path)
    keys: Sequence[str] = (".".join(path),)
    nested: Sequence[Path] = (path,) if len(path) > 1 else ()
    if len(path) == 1:
        within = (_METRICS, *path)
        is_metric = within in survey.fields
        found = found or survey.fields.get(within)
        nested = (within,) if is_metric else ()
        if ".".join(within) in survey.dotted:
            keys = (*keys, ".".join(within))
    elif path in survey.fields and keys[0] not in survey.dotted:
        keys = ()
    known = VOCABULARY.get(path[-1])
    is_number = known is not None if found is None else found.is_number
    return FieldColumn(
        path,
        index,
        is_number and not is_text,
        tuple(keys),
        tuple(nested),
        0 if found is None else len(found.values),
    )


def _is_writable(path: Path) -> bool:
    text = "".join(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text and bool(text)
