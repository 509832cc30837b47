"""
Records of inferences as the events of Hopsworks and KServe.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from .. import options
from ..errors import ConfigError, EventError, shown
from ..events import Event
from .cloudevents import (
    CONTENT_MODES,
    CloudEventsSchema,
    is_attribute,
    is_source,
)
from .event_fields import count, text
from .hopsworks import HopsworksKServeSchema, HopsworksSchema
from .inference_record import Inference, InferenceReader

__all__ = ["InferenceFormatter"]

_SCHEMAS = ("hopsworks-kserve", "hopsworks", "cloudevents")
_MODES = ("ALL", "MODEL_INPUTS", "PREDICTIONS", "NONE")
_LEAST_PAYLOAD = 8192
_NAMES = {"inference_service": "inferenceservicename"}


class InferenceFormatter(logging.Formatter):
    """
    Events for each record that has a model's inputs and predictions.

    ``logger.info("Inference complete", extra={"inputs": [5.1, 3.5],
    "predictions": [0], "request_id": …})`` becomes the events that a model
    server of Hopsworks or KServe would have logged, for a handler that sends
    them: :class:`mllog.KafkaHandler`.

    ========================  ================================================
    ``hopsworks-kserve``      an event each for request and response, joined
                              by ``inferenceId``
    ``hopsworks``             one event for both
    ``cloudevents``           CloudEvents 1.0 with the types of KServe, one
                              each for request and response, of one id
    ========================  ================================================

    Fields that it reads: ``inputs``, ``predictions``, ``model_name``,
    ``model_version``, ``serving_id``; ``request_id`` (else a new UUID);
    ``request_time`` in seconds since 1970 (else ``inference_latency`` before
    the record); ``status_code`` (else 200, or 500 for a failure); ``error``
    or an exception: without predictions the response is then
    ``{"error": "ValueError: …"}``, as it is for a ``status_code`` from 400 on.
    ``feedback`` is the truth about an earlier ``request_id``, and one event
    more in all modes but ``NONE``.  None is ``null`` in ``inputs`` and
    ``predictions``, unless both are None and nothing failed, which is no
    inference; any other field that is None counts as missing.

    Guarantee:
        A record without inputs, predictions and feedback has no events.  Any
        other gives events that are right in name, order, type and range of
        each field, or an EventError that names the field at fault.

    Limit:
        NaN and the infinities are ``null``.  A UUID made here is known to this
        formatter only: log a ``request_id`` where several handlers, or
        feedback, have to name the same inference.

    Args:
        fmt: Another place for *schema*, the one that ``format=`` of an INI
            file comes to.

        datefmt: None, as no event has a time by a format.

        style: ``%``, as logging's configurators give it; not used.

        validate: Not used either.

        schema: ``hopsworks-kserve``, ``hopsworks`` or ``cloudevents``; None is
            the first.

        mode: ``ALL``, ``MODEL_INPUTS``, ``PREDICTIONS`` or ``NONE``, in any
            case: of what there are events.  What it leaves out may be missing.

        encoding: ``json`` or ``avro``; of cloudevents only ``json``.

        content_mode: ``binary``, with attributes as headers, or
            ``structured``; of cloudevents.

        model_name: That of records that have none.

        model_version: That of records that have none; or a mapping from the
            names that records have to numbers, such as ``{"v3": 3}``.

        serving_id: That of records that have none; ``modelId`` in hopsworks.

        model_server: ``modelServer`` in hopsworks.

        serving_tool: ``servingTool`` in hopsworks.

        source: That of cloudevents, a URI; None is ``/models/<model_name>``.

        inference_service: ``inferenceservicename`` of cloudevents.

        namespace: That of cloudevents.

        component: That of cloudevents, such as ``predictor``.

        endpoint: That of cloudevents, such as ``default``.

        max_payload_bytes: Longest JSON of one payload.  In place of a longer
            one is ``{"truncated": true, "summary": …}``.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.

        MissingPackageError: fastavro is not installed, and *encoding* is avro.
    """

    @options.checked
    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: str = "%",
        validate: bool = True,
        *,
        schema: str | None = None,
        mode: str = "ALL",
        encoding: str = "json",
        content_mode: str = "binary",
        model_name: str | None = None,
        model_version: int | str | Mapping[str, int] | None = None,
        serving_id: int | str | None = None,
        model_server: str = "PYTHON",
        serving_tool: str = "CUSTOM",
        source: str | None = None,
        inference_service: str | None = None,
        namespace: str | None = None,
        component: str | None = None,
        endpoint: str | None = None,
        max_payload_bytes: int | str = "400KB",
    ) -> None:
        for option, given in (("datefmt", datefmt), ("style", style)):
            if given not in (None, "", "%"):
                raise ConfigError(
                    shown(option, given), expected="none: events have none"
                )
        del validate
        super().__init__()
        is_off, wants = _wanted(mode)
        name = _schema_name(fmt, schema)
        version, versions = _versions(
            model_version, is_count=name != "cloudevents"
        )
        self._is_off = is_off
        self._reader = InferenceReader(
            **wants,
            max_payload_bytes=_payload_size(max_payload_bytes),
            model_name=options.optional(_text, "model_name", model_name),
            model_version=version,
            serving_id=options.optional(_count, "serving_id", serving_id),
            versions=versions,
        )
        self._schema = _schema_of(
            name,
            encoding=options.choice("encoding", encoding, ("json", "avro")),
            content_mode=options.choice(
                "content_mode", content_mode, CONTENT_MODES
            ),
            model_server=options.text("model_server", model_server),
            serving_tool=options.text("serving_tool", serving_tool),
            attributes={
                "source": source,
                "inference_service": inference_service,
                "namespace": namespace,
                "component": component,
                "endpoint": endpoint,
            },
        )

    @property
    def avro_schemas(self) -> Mapping[str, str]:
        """
        The Avro schemas as JSON, by the content type of their events.
        """
        return self._schema.avro_schemas

    def events(self, record: logging.LogRecord) -> tuple[Event, ...]:
        """
        The events of *record*; none if it says nothing of an inference.

        Raises:
            EventError: A field is missing or wrong.
        """
        inference = self._inference(record)
        return () if inference is None else self._schema.events(inference)

    def format(self, record: logging.LogRecord) -> str:
        """
        The events as lines of JSON, for files and people; ``""`` for none.

        Those in Avro are shown as JSON, and CloudEvents in structured mode.

        Raises:
            EventError: A field is missing or wrong.
        """
        inference = self._inference(record)
        if inference is None:
            return ""
        return b"\n".join(self._schema.documents(inference)).decode()

    def _inference(self, record: logging.LogRecord) -> Inference | None:
        return None if self._is_off else self._reader.read(record)


_Schema = HopsworksKServeSchema | HopsworksSchema | CloudEventsSchema


def _schema_name(fmt: Any, schema: Any) -> str:
    if fmt not in (None, "") and schema is not None:
        raise ConfigError(
            f"{shown('fmt', fmt)} and {shown('schema', schema)}",
            expected="one of them",
        )
    named = schema if fmt in (None, "") else fmt
    return options.choice("schema", named or _SCHEMAS[0], _SCHEMAS)


def _schema_of(
    name: str,
    *,
    encoding: str,
    content_mode: str,
    model_server: str,
    serving_tool: str,
    attributes: Mapping[str, Any],
) -> _Schema:
    """
    The schema of that *name*, with the options that it takes.
    """
    is_cloud = name == "cloudevents"
    extensions = _extensions(attributes, is_cloud=is_cloud)
    if is_cloud and encoding == "avro":
        raise ConfigError(
            "encoding='avro' with schema='cloudevents'",
            expected="json",
            fix="leave encoding out, or take another schema",
        )
    if is_cloud:
        source = extensions.pop("source", None)
        return CloudEventsSchema(
            content_mode, source=source, extensions=extensions
        )
    if name == "hopsworks":
        return HopsworksSchema(
            encoding, model_server=model_server, serving_tool=serving_tool
        )
    return HopsworksKServeSchema(encoding)


def _wanted(mode: Any) -> tuple[bool, dict[str, bool]]:
    """
    Whether a *mode* means nothing at all, and what it means.
    """
    named = mode.upper() if isinstance(mode, str) else mode
    named = options.choice("mode", named, _MODES)
    return named == "NONE", {
        "with_inputs": named in ("ALL", "MODEL_INPUTS"),
        "with_predictions": named in ("ALL", "PREDICTIONS"),
    }


def _payload_size(given: Any) -> int:
    size = options.size("max_payload_bytes", given)
    if size < _LEAST_PAYLOAD:  # a summary has to fit
        raise ConfigError(
            shown("max_payload_bytes", given),
            expected=f"{_LEAST_PAYLOAD} or more",
        )
    return size


def _extensions(given: Mapping[str, Any], *, is_cloud: bool) -> dict[str, str]:
    """
    The attributes that are given, by their names in CloudEvents.
    """
    found = {}
    for option, value in given.items():
        if value is None or value == "":
            continue
        if not is_cloud:
            raise ConfigError(
                f"{shown(option, value)} without schema='cloudevents'",
                fix=f"leave {option} out, or set schema='cloudevents'",
            )
        is_right = is_source if option == "source" else is_attribute
        if not isinstance(value, str) or not is_right(value):
            raise ConfigError(
                shown(option, value),
                expected="a URI, with %20 for a space"
                if option == "source"
                else "text without control characters",
            )
        found[_NAMES.get(option, option)] = value
    return found


def _versions(given: Any, *, is_count: bool) -> tuple[Any, Mapping[str, Any]]:
    """
    The version of records without one, and what versions of others mean.
    """
    parse = _count if is_count else _version
    if isinstance(given, Mapping):
        named = options.mapping("model_version", given)
        return None, {
            name: parse(f"model_version[{name!r}]", named[name])
            for name in named
        }
    return options.optional(parse, "model_version", given), {}


def _count(option: str, value: Any) -> int:
    try:
        return count(option, value)
    except EventError as exc:
        raise ConfigError(exc.problem, expected=exc.expected) from None


def _text(option: str, value: Any) -> str:
    try:
        return text(option, value)
    except EventError as exc:
        raise ConfigError(exc.problem, expected=exc.expected) from None


def _version(option: str, value: Any) -> int | str:
    if isinstance(value, str):
        return _text(option, value)
    return _count(option, value)
