"""
Which files are logs, by their names, and which of them come first.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["LogName", "is_table", "log_name"]

_LOG = re.compile(
    r"""(?P<live>[^.].*\.(?:jsonl|ndjson|json|log|csv))
        (?:\.(?P<stamp>\d{8}T\d{6}Z)-(?P<sequence>\d{4,18})  # ours
         | \.(?P<number>\d{1,9})                       # RotatingFileHandler's
         | \.(?P<date>\d{4}-\d\d-\d\d(?:_\d\d(?:-\d\d){0,2})?))?
        (?P<packed>\.gz|\.zst)?""",
    re.VERBOSE | re.IGNORECASE,
)
_TABLE = re.compile(r"\.csv(?:\.[\dTZ_-]+)?(?:\.gz|\.zst)?$", re.IGNORECASE)
_PAYLOAD = re.compile(r"(?:.*/)?([0-9a-f]{2})/\1[0-9a-f]{62}\.[^/]*")


class LogName(NamedTuple):
    """
    A name, in parts that sort by time.

    Args:
        live: The name of the file that it was rotated from, or is.

        order: Less for an older one; the live file has the greatest.

        is_packed: Whether it ends as compressed files do.
    """

    live: str
    order: tuple[int, str, int]
    is_packed: bool

    @property
    def is_rotated(self) -> bool:
        """
        Whether it is no live file.
        """
        return self.order != _LIVE


_LIVE = (3, "", 0)


def log_name(path: str) -> LogName | None:
    """
    The name of a log file, or None for any other file.

    Args:
        path: With ``/`` between folders.
    """
    parts = _LOG.fullmatch(path.rpartition("/")[2])
    if not parts or _PAYLOAD.fullmatch(path):
        return None
    if parts["stamp"]:
        order = (2, parts["stamp"].upper(), int(parts["sequence"]))
    elif parts["date"]:
        order = (1, parts["date"], 0)
    elif parts["number"]:
        order = (0, "", -int(parts["number"]))
    else:
        order = _LIVE
    return LogName(parts["live"], order, bool(parts["packed"]))


def is_table(path: str) -> bool:
    """
    Whether a file of that name holds CSV.
    """
    return bool(_TABLE.search(path))
