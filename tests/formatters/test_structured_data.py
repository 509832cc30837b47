"""
The fields of a record as an SD-ELEMENT.
"""

import json
import logging
import math

import hostile
import pytest
import rfc5424
from hypothesis import given

import mllog
from mllog.fields import fields_of
from mllog.formatters.structured_data import (
    StructuredData,
    param_names,
    text_of,
)

HEAD = b"<14>1 - - - - - "


def record_of(**fields):
    return logging.makeLogRecord({"name": "app", **fields})


def params_of(fields, data=None):
    data = data or StructuredData("mllog@32473", 65536)
    element = data.of(record_of(**fields))
    return rfc5424.parse(HEAD + element.encode()).structured_data[
        "mllog@32473"
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        ("grüße 😀", "grüße 😀"),
        ('a"b', 'a"b'),
        ("a\\b", "a\\b"),
        ("a]b", "a]b"),
        ('\\"]\\', '\\"]\\'),
        ("100 %s", "100 %s"),
        ("a\r\n\tb", "a\\r\\n\\tb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x00\x7f\x85", "\\x00\\x7f\\x85"),
        ("\u202e\u2028\ud800", "\\u202e\\u2028\\ud800"),
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (-(2**70), str(-(2**70))),
        (10**5000, "<int of 16610 bits>"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        ([1, "a"], '[1,"a"]'),
        ((), "[]"),
        ({"a": {"b": None}}, '{"a":{"b":null}}'),
        ({"a": math.nan}, '{"a":"NaN"}'),
        ({"a": "\u202e\x7f"}, '{"a":"\\u202e\\u007f"}'),
        (hostile.RaisingRepr(), "<RaisingRepr>"),
        (hostile.np.float64(0.5), "0.5"),
        (hostile.np.float64("nan"), "NaN"),
        (hostile.np.array([1, 2]), "[1,2]"),
        (b"bytes", "bytes"),
        (hostile.Point(), '{"x":1}'),
        (hostile.Chain(), "<Chain>"),
    ],
    ids=lambda _: "value",
)
def test_value_comes_back_as_its_text(value, text):
    """
    Each kind of value has one text, and a receiver reads just that.
    """
    assert text_of(value) == text
    assert params_of({"x": value}) == [("x", text)]
    assert params_of({"a": 1, "x": value, "z": "]"}) == [
        ("a", "1"),
        ("x", text),
        ("z", "]"),
    ]


def test_value_long_and_nested_is_bounded_json():
    """
    A tensor is a summary, a long list is cut and still JSON.
    """
    array = json.loads(text_of(hostile.np.zeros((100, 100))))
    long = text_of([{"loss": 0.5}] * 5000)

    assert array["shape"] == [100, 100]
    assert len(long) < 10_000
    assert json.loads(long)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("loss", "train/loss"), ["loss", "train/loss"]),
        (("a=b", "a]b", 'a"b', "a b"), ["a_b", "a_b_2", "a_b_3", "a_b_4"]),
        (("a_b_2", "a=b", "a b"), ["a_b_2", "a_b", "a_b_3"]),
        (("", "ü\n\x00\ud800"), ["_", "____"]),
        (("x" * 40, "x" * 41), ["x" * 32, "x" * 30 + "_2"]),
        ((1, None, (1, 2)), ["1", "null", "(1,_2)"]),
        (("mllog_truncated",), ["mllog_truncated_2"]),
        (("100%", "%s"), ["100%", "%s"]),
    ],
)
def test_param_names_are_reduced_and_differ(names, expected):
    """
    A name keeps its allowed characters, at most 32, and is the only one.
    """
    assert param_names(names) == expected


def test_param_names_many_alike_all_differ():
    """
    Thousands of names that are alike in 32 characters get their numbers.
    """
    names = tuple(f"{'x' * 40}{number}" for number in range(20_000))

    assert len(set(param_names(names))) == len(names)


def test_metrics_are_params_of_their_own():
    """
    Each entry of metrics is a parameter, at the place of metrics.
    """
    metrics = {"train/loss": 0.5, "n = 1": 2, None: 1, "null": 2}

    assert params_of({"a": 1, "metrics": metrics, "b": 2}) == [
        ("a", "1"),
        ("metrics.train/loss", "0.5"),
        ("metrics.n___1", "2"),
        ("metrics.null", "1"),
        ("metrics.null_2", "2"),
        ("b", "2"),
    ]
    assert params_of({"metrics": 3}) == [("metrics", "3")]
    assert len(params_of({"metrics": hostile.RaisingMapping()})) == 1


