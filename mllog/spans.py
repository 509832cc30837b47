"""
The active span of OpenTelemetry: its ids, as fields of a record.

OpenTelemetry is never imported: where nobody else did, no span is active.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["MODULE", "follow_spans", "modules", "span_fields"]

#: The module that knows the active span, once somebody imported it.
MODULE: Final = "opentelemetry.trace"
#: Where to look whether somebody did.
modules: Final = sys.modules

_follows = True
# The span that was asked for last, and its fields: a request logs several
# records in a row.  One tuple, so that threads never see half of it.
_last: tuple[Any, Mapping[str, Any]] = (None, {})


def follow_spans(follow: bool = True) -> None:
    """
    Have records carry the ids of the active span, or no longer.

    They do unless this was called with False.

    Args:
        follow: Whether they do, in the whole process.
    """
    global _follows
    _follows = follow


def span_fields() -> Mapping[str, Any] | None:
    """
    ``trace_id``, ``span_id`` and ``trace_flags`` of the span that is active.

    In lower-case hexadecimal, 32, 16 and 2 digits, as OpenTelemetry writes
    them into logs; None where no valid span is active.
    """
    global _last
    trace = modules.get(MODULE)
    if trace is None or not _follows:
        return None
    try:
        context = trace.get_current_span().get_span_context()
        known, fields = _last
        if context is known:
            return fields
        if not context.is_valid:
            return None
        fields = {
            "trace_id": f"{context.trace_id:032x}",
            "span_id": f"{context.span_id:016x}",
            "trace_flags": f"{context.trace_flags:02x}",
        }
        _last = (context, fields)
    except Exception:  # half imported, switched off, or of another kind
        return None
    return fields
