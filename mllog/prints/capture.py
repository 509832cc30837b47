"""
capture_prints(): what others print, and warn of, becomes records.
"""

from __future__ import annotations

import atexit
import logging
from typing import Any

from .. import options
from .out import Out
from .stream import Stream, changing
from .warned import Warned

__all__ = ["capture_prints"]


class capture_prints:  # noqa: N801 - read as a verb: with mllog.capture_prints(...)
    """
    Log what other code prints, and the warnings that it gives, line by line.

    ::

        with mllog.capture_prints("vendor"):
            vendor.train(model)

    ``start()`` and ``stop()`` do the same where no block can be, as in a
    notebook.  It holds for the whole process: for all threads, in all that is
    written to ``sys.stdout`` and ``sys.stderr``.  A line is a record with the
    place that printed it and the field ``stream``; one of a warning has
    ``category`` and ``place``.

    Guarantee:
        A record has a whole line: each thread and each asyncio task has its
        own, and the last one, without a line break, is logged at the end.
        What handlers write themselves reaches the real stream, also through a
        stream that was captured.  Blocks may end in any order; afterwards
        all is as it was, and who still holds a captured stream writes to the
        real one.  Nothing raises into what prints: what cannot be logged is
        written where it would have been.

    Limit:
        What is written below Python, by C code or by a child process, is not
        seen, nor what goes to a stream that was taken before.  Where logging
        has no handler nothing is captured.  Empty lines are left out, and of
        a line that is written over, like a progress bar's, its last state is
        logged.

    Args:
        logger: A logger, its name, or a LoggerAdapter.

        stdout: Level of what is printed; None leaves that stream alone.

        stderr: Level of what is printed there; None leaves it alone.

        warnings: Level of warnings; None leaves them alone.

        max_line_characters: Longest line; what is longer becomes several.

    Raises:
        ConfigError: An option has a value that cannot work.
    """

    @options.checked
    def __init__(
        self,
        logger: str | logging.Logger | logging.LoggerAdapter[Any] = "prints",
        *,
        stdout: int | str | None = "INFO",
        stderr: int | str | None = "WARNING",
        warnings: int | str | None = "WARNING",
        max_line_characters: int | str = 8192,
    ) -> None:
        self._logger = (
            logging.getLogger(logger) if isinstance(logger, str) else logger
        )
        self._streams = {"stdout": stdout, "stderr": stderr}
        for name, value in (*self._streams.items(), ("warnings", warnings)):
            if value is not None:
                options.level(name, value)
        self._warnings = warnings
        self._most = options.integer(
            "max_line_characters", max_line_characters, minimum=1
        )
        self._open: list[list[Stream | Warned]] = []

    def start(self) -> capture_prints:
        """
        Begin; it may have begun already, and then ends as often.
        """
        opened = self._made()
        with changing:
            for each in opened:
                each.install()
            if not self._open:
                atexit.register(self._stop_all)
            self._open.append(opened)
        return self

    def _made(self) -> list[Stream | Warned]:
        made: list[Stream | Warned] = [
            Stream(name, Out(self._logger, level), self._most)
            for name, level in self._streams.items()
            if level is not None
        ]
        if self._warnings is not None:
            made.append(Warned(Out(self._logger, self._warnings)))
        return made

    def stop(self) -> None:
        """
        End what was begun last; without that, nothing.
        """
        with changing:
            opened = self._open.pop() if self._open else []
            if opened and not self._open:
                atexit.unregister(self._stop_all)
            for each in reversed(opened):
                each.remove()
        for each in opened:  # may wait for a handler: not under the lock
            each.finish()

    def _stop_all(self) -> None:
        while self._open:
            self.stop()

    def __enter__(self) -> capture_prints:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()
