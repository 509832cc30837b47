"""
Records as messages of syslog: RFC 5424, and RFC 3164 for old receivers.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from .. import options
from ..encoding import escape_controls
from ..errors import ConfigError, shown
from ..fields import fields_of
from ..values import ESCAPES
from .structured_data import StructuredData, text_of
from .syslog_header import FACILITIES, SEVERITIES, SyslogHeader
from .text import escaped, escaped_lines, pairs

__all__ = ["FACILITIES", "SEVERITIES", "SyslogFormat", "shortened"]

_LEAST_BYTES = 480  # every receiver takes as many
# With a PROCID of 64 even the longest header fits into the least message.
_LONGEST_PROCID, _SHORT_PROCID = 128, 64
_ROOM_FOR_PROCID = 600
# What stands before the text takes less.
_HEADER_BYTES = 1024
_MARK = re.compile(rb" \[truncated (\d{1,12}) bytes\]\Z")
_LONGEST_MARK = 40
_C0 = {code: f"\\u{code:04x}" for code in range(32)}
_SIZES = {"5424": 64 * 1024, "3164": 1024}


class SyslogFormat:
    r"""
    All that a message of syslog needs beside the record.

    The severity is that of the level: DEBUG 7, INFO 6, 25 to 29 notice (5),
    WARNING 4, ERROR 3, CRITICAL 2, from 60 on alert (1), never emergency.
    The time of RFC 5424 is UTC with microseconds, that of RFC 3164 local.

    Guarantee:
        Any record gives one valid message of at most *max_message_bytes*, and
        no exception.  Control and bidi characters, ANSI sequences and lone
        surrogates are escaped.

    Limit:
        JSON that is too long is cut like any text: give the formatter a
        ``max_record_bytes`` that leaves 1 KiB for the header.

    Args:
        rfc: ``"5424"`` or ``"3164"``.

        facility: One of :data:`FACILITIES`, or its number.

        level_severities: Severities, by name or number, of levels, by name or
            number, as in ``{"AUDIT": "notice"}``.  logging need not know the
            level yet.

        hostname: None is this machine's name, looked up at the first record.

        app_name: None is the program's name.  RFC 3164 keeps its letters and
            digits, at most 32.

        procid: None is the process id; ``-`` is none.

        msgid: None is the name of the logger.

        app_name_field: A field of the record that has precedence over
            *app_name*.  In its text all but printable ASCII becomes ``_``.

        procid_field: The same for *procid*.

        msgid_field: The same for *msgid*.

        enterprise_id: SD-ID of the fields.  32473 is the number that
            RFC 5612 keeps for documentation.

        fields: ``"structured_data"`` (the default of RFC 5424), ``"text"``
            (``key=value`` behind the first line, the default of RFC 3164),
            ``"json"`` (the text has them already) or ``"none"``.

        sequence_id: Whether ``[meta sequenceId="…"]`` numbers the messages of
            this process, so that receivers see gaps and duplicates; None is
            True for RFC 5424.

        bom: Whether a byte order mark stands before the text.  RFC 5424 wants
            it for UTF-8, but most receivers show it or keep it as text.

        newlines: ``"keep"`` (the default of RFC 5424) or ``"escape"`` (that of
            RFC 3164, and right for any transport that ends messages by them).

        max_message_bytes: Longest message, in bytes, 480 or more; None is
            64 KiB, or 1024 bytes for RFC 3164.

        on_cut: Called once for each message that was cut.

    Raises:
        ConfigError: An option has a value that cannot work.
    """

    #: Numbers of the facilities and the severities by their names.
    FACILITIES: ClassVar[Mapping[str, int]] = FACILITIES
    SEVERITIES: ClassVar[Mapping[str, int]] = SEVERITIES

    def __init__(
        self,
        *,
        rfc: str | int = "5424",
        facility: str | int = "user",
        level_severities: Mapping[Any, Any] | None = None,
        hostname: str | None = None,
        app_name: str | None = None,
        procid: str | int | None = None,
        msgid: str | None = None,
        app_name_field: str | None = None,
        procid_field: str | None = None,
        msgid_field: str | None = None,
        enterprise_id: str = "mllog@32473",
        fields: str | None = None,
        sequence_id: bool | str | None = None,
        bom: bool | str = False,
        newlines: str | None = None,
        max_message_bytes: int | str | None = None,
        on_cut: Callable[[], Any] | None = None,
    ) -> None:
        rfc = options.choice("rfc", str(rfc), ("5424", "3164"))
        self._is_new = rfc == "5424"
        #: Longest message, in bytes.
        #: Longest message, in bytes.
        self.max_bytes = _message_size(max_message_bytes, rfc)
        self._on_cut = on_cut
        numbers = self._is_new if sequence_id in (None, "") else sequence_id
        numbers = options.boolean("sequence_id", numbers)
        self._choose_data(fields, numbers, enterprise_id)
        self._choose_text(bom, newlines)
        self._header = SyslogHeader(
            is_new=self._is_new,
            facility=facility,
            level_severities=level_severities,
            names={
                "hostname": hostname,
                "app_name": app_name,
                "procid": procid,
                "msgid": msgid,
            },
            name_fields={
                "app_name": app_name_field,
                "procid": procid_field,
                "msgid": msgid_field,
            },
            numbers=numbers,
            longest_procid=_LONGEST_PROCID
            if self.max_bytes >= _ROOM_FOR_PROCID
            else _SHORT_PROCID,
        )

    def _choose_data(
        self, fields: Any, numbers: bool, enterprise_id: Any
    ) -> None:
        carriers = ("structured_data", "text", "json", "none")
        default = "structured_data" if self._is_new else "text"
        fields = options.choice("fields", fields or default, carriers)
        self._has_data = fields == "structured_data"
        self._has_pairs = fields == "text"
        self._has_json = fields == "json"
        #: Longest JSON that is never cut, in bytes; -1 where there is none.
        self.longest_json = (
            self.max_bytes - _HEADER_BYTES if self._has_json else -1
        )
        self._no_data = "-" if self._is_new and not numbers else ""
        self._data = StructuredData(enterprise_id, self.max_bytes)
        if self._has_data and not self._is_new:
            raise _only_new("fields", fields, 'fields="text"')
        if numbers and not self._is_new:
            raise _only_new("sequence_id", numbers, "sequence_id=False")

    def _choose_text(self, bom: Any, newlines: Any) -> None:
        has_bom = options.boolean("bom", bom)
        if has_bom and not self._is_new:
            raise _only_new("bom", bom, "bom=False")
        self._before = (" \ufeff" if has_bom else " ") if self._is_new else ""
        newlines = newlines or ("keep" if self._is_new else "escape")
        keeps = options.choice("newlines", newlines, ("keep", "escape"))
        self._escaped = escaped_lines if keeps == "keep" else escaped
        if self._has_json:
            break_ = "\n" if keeps == "keep" else " "
            blanks = {**_C0, **dict.fromkeys(b"\t\r", " "), 10: break_}
            self._escaped = functools.partial(_as_json, blanks=blanks)

    def way(
        self, text_of: Callable[[logging.LogRecord], Any]
    ) -> Callable[[logging.LogRecord], bytes]:
        """
        The shortest way from a record to its message.

        Args:
            text_of: The formatter's.
        """
        of, head_of, longest = self.of, self._header.of, self.longest_json
        if longest < 0:
            return lambda record: of(record, text_of(record))
        end = f"{self._no_data}{self._before}"

        def message(record: logging.LogRecord) -> bytes:
            line = text_of(record)
            if type(line) is bytes and len(line) <= longest:
                # as it is: its control characters are escaped already
                return f"{head_of(record)}{end}".encode() + line
            return of(record, line)

        return message

    def of(self, record: logging.LogRecord, text: str | bytes) -> bytes:
        """
        The message of *record*, whose formatter wrote *text*.

        *text* has the fields only where *fields* is ``"json"``.
        """
        # The hot path: called once per record.
        if type(text) is not str:
            text = _decoded(text)
        if self._has_pairs:
            text = _with_pairs(record, text)
        shown_text = text
        if not text.isprintable() or len(text) > self.max_bytes:
            shown_text = self._escaped(text[: self.max_bytes])
        head = self._header.of(record)
        data = self._no_data
        if self._has_data:
            data = self._data.of(record) or data
        message = f"{head}{data}{self._before}{shown_text}".encode()
        if len(message) <= self.max_bytes:
            return message
        beyond = text[self.max_bytes :].encode("utf-8", "surrogatepass")
        if self._on_cut is not None:
            self._on_cut()
        return self._fitted(record, head, data, shown_text, len(beyond))

    def _fitted(
        self,
        record: logging.LogRecord,
        head: str,
        data: str,
        text: str,
        beyond: int,
    ) -> bytes:
        """
        A message that was too long, within the limit.

        The text is cut first, down to a quarter of what the header leaves;
        then fields give way.
        """
        room = self.max_bytes - len(head)
        body, before = text.encode(), self._before.encode()
        for_data = room - min(len(before) + len(body), room // 4)
        if self._has_data and len(data.encode()) > for_data:
            data = self._data.within(record, for_data) or self._no_data
        start = f"{head}{data}".encode()
        body = _cut(body, beyond, self.max_bytes - len(start) - len(before))
        return start + before + body if body else start


def _decoded(text: Any) -> str:
    """
    What a formatter wrote, whatever it is, as text.
    """
    try:
        if isinstance(text, (bytes, bytearray)):
            return bytes(text).decode("utf-8", "backslashreplace")
        return str.__str__(text)
    except Exception:
        return text_of(text)


def _as_json(text: str, blanks: Mapping[int, str]) -> str:
    """
    JSON with JSON's own escapes; between its parts tabs and breaks are blanks.
    """
    line = escape_controls(text.encode("utf-8", ESCAPES)).decode()
    return line if line.isprintable() else line.translate(blanks)


def _with_pairs(record: logging.LogRecord, text: str) -> str:
    """
    *text* with the record's fields behind its first line.
    """
    try:
        found = "".join(f" {n}={v}" for n, v in pairs(fields_of(record)))
    except Exception:
        found = ""
    first, end, rest = text.partition("\n")
    return f"{first}{found}{end}{rest}"


def shortened(message: bytes, size: int) -> tuple[bytes, bool]:
    """
    *message* in *size* bytes, and whether it was whole before.

    One that was cut already has one mark still, which counts all.
    """
    marked = _MARK.search(message, max(0, len(message) - _LONGEST_MARK))
    if marked is None:
        return _cut(message, 0, size), True
    return _cut(message[: marked.start()], int(marked[1]), size), False


def _cut(body: bytes, beyond: int, room: int) -> bytes:
    """
    *body* in *room* bytes, with a mark that says how much is missing.

    *beyond* are bytes that are missing already.
    """
    if len(body) <= room and not beyond:
        return body
    total = len(body) + beyond
    most = room - len(f" [truncated {total} bytes]")
    if most < 0:
        return b""
    kept = body[:most].decode("utf-8", "ignore").encode()
    return kept + f" [truncated {total - len(kept)} bytes]".encode()


def _message_size(value: Any, rfc: str) -> int:
    if value is None or value == "":
        return _SIZES[rfc]
    size = options.size("max_message_bytes", value)
    if size < _LEAST_BYTES:
        raise ConfigError(
            shown("max_message_bytes", value),
            expected=f"{_LEAST_BYTES} or more",
        )
    return size


def _only_new(option: str, value: Any, instead: str) -> ConfigError:
    return ConfigError(
        f"{shown(option, value)} is not part of RFC 3164",
        expected='rfc="5424"',
        fix=f'give rfc="5424", or {instead}',
    )
