"""
Inputs and outputs of a model as JSON, in full up to a bound.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from ..encoding import encode, encode_value, escape_controls
from ..values import foreign, key_of, shape_of

try:
    from orjson import loads
except ImportError:  # where encoding does without it, too

    def loads(text: bytes) -> Any:  # type: ignore[misc]
        """
        Read *text* as strictly as orjson does.
        """
        if b"\\ud" in text.lower():  # may be half of a pair
            raise ValueError
        return json.loads(text.decode(), parse_constant=_refuse)


__all__ = ["payload_of"]

_SCALARS: Final = frozenset({int, float, bool, type(None)})
_BYTES: Final = (bytes, bytearray, memoryview)
_DEEPEST = 250
_SUMMARY_BYTES = 4096
_SUMMARY_ITEMS = 32
_SUMMARY_TEXT = 500


def payload_of(value: Any, max_bytes: int) -> bytes:
    """
    *value* as JSON in UTF-8: numbers, arrays and tensors in full.

    A ``str`` is a JSON string, whatever is in it.  Bytes that hold a JSON
    object or array, as the body of a request does, are taken as they are;
    other bytes are text, or ``{"b64": …}`` where they are none.

    Guarantee:
        Strict JSON (RFC 8259) and no exception.  What would be longer than
        *max_bytes*, or cannot be written in full, is
        ``{"truncated": true, "summary": …}``, and nothing else ever is, unless
        it is logged so.

    Limit:
        NaN and the infinities are ``null``.
    """
    try:
        if issubclass(type(value), _BYTES):
            return _bytes(value, max_bytes) or _summed_up(value)
        if _least_size(value, max_bytes, ()) <= max_bytes:
            data = encode_value(value)
            if len(data) <= max_bytes:
                return data
    except Exception:  # too deep, too many digits, or it raises
        pass
    return _summed_up(value)


def _bytes(value: Any, max_bytes: int) -> bytes:
    """
    Bytes as JSON; none if it would be too long.
    """
    size = value.nbytes if isinstance(value, memoryview) else len(value)
    if size > max_bytes:
        return b""
    data = bytes(value)
    if data.lstrip(b" \t\r\n")[:1] in (b"{", b"["):
        try:
            loads(data)
        except ValueError:
            pass
        else:  # one line: a break can only stand between its parts
            line = data.replace(b"\r", b" ").replace(b"\n", b" ")
            line = escape_controls(line)
            return line if len(line) <= max_bytes else b""
    made = encode_value(data)
    return made if len(made) <= max_bytes else b""


def _least_size(value: Any, room: int, above: tuple[int, ...]) -> int:
    """
    How many bytes the JSON of *value* has at least; beyond *room*, any number.

    So no large array is made a list, and no device asked for one, only to find
    that it is too long.
    """
    kind = type(value)
    if kind is str:
        return len(value)
    if kind in _SCALARS:
        return 1
    if kind is dict:
        return _least_size_of(list(value.values()), room, above, id(value))
    if kind is list or kind is tuple:
        return _least_size_of(value, room, above, id(value))
    if issubclass(kind, _BYTES):
        return value.nbytes if isinstance(value, memoryview) else len(value)
    if callable(getattr(kind, "__log_value__", None)):
        shape = None
    else:
        shape = shape_of(value)
    if shape is not None:
        return 2 * math.prod(shape)
    plain = foreign(value)
    if plain is value or len(above) >= _DEEPEST:
        return 1
    return _least_size(plain, room, (*above, id(value)))


def _least_size_of(
    items: Any, room: int, above: tuple[int, ...], own: int
) -> int:
    size = 2 * len(items)
    if _SCALARS.issuperset(map(type, items)):
        return size
    if own in above or len(above) >= _DEEPEST:
        return 1  # a cycle is written in few bytes, and the deepest not at all
    above = (*above, own)
    for item in items:
        if size > room:
            break
        size += _least_size(item, room - size, above)
    return size


def _summed_up(value: Any) -> bytes:
    return encode(
        {"truncated": True, "summary": _outline(value, is_outer=True)},
        max_bytes=_SUMMARY_BYTES,
    )


def _outline(value: Any, *, is_outer: bool) -> Any:
    """
    *value*, or its type and length; of a short dict each item so.
    """
    kind = type(value)
    if kind is dict and is_outer and len(value) <= _SUMMARY_ITEMS:
        return {
            key_of(key): _outline(item, is_outer=False)
            for key, item in dict(value).items()
        }
    if kind in (list, tuple, dict):
        return {"type": kind.__name__, "length": len(value)}
    if kind is str and len(value) > _SUMMARY_TEXT:
        rest = len(value) - _SUMMARY_TEXT
        return f"{value[:_SUMMARY_TEXT]}…[truncated {rest}]"
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
