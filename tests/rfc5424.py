"""
A strict reader of syslog messages: the ABNF of RFC 5424, and not a byte more.
"""

from __future__ import annotations

import dataclasses
import datetime
import re

BOM = b"\xef\xbb\xbf"

_PRI = re.compile(rb"<(0|[1-9][0-9]{0,2})>")
_VERSION = re.compile(rb"[1-9][0-9]{0,2}")
_TIMESTAMP = re.compile(
    rb"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    rb"T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,6})?"
    rb"(?:Z|[+-]([0-9]{2}):([0-9]{2}))"
)
_NAME = re.compile(rb"[!#-<>-\\^-~]+")
_PRINTABLE = re.compile(rb"[!-~]+")
# an octet that may stand by itself, or one of the three escapes
_VALUE = re.compile(rb'(?:[^"\\\]]|\\["\\\]])*')
_ESCAPE = re.compile(r'\\(["\\\]])')
_REGISTERED = ("timeQuality", "origin", "meta")
_PRIVATE = re.compile(r"[^@]+@[0-9]+(?:\.[0-9]+)*")
_LAST_SEQUENCE_ID = 2147483647


@dataclasses.dataclass(frozen=True)
class Message:
    """
    What a message says; ``-`` is None.
    """

    pri: int
    version: int
    timestamp: str | None
    hostname: str | None
    app_name: str | None
    procid: str | None
    msgid: str | None
    structured_data: dict[str, list[tuple[str, str]]]
    message: bytes | None
    bom: bool

    @property
    def facility(self) -> int:
        return self.pri // 8

    @property
    def severity(self) -> int:
        return self.pri % 8


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def fail(self, wanted: str) -> ValueError:
        found = self.data[self.at : self.at + 20]
        return ValueError(f"position {self.at}: {wanted}, not {found!r}")

    def take(self, pattern: re.Pattern[bytes], wanted: str) -> re.Match[bytes]:
        match = pattern.match(self.data, self.at)
        if match is None:
            raise self.fail(wanted)
        self.at = match.end()
        return match

    def literal(self, expected: bytes) -> None:
        if not self.data.startswith(expected, self.at):
            raise self.fail(f"{expected!r} expected")
        self.at += len(expected)

    def is_next(self, expected: bytes) -> bool:
        return self.data.startswith(expected, self.at)

    def bounded(
        self, pattern: re.Pattern[bytes], wanted: str, longest: int
    ) -> str:
        begin = self.at
        text = self.take(pattern, wanted)[0]
        if len(text) > longest:
            self.at = begin
            raise self.fail(f"{wanted} of at most {longest} characters")
        return text.decode("ascii")


def parse(data: bytes) -> Message:
    """
    The one message that *data* is.

    Raises:
        ValueError: It is none; says at which octet, and what was expected.
    """
    reader = _Reader(data)
    pri = int(reader.take(_PRI, "PRI")[1])
    if pri > 191:
        reader.at = 1
        raise reader.fail("a PRIVAL up to 191")
    version = int(reader.take(_VERSION, "VERSION")[0])
    reader.literal(b" ")
    timestamp = _timestamp(reader)
    names = []
    for name, longest in (
        ("HOSTNAME", 255),
        ("APP-NAME", 48),
        ("PROCID", 128),
        ("MSGID", 32),
    ):
        reader.literal(b" ")
        text = reader.bounded(_PRINTABLE, name, longest)
        names.append(None if text == "-" else text)
    reader.literal(b" ")
    elements = _elements(reader)
    message, bom = _message(reader)
    return Message(pri, version, timestamp, *names, elements, message, bom)


def _timestamp(reader: _Reader) -> str | None:
    if reader.is_next(b"- "):
        reader.at += 1
        return None
    begin = reader.at
    match = reader.take(_TIMESTAMP, "TIMESTAMP")
    parts = [int(part) for part in match.groups() if part is not None]
    try:
        datetime.datetime(*parts[:6])  # leap seconds must not be used
        if len(parts) == 8:
            datetime.time(*parts[6:])
    except ValueError as exc:
        reader.at = begin
        raise reader.fail(f"a TIMESTAMP that exists ({exc})") from None
    return match[0].decode("ascii")


def _elements(reader: _Reader) -> dict[str, list[tuple[str, str]]]:
    elements: dict[str, list[tuple[str, str]]] = {}
    if reader.is_next(b"-"):
        reader.at += 1
        return elements
    while reader.is_next(b"[") or not elements:
        reader.literal(b"[")
        begin = reader.at
        name = reader.bounded(_NAME, "SD-ID", 32)
        if name not in _REGISTERED and not _PRIVATE.fullmatch(name):
            reader.at = begin
            raise reader.fail("a registered SD-ID or one with @number")
        if name in elements:
            reader.at = begin
            raise reader.fail("an SD-ID that did not occur yet")
        elements[name] = _params(reader, name)
    return elements


def _params(reader: _Reader, element: str) -> list[tuple[str, str]]:
    params = []
    while not reader.is_next(b"]"):
        reader.literal(b" ")
        name = reader.bounded(_NAME, "PARAM-NAME", 32)
        reader.literal(b'="')
        begin = reader.at
        value = _utf8(reader, reader.take(_VALUE, "PARAM-VALUE")[0], begin)
        reader.literal(b'"')
        value = _ESCAPE.sub(r"\1", value)
        if (element, name) == ("meta", "sequenceId") and not (
            re.fullmatch("[1-9][0-9]{0,9}", value)
            and int(value) <= _LAST_SEQUENCE_ID
        ):
            reader.at = begin
            raise reader.fail("a sequenceId from 1 to 2147483647")
        params.append((name, value))
    reader.literal(b"]")
    return params


def _message(reader: _Reader) -> tuple[bytes | None, bool]:
    if reader.at == len(reader.data):
        return None, False
    reader.literal(b" ")
    if not reader.is_next(BOM):
        return reader.data[reader.at :], False
    reader.at += len(BOM)
    message = reader.data[reader.at :]
    _utf8(reader, message, reader.at)
    return message, True


def _utf8(reader: _Reader, data: bytes, begin: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        reader.at = begin + exc.start
        raise reader.fail("UTF-8") from None
