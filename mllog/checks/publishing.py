"""
What publishes events to Kafka: its options, alone and together.
"""

from __future__ import annotations

import importlib.util
import urllib.parse
from collections.abc import Mapping

from .. import options
from ..errors import ConfigError, shown
from ..formatters.inference import InferenceFormatter
from . import classes
from .findings import Report
from .model import Part, Setup, is_known, nested, value_of
from .storing import is_here
from .trying import given, takes_all

__all__ = ["check"]

_EXTRA = "pip install 'mllog-handlers[kafka]'"
_SECURITY = (
    "security_protocol",
    "ca_file",
    "cert_file",
    "key_file",
    "key_password",
    "sasl_mechanism",
    "sasl_username",
    "sasl_password",
)
_FORMATTER = tuple(options.names_of(InferenceFormatter.__init__))
_REACH = ("bootstrap_servers", "topic")
_ANY_SERVER = "kafka:9092"
_ANY_TOPIC = "some-topic"


def check(setup: Setup, report: Report) -> None:
    """
    Report what cannot be published, or not as it is meant to be.
    """
    for part in setup.parts():
        if part.is_a("InferenceFormatter") and part.is_complete:
            _check_formatter(part, report)
    for handler in setup.handlers.values():
        if handler.is_ours:
            _check_changes(handler, setup, report)
        if handler.is_a("KafkaHandler"):
            _check_kafka(handler, report)
            _check_together(handler, setup, report)


# --- the formatter ---


def _check_formatter(part: Part, report: Report) -> bool:
    """
    Report what an InferenceFormatter refuses; whether it takes all.
    """
    found = given(part, _FORMATTER)
    if "format" in part.options:  # as logging's configurators name it
        found["fmt"] = part.options["format"]
    if found.get("encoding") == "avro" and not _is_there("fastavro"):
        report.error(
            part.place("encoding"),
            f"{shown('encoding', 'avro')} needs fastavro, which is not"
            " installed",
            _EXTRA,
        )
        del found["encoding"]
    return takes_all(InferenceFormatter, found, part, report)


def _check_changes(handler: Part, setup: Setup, report: Report) -> None:
    """
    Report options that do not go with those of the formatter they change.
    """
    part = _formatter_of(handler, setup)
    if part is None or part.is_complete or not part.is_a("InferenceFormatter"):
        return
    known = classes.options_of(InferenceFormatter).names
    changes = {
        option: value
        for option, value in part.options.items()
        if option in known
    }
    _check_formatter(
        Part(
            "formatters",
            "",
            part.path,
            part.class_name,
            part.cls,
            changes,
            part.places,
        ),
        report,
    )


def _formatter_of(handler: Part, setup: Setup) -> Part | None:
    """
    The formatter that *handler* uses; incomplete if it is one that is changed.
    """
    name = handler.formatter.name if handler.formatter else ""
    formatter = setup.formatters.get(name)
    changes = handler.get("formatter_options")
    if not isinstance(changes, Mapping) or not changes:
        return formatter
    place = handler.place("formatter_options")
    part = nested("formatters", changes, place)
    if part.class_name or formatter is None:
        return part
    return Part(
        "formatters",
        "",
        formatter.path,
        formatter.class_name,
        formatter.cls,
        {**formatter.options, **part.options},
        {option: (*place, option) for option in part.options},
        is_complete=False,
    )


# --- the handler ---


def _check_kafka(part: Part, report: Report) -> None:
    """
    Report a schema registry whose password everybody on the way can read.
    """
    registry = part.get("schema_registry")
    address = registry.get("url") if isinstance(registry, Mapping) else None
    try:
        url = urllib.parse.urlsplit(str(value_of(address)))
    except ValueError:  # the constructor reports it
        return
    if url.scheme == "http" and not is_here(url.hostname or ""):
        report.warning(
            part.place("schema_registry"),
            f"http to {url.hostname}: whoever is on the way reads the password"
            " and changes the schemas",
            f"write https://{url.hostname}",
        )


# --- handler and formatter ---


def _check_together(handler: Part, setup: Setup, report: Report) -> None:
    formatter = _formatter_of(handler, setup)
    if formatter and formatter.class_name and formatter.cls is None:
        return  # somebody's own may have schemas
    is_ours = formatter is not None and formatter.is_a("InferenceFormatter")
    encoding = formatter.get("encoding", "json") if formatter else "json"
    if not is_known(encoding):
        return
    if handler.get("schema_registry") and not (is_ours and encoding == "avro"):
        report.warning(
            handler.place("schema_registry"),
            "schema_registry has no effect: the formatter makes no Avro",
            'give mllog.InferenceFormatter encoding="avro", or take it out',
        )
    if formatter is not None and is_ours:
        _check_payloads(handler, formatter, report)


def _check_payloads(handler: Part, formatter: Part, report: Report) -> None:
    """
    Report payloads that are allowed, and make an event that is not.
    """
    payload, record = "max_payload_bytes", "max_record_bytes"
    try:
        most, room = (
            options.size(
                name, part.get(name, classes.defaults_of(part.cls)[name])
            )
            for name, part in ((payload, formatter), (record, handler))
        )
    except ConfigError:  # said already, or only known later
        return
    if most > room:
        given_here = record in handler.options
        report.warning(
            handler.place(record) if given_here else formatter.place(payload),
            f"{payload}={most} is more than {record}={room}: records with such"
            " payloads are dropped",
            f"make {payload} half of {record}",
        )


def _is_there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
