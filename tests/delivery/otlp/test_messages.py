"""
Lines as requests of OTLP: severities, attributes, and lines that are odd.
"""

import json
import logging

from ids import as_id
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as service
from opentelemetry.sdk._logs._internal import std_to_otel
from servers.otlp_receiver import plain

from mllog.delivery.otlp.faults import OTLPError
from mllog.delivery.otlp.messages import Requests, severity_of
from mllog.delivery.retry import Fault
from mllog.formatters.otlp import LogRecordFormat, body_of


def line_of(**attributes):
    record = logging.makeLogRecord(
        {"msg": "x", "name": "a", "levelno": 20, "levelname": "INFO"}
    )
    record.__dict__.update(attributes)
    return LogRecordFormat(65536).way(body_of)(record)


def records_of(*lines, most=128, resource=()):
    made = Requests(dict(resource), most)
    request = service.ExportLogsServiceRequest.FromString(
        made.request_of(lines)
    )
    return [
        record
        for each in request.resource_logs
        for scope in each.scope_logs
        for record in scope.log_records
    ]


def attributes_of(record):
    return {each.key: plain(each.value) for each in record.attributes}


@pytest.mark.parametrize("level", [10, 11, 12, 13, 19, 20, 30, 35, 40, 50, 99])
def test_severity_is_that_of_opentelemetry(level):
    """
    From DEBUG on each level has the number that the SDK gives it.
    """
    assert std_to_otel(level).value == severity_of(level)


@pytest.mark.parametrize(
    ("level", "number"), [(0, 0), (-5, 0), (1, 2), (5, 4)]
)
def test_severity_below_debug_is_trace(level, number):
    """
    1 to 4 are TRACE; a level of 0 or less says nothing.
    """
    assert number == severity_of(level)


def test_custom_level_keeps_its_name():
    """
    The number is that of its range, the text its own.
    """
    (record,) = records_of(line_of(levelno=25, levelname="NOTICE"))

    assert (12, "NOTICE") == (record.severity_number, record.severity_text)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("text", "text"),
        (True, True),
        (5, 5),
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (1.0, 1.0),
        (None, None),
        (b"\x00\xff", b"\x00\xff"),
        ([1, "a", [None]], [1, "a", [None]]),
        ({"a": {"b": 1}}, {"a": {"b": 1}}),
        ([], []),
        ({}, {}),
        (float("nan"), None),
        ({"\0bytes": "?"}, {"\0bytes": "?"}),
        ("\ud800", "\\ud800"),
    ],
    ids=as_id,
)
def test_field_is_an_attribute_of_its_type(given, expected):
    """
    Text, numbers, bytes, lists and mappings are themselves; NaN is nothing.
    """
    (record,) = records_of(line_of(field=given))

    found = attributes_of(record)["field"]
    assert (type(expected), expected) == (type(found), found)


def test_nan_is_named_beside_its_attribute():
    """
    What JSON cannot say of a number stands in nonfinite.
    """
    (record,) = records_of(line_of(loss=float("inf"), d={"x": float("nan")}))

    assert {"loss": "Infinity", "d.x": "NaN"} == attributes_of(record)[
        "nonfinite"
    ]


@pytest.mark.parametrize(
    ("fields", "has_trace", "has_span"),
    [
        ({"trace_id": "a" * 32, "span_id": "b" * 16}, True, True),
        ({"trace_id": "a" * 32}, True, False),
        ({"trace_id": "a" * 32, "span_id": "no"}, True, False),
        ({"trace_id": "A" * 32, "span_id": "b" * 16}, False, False),
        ({"trace_id": "0" * 32, "span_id": "b" * 16}, False, False),
        ({"trace_id": 5}, False, False),
        ({"span_id": "b" * 16}, False, False),
    ],
)
def test_ids_of_a_span_are_no_attributes_if_they_are_valid(
    fields, has_trace, has_span
):
    """
    What is not valid stays an attribute, so that nothing is lost.
    """
    (record,) = records_of(line_of(**fields))

    left = attributes_of(record)
    assert has_trace == (len(record.trace_id) == 16)
    assert has_span == (len(record.span_id) == 8)
    assert ("trace_id" in fields and not has_trace) == ("trace_id" in left)
    assert ("span_id" in fields and not has_span) == ("span_id" in left)


def test_attributes_beyond_the_bound_are_counted():
    """
    The fields that were given first are kept.
    """
    fields = {f"f{number}": number for number in range(10)}
    (record,) = records_of(line_of(**fields), most=4)

    assert {f"f{n}": n for n in range(4)} == attributes_of(record)
    # and three of code
    assert 6 <= record.dropped_attributes_count <= 9


def test_line_that_is_too_long_is_cut_and_says_so():
    """
    Whatever is logged, a record arrives that says what was cut.
    """
    for options in ({"a": "x" * 10**6}, {"msg": "x" * 10**6}):
        line = line_of(**options)
        assert len(line) <= 65536
        (record,) = records_of(line)
        assert attributes_of(record)["mllog_truncated"] is True
        assert record.time_unix_nano > 0
        assert 9 == record.severity_number


def nested(shape, depth):
    value = "leaf"
    for level in range(depth):
        is_list = shape == "lists" or (shape == "both" and level % 2)
        value = [value] if is_list else {"k": value}
    return value


