"""
How a file is to rotate, as options say it.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from typing import Any

from .. import options
from ..errors import ConfigError, shown
from .file import RotatingFile
from .keeper import Keeper
from .names import Names, Retention
from .schedule import Schedule

__all__ = ["Plan", "log_path"]


def log_path(
    filename: str | os.PathLike[str], directory: str | os.PathLike[str] | None
) -> str:
    """
    The absolute path of *filename*, in *directory* if it is relative.

    Raises:
        ConfigError: One of them is no path.
    """
    folder = options.optional(options.path, "directory", directory) or ""
    return os.path.abspath(
        os.path.join(folder, options.path("filename", filename))
    )


class Plan:
    """
    The options that all files which rotate share, checked once.

    Args:
        maxBytes: Size in bytes at which it rotates; 0 never.

        backupCount: Rotated files to keep; 0 keeps all.

        when: ``S``, ``M``, ``H``, ``D``, ``MIDNIGHT``, ``W0`` to ``W6`` or None.

        interval: Every so many of *when*.

        utc: Whether *when* is counted in UTC.

        atTime: Time of day for days and weeks, as a time or ``"03:30"``.

        max_age_days: Age at which rotated files are deleted; None never.

        max_total_bytes: Size of all rotated files; None any.

        compress: Whether rotated files are compressed.

        on_rotate: A callable, its dotted name, or a mapping with a ``class``
            and its arguments.

        permissions: Mode of new files, such as ``"0640"``; None by the umask.

    Raises:
        ConfigError: One of them cannot work.
    """

    def __init__(
        self,
        *,
        maxBytes: Any = 0,  # noqa: N803 - the stdlib's names
        backupCount: Any = 0,  # noqa: N803
        when: Any = None,
        interval: Any = 1,
        utc: Any = False,
        atTime: Any = None,  # noqa: N803
        max_age_days: Any = None,
        max_total_bytes: Any = None,
        compress: Any = False,
        on_rotate: Any = None,
        permissions: Any = None,
    ) -> None:
        self.max_bytes = options.size("maxBytes", maxBytes)
        self.schedule = _schedule(when, interval, utc, atTime)
        self.retention = Retention(
            options.integer("backupCount", backupCount),
            options.optional(options.number, "max_age_days", max_age_days),
            options.optional(options.size, "max_total_bytes", max_total_bytes),
        )
        self.compress = options.boolean("compress", compress)
        self.on_rotate = options.optional(options.made, "on_rotate", on_rotate)
        if not (self.on_rotate is None or callable(self.on_rotate)):
            raise ConfigError(
                shown("on_rotate", on_rotate), expected="a callable"
            )
        self.permissions = _permissions(permissions)

    def file(
        self,
        path: str,
        *,
        mode: str = "a",
        header: bytes = b"",
        unit: int = 1,
        rename: Callable[[str], str] | None = None,
        mover: Callable[[str, str], Any] = os.rename,
        on_fault: Callable[[BaseException], Any],
    ) -> RotatingFile:
        """
        A file at *path* that rotates by this plan.
        """
        names = Names(path, rename)
        keeper = Keeper(
            names,
            self.retention,
            compress=self.compress,
            on_rotate=self.on_rotate,
            on_fault=on_fault,
        )
        return RotatingFile(
            path,
            mode=mode,
            max_bytes=self.max_bytes,
            schedule=self.schedule,
            names=names,
            keeper=keeper,
            mover=mover,
            permissions=self.permissions,
            header=header,
            unit=unit,
            on_fault=on_fault,
        )

    def close(
        self, timeout: float, on_fault: Callable[[BaseException], Any]
    ) -> None:
        """
        Give *on_rotate* up to *timeout* seconds to finish, if it can be closed.
        """
        close = getattr(self.on_rotate, "close", None)
        if close is None:
            return
        try:
            close(timeout)
        except Exception as exc:
            on_fault(exc)


def _schedule(
    when: Any, interval: Any, utc: Any, at_time: Any
) -> Schedule | None:
    if not when:
        return None
    return Schedule(
        when,
        options.integer("interval", interval, minimum=1),
        options.boolean("utc", utc),
        _time_of_day(at_time),
    )


def _time_of_day(value: Any) -> datetime.time | None:
    if value is None or isinstance(value, datetime.time):
        return value
    try:
        return datetime.time.fromisoformat(value)
    except (TypeError, ValueError):
        raise ConfigError(
            shown("atTime", value), expected='a time of day such as "03:30"'
        ) from None


def _permissions(value: Any) -> int | None:
    if value is None:
        return None
    try:
        mode = int(value, 8) if isinstance(value, str) else value
        if isinstance(mode, bool) or not 0 <= mode <= 0o777:
            raise ValueError
        return int(mode)
    except (TypeError, ValueError):
        raise ConfigError(
            shown("permissions", value), expected='octal digits such as "0640"'
        ) from None
