"""
What a filter of mllog is: it answers with a record, and changes none.
"""

from __future__ import annotations

import logging
import sys

from .. import options
from ..context import is_being_logged, with_bound

__all__ = [
    "LINES_AROUND",
    "STDLIB_TAKES_RECORDS",
    "ContextFilter",
    "RecordFilter",
]

#: Lines of source before and behind one that ran which are looked at with it.
LINES_AROUND = 3

#: Whether the handlers of the stdlib use the record that a filter returns.
STDLIB_TAKES_RECORDS = sys.version_info >= (3, 12)


class RecordFilter(logging.Filter):
    """
    A filter that answers with a record: what the filters of mllog extend.

    Args:
        name: As in ``logging.Filter``: only records of that logger and its
            children are looked at; others pass as they are.
    """

    def apply(self, record: logging.LogRecord) -> logging.LogRecord | None:
        """
        The record to go on with, or None to stop here.
        """
        return record

    def shown(self, name: str, text: str) -> str:
        """
        What may be shown of *text*, which says the value of *name*.

        Handlers ask for what is not on the record, as local variables.
        """
        del name
        return text

    def filter(  # type: ignore[override]
        self, record: logging.LogRecord
    ) -> bool | logging.LogRecord:
        """
        What the stdlib calls: the new record, or False.

        Before Python 3.12 the stdlib cannot take a record, and the fields are
        set on the one it has.
        """
        if not super().filter(record):
            return True if not STDLIB_TAKES_RECORDS else record
        new = self.apply(record)
        if new is None:
            return False
        if STDLIB_TAKES_RECORDS:
            return new
        if new is not record:
            record.__dict__.update(new.__dict__)
        return True


class ContextFilter(RecordFilter):
    """
    Put the fields of ``mllog.bind`` on the record, for handlers of others.

    So are ``trace_id``, ``span_id`` and ``trace_flags`` of OpenTelemetry's
    active span.  Handlers of mllog do it by themselves.  Attach this one to a
    handler that is not ours, or to a ``QueueHandler``, ``MemoryHandler`` or
    ``SocketHandler``: on the other side the context of the caller is gone.

    Guarantee:
        A record gets what is bound in its own log call, or nothing: one that
        was kept, and is handed on in another request, is left as it is.

    Args:
        name: As in ``logging.Filter``: only records of that logger and its
            children are looked at.

        spans: Whether the active span is looked at.

    Raises:
        ConfigError: *spans* is neither true nor false.
    """

    @options.checked
    def __init__(self, name: str = "", *, spans: bool | str = True) -> None:
        super().__init__(name)
        self._spans = options.boolean("spans", spans)

    def apply(self, record: logging.LogRecord) -> logging.LogRecord:
        """
        *record* with the bound fields that it does not have itself.
        """
        if not is_being_logged(record):
            return record
        return with_bound(record, spans=self._spans)