@pytest.mark.parametrize("depth", [1, 5, 28, 29, 30, 31, 32, 40, 64, 100, 245])
@pytest.mark.parametrize("shape", ["dicts", "lists", "both"])
def test_nesting_that_parsers_refuse_is_text_of_json(shape, depth):
    """
    Nothing is lost, and whoever parses a hundred levels takes the request.
    """
    value = nested(shape, depth)
    (record,) = records_of(line_of(arguments=value))

    def whole(found):
        if isinstance(found, str) and found[:1] in "{[":
            return json.loads(found)
        if isinstance(found, dict):
            return {key: whole(each) for key, each in found.items()}
        if isinstance(found, list):
            return [whole(each) for each in found]
        return found

    found = attributes_of(record)["arguments"]
    assert value == whole(found)
    if depth <= 28:
        assert value == found


def test_body_that_is_nested_deeply_is_text_of_json_below():
    """
    What was logged as the message has the same bound.
    """
    value = nested("both", 200)
    record = logging.makeLogRecord({"msg": value, "name": "a"})
    line = LogRecordFormat(65536).way(body_of)(record)
    (found,) = records_of(line)

    assert found.body.WhichOneof("value") in ("kvlist_value", "array_value")


@pytest.mark.parametrize("created", [-1, 1e12, 1e300, float("nan"), None, "x"])
def test_time_that_otlp_cannot_have_is_none(created):
    """
    The record arrives without it.
    """
    (found,) = records_of(line_of(created=created))

    assert 0 == found.time_unix_nano
    assert found.observed_time_unix_nano > 0


def test_lines_are_sorted_by_process_and_logger():
    """
    Each process is a resource, each logger a scope; a spool has both.
    """
    lines = [
        line_of(process=p, name=n) for p, n in ((1, "a"), (2, "a"), (1, "b"))
    ]
    lines.append(lines[0])
    request = service.ExportLogsServiceRequest.FromString(
        Requests({"service.name": "s"}, 9).request_of(lines)
    )

    found = [
        (
            {e.key: plain(e.value) for e in each.resource.attributes},
            {s.scope.name: len(s.log_records) for s in each.scope_logs},
        )
        for each in request.resource_logs
    ]
    assert [
        ({"service.name": "s", "process.pid": 1}, {"a": 2, "b": 1}),
        ({"service.name": "s", "process.pid": 2}, {"a": 1}),
    ] == found


@pytest.mark.parametrize("line", [b"", b"text", b"[]", b"{}", b'{"s":1}'])
def test_line_that_makes_no_sense_is_poison(line):
    """
    It is refused alone, and those beside it are sent.
    """
    with pytest.raises(OTLPError) as raised:
        Requests({}, 9).request_of([line])

    assert Fault.POISON is raised.value.verdict.fault


@pytest.mark.parametrize(
    ("answer", "kind", "expected"),
    [
        (b"", "text/plain", (0, "")),
        (b"{}", "", (0, "")),
        (b' {"partialSuccess": {}}', "application/json", (0, "")),
        (
            b'{"partialSuccess": {"rejectedLogRecords": "2",'
            b' "errorMessage": "old"}}',
            "application/json",
            (2, "old"),
        ),
        (b"\x0a\x07\x08\x02\x12\x03old", "", (2, "old")),
        (b"\x10\x01", "application/x-protobuf", (0, "")),
    ],
    ids=["empty", "untyped", "json", "refusal", "protobuf", "later version"],
)
def test_answer_of_a_collector_is_read(answer, kind, expected):
    """
    It may be empty, protobuf or JSON, and say how many were refused.
    """
    assert expected == Requests({}, 9).refusal_in(answer, kind)


@pytest.mark.parametrize(
    "answer",
    [b"<html>", b"Please log in", b"[]", b"{", b"ok", b"\xff\xfe"],
    ids=repr,
)
def test_answer_that_is_no_collectors_is_no_receipt(answer):
    """
    A page of somebody else does not count as what a collector says.
    """
    for kind in ("text/html", "application/json", ""):
        with pytest.raises(OTLPError, match="no collector"):
            Requests({}, 9).refusal_in(answer, kind)


def test_body_keeps_what_was_logged():
    """
    A dict is a mapping, text with arguments is text, odd ones are text.
    """
    for msg, args, expected in (
        ({"a": 1}, (), {"a": 1}),
        ("%d", (5,), "5"),
        ("%d", ("no",), "'%d' % ('no',)"),
        (5, (), "5"),
    ):
        (record,) = records_of(line_of(msg=msg, args=args))
        assert expected == plain(record.body)


def test_line_is_json():
    """
    What a spool holds can be read by people.
    """
    found = json.loads(line_of(x=1))

    assert ("x", "a", {"x": 1}) == (found["b"], found["s"], found["a"])


def test_attributes_of_ours_keep_their_names():
    """
    A field called like an attribute of ours is there as well, with a "_".
    """
    ours = {
        "code.line.number": 12,
        "code.file.path": "/app/serve.py",
        "exception.type": "KeyError",
        "nonfinite": {"loss": "NaN"},
    }
    line = line_of(
        **{name: f"of {name}" for name in ours},
        lineno=12,
        pathname="/app/serve.py",
        loss=float("nan"),
        exc_info=(KeyError, KeyError("k"), None),
    )

    (record,) = records_of(line)

    found = attributes_of(record)
    for name, value in ours.items():
        assert found[name] == value
        assert found[f"{name}_"] == f"of {name}"
