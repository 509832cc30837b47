"""
A value without its secrets, whatever it is made of.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from ..values import foreign, key_of
from .keys import Keys, Verdict
from .patterns import is_card
from .texts import PAIR_NAMES, PAIR_VALUES, SAYS_NOTHING, Texts

__all__ = ["LEAST_CARD", "Walk"]

_NOTHING: Final = frozenset((float, bool, type(None)))
_NUMBERS: Final = frozenset((int, float, bool, type(None)))
#: No whole number below it is that of a card.
LEAST_CARD: Final = 10**12
_LARGEST_CARD: Final = 10**19
# the letters of numpy's dtypes that are objects, text and records
_TEXTUAL: Final = frozenset("OSUVT")
_CYCLE: Final = "<cycle>"
_MOST_BYTES: Final = 8192
_CONTAINERS: Final = frozenset((dict, list, tuple))
_PAIR: Final = 2
_FEW: Final = 64
_MOST_LEVELS: Final = 3
_MOST_HELD: Final = 64
# a mapping that says one name and its value says little more
_MOST_OF_PAIR: Final = 16
_FLAG = re.compile(r"--?[A-Za-z][\w-]*")
# programs whose options for a password have no telling name
_LOGINS: Final = {
    "curl": frozenset(("-u", "--user", "-U", "--proxy-user")),
    "docker": frozenset(("-p",)),
    "mysql": frozenset(("-p",)),
    "redis-cli": frozenset(("-a",)),
    "sshpass": frozenset(("-p",)),
}
_NO_LOGIN: Final[frozenset[str]] = frozenset()
# of a JSON Web Key the numbers that are private
_KEY_TYPE: Final = "kty"
_NOTHING_HIDDEN: Final[frozenset[str]] = frozenset()
# {"username": …, "key": …} of kaggle.json
_KAGGLE: Final = frozenset(("key",))
_PRIVATE_NUMBERS: Final = frozenset(("d", "p", "q", "dp", "dq", "qi", "k"))


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
            is_flat = type(value) not in _CONTAINERS
            return value if is_flat else self.value(value, depth)
        return self._replacement

    def _integer(self, value: int) -> Any:
        is_long = LEAST_CARD <= value < _LARGEST_CARD
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
        named = self._pair_of(items)
        hidden = _PRIVATE_NUMBERS if _KEY_TYPE in items else _NOTHING_HIDDEN
        if "username" in items and len(items) <= _MOST_OF_PAIR:
            hidden = _KAGGLE
        renamed = (
            {} if self._texts.clean.issuperset(items) else self.renamed(items)
        )
        for key, value in items.items():
            if self._nodes < 0:
                found[_Numbered(items).free("…")] = self._replacement
                return found
            new_key = renamed.get(key, key) if renamed else key
            if type(value) in _NOTHING:
                new = value
            else:
                new = self.named(key, value, depth)
            if named is not None and key in PAIR_VALUES:
                new = self.named(named, value, depth)
            if hidden and key in hidden:
                new = self._replacement
            self._nodes -= 1
            changed = changed or new is not value or new_key is not key
            found[new_key] = new
        return found if changed else whole

    def renamed(self, items: Mapping[Any, Any]) -> dict[Any, Any]:
        """
        Which keys of *items* have to become which; no two become the same.
        """
        found: dict[Any, Any] = {}
        for key in islice(items, max(0, self._nodes) + 1):
            new = self._key(key)
            if new is not key:
                found[key] = new
        if found:
            numbered = _Numbered(items)
            found = {key: numbered.free(found[key]) for key in found}
        return found

    def _key(self, key: Any) -> Any:
        """
        *key*, or what may be said of it: a key can be somebody's address.
        """
        if type(key) is str:
            if key in self._keys.allowed:
                return key
            return self._texts.without_secrets(key)
        if type(key) in _NUMBERS or isinstance(key, enum.Enum):
            return key
        text = key_of(key)
        clean = self._texts.without_secrets(text)
        return key if clean is text else clean

    def _pair_of(self, items: Mapping[Any, Any]) -> Any:
        """
        The name in ``{"name": "Authorization", "value": …}``.
        """
        if not _PAIR <= len(items) <= _MOST_OF_PAIR:
            return None
        if PAIR_VALUES.isdisjoint(items):
            return None
        for each in PAIR_NAMES:
            name = items.get(each)
            if isinstance(name, (str, bytes)):
                return name
        return None

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
        logins = _logins_of(whole)
        before: Any = None  # the option that the next item belongs to
        for item in islice(whole, max(0, self._nodes) + 1):
            if self._nodes < 0:
                break
            self._nodes -= 1
            is_flag = type(item) is str and item[:1] == "-"
            if before is None or is_flag:
                found.append(self.value(item, depth))
            elif before in logins:
                found.append(self._replacement)
            else:
                found.append(self.named(before, item, depth))
            before = item if is_flag and _FLAG.fullmatch(item) else None
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


class _Numbered:
    """
    Keys that are not taken: with a number behind them from the second on.
    """

    def __init__(self, taken: Mapping[Any, Any]) -> None:
        self._taken = taken
        self._given: dict[Any, int] = {}

    def free(self, key: Any) -> Any:
        """
        *key*, or ``key_2`` where it is there already.
        """
        number = self._given.get(key, 0) + 1
        while (key if number == 1 else f"{key}_{number}") in self._taken:
            number += 1
        self._given[key] = number
        return key if number == 1 else f"{key}_{number}"


def _logins_of(command: Any) -> frozenset[str]:
    """
    The options of a command line that are followed by a password.
    """
    program = command[0]
    if type(program) is not str:
        return _NO_LOGIN
    return _LOGINS.get(program.rpartition("/")[2], _NO_LOGIN)


def _says_nothing(value: Any) -> bool:
    """
    Whether no secret can be in *value*: None, a bool, a float of any kind, a
    word such as ``"expired"``.
    """
    kind = type(value)
    if kind in _NOTHING:
        return True
    if kind is str:
        return len(value) < _FEW and value.lower() in SAYS_NOTHING
    try:
        return (
            hasattr(kind, "dtype")
            and "float" in str(value.dtype)
            and not value.shape
        )
    except Exception:
        return False


def _is_numbers(value: Any, levels: int = _MOST_LEVELS) -> bool:
    """
    Whether *value* is a number or made of them: counts, ids of tokens.
    """
    kind = type(value)
    if kind in _NUMBERS:
        return True
    if kind is list or kind is tuple or kind is dict:
        held = value.values() if kind is dict else value
        if _NUMBERS.issuperset(map(type, held)):
            return True
        return (
            levels > 0
            and len(held) <= _MOST_HELD
            and all(_is_numbers(each, levels - 1) for each in held)
        )
    return _is_number_array(kind, value)


def _is_number_array(kind: type, value: Any) -> bool:
    try:
        return (
            hasattr(kind, "dtype")
            and getattr(value.dtype, "kind", "i") not in _TEXTUAL
        )
    except Exception:
        return False
