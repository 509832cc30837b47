"""
How far a command is, on standard error, if that is a terminal.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["Progress"]


class Progress:
    """
    A progress bar while logs are read and queried; use ``with``.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr is not None and sys.stderr.isatty():
            # not at import: other commands need no rich
            from rich.console import Console
            from rich.progress import Progress as Bar

            bar: AbstractContextManager[Any] = Bar(
                console=Console(stderr=True), transient=True
            )
            self._bar = bar.__enter__()
            self._task = self._bar.add_task("reading", total=1.0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def read(self, part: float) -> None:
        """
        Show the part that is read, 0 to 1.
        """
        if self._bar is not None:
            self._bar.update(self._task, completed=part)

    def ask(self, name: str) -> None:
        """
        Show the name of the current question.
        """
        if self._bar is not None:
            self._bar.update(self._task, description=name, total=None)
