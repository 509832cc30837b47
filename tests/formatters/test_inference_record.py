"""
What a record says of an inference, and the errors that name a field.
"""

import datetime
import decimal
import json
import logging
import logging.handlers
import pickle
import uuid

from ids import as_id
import hostile
import numpy as np
import pytest
from inferences import FIELDS, record_of

from mllog.errors import EventError
from mllog.formatters.inference import InferenceFormatter


def rows(record, **options):
    formatter = InferenceFormatter(**options)
    return [json.loads(each.value) for each in formatter.events(record)]


def fault_of(record, **options):
    with pytest.raises(EventError) as caught:
        InferenceFormatter(**options).events(record)
    return caught.value


def fields(**other):
    return {**FIELDS, **other}


def without(*names, **other):
    """
    The fields without those, which are not there at all.
    """
    kept = {name: FIELDS[name] for name in FIELDS if name not in names}
    return {**kept, **other}


@pytest.mark.parametrize(
    "record",
    [
        record_of(),
        record_of(inference_latency=0.1, model_version="v3", request_id=7),
        record_of(inputs=None, predictions=None, feedback=None),
        record_of(hostile.failed_with(ValueError("wrong")), status_code=500),
    ],
    ids=range(4),
)
def test_record_of_nothing_asked_for_has_no_events(record):
    """
    Ordinary records pass by, whatever else is wrong with them.
    """
    assert InferenceFormatter().events(record) == ()
    assert InferenceFormatter().format(record) == ""


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"request_time": 1795243512.25}, 1795243512250),
        ({"request_time": 1795243512}, 1795243512000),
        ({"request_time": np.float32(0.5)}, 500),
        ({"request_time": decimal.Decimal("1.001")}, 1001),
        ({"request_time": 1.001, "inference_latency": 9}, 1001),
        ({"inference_latency": 0.25}, 1795243999750),
        ({"inference_latency": np.float64(1)}, 1795243999000),
        ({"inference_latency": 0}, 1795244000000),
        ({}, 1795244000000),
    ],
    ids=as_id,
)
def test_request_timestamp_is_that_of_the_request(other, expected):
    """
    As the record says, or the latency before it, or its own, in milliseconds.
    """
    record = record_of(**{**fields(request_time=None), **other})
    record.created = 1795244000.0

    for row in rows(record):
        assert expected == row["requestTimestamp"]


@pytest.mark.parametrize(
    "value",
    [
        1795243512250,
        -1,
        253402300800.0,
        float("nan"),
        float("inf"),
        True,
        "1795243512",
        datetime.datetime(2026, 11, 21),
        10**5000,
        [1],
    ],
    ids=range(10),
)
@pytest.mark.parametrize("field", ["request_time", "created"])
def test_time_that_is_none_is_an_error(field, value):
    """
    Milliseconds, text, NaN, and what no calendar has, are refused.
    """
    record = record_of(**fields(request_time=None))
    setattr(record, field, value)

    fault = fault_of(record)

    assert fault.field == field
    assert "seconds since 1970" in str(fault)


@pytest.mark.parametrize(
    "value", [-0.1, float("nan"), "0.1", True, 2e9, [0.1]], ids=as_id
)
def test_latency_that_is_none_is_an_error(value):
    """
    Where the time of the request is counted from it, it has to be one.
    """
    record = record_of(**fields(request_time=None, inference_latency=value))
    record.created = 1795244000.0

    assert fault_of(record).field == "inference_latency"


