"""
The first line of CSV files, which names their columns.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence

from .inputs import Input

__all__ = ["header_of"]

_LONGEST = 1 << 16


def header_of(given: Sequence[Input]) -> list[str] | None:
    """
    The columns that all of some files have; None where they differ.

    None also where a file is compressed, does not end with a whole line, or
    has two columns of one name: who reads line by line knows what to do.
    """
    found = {_header(each) for each in given}
    if len(found) != 1:
        return None
    (line,) = found
    if not line:
        return None
    names = next(csv.reader([line]), [])
    folded = {name.casefold() for name in names}
    return names if len(folded) == len(names) and "" not in folded else None


def _header(given: Input) -> str | None:
    if given.packing:
        return None
    try:
        with open(given.path, "rb") as file:
            if not file.seek(0, os.SEEK_END):
                return None
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                return None
            file.seek(0)
            text = file.readline(_LONGEST).decode("utf-8-sig")
    except (OSError, ValueError):  # who reads all of it says what it is
        return None
    is_line = text.endswith("\n") and text.count('"') % 2 == 0
    return text.rstrip("\r\n") if is_line else None
