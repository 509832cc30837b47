"""
Handlers that send over a network: their options, alone and together.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from .. import options
from ..delivery.sockets import Address
from ..errors import ConfigError, shown
from .files import check_making
from .findings import Report
from .model import Part, Setup, is_known

__all__ = ["check"]


def check(setup: Setup, report: Report) -> None:
    """
    Report what shippers refuse, and what they would do in vain.
    """
    for part in setup.parts():
        if part.is_a("ShippingHandler"):
            _check_spool(part, report)
            _check_letters(part, report)
        if part.is_a("SyslogHandler"):
            _check_syslog(part, setup, report)
        elif part.is_a("SysLogHandler"):
            _check_stdlib(part, report)


def _check_spool(part: Part, report: Report) -> None:
    """
    Report a folder of a spool that cannot be made.
    """
    given = part.get("spool_dir")
    if isinstance(given, (str, os.PathLike)) and given:
        folder = os.path.abspath(given)
        if not os.path.isdir(folder):
            check_making(folder, part.place("spool_dir"), report)


def _check_letters(part: Part, report: Report) -> None:
    path = part.get("dead_letter_file")
    if not isinstance(path, (str, os.PathLike)) or not path:
        return
    try:
        path = options.path("dead_letter_file", path)
    except ConfigError as exc:
        report.refused(part.place("dead_letter_file"), exc, part.label)
        return
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        report.warning(
            part.place("dead_letter_file"),
            f"the folder {os.fsdecode(folder)} is not there: what the sink"
            " refuses is dropped",
            "make it",
        )


# --- syslog ---


def _check_syslog(part: Part, setup: Setup, report: Report) -> None:
    _check_twice(part, setup, report)
    place, kind = (part.get("address", "localhost"), part.get("socktype"))
    if not (is_known(place) and is_known(kind)):
        return
    try:
        address = Address.parse(place, kind)
    except ConfigError:  # the constructor reports it
        return
    if address.scheme == "tls":
        _check_tls(part, report)
    _check_datagrams(part, address, report)


def _check_twice(part: Part, setup: Setup, report: Report) -> None:
    """
    Report fields that are in the message's text and beside it.
    """
    name = part.formatter.name if part.formatter else ""
    formatter = setup.formatters.get(name)
    if formatter is None or part.get("fields") in ("json", "none"):
        return
    if formatter.is_a("JSONFormatter", "TextFormatter"):
        carrier = "json" if formatter.is_a("JSONFormatter") else "none"
        report.warning(
            part.place("fields") if "fields" in part.options else part.path,
            f"{formatter.label} writes the fields into the text, and"
            f" {part.label} sends them once more beside it",
            f'add "fields": "{carrier}", or leave the formatter out',
        )


def _check_tls(part: Part, report: Report) -> None:
    for option in ("ca_file", "cert_file", "key_file"):
        path = part.get(option)
        if isinstance(path, (str, os.PathLike)) and path:
            _check_file(part, option, path, report)
    if _is_false(part.get("verify", True)):
        report.warning(
            part.place("verify"),
            "verify is false: whoever answers gets the records",
            "give ca_file=…, the authority that signed the server's"
            " certificate",
        )


def _check_file(
    part: Part, option: str, path: str | os.PathLike[str], report: Report
) -> None:
    """
    Report a file of TLS that is not there; its content is not read.
    """
    if not os.path.exists(os.path.expanduser(path)):
        report.warning(
            part.place(option),
            f"{option} {os.fsdecode(path)} is not there: nothing is sent until"
            " it is",
            f"put it there, or correct {option}",
        )


def _check_datagrams(part: Part, address: Address, report: Report) -> None:
    """
    Report what is promised, or set, for datagrams in vain.
    """
    if address.scheme == "udp" and part.get("spool") == "always":
        report.warning(
            part.place("spool"),
            f'spool="always" for {address}: UDP has no receipts, so a record'
            " that was sent is deleted, whether it arrived or not",
            "write tls:// or tcp:// in the address, if the server takes it",
        )
    if address.scheme == "udp" and part.get("framing"):
        report.warning(
            part.place("framing"),
            f"{shown('framing', part.get('framing'))} has no effect on"
            f" {address}: each datagram is a message",
            "take it out",
        )


def _check_stdlib(part: Part, report: Report) -> None:
    """
    Report logging's own handler where it is at its weakest.
    """
    address = part.get("address")
    is_local = isinstance(address, str)
    if part.get("socktype") == socket.SOCK_STREAM and not is_local:
        report.warning(
            part.place("socktype"),
            f"{part.label} over TCP: without the server the configuration"
            " fails, a connection that breaks is not made again, and a slow"
            " server holds the caller",
            "write mllog.SyslogHandler, which takes its arguments",
        )


# --- values ---


def _is_false(value: Any) -> bool:
    try:
        return is_known(value) and not options.boolean("verify", value)
    except ConfigError:  # said already
        return False
