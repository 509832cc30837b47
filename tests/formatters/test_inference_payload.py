"""
Payloads: values in full as JSON, up to a bound, and never wrong in silence.
"""

import array
import json

from ids import as_id
import hostile
import numpy as np
import pytest
from hypothesis import given

import mllog
from mllog.formatters import inference_payload
from mllog.formatters.inference_payload import payload_of

MOST = 400_000


def read(value, max_bytes=MOST):
    return hostile.strict(payload_of(value, max_bytes))


@given(value=hostile.VALUES)
def test_any_value_is_strict_json_within_the_bound(value):
    """
    No object makes it raise, write what is not JSON, or write too much.
    """
    found = payload_of(value, MOST)

    hostile.strict(found)
    assert len(found) <= MOST


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([5.1, 3.5, 1.4], [5.1, 3.5, 1.4]),
        (0.1 + 0.2, 0.30000000000000004),
        (2**53 + 1, 2**53 + 1),
        (2**64, 2**64),
        ({"a": [1, None, True]}, {"a": [1, None, True]}),
        ((1, 2), [1, 2]),
        ("text", "text"),
        ('{"a": 1}', '{"a": 1}'),
        ("123", "123"),
        ("\ud800", "\\ud800"),
        ([], []),
        (False, False),
        (0, 0),
        ("", ""),
        (float("nan"), None),
        ([1.0, float("inf")], [1.0, None]),
    ],
    ids=as_id,
)
def test_plain_value_is_itself(value, expected):
    """
    Numbers keep their digits, text stays text, and NaN is null.
    """
    assert expected == read(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.arange(1000), list(range(1000))),
        (np.ones((2, 3, 4), np.float32), [[[1.0] * 4] * 3] * 2),
        (np.float32(0.5), 0.5),
        (np.array([0.1, np.nan]), [0.1, None]),
        (np.array([[1, 2], [3, 4]])[:, ::-1], [[2, 1], [4, 3]]),
        ({"x": np.arange(20)}, {"x": list(range(20))}),
        ([np.arange(20)], [list(range(20))]),
        (array.array("d", [0.5] * 20), [0.5] * 20),
        (hostile.Point(np.arange(20)), {"x": list(range(20))}),
        (hostile.PydanticLike(), {"name": "resnet50", "score": 0.5}),
    ],
    ids=as_id,
)
def test_array_is_its_values(value, expected):
    """
    Arrays come as lists however long, alone and inside of others.
    """
    assert expected == read(value)


class Tensor:
    """
    What torch's tensors have, without torch.
    """

    device = "cuda:0"
    shape = (3, 100)

    def tolist(self):
        return [[0.5] * 100] * 3


class Unread(Tensor):
    shape = (3000, 3000)

    def tolist(self):
        raise AssertionError("read from the device")


def test_tensor_is_its_values():
    """
    A tensor is copied from its device, as its values are what is asked for.
    """
    assert [[0.5] * 100] * 3 == read(Tensor())


@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: {"a": [t]}])
def test_tensor_too_long_is_never_read(wrap):
    """
    That a tensor is too long is known from its shape.
    """
    assert read(wrap(Unread()))["truncated"] is True


