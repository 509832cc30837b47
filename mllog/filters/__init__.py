"""
Which records a handler takes, and what is added to or taken from them.

A filter of mllog returns a new record and never changes the one it was given.
Handlers of mllog use what a filter returns on every Python; the handlers of
the stdlib do so from 3.12 on.
"""

from __future__ import annotations

from .chain import filters_from, passed
from .record_filter import ContextFilter, RecordFilter
from .sampling import SamplingFilter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .redacting import RedactingFilter as RedactingFilter

__all__ = [
    "ContextFilter",
    "RecordFilter",
    "RedactingFilter",
    "SamplingFilter",
    "filters_from",
    "passed",
]


def __getattr__(name: str) -> Any:
    if name == "RedactingFilter":  # its expressions take time to compile
        from .redacting import RedactingFilter

        return RedactingFilter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
