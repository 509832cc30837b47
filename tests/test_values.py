"""
mllog.values: any object becomes a plain value.
"""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import math
import pathlib
import uuid
import zoneinfo
from unittest.mock import MagicMock, Mock

import hostile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog import values
from mllog.values import clean, convert, key_of, number, shape_of

PLAIN = (str, int, float, bool, list, dict, type(None), tuple)


class Tensor:
    """
    What torch's tensors look like to somebody who does not import torch.
    """

    def __init__(self, shape, item=0.5, device="cpu"):
        self._shape, self._item, self.device = shape, item, device
        self.dtype = "torch.float32"

    @property
    def shape(self):
        return self._shape

    def item(self):
        if isinstance(self._item, Exception):
            raise self._item
        return self._item

    def tolist(self):
        return [self._item] * math.prod(self._shape)


class Shape:
    """
    TensorFlow's TensorShape: iterable, but no tuple.
    """

    def __init__(self, *sizes):
        self._sizes = sizes

    def __iter__(self):
        return iter(self._sizes)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(1.5), 1.5),
        (np.float16(0.5), 0.5),
        (np.float64(2.5), 2.5),
        (np.longdouble("1.5"), 1.5),
        (np.int64(7), 7),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("text"), "text"),
        (np.bytes_(b"bytes"), "bytes"),
        (np.datetime64("2026-11-21T06:45"), "2026-11-21T06:45"),
        (np.timedelta64(1500, "ms"), 1.5),
        (np.array(3.5), 3.5),
        (np.array([1, 2]), [1, 2]),
        (np.array([[1, 2], [3, 4]])[:, ::-1], [[2, 1], [4, 3]]),
        (np.ma.masked, None),
        (np.ma.masked_array([1, 2], [False, True]), [1, None]),
        (np.zeros((2, 0)), [[], []]),
    ],
)
def test_convert_numpy_gives_plain_values(value, expected):
    """
    numpy's scalars and small arrays are what they hold.
    """
    found = convert(value)

    assert found == expected
    assert type(found) is type(expected)


def test_convert_array_of_times_gives_times():
    """
    A small array of datetime64 is not written as bare numbers.
    """
    found = convert(np.array(["2026-11-21", "NaT"], dtype="M8[s]"))

    assert convert(found[0]) == "2026-11-21T00:00:00"
    assert math.isnan(convert(found[1]))


def test_convert_large_array_gives_a_summary():
    """
    An array of more than 16 items is described and not written.
    """
    found = convert(np.zeros((100, 1000), dtype="f4"))

    assert found == {
        "type": "ndarray",
        "shape": [100, 1000],
        "dtype": "float32",
        "bytes": 400_000,
    }


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (Tensor(()), 0.5),
        (Tensor(Shape()), 0.5),
        (Tensor((2,)), [0.5, 0.5]),
        (
            Tensor((2,), device="cuda:0"),
            {"type": "Tensor", "shape": [2], "dtype": "torch.float32"},
        ),
        (
            Tensor((), item=RuntimeError("CUDA error")),
            {"type": "Tensor", "shape": [], "dtype": "torch.float32"},
        ),
    ],
)
def test_convert_tensor_is_found_by_what_it_can_do(tensor, expected):
    """
    Tensors of no dimensions are numbers; a device is not copied nor trusted.
    """
    assert convert(tensor) == expected


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int = 1
    _y: int = 2


@dataclasses.dataclass(slots=True)
class Slotted:
    x: int = 1


Pair = collections.namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (Colour.RED, "red"),
        (Point(), {"x": 1}),
        (Slotted(), {"x": 1}),
        (Point, f"{__name__}.Point"),
        (Pair(1, 2), {"left": 1, "right": 2}),
        (decimal.Decimal("0.1"), 0.1),
        (
            decimal.Decimal("0.1234567890123456789"),
            "0.1234567890123456789",
        ),
        (decimal.Decimal("1e400"), "1E+400"),
        (decimal.Decimal("Infinity"), math.inf),
        (fractions.Fraction(1, 4), 0.25),
        (pathlib.PurePosixPath("/tmp/x"), "/tmp/x"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (complex(1, 2), "(1+2j)"),
        (b"bytes", "bytes"),
        (b"\xff", "\\xff"),
        (memoryview(b"abcdef")[::2], "ace"),
        (b"x" * 100, {"type": "bytes", "bytes": 100}),
        ({1}, [1]),
        (range(3), [0, 1, 2]),
        (range(10**6), {"type": "range", "length": 10**6}),
        (collections.deque([1]), [1]),
        (collections.OrderedDict(a=1), {"a": 1}),
        (ValueError("wrong"), "ValueError: wrong"),
        (datetime.timedelta(seconds=1.5), 1.5),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.time(1, 2), "01:02:00"),
        (
            datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
            "2026-01-02T00:00:00Z",
        ),
        (hostile.RaisingRepr(), "<RaisingRepr>"),
        (hostile.RaisingMapping(), "<RaisingMapping>"),
        (hostile.Nameless(), "<object>"),
        (hostile.Endless(), [0, 1, 2]),
        (hostile.Liar(dict), "<Liar>"),
        (hostile.PydanticLike(), {"name": "resnet50", "score": 0.5}),
    ],
    ids=lambda _: "value",
)
def test_convert_object_gives_its_plain_form(value, expected):
    """
    What the standard library and its kin make has one obvious plain form.
    """
    assert convert(value) == expected


