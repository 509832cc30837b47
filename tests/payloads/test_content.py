"""
mllog.payloads.content_of: what is stored of a value.
"""

import array
import collections
import datetime
import hashlib
import io
import json
import subprocess
import sys

import numpy as np
from ids import as_id
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import mllog
from mllog import encoding
from mllog.payloads import Content, content_of
from tests import hostile

RNG = np.random.default_rng(7)
PIXELS = RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)

ARRAYS = {
    "c": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(24).reshape(4, 6)[::2, ::-3],
    "transposed": np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
    "broadcast": np.broadcast_to(np.arange(3), (2, 3)),
    "big-endian": np.arange(3, dtype=">i2"),
    "0-d": np.array(3.5),
    "scalar": np.float32(0.5),
    "empty": np.zeros((2, 0)),
    "no items, 0 bytes": np.zeros(3, "V0"),
    "bool": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "float16": np.array([1.5], "f2"),
    "longdouble": np.array([1.5], np.longdouble),
    "nan": np.array([1.0, np.nan, -np.inf]),
    "text": np.array(["a", "bcd"]),
    "bytes": np.array([b"a", b"bcd"]),
    "dates": np.array(["2026-11-21", "NaT"], "M8[ns]"),
    "spans": np.array([1, 2], "m8[s]"),
    "structured": np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]),
    "odd names": np.array([(1,)], [("名", "i4")]),
    "aligned": np.zeros(2, np.dtype([("a", "u1"), ("b", "f8")], align=True)),
    "metadata": np.zeros(2, np.dtype("f4", metadata={"unit": "s"})),
    "record": np.array([(True,)], [("mask", "?")]).view(np.recarray),
    "unmasked": np.ma.masked_array([1, 2], [False, False]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_array_is_stored_as_npy_and_read_back_by_numpy(name):
    """
    Every item and its type, without pickle; the ref is over C order.
    """
    array_ = ARRAYS[name]

    found = content_of(array_)

    back = np.load(io.BytesIO(found.data), allow_pickle=False)
    assert (".npy", "application/x-npy") == found[5:3:-1]
    assert back.shape == found.shape == np.shape(array_)
    if not back.dtype.isalignedstruct:  # numpy leaves out what pads one
        assert back.tobytes("C") == np.asarray(array_).tobytes("C")
    assert found.data[found.offset :] == np.asarray(array_).tobytes("C")
    head = f"array|{array_.dtype}|{','.join(map(str, back.shape))}|".encode()
    assert head == found.head
    expected = hashlib.sha256(head + np.asarray(array_).tobytes("C"))
    assert expected.hexdigest() == found.name()


def test_array_that_changes_later_is_stored_as_it_was():
    """
    The bytes are the caller's no more.
    """
    values = np.zeros(4)
    found = content_of(values)
    ref = found.name()

    values[:] = 1

    assert (np.load(io.BytesIO(found.data)) == 0).all()
    assert ref == found.name()


def test_memory_mapped_array_is_an_array(tmp_path):
    """
    numpy's memmap has a mode and a size, and is no image.
    """
    mapped = np.memmap(tmp_path / "m", "u1", "w+", shape=(2, 3))

    assert content_of(mapped)[:3] == ("array", "uint8", (2, 3))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array(["a", None, 1.5], object), ["a", None, 1.5]),
        (np.array({"a": 1}, object), {"a": 1}),
        (np.ma.masked_array([[1, 2]], [[False, True]]), [[1, None]]),
        (np.ma.masked, None),
        (
            np.ma.array([(1, 2)], "i4,i4", mask=[(True, False)]),
            [[None, 2]],
        ),
    ],
    ids=["objects", "object", "masked", "mask", "structured"],
)
def test_array_that_npy_does_not_hold_is_json(value, expected):
    """
    Python objects by their values, and null for what is masked.
    """
    found = content_of(value)

    assert found[:3] == ("array", str(value.dtype), value.shape)
    assert (".json", "application/json") == found[5:3:-1]
    assert expected == json.loads(found.data)


class Torch:
    """
    What torch's tensors do, and how they refuse.
    """

    layout, is_quantized, requires_grad = "torch.strided", False, True

    def __init__(self, values, dtype=None, done=()):
        self._values, self._done = values, done
        self.shape = values.shape
        self.dtype = dtype or f"torch.{values.dtype}"

    def _after(self, step, dtype=None):
        after = type(self)(self._values, dtype or self.dtype, self._done)
        after._done = (*self._done, step)
        return after

    def detach(self):
        return self._after("detach")

    def cpu(self):
        return self._after("cpu")

    def float(self):
        return self._after("float", "torch.float32")

    def numpy(self):
        if "float8" in self.dtype or "bfloat16" in self.dtype:
            raise TypeError("Got unsupported ScalarType")
        if {"detach", "cpu"} - set(self._done):
            raise RuntimeError("Can't call numpy() on that Tensor")
        return self._values


