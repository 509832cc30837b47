"""
Inferences by the two schemas of Hopsworks, as JSON and as Avro.
"""

import importlib
import io
import json

import hostile
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inferences import FIELDS, RIGHT, record_of, some_fields

from mllog.errors import EventError
from mllog.formatters.inference import InferenceFormatter

# as the document "How To Configure Inference Logging" of Hopsworks prints them
PRINTED = {
    "hopsworks-kserve": """
        {
            "fields": [
                { "name": "servingId", "type": "int" },
                { "name": "modelName", "type": "string" },
                { "name": "modelVersion", "type": "int" },
                { "name": "requestTimestamp", "type": "long" },
                { "name": "responseHttpCode", "type": "int" },
                { "name": "inferenceId", "type": "string" },
                { "name": "messageType", "type": "string" },
                { "name": "payload", "type": "string" }
            ],
            "name": "inferencelog",
            "type": "record"
        }
    """,
    "hopsworks": """
        {
            "fields": [
                { "name": "modelId", "type": "int" },
                { "name": "modelName", "type": "string" },
                { "name": "modelVersion", "type": "int" },
                { "name": "requestTimestamp", "type": "long" },
                { "name": "responseHttpCode", "type": "int" },
                { "name": "inferenceRequest", "type": "string" },
                { "name": "inferenceResponse", "type": "string" },
                { "name": "modelServer", "type": "string" },
                { "name": "servingTool", "type": "string" }
            ],
            "name": "inferencelog",
            "type": "record"
        }
    """,
}
RANGES = {"int": 2**31, "long": 2**63}


def by_another_reader(schema, value):
    """
    *value* as Apache's own Avro for Python reads it, to its last byte.
    """
    avro_io = importlib.import_module("avro.io")
    avro_schema = importlib.import_module("avro.schema")
    stream = io.BytesIO(value)
    reader = avro_io.DatumReader(avro_schema.parse(PRINTED[schema]))
    found = reader.read(avro_io.BinaryDecoder(stream))
    assert not stream.read(), "bytes behind the record"
    return found


def read(schema, encoding, event):
    if encoding == "json":
        assert event.content_type == "application/json"
        return hostile.strict(event.value)
    assert (
        event.content_type
        == f"application/vnd.apache.avro+binary;schema={schema}"
    )
    return by_another_reader(schema, event.value)


def rows(schema, encoding, record, **options):
    formatter = InferenceFormatter(schema=schema, encoding=encoding, **options)
    return [read(schema, encoding, each) for each in formatter.events(record)]


def kserve_row(kind, payload, **other):
    return {
        "servingId": 7,
        "modelName": "iris",
        "modelVersion": 3,
        "requestTimestamp": 1795243512250,
        "responseHttpCode": 200,
        "inferenceId": "req-1",
        "messageType": kind,
        "payload": payload,
        **other,
    }


REQUEST = kserve_row("request", "[5.1,3.5,1.4]")
RESPONSE = kserve_row("response", "[0]")
both_encodings = pytest.mark.parametrize("encoding", ["json", "avro"])


@both_encodings
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("ALL", [REQUEST, RESPONSE]),
        ("all", [REQUEST, RESPONSE]),
        ("MODEL_INPUTS", [REQUEST]),
        ("Predictions", [RESPONSE]),
        ("none", []),
    ],
)
def test_kserve_events_are_those_of_the_mode(encoding, mode, expected):
    """
    Request and response, either or none, each with all fields in order.
    """
    found = rows("hopsworks-kserve", encoding, record_of(**FIELDS), mode=mode)

    assert expected == found
    assert [list(each) for each in expected] == [list(each) for each in found]


@both_encodings
@pytest.mark.parametrize(
    ("mode", "request_text", "response_text"),
    [
        ("ALL", "[5.1,3.5,1.4]", "[0]"),
        ("model_inputs", "[5.1,3.5,1.4]", ""),
        ("PREDICTIONS", "", "[0]"),
    ],
)
def test_hopsworks_event_is_that_of_the_mode(
    encoding, mode, request_text, response_text
):
    """
    One event with all fields in order; what the mode leaves out is empty.
    """
    found = rows("hopsworks", encoding, record_of(**FIELDS), mode=mode)

    expected = {
        "modelId": 7,
        "modelName": "iris",
        "modelVersion": 3,
        "requestTimestamp": 1795243512250,
        "responseHttpCode": 200,
        "inferenceRequest": request_text,
        "inferenceResponse": response_text,
        "modelServer": "PYTHON",
        "servingTool": "CUSTOM",
    }
    assert [expected] == found
    assert list(expected) == list(found[0])


def test_hopsworks_in_mode_none_has_no_event():
    """
    A mode of NONE switches it off, even for what would be an error.
    """
    record = record_of(inputs=[1], model_version="v3")

    assert rows("hopsworks", "json", record, mode="NONE") == []


def test_hopsworks_server_and_tool_are_options():
    """
    modelServer and servingTool say what they are set to.
    """
    [found] = rows(
        "hopsworks",
        "avro",
        record_of(**FIELDS),
        model_server="TENSORFLOW_SERVING",
        serving_tool="KSERVE",
    )

    assert found["modelServer"] == "TENSORFLOW_SERVING"
    assert found["servingTool"] == "KSERVE"


@pytest.mark.parametrize("schema", PRINTED)
def test_schema_is_that_of_the_document(schema):
    """
    The schema to register has the printed fields, in their order.
    """
    formatter = InferenceFormatter(schema=schema, encoding="avro")

    [(content_type, text)] = formatter.avro_schemas.items()
    assert json.loads(text) == json.loads(PRINTED[schema])
    assert {content_type} == {
        each.content_type for each in formatter.events(record_of(**FIELDS))
    }
    assert InferenceFormatter(schema=schema).avro_schemas == {}


