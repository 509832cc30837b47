"""
Any Python object becomes a plain JSON value; no object makes it raise.

One policy for every formatter and meter:

* numpy, torch, JAX and TensorFlow scalars are numbers, found by what they can
  do, never by importing their package;
* arrays, tensors and bytes that are not small become a summary, never a dump;
* what has no better form is written as its ``repr``, or as its type's name if
  that raises.

Lines, bounds and NaN are the business of :mod:`mllog.encoding`.
"""

from __future__ import annotations

import array
import binascii
import codecs
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import math
import os
import uuid
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from .recursion import bounded

__all__ = [
    "CONTROLS",
    "ESCAPES",
    "clean",
    "convert",
    "encodable",
    "foreign",
    "is_frame",
    "key_of",
    "name_of",
    "number",
    "shape_of",
    "whole",
]

#: What is never written raw, as a part of a regular expression: C0, DEL, C1,
#: line and paragraph separators, and bidi controls.
CONTROLS: Final = (
    "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
)
#: The error handler of codecs that writes what an encoding lacks as JSON does.
ESCAPES: Final = "mllog.escapes"

_PLAIN = frozenset({str, int, float, bool, list, dict})
_SMALL_ITEMS = 16
_SMALL_BYTES = 64
_MINUTE = datetime.timedelta(minutes=1)
_NO_TIME = datetime.timedelta()
_MAX_SEQUENCE = 10_000
# how tables give their rows: Polars, Arrow, pandas
_ROWS: Final = {"to_dicts": (), "to_pylist": (), "to_dict": ("records",)}


def convert(value: Any) -> Any:
    """
    A plain value for an object that JSON does not know: the encoder's hook.

    A class may have its say with a method ``__log_value__``; an Enum is its
    value.
    """
    if value is None or type(value) in _PLAIN:
        return value
    plain = foreign(value)
    return name_of(value) if plain is value else plain


def whole(value: Any) -> Any:
    """
    One step towards a plain value that is stored: nothing is summed up.

    Arrays, tensors and frames become lists, however long; bytes that are no
    text become ``{"b64": …}``.  For the rest it does as :func:`foreign`.
    """
    try:
        if callable(getattr(type(value), "__log_value__", None)):
            return foreign(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return _bytes_in_full(bytes(value))
        if is_frame(value):
            return _rows(value)
        # these hold all their items already; a range does not
        if isinstance(value, (list, set, frozenset, collections.deque)):
            return list(value)
        if shape_of(value) or isinstance(value, array.array):
            return _listed(value)
    except Exception:
        return name_of(value)
    return foreign(value)


def _bytes_in_full(data: bytes) -> Any:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"b64": binascii.b2a_base64(data, newline=False).decode()}


def is_frame(value: Any) -> bool:
    """
    Whether *value* is a table of pandas, Polars or Arrow.
    """
    kind = type(value)
    return hasattr(kind, "columns") and any(hasattr(kind, n) for n in _ROWS)


def _rows(frame: Any) -> list[dict[Any, Any]]:
    """
    The rows of a table, as mappings.
    """
    for name, args in _ROWS.items():
        if hasattr(frame, name):
            return list(getattr(frame, name)(*args))
    return []


def number(value: Any) -> float | None:
    """
    *value* as a float, NaN included; None if it is not a number.

    A bool is not a number, and neither is text that looks like one.  A numpy
    scalar, a tensor of no dimensions, a Decimal and a Fraction are.
    """
    if type(value) is float:
        return value
    try:
        if isinstance(value, (int, float)):
            return None if isinstance(value, bool) else _float(value)
        if value is None or isinstance(value, (str, bytes)):
            return None
        if isinstance(value, (decimal.Decimal, fractions.Fraction)):
            return _float(value)
        if shape_of(value) == ():
            item = _item(value)
            return None if item is value else number(item)
    except Exception:
        return None
    return None