class Sparse(Torch):
    layout = "torch.sparse_coo"

    def to_dense(self):
        return Torch(self._values, self.dtype, self._done)

    def cpu(self):
        raise AssertionError("made dense on its device")


class Quantized(Torch):
    is_quantized = True

    def dequantize(self):
        return Torch(self._values, self.dtype, self._done)


class Meta(Torch):
    def cpu(self):
        raise NotImplementedError("Cannot copy out of meta tensor")


class TensorFlow:
    def __init__(self, values):
        self._values, self.shape = values, values.shape

    def numpy(self):
        return self._values


class CuPy(TensorFlow):
    __cuda_array_interface__ = {}

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion is not allowed")

    def get(self):
        return self._values


class Jax(TensorFlow):
    numpy = None

    def __array__(self, dtype=None, copy=None):
        return self._values


class DLPack(TensorFlow):
    numpy = property()

    def __dlpack__(self, **kwargs):
        return self._values.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self._values.__dlpack_device__()


VALUES = np.arange(6, dtype="f4").reshape(2, 3)


@pytest.mark.parametrize(
    "tensor",
    [
        Torch(VALUES),
        Torch(VALUES.T),
        Torch(VALUES, "torch.bfloat16"),
        Torch(VALUES, "torch.float8_e4m3fn"),
        Sparse(VALUES),
        Quantized(VALUES),
        TensorFlow(VALUES),
        CuPy(VALUES),
        Jax(VALUES),
        DLPack(VALUES),
    ],
    ids=lambda each: type(each).__name__,
)
def test_tensor_is_stored_as_the_array_that_it_is(tensor):
    """
    From any device, with gradients, sparse, quantised, or of other libraries.
    """
    found = content_of(tensor)

    assert found.name() == content_of(tensor._values).name()
    back = np.load(io.BytesIO(found.data))
    assert (back == tensor._values).all()
    assert "float32" == back.dtype


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (Meta(VALUES), NotImplementedError),
        (type("Shaped", (), {"shape": (2, 3)})(), TypeError),
    ],
    ids=["meta", "shape only"],
)
def test_tensor_without_data_cannot_be_stored(value, error):
    """
    It raises; there is no object of guessed content.
    """
    with pytest.raises(error):
        content_of(value)


def test_sparse_array_is_stored_dense_unless_that_is_too_large():
    """
    10¹² items that are nearly all zero do not fill the memory.
    """
    sparse = pytest.importorskip("scipy.sparse")

    found = content_of(sparse.eye(3).tocsr())

    assert (np.load(io.BytesIO(found.data)) == np.eye(3)).all()
    with pytest.raises(ValueError, match="too large"):
        content_of(sparse.csr_matrix((10**6, 10**6)))


@pytest.mark.parametrize(
    ("content_type", "extension"),
    [
        (None, ".png"),
        ("image/png", ".png"),
        ("image/tiff", ".tif"),
        ("image/bmp", ".bmp"),
    ],
)
def test_image_is_stored_without_loss(content_type, extension):
    """
    Its pixels come back, and the ref is over them.
    """
    found = content_of(Image.fromarray(PIXELS), content_type)

    assert extension == found.extension
    back = Image.open(io.BytesIO(found.data))
    assert PIXELS.tobytes() == back.tobytes()
    head = b"image|RGB|6,5|"
    assert head == found.head
    expected = hashlib.sha256(head + PIXELS.tobytes()).hexdigest()
    assert expected == found.name() == found.ref
    assert 6 * 5 * 3 == found.size


def test_image_is_stored_as_jpeg_when_asked():
    """
    The type is the file's; the ref is that of the pixels.
    """
    image = Image.fromarray(PIXELS)

    found = content_of(image, "image/jpeg")

    assert "JPEG" == Image.open(io.BytesIO(found.data)).format
    assert (".jpg", "image/jpeg") == found[5:3:-1]
    assert content_of(image).name() == found.name()


