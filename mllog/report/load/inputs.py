"""
The files that a report is made from, wherever they are.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

from ...errors import ConfigError
from ...reading.files import folders
from ...reading.names import is_table
from ...reading.records import sources_of
from ...reading.sources import LogFile, Source
from ...s3 import Access

__all__ = ["Input", "find_inputs"]

Kind = Literal["lines", "table", "parquet"]
Packing = Literal["", "gzip", "zstd", "unknown"]
_MAGIC: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_SUFFIXES: Final = {"gzip": ".gz", "zstd": ".zst", "": ""}
_PARQUET: Final = ".parquet"


class Input(NamedTuple):
    """
    A file or object.

    Args:
        name: Its path or key.

        source: The position, among the given paths, of the one it belongs to.

        kind: JSON lines, CSV or Parquet.

        path: Where it is on this machine; ``""`` for an object.

        packing: How it is compressed, by its first bytes; ``unknown`` where
            its name implies another.

        bytes: Its size as it is stored; 0 of an object.

        file: Opens it.
    """

    name: str
    source: int
    kind: Kind
    path: str
    packing: Packing
    bytes: int
    file: LogFile

    @property
    def is_plain(self) -> bool:
        """
        Whether an engine can read it from its path as it is.
        """
        return bool(self.path) and self.packing != "unknown"


def find_inputs(
    paths: Sequence[Any], access: Access, skipped: Counter[str]
) -> list[Input]:
    """
    The files below *paths*, in the order of time where their names have one.

    Args:
        paths: Files, folders, globs and ``s3://bucket/prefix``; of several
            files below one CSV is left out where there are others.

        access: How to reach the server.

        skipped: Gets ``unreadable`` for folders that cannot be listed.

    Raises:
        ConfigError: One does not exist or cannot be reached, or there is no
            log below any of them.
    """
    found = [
        each
        for number, path in enumerate(paths)
        for each in _below(path, number, access, skipped)
    ]
    if not found:
        raise ConfigError(
            f"there is no log in {', '.join(map(str, paths))}",
            expected="files named *.jsonl, *.json, *.log, *.csv or *.parquet,"
            " or one of them rotated or compressed",
            fix="name the file itself, or a glob",
        )
    return found


def _below(
    path: Any, number: int, access: Access, skipped: Counter[str]
) -> list[Input]:
    (source,) = sources_of(path, access)
    found = [_input(file, number, source) for file in source.files(skipped)]
    text = os.fsdecode(path)
    if os.path.isdir(text):
        seen = {each.name for each in found}
        found += [
            _input(_opened(name), number, source)
            for name in _parquet_in(text)
            if name not in seen
        ]
    # rows of CSV repeat records that JSON lines have in full
    fuller = [each for each in found if each.kind != "table"]
    return fuller or found


def _input(file: LogFile, number: int, source: Source) -> Input:
    name = file.name
    if source.is_remote:
        kind: Kind = "table" if is_table(name) else "lines"
        return Input(name, number, kind, "", "unknown", 0, file)
    # it is read later than it was listed, when what listed it has closed it
    if not os.path.exists(name) and os.path.exists(f"{name}.gz"):
        name = f"{name}.gz"
    file = _opened(name)
    packing, size = _probed(name)
    if name.lower().endswith(_PARQUET):
        return Input(name, number, "parquet", name, "", size, file)
    kind = "table" if is_table(name) else "lines"
    return Input(name, number, kind, name, packing, size, file)


def _probed(path: str) -> tuple[Packing, int]:
    """
    How a file is compressed, and its size.
    """
    try:
        with open(path, "rb") as stream:
            start = stream.read(4)
            size = os.fstat(stream.fileno()).st_size
    except OSError:
        return "unknown", 0
    packing: Any = next(
        (kind for magic, kind in _MAGIC.items() if start.startswith(magic)), ""
    )
    is_named = path.lower().endswith(_SUFFIXES[packing] or path.lower())
    is_misnamed = not packing and path.lower().endswith((".gz", ".zst"))
    return ("unknown" if is_misnamed or not is_named else packing), size


def _parquet_in(folder: str) -> Iterable[str]:
    for base, entries, _ in folders(folder, Counter()):
        below = os.path.relpath(base, folder).split(os.sep)
        if any(each.startswith("_") for each in below):
            continue
        for each in entries:
            name = each.name
            is_data = name.lower().endswith(_PARQUET) and name[0] not in "._"
            if is_data and os.path.isfile(each.path):
                yield each.path.replace(os.sep, "/")


def _opened(path: str) -> LogFile:
    return LogFile(path, "", lambda: open(path, "rb", buffering=0))
