"""
Paths that DuckDB does not take for globs.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from typing import Final

from .inputs import Input

__all__ = ["Named"]

_GLOB: Final = frozenset("*?[]")


class Named:
    """
    The paths of files: links where they look like globs.

    Args:
        given: The files.

        folder: Where links are made.
    """

    def __init__(self, given: Sequence[Input], folder: str) -> None:
        self._given = given
        self._folder = folder
        self._links = ""

    def __enter__(self) -> list[str] | None:
        paths = [each.path for each in self._given]
        try:
            return [self._named(path, n) for n, path in enumerate(paths)]
        except (OSError, NotImplementedError):  # Windows may allow no links
            return None

    def _named(self, path: str, number: int) -> str:
        path.encode()
        if _GLOB.isdisjoint(path):
            return path
        self._links = self._links or tempfile.mkdtemp(dir=self._folder)
        suffix = ".parquet" if path.lower().endswith(".parquet") else ".jsonl"
        for packed in (".gz", ".zst"):
            if path.lower().endswith(packed):
                suffix += packed
        link = os.path.join(self._links, f"{number}{suffix}")
        os.symlink(os.path.abspath(path), link)
        return link

    def __exit__(self, *_: object) -> None:
        if self._links:
            shutil.rmtree(self._links, ignore_errors=True)