@pytest.mark.parametrize(
    ("mode", "extension"),
    [
        ("1", ".png"),
        ("L", ".png"),
        ("LA", ".png"),
        ("P", ".png"),
        ("RGBA", ".png"),
        ("I;16", ".png"),
        ("I", ".tif"),
        ("F", ".tif"),
        ("CMYK", ".tif"),
        ("LAB", ".tif"),
    ],
)
def test_image_of_each_mode_is_stored_without_loss(mode, extension):
    """
    As PNG, or as TIFF where PNG would change it.
    """
    if mode == "F":
        image = Image.fromarray(np.array([[0.1, -1e9]], "f4"))
    elif mode == "I":
        image = Image.fromarray(np.array([[70_000, -5]], "i4"))
    elif mode == "I;16":
        image = Image.fromarray(np.array([[70, 60_000]], "u2"))
    elif mode == "P":
        image = Image.fromarray(PIXELS).quantize(7)
    elif mode == "LAB":
        image = Image.frombytes("LAB", (5, 6), PIXELS.tobytes())
    else:
        image = Image.fromarray(PIXELS).convert(mode)
    assert mode == image.mode

    found = content_of(image)

    back = Image.open(io.BytesIO(found.data))
    assert extension == found.extension
    assert image.tobytes() == back.tobytes()
    if mode == "P":
        assert image.convert("RGB").tobytes() == back.convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("value", "content_type"),
    [
        (Image.new("RGBA", (2, 2)), "image/jpeg"),
        (Image.new("RGB", (2, 2)), "image/x-unheard-of"),
        (Image.new("RGB", (2, 2)), "text/plain"),
        (Image.new("HSV", (2, 2)), None),
        (np.zeros((4, 4), "f4"), "image/png"),
        (np.zeros((3, 8, 8), "u1"), "image/png"),
        (np.zeros(8, "u1"), "image/png"),
        (np.zeros((0, 8), "u1"), "image/png"),
        (np.zeros((8, 8), "u1"), "text/csv"),
        (np.array([None]), "image/png"),
        ([1, 2], "image/png"),
        ({"a": 1}, "text/plain"),
        ("text", "image/png"),
    ],
    ids=as_id,
)
def test_value_that_is_not_of_its_content_type_is_refused(value, content_type):
    """
    Nothing is stored under the name of another format.
    """
    with pytest.raises(mllog.errors.ConfigError):
        content_of(value, content_type)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 3), (6, 5, 4)])
def test_array_of_pixels_is_stored_as_png_when_asked(shape):
    """
    Height, width and channels, as every image library has them.
    """
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    for each in (pixels, np.asfortranarray(pixels), Torch(pixels)):
        found = content_of(each, "image/png")

        back = np.asarray(Image.open(io.BytesIO(found.data)))
        assert (pixels.reshape(back.shape) == back).all()
        assert ".png" == found.extension
        assert found[:3] == ("array", "uint8", shape)
        assert content_of(pixels).name() == found.name()


def test_array_of_pixels_without_pillow_says_what_to_install(monkeypatch):
    """
    The error names the package.
    """
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(mllog.errors.ConfigError, match="pip install pillow"):
        content_of(PIXELS, "image/png")


def test_bytes_are_stored_as_they_are():
    """
    Not copied where nobody can change them; typed by their first bytes.
    """
    data = b"\xff\xd8\xff" + bytes(100)
    changing = bytearray(data)

    assert content_of(data).data is data
    assert (".jpg", "image/jpeg") == content_of(data)[5:3:-1]
    found = content_of(changing)
    changing[:] = bytes(103)
    assert data == found.data
    assert b"ace" == content_of(memoryview(b"abcde")[::2]).data
    assert (".bin", "application/octet-stream") == content_of(b"?")[5:3:-1]
    assert ".wav" == content_of(b"?", "audio/wav").extension


def test_content_type_that_no_header_carries_is_found_anew():
    """
    What a request claims can neither forge a header nor lose the payload.
    """
    evil = "image/png\r\nx-amz-acl: public-read"

    found = content_of(b"%PDF-1.7", evil)

    assert (".pdf", "application/pdf") == found[5:3:-1]


def test_token_ids_are_stored_as_json():
    """
    The list itself; its ref is over what is stored.
    """
    tokens = list(range(4096))

    found = content_of(tokens)

    assert tokens == json.loads(found.data)
    assert (".json", "application/json") == found[5:3:-1]
    expected = hashlib.sha256(b"list|||" + found.data).hexdigest()
    assert expected == found.name()