def test_request_id_is_made_once_for_both_events():
    """
    Without a request_id both events have one new UUID, and each record its own.
    """
    record = record_of(**fields(request_id=None))
    formatter = InferenceFormatter()

    found = [formatter.events(record) for _ in range(2)]

    ids = [
        {json.loads(event.value)["inferenceId"] for event in events}
        for events in found
    ]
    assert [len(each) for each in ids] == [1, 1]
    assert ids[0] != ids[1]
    assert all(uuid.UUID(each.pop()).version == 4 for each in ids)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (np.str_("abc"), "abc"),
        (hostile.SpokenFor("abc"), "abc"),
    ],
    ids=as_id,
)
def test_request_id_may_be_another_text(value, expected):
    """
    A UUID and kinds of text are taken as they read.
    """
    [row, _] = rows(record_of(**fields(request_id=value)))

    assert expected == row["inferenceId"]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, 200),
        ({"status_code": 404}, 404),
        ({"status_code": np.int64(503)}, 503),
        ({"error": "wrong"}, 500),
        ({"error": ValueError("wrong")}, 500),
        ({"error": ""}, 200),
        ({"error": None}, 200),
        ({"error": "wrong", "status_code": 422}, 422),
    ],
    ids=as_id,
)
def test_status_is_given_or_follows_from_an_error(other, expected):
    """
    200, but 500 where something went wrong and the record gives no status.
    """
    for row in rows(record_of(**fields(**other))):
        assert expected == row["responseHttpCode"]
        if row["messageType"] == "response":
            assert row["payload"] == "[0]"


class Mute(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("other", "exc_info", "expected"),
    [
        ({}, hostile.failed_with(ValueError("wrong")), "ValueError: wrong"),
        ({}, hostile.failed_with(Mute()), "<Mute>"),
        ({"error": KeyError("a")}, None, "KeyError: 'a'"),
        ({"error": "OOM: 3 GiB"}, None, "OOM: 3 GiB"),
        (
            {"error": "first"},
            hostile.failed_with(ValueError("second")),
            "first",
        ),
        ({"status_code": 503}, None, "status 503"),
        ({"status_code": 503, "error": "full"}, None, "full"),
    ],
    ids=range(7),
)
def test_failure_without_predictions_is_the_response(
    other, exc_info, expected
):
    """
    What went wrong is logged in place of the predictions.
    """
    missing = record_of(exc_info, **without("predictions", **other))
    record = record_of(exc_info, **fields(predictions=None, **other))
    assert rows(missing) == rows(record)

    for mode, count in [("ALL", 2), ("PREDICTIONS", 1)]:
        found = rows(record, mode=mode)
        assert len(found) == count
        assert {"error": expected} == json.loads(found[-1]["payload"])
        assert other.get("status_code", 500) == found[0]["responseHttpCode"]


def test_failure_sent_over_a_socket_is_the_response():
    """
    Where only the traceback's text has come through, its last line says it.
    """
    record = record_of(
        hostile.failed_with(ValueError("wrong")), **fields(predictions=None)
    )
    sent = logging.handlers.SocketHandler("127.0.0.1", 1).makePickle(record)
    record = logging.makeLogRecord(pickle.loads(sent[4:]))
    assert record.exc_info is None

    _, response = rows(record)

    assert {"error": "ValueError: wrong"} == json.loads(response["payload"])
    assert response["responseHttpCode"] == 500


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("model_name", None, "model_name is missing"),
        ("model_name", 7, "model_name=7"),
        ("model_name", "", "model_name=''"),
        ("model_name", b"iris", "model_name=b'iris'"),
        ("model_version", None, "model_version is missing"),
        ("model_version", "v3", "model_version='v3'"),
        ("model_version", "3.0", "model_version='3.0'"),
        ("model_version", "", "model_version=''"),
        ("model_version", 3.0, "model_version=3.0"),
        ("model_version", True, "model_version=True"),
        ("model_version", "٣", "model_version='٣'"),
        ("serving_id", None, "serving_id is missing"),
        ("serving_id", False, "serving_id=False"),
        ("serving_id", np.float64(7), "serving_id=np.float64(7.0)"),
        ("status_code", "200", "status_code='200'"),
        ("status_code", True, "status_code=True"),
        ("status_code", float("nan"), "status_code=nan"),
        ("status_code", 2**31, "status_code=2147483648"),
        ("status_code", 10**5000, "status_code=<int>"),
        ("status_code", 7, "status_code=7"),
        ("request_id", "", "request_id=''"),
        ("request_id", 7, "request_id=7"),
        ("request_id", ["a" * 9999], "request_id is a <list>"),
        ("request_id", hostile.RaisingRepr(), "request_id=<RaisingRepr>"),
        ("request_id", hostile.Nameless(), "request_id=<object>"),
        ("model_name", hostile.OddRepr(), r"model_name=a\r\n\x1b[31mred"),
        ("error", 7, "error=7"),
        ("error", {"a": 1}, "error is a <dict>"),
    ],
    ids=range(28),
)
def test_field_that_is_missing_or_wrong_is_named(field, value, expected):
    """
    The error has the field, its value in safe form, what was expected, a fix.
    """
    fault = fault_of(record_of(**fields(**{field: value})))

    assert field == fault.field
    assert fault.problem.startswith(expected)
    assert fault.problem.isprintable()
    assert len(fault.problem) < 200
    assert fault.expected
    assert "\n  expected: " in str(fault)