def test_payload_is_its_ref():
    """
    A mllog.Payload is named by its ref, under which it is stored elsewhere.
    """
    pixels = mllog.Payload(np.zeros((64, 64)))

    assert read({"image": pixels})["image"]["ref"] == pixels.ref


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"instances": [[1, 2]]}', b'{"instances": [[1, 2]]}'),
        (b" [1.10, 2]", b" [1.10, 2]"),
        (b'{\r\n"a":\n1}', b'{  "a": 1}'),
        (b"{'a': 1}", b"\"{'a': 1}\""),
        (b"[NaN]", b'"[NaN]"'),
        (b'["\\ud800"]', b'"[\\"\\\\ud800\\"]"'),
        (b"123", b'"123"'),
        (b'"text"', b'"\\"text\\""'),
        (b"", b'""'),
        (b"\xff\xfe", b'{"b64":"//4="}'),
        (b'{"a": "\xff"}', b'{"b64":"eyJhIjogIv8ifQ=="}'),
        ('{"a": 1}'.encode("utf-16-le"), b'"{\\u0000'),
    ],
    ids=as_id,
)
@pytest.mark.parametrize("loads", ["orjson", "json"])
def test_bytes_are_a_document_text_or_base64(
    kind, data, expected, loads, monkeypatch
):
    """
    A JSON object or array is taken as it is, all else is text if it can be.
    """
    if loads == "json":
        monkeypatch.setattr(inference_payload, "loads", without_orjson())

    found = payload_of(kind(data), MOST)

    assert found.startswith(expected)
    assert data.endswith(b"\x00") or found == expected
    hostile.strict(found)


def without_orjson():
    """
    The reader that stands in where orjson is missing.
    """
    import importlib.util
    import sys

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "orjson", None)
        spec = importlib.util.spec_from_file_location(
            "mllog.formatters.other", inference_payload.__file__
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module.loads


@pytest.mark.parametrize(
    ("value", "summary"),
    [
        (list(range(200_000)), {"type": "list", "length": 200_000}),
        (
            np.zeros((1000, 1000), np.float32),
            {
                "type": "ndarray",
                "shape": [1000, 1000],
                "dtype": "float32",
                "bytes": 4_000_000,
            },
        ),
        (b"x" * 500_000, {"type": "bytes", "bytes": 500_000}),
        ("x" * 500_000, "x" * 500 + "…[truncated 499500]"),
        (
            {"user": 7, "text": "x" * 500_000, "ids": [1] * 300_000},
            {
                "user": 7,
                "text": "x" * 500 + "…[truncated 499500]",
                "ids": {"type": "list", "length": 300_000},
            },
        ),
        (dict.fromkeys(range(300_000)), {"type": "dict", "length": 300_000}),
        (10**5000, "<int of 16610 bits>"),
    ],
    ids=range(7),
)
def test_value_too_long_is_a_summary_that_says_so(value, summary):
    """
    What is left out is named by type and size, in an object that says so.
    """
    found = read(value)

    assert found.pop("truncated") is True
    assert summary == found.pop("summary")
    assert found.keys() <= {"mllog_truncated"}


@pytest.mark.parametrize(
    "value", [hostile.deep(300), hostile.deep(100_000)], ids=[300, 100_000]
)
def test_value_too_deep_is_a_summary(value):
    """
    What has no end is cut, and said to be.
    """
    assert read(value)["truncated"] is True


def test_cycle_is_named():
    """
    A list that holds itself is written once, as everywhere in mllog.
    """
    assert read(hostile.cycle())[:2] == [1, "<cycle>"]


@pytest.mark.parametrize("length", [9, 10, 11])
def test_bound_is_exact(length):
    """
    What is as long as the bound is written in full, one more is not.
    """
    found = payload_of("x" * length, 12)

    assert (b"truncated" in found) == (length > 10)


def test_shared_lists_without_end_are_found_too_long_at_once():
    """
    A hundred lists, each twice in the next, would be more than can be counted.
    """
    value = [1]
    for _ in range(100):
        value = [value, value]

    assert read(value)["truncated"] is True


def test_long_array_in_an_object_is_never_listed():
    """
    A dataclass is looked into before its arrays are turned into lists.
    """
    found = read(hostile.Point(Unread()))

    assert found["truncated"] is True
    assert found["summary"]["x"]["shape"] == [3000, 3000]


def test_value_is_not_changed():
    """
    What is written is a copy, whatever is replaced in it.
    """
    value = {"a": [np.arange(3), {"b": float("nan")}]}

    assert json.loads(payload_of(value, MOST)) == {
        "a": [[0, 1, 2], {"b": None}]
    }
    assert isinstance(value["a"][0], np.ndarray)
    assert value["a"][1]["b"] != value["a"][1]["b"]
