"""
Inferences as CloudEvents 1.0, against the CloudEvents project's own reader.
"""

import importlib
import datetime
import json

from ids import as_id
import hostile
import pytest
from hypothesis import given
from inferences import FIELDS, record_of, some_fields

import mllog
from mllog.errors import ConfigError, EventError
from mllog.formatters.cloudevents import is_attribute, is_source
from mllog.formatters.inference import InferenceFormatter

TYPE = "org.kubeflow.serving.inference."
OPTIONS = {
    "schema": "cloudevents",
    "source": "http://gpu-7:8080/",
    "inference_service": "iris-service",
    "namespace": "prod",
    "component": "predictor",
    "endpoint": "default",
}
MODES = ("binary", "structured")
ATTRIBUTES = {
    "specversion": "1.0",
    "time": "2026-11-21T06:45:12.250400Z",
    "id": "req-1",
    "source": "http://gpu-7:8080/",
    "inferenceservicename": "iris-service",
    "namespace": "prod",
    "component": "predictor",
    "endpoint": "default",
    "modelname": "iris",
    "modelversion": "3",
    "datacontenttype": "application/json",
}


def by_another_reader(event):
    """
    The event as the CloudEvents SDK reads it from a message of Kafka.
    """
    kafka = importlib.import_module("cloudevents.core.bindings.kafka")
    message = kafka.KafkaMessage(dict(event.headers), None, event.value)
    return kafka.from_kafka_event(message)


def inference(**fields):
    record = record_of(**{**FIELDS, **fields})
    record.created = 1795243513.5
    return record


@pytest.mark.parametrize("content_mode", MODES)
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("ALL", ["request", "response"]),
        ("MODEL_INPUTS", ["request"]),
        ("predictions", ["response"]),
        ("NONE", []),
    ],
)
def test_events_are_those_of_the_mode(content_mode, mode, expected):
    """
    An SDK reads request and response, either or none, with all attributes.
    """
    formatter = InferenceFormatter(
        content_mode=content_mode, mode=mode, **OPTIONS
    )

    found = [by_another_reader(each) for each in formatter.events(inference())]

    assert [TYPE + each for each in expected] == [e.get_type() for e in found]
    data = {"request": [5.1, 3.5, 1.4], "response": [0]}
    for kind, event in zip(expected, found, strict=True):
        attributes = event.get_attributes()
        assert data[kind] == event.get_data()
        assert ATTRIBUTES["id"] == event.get_id()
        assert ATTRIBUTES["source"] == event.get_source()
        assert "1.0" == event.get_specversion()
        assert "application/json" == event.get_datacontenttype()
        assert "iris-service" == attributes["inferenceservicename"]
        assert "prod" == attributes["namespace"]
        assert "predictor" == attributes["component"]
        assert "default" == attributes["endpoint"]
        second = 12.2504 if kind == "request" else 13.5
        assert (
            datetime.datetime(
                2026, 11, 21, 6, 45, tzinfo=datetime.timezone.utc
            )
            + datetime.timedelta(seconds=second)
            == event.get_time()
        )


def test_binary_event_is_headers_and_data():
    """
    Each attribute is a header, and the value is the data alone.
    """
    request, response = InferenceFormatter(**OPTIONS).events(inference())

    expected = {f"ce_{n}": v for n, v in ATTRIBUTES.items()}
    expected["ce_type"] = f"{TYPE}request"
    expected["content-type"] = expected.pop("ce_datacontenttype")
    assert expected == {n: v.decode() for n, v in request.headers}
    assert len(request.headers) == len(expected)
    assert request.value == b"[5.1,3.5,1.4]"
    assert request.content_type == "application/json"
    assert ("ce_statuscode", b"200") in response.headers
    assert {request.key, response.key} == {b"req-1"}


def test_structured_event_is_one_document():
    """
    Attributes and data are one JSON object, announced by one header.
    """
    formatter = InferenceFormatter(content_mode="structured", **OPTIONS)
    request, response = formatter.events(inference(status_code=503))

    assert hostile.strict(request.value) == {
        **ATTRIBUTES,
        "type": f"{TYPE}request",
        "data": [5.1, 3.5, 1.4],
    }
    assert hostile.strict(response.value)["statuscode"] == 503
    media = "application/cloudevents+json; charset=UTF-8"
    assert request.headers == (("content-type", media.encode()),)
    assert request.content_type == media


@pytest.mark.parametrize("content_mode", MODES)
def test_format_shows_attributes_in_both_modes(content_mode):
    """
    A file gets each event as one line of JSON, headers and all.
    """
    formatter = InferenceFormatter(content_mode=content_mode, **OPTIONS)
    body = b'{"instances":\r\n  [[1, 2]]}'

    lines = formatter.format(inference(inputs=body)).splitlines()

    request, _ = map(json.loads, lines)
    assert request["id"] == "req-1"
    assert request["data"] == {"instances": [[1, 2]]}


