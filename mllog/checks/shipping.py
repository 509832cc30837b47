"""
Handlers that send over a network: their options, alone and together.
"""

from __future__ import annotations

import functools
import os
import socket
from typing import Any

from .. import options
from ..delivery.backlog import spool_mode
from ..delivery.bounds import Bounds
from ..delivery.sockets import FRAMINGS, Address
from ..errors import ConfigError, shown
from ..formatters.syslog import SyslogFormat
from . import classes
from .files import check_making
from .findings import Report
from .model import Part, Setup, is_known
from .trying import Parser, given, refusal, said, single, takes_all

__all__ = ["check"]

_BOUNDS = (
    "overflow",
    "block_seconds",
    "max_queue_records",
    "max_queue_bytes",
    "max_record_bytes",
    "batch_records",
    "batch_bytes",
    "linger_seconds",
    "max_age_seconds",
)
_SPOOL = ("spool", "spool_dir", "max_age_seconds")
_MESSAGE = (
    "rfc",
    "facility",
    "level_severities",
    "hostname",
    "app_name",
    "procid",
    "msgid",
    "app_name_field",
    "procid_field",
    "msgid_field",
    "enterprise_id",
    "fields",
    "sequence_id",
    "bom",
    "max_message_bytes",
)
_TLS_FILES = ("ca_file", "cert_file", "key_file")
_TLS = (*_TLS_FILES, "key_password", "server_hostname")
_PLACE = ("address", "socktype")


def check(setup: Setup, report: Report) -> None:
    """
    Report what shippers refuse, and what they would do in vain.
    """
    for part in setup.parts():
        if part.is_a("ShippingHandler"):
            single(_SINGLE, part, report)
            _check_waiting(part, report)
            _check_bounds(part, report)
            _check_spool(part, report)
            _check_letters(part, report)
        if part.is_a("SyslogHandler"):
            _check_syslog(part, setup, report)
        elif part.is_a("SysLogHandler"):
            _check_stdlib(part, report)


# --- what all of them share ---


def _check_bounds(part: Part, report: Report) -> None:
    defaults = classes.defaults_of(part.cls)
    found = {name: defaults[name] for name in _BOUNDS}
    found |= given(part, _BOUNDS)
    is_sized = "max_record_bytes" in part.options
    if not is_known(part.get("max_record_bytes")):
        found["max_record_bytes"] = "1KiB"  # it may be as small as that
    elif "max_message_bytes" in part.options and not is_sized:
        found["max_record_bytes"] = "1KiB"  # the handler makes room for it
    elif part.is_a("S3PayloadHandler") and not is_sized:
        found["max_record_bytes"] = found["max_queue_bytes"]
    takes_all(Bounds.of, found, part, report)


def _check_waiting(part: Part, report: Report) -> None:
    """
    Report records that are given up before their batch is due.
    """
    linger, age = "linger_seconds", "max_age_seconds"
    own_age = part.get(age)
    is_spooled = part.get("spool", "off") != "off"  # or not known
    if own_age in (None, "") and is_spooled:
        return
    try:
        waits = options.number(
            linger,
            part.get(linger, classes.defaults_of(part.cls)[linger]),
            above=-1,
        )
        most = options.number(age, own_age or 300)
    except ConfigError:  # said already, or only known later
        return
    if waits >= most:
        report.error(
            part.place(linger if linger in part.options else age),
            f"{part.label}: linger_seconds={waits:g} is not less than"
            f" max_age_seconds={most:g}: records are given up before they are"
            " sent",
            "make linger_seconds smaller",
        )


def _check_spool(part: Part, report: Report) -> None:
    """
    Report a spool that is not to be had, or of no use.
    """
    if not all(is_known(part.get(option)) for option in _SPOOL):
        return
    found = {"spool": "off", "spool_dir": None, "max_age_seconds": None}
    if part.is_a("S3Archive"):
        if "spool_dir" not in part.options:  # which is said already
            return
        found["spool"] = "always"
    found |= given(part, _SPOOL)
    place = part.place("spool_dir")
    if error := refusal(spool_mode, found):
        said(error, found, part, report)
    elif found["spool_dir"]:
        folder = os.path.abspath(options.path("spool_dir", found["spool_dir"]))
        if not os.path.isdir(folder):
            check_making(folder, place, report)


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
    if takes_all(SyslogFormat, given(part, _MESSAGE), part, report):
        _check_twice(part, setup, report)
    if not all(is_known(part.get(option)) for option in _PLACE):
        return
    found = {"value": part.get("address", ("localhost", 514))}
    found["socktype"] = part.get("socktype")
    if error := refusal(Address.parse, found):
        said(error, {"address": None, **found}, part, report)
        return
    address = Address.parse(**found)
    _check_tls(part, address, report)
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


def _check_tls(part: Part, address: Address, report: Report) -> None:
    found = {
        option: value
        for option, value in given(part, _TLS).items()
        if value not in (None, "")
    }
    if address.scheme != "tls":
        for option, value in found.items():
            report.error(
                part.place(option),
                f"{shown(option, value)} for {address}, which has no TLS",
                "write tls:// in the address, or leave it out",
            )
        return
    if "key_file" in found and not part.get("cert_file"):
        report.error(
            part.place("key_file"),
            f"{shown('key_file', found['key_file'])} without a certificate",
            "add cert_file",
        )
    for option in _TLS_FILES:
        if option in found:
            _check_file(part, option, found[option], report)
    if _is_false(part.get("verify", True)):
        report.warning(
            part.place("verify"),
            "verify is false: whoever answers gets the records",
            "give ca_file=…, the authority that signed the server's"
            " certificate",
        )


def _check_file(part: Part, option: str, path: Any, report: Report) -> None:
    """
    Report a file of TLS that is not there; its content is not read.
    """
    if not isinstance(path, (str, os.PathLike)):
        report.error(
            part.place(option), f"{shown(option, path)} is no path", ""
        )
    elif not os.path.exists(os.path.expanduser(path)):
        report.warning(
            part.place(option),
            f"{option} {os.fsdecode(path)} is not there: nothing is sent until"
            " it is",
            f"put it there, or correct {option}",
        )
    elif not os.path.isfile(path) or not os.access(path, os.R_OK):
        report.error(
            part.place(option),
            f"{option} {os.fsdecode(path)} cannot be read as a file",
            "name a PEM file that this user may read",
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


def _closing(option: str, value: Any) -> Any:
    return options.number(option, value, above=-1)


def _choice(*allowed: str) -> Parser:
    return lambda option, value: options.choice(option, value, allowed)


_SINGLE: dict[str, Parser] = {
    "close_timeout_seconds": _closing,
    "framing": _choice(*FRAMINGS),
    "retry_max_seconds": options.number,
    "send_timeout_seconds": options.number,
    "spool_fsync": _choice("never", "interval", "always"),
    "spool_max_bytes": options.size,
    "timeout": functools.partial(options.optional, options.number),
    "verify": options.boolean,
}
