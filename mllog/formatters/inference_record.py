"""
What a record says of one inference, or of the truth about an earlier one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..fields import error_of
from ..values import convert, name_of, number
from .event_fields import int32, refuse, seconds, text
from .inference_payload import payload_of

__all__ = ["Inference", "InferenceReader"]

_STATUSES = range(100, 1000)
_LEAST_FAILURE = 400
_NOTHING = object()


class Inference(NamedTuple):
    """
    One inference, checked but for the model, of which schemas want this or that.

    Args:
        request: The inputs as JSON; None if they are not wanted.

        response: The predictions as JSON, or ``{"error": …}``; or None.

        feedback: The ground truth as JSON; or None.

        request_id: What joins these three.

        requested: When the request came, in seconds since 1970.

        logged: When the record was made, in seconds since 1970.

        status_code: That of HTTP.

        model_name: As in the record, or the option; None if in neither.

        model_version: The same.

        serving_id: The same.
    """

    request: bytes | None
    response: bytes | None
    feedback: bytes | None
    request_id: str
    requested: float
    logged: float
    status_code: int
    model_name: Any
    model_version: Any
    serving_id: Any


class InferenceReader:
    """
    Reads an :class:`Inference` from the fields of a record.

    Args:
        with_inputs: Whether the mode wants them.

        with_predictions: Whether the mode wants them.

        max_payload_bytes: Longest JSON of inputs, predictions or feedback.

        model_name: That of records without one.

        model_version: That of records without one.

        serving_id: That of records without one.

        versions: What a ``model_version`` of records means.
    """

    def __init__(
        self,
        *,
        with_inputs: bool,
        with_predictions: bool,
        max_payload_bytes: int,
        model_name: Any,
        model_version: Any,
        serving_id: Any,
        versions: Mapping[str, Any],
    ) -> None:
        self._with_inputs = with_inputs
        self._with_predictions = with_predictions
        self._most = max_payload_bytes
        self._model_name = model_name
        self._model_version = model_version
        self._serving_id = serving_id
        self._versions = versions

    def read(self, record: Any) -> Inference | None:
        """
        The inference of *record*; None if it is an ordinary one.

        Raises:
            EventError: A field is missing or wrong.
        """
        own = record.__dict__
        get = own.get
        inputs = get("inputs", _NOTHING)
        predictions = get("predictions", _NOTHING)
        feedback = get("feedback")
        if inputs is _NOTHING and predictions is _NOTHING and feedback is None:
            return None
        failure = _failure_of(record, get("error"))
        status_code = _status_of(get("status_code"), failure)
        failure = failure or _failure_by(status_code)
        is_call = _is_call(inputs, predictions, failure)
        if not is_call and feedback is None:
            return None
        logged = seconds("created", record.created)
        requested = _requested(own, logged)
        request_id = _request_id_of(get("request_id"), feedback)
        request = response = None
        if is_call and self._with_inputs:
            request = self._request(inputs)
        if is_call and self._with_predictions:
            response = self._response(predictions, failure)
        return Inference(
            request,
            response,
            None if feedback is None else payload_of(feedback, self._most),
            request_id,
            requested,
            logged,
            status_code,
            _first(get("model_name"), self._model_name),
            self._version_of(get("model_version")),
            _first(get("serving_id"), self._serving_id),
        )

    def _request(self, inputs: Any) -> bytes:
        if inputs is _NOTHING:
            refuse(
                "inputs",
                None,
                expected="the model's inputs, with its predictions",
                fix='log inputs=…, or set mode="PREDICTIONS"',
            )
        return payload_of(inputs, self._most)

    def _response(self, predictions: Any, failure: str) -> bytes:
        if failure and _is_empty(predictions):
            return payload_of({"error": failure}, self._most)
        if predictions is _NOTHING:
            refuse(
                "predictions",
                None,
                expected="the model's predictions, or what went wrong as"
                " error, exc_info or a status_code from 400 on",
                fix='log predictions=…, or set mode="MODEL_INPUTS"',
            )
        return payload_of(predictions, self._most)

    def _version_of(self, version: Any) -> Any:
        if version is None:
            return self._model_version
        if self._versions and issubclass(type(version), str):
            return self._versions.get(version, version)
        return version


def _is_call(inputs: Any, predictions: Any, failure: str) -> bool:
    """
    Whether there was an inference.

    Fields that a logger gives every record hold None where there was none.
    """
    if inputs is _NOTHING and predictions is _NOTHING:
        return False
    return bool(failure) or not (_is_empty(inputs) and _is_empty(predictions))


def _is_empty(value: Any) -> bool:
    return value is None or value is _NOTHING


def _first(given: Any, default: Any) -> Any:
    return default if given is None else given


def _failure_of(record: Any, error: Any) -> str:
    """
    What went wrong; ``""`` if nothing did.
    """
    if issubclass(type(error), BaseException):
        return _named(error)
    if error is not None and (type(error) is not str or error):
        return text("error", error, fix="log it as text, or exc_info=True")
    found = error_of(record)
    if found is not None:
        return _named(found)
    # what a SocketHandler leaves: the traceback, which ends with the exception
    trace = record.exc_text
    return trace.rstrip().rpartition("\n")[2] if type(trace) is str else ""


def _named(error: BaseException) -> str:
    """
    ``<type>: <message>``, or the type where it cannot say.
    """
    said = convert(error)
    return said if type(said) is str else name_of(error)


def _failure_by(status_code: int) -> str:
    return f"status {status_code}" if status_code >= _LEAST_FAILURE else ""


def _status_of(status_code: Any, failure: str) -> int:
    if status_code is None:
        return 500 if failure else 200
    found = int32("status_code", status_code)
    if found not in _STATUSES:
        refuse("status_code", status_code, expected="100 to 999, as in HTTP")
    return found


def _requested(own: Mapping[str, Any], logged: float) -> float:
    """
    When the request came: as the record says, or the latency ago.
    """
    given = own.get("request_time")
    if given is not None:
        return seconds("request_time", given)
    latency = own.get("inference_latency")
    if latency is None:
        return logged
    took = number(latency)
    if took is None or not 0 <= took <= logged:
        refuse("inference_latency", latency, expected="seconds, 0 or more")
    return logged - took


def _request_id_of(request_id: Any, feedback: Any) -> str:
    if type(request_id) is uuid.UUID:
        return str(request_id)
    if request_id is None and feedback is None:
        return str(uuid.uuid4())
    if request_id is None:
        refuse(
            "request_id",
            None,
            expected="the id of the request that feedback is the truth about",
            fix="log request_id=… with the inference and with its feedback",
        )
    return text("request_id", request_id, fix="leave it out to have one made")
