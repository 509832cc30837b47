"""
Inferences as CloudEvents 1.0, by the types and attributes of KServe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from ..encoding import encode_value
from ..events import Event
from ..timestamps import utc
from .event_fields import int32, refuse, text
from .inference_record import Inference

__all__ = ["CONTENT_MODES", "CloudEventsSchema", "is_attribute", "is_source"]

CONTENT_MODES: Final = ("binary", "structured")

_JSON = "application/json"
_STRUCTURED = "application/cloudevents+json; charset=UTF-8"
_TYPE = "org.kubeflow.serving.inference."
_VERSION = "1.0"
_SOURCE = "/models"
# What the specification forbids in text: controls and noncharacters.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef"
    + "".join(
        chr(plane << 16 | last)
        for plane in range(17)
        for last in (0xFFFE, 0xFFFF)
    )
    + "\ud800-\udfff]"
)
_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")


def is_attribute(value: str) -> bool:
    """
    Whether *value* can be the text of an attribute.
    """
    return bool(value) and _FORBIDDEN.search(value) is None


def is_source(value: str) -> bool:
    """
    Whether *value* has only the characters of a URI.
    """
    return _URI.fullmatch(value) is not None


class CloudEventsSchema:
    """
    An event for each of request, response and feedback, all of one id.

    In binary mode the attributes are headers (``ce_id`` and so on) and the
    value is the data; in structured mode both are one JSON document.

    Limit:
        KServe gives request and response one id, and so does this: they differ
        in their type.

    Args:
        content_mode: ``"binary"`` or ``"structured"``.

        source: Where events come from, a URI; None is ``/models/<name>``.

        extensions: Attributes that each event has, by name.
    """

    avro_schemas: Mapping[str, str] = {}

    def __init__(
        self,
        content_mode: str,
        *,
        source: str | None,
        extensions: Mapping[str, str],
    ) -> None:
        self._is_binary = content_mode == "binary"
        self._source = source
        self._extensions = extensions

    def events(self, inference: Inference) -> tuple[Event, ...]:
        """
        The events of *inference*.

        Raises:
            EventError: A field is missing or wrong.
        """
        make = self._binary if self._is_binary else self._structured
        return make(inference)

    def documents(self, inference: Inference) -> list[bytes]:
        """
        The same in structured mode, for files and people.
        """
        shared = {**self._shared(inference), "datacontenttype": _JSON}
        return [
            encode_value({**own, **shared})[:-1] + b',"data":' + data + b"}"
            for own, data in _parts(inference)
        ]

    def _structured(self, inference: Inference) -> tuple[Event, ...]:
        key = inference.request_id.encode()
        headers = (("content-type", _STRUCTURED.encode()),)
        return tuple(
            Event(document, key, headers, _STRUCTURED)
            for document in self.documents(inference)
        )

    def _binary(self, inference: Inference) -> tuple[Event, ...]:
        key = inference.request_id.encode()
        shared = _headers(self._shared(inference))
        shared.append(("content-type", _JSON.encode()))
        return tuple(
            Event(data, key, (*_headers(own), *shared), _JSON)
            for own, data in _parts(inference)
        )

    def _shared(self, inference: Inference) -> dict[str, Any]:
        shared = {
            "id": _attribute("request_id", inference.request_id),
            "source": self._source or _SOURCE,
            **self._extensions,
        }
        if inference.model_name is not None:
            name = _attribute("model_name", inference.model_name)
            if self._source is None:
                shared["source"] = _source_of(name)
            shared["modelname"] = name
        version = inference.model_version
        if version is not None:
            shared["modelversion"] = _version(version)
        return shared


def _parts(inference: Inference) -> list[tuple[dict[str, Any], bytes]]:
    """
    The attributes of each event that others do not share, and its data.
    """
    found = []
    if inference.request is not None:
        own = _own("request", inference.requested)
        found.append((own, inference.request))
    if inference.response is not None:
        own = _own("response", inference.logged)
        own["statuscode"] = inference.status_code
        found.append((own, inference.response))
    if inference.feedback is not None:
        own = _own("feedback", inference.logged)
        found.append((own, inference.feedback))
    return found


def _own(kind: str, time: float) -> dict[str, Any]:
    return {"specversion": _VERSION, "type": _TYPE + kind, "time": utc(time)}


def _headers(attributes: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    return [
        (f"ce_{name}", str(value).encode())
        for name, value in attributes.items()
    ]


def _attribute(field: str, value: Any) -> str:
    found = text(field, value)
    # most are plain, and this asks in a tenth of the time
    if not found.isprintable() and not is_attribute(found):
        refuse(field, value, expected="text without control characters")
    return found


def _version(version: Any) -> str:
    if issubclass(type(version), str):
        return _attribute("model_version", version)
    return str(int32("model_version", version))


@lru_cache(maxsize=64)
def _source_of(name: str) -> str:
    return f"{_SOURCE}/{quote(name, safe='')}"
