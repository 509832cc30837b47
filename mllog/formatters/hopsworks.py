"""
Inferences as Hopsworks logs them to Kafka: its two schemas, field by field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ..encoding import encode_value
from ..errors import EventError
from ..events import Event
from .avro import AvroEncoder, schema_of
from .event_fields import count, text
from .inference_record import Inference

__all__ = ["HopsworksKServeSchema", "HopsworksSchema"]

_RECORD = "inferencelog"
_JSON = "application/json"
_AVRO = "application/vnd.apache.avro+binary;schema="

_NAME_FIX = "log model_name=…, or set the formatter's model_name"
_ID_FIX = "log serving_id=…, or set the formatter's serving_id"
_VERSION_FIX = (
    "log model_version=3, or set the formatter's model_version: to 3 for"
    ' records that have none, to {"v3": 3} for names of versions'
)


class _Schema:
    """
    What both have: rows, as JSON or Avro, keyed by the request.
    """

    name = ""
    fields: ClassVar[Mapping[str, str]] = {}

    def __init__(self, encoding: str) -> None:
        schema = schema_of(_RECORD, self.fields)
        self._encode: Callable[[dict[str, Any]], bytes] = encode_value
        self._content_type = _JSON
        #: The Avro schemas as JSON, by the content type of their events.
        self.avro_schemas: dict[str, str] = {}
        if encoding == "avro":
            self._encode = AvroEncoder(schema)
            self._content_type = f"{_AVRO}{self.name}"
            self.avro_schemas[self._content_type] = schema

    def rows(self, inference: Inference) -> list[dict[str, Any]]:
        """
        The values of each event, in the schema's order.
        """
        raise NotImplementedError

    def events(self, inference: Inference) -> tuple[Event, ...]:
        """
        The events of *inference*.

        Raises:
            EventError: A field is missing or wrong.
        """
        key = inference.request_id.encode()
        return tuple(
            Event(self._encode(row), key, (), self._content_type)
            for row in self.rows(inference)
        )

    def documents(self, inference: Inference) -> list[bytes]:
        """
        The same as JSON, for files and people.
        """
        return [encode_value(row) for row in self.rows(inference)]


class HopsworksKServeSchema(_Schema):
    """
    Of deployments with KServe: an event for the request, and one more for each
    other part.

    Args:
        encoding: ``"json"`` or ``"avro"``.
    """

    name = "hopsworks-kserve"
    fields: ClassVar[Mapping[str, str]] = {
        "servingId": "int",
        "modelName": "string",
        "modelVersion": "int",
        "requestTimestamp": "long",
        "responseHttpCode": "int",
        "inferenceId": "string",
        "messageType": "string",
        "payload": "string",
    }

    def rows(self, inference: Inference) -> list[dict[str, Any]]:
        """
        The request, the response, and the feedback, as far as there are any.
        """
        shared = _model(inference, "servingId")
        shared["inferenceId"] = inference.request_id
        parts = (
            ("request", inference.request),
            ("response", inference.response),
            ("feedback", inference.feedback),
        )
        return [
            {**shared, "messageType": kind, "payload": payload.decode()}
            for kind, payload in parts
            if payload is not None
        ]


class HopsworksSchema(_Schema):
    """
    Of deployments in Docker or Kubernetes: one event for the whole inference.

    Args:
        encoding: ``"json"`` or ``"avro"``.

        model_server: What serves the model.

        serving_tool: What deployed it.
    """

    name = "hopsworks"
    fields: ClassVar[Mapping[str, str]] = {
        "modelId": "int",
        "modelName": "string",
        "modelVersion": "int",
        "requestTimestamp": "long",
        "responseHttpCode": "int",
        "inferenceRequest": "string",
        "inferenceResponse": "string",
        "modelServer": "string",
        "servingTool": "string",
    }

    def __init__(
        self, encoding: str, *, model_server: str, serving_tool: str
    ) -> None:
        super().__init__(encoding)
        self._model_server = model_server
        self._serving_tool = serving_tool

    def rows(self, inference: Inference) -> list[dict[str, Any]]:
        """
        One row; what the mode leaves out is ``""``.

        Raises:
            EventError: There is feedback, for which it has no field.
        """
        if inference.feedback is not None:
            raise EventError(
                "feedback",
                "feedback has no place in the schema hopsworks",
                expected="a record without feedback",
                fix='set schema="hopsworks-kserve" or schema="cloudevents"',
            )
        row = _model(inference, "modelId")
        row["inferenceRequest"] = (inference.request or b"").decode()
        row["inferenceResponse"] = (inference.response or b"").decode()
        row["modelServer"] = self._model_server
        row["servingTool"] = self._serving_tool
        return [row]


def _model(inference: Inference, id_name: str) -> dict[str, Any]:
    """
    The first five fields, which are the same in both but for the first's name.

    Raises:
        EventError: One of them is missing or wrong.
    """
    return {
        id_name: count("serving_id", inference.serving_id, fix=_ID_FIX),
        "modelName": text("model_name", inference.model_name, fix=_NAME_FIX),
        "modelVersion": count(
            "model_version", inference.model_version, fix=_VERSION_FIX
        ),
        "requestTimestamp": round(inference.requested * 1000),
        "responseHttpCode": inference.status_code,
    }
