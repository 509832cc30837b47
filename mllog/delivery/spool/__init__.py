"""
Records on disk until their sink has them: files, locks, and what crashes leave.
"""

from __future__ import annotations

from .folders import check_folder
from .inspection import Leftover, inspect
from .spool import Spool, adopt
from .tail import ReentrantError, SpoolError, SpoolFullError

__all__ = [
    "Leftover",
    "ReentrantError",
    "Spool",
    "SpoolError",
    "SpoolFullError",
    "adopt",
    "check_folder",
    "inspect",
]