def test_convert_generator_is_not_consumed():
    """
    A generator is named, and still gives all it has.
    """
    generator = (n for n in range(3))

    convert(generator)

    assert list(generator) == [0, 1, 2]


@pytest.mark.parametrize("mock", [Mock(), MagicMock()])
def test_shape_of_mock_is_none(mock):
    """
    A mock, which answers to every name, has no shape.
    """
    assert shape_of(mock) is None
    assert number(mock) is None


@given(value=hostile.LEAVES)
def test_convert_any_leaf_gives_something_else(value):
    """
    Whatever it is given, convert() raises nothing and never gives it back.
    """
    found = convert(value)

    assert type(value) in PLAIN or found is not value


@given(value=hostile.VALUES)
def test_number_any_value_gives_float_or_none(value):
    """
    Whatever it is given, number() is a float or None.
    """
    found = number(value)

    assert found is None or type(found) is float


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
        (np.int8(3), 3.0),
        (np.array(2.0), 2.0),
        (Tensor(()), 0.5),
        (decimal.Decimal("0.5"), 0.5),
        (fractions.Fraction(1, 2), 0.5),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        (fractions.Fraction(-(10**400), 3), -math.inf),
        (True, None),
        (np.bool_(True), None),
        ("1.5", None),
        (np.str_("1.5"), None),
        (b"1", None),
        (None, None),
        ([1], None),
        (np.array([1.0]), None),
        (np.ma.masked, None),
        (1j, None),
    ],
    ids=lambda _: "value",
)
def test_number_of_value_is_what_it_measures(value, expected):
    """
    Numbers of any library are floats; bools, texts and arrays are none.
    """
    assert number(value) == expected


@pytest.mark.parametrize(
    "value",
    [float("nan"), np.float32("nan"), decimal.Decimal("sNaN")],
)
def test_number_of_nan_is_nan(value):
    """
    NaN is a number, and stays what it is.
    """
    assert math.isnan(number(value))


class Mode(enum.IntEnum):
    FAST = 3


class Word(str, enum.Enum):
    HELLO = "hello"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a", "a"),
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (1.5, "1.5"),
        (Mode.FAST, "3"),
        (Word.HELLO, "hello"),
        (Colour.RED, "red"),
        (b"k", "k"),
        (np.str_("s"), "s"),
        (np.int64(2), "2"),
        ((1, "a"), "(1, 'a')"),
        (10**5000, "<int>"),
        (hostile.RaisingRepr(), "<RaisingRepr>"),
        ((hostile.RaisingRepr(),), "<tuple>"),
        (hostile.Liar(str), "<Liar>"),
        (hostile.Liar(bool), "<Liar>"),
        (hostile.Liar(int), "<Liar>"),
    ],
    ids=lambda _: "value",
)
def test_key_any_object_has_one_text(key, expected):
    """
    Keys are written as JSON's own encoder does, and odd ones by their type.
    """
    assert key_of(key) == expected


def whole_seconds(offset):
    """
    A zone of whole seconds; not the last half minute of an hour, of which
    orjson makes +16:60.
    """
    seconds = int(offset.total_seconds())
    if abs(seconds) % 3600 >= 3570:
        seconds -= seconds % 60
    return datetime.timezone(datetime.timedelta(seconds=seconds))


@given(
    when=st.datetimes(
        timezones=st.one_of(
            st.none(),
            st.sampled_from(
                [
                    datetime.timezone.utc,
                    zoneinfo.ZoneInfo("Europe/London"),
                    zoneinfo.ZoneInfo("Asia/Kathmandu"),
                ]
            ),
            st.timedeltas(
                datetime.timedelta(hours=-23), datetime.timedelta(hours=23)
            ).map(whole_seconds),
        )
    )
)
def test_datetime_any_is_what_orjson_writes(when):
    """
    Times look the same whoever wrote them.
    """
    orjson = pytest.importorskip("orjson")
    expected = orjson.loads(orjson.dumps(when, option=orjson.OPT_UTC_Z))

    assert convert(when) == expected


def test_clean_text_without_surrogates_is_the_same_object():
    """
    Text that can be encoded is not copied.
    """
    text = "grüße"

    assert clean(text) is text
    assert clean("\ud800") == "\\ud800"


def test_values_import_no_array_library():
    """
    The module knows numpy and torch by what they can do.
    """
    assert not {"numpy", "np", "torch"} & set(vars(values))
