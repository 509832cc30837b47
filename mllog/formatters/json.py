"""
Records as JSON lines.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from .. import encoding, options
from ..encoding import encode, encode_line
from ..errors import ConfigError
from ..fields import (
    LAYOUTS,
    OUR_KEYS,
    OWN_COUNT,
    error_of,
    fields_of,
    layout_of,
    message_of,
)
from ..timestamps import utc
from ..values import clean, convert, key_of
from .ecs import ecs
from .exceptions import described, said

__all__ = ["JSONFormatter"]

# What a subclass may override; if it does, records take the way through them.
_HOOKS = (
    "add_fields",
    "format",
    "formatException",
    "formatStack",
    "formatTime",
    "jsonify_log_record",
    "parse",
    "process_log_record",
    "serialize_log_record",
)
_BEHIND = OWN_COUNT - 1
_MAX_DEPTH = 32
# What a strict reader may refuse, and pjl may have written.
_doubtful = re.compile(
    r'NaN|Infinity|\\ud|"(?:null|true|false|-?\d[\d.e+-]*)": ?'
).search


class JSONFormatter(JsonFormatter):
    """
    One JSON object per record, valid whatever the record holds.

    Without *fmt* a line has ``timestamp`` (RFC 3339, UTC, microseconds),
    ``level``, ``logger``, ``message``, the fields, and for an exception
    ``exception`` with type, message, traceback and what caused it.  With *fmt*
    it has what python-json-logger writes for it.  Every option of
    python-json-logger's JsonFormatter works, and so do subclasses that
    override its hooks.

    Guarantee:
        Each record gives exactly one line of valid JSON (RFC 8259), at most
        *max_record_bytes* long, and no exception.  Our own keys win: a field
        of the same name is written as ``<name>_``.

    Args:
        fmt: Names of the fields, as python-json-logger takes them; None is our
            own layout.  ``format`` is another name for it.

        datefmt: Format of ``asctime``, where *fmt* asks for it.

        style: ``%``, ``{``, ``$`` or ``,``.

        validate: Whether *fmt* is checked against *style*.

        schema: ``"ecs"`` for the Elastic Common Schema; None is our own.

        nan: ``"null"`` or ``"string"``: how NaN and the infinities are written.

        max_record_bytes: Longest line, in bytes; longer ones are cut and say
            so in ``mllog_truncated``.

        base_options: Those of python-json-logger: ``prefix``,
            ``rename_fields``, ``static_fields``, ``json_default``, …

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.
    """

    @options.checked
    def __init__(
        self,
        fmt: str | Sequence[str] | None = None,
        datefmt: str | None = None,
        style: str = "%",
        validate: bool = True,
        *,
        format: str | Sequence[str] | None = None,  # noqa: A002 - dictConfig's name
        schema: str | None = None,
        nan: encoding.Nan = "null",
        max_record_bytes: int | str = encoding.MAX_RECORD_BYTES,
        **base_options: Any,
    ) -> None:
        fmt = format if fmt is None else fmt
        try:
            super().__init__(fmt, datefmt, style, validate, **base_options)
        except (TypeError, ValueError, KeyError) as exc:
            raise ConfigError(str(exc).replace("'", "")) from None
        if schema not in (None, "ecs"):
            options.choice("schema", schema, ("ecs",))
        if schema and fmt is not None:
            raise ConfigError("schema and fmt exclude each other")
        self._own_layout = fmt is None
        self._schema = schema
        self._nan: Any = options.choice("nan", nan, ("null", "string"))
        self._max_bytes = options.size("max_record_bytes", max_record_bytes)
        if self._max_bytes < 256:
            raise ConfigError(
                f"max_record_bytes={max_record_bytes!r}",
                expected="256 or more",
            )
        self._json_options = base_options.keys() & {
            "json_default",
            "json_encoder",
            "json_ensure_ascii",
            "json_indent",
            "json_serializer",
        }
        self._direct = (
            fmt is None
            and not base_options
            and schema is None
            and all(
                getattr(type(self), hook) is getattr(JSONFormatter, hook)
                for hook in _HOOKS
            )
        )

    # --- the usual way ---

    def format_bytes(self, record: logging.LogRecord) -> bytes:
        """
        The record as JSON in UTF-8, without a line break.
        """
        return self.format_line(record)[:-1]

    def format_line(self, record: logging.LogRecord) -> bytes:
        """
        The record as JSON in UTF-8, with a line break.
        """
        message = record.msg
        if type(message) is not str or not self._direct:
            return clean(self.format(record)).encode() + b"\n"
        own = record.__dict__
        names, clashes = LAYOUTS.get(tuple(own)[_BEHIND:]) or layout_of(own)
        if clashes:
            document = self._document(record)
        else:
            document = {
                "timestamp": utc(record.created),
                "level": record.levelname,
                "logger": record.name,
                "message": message_of(record) if record.args else message,
            }
            for name in names:
                document[name] = own[name]
        if record.exc_info or record.exc_text or record.stack_info:
            self._add_trouble(document, record)
        return encode_line(document, self._nan, self._max_bytes)

    def format(self, record: logging.LogRecord) -> str:
        """
        The record as JSON text; nothing is changed on the record.
        """
        if self._direct and type(record.msg) is str:
            return self.format_bytes(record).decode()
        copy = logging.makeLogRecord(record.__dict__)
        if not isinstance(copy.msg, dict):
            copy.msg, copy.args = message_of(record), None
        if error_of(record) is None:
            copy.exc_info = None
        try:
            return super().format(copy)
        except Exception as exc:
            # A hook of a subclass or a given encoder failed: the record is
            # written as it would be without them.
            document = self._document(record)
            if "formatter_error" in document:
                document["formatter_error_"] = document.pop("formatter_error")
            document["formatter_error"] = f"{type(exc).__name__}: {said(exc)}"
            self._add_trouble(document, record)
            return encode(document, self._nan, self._max_bytes).decode()

    # --- the way through python-json-logger's hooks ---

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        """
        Fill *log_data*; python-json-logger's hook.
        """
        if not self._own_layout:
            super().add_fields(log_data, record, message_dict)
            return
        given = {
            key: message_dict[key]
            for key in message_dict
            if key not in ("exc_info", "stack_info")
            or (isinstance(record.msg, dict) and key in record.msg)
        }
        if self._schema == "ecs":
            document = ecs(record, given)
        else:
            document = self._document(record, given)
            self._add_trouble(document, record)
        ours = {self._get_rename(key): document[key] for key in document}
        log_data.update(
            {
                self._get_rename(key): value
                for key, value in self.defaults.items()
            }
        )
        log_data.update(ours)
        for key, value in self.static_fields.items():
            log_data[self._get_rename(key)] = value
        if self.timestamp:
            key = (
                self.timestamp
                if isinstance(self.timestamp, str)
                else "timestamp"
            )
            log_data[self._get_rename(key)] = utc(record.created)
        if self.rename_fields_keep_missing:
            for name in self.rename_fields.values():
                log_data.setdefault(name, None)

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """
        *log_data* as JSON text; python-json-logger's hook.
        """
        if self._own_layout and not self._json_options:
            line = encode(log_data, nan=self._nan, max_bytes=self._max_bytes)
            return line.decode()
        try:
            text = super().jsonify_log_record(_with_numbers(log_data))
        except Exception:
            text = ""
        if text and self._fits(text) and _is_strict(text):
            return text
        return self._as_configured(log_data)

    def _fits(self, text: str) -> bool:
        return len(text.encode("utf-8", "replace")) <= self._max_bytes

    def _as_configured(self, log_data: dict[str, Any]) -> str:
        """
        The repaired tree, indented and escaped as the options say if it can be.
        """
        line = encode(log_data, nan=self._nan, max_bytes=self._max_bytes)
        try:
            text = str(super().jsonify_log_record(json.loads(line)))
        except Exception:
            return line.decode()
        return text if self._fits(text) else line.decode()

    # --- parts ---

    def _document(
        self, record: logging.LogRecord, given: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        document = {
            "timestamp": utc(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": message_of(record),
        }
        for name, value in {**(given or {}), **fields_of(record)}.items():
            while name in OUR_KEYS or name in document:
                name = f"{name}_"
            document[name] = value
        return document

    def _add_trouble(
        self, document: dict[str, Any], record: logging.LogRecord
    ) -> None:
        """
        Put the exception and the stack of *record* into *document*.
        """
        error = error_of(record)
        if error is not None:
            document["exception"] = described(error)
        elif record.exc_text:
            document["exception"] = {
                "type": None,
                "message": None,
                "traceback": str(record.exc_text),
            }
        if record.stack_info:
            document["stack"] = record.stack_info


def _with_numbers(value: Any, above: tuple[int, ...] = ()) -> Any:
    """
    *value* with numpy's and torch's objects made plain, all else as it is.

    python-json-logger knows many types and writes these as text.

    Raises:
        ValueError: Two keys would be one in JSON, or there is no end to it.
    """
    kind = type(value)
    if kind is dict or kind is list or kind is tuple:
        if len(above) >= _MAX_DEPTH or id(value) in above:
            raise ValueError("too deep")
        above = (*above, id(value))
        if kind is not dict:
            return [_with_numbers(each, above) for each in list(value)]
        plain = {
            key_of(key): _with_numbers(each, above)
            for key, each in dict(value).items()
        }
        if len(plain) < len(value):
            raise ValueError("two keys of one name")
        return plain
    if hasattr(kind, "shape") and hasattr(kind, "dtype"):
        return convert(value)
    return value


def _is_strict(text: str) -> bool:
    """
    Whether *text* is JSON by RFC 8259 and can be written as UTF-8.
    """
    try:
        if _doubtful(text):
            read = json.loads(text, object_pairs_hook=_unique)
            json.dumps(read, ensure_ascii=False, allow_nan=False).encode()
        else:
            text.encode()
    except Exception:
        return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("two keys of one name")
    return found
