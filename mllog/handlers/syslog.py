"""
Records to a syslog server, by RFC 5424 or RFC 3164.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, TypedDict

from .. import options
from ..accounting import DeliveryStats
from ..delivery.handler import DeliveryOptions, ShippingHandler
from ..delivery.sockets import LONGEST_UDP, TLS, Address, route_to
from ..errors import ConfigError, MllogWarning, shown
from ..events import Entry
from ..fields import message_of
from ..formatters.json import JSONFormatter
from ..formatters.syslog import SyslogFormat
from ..formatters.syslog_header import facility_of
from ..formatters.text import trouble_of
from ..options import Default, Parse, Unpack

__all__ = ["SyslogHandler"]

_LARGEST_RECORD = 64 * 1024
_RFCS = ["5424", "3164", 5424, 3164]


def _rfc(option: str, value: Any) -> str:
    return options.choice(option, str(value), ("5424", "3164"))


class SyslogMessage(TypedDict, total=False):
    """
    The options that say what a message looks like.
    """

    rfc: Annotated[str | int, Parse(_rfc, {"enum": _RFCS}), Default("5424")]
    fields: Annotated[
        Literal["structured_data", "text", "json", "none"] | None,
        Default(None),
    ]
    enterprise_id: Annotated[options.Text, Default("mllog@32473")]
    hostname: Annotated[str | None, Default(None)]
    app_name: Annotated[str | None, Default(None)]
    procid: Annotated[str | int | None, Default(None)]
    msgid: Annotated[str | None, Default(None)]
    app_name_field: Annotated[options.Text | None, Default(None)]
    procid_field: Annotated[options.Text | None, Default(None)]
    msgid_field: Annotated[options.Text | None, Default(None)]
    level_severities: Annotated[Mapping[Any, Any] | None, Default(None)]
    sequence_id: Annotated[options.Flag | None, Default(None)]
    bom: Annotated[options.Flag, Default(False)]
    max_message_bytes: Annotated[options.Size | None, Default(None)]


class TLSOptions(TypedDict, total=False):
    """
    The options that say whom to trust, and who this process is.
    """

    ca_file: Annotated[options.Path | None, Default(None)]
    cert_file: Annotated[options.Path | None, Default(None)]
    key_file: Annotated[options.Path | None, Default(None)]
    key_password: Annotated[options.Text | None, Default(None)]
    server_hostname: Annotated[options.Text | None, Default(None)]
    verify: Annotated[options.Flag | None, Default(True)]


class SyslogOptions(SyslogMessage, TLSOptions, DeliveryOptions, total=False):
    """
    What a message looks like, and how it is delivered.
    """


class SyslogHandler(ShippingHandler):
    """
    Send each record to a syslog server, from a background worker.

    It takes what ``logging.handlers.SysLogHandler`` takes, so a configuration
    moves over by its class.  The message is the record's, with a traceback if
    there is one, and its fields are structured data; a formatter replaces the
    text, and with ``fields="json"`` message and fields are one JSON object.

    Guarantee:
        Logging never waits for the server, and its constructor does not need
        it.  A connection that breaks is made again, and what it may have lost
        is sent once more.  TLS servers are verified.

    Limit:
        Syslog has no receipts.  Over TCP and TLS ``sent`` means that the
        server's kernel should have it, over UDP that it left; a server that
        dies with unread messages loses what the resend window does not cover,
        and a break repeats some.  ``sequence_id`` shows both to a receiver.

    Args:
        address: ``["host", 514]``, ``"host:514"``, ``"/dev/log"``, or a URL:
            ``"udp://host:514"``, ``"tcp://host:514"``, ``"tls://host:6514"``,
            ``"unix:///dev/log"``.

        facility: ``"user"``, ``"local0"``, … or its number.

        socktype: ``"udp"`` or ``"tcp"``, or a constant of ``socket``, where
            *address* has no scheme; None is UDP.

        timeout: Seconds for connecting; None is 5.

        rfc: ``"5424"`` or ``"3164"``.

        fields: Where fields go: ``"structured_data"`` (the default),
            ``"json"``, ``"text"`` (``key=value``; the default of RFC 3164) or
            ``"none"``.

        enterprise_id: SD-ID of the fields, ``name@<enterprise number>``.

        hostname: None is this machine's.

        app_name: None is the program's name.

        procid: None is the process id.

        msgid: None is the logger's name.

        app_name_field: A field whose value goes before *app_name*.

        procid_field: The same for *procid*.

        msgid_field: The same for *msgid*.

        level_severities: ``{"AUDIT": "notice"}``, by name or number; other
            levels have the severity of their range.

        sequence_id: Whether messages are numbered; None is as *rfc* allows.

        bom: Whether a byte order mark precedes the text.

        framing: ``"octet-counting"``, ``"newline"`` or ``"nul"``, how a
            stream separates messages; line breaks are escaped for the latter.

        max_message_bytes: Longest message; longer ones are cut, and counted
            as ``truncated``.  None is 64 KiB, 1024 bytes for RFC 3164; a
            datagram of UDP has 65507 bytes at most.

        ca_file: PEM file with the authorities that may have signed the
            server's certificate; None is the system's.

        cert_file: PEM file with our own certificate, for servers that ask.

        key_file: PEM file with its key; None if it is in *cert_file*.

        key_password: Password of the key.

        server_hostname: Name that the server's certificate has to have, if it
            is not that of *address*.

        verify: Whether the server has to prove who it is.

        linger_seconds: How long a record waits for others to go with.

        delivery: The options of
            :class:`mllog.delivery.handler.ShippingHandler`: queue, spool,
            overflow, timeouts, filters.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.
    """

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "linger_seconds": 0.2,
        "max_record_bytes": None,  # the longest message, 64 KiB at least
    }

    @options.checked
    def __init__(
        self,
        address: Any = ("localhost", 514),
        facility: Annotated[str | int, Parse(facility_of)] = "user",
        socktype: Any = None,
        timeout: options.Positive | None = None,
        *,
        framing: Literal[
            "octet-counting", "newline", "nul"
        ] = "octet-counting",
        **more: Unpack[SyslogOptions],
    ) -> None:
        self.address = Address.parse(address, socktype)
        given = {**more, "facility": facility, "framing": framing}
        if self.address.scheme == "tls" and not more["verify"]:
            warnings.warn(
                "verify=False: whoever answers gets the records",
                MllogWarning,
                stacklevel=3,
            )
        self._fields = more["fields"]
        self._format_options = _message_options(given, self.address)
        self._messages = self._made_messages()
        self._transport = route_to(
            self.address,
            framing=framing,
            tls=_tls(self.address, given),
            connect_timeout_seconds=float(timeout or 5.0),
            send_timeout_seconds=float(more["send_timeout_seconds"]),
        )
        super().__init__(**options.only(DeliveryOptions, more))
        self.ship(self._transport, str(self.address))

    @classmethod
    def complete(cls, given: dict[str, Any]) -> None:
        """
        Make room for the longest message, or keep messages as short as that.
        """
        if given["verify"] is None:
            given["verify"] = True
        message, record = given["max_message_bytes"], given["max_record_bytes"]
        given["max_message_bytes"] = record if message is None else message
        if record is None:
            longest = given["max_message_bytes"] or 0
            given["max_record_bytes"] = max(_LARGEST_RECORD, longest)

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[ConfigError]:
        """
        What is wrong with parsed options together.
        """
        address = Address.parse(given["address"], given["socktype"])
        SyslogFormat(**_message_options(given, address))
        _tls(address, given)
        yield from ()

    def _made_messages(self) -> SyslogFormat:
        return SyslogFormat(on_cut=self._count_cut, **self._format_options)

    def default_formatter(self) -> logging.Formatter:
        """
        The message and its traceback; with ``fields="json"`` the whole record.
        """
        if self._fields == "json":
            room = max(self._messages.longest_json, 256)
            return JSONFormatter(max_record_bytes=room)
        return _MessageFormatter()

    def way_to_entry(self) -> Callable[[logging.LogRecord], Entry]:
        """
        The formatter's text, in a message of syslog.
        """
        used = self._used
        if type(used) is _MessageFormatter:
            return self._messages.way(_text_of)
        return self._messages.way(getattr(used, "format_bytes", used.format))

    @property
    def ident(self) -> str:
        """
        What the stdlib's handler writes before each message: our *app_name*.
        """
        return str(self._format_options["app_name"] or "")

    @ident.setter
    def ident(self, text: str) -> None:
        self._format_options["app_name"] = text.rstrip(": ") or None
        self._messages = self._made_messages()
        self.entry_of = self.way_to_entry()

    # --- numbers ---

    def _count_cut(self) -> None:
        self._outbox.count("truncated")

    def stats(self) -> DeliveryStats:
        """
        What became of the records, and where the others are.
        """
        found, transport = super().stats(), self._transport
        return replace(
            found,
            truncated=found.truncated + transport.cut,
            resent=transport.resent,
            reconnects=transport.reconnects,
        )


class _MessageFormatter(logging.Formatter):
    """
    The message, and behind it what went wrong.
    """

    def format(self, record: logging.LogRecord) -> str:
        message = message_of(record)
        if record.exc_info or record.exc_text or record.stack_info:
            return "\n".join([message, *trouble_of(self, record)])
        return message


_in_full = _MessageFormatter().format


def _text_of(record: logging.LogRecord) -> str:
    """
    What :class:`_MessageFormatter` writes, sooner where there is only text.
    """
    message: Any = record.msg
    if (
        record.args
        or record.exc_info
        or record.exc_text
        or record.stack_info
        or type(message) is not str
    ):
        return _in_full(record)
    return message


def _message_options(
    given: Mapping[str, Any], address: Address
) -> dict[str, Any]:
    """
    The arguments of SyslogFormat for messages to *address*.
    """
    found = {name: given[name] for name in _MESSAGE}
    is_counted = given["framing"] == "octet-counting"
    found["newlines"] = None if is_counted else "escape"
    if address.scheme == "udp":
        longest = SyslogFormat(**found).max_bytes
        found["max_message_bytes"] = min(longest, LONGEST_UDP)
    return found


def _tls(address: Address, given: Mapping[str, Any]) -> TLS | None:
    """
    How to speak TLS to *address*; None if it is not spoken there.

    Raises:
        ConfigError: Options of TLS for an address without.
    """
    if address.scheme == "tls":
        return options.construct(TLS, given)
    for name in options.names_of(TLS):
        value = given[name]
        if name != "verify" and value is not None:
            raise ConfigError(
                f"{shown(name, value)} for {address}, which has no TLS",
                expected="an address such as tls://host:6514",
                fix=f"write tls://, or leave out {name}",
            )
    return None


_MESSAGE = ("facility", *SyslogMessage.__annotations__)
