"""
Objects that somebody may put into extra=, as hypothesis strategies.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import logging
import pathlib
import types
import uuid
from typing import Any
from unittest.mock import MagicMock

import numpy as np
from hypothesis import strategies as st


class Colour(enum.Enum):
    RED = "red"
    DEEP = (1, float("nan"))


class Number(enum.IntEnum):
    ONE = 1


class RaisingRepr:
    def __repr__(self) -> str:
        raise ValueError("no repr")


class HugeRepr:
    def __repr__(self) -> str:
        return "x" * 200_000


class OddRepr:
    def __repr__(self) -> str:
        return "a\r\n\x1b[31mred\x00\u202e\ud800"


class RaisingEverything:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __len__(self) -> int:
        raise RuntimeError("len")

    def __iter__(self) -> Any:
        raise RuntimeError("iter")

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    __hash__ = object.__hash__


class Liar:
    def __init__(self, kind: type) -> None:
        self._kind = kind

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return self._kind


class Endless(collections.abc.Sequence):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: Any) -> Any:
        return index


class RaisingMapping(collections.abc.Mapping):  # type: ignore[type-arg]
    def __getitem__(self, key: Any) -> Any:
        raise RuntimeError("getitem")

    def __iter__(self) -> Any:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


class Chain:
    """
    Its plain value is another like it, without end.
    """

    def __log_value__(self) -> Any:
        return Chain()


class SpokenFor(str):
    def __log_value__(self) -> Any:
        return "***"


class HiddenName(type):
    def __getattribute__(cls, name: str) -> Any:
        if name == "__name__":
            raise RuntimeError(name)
        return super().__getattribute__(name)


class Nameless(metaclass=HiddenName):
    def __repr__(self) -> str:
        raise ValueError


class PydanticLike:
    def model_dump(self) -> dict[str, Any]:
        return {"name": "resnet50", "score": np.float32(0.5)}


@dataclasses.dataclass
class Point:
    x: Any = 1
    _hidden: Any = "hidden"


@dataclasses.dataclass
class Spoken:
    x: int = 1

    def __log_value__(self) -> Any:
        return {"spoken": self.x}


Pair = collections.namedtuple("Pair", "left right")


def cycle() -> list[Any]:
    found: list[Any] = [1]
    found += [found, {"again": found}, found]
    return found


def deep(levels: int) -> Any:
    found: Any = "bottom"
    for level in range(levels):
        found = [found] if level % 2 else {"k": found}
    return found


def self_holding() -> Point:
    point = Point()
    point.x = [point, point]
    return point


def one_of_these(values: list[Any]) -> Any:
    """
    Like sampled_from(), but never asks a value for its repr.
    """
    return st.integers(0, len(values) - 1).map(lambda n: values[n])


TEXTS = st.one_of(
    st.text(st.characters(), max_size=40),
    st.sampled_from(
        [
            "\ud800",
            "nul\x00",
            "a\r\nb\nc",
            "\x1b[31mred\x1b[0m",
            "\u202eevil\u2066\u2028\u2029\x85",
            "NaN",
            "null",
            "😀",
            "\\ud800",
            '"quoted" \\ = value',
            "x" * 70_000,
        ]
    ),
)

NUMBERS = st.one_of(
    st.integers(),
    st.integers(min_value=2**62, max_value=2**80),
    st.floats(),
    st.booleans(),
    st.decimals(),
    st.fractions(),
    one_of_these(
        [
            10**600,
            10**5000,
            -(10**5000),
            -(2**64) + 1,
            decimal.Decimal("sNaN"),
            decimal.Decimal("1e400"),
            fractions.Fraction(10**400, 3),
            complex(1, 2),
        ]
    ),
)

EACH_ARRAY = [
    np.float16(1.5),
    np.float32("nan"),
    np.float64("inf"),
    np.int64(7),
    np.uint64(2**64 - 1),
    np.bool_(True),
    np.str_("text"),
    np.bytes_(b"bytes"),
    np.longdouble("1.5"),
    np.longdouble("nan"),
    np.clongdouble(1 + 2j),
    np.complex64(1j),
    np.datetime64("NaT", "s"),
    np.datetime64("2026-11-21T06:45:12.000317"),
    np.timedelta64("NaT", "s"),
    np.timedelta64(5, "s"),
    np.timedelta64(5, "Y"),
    np.array(3.5),
    np.array("text"),
    np.array(None, dtype=object),
    np.array([1, 2, 3]),
    np.array([1.0, float("nan")]),
    np.array([[1, 2], [3, 4]])[:, ::-1],
    np.arange(100_000)[::3],
    np.zeros((2, 0)),
    np.array([RaisingRepr(), None, float("nan")], dtype=object),
    np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")])[0],
    np.array(["2026-11-21", "NaT"], dtype="M8[ns]"),
    np.array([1, 2], dtype="m8[s]"),
    np.array([np.longdouble(1)]),
    np.ma.masked,
    np.ma.masked_array([1, 2], [False, True]),
    np.array(["a", "\ud800"]),
]
ARRAYS = one_of_these(EACH_ARRAY)

# made anew for each example: they may not be changed by anything
EACH_OBJECT = [
    RaisingRepr,
    HugeRepr,
    OddRepr,
    RaisingEverything,
    Endless,
    RaisingMapping,
    Chain,
    PydanticLike,
    Nameless,
    MagicMock,
    Point,
    Spoken,
    object,
    cycle,
    self_holding,
    lambda: SpokenFor("secret"),
    lambda: Point,
    lambda: deep(40),
    lambda: deep(100_000),
    lambda: Liar(dict),
    lambda: Liar(str),
    lambda: Liar(int),
    lambda: Liar(float),
    lambda: Liar(bool),
    lambda: Liar(bytes),
    lambda: Liar(logging.LogRecord),
    lambda: Liar(decimal.Decimal),
    lambda: Liar(enum.Enum),
    lambda: Liar(tuple),
    lambda: (n for n in range(3)),
    lambda: Colour.RED,
    lambda: Colour.DEEP,
    lambda: Number.ONE,
    lambda: Pair(1, float("nan")),
    lambda: collections.OrderedDict(a=1, b=None),
    lambda: collections.defaultdict(list, {"a": [1]}),
    lambda: collections.deque([1, 2]),
    lambda: types.MappingProxyType({"a": {1, 2}}),
    lambda: range(10**12),
    lambda: {1, 2},
    lambda: frozenset({"a"}),
    lambda: {None: 1, "null": 2, "null_": 3},
    lambda: {(1, 2): "t", Colour.RED: "e", b"k": "b", 1.5: "f"},
    lambda: {True: 1, "true": 2, 10**5000: 3, Number.ONE: 4},
    lambda: {RaisingRepr(): 1, RaisingRepr(): 2, RaisingRepr(): 3},
    lambda: {np.str_("k"): 1, np.int64(2): 2, "\ud800": 3, "…": 4},
    lambda: b"bytes",
    lambda: b"\xff" * 10_000,
    lambda: bytearray(b"\x00"),
    lambda: memoryview(b"abcdef")[::2],
    lambda: pathlib.Path("/tmp/x"),
    lambda: uuid.UUID(int=7),
    lambda: ValueError("wrong\n\x1b[0m"),
    lambda: datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
    lambda: datetime.datetime(1, 1, 1),
    lambda: datetime.time(
        1, 2, 3, 4, datetime.timezone(datetime.timedelta(hours=1))
    ),
    lambda: datetime.date(2026, 1, 2),
    lambda: datetime.timedelta(seconds=1.5),
    lambda: datetime.datetime(
        1900,
        1,
        1,
        tzinfo=datetime.timezone(datetime.timedelta(seconds=1172)),
    ),
    lambda: len,
    lambda: logging,
    lambda: list(range(20_000)),
]
OBJECTS = one_of_these(EACH_OBJECT).map(lambda make: make())

LEAVES = st.one_of(st.none(), TEXTS, NUMBERS, ARRAYS, OBJECTS)
KEYS = st.one_of(
    st.text(st.characters(), max_size=8),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(max_size=4),
    st.tuples(st.integers(), st.text(max_size=3)),
    st.sampled_from([*Colour, *Number, "metrics", "nonfinite"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(KEYS, inner, max_size=4),
        st.builds(Point, inner),
        st.builds(Pair, inner, inner),
    ),
    max_leaves=8,
)
NAMES = st.one_of(
    st.text(st.characters(), max_size=12),
    st.sampled_from(
        [
            "loss",
            "step",
            "metrics",
            "timestamp",
            "level",
            "logger",
            "exception",
            "stack",
            "nonfinite",
            "mllog_truncated",
            "formatter_error",
            "error.type",
            "@timestamp",
            "inference_latency",
            "_private",
            "a\nb",
        ]
    ),
)
FIELDS = st.dictionaries(NAMES, VALUES, max_size=5)
MESSAGES = st.one_of(
    TEXTS,
    st.sampled_from(
        [
            None,
            b"bytes",
            ValueError("as a message"),
            {"event": "dict", "loss": float("nan"), "message": "own"},
            {None: 1, "null": 2},
            "%d rows",
            "%(name)s",
            "%s and %s",
            "100 %",
            "%",
        ]
    ),
    OBJECTS,
)
ARGS = st.one_of(
    st.just(()),
    st.tuples(VALUES),
    st.tuples(VALUES, VALUES),
    st.tuples(st.dictionaries(st.text(max_size=4), LEAVES, min_size=1)),
)


def failed_with(error: BaseException) -> Any:
    """
    The ``exc_info`` of an *error* that was raised and caught.
    """
    try:
        raise error
    except BaseException as caught:
        return type(caught), caught, caught.__traceback__


@st.composite
def records(draw: Any, trouble: bool = True) -> logging.LogRecord:
    """
    Any record that ``logger.log(level, any, *any, extra=any)`` can make.
    """
    import mllog

    exc_info = None
    if trouble and draw(st.booleans()):
        exc_info = draw(
            st.sampled_from(
                [
                    (None, None, None),
                    failed_with(ValueError("plain")),
                    failed_with(
                        ValueError("x\n2026 INFO forged\x1b[31m\ud800")
                    ),
                ]
            )
        )
    record = logging.getLogger("test.records").makeRecord(
        draw(st.sampled_from(["app", "app.serving", "a\nb"])),
        draw(st.sampled_from([logging.INFO, logging.ERROR, 7])),
        "/app/serve.py",
        12,
        draw(MESSAGES),
        draw(ARGS),
        exc_info,
        "predict",
        mllog.extra(**draw(FIELDS)),
        "Stack:\n  line\x1b[0m" if trouble and draw(st.booleans()) else None,
    )
    return record


def strict(line: bytes) -> Any:
    """
    The one object of *line*, or an AssertionError: RFC 8259 to the letter.
    """

    def constant(name: str) -> Any:
        raise AssertionError(f"{name} is not JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        assert len(set(keys)) == len(keys), f"a key stands twice: {keys}"
        return dict(pairs)

    assert not any(byte < 0x20 for byte in line), "raw control byte"
    found = json.loads(
        line.decode("utf-8"), parse_constant=constant, object_pairs_hook=unique
    )
    json.dumps(found, ensure_ascii=False).encode()  # no lone surrogate
    return found


def state_of(record: logging.LogRecord) -> dict[str, Any]:
    """
    What must be the same after a record was formatted: identities too.
    """
    return {name: id(value) for name, value in record.__dict__.items()}
