"""
One document, one line of JSON: bounded, valid, and never an exception.

The usual document is encoded first and looked at again only if that failed,
the line contains ``null``, or it is too long; what is repaired then is kept
within bounds.  :mod:`mllog.values` says what becomes of each value.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import re
import sys
from collections.abc import Callable
from typing import Any, Final, Literal

from .values import clean, convert, foreign, key_of, name_of, whole

try:
    import orjson

    # passed through: what has fields or a base may have a say of its own
    _OPTIONS = (
        orjson.OPT_UTC_Z
        | orjson.OPT_APPEND_NEWLINE
        | orjson.OPT_PASSTHROUGH_DATACLASS
        | orjson.OPT_PASSTHROUGH_SUBCLASS
    )
    _NO_NEWLINE = _OPTIONS & ~orjson.OPT_APPEND_NEWLINE
except (
    ImportError
):  # PyPy and sub-interpreters: the stdlib's gives equal values
    orjson = None  # type: ignore[assignment]

__all__ = [
    "MAX_RECORD_BYTES",
    "NONFINITE",
    "TRUNCATED",
    "Nan",
    "encode",
    "encode_line",
    "encode_short",
    "encode_value",
    "escape_controls",
    "is_strict",
    "with_numbers",
]

Nan = Literal["null", "string"]

#: The longest line that a formatter writes, in bytes, unless told otherwise.
MAX_RECORD_BYTES: Final = 64 * 1024
#: The key that says which numbers were NaN or infinite.
NONFINITE: Final = "nonfinite"
#: The key that says that something was cut.
TRUNCATED: Final = "mllog_truncated"

# What orjson writes raw although it can forge a line or hide text in it, in
# UTF-8: DEL and the rest of values.CONTROLS.
_CONTROLS = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c"
    rb"|\xe2(?:\x80[\x8e\x8f\xa8-\xae]|\x81[\xa6-\xa9])"
)
# searched for by their first byte, in a tenth of the time
_find_c1 = re.compile(rb"\xc2[\x80-\x9f]").search
_find_mark = re.compile(
    rb"\xe2(?:\x80[\x8e\x8f\xa8-\xae]|\x81[\xa6-\xa9])"
).search

_MAX_DEPTH = 250  # orjson's
_MAX_BITS = 2048  # fewer digits than Python can be told to refuse
_MAX_STEPS = 32
# Of what is handed to an encoder that is not ours.
_MOST_LEVELS = 32
# What a strict reader may refuse, and pjl may have written.
_doubtful = re.compile(
    r'NaN|Infinity|\\ud|"(?:null|true|false|-?\d[\d.e+-]*)": ?'
).search
# Of the document itself: room for timestamp, level, logger and message.
_LEAST_ITEMS = 4


@dataclasses.dataclass(frozen=True)
class Bounds:
    """
    How much of a record is kept when it has to be repaired.

    Args:
        depth: Levels of nesting.

        items: Items of one mapping or sequence.

        characters: Characters of one string.

        nodes: Values in all.
    """

    depth: int
    items: int
    characters: int
    nodes: int

    def tighter(self) -> Bounds:
        """
        The next attempt, where this one was still too long.
        """
        return Bounds(
            max(2, self.depth - 1),
            max(2, self.items // 4),
            max(32, self.characters // 4),
            max(16, self.nodes // 4),
        )


_STRICT = Bounds(depth=6, items=64, characters=8192, nodes=2000)


def encode_line(
    document: dict[str, Any],
    nan: Nan = "null",
    max_bytes: int = MAX_RECORD_BYTES,
) -> bytes:
    """
    One JSON object in UTF-8 and a line break, whatever *document* holds.

    Args:
        document: Keys and any values.

        nan: ``"null"`` writes ``null`` for NaN and the infinities, so that
            columns stay numeric; ``"string"`` writes ``"NaN"``.

        max_bytes: The longest line; more is cut, and ``mllog_truncated`` set.
    """
    # The hot path: called once per record.
    if orjson is not None:
        try:
            line = orjson.dumps(document, convert, _OPTIONS)
        except Exception:
            return _repaired(document, nan, max_bytes) + b"\n"
        if 127 in line or not line.isascii():
            line = escape_controls(line)
        if len(line) <= max_bytes and (
            # from the right: twice as fast as b"null" in line
            line.rfind(b"null") < 0 or not _may_be_nonfinite(document)
        ):
            return line
    return _repaired(document, nan, max_bytes) + b"\n"


def encode(
    document: dict[str, Any],
    nan: Nan = "null",
    max_bytes: int = MAX_RECORD_BYTES,
) -> bytes:
    """
    The same without the line break.
    """
    return encode_line(document, nan, max_bytes)[:-1]


def encode_short(value: Any, max_bytes: int) -> str:
    """
    Any value alone, as compact JSON that says by itself where it was cut.

    NaN and the infinities are ``"NaN"`` and so on.

    Args:
        value: What is written.

        max_bytes: About how long it may be.
    """
    line = encode({"v": value}, "string", max_bytes)
    if NONFINITE.encode() in line or TRUNCATED.encode() in line:
        return encode_value(json.loads(line)["v"]).decode()
    return line[5:-1].decode()


def encode_value(value: Any) -> bytes:
    """
    Any value alone and in full, as JSON to be stored.

    Arrays are lists, however long; NaN and the infinities are ``null``.

    Raises:
        ValueError: It is nested too deeply, or holds an integer too long.
    """
    if orjson is not None:
        try:
            return escape_controls(orjson.dumps(value, whole, _NO_NEWLINE))
        except Exception:  # keys that are no text, lone surrogates, cycles
            pass
    no_end = Bounds(_MAX_DEPTH, *[sys.maxsize] * 3)
    repair = _Repair(no_end, "null", {}, whole)
    data = _dumps(repair.value(value, 0, ""))
    if repair.cut:
        raise ValueError(
            f"a value of type {name_of(value)} cannot be stored in full\n"
            f"  expected: at most {_MAX_DEPTH} levels, and integers of at "
            f"most {_MAX_BITS} bits"
        )
    return data


def escape_controls(line: bytes) -> bytes:
    """
    JSON in UTF-8 with DEL, C1 and bidi controls escaped as C0 always is.
    """
    if (
        (0xE2 in line and _find_mark(line))
        or (0xC2 in line and _find_c1(line))
        or (0xD8 in line and b"\xd8\x9c" in line)
        or 127 in line
    ):
        return _CONTROLS.sub(_escaped, line)
    return line


def _escaped(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(match[0].decode())


def _repaired(document: dict[str, Any], nan: Nan, max_bytes: int) -> bytes:
    # At first only what cannot fit anyway is cut: each item takes two bytes.
    bounds = Bounds(_MAX_DEPTH, max_bytes // 2, max_bytes, max_bytes // 2)
    known: dict[int, tuple[Any, Any]] = {}
    for attempt in range(8):
        try:
            line = _dumps(_Repair(bounds, nan, known).document(document))
        except RecursionError:  # little stack was left for so deep a value
            line = b""
        if line and len(line) <= max_bytes:
            return line
        bounds = _STRICT if attempt == 0 else bounds.tighter()
    return _core_of(document, max_bytes)


def _core_of(document: dict[str, Any], max_bytes: int) -> bytes:
    """
    What is left when nothing else fits: the first texts, each cut short.
    """
    texts = {}
    for key in list(document)[:_LEAST_ITEMS]:
        value = document[key]
        if type(value) is not str:
            value = str(_Repair(_STRICT, "null", {}).value(value, 1, ""))
        texts[clean(key_of(key))[:32]] = value
    end: dict[str, Any] = {TRUNCATED: True}
    if len(document) > len(texts):
        end = {"…": _mark(len(document) - len(texts)), **end}
    room = max_bytes
    while room := room // 2:
        core = {key: _within(text, room) for key, text in texts.items()}
        line = _dumps({**core, **end})
        if len(line) <= max_bytes:
            return line
    return _dumps({TRUNCATED: True})


def _within(text: str, most: int) -> str:
    """
    *text*, of which what is beyond *most* characters is counted.
    """
    if len(text) <= most:
        return clean(text)
    return f"{clean(text[:most])}…{_mark(len(text) - most)}"


def _mark(count: int) -> str:
    return f"[truncated {count}]"


def _dumps(tree: Any) -> bytes:
    if orjson is not None:
        try:
            return escape_controls(orjson.dumps(tree))
        except Exception:  # an integer of more than 64 bits
            pass
    text = json.dumps(
        tree, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    return escape_controls(text.encode())


def _may_be_nonfinite(value: Any) -> bool:
    """
    Whether a ``null`` may stand for NaN; cheap, and True when in doubt.
    """
    kind = type(value)
    if kind is float:
        return not math.isfinite(value)
    if value is None or kind is str or kind is int or kind is bool:
        return False
    if kind is dict:  # copied: another thread may be writing to it
        return any(map(_may_be_nonfinite, list(value.values())))
    if kind is list or kind is tuple:
        return any(map(_may_be_nonfinite, value))
    return kind is not datetime.datetime


class _Repair:
    """
    One walk over a document that could not be written as it is.

    *known* holds what objects were converted to, by their ``id``: a repr that
    is slow is not asked again, and no id is used twice while it lasts.  *step*
    takes an object one step towards a plain value.
    """

    __slots__ = (
        "bounds",
        "cut",
        "known",
        "lost",
        "nan",
        "nodes",
        "open",
        "step",
    )

    def __init__(
        self,
        bounds: Bounds,
        nan: Nan,
        known: dict[int, tuple[Any, Any]],
        step: Callable[[Any], Any] = foreign,
    ) -> None:
        self.bounds = bounds
        self.nan = nan
        self.known = known
        self.step = step
        self.nodes = 0
        self.open: set[int] = set()
        self.lost: dict[str, str] = {}
        self.cut = False

    def document(self, document: dict[str, Any]) -> dict[str, Any]:
        """
        The whole tree, with the keys that say what was lost or cut.
        """
        tree = self._mapping(document, 0, "")
        if self.lost:
            _put_ours(tree, NONFINITE, self.lost)
        if self.cut and tree.get(TRUNCATED) is not True:
            _put_ours(tree, TRUNCATED, True)
        return tree

    def value(self, value: Any, depth: int, path: str) -> Any:
        """
        *value* as None, bool, int, float, str, list or dict.
        """
        self.nodes += 1
        opened: list[int] = []
        for _ in range(_MAX_STEPS):
            kind = type(value)
            if kind is str:
                return self._text(value)
            if kind is int:
                return self._integer(value)
            if kind is float:
                return self._float(value, path)
            if value is None or kind is bool:
                return value
            if id(value) in self.open:
                return "<cycle>"
            opened.append(id(value))
            if kind is dict or kind is list or kind is tuple:
                if self._is_beyond(depth):
                    return f"<{kind.__name__} of {len(value)}>"
                self.open.update(opened)
                try:
                    if kind is dict:
                        return self._mapping(value, depth, path)
                    return self._sequence(value, depth, path)
                finally:
                    self.open.difference_update(opened)
            if id(value) not in self.known:
                self.known[id(value)] = value, self.step(value)
            plain = self.known[id(value)][1]
            if plain is value:
                break
            value = plain
        return self._text(name_of(value))

    def _is_beyond(self, depth: int) -> bool:
        beyond = depth >= self.bounds.depth or self.nodes > self.bounds.nodes
        self.cut = self.cut or beyond
        return beyond

    def _mapping(
        self, mapping: dict[Any, Any], depth: int, path: str
    ) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        most = self.bounds.items if depth else self._most_fields()
        # copied: another thread may be writing to it
        for count, (key, value) in enumerate(dict(mapping).items()):
            if count >= most:
                self.cut = True
                tree[_free("…", tree)] = _mark(len(mapping) - count)
                break
            name = self._text(key_of(key))
            if name in tree:
                name = _free(f"{name}_", tree)
            tree[name] = self.value(
                value, depth + 1, f"{path}.{name}" if path else name
            )
        return tree

    def _most_fields(self) -> int:
        return max(self.bounds.items, _LEAST_ITEMS)

    def _sequence(self, sequence: Any, depth: int, path: str) -> list[Any]:
        items = list(sequence)
        kept = [
            self.value(item, depth + 1, f"{path}.{index}")
            for index, item in enumerate(items[: self.bounds.items])
        ]
        if len(items) > len(kept):
            self.cut = True
            kept.append(f"…{_mark(len(items) - len(kept))}")
        return kept

    def _text(self, text: str) -> str:
        self.cut = self.cut or len(text) > self.bounds.characters
        return _within(text, self.bounds.characters)

    def _integer(self, value: int) -> Any:
        if value.bit_length() <= _MAX_BITS:
            return value
        self.cut = True
        return f"<int of {value.bit_length()} bits>"

    def _float(self, value: float, path: str) -> float | str | None:
        if math.isfinite(value):
            return value
        name = "NaN" if value != value else "Infinity"
        name = f"-{name}" if value < 0 else name
        self.lost[path] = name
        return name if self.nan == "string" else None


def _free(name: str, tree: dict[str, Any]) -> str:
    """
    *name*, or with a number if *tree* has it already.
    """
    free, number = name, len(tree)
    while free in tree:
        free, number = f"{name}{number}", number + 1
    return free


def _put_ours(tree: dict[str, Any], key: str, value: Any) -> None:
    """
    Set a key of ours; a field of that name is kept under another.
    """
    if key in tree:
        tree[_free(f"{key}_", tree)] = tree.pop(key)
    tree[key] = value


def with_numbers(value: Any, above: tuple[int, ...] = ()) -> Any:
    """
    *value* with numpy's and torch's objects made plain, all else as it is.

    python-json-logger knows many types and writes these as text.

    Raises:
        ValueError: Two keys would be one in JSON, or there is no end to it.
    """
    kind = type(value)
    if kind is dict or kind is list or kind is tuple:
        if len(above) >= _MOST_LEVELS or id(value) in above:
            raise ValueError("too deep")
        above = (*above, id(value))
        if kind is not dict:
            return [with_numbers(each, above) for each in list(value)]
        plain = {
            key_of(key): with_numbers(each, above)
            for key, each in dict(value).items()
        }
        if len(plain) < len(value):
            raise ValueError("two keys of one name")
        return plain
    if hasattr(kind, "shape") and hasattr(kind, "dtype"):
        return convert(value)
    return value


def is_strict(text: str) -> bool:
    """
    Whether *text* is JSON by RFC 8259 and can be written as UTF-8.
    """
    try:
        if _doubtful(text):
            read = json.loads(text, object_pairs_hook=_unique)
            json.dumps(read, ensure_ascii=False, allow_nan=False).encode()
        else:
            text.encode()
    except Exception:
        return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("two keys of one name")
    return found
