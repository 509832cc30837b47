"""
Records for OTLP: all that a LogRecord of OpenTelemetry holds, as one line.

What is queued and spooled is this line; it becomes protobuf where batches are
sent, so that a log call pays for one encoding of JSON and no more.
"""

from __future__ import annotations

import logging
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

from .. import encoding
from ..fields import LAYOUTS, OWN_COUNT, error_of, layout_of, message_of
from .exceptions import said, trace

__all__ = ["BYTES", "LogRecordFormat", "body_of"]

#: The one key of what stands for bytes.
BYTES: Final = "\0bytes"

_BEHIND: Final = OWN_COUNT - 1
# Longer ones become a summary, as everywhere.
_MOST_BYTES: Final = 4096
_BODIES: Final = frozenset({str, dict, list})


class LogRecordFormat:
    """
    Makes the line of a record.

    Keys are the first letters of what OpenTelemetry calls it: ``t`` and ``o``
    are nanoseconds since 1970, of the call and of now; ``n`` and ``l`` the
    level; ``s`` the scope, which is the logger; ``b`` the body, ``p`` the
    process, ``c`` the code, ``e`` the exception, ``k`` the stack and ``a``
    the attributes.

    Args:
        max_bytes: The longest line; what is longer is cut.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def way(
        self, body_of: Callable[[logging.LogRecord], Any]
    ) -> Callable[[logging.LogRecord], bytes]:
        """
        What makes lines with the body that *body_of* gives.
        """
        max_bytes = self._max_bytes

        # The hot path: called once per record, by whoever logs.
        def line_of(record: logging.LogRecord) -> bytes:
            own = record.__dict__
            layout = LAYOUTS.get(tuple(own)[_BEHIND:]) or layout_of(own)
            fields = {name: own[name] for name in layout.names}
            for value in fields.values():
                if type(value) is bytes:
                    fields = _marked(fields)
                    break
            try:
                # microseconds: a float has no more of them
                created = round(record.created * 1e6) * 1000
            except Exception:  # makeLogRecord takes anything for a time
                created = 0
            document = {
                "t": created,
                "n": record.levelno,
                "s": record.name,
                "b": body_of(record),
                "l": record.levelname,
                "o": time.time_ns(),
                "p": record.process,
                "c": (record.pathname, record.lineno, record.funcName),
                "a": fields,
            }
            if record.exc_info or record.exc_text or record.stack_info:
                _add_trouble(document, record)
            return encoding.encode(document, "null", max_bytes)

        return line_of


def body_of(record: logging.LogRecord) -> Any:
    """
    The message; a dict or a list that was logged as one stays what it is.
    """
    message: Any = record.msg
    if record.args or type(message) not in _BODIES:
        return message_of(record)
    return message


def _marked(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {BYTES: b64encode(value).decode()}
        if type(value) is bytes and len(value) <= _MOST_BYTES
        else value
        for name, value in fields.items()
    }


def _add_trouble(document: dict[str, Any], record: logging.LogRecord) -> None:
    """
    Put type, message and traceback of the exception into *document*.
    """
    error = error_of(record)
    if error is not None:
        kind = type(error).__qualname__
        document["e"] = (kind, said(error), trace(error, chain=True))
    elif record.exc_text:
        document["e"] = ("", "", said(record.exc_text))
    if record.stack_info:
        document["k"] = record.stack_info
