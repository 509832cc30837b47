"""
Records to a syslog server, by RFC 5424 or RFC 3164.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .. import options
from ..accounting import DeliveryStats
from ..delivery.handler import ShippingHandler
from ..delivery.sockets import FRAMINGS, LONGEST_UDP, TLS, Address, route_to
from ..errors import ConfigError, shown
from ..events import Entry
from ..fields import message_of
from ..formatters.json import JSONFormatter
from ..formatters.syslog import SyslogFormat
from ..formatters.text import trouble_of

__all__ = ["SyslogHandler"]

_LARGEST_RECORD = 64 * 1024


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

    @options.checked
    def __init__(
        self,
        address: Any = ("localhost", 514),
        facility: str | int = "user",
        socktype: Any = None,
        timeout: float | str | None = None,
        *,
        rfc: str | int = "5424",
        fields: str | None = None,
        enterprise_id: str = "mllog@32473",
        hostname: str | None = None,
        app_name: str | None = None,
        procid: str | int | None = None,
        msgid: str | None = None,
        app_name_field: str | None = None,
        procid_field: str | None = None,
        msgid_field: str | None = None,
        level_severities: Mapping[Any, Any] | None = None,
        sequence_id: bool | str | None = None,
        bom: bool | str = False,
        framing: str = "octet-counting",
        max_message_bytes: int | str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        cert_file: str | os.PathLike[str] | None = None,
        key_file: str | os.PathLike[str] | None = None,
        key_password: str | None = None,
        server_hostname: str | None = None,
        verify: bool | str = True,
        linger_seconds: float | str = 0.2,
        **delivery: Any,
    ) -> None:
        self.address = Address.parse(address, socktype)
        framing = options.choice("framing", framing, tuple(FRAMINGS))
        self._fields = fields
        self._format_options: dict[str, Any] = {
            "rfc": rfc,
            "facility": facility,
            "level_severities": level_severities,
            "hostname": hostname,
            "app_name": app_name,
            "procid": procid,
            "msgid": msgid,
            "app_name_field": app_name_field,
            "procid_field": procid_field,
            "msgid_field": msgid_field,
            "enterprise_id": enterprise_id,
            "fields": fields,
            "sequence_id": sequence_id,
            "bom": bom,
            "newlines": None if framing == "octet-counting" else "escape",
        }
        if max_message_bytes is None:
            max_message_bytes = delivery.get("max_record_bytes")
        self._format_options["max_message_bytes"] = max_message_bytes
        self._messages = self._made_messages()
        is_udp = self.address.scheme == "udp"
        if is_udp and self._messages.max_bytes > LONGEST_UDP:
            self._format_options["max_message_bytes"] = LONGEST_UDP
            self._messages = self._made_messages()
        most = max(_LARGEST_RECORD, self._messages.max_bytes)
        delivery.setdefault("max_record_bytes", most)
        tls = _tls(
            self.address,
            ca_file=ca_file,
            cert_file=cert_file,
            key_file=key_file,
            key_password=key_password,
            server_hostname=server_hostname,
            verify=verify,
        )
        timeout = options.optional(options.number, "timeout", timeout)
        self._transport = route_to(
            self.address,
            framing=framing,
            tls=tls,
            connect_timeout_seconds=timeout or 5.0,
            send_timeout_seconds=delivery.get("send_timeout_seconds", 30.0),
        )
        super().__init__(linger_seconds=linger_seconds, **delivery)
        self.ship(self._transport, str(self.address))

    # --- the message ---

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


def _tls(address: Address, *, verify: Any, **given: Any) -> TLS | None:
    """
    How to speak TLS to *address*; None if it is not spoken there.

    Raises:
        ConfigError: Options of TLS for an address without.
    """
    verify = True if verify in (None, "") else verify
    if address.scheme == "tls":
        return TLS(verify=verify, **given)
    for name, value in given.items():
        if value not in (None, ""):
            raise ConfigError(
                f"{shown(name, value)} for {address}, which has no TLS",
                expected="an address such as tls://host:6514",
                fix=f"write tls://, or leave out {name}",
            )
    options.boolean("verify", verify)
    return None
