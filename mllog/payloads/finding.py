"""
Which of a record's fields are payloads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import count, islice
from typing import Any

from ..values import is_frame, key_of, shape_of
from .images import is_image
from .payload import Payload

__all__ = ["find_payloads"]

# a long list of numbers is not asked item by item, in each record
_LOOKED_AT = 64
_SCALARS = frozenset({str, int, float, bool, type(None)})
_PLAIN = _SCALARS | {list, tuple, dict}


def find_payloads(
    fields: Mapping[str, Any], names: Collection[str]
) -> list[tuple[str, Any, str | None]]:
    """
    Name, value and content type of each payload in a record's fields.

    A field in *names* is one payload; a list, tuple or dict that holds bytes,
    images, arrays or Payloads is one payload per item (``images.0``,
    ``inputs.left``), while token ids and plain JSON stay one.  Of the other
    fields the Payloads are found, at top level and one level deep.

    Args:
        fields: The record's fields.

        names: The fields that are stored even without Payload.  None is no
            payload.

    Limit:
        A list or dict counts as holding payloads if one is among its first 64
        items.
    """
    found: dict[str, tuple[Any, str | None]] = {}
    for field, value in fields.items():
        if type(value) in _SCALARS and field not in names:
            continue  # as most fields are
        for name, item in _payloads_in(field, value, field in names):
            while name in found:  # {"a": [x], "a.0": y}
                name = f"{name}_"
            own = item.content_type if _is_payload(item) else None
            found[name] = item, own
    return [(name, *each) for name, each in found.items()]


def _payloads_in(
    field: str, value: Any, is_named: bool
) -> Iterator[tuple[str, Any]]:
    if _is_payload(value):
        yield field, value
        return
    keys, items = _items_of(value)
    if _holds_payloads(items, is_named):
        for key, item in zip(keys, items, strict=False):
            if is_named or _is_payload(item):
                yield f"{field}.{key_of(key)}", item
    elif is_named and value is not None:
        yield field, value


def _items_of(value: Any) -> tuple[Iterable[Any], Iterable[Any]]:
    """
    The keys and items of a list, tuple or dict; of all else none.
    """
    kind = type(value)
    if issubclass(kind, dict):
        copied = dict(value)  # another thread may be writing to it
        return copied.keys(), copied.values()
    return count(), value if issubclass(kind, (list, tuple)) else ()


def _holds_payloads(items: Iterable[Any], is_named: bool) -> bool:
    first = list(islice(items, _LOOKED_AT))
    if _PLAIN.issuperset(map(type, first)):
        return False
    return any(map(_is_raw if is_named else _is_payload, first))


def _is_payload(value: Any) -> bool:
    # not isinstance: an object's __class__ may raise
    return issubclass(type(value), Payload)


def _is_raw(value: Any) -> bool:
    """
    Whether an item is a payload by itself, and no number or plain JSON.
    """
    if type(value) in _PLAIN:
        return False
    if issubclass(type(value), (bytes, bytearray, memoryview, Payload)):
        return True
    try:
        return bool(shape_of(value)) or is_frame(value) or is_image(value)
    except Exception:
        return False
