"""
mllog.Payload: a raw value and its record, linked by content.
"""

import collections
import hashlib
import json
import logging

import numpy as np
from ids import as_id
import pytest
from PIL import Image

import mllog
from mllog.payloads import content_of, find_payloads
from tests import hostile


class Tensor:
    """
    torch's way: no tobytes, and its data behind detach().cpu().numpy().
    """

    def __init__(self, array):
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self._array


class Watched(Image.Image):
    """
    An image that cannot be encoded: only its pixels are there.
    """

    def save(self, *args, **kwargs):
        raise AssertionError("encoded")


def image_of(mode="RGB", size=(4, 2)):
    return Image.new(mode, size, 1)


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
            image_of(),
            {"type": "image", "shape": [2, 4], "dtype": "RGB", "bytes": 24},
        ),
        (
            Tensor(np.zeros(2, "f4")),
            {"type": "array", "shape": [2], "dtype": "float32", "bytes": 8},
        ),
        (
            [1, 2],
            {"type": "list", "shape": [], "dtype": None, "bytes": 5},
        ),
    ],
    ids=["bytes", "array", "image", "tensor", "tokens"],
)
@pytest.mark.parametrize("is_stored_first", [False, True])
def test_payload_in_a_line_is_a_summary(value, expected, is_stored_first):
    """
    The line has ref, type, shape, dtype and bytes, whoever asked first.
    """
    payload = mllog.Payload(value)
    if is_stored_first:
        assert payload.content.data
    record = logging.makeLogRecord({"msg": "m", "payload": payload})

    line = mllog.JSONFormatter().format(record)

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


def test_ref_of_images_that_differ_in_their_palette_differs():
    """
    Equal indices into other colours are another image.
    """
    first, second = image_of("P"), image_of("P")
    first.putpalette([9] * 768)
    second.putpalette([8] * 768)

    assert first.tobytes() == second.tobytes()
    assert mllog.Payload(first).ref != mllog.Payload(second).ref


def test_image_in_a_line_is_not_encoded():
    """
    A ref needs the pixels alone, and the object has the same ref.
    """
    payload = mllog.Payload(image_of())
    watched = image_of()
    watched.__class__ = Watched

    assert payload.content.name() == mllog.Payload(watched).ref
    with pytest.raises(AssertionError):  # the control
        mllog.Payload(watched).content


def test_content_is_encoded_once():
    """
    Two handlers and a formatter work on the same content.
    """
    payload = mllog.Payload(np.arange(4))

    assert payload.ref == payload.content.name()
    assert payload.content is payload.content
    assert content_of(payload) is payload.content


@pytest.mark.parametrize(
    ("value", "content_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/png"),
        (image_of(), "image/jpeg"),
        (image_of("F"), None),
        (np.zeros((4, 4, 3), "u1"), "image/png"),
        (np.zeros((4, 4)), "application/json"),
        (np.zeros((4, 4)), "application/octet-stream"),
        ("a prompt", "text/plain"),
        ([1, 2, 3], "application/json"),
    ],
    ids=as_id,
)
@pytest.mark.parametrize("is_stored_first", [False, True])
def test_ref_does_not_depend_on_the_content_type(
    value, content_type, is_stored_first
):
    """
    However it is stored, and whoever asks first, a value has one ref.
    """
    payload = mllog.Payload(value, content_type)
    if is_stored_first:
        assert payload.content.data

    assert content_of(value).name() == payload.ref
    assert payload.ref == payload.content.name()
    assert payload.ref == content_of(value, content_type).name()


def test_content_type_is_kept():
    """
    The media type is what was given.
    """
    assert mllog.Payload(b"", "image/png").content_type == "image/png"
    assert repr(mllog.Payload(b"")).startswith("Payload(ref=")


