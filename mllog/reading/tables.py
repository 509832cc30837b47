"""
Rows of CSV as records: what looks like a number is one.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from ..fields import FIELD_LABELS
from .lines import Record

__all__ = ["Table", "tables"]

# As Python and C write them: 007 and 1e5 may be names.
_INTEGER = re.compile(r"0|-?[1-9]\d{0,17}").fullmatch
_FLOAT = re.compile(
    r"-?(?:0|[1-9]\d*)(?:\.\d+(?:[eE][+-]\d+)?|[eE][+-]\d+)"
).fullmatch
_LONGEST_NUMBER = 40
# how far the end of a quoted cell is looked for
_MOST_LINES = 100
_OURS = "timestamp"


def tables(
    blocks: Iterable[bytes], skipped: Counter[str]
) -> Iterator[list[Record]]:
    """
    The records of a CSV file: its first row names the fields.

    Integers and floats in their usual form become numbers, an empty cell
    None; ``007`` and the labels ``model_name``, ``model_version`` and
    ``variant`` stay text.

    Args:
        blocks: Some whole lines at a time.

        skipped: Gets ``bad_csv``, and ``torn`` for a last row that mllog had
            not written to its end.
    """
    table = Table(skipped)
    for block in blocks:
        yield table.take(block)
    yield table.end()


class Table:
    """
    One file, of which some lines wait for the end of a quoted cell.

    Args:
        skipped: Gets ``bad_csv`` and ``torn``.
    """

    def __init__(self, skipped: Counter[str]) -> None:
        self._skipped = skipped
        self._columns: list[str] = []
        self._head = ""
        self._is_ours = False
        self._lines: list[str] = []
        self._is_open = False

    def take(self, block: bytes) -> list[Record]:
        """
        The records that *block* brings to an end.
        """
        self._is_open = not block.endswith(b"\n")
        try:
            lines = block.decode().split("\n")
        except UnicodeDecodeError:
            lines = [
                text
                for line in block.split(b"\n")
                if (text := self._text(line)) is not None
            ]
        if not self._is_open:
            lines.pop()
        self._lines += lines
        return list(self._records(is_end=False))

    def _text(self, line: bytes) -> str | None:
        try:
            return line.decode()
        except UnicodeDecodeError:
            self._skipped["bad_csv"] += 1
            return None

    def end(self) -> list[Record]:
        """
        The records that are left.
        """
        if self._is_open and self._is_ours and self._lines:
            self._lines.pop()
            self._skipped["torn"] += 1
        return list(self._records(is_end=True))

    def _records(self, *, is_end: bool) -> Iterator[Record]:
        lines, index = self._lines, 0
        # a row that may go on, in the next block or nowhere, waits
        known = len(lines) if is_end else len(lines) - self._is_open
        while index < known:
            count = self._length(index)
            if not is_end and index + count > known:
                break
            row = "\n".join(lines[index : index + count])
            cells = self._cells(row)
            if cells is None and count > 1:  # the quote was a fragment's
                cells, count = None, 1
            record = self._record(row, cells)
            if record is not None:
                yield record
            index += count
        del lines[:index]

    def _length(self, index: int) -> int:
        """
        How many lines the row takes that begins at *index*.
        """
        lines = self._lines
        if self._is_ours or lines[index].count('"') % 2 == 0:
            return 1
        for count in range(2, _MOST_LINES + 1):
            if index + count > len(lines):
                return count
            if lines[index + count - 1].count('"') % 2:
                return count
        return 1

    def _cells(self, row: str) -> list[str] | None:
        """
        The cells of a row, if there are as many as columns.
        """
        row = row.removesuffix("\r")
        if '"' in row:
            try:
                cells = next(csv.reader(row.splitlines(True), strict=True))
            except (csv.Error, StopIteration):
                return None
        else:
            cells = row.split(",")
        if self._columns and len(cells) != len(self._columns):
            return None
        return cells

    def _record(self, row: str, cells: list[str] | None) -> Record | None:
        if not row.strip("\r \0"):
            return None
        if not self._columns and cells is not None:
            self._begin(row, cells)
        elif cells is None:
            self._skipped["bad_csv"] += 1
        elif row != self._head:
            return {
                name: _value(name, cell)
                for name, cell in zip(self._columns, cells, strict=True)
            }
        return None

    def _begin(self, row: str, cells: list[str]) -> None:
        self._head = row
        self._columns = _distinct(
            name.removeprefix("\ufeff") for name in cells
        )
        self._is_ours = self._columns[0] == _OURS


def _distinct(names: Iterable[str]) -> list[str]:
    """
    *names*, of which repeated ones become ``a_``, ``a_2``, ``a_3``.
    """
    found: dict[str, None] = {}
    repeated: Counter[str] = Counter()
    for name in names:
        free = name
        while free in found:
            repeated[name] += 1
            number = repeated[name]
            free = f"{name}_" if number == 1 else f"{name}_{number}"
        found[free] = None
    return list(found)


def _value(name: str, cell: str) -> str | int | float | None:
    if not cell:
        return None
    if name in FIELD_LABELS or len(cell) > _LONGEST_NUMBER:
        return cell
    if _INTEGER(cell):
        return int(cell)
    return float(cell) if _FLOAT(cell) else cell
