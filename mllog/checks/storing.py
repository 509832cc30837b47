"""
What puts objects into S3: its options, alone and together.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from .. import options
from ..compression import codec_of, zstd
from ..delivery.s3 import KEY_TEMPLATE, Keys, PutOptions
from ..delivery.s3.archive import FILE_TEMPLATE, FileKeys
from ..errors import ConfigError, MissingPackageError, shown
from ..filters import SamplingFilter
from ..s3 import Access, Location
from . import classes, parts
from .findings import Report
from .model import Part, Setup, archives_in, is_known, value_of
from .trying import Parser, given, refusal, said, single, takes_all

__all__ = ["check", "is_here"]

_PUT = (
    "create_only",
    "storage_class",
    "server_side_encryption",
    "kms_key_id",
    "tags",
    "metadata",
)
_CODEC = ("compression", "compression_level")
_ARCHIVE = "S3Archive"
_EXTRA = "pip install 'mllog-handlers[s3]'"
_SAMPLING = options.names_of(SamplingFilter.__init__)


def check(setup: Setup, report: Report) -> None:
    """
    Report what cannot be stored, or not as it is meant to be.
    """
    for part in setup.parts():
        if part.is_a("SamplingFilter"):
            _check_sampling(part, report)
        if part.is_a("ObjectHandler"):
            _check_store(part, report)
        if part.is_a("S3PayloadHandler"):
            _check_payloads(part, setup, report)
    for handler in setup.handlers.values():
        _check_archive(handler, report)


def _check_sampling(part: Part, report: Report) -> None:
    """
    Report what a SamplingFilter refuses.
    """
    is_given = bool({"rate", "every"} & part.options.keys())

    def make(**found: Any) -> None:
        if is_given and not {"rate", "every"} & found.keys():
            found["rate"] = 1  # that which was given is said, or not known
        SamplingFilter(**found)

    takes_all(make, given(part, tuple(_SAMPLING)), part, report)


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
    _check_packages(part, report)
    _check_location(part, report)
    takes_all(PutOptions, given(part, _PUT), part, report)
    takes_all(_codec, given(part, _CODEC), part, report)
    _check_keys(part, report)
    _check_endpoint(part, report)
    _check_client(part, report)
    single(_SINGLE, part, report)


def _check_packages(part: Part, report: Report) -> None:
    """
    Report packages that the constructor will miss.
    """
    if importlib.util.find_spec("boto3") is None:
        report.error(
            part.path,
            f"{part.label} needs boto3, which is not installed",
            _EXTRA,
        )
    usual = classes.defaults_of(part.cls).get("compression")
    compression = part.get("compression", usual)
    if compression == "gzip" and importlib.util.find_spec("isal") is None:
        report.warning(
            part.path,
            "isal is not installed: gzip takes several times as long",
            _EXTRA,
        )
    elif compression == "zstd":
        try:
            zstd()
        except ImportError:
            report.error(
                part.place("compression"),
                f"{shown('compression', compression)} needs backports.zstd,"
                " which is not installed",
                "pip install 'mllog-handlers[zstd]'",
            )


def _check_location(part: Part, report: Report) -> None:
    found = given(part, ("bucket", "prefix"))
    if found.get("bucket", "missing") in (None, ""):
        report.error(
            part.place("bucket"),
            f"{part.label}: bucket is empty",
            "give the name of a bucket, or set MLLOG_S3_BUCKET for a preset",
        )
        return
    found.setdefault("bucket", "some-bucket")
    if error := refusal(Location.of, found):
        said(error, found, part, report)


def _codec(compression: Any = "gzip", compression_level: Any = None) -> None:
    try:
        codec_of("compression", compression, compression_level)
    except ImportError:  # said already
        pass


def _check_keys(part: Part, report: Report) -> None:
    if part.is_a(_ARCHIVE):
        takes_all(_file_keys, given(part, ("key_template",)), part, report)
        return
    names = ("key_template", "key_fields")
    found = given(part, names)
    if found.keys() == part.options.keys() & set(names):  # all is known
        takes_all(_keys, found, part, report)


def _keys(key_template: Any = None, key_fields: Any = ()) -> None:
    template = options.optional(options.text, "key_template", key_template)
    fields = options.names("key_fields", key_fields)
    Keys(template or KEY_TEMPLATE, fields)


def _file_keys(key_template: Any = None) -> None:
    template = options.optional(options.text, "key_template", key_template)
    FileKeys(template or FILE_TEMPLATE)


# --- the server ---


def _check_endpoint(part: Part, report: Report) -> None:
    url = part.get("endpoint_url")
    if not url or not is_known(url):
        return
    place = part.place("endpoint_url")
    try:
        Access(url)
        found = urllib.parse.urlsplit(url)
        host = found.hostname or ""
    except ConfigError as exc:
        report.refused(place, exc, part.label)
        return
    except ValueError as exc:
        report.error(place, f"endpoint_url is no URL: {exc}")
        return
    if found.username or found.password:
        report.error(
            place,
            f"{part.label}: endpoint_url has credentials in it",
            parts.NO_CREDENTIALS,
        )
    if found.scheme == "http" and not is_here(host):
        report.warning(
            place,
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


def _check_client(part: Part, report: Report) -> None:
    config = part.get("client_config")
    if config is None or not is_known(config):
        return
    place = part.place("client_config")
    try:
        settings = options.mapping("client_config", config)
    except ConfigError as exc:
        report.refused(place, exc, part.label)
        return
    for key in sorted(settings):
        if parts.is_credential(key):
            del settings[key]
            report.error(
                (*place, key),
                f"{part.label}: client_config has credentials: {key}",
                parts.NO_CREDENTIALS,
            )
    try:
        if settings:
            Access(client_config=settings).check()
    except MissingPackageError:  # said already
        pass
    except ConfigError as exc:
        report.refused(place, exc, part.label)


# --- payloads ---


def _check_payloads(part: Part, setup: Setup, report: Report) -> None:
    sampling = part.get("sampling")
    if isinstance(sampling, Mapping):
        filtering = Part(
            "filters",
            "",
            part.place("sampling"),
            "mllog.SamplingFilter",
            SamplingFilter,
            {str(key): value_of(value) for key, value in sampling.items()},
        )
        parts.check_options(filtering, report)
        if sampling:
            _check_sampling(filtering, report)
    elif sampling is not None and is_known(sampling):
        report.error(
            part.place("sampling"),
            f"{part.label}: {shown('sampling', sampling)}",
            'write {"rate": 0.1}',
        )
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


def _uploads(option: str, value: Any) -> int:
    return options.integer(option, value, minimum=1)


_SINGLE: dict[str, Parser] = {
    "connect_timeout_seconds": options.number,
    "max_payload_bytes": options.size,
    "parallel_uploads": _uploads,
    "payload_fields": options.names,
}