def _float(value: Any) -> float:
    """
    *value* as a float; infinite where no float is as large.
    """
    if isinstance(value, decimal.Decimal) and value.is_nan():
        return math.nan  # a signalling one would raise
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def foreign(value: Any) -> Any:
    """
    One step from any object towards a plain value; *value* itself if none is.
    """
    try:
        if isinstance(value, enum.Enum):
            return value.value
        if callable(own := getattr(type(value), "__log_value__", None)):
            return bounded(own, name_of, value)
        for kinds, plain in _KINDS:
            if isinstance(value, kinds):
                return plain(value)
        shape = shape_of(value)
        if shape is not None:
            return _array(value, shape)
        return bounded(_structure, name_of, value)
    except Exception:
        return name_of(value)


def _structure(value: Any) -> Any:
    """
    Mappings, sequences and objects with fields; else what ``repr`` says.
    """
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    if isinstance(value, Mapping):
        return dict(value.items())
    if isinstance(value, (Sequence, AbstractSet)):
        length = len(value)
        if length > _MAX_SEQUENCE:
            return {"type": type(value).__name__, "length": length}
        return list(islice(value, length))  # it may never come to an end
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {n: getattr(value, n) for n in names if not n.startswith("_")}
    if callable(dump := getattr(type(value), "model_dump", None)):
        return dict(dump(value))
    return _repr(value)


def _repr(value: Any) -> str:
    text = repr(value)
    # a repr that is not a string would be asked for again, and again
    return str(text) if type(text) is str else name_of(value)


def name_of(value: Any) -> str:
    """
    The type of *value*, where nothing better can be said of it.
    """
    try:
        return f"<{type(value).__name__}>"
    except Exception:  # a metaclass can forbid even this
        return "<object>"


def shape_of(value: Any) -> tuple[int, ...] | None:
    """
    The shape of an array-like, else None; a mock has none.
    """
    shape = getattr(value, "shape", None)
    if shape is None or isinstance(value, type):
        return None
    if not isinstance(shape, tuple):
        if not hasattr(type(value), "shape"):
            return None  # a mock answers to any name
        try:
            shape = tuple(shape)
        except Exception:
            return None
    if all(isinstance(n, int) for n in shape):
        return tuple(map(int, shape))
    return None


def _item(value: Any) -> Any:
    """
    The Python scalar in an array of no dimensions.
    """
    dtype = str(getattr(value, "dtype", ""))
    if dtype.startswith(("datetime64", "<M8")):
        return math.nan if str(value) == "NaT" else str(value)
    if dtype.startswith(("timedelta64", "<m8")):
        return value.astype("timedelta64[us]").item().total_seconds()
    if not hasattr(value, "item"):
        value = value.numpy()
    # what is masked has an item, but tolist() says None
    item = value.tolist() if hasattr(value, "mask") else value.item()
    if type(item) is type(value):  # numpy's longdouble gives itself
        return complex(value) if "complex" in dtype else float(value)
    return item


def _array(value: Any, shape: tuple[int, ...]) -> Any:
    """
    A number, a short list or a summary; a device's memory is not copied for one.
    """
    if shape == ():
        try:
            return _item(value)
        except Exception:  # a tensor without data, or a device that failed
            return _summary(value, shape)
    on_host = "cpu" in str(getattr(value, "device", "cpu")).lower()
    if (
        on_host
        and math.prod(shape) <= _SMALL_ITEMS
        and hasattr(value, "tolist")
    ):
        return _listed(value)
    return _summary(value, shape)


def _listed(value: Any) -> Any:
    if not hasattr(value, "tolist"):  # TensorFlow's
        value = value.numpy()
    if getattr(getattr(value, "dtype", None), "kind", "") in ("M", "m"):
        return list(value)  # tolist() gives numbers without a unit
    return value.tolist()


def _summary(value: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "type": type(value).__name__,
        "shape": list(shape),
    }
    dtype = getattr(value, "dtype", None)
    if dtype is not None:
        summary["dtype"] = str(dtype)
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        summary["bytes"] = size
    return summary


