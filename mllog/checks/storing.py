"""
What puts objects into S3: its options, alone and together.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import re
import urllib.parse

from .. import options
from ..errors import ConfigError
from . import classes
from .findings import Report
from .model import Part, Setup, archives_in, is_known

__all__ = ["check", "is_here"]

_ARCHIVE = "S3Archive"
_EXTRA = "pip install 'mllog-handlers[s3]'"


def check(setup: Setup, report: Report) -> None:
    """
    Report what cannot be stored, or not as it is meant to be.
    """
    for part in setup.parts():
        if part.is_a("ObjectHandler"):
            _check_store(part, report)
        if part.is_a("S3PayloadHandler"):
            _check_payloads(part, setup, report)
    for handler in setup.handlers.values():
        _check_archive(handler, report)


def _check_archive(handler: Part, report: Report) -> None:
    """
    Report what is no archive where one has to be, or is in its place.
    """
    if handler.is_a(_ARCHIVE):
        report.error(
            handler.path,
            f"{handler.label} stores files, not records",
            'give it to a file that rotates: "on_rotate": {"class": …}',
        )
    for part in archives_in(handler) if handler.is_ours else ():
        if not part.class_name:
            report.error(
                part.path,
                f"{handler.label}: on_rotate has no class",
                'write {"class": "mllog.S3Archive", …}',
            )
        elif part.is_ours and not part.is_a(_ARCHIVE):
            report.error(
                part.path,
                f"{part.label} cannot be called with a path",
                "write mllog.S3Archive",
            )


# --- what all of them share ---


def _check_store(part: Part, report: Report) -> None:
    _check_compression(part, report)
    _check_endpoint(part, report)


def _check_compression(part: Part, report: Report) -> None:
    """
    Report gzip without the package that makes it fast.
    """
    usual = classes.defaults_of(part.cls).get("compression")
    compression = part.get("compression", usual)
    if compression == "gzip" and importlib.util.find_spec("isal") is None:
        report.warning(
            part.path,
            "isal is not installed: gzip takes several times as long",
            _EXTRA,
        )


# --- the server ---


def _check_endpoint(part: Part, report: Report) -> None:
    url = part.get("endpoint_url")
    if not url or not is_known(url):
        return
    try:
        found = urllib.parse.urlsplit(str(url))
        host = found.hostname or ""
    except ValueError:  # the constructor reports it
        return
    if found.scheme == "http" and not is_here(host):
        report.warning(
            part.place("endpoint_url"),
            f"http to {host}: whoever is on the way reads what is stored",
            f"write https://{host}",
        )


def is_here(host: str) -> bool:
    """
    Whether *host* is this machine.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return re.fullmatch(r"(.+\.)?localhost", host) is not None


# --- payloads ---


def _check_payloads(part: Part, setup: Setup, report: Report) -> None:
    _check_sizes(part, report)
    name = part.formatter.name if part.formatter else ""
    formatter = setup.formatters.get(name)
    if formatter and formatter.cls and not formatter.is_a("JSONFormatter"):
        report.error(
            part.place("formatter"),
            f"{part.label}: {formatter.label} cannot format the index",
            "write mllog.JSONFormatter, or leave the formatter out",
        )


def _check_sizes(part: Part, report: Report) -> None:
    """
    Report payloads that are allowed and find no room.
    """
    names = ("max_payload_bytes", "max_queue_bytes")
    try:
        most, room = (
            options.size(
                name, part.get(name, classes.defaults_of(part.cls)[name])
            )
            for name in names
        )
    except ConfigError:  # said already, or only known later
        return
    if most > room:
        name = names[0] if names[0] in part.options else names[1]
        report.warning(
            part.place(name),
            f"max_payload_bytes={most} is more than max_queue_bytes={room}:"
            " records with such payloads are dropped",
            "make the queue larger, some times the largest payload",
        )
