"""
Records as JSON lines.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from string import Formatter
from typing import Any, Final

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from .. import encoding, options
from ..context import copied
from ..encoding import (
    TRUNCATED,
    encode,
    encode_line,
    escape_controls,
    is_strict,
    with_numbers,
)
from ..errors import ConfigError
from ..fields import (
    LAYOUTS,
    OUR_KEYS,
    OWN_COUNT,
    distinct,
    error_of,
    fields_of,
    layout_of,
    message_of,
)
from ..timestamps import chooses_time, utc
from ..values import clean
from .ecs import ECS_KEYS, ECS_NAMES, distinct_paths, ecs, refuse_paths
from .exceptions import said, trace, trouble_in
from .text import info_of, overrides

__all__ = ["JSONFormatter"]

_Dollar = logging.StringTemplateStyle
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
_RESERVED: Final = frozenset(RESERVED_ATTRS)
# What our own keys tell already, where reserved_attrs do not name it.
_TOLD: Final = frozenset(
    {
        "args",
        "created",
        "exc_info",
        "exc_text",
        "levelname",
        "message",
        "msg",
        "name",
        "stack_info",
    }
)
_MAPPINGS: Final = frozenset({"defaults", "rename_fields", "static_fields"})
_FLAGS: Final = frozenset(
    {
        "exc_info_as_array",
        "json_ensure_ascii",
        "rename_fields_keep_missing",
        "stack_info_as_array",
    }
)
# What the encoder adds last.
_LAST: Final = frozenset({encoding.NONFINITE, TRUNCATED})
_braces = Formatter()


class JSONFormatter(JsonFormatter):
    """
    One JSON object per record, valid whatever the record holds.

    Without *fmt* a line has ``timestamp`` (RFC 3339, UTC, microseconds),
    ``level``, ``logger``, ``message``, the fields, and for an exception
    ``exception`` with type, message, traceback and what caused it.  With *fmt*
    it has what python-json-logger writes for it.  Every option of
    python-json-logger's JsonFormatter works in each layout, and so do
    subclasses that override a hook of it or of ``logging.Formatter``.

    Guarantee:
        Each record gives exactly one line of valid JSON (RFC 8259), at most
        *max_record_bytes* long, and no exception.  Our own keys win, after
        they are renamed: what else has such a name is written as ``<name>_``,
        a static field before one of the record.  By the Elastic Common Schema
        that holds for the names of its objects too (``error``, ``log``).
        Control and bidi characters are escaped.

    Limit:
        On a stream that is not UTF-8 and not a handler's of mllog, give
        ``json_ensure_ascii=True``: Python's own escapes are not JSON's.

    Args:
        fmt: Names of the fields, as python-json-logger takes them; None is our
            own layout.  ``format`` is another name for it.

        datefmt: Format of ``asctime``, where *fmt* asks for it; without *fmt*
            that of the time, local unless ``converter`` is another one.

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

    _is_made = False

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
        base_options = _parsed(base_options)
        try:
            super().__init__(fmt, datefmt, style, validate, **base_options)
        except (TypeError, ValueError, KeyError) as exc:
            raise ConfigError(str(exc).replace("'", "")) from None
        if schema not in (None, "ecs"):
            options.choice("schema", schema, ("ecs",))
        if schema and fmt is not None:
            raise ConfigError("schema and fmt exclude each other")
        self._own_layout = fmt is None and not self._overrides("parse")
        self._schema = schema
        self._nan: Any = options.choice("nan", nan, ("null", "string"))
        self._max_bytes = options.size("max_record_bytes", max_record_bytes)
        if self._max_bytes < 256:
            raise ConfigError(
                f"max_record_bytes={max_record_bytes!r}",
                expected="256 or more",
            )
        self._json_options = {n for n in base_options if n[:5] == "json_"}
        self._refuse_clashes()
        self._direct = (
            fmt is None
            and datefmt is None
            and not base_options
            and schema is None
            and not chooses_time(self)
            and not any(map(self._overrides, _HOOKS))
        )
        self._is_made = True

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        # python-json-logger looks at its options again at each record
        if self._is_made and name not in ("_direct", "_is_made"):
            self._direct = False
            if name.startswith("json_"):
                self._json_options.add(name)

    def _overrides(self, hook: str) -> bool:
        """
        Whether *hook* is another one than that of this class.
        """
        return overrides(self, hook, JSONFormatter)

    def _refuse_clashes(self) -> None:
        """
        Raise a ConfigError where two keys of ours would be one.
        """
        for key in self.rename_fields.keys() & _LAST:
            raise ConfigError(
                f"rename_fields renames {key}",
                expected="other keys: the encoder adds this one last",
            )
        taken: dict[str, str] = {}
        for key in sorted(self._own_keys()):
            name = self._get_rename(key)
            if taken.setdefault(name, key) != key:
                raise ConfigError(
                    f"rename_fields calls both {taken[name]} and {key} {name}",
                    expected="a name for each",
                )
        if self._schema == "ecs":
            more = [self.timestamp] if type(self.timestamp) is str else []
            refuse_paths([*taken, *more])

    def _own_keys(self) -> frozenset[str]:
        """
        The keys that no field can take, before they are renamed.
        """
        if self._schema == "ecs":
            return ECS_KEYS
        if self._own_layout:
            return OUR_KEYS
        return frozenset({*self._required_fields, "exc_info", "stack_info"})

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
        try:
            names, clashes = LAYOUTS[tuple(own)[_BEHIND:]]
        except KeyError:
            names, clashes = layout_of(own)
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
            document.update(trouble_in(record))
        return encode_line(document, self._nan, self._max_bytes)

    def format(self, record: logging.LogRecord) -> str:
        """
        The record as JSON text; nothing is changed on the record.
        """
        if self._direct and type(record.msg) is str:
            return self.format_bytes(record).decode()
        try:
            return self._by_hooks(record)
        except Exception as exc:
            # A hook of a subclass or a given encoder failed: the record is
            # written as it would be without them.
            document = self._document(record)
            if "formatter_error" in document:
                document["formatter_error_"] = document.pop("formatter_error")
            document["formatter_error"] = f"{type(exc).__name__}: {said(exc)}"
            document.update(trouble_in(record))
            return encode(document, self._nan, self._max_bytes).decode()

    # --- the way through python-json-logger's hooks ---

    def _by_hooks(self, record: logging.LogRecord) -> str:
        """
        As python-json-logger goes, but for what it would make in vain.
        """
        is_dict = isinstance(record.msg, dict)
        copy = copied(
            record, {"message": "" if is_dict else message_of(record)}
        )
        if error_of(record) is None:
            copy.exc_info = None
        if "asctime" in self._required_fields:
            copy.asctime = self.formatTime(copy, self.datefmt)
        message = _entries(record)
        message.update(self._texts(copy, message))
        log_data: dict[str, Any] = {}
        self.add_fields(log_data, copy, message)
        return self.serialize_log_record(self.process_log_record(log_data))

    def _texts(
        self, record: logging.LogRecord, given: Mapping[str, Any]
    ) -> dict[str, Any]:
        """
        Traceback and stack by the hooks, but for those that are *given*.
        """
        found: dict[str, Any] = {}
        if given.get("exc_info") is None and self._wants_trace():
            error = error_of(record)
            if error is not None:
                found["exc_info"] = self._trace(error, chain=True)
            elif record.exc_text:
                found["exc_info"] = self._lines(said(record.exc_text))
        if given.get("stack_info") is None and record.stack_info:
            found["stack_info"] = self.formatStack(record.stack_info)
        return found

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        """
        Fill *log_data*; python-json-logger's hook.
        """
        given = dict(message_dict)
        texts: dict[str, Any] = {}
        own = _entries(record)
        for key in ("exc_info", "stack_info"):
            if key in given and own.get(key) is None:
                texts[key] = given.pop(key)
        if self._own_layout:  # which has a place of its own for them
            texts.update(self._texts(record, texts))
        fields = self._fields(record)
        if self._schema == "ecs":
            time = self._time(record)
            ours, last = ecs(record, {**given, **fields}, time, texts)
        elif self._own_layout:
            ours = _core(record, self._time(record))
            last = self._described(record, texts)
        else:
            ours, last = self._required(record, given), texts
        if self.timestamp:
            last.update(self._timestamp(record))
        log_data.update(self._named(ours, [fields, given], last))
        if self.rename_fields_keep_missing:
            for name in self.rename_fields.values():
                log_data.setdefault(name, None)

    def _named(
        self,
        ours: Mapping[str, Any],
        fields: list[dict[Any, Any]],
        last: Mapping[str, Any],
    ) -> dict[str, Any]:
        """
        All of them, and what is configured, under their names at last.
        """
        reserved = frozenset({*ours, *last})
        if self._own_layout:
            reserved |= self._own_keys()
        rename = self._get_rename
        first = {rename(key): value for key, value in ours.items()}
        final = {rename(key): value for key, value in last.items()}
        known = [*fields, self.static_fields]
        defaults = {
            key: value
            for key, value in self.defaults.items()
            if key not in reserved and not any(key in each for each in known)
        }
        others = [
            (self._name(key, reserved), value)
            for each in (self.static_fields, defaults, *fields)
            for key, value in each.items()
        ]
        if self._schema == "ecs":
            return distinct_paths(first, others, final)
        return distinct(first, others, final, frozenset(map(rename, reserved)))

    def _name(self, key: Any, reserved: frozenset[str]) -> Any:
        """
        What the field *key* is called, if that is not taken.
        """
        if key in reserved:  # what is renamed is the key of ours
            return f"{key}_"
        if self._schema == "ecs" and key not in self.rename_fields:
            key = ECS_NAMES.get(key, key)
        return self._get_rename(key)

    def formatTime(  # noqa: N802
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        """
        As in the stdlib; RFC 3339 for a time that there is not.
        """
        try:
            return super().formatTime(record, datefmt)
        except Exception:
            return utc(record.created)

    def formatStack(self, stack_info: Any) -> Any:  # noqa: N802
        """
        As in python-json-logger, whatever stands for the stack.
        """
        text = stack_info if type(stack_info) is str else said(stack_info)
        return super().formatStack(text)

    def parse(self) -> list[str]:
        """
        As in python-json-logger, but ``{levelname:<8}`` is a ``levelname``.

        Its expressions search from each ``%(`` or ``${`` to the end of the
        line for what closes it: those that nothing closes are left out.
        """
        if not isinstance(self._style, logging.StrFormatStyle):
            fmt, is_dollar = self._fmt, isinstance(self._style, _Dollar)
            opens, closes = ("${", "}") if is_dollar else ("%(", ")")
            if isinstance(fmt, str):
                self._fmt = _closed(fmt, opens, closes)
            try:
                return super().parse()
            finally:
                self._fmt = fmt
        return [
            name for _, name, _, _ in _braces.parse(self._fmt or "") if name
        ]

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """
        *log_data* as JSON text; python-json-logger's hook.
        """
        if self._own_layout and not self._json_options:
            line = encode(log_data, nan=self._nan, max_bytes=self._max_bytes)
            return line.decode()
        try:
            text = super().jsonify_log_record(with_numbers(log_data))
            text = _harmless(text) if is_strict(text) else ""
        except Exception:
            text = ""
        return text if text and self._fits(text) else self._as_made(log_data)

    def _fits(self, text: str) -> bool:
        return len(text.encode("utf-8", "replace")) <= self._max_bytes

    def _as_made(self, log_data: dict[str, Any]) -> str:
        """
        The repaired tree, indented and escaped as the options say if it can be.
        """
        line = encode(log_data, nan=self._nan, max_bytes=self._max_bytes)
        try:
            text = _harmless(super().jsonify_log_record(json.loads(line)))
        except Exception:
            return line.decode()
        return text if self._fits(text) else line.decode()

    # --- parts ---

    def _document(self, record: logging.LogRecord) -> dict[str, Any]:
        """
        The record in our own layout, but for its exception and stack.
        """
        core = _core(record, utc(record.created))
        fields = self._fields(record).items()
        return distinct(core, fields, reserved=OUR_KEYS)

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """
        What is on *record* beside what ``reserved_attrs`` names.
        """
        if self._own_layout:
            if self.reserved_attrs == _RESERVED:
                return fields_of(record)
            left_out = self.reserved_attrs | _TOLD
        else:
            left_out = self._skip_fields
        return {
            name: value
            for name, value in record.__dict__.items()
            if name not in left_out
            and not (type(name) is str and name.startswith("_"))
        }

    def _required(
        self, record: logging.LogRecord, given: dict[str, Any]
    ) -> dict[str, Any]:
        """
        What *fmt* asks for; an entry of a dict that was logged fills a gap.
        """
        own = {**self.defaults, **record.__dict__}
        found = {}
        for name in self._required_fields:
            value = own.get(name)
            if value is None and ("." in name or "[" in name):
                value = _looked_up(name, own)
            if name in given and (value is None or value == ""):
                value = given.pop(name)
            found[name] = value
        return found

    def _time(self, record: logging.LogRecord) -> str:
        if (
            self.datefmt is None
            and not chooses_time(self)
            and not self._overrides("formatTime")
        ):
            return utc(record.created)
        return self.formatTime(record, self.datefmt)

    def _timestamp(self, record: logging.LogRecord) -> dict[str, Any]:
        """
        The field that the option ``timestamp`` asks for.
        """
        key = self.timestamp if isinstance(self.timestamp, str) else ""
        time: Any = utc(record.created)
        if self._own_layout:
            return {key: time} if key else {}
        try:
            time = datetime.fromtimestamp(record.created, tz=timezone.utc)
        except Exception:  # makeLogRecord takes anything for a time
            pass
        return {key or "timestamp": time}

    def _wants_trace(self) -> bool:
        """
        Whether somebody asks for the traceback of a whole chain.
        """
        return (
            not self._own_layout
            or self._schema is not None
            or self._overrides("formatException")
            or self._overrides("add_fields")
        )

    def _trace(self, error: BaseException, *, chain: bool = False) -> Any:
        if self._overrides("formatException"):
            return self.formatException(info_of(error))
        return self._lines(trace(error, chain=chain))

    def _lines(self, text: str) -> str | list[str]:
        return text.splitlines() if self.exc_info_as_array else text

    def _described(
        self, record: logging.LogRecord, texts: Mapping[str, Any]
    ) -> dict[str, Any]:
        """
        The exception and the stack of *record* by the hooks.
        """
        error = error_of(record)
        is_known = "exc_info" in texts and self._overrides("formatException")
        found = trouble_in(
            record,
            lambda each: (
                texts["exc_info"]
                if each is error and is_known
                else self._trace(each)
            ),
        )
        if error is None and "exception" in found:
            text = found["exception"]["traceback"]
            found["exception"]["traceback"] = self._lines(text)
        if "stack_info" in texts:
            found["stack"] = texts["stack_info"]
        return found


def _parsed(given: dict[str, Any]) -> dict[str, Any]:
    """
    python-json-logger's options, of which it checks none.
    """
    found = dict(given)
    for name in given.keys() & _MAPPINGS:
        found[name] = options.mapping(name, given[name])
    for name in given.keys() & _FLAGS:
        found[name] = options.boolean(name, given[name])
    if given.get("reserved_attrs") is not None:
        found["reserved_attrs"] = options.names(
            "reserved_attrs", given["reserved_attrs"]
        )
    return found


def _entries(record: logging.LogRecord) -> dict[str, Any]:
    """
    Those of the dict that was logged in place of a message.
    """
    message: Any = record.msg
    return dict(message) if isinstance(message, dict) else {}


def _core(record: logging.LogRecord, time: str) -> dict[str, Any]:
    return {
        "timestamp": time,
        "level": record.levelname,
        "logger": record.name,
        "message": message_of(record),
    }


def _looked_up(name: str, own: Mapping[str, Any]) -> Any:
    """
    What ``str.format`` would take for *name*, None where there is nothing.
    """
    try:
        return _braces.get_field(name, (), own)[0]
    except Exception:
        return None


def _harmless(text: str) -> str:
    """
    JSON with its control and bidi characters escaped.
    """
    return escape_controls(text.encode()).decode()


def _closed(fmt: str, opens: str, closes: str) -> str:
    """
    *fmt* without what opens a name after the last that is closed in its line.
    """
    lines = []
    for line in fmt.split("\n"):
        end = line.rfind(closes) + 1
        lines.append(line[:end] + line[end:].replace(opens, ""))
    return "\n".join(lines)