@pytest.mark.parametrize(
    ("field", "value", "fix"),
    [
        ("model_version", "v3", '{"v3": 3}'),
        ("model_name", None, "the formatter's model_name"),
        ("serving_id", None, "the formatter's serving_id"),
    ],
)
def test_error_of_a_field_tells_a_fix(field, value, fix):
    """
    An option or a field that would have helped is named.
    """
    assert fix in fault_of(record_of(**fields(**{field: value}))).fix


@pytest.mark.parametrize(
    ("left_out", "mode"),
    [("inputs", "PREDICTIONS"), ("predictions", "MODEL_INPUTS")],
)
def test_half_of_an_inference_is_an_error_but_in_its_own_mode(left_out, mode):
    """
    ALL wants both; the error names the field, and the mode that would do.
    """
    record = record_of(**without(left_out))

    fault = fault_of(record)

    assert left_out == fault.field
    assert fault.problem == f"{left_out} is missing"
    assert f'mode="{mode}"' in fault.fix
    assert len(rows(record, mode=mode)) == 1


def test_none_is_null():
    """
    A model may be asked with None and may answer None.
    """
    for name, place in [("inputs", 0), ("predictions", 1)]:
        found = rows(record_of(**fields(**{name: None})))
        assert len(found) == 2
        assert found[place]["payload"] == "null"


def test_failure_with_inputs_of_none_is_logged():
    """
    A request of nothing that failed is a failed request.
    """
    record = record_of(**fields(inputs=None, predictions=None), error="wrong")

    assert ["null", '{"error":"wrong"}'] == [
        row["payload"] for row in rows(record)
    ]


def test_feedback_with_fields_of_none_is_feedback_alone():
    """
    What every record of a logger has, empty here, adds no events.
    """
    record = record_of(**fields(inputs=None, predictions=None), feedback=1)

    assert ["feedback"] == [row["messageType"] for row in rows(record)]


def test_feedback_without_request_id_is_an_error():
    """
    Nobody could say what it is the truth about.
    """
    fault = fault_of(record_of(**fields(request_id=None), feedback=1))

    assert fault.field == "request_id"
    assert "request_id=" in fault.fix


def test_model_of_the_options_is_for_records_without():
    """
    What the record says is right; the options say what it does not.
    """
    options = {"model_name": "own", "model_version": "9", "serving_id": 1}
    bare = record_of(inputs=[1], predictions=[2])

    for row in rows(bare, **options):
        assert ("own", 9, 1) == model_of(row)
    for row in rows(record_of(**FIELDS), **options):
        assert ("iris", 3, 7) == model_of(row)


def model_of(row):
    return row["modelName"], row["modelVersion"], row["servingId"]


def test_names_of_versions_mean_numbers():
    """
    A mapping says which number a version's name is; others are as they are.
    """
    options = {"model_version": {"v3": 3, "latest": "12"}}
    for version, expected in [("v3", 3), ("latest", 12), ("5", 5), (6, 6)]:
        for row in rows(record_of(**fields(model_version=version)), **options):
            assert expected == row["modelVersion"]

    fault = fault_of(record_of(**fields(model_version="v4")), **options)
    assert fault.problem == "model_version='v4'"


def test_event_error_can_be_pickled():
    """
    It reaches the parent of a worker process as it was.
    """
    fault = fault_of(record_of(**fields(model_version="v3")))

    assert str(pickle.loads(pickle.dumps(fault))) == str(fault)