def test_payload_in_a_payload_is_its_value():
    """
    The inner content type counts; where it has none, the outer.
    """
    typed = mllog.Payload(b"x", "image/webp")
    plain = mllog.Payload(b"x")

    assert content_of(typed, "image/png").content_type == "image/webp"
    assert content_of(plain, "image/png").content_type == "image/png"
    assert mllog.Payload(typed).ref == typed.ref


@pytest.mark.parametrize("number", range(len(hostile.EACH_OBJECT)))
def test_payload_of_any_object_gives_a_line(number):
    """
    A Payload that has no ref does not keep its record from being written.
    """
    payload = mllog.Payload(hostile.EACH_OBJECT[number]())
    record = logging.makeLogRecord({"msg": "m", "payload": payload})

    assert "payload" in json.loads(mllog.JSONFormatter().format(record))


def names_of(fields, names=()):
    return [name for name, _, _ in find_payloads(fields, names)]


IMAGE = image_of()
ARRAY = np.zeros((2, 2))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (IMAGE, ["x"]),
        (ARRAY, ["x"]),
        (b"raw", ["x"]),
        ("prompt", ["x"]),
        (7, ["x"]),
        (None, []),
        ([1, 2, 3], ["x"]),
        ([], ["x"]),
        ([{"role": "user"}, {"role": "tool"}], ["x"]),
        ({"temperature": 0.5}, ["x"]),
        ([IMAGE, IMAGE], ["x.0", "x.1"]),
        ((ARRAY, ARRAY), ["x.0", "x.1"]),
        ([b"a", b"b"], ["x.0", "x.1"]),
        ([mllog.Payload(1), 2], ["x.0", "x.1"]),
        ({"left": ARRAY, 5: ARRAY}, ["x.left", "x.5"]),
        ([np.float32(1), np.float32(2)], ["x"]),
    ],
)
def test_field_that_is_named_is_one_payload_or_one_per_item(value, expected):
    """
    Images and arrays in a list are each one; token ids are one together.
    """
    assert expected == names_of({"x": value, "latency": 0.1}, {"x"})


def test_payload_is_found_without_a_name():
    """
    At top level and one level deep, and nothing else.
    """
    typed = mllog.Payload(b"a", "image/png")
    fields = {
        "latency": 0.1,
        "array": ARRAY,
        "image": typed,
        "images": [3, typed],
        "inputs": {"left": typed, "n": 1, "deeper": [typed]},
    }

    assert [
        ("image", typed, "image/png"),
        ("images.1", typed, "image/png"),
        ("inputs.left", typed, "image/png"),
    ] == find_payloads(fields, ())


def test_payloads_of_the_same_name_are_both_found():
    """
    A field called as an item of another hides none.
    """
    payload = mllog.Payload(b"a")

    assert ["a.0", "a.0_"] == names_of({"a": [payload], "a.0": payload})


def test_long_list_is_looked_at_by_its_first_items():
    """
    100 000 token ids are not asked one by one; among the first 64 all are.
    """
    tokens = list(range(63))
    payload = mllog.Payload(b"a")

    assert ["x.63"] == names_of({"x": [*tokens, payload]})
    assert [] == names_of({"x": [*tokens, 63, payload]})


@pytest.mark.parametrize("number", range(len(hostile.EACH_OBJECT)))
def test_search_among_any_objects_raises_nothing(number):
    """
    An object that raises at every touch hides no payload beside it.
    """
    odd = hostile.EACH_OBJECT[number]()
    payload = mllog.Payload(b"a")
    fields = {"odd": odd, "list": [odd], "dict": {"a": odd}, "p": payload}

    assert "p" in names_of(fields)
    assert "p" in names_of(fields, {"odd", "list", "dict"})


def test_named_tuple_of_arrays_is_one_payload_per_item():
    """
    Its items go by their place.
    """
    Pair = collections.namedtuple("Pair", "left right")

    assert ["x.0", "x.1"] == names_of({"x": Pair(ARRAY, ARRAY)}, {"x"})
