"""
A value without its secrets, whatever it is made of.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from ..values import foreign, key_of
from .keys import Keys, Verdict
from .patterns import is_card
from .texts import Texts

__all__ = ["Walk"]

_NOTHING: Final = frozenset((float, bool, type(None)))
_NUMBERS: Final = frozenset((int, float, bool, type(None)))
_LEAST_CARD, _LARGEST_CARD = 10**12, 10**19
# the letters of numpy's dtypes that are objects, text and records
_TEXTUAL: Final = frozenset("OSUVT")
_CYCLE: Final = "<cycle>"
_MOST_BYTES: Final = 8192
_PAIR: Final = 2
_FEW: Final = 64


class Walk:
    """
    One walk over the values of one record.

    A value without secrets is itself what comes back, and nothing is ever
    changed in place: what holds a secret is made anew, as the plain value
    that formatters write for it.

    Args:
        keys: Judges names.

        texts: Takes secrets out of text.

        finds_cards: Whether whole numbers may be those of cards.

        replacement: What stands for a secret, and for what is beyond bounds.

        depth: Levels of nesting.

        nodes: Values in all.
    """

    __slots__ = (
        "_cards",
        "_depth",
        "_keys",
        "_nodes",
        "_open",
        "_replacement",
        "_texts",
    )

    def __init__(
        self,
        keys: Keys,
        texts: Texts,
        *,
        finds_cards: bool,
        replacement: str,
        depth: int,
        nodes: int,
    ) -> None:
        self._keys = keys
        self._texts = texts
        self._cards = finds_cards
        self._replacement = replacement
        self._depth = depth
        self._nodes = nodes
        self._open: set[int] = set()

    def value(self, value: Any, depth: int = 0) -> Any:
        """
        *value* itself if it has no secret; never raises.
        """
        kind = type(value)
        if kind in _NOTHING:
            return value
        if kind is str:
            return self._texts.without_secrets(value)
        if kind is int:
            return self._integer(value)
        if id(value) in self._open:
            return _CYCLE
        self._nodes -= 1
        if self._nodes < 0 or depth >= self._depth:
            return self._replacement
        self._open.add(id(value))
        try:
            return self._made_of_others(value, kind, depth + 1)
        except Exception:  # it cannot be looked at, so nobody else shall
            return self._replacement
        finally:
            self._open.discard(id(value))

    def named(self, key: Any, value: Any, depth: int = 0) -> Any:
        """
        *value* as it may stand under the name *key*.
        """
        verdict = self._keys.of(key)
        if verdict is Verdict.PLAIN:
            if key in self._keys.allowed:
                return value
            return self.value(value, depth)
        if _says_nothing(value):
            return value
        if verdict is Verdict.UNLESS_NUMBER and _is_numbers(value):
            return value
        return self._replacement

    def _integer(self, value: int) -> Any:
        is_long = _LEAST_CARD <= value < _LARGEST_CARD
        if self._cards and is_long and is_card(str(value)):
            return self._replacement
        return value

    def _made_of_others(self, value: Any, kind: type, depth: int) -> Any:
        if issubclass(kind, dict):
            return self._mapping(value, dict(value), depth)
        if kind is list or kind is tuple:
            return self._sequence(value, kind, depth)
        if issubclass(kind, (bytes, bytearray)):
            return self._bytes(value)
        if hasattr(kind, "__log_content__"):  # a payload is stored elsewhere
            return value
        if hasattr(kind, "dtype") and hasattr(kind, "shape"):
            letter = getattr(value.dtype, "kind", "")
            is_one = letter in ("i", "u") and not value.shape
            if letter not in _TEXTUAL and not is_one:
                return value
        if dataclasses.is_dataclass(kind) and not hasattr(
            kind, "__log_value__"
        ):
            return self._dataclass(value, depth)
        return self._other(value, depth)

    def _mapping(
        self, whole: Any, items: Mapping[Any, Any], depth: int
    ) -> Any:
        found: dict[Any, Any] = {}
        changed = False
        named = self._header_of(items)
        for key, value in items.items():
            if self._nodes < 0:
                found["…"], changed = self._replacement, True
                break
            new_key = self._key(key)
            new = self.named(key, value, depth)
            if named is not None and key == "value":
                new = self.named(named, value, depth)
            self._nodes -= 1
            changed = changed or new is not value or new_key is not key
            found[new_key] = new
        return found if changed else whole

    def _key(self, key: Any) -> Any:
        """
        *key*, or what may be said of it: a key can be somebody's address.
        """
        if type(key) is str:
            return self._texts.without_secrets(key)
        if type(key) in _NUMBERS or isinstance(key, enum.Enum):
            return key
        text = key_of(key)
        clean = self._texts.without_secrets(text)
        return key if clean is text else clean

    def _header_of(self, items: Mapping[Any, Any]) -> Any:
        """
        The name in ``{"name": "Authorization", "value": …}``.
        """
        if "value" not in items or len(items) == 1:
            return None
        name = items.get("name") or items.get("key")
        return name if isinstance(name, (str, bytes)) else None

    def _sequence(self, whole: Any, kind: type, depth: int) -> Any:
        if _NUMBERS.issuperset(map(type, whole)):
            # longer ones are token ids and the like
            return whole if len(whole) > _FEW else self._few(whole, kind)
        first = whole[0]
        if len(whole) == _PAIR and isinstance(first, (str, bytes)):
            # a header, or an item of a mapping
            pair = (
                self.value(first, depth),
                self.named(first, whole[1], depth),
            )
            same = pair[0] is first and pair[1] is whole[1]
            return whole if same else kind(pair)
        return self._items(whole, kind, depth)

    def _few(self, whole: Any, kind: type) -> Any:
        new = [self._integer(n) if type(n) is int else n for n in whole]
        same = all(map(_is, new, whole))
        return whole if same else kind(new)

    def _items(self, whole: Any, kind: Any, depth: int) -> Any:
        found: list[Any] = []
        for item in islice(whole, max(0, self._nodes) + 1):
            if self._nodes < 0:
                break
            self._nodes -= 1
            found.append(self.value(item, depth))
        if len(found) == len(whole) and all(map(_is, found, whole)):
            return whole
        if len(found) < len(whole):
            found.append(self._replacement)
        return kind(found)

    def _bytes(self, value: Any) -> Any:
        if len(value) > _MOST_BYTES:  # a payload: its size is what is written
            return value
        text = bytes(value).decode("utf-8", "backslashreplace")
        clean = self._texts.without_secrets(text)
        return value if clean is text else clean

    def _dataclass(self, value: Any, depth: int) -> Any:
        names = [field.name for field in dataclasses.fields(value)]
        return self._mapping(
            value, {name: getattr(value, name) for name in names}, depth
        )

    def _other(self, value: Any, depth: int) -> Any:
        plain = foreign(value)
        if plain is value:
            return value
        clean = self.value(plain, depth)
        return value if clean is plain else clean


def _is(one: Any, other: Any) -> bool:
    return one is other


def _says_nothing(value: Any) -> bool:
    """
    Whether no secret can be in *value*: None, a bool, a float of any kind.
    """
    kind = type(value)
    if kind in _NOTHING:
        return True
    try:
        return (
            hasattr(kind, "dtype")
            and "float" in str(value.dtype)
            and not value.shape
        )
    except Exception:
        return False


def _is_numbers(value: Any) -> bool:
    """
    Whether *value* is a number or a list of them: counts, ids of tokens.
    """
    kind = type(value)
    if kind is list or kind is tuple:
        return _NUMBERS.issuperset(map(type, value))
    return kind in _NUMBERS or _is_number_array(kind, value)


def _is_number_array(kind: type, value: Any) -> bool:
    try:
        return (
            hasattr(kind, "dtype")
            and getattr(value.dtype, "kind", "i") not in _TEXTUAL
        )
    except Exception:
        return False