@pytest.mark.parametrize("schema", PRINTED)
def test_avro_is_shown_as_json(schema):
    """
    Files and consoles get the rows of Avro events as lines of JSON.
    """
    record = record_of(**FIELDS)
    text = InferenceFormatter(schema=schema, encoding="avro").format(record)

    assert rows(schema, "avro", record) == [
        json.loads(line) for line in text.splitlines()
    ]
    assert text == InferenceFormatter(schema=schema).format(record)


@both_encodings
def test_kserve_feedback_is_one_event(encoding):
    """
    The truth about an earlier request is one event with that request's id.
    """
    record = record_of(
        **{**FIELDS, "inputs": None, "predictions": None}, feedback="setosa"
    )

    assert [kserve_row("feedback", '"setosa"')] == rows(
        "hopsworks-kserve", encoding, record
    )


@pytest.mark.parametrize("mode", ["ALL", "MODEL_INPUTS", "PREDICTIONS"])
def test_kserve_feedback_is_sent_in_every_mode_but_none(mode):
    """
    Modes choose between inputs and predictions, not feedback.
    """
    record = record_of(**FIELDS, feedback=1)

    found = rows("hopsworks-kserve", "json", record, mode=mode)

    assert found[-1] == kserve_row("feedback", "1")
    assert len(found) == (3 if mode == "ALL" else 2)


def test_hopsworks_feedback_is_an_error_with_a_fix():
    """
    The schema has no place for feedback, and the error names those that do.
    """
    with pytest.raises(EventError) as caught:
        rows("hopsworks", "json", record_of(**FIELDS, feedback=1))

    assert caught.value.field == "feedback"
    assert 'schema="hopsworks-kserve"' in caught.value.fix


@both_encodings
@pytest.mark.parametrize("schema", PRINTED)
@pytest.mark.parametrize(
    ("field", "name"),
    [("serving_id", "Id"), ("model_version", "modelVersion")],
)
@pytest.mark.parametrize("value", [2**31 - 1, -(2**31), 0])
def test_int_at_its_bounds_is_written(schema, encoding, field, name, value):
    """
    The least and the greatest int of 32 bits come back from Avro and JSON.
    """
    for found in rows(schema, encoding, record_of(**{**FIELDS, field: value})):
        assert value in [
            each for key, each in found.items() if key.endswith(name)
        ]


@both_encodings
@pytest.mark.parametrize("schema", PRINTED)
@pytest.mark.parametrize("field", ["serving_id", "model_version"])
@pytest.mark.parametrize(
    "value", [2**31, -(2**31) - 1, 10**5000, "2147483648"], ids=range(4)
)
def test_int_beyond_its_bounds_is_an_error(schema, encoding, field, value):
    """
    What does not fit into 32 bits is refused, and never wraps.
    """
    with pytest.raises(EventError) as caught:
        rows(schema, encoding, record_of(**{**FIELDS, field: value}))

    assert caught.value.field == field
    assert "32 bits" in str(caught.value)


@both_encodings
def test_text_with_lone_surrogate_is_valid_utf_8(encoding):
    """
    Half a pair in a name or an id is written visibly, as everywhere in mllog.
    """
    fields = {**FIELDS, "model_name": "a\ud800", "request_id": "\udc00é😀"}

    found = rows("hopsworks-kserve", encoding, record_of(**fields))

    assert {each["modelName"] for each in found} == {"a\\ud800"}
    assert {each["inferenceId"] for each in found} == {"\\udc00é😀"}


def test_key_is_the_request_id():
    """
    Both events of a request have its id as their key, and so one partition.
    """
    events = InferenceFormatter().events(record_of(**FIELDS))

    assert [each.key for each in events] == [b"req-1", b"req-1"]


@pytest.mark.faults
@pytest.mark.parametrize("schema", PRINTED)
@given(fields=some_fields(), with_options=st.booleans())
def test_any_record_is_an_error_or_valid_events(schema, fields, with_options):
    """
    Whatever a record holds, its fields are named at fault, or right in Avro.
    """
    importlib.import_module("avro")
    options = {"model_name": "m", "model_version": 1, "serving_id": 1}
    formatter, as_json = (
        InferenceFormatter(
            schema=schema,
            encoding=encoding,
            **(options if with_options else {}),
        )
        for encoding in ("avro", "json")
    )
    if fields["request_id"] is None:
        fields["request_id"] = "req-1"  # else each has a UUID of its own
    record = record_of(**fields)
    before = hostile.state_of(record)
    try:
        events = formatter.events(record)
    except EventError as exc:
        assert exc.field in {*RIGHT, "created"}
        assert str(exc).isprintable() or "\n" in str(exc)
        with pytest.raises(EventError):
            as_json.events(record)
        return
    finally:
        assert hostile.state_of(record) == before

    described = json.loads(PRINTED[schema])["fields"]
    found = [by_another_reader(schema, each.value) for each in events]
    for row in found:
        assert list(row) == [each["name"] for each in described]
        for each in described:
            value = row[each["name"]]
            if each["type"] == "string":
                assert type(value) is str
            else:
                assert type(value) is int
                limit = RANGES[each["type"]]
                assert -limit <= value < limit
        for name in ("payload", "inferenceRequest", "inferenceResponse"):
            if name in row:
                hostile.strict(row[name].encode())
    values = [each.value for each in as_json.events(record)]
    # an object without a repr of its own shows where it lies in memory
    assert len(values) == len(found)
    assert [list(hostile.strict(each)) for each in values] == [
        list(each) for each in found
    ]
    if all("0x" not in str(each) for each in found):
        assert [hostile.strict(each) for each in values] == found
    if any(fields[name] is not None for name in list(RIGHT)[:3]):
        assert events