def test_feedback_is_one_event_of_its_own_type():
    """
    The truth about an earlier request has that request's id.
    """
    record = record_of(request_id="req-1", feedback="setosa")

    [event] = InferenceFormatter(**OPTIONS).events(record)

    headers = dict(event.headers)
    assert headers["ce_type"] == f"{TYPE}feedback".encode()
    assert headers["ce_id"] == event.key == b"req-1"
    assert event.value == b'"setosa"'


def test_events_need_no_model_and_no_options():
    """
    KServe's events do not say which model; what nobody gave is left out.
    """
    record = record_of(inputs=[1], predictions=[2], request_id="a")
    request, response = InferenceFormatter(schema="cloudevents").events(record)

    names = ["specversion", "type", "time", "id", "source"]
    expected = [*(f"ce_{name}" for name in names), "content-type"]
    assert expected == [name for name, _ in request.headers]
    assert dict(request.headers)["ce_source"] == b"/models"
    assert [*expected[:3], "ce_statuscode", *expected[3:]] == [
        name for name, _ in response.headers
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("iris", "/models/iris"), ("a/b é", "/models/a%2Fb%20%C3%A9")],
)
def test_source_is_the_model_unless_given(name, expected):
    """
    The source has to be a URI whatever the model is called.
    """
    formatter = InferenceFormatter(schema="cloudevents")

    for event in formatter.events(inference(model_name=name)):
        assert dict(event.headers)["ce_source"] == expected.encode()


@pytest.mark.parametrize("version", ["v3", 3, "2026-11-21"])
def test_version_may_be_any_text(version):
    """
    Attributes are text, so a version need not be a number.
    """
    formatter = InferenceFormatter(schema="cloudevents")

    for event in formatter.events(inference(model_version=version)):
        assert dict(event.headers)["ce_modelversion"] == str(version).encode()


@pytest.mark.parametrize(
    "field", ["request_id", "model_name", "model_version"]
)
@pytest.mark.parametrize("value", ["a\nb", "\x7f", "\ufffe", "\U0010ffff", ""])
def test_forbidden_text_in_an_attribute_is_an_error(field, value):
    """
    CloudEvents forbids control characters and noncharacters in attributes.
    """
    formatter = InferenceFormatter(schema="cloudevents")

    with pytest.raises(EventError) as caught:
        formatter.events(inference(**{field: value}))

    assert caught.value.field == field


@pytest.mark.parametrize("value", ["é😀", "a b", "a\u00a0b", "x" * 9999])
def test_other_text_in_an_attribute_is_written(value):
    """
    What is not forbidden goes out in UTF-8.
    """
    [event, _] = InferenceFormatter(schema="cloudevents").events(
        inference(request_id=value)
    )

    assert dict(event.headers)["ce_id"] == value.encode()


@pytest.mark.parametrize(
    "options",
    [
        {"source": "not a uri"},
        {"source": "100%"},
        {"source": 7},
        {"namespace": "a\nb"},
        {"endpoint": "\ud800"},
        {"component": 7},
        {"encoding": "avro"},
        {"content_mode": "batch"},
    ],
    ids=as_id,
)
def test_option_that_cannot_work_is_an_error(options):
    """
    What would make invalid events is refused when the formatter is made.
    """
    with pytest.raises(ConfigError) as caught:
        InferenceFormatter(schema="cloudevents", **options)

    assert next(iter(options)) in str(caught.value)


@pytest.mark.parametrize("option", ["source", "namespace", "endpoint"])
def test_option_of_cloudevents_alone_is_an_error(option):
    """
    An option that the chosen schema cannot use is not passed over.
    """
    with pytest.raises(ConfigError, match=option):
        InferenceFormatter(**{option: "x"})


def test_is_attribute_and_is_source_know_the_specification():
    """
    Text without controls, and characters of a URI.
    """
    assert is_attribute("é 😀")
    assert not any(map(is_attribute, ["", "\x00", "\x9f", "\ufdd0", "\ud800"]))
    assert is_source("urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66")
    assert is_source("/a?b=%20#c")
    assert not any(map(is_source, ["", " ", "é", "%2", "<a>"]))


@pytest.mark.faults
@pytest.mark.parametrize("content_mode", MODES)
@given(fields=some_fields())
def test_any_record_is_an_error_or_valid_events(content_mode, fields):
    """
    Whatever a record holds, a field is at fault, or an SDK reads the events.
    """
    formatter = InferenceFormatter(
        schema="cloudevents", content_mode=content_mode, model_name="m"
    )
    try:
        events = formatter.events(record_of(**fields))
    except EventError:
        return

    assert len({each.key for each in events}) <= 1
    for each in events:
        found = by_another_reader(each)
        assert found.get_type().startswith(TYPE)
        assert found.get_id().encode() == each.key
        hostile.strict(each.value)
        for _, value in each.headers:
            assert is_attribute(value.decode())
