"""
mllog.Payload: a raw value and its record, linked by content.
"""

import hashlib
import json

import numpy as np
import pytest

import mllog


class Image:
    mode, size = "RGB", (4, 2)

    def tobytes(self):
        return b"\x01" * 24


class Tensor:
    """
    torch's way: no tobytes, and its data behind detach().cpu().numpy().
    """

    def __init__(self, array):
        self._array = array
        self.shape = array.shape

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self._array


def test_ref_is_sha256_over_type_dtype_shape_and_bytes():
    """
    The ref can be computed by anyone who has the value.
    """
    array = np.arange(6, dtype="f4").reshape(2, 3)

    expected = hashlib.sha256(
        b"array|float32|2,3|" + array.tobytes()
    ).hexdigest()

    assert mllog.Payload(array).ref == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"abc", {"type": "bytes", "shape": [], "dtype": None, "bytes": 3}),
        (
            np.zeros((2, 3), "u1"),
            {"type": "array", "shape": [2, 3], "dtype": "uint8", "bytes": 6},
        ),
        (
            Image(),
            {"type": "image", "shape": [2, 4], "dtype": "RGB", "bytes": 24},
        ),
        (
            Tensor(np.zeros(2, "f4")),
            {"type": "array", "shape": [2], "dtype": "float32", "bytes": 8},
        ),
        (
            [1, 2],
            {"type": "list", "shape": [], "dtype": None, "bytes": 15},
        ),
    ],
    ids=["bytes", "array", "image", "tensor", "tokens"],
)
def test_payload_in_a_line_is_a_summary(value, expected):
    """
    The line has ref, type, shape, dtype and bytes, and no content.
    """
    payload = mllog.Payload(value)
    record = mllog.extra(payload=payload)

    line = mllog.JSONFormatter().format(
        __import__("logging").makeLogRecord({"msg": "m", **record})
    )

    found = json.loads(line)["payload"]
    assert found.pop("ref") == payload.ref
    assert found == expected


def test_ref_of_equal_content_is_equal():
    """
    Order in memory does not matter, and kind, dtype and shape do.
    """
    array = np.arange(6, dtype="i8").reshape(2, 3)

    def ref(value):
        return mllog.Payload(value).ref

    assert ref(array) == ref(np.asfortranarray(array)) == ref(array.copy())
    assert ref(array) != ref(array.reshape(3, 2))
    assert ref(array) != ref(array.astype("u8"))
    assert ref(b"abc") == ref(bytearray(b"abc")) == ref(memoryview(b"abc"))


def test_ref_of_long_values_depends_on_all_of_them():
    """
    Two lists of 100 000 tokens that differ in the last are told apart.
    """
    tokens = list(range(100_000))
    other = [*tokens[:-1], 7]

    assert mllog.Payload(tokens).ref != mllog.Payload(other).ref


def test_ref_of_object_array_is_by_value():
    """
    An array of objects is named by what they say, not by their addresses.
    """
    first = np.array(["a" * 50, None], dtype=object)
    second = np.array(["".join(["a"] * 50), None], dtype=object)

    assert mllog.Payload(first).ref == mllog.Payload(second).ref


def test_content_type_is_kept():
    """
    The media type is what was given.
    """
    assert mllog.Payload(b"", "image/png").content_type == "image/png"
    assert repr(mllog.Payload(b"")).startswith("Payload(ref=")
