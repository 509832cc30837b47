"""
A log file that rotates by size and time, shared by threads and processes.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from .. import options, waiting
from ..errors import ConfigError, shown
from ..formatters.text import TextFormatter
from ..handling import Handling
from ..rotation import Charset, Plan, log_path
from ..values import ESCAPES

__all__ = ["TimestampedRotatingFileHandler"]

# https://github.com/python/cpython/issues/116263
_STDLIB_ROTATES_EMPTY = sys.version_info < (3, 12, 3)
_WHENS = frozenset({"S", "M", "H", "D", "MIDNIGHT"})
_NAMES = (
    "set namer to call rotated files otherwise: it is given"
    " <file>.<UTC time>-<number>, and both have to stay in the name"
)


class _Ignored:
    """
    What the stdlib's handlers take by setting it, and this one does not.

    Args:
        fix: What to do instead.
    """

    def __init__(self, fix: str) -> None:
        self._fix = fix

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, handler: Any, owner: type) -> Any:
        raise AttributeError(self._name)

    def __set__(self, handler: Any, value: Any) -> None:
        self.refuse(value)

    def refuse(self, value: Any) -> NoReturn:
        """
        Raise the error that says what to do instead.
        """
        raise ConfigError(
            f"{shown(self._name, value)} has no effect here",
            owner="TimestampedRotatingFileHandler",
            fix=self._fix,
        )


class TimestampedRotatingFileHandler(Handling, logging.FileHandler):
    """
    Write each record to a file that rotates by size, by time, or both.

    A rotated file is named with the UTC time of its rotation and a number,
    ``app.log.20261121T064512Z-0001``, and never overwritten.  After the clock
    was set back, names go on with the newest time that is there.  Where the
    file is a symbolic link, the file behind it rotates, in its own folder.
    To move from ``RotatingFileHandler`` or ``TimedRotatingFileHandler``
    change the class.

    Guarantee:
        A record is one ``os.write``.  Several processes may share the file,
        with rotation, without a lost, torn or doubled line.  A full disk, a
        read-only or removed folder cost records, which are counted, and never
        an exception; writing goes on when the disk does.

    Limit:
        On Windows, and where there is no ``flock`` or the folder may not be
        read, one process per file.  While 64 closed files wait for *compress*
        and *on_rotate*, the file grows and does not rotate.  After somebody
        closed its descriptor, which a daemon does to all, up to 10 ms of
        records may go to a file that took over the number.

    Callables:
        *on_rotate* is called in a thread of its own, with the path of one
        closed file at a time, and until it returns nobody else compresses or
        deletes that file.  A crash in between, or an exception, and it is not called again
        for that file, unless it has a method ``missed(paths)``: given paths
        of rotated files, it says which of them it has not had yet.  It is
        asked when a process opens the log and after each rotation, and is
        then called for those too.  If it has a method ``close(timeout)``,
        that is called with the seconds left when the handler closes; calls
        for further files may follow.

    Args:
        filename: The live file; relative to *directory* if that is given.

        mode: ``a``, ``w`` or ``x``; with *maxBytes* always ``a``.

        maxBytes: Size in bytes at which it rotates (``10485760``, ``"10MB"``);
            0 never.

        backupCount: Rotated files to keep; 0 keeps all.

        encoding: Of the text; None is UTF-8, ``"locale"`` the system's.  A
            byte order mark is written once, at the beginning of a file; a file
            that is there and has none is rotated first.

        delay: Whether to open at the first record.

        errors: What becomes of text that the encoding cannot write; None is
            an escape as in JSON, which always has its own.

        when: ``S``, ``M``, ``H``, ``D``, ``MIDNIGHT``, ``W0`` to ``W6``; None
            does not rotate by time.

        interval: Every so many of *when*.

        utc: Whether *when* is counted in UTC.  Names are always in UTC.

        atTime: Time of day for ``D``, ``MIDNIGHT`` and ``W``.

        directory: Folder of *filename*, made if need be.

        max_age_days: Age in days at which rotated files go; None never.

        max_total_bytes: Size of all rotated files together, beyond which the
            oldest go; None never.

        compress: Whether rotated files become ``.gz``, off the write path.

        on_rotate: Called with the path of each closed file: a callable, its
            dotted name, or ``{"class": "mllog.S3Archive", …}`` (see
            *Callables* above).

        permissions: Mode of new files, such as ``"0640"``; None follows the
            umask.

        close_timeout_seconds: How long ``close`` waits for *compress* and
            *on_rotate*.

        filters: Filters, or plain data: ``[{"class": "mllog.ContextFilter"}]``.

        formatter_options: Options for the formatter, where a configuration
            cannot give them otherwise.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.

        OSError: The file cannot be opened, and *delay* is false.
    """

    @options.checked
    def __init__(
        self,
        filename: str | os.PathLike[str],
        mode: str = "a",
        maxBytes: int | str = 0,  # noqa: N803 - the stdlib's names
        backupCount: int | str = 0,  # noqa: N803
        encoding: str | None = None,
        delay: bool | str = False,
        errors: str | None = None,
        *,
        when: str | None = None,
        interval: int | str = 1,
        utc: bool | str = False,
        atTime: Any = None,  # noqa: N803
        directory: str | os.PathLike[str] | None = None,
        max_age_days: float | str | None = None,
        max_total_bytes: int | str | None = None,
        compress: bool | str = False,
        on_rotate: str
        | Mapping[str, Any]
        | Callable[[str], Any]
        | None = None,
        permissions: int | str | None = None,
        close_timeout_seconds: float | str = 5.0,
        filters: Any = None,
        formatter_options: Any = None,
    ) -> None:
        self._plan = plan = Plan(
            maxBytes=maxBytes,
            backupCount=backupCount,
            when=when,
            interval=interval,
            utc=utc,
            atTime=atTime,
            max_age_days=max_age_days,
            max_total_bytes=max_total_bytes,
            compress=compress,
            on_rotate=on_rotate,
            permissions=permissions,
        )
        charset = Charset(encoding, errors)
        super().__init__(
            log_path(filename, directory),
            "a" if plan.max_bytes else _mode(mode),
            charset.name,
            delay=True,
            errors=charset.errors,
        )
        self._charset = charset
        self._timeout = options.number(
            "close_timeout_seconds", close_timeout_seconds
        )
        self._file = plan.file(
            self.baseFilename,
            mode=self.mode,
            header=charset.mark,
            unit=charset.unit,
            rename=self.rotation_filename,
            mover=self.rotate,
            on_fault=self.report,
        )
        self._write = self._file.write
        self._end = self._file.end = charset.encode(self._terminator)
        self.set_up(filters, formatter_options)
        self._wrote = self.ledger.wrote
        if not options.boolean("delay", delay):
            self._file.open()

    # --- formatting ---

    def default_formatter(self) -> logging.Formatter:
        """
        ``<ISO UTC> LEVEL logger message``.
        """
        return TextFormatter(fields=False)

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802
        """
        Use *fmt*; None is ``<ISO UTC> LEVEL logger message``.
        """
        super().setFormatter(fmt)
        self._used = self.formatter or self.default_formatter()
        self._line_of = self._choose()

    def _choose(self) -> Callable[[logging.LogRecord], bytes]:
        """
        The shortest way from a record to its line.
        """
        self._has_events = hasattr(self._used, "events")
        in_bytes = getattr(self._used, "format_line", None)
        # an escape of Python's own would be no JSON
        self._errors = "" if in_bytes is None else ESCAPES
        if (
            in_bytes is not None
            and self._end == b"\n"
            and self._charset.is_utf8
            and type(self).format is TimestampedRotatingFileHandler.format
        ):
            return in_bytes  # type: ignore[no-any-return]
        return self._encoded

    def format(self, record: logging.LogRecord) -> str:
        """
        The record as the formatter writes it.
        """
        return self._used.format(record)

    def _encoded(self, record: logging.LogRecord) -> bytes:
        text = self.format(record)
        if not text and self._has_events:
            return b""
        return self.encoded(text) + self._end

    def encoded(self, text: str) -> bytes:
        """
        *text* in this handler's encoding.
        """
        return self._charset.encode(text, self._errors)

    # --- writing ---

    emits_alone = False

    def emit(self, record: logging.LogRecord) -> None:
        """
        Append the record to the file, and rotate the file when it is time.
        """
        try:
            line = self._line_of(record)
            if not line:  # the formatter makes no event of it
                return
            self._write(line)
        except Exception:
            self.handleError(record)
        else:
            self._wrote()

    _terminator = "\n"

    @property
    def terminator(self) -> str:
        """
        What ends each record, as in the stdlib.

        A line that a crash or a full disk cut short is ended by it when the
        file is opened; without one, nothing can tell such a line.
        """
        return self._terminator

    @terminator.setter
    def terminator(self, text: str) -> None:
        if not isinstance(text, str):
            raise ConfigError(shown("terminator", text), expected="text")
        self._terminator = text
        self._end = self._file.end = self._charset.encode(text)
        self._line_of = self._choose()

    def append(self, text: str) -> None:
        """
        Write *text* as it is; for subclasses that do without a formatter.
        """
        self._write(self.encoded(text))

    def flush(self) -> None:
        """
        Nothing is held back.
        """

    def close(self) -> None:
        """
        Let go of the file; wait for *compress* and *on_rotate*, up to a limit.
        """
        deadline = waiting.deadline(None, self._timeout)
        self._file.close(self._timeout)
        self._plan.close(max(0.0, deadline - time.monotonic()), self.report)
        waiting.waited()
        logging.Handler.close(self)

    # --- rotating, as in the stdlib ---

    namer: Callable[[str], str] | None = None
    rotator: Callable[[str, str], Any] | None = None

    suffix = _Ignored(_NAMES)
    extMatch = _Ignored(_NAMES)  # noqa: N815 - the stdlib's name
    rolloverAt = _Ignored("give when, interval and atTime")  # noqa: N815

    @property
    def maxBytes(self) -> int:  # noqa: N802 - the stdlib's name
        """
        Size in bytes at which it rotates; 0 never.
        """
        return self._file.max_bytes

    @maxBytes.setter
    def maxBytes(self, size: int | str) -> None:  # noqa: N802
        self._file.max_bytes = options.size("maxBytes", size)

    @property
    def backupCount(self) -> int:  # noqa: N802 - the stdlib's name
        """
        Rotated files to keep; 0 keeps all.
        """
        return self._file.retention.backup_count

    @backupCount.setter
    def backupCount(self, count: int | str) -> None:  # noqa: N802
        self._file.retention = replace(
            self._file.retention,
            backup_count=options.integer("backupCount", count),
        )

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802
        """
        Whether the file would rotate before *record* is written.

        For an empty file the answer is that of this Python's own handler,
        which changed in 3.12.3; emit never rotates an empty file.
        """
        if not self._file.rotates():
            return False
        empty = not self._file.size()
        if empty and not _STDLIB_ROTATES_EMPTY:
            return False
        size = len(self._line_of(record))
        return 0 < self.maxBytes <= size if empty else self._file.due(size)

    def doRollover(self) -> None:  # noqa: N802
        """
        Rotate now.
        """
        self._file.rotate()

    def rotation_filename(self, default_name: str) -> str:
        """
        *default_name*, or what *namer* makes of it.
        """
        return (
            default_name
            if not callable(self.namer)
            else self.namer(default_name)
        )

    def rotate(self, source: str, dest: str) -> None:
        """
        Rename *source* to *dest*, or let *rotator* do it.

        A *rotator* that copies is for one process: what another one appends
        meanwhile is not in the copy.
        """
        if callable(self.rotator):
            self.rotator(source, dest)
        else:
            os.rename(source, dest)

    @property
    def stream(self) -> Any:
        """
        A text stream onto the file, or None while it is not open.
        """
        return _Stream(self) if self._is_open() else None

    @stream.setter
    def stream(self, stream: Any) -> None:
        # the stdlib's constructor sets None, and a server what _open gives
        if stream is not None and not isinstance(stream, _Stream):
            raise ConfigError(
                f"{self.baseFilename} is written without a stream",
                fix="use mllog.ConsoleHandler for a stream",
            )

    def _open(self) -> Any:
        """
        What servers call that reopen the files of all handlers.

        gunicorn does, at SIGHUP and SIGUSR1, and sets ``stream`` to the
        result: here the next record opens the file.
        """
        return _Stream(self)

    def _is_open(self) -> bool:
        file = self.__dict__.get("_file")
        return file is not None and file.is_open

    def __init_subclass__(cls, **options: Any) -> None:
        """
        Take what a subclass says by attributes, as the stdlib's do.
        """
        super().__init_subclass__(**options)
        own = vars(cls)
        for name, ignored in vars(TimestampedRotatingFileHandler).items():
            if isinstance(ignored, _Ignored) and name in own:
                ignored.refuse(own[name])
        if isinstance(own.get("terminator"), str):
            cls._terminator = own["terminator"]
            del cls.terminator

    def __repr__(self) -> str:
        level = logging.getLevelName(self.level)
        return f"<{type(self).__name__} {self.baseFilename} ({level})>"


class _Stream:
    """
    What handlers derived from FileHandler expect of ``self.stream``.
    """

    def __init__(self, handler: TimestampedRotatingFileHandler) -> None:
        self._handler = handler
        self.name = handler.baseFilename
        self.encoding = handler.encoding
        self.errors = handler.errors

    def write(self, text: str) -> int:
        self._handler.append(text)
        return len(text)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def fileno(self) -> int:
        return self._handler._file.fileno()

    def tell(self) -> int:
        return self._handler._file.size()

    def isatty(self) -> bool:
        return False


def _mode(mode: str) -> str:
    if mode in ("a", "w", "x"):
        return mode
    looks_timed = str(mode).upper() in _WHENS or str(mode).upper().startswith(
        "W"
    )
    raise ConfigError(
        shown("mode", mode),
        expected="a, w or x",
        fix=f'write when="{mode}": it is a keyword here'
        if looks_timed
        else "",
    )