def _bytes(value: bytes | bytearray | memoryview) -> Any:
    size = value.nbytes if isinstance(value, memoryview) else len(value)
    if size <= _SMALL_BYTES:
        return bytes(value).decode("utf-8", "backslashreplace")
    return {"type": type(value).__name__, "bytes": size}


def _when(value: datetime.datetime | datetime.time) -> str:
    offset = value.utcoffset()
    if offset and offset % _MINUTE:
        # RFC 3339 has no seconds of an offset; orjson rounds them so
        hours, minutes = divmod(int(abs(offset) / _MINUTE + 0.5), 60)
        sign = "+" if offset > _NO_TIME else "-"
        local = value.replace(tzinfo=None).isoformat()
        return f"{local}{sign}{hours:02d}:{minutes:02d}"
    text = value.isoformat()
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def _decimal(value: decimal.Decimal) -> Any:
    """
    A number where a float says the same, else all the digits as text.
    """
    if not value.is_finite():
        return _float(value)
    try:
        real = float(value)
        same = decimal.Decimal(repr(real)) == value
    except OverflowError:
        return str(value)
    return real if same else str(value)


def _fraction(value: fractions.Fraction) -> Any:
    real = _float(value)
    return real if math.isfinite(real) else str(value)


def _exception(value: BaseException) -> str:
    return f"{type(value).__name__}: {bounded(str, name_of, value)}"


def key_of(key: Any) -> str:
    """
    The text of a mapping's key, as the stdlib's encoder writes it.
    """
    if type(key) is str:
        return key
    if key is None or key is True or key is False:
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, str) and issubclass(type(key), str):
        return str(str.__str__(key))
    try:
        if isinstance(key, enum.Enum):
            return key_of(key.value)
        if isinstance(key, int):
            return int.__repr__(key)
        if isinstance(key, float):
            return float.__repr__(key)
        return str(key if isinstance(key, tuple) else foreign(key))
    except Exception:  # a repr that raises, or too many digits to print
        return name_of(key)


def clean(text: str) -> str:
    """
    *text* without lone surrogates, which no encoding can write.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def encodable(text: str, encoding: str | None) -> str:
    r"""
    *text* with ``\u00e9`` for what *encoding* lacks, as JSON writes it.

    Python's own ``backslashreplace`` gives ``\xe9`` and ``\U0001f600``,
    which are no JSON.

    Args:
        text: A formatted line.

        encoding: That of the stream it is for; None takes any text.
    """
    if text.isascii() or encoding is None or _takes_any(encoding):
        return text
    lacking = [each for each in set(text) if not _is_kept(each, encoding)]
    return text.translate({ord(each): _escapes(each) for each in lacking})


def _is_kept(character: str, encoding: str) -> bool:
    """
    Whether *encoding* has it; Shift JIS writes a yen sign as a backslash.
    """
    try:
        return character.encode(encoding).decode(encoding) == character
    except Exception:  # or it is an encoding that nobody knows
        return character.isascii()


@lru_cache(maxsize=16)
def _takes_any(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name.startswith("utf-")
    except Exception:
        return False


def _escapes(text: str) -> str:
    units = text.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[n : n + 4]}" for n in range(0, len(units), 4))


def _as_escapes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return _escapes(error.object[error.start : error.end]), error.end


codecs.register_error(ESCAPES, _as_escapes)

_KINDS: Final[tuple[tuple[Any, Any], ...]] = (
    (str, str.__str__),
    (int, int),
    (float, float),
    ((datetime.datetime, datetime.time), _when),
    (datetime.date, datetime.date.isoformat),
    (datetime.timedelta, datetime.timedelta.total_seconds),
    (uuid.UUID, str),
    (os.PathLike, os.fspath),
    (decimal.Decimal, _decimal),
    (fractions.Fraction, _fraction),
    (complex, str),
    ((bytes, bytearray, memoryview), _bytes),
    (BaseException, _exception),
)