@pytest.mark.parametrize("has_orjson", [True, False])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        ("text \u2028 \ud800", "text \u2028 \\ud800"),
        ([1, float("nan"), float("-inf")], [1, None, None]),
        ({"a": float("nan")}, {"a": None}),
        ({1: "cat", 2: "dog"}, {"1": "cat", "2": "dog"}),
        ({"ids": np.arange(100)}, {"ids": list(range(100))}),
        (
            {"x": np.zeros((20, 2)), "y": np.nan},
            {"x": [[0, 0]] * 20, "y": None},
        ),
        ([np.float32(0.5), np.int64(2)], [0.5, 2]),
        (np.array([b"a", b"\xff"], object), ["a", {"b64": "/w=="}]),
        ({"raw": b"\xff" * 99}, {"raw": {"b64": "/" * 132}}),
        ([b"x" * 99], ["x" * 99]),
        (array.array("i", range(20)), list(range(20))),
        (collections.deque(range(20_000)), list(range(20_000))),
        (frozenset({3}), [3]),
        (2**70, 2**70),
        ("x" * 100_000, "x" * 100_000),
        ([[0] * 20_000], [[0] * 20_000]),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (
            {"d": np.array(["2026-01-02"] * 20, "M8[D]")},
            {"d": ["2026-01-02"] * 20},
        ),
        (hostile.Point(5), {"x": 5}),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_json_value_is_stored_in_full(
    value, expected, has_orjson, monkeypatch
):
    """
    Without bounds and summaries, unwrapped, with null for NaN.
    """
    if not has_orjson:
        monkeypatch.setattr(encoding, "orjson", None)

    assert expected == json.loads(content_of(value).data)


def test_text_is_stored_as_text_when_asked():
    """
    UTF-8, whatever else the content type says, for that is what it is.
    """
    found = content_of("größer", "text/markdown; charset=latin-1")

    assert "größer" == found.data.decode()
    assert "text/markdown; charset=utf-8" == found.content_type
    assert ".txt" == content_of("a", "text/plain").extension


class Frame:
    """
    What a table of pandas does.
    """

    columns, shape = ["a", "b"], (2, 2)

    def __array__(self):
        raise AssertionError("not asked for")

    def to_dict(self, orient="dict"):
        assert orient == "records"
        return [{"a": 1, "b": float("nan")}, {"a": 2, "b": np.float64(0.5)}]


def test_frame_is_stored_as_its_rows():
    """
    JSON records, also within other values.
    """
    rows = [{"a": 1, "b": None}, {"a": 2, "b": 0.5}]

    assert rows == json.loads(content_of(Frame()).data)
    assert {"x": rows} == json.loads(content_of({"x": Frame()}).data)


@pytest.mark.parametrize(
    "value",
    [hostile.deep(600), {"n": 10**5000}],
    ids=["too deep", "too long"],
)
def test_json_value_that_cannot_be_written_in_full_is_refused(value):
    """
    A payload is stored whole or not at all.
    """
    with pytest.raises(ValueError, match="in full"):
        content_of(value)


@pytest.mark.parametrize(
    "value",
    [object(), len, (n for n in "ab"), hostile.Liar(str)],
    ids=lambda value: type(value).__name__,
)
def test_object_that_says_nothing_is_refused(value):
    """
    A memory address is no payload.
    """
    with pytest.raises(TypeError, match="cannot be stored"):
        content_of(value)


def outcome_of(value, content_type=None):
    """
    A Content that holds what it should, or the Exception.
    """
    try:
        found = content_of(value, content_type)
        assert type(found) is Content
        assert type(found.data) is bytes
        assert 64 == len(found.name())
        return found
    except Exception as exc:
        assert not isinstance(exc, AssertionError)
        return exc


@pytest.mark.parametrize("content_type", [None, "image/png", "text/plain"])
@pytest.mark.parametrize(
    "number", range(len(hostile.EACH_OBJECT + hostile.EACH_ARRAY))
)
def test_content_of_each_hostile_object_is_whole_or_an_exception(
    number, content_type
):
    """
    No object gives a Content of other types, or ends the process.
    """
    if number < len(hostile.EACH_OBJECT):
        value = hostile.EACH_OBJECT[number]()
    else:
        value = hostile.EACH_ARRAY[number - len(hostile.EACH_OBJECT)]

    outcome_of(value, content_type)


@given(hostile.VALUES, st.none() | st.text())
def test_content_of_any_value_is_whole_or_an_exception(value, content_type):
    """
    The same for what hypothesis makes of them.
    """
    outcome_of(value, content_type)


class LyingImage:
    mode, size = "RGB", (10**9, 10**9)

    def tobytes(self):
        return "text"

    def save(self, file, name):
        file.write(b"x")


class RaisingImage(LyingImage):
    def save(self, file, name):
        raise OSError("truncated")


@pytest.mark.parametrize("image", [LyingImage(), RaisingImage()], ids=as_id)
def test_image_that_lies_or_raises_is_an_exception(image):
    """
    Never a name over what is no pixels.
    """
    assert isinstance(outcome_of(image), Exception)


def test_import_of_payloads_loads_no_package_of_values():
    """
    numpy, Pillow and mimetypes wait for a value that needs them.
    """
    script = (
        "import sys, mllog; mllog.Payload([1]).content\n"
        "print({'numpy', 'PIL', 'torch', 'mimetypes'} & set(sys.modules))"
    )

    found = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        text=True,
    )

    assert "set()" == found.stdout.strip()