@pytest.mark.parametrize("fields", [{}, {"metrics": {}}])
def test_element_without_fields_is_empty(fields):
    """
    No fields, no element.
    """
    data = StructuredData("mllog@32473", 65536)

    assert data.of(record_of(**fields)) == ""
    assert data.within(record_of(**fields), 1000) == ""


@pytest.mark.parametrize("room", range(0, 200, 3))
def test_element_within_keeps_whole_params_and_says_so(room):
    """
    What is too long is cut or left out; no escape is torn.
    """
    data = StructuredData("mllog@32473", 65536)
    record = record_of(a='x"]\\' * 40, b="ü" * 50, c="c")

    element = data.within(record, room)

    assert len(element.encode()) <= room
    if not element:
        assert room < len('[mllog@32473 mllog_truncated="true"]')
        return
    params = rfc5424.parse(HEAD + element.encode()).structured_data[
        "mllog@32473"
    ]
    assert params[-1] == ("mllog_truncated", "true")
    for name, text in params[:-1]:
        whole = text_of(getattr(record, name))
        kept, mark, rest = text.partition("…[truncated ")
        assert text == whole or whole.startswith(kept)
        assert not mark or 0 < int(rest.removesuffix("]")) <= 2 * len(whole)


def test_element_within_enough_room_is_whole():
    """
    Where nothing has to give way, it is the usual element.
    """
    data = StructuredData("mllog@32473", 65536)
    record = record_of(a='"]\\', b=1, metrics={"loss": 0.5})

    assert data.within(record, 10_000) == data.of(record)


@pytest.mark.parametrize("text", ['"\n', "plain"])
def test_element_value_without_end_is_looked_at_in_part(text):
    """
    A text of 10 MB is neither escaped nor copied whole.
    """
    data = StructuredData("mllog@32473", 1000)
    record = record_of(a=text * (10_000_000 // len(text)))

    assert len(data.of(record)) < 10_000


@given(fields=hostile.FIELDS)
def test_element_any_fields_come_back(fields):
    """
    A receiver reads for each field its name and its text.
    """
    record = record_of(**mllog.extra(**fields))
    found = fields_of(record)
    if "metrics" in found:
        found["metrics_"] = found.pop("metrics")
    record = record_of(**found)
    if not found:
        return
    before = hostile.state_of(record)

    params = params_of(found, StructuredData("mllog@32473", 10**9))

    assert [name for name, _ in params] == param_names(tuple(found))
    for (_, text), value in zip(params, found.values(), strict=True):
        if type(value) in (str, int, float, bool):
            assert text == text_of(value)
        assert text.isprintable() or mllog.formatters.text.is_harmless(text)
        assert "\n" not in text
    assert hostile.state_of(record) == before


@pytest.mark.parametrize(
    "name",
    [
        "",
        "mllog",
        "mllog@",
        "@32473",
        "mllog@x",
        "mllog@32473.",
        "a b@1",
        "a=b@1",
        "a]b@1",
        'a"b@1',
        "a@b@1",
        "ü@1",
        "mllog@٣",
        "x" * 31 + "@1",
        32473,
        None,
    ],
)
def test_enterprise_id_wrong_raises(name):
    """
    An SD-ID that the RFC does not allow is refused.
    """
    with pytest.raises(mllog.ConfigError, match="enterprise_id"):
        StructuredData(name, 65536)


@pytest.mark.parametrize("name", ["a@1", "x%s@1.2.3", "x" * 30 + "@1"])
def test_enterprise_id_right_is_taken(name):
    """
    The longest name and sub-identifiers are allowed.
    """
    element = StructuredData(name, 65536).of(record_of(a=1))

    assert element == f'[{name} a="1"]'
    rfc5424.parse(HEAD + element.encode())


class TearsEscapes(StructuredData):
    """
    Cuts wherever the room ends.
    """

    def within(self, record, room):
        return f'{self.of(record)[: room - 2]}"]'


def test_check_sees_an_escape_that_is_torn():
    """
    The control: an element that is cut in an escape is refused.
    """
    record = record_of(a="]" * 100)
    refused = 0
    for room in range(40, 80):
        element = TearsEscapes("a@1", 65536).within(record, room)
        try:
            rfc5424.parse(HEAD + element.encode())
        except ValueError:
            refused += 1

    assert refused == 20
