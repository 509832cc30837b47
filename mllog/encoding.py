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
from typing import Any, Final, Literal

from .values import clean, convert, foreign, key_of, name_of

try:
    import orjson

    _OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
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
]

Nan = Literal["null", "string"]

#: The longest line that a formatter writes, in bytes, unless told otherwise.
MAX_RECORD_BYTES: Final = 64 * 1024
#: The key that says which numbers were NaN or infinite.
NONFINITE: Final = "nonfinite"
#: The key that says that something was cut.
TRUNCATED: Final = "mllog_truncated"

# twice as fast as b"null" in line
_has_null = re.compile(b"null").search
_MAX_ITEMS = 10_000
_MAX_DIGITS = 4000


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
            max(16, self.characters // 4),
            max(16, self.nodes // 4),
        )


_LOOSE = Bounds(depth=32, items=_MAX_ITEMS, characters=10**9, nodes=100_000)
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
        if len(line) <= max_bytes + 1 and (
            not _has_null(line) or not _may_be_nonfinite(document)
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


def _repaired(document: dict[str, Any], nan: Nan, max_bytes: int) -> bytes:
    bounds = _LOOSE
    for attempt in range(8):
        repair = _Repair(bounds, nan)
        tree = repair.document(document)
        line = _dumps(tree)
        if len(line) <= max_bytes:
            return line
        bounds = _STRICT if attempt == 0 else bounds.tighter()
    return _dumps(_core_of(document, max_bytes))


def _core_of(document: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """
    What is left when nothing else fits: the first texts, each cut short.
    """
    room = max(0, max_bytes - 64) // (6 * 4)
    core = {}
    for key, value in list(document.items())[:4]:
        plain = _Repair(_STRICT, "null").value(value, 0, key)
        core[clean(str(key))[:32]] = (
            plain[:room] if isinstance(plain, str) else str(plain)[:room]
        )
    core[TRUNCATED] = True
    return core


def _dumps(tree: dict[str, Any]) -> bytes:
    if orjson is not None:
        try:
            return orjson.dumps(tree)
        except Exception:  # an integer of more than 64 bits
            pass
    text = json.dumps(
        tree, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    return text.encode()


def _may_be_nonfinite(value: Any) -> bool:
    """
    Whether a ``null`` may stand for NaN; cheap, and True when in doubt.
    """
    kind = type(value)
    if kind is float:
        return not math.isfinite(value)
    if value is None or kind is str or kind is int or kind is bool:
        return False
    if kind is dict:
        return any(map(_may_be_nonfinite, value.values()))
    if kind is list or kind is tuple:
        return any(map(_may_be_nonfinite, value))
    return kind is not datetime.datetime


class _Repair:
    """
    One walk over a document that could not be written as it is.
    """

    __slots__ = ("bounds", "cut", "lost", "nan", "nodes", "open")

    def __init__(self, bounds: Bounds, nan: Nan) -> None:
        self.bounds = bounds
        self.nan = nan
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
            tree[NONFINITE] = self.lost
        if self.cut:
            tree[TRUNCATED] = True
        return tree

    def value(self, value: Any, depth: int, path: str) -> Any:
        """
        *value* as None, bool, int, float, str, list or dict.
        """
        self.nodes += 1
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind is int:
            return self._integer(value)
        if kind is float:
            return (
                value if math.isfinite(value) else self._nonfinite(value, path)
            )
        if value is None or kind is bool:
            return value
        if kind is dict or kind is list or kind is tuple:
            return self._container(value, depth, path)
        plain = foreign(value)
        if plain is value:
            return self._text(name_of(value))
        return self.value(plain, depth, path)

    def _container(self, value: Any, depth: int, path: str) -> Any:
        if id(value) in self.open:
            return "<cycle>"
        if depth >= self.bounds.depth or self.nodes > self.bounds.nodes:
            self.cut = True
            return f"<{type(value).__name__} of {len(value)}>"
        self.open.add(id(value))
        try:
            if type(value) is dict:
                return self._mapping(value, depth, path)
            return self._sequence(value, depth, path)
        finally:
            self.open.discard(id(value))

    def _mapping(
        self, mapping: dict[Any, Any], depth: int, path: str
    ) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        # copied: another thread may be writing to it
        for count, (key, value) in enumerate(dict(mapping).items()):
            if count >= self.bounds.items:
                self.cut = True
                tree["…"] = f"[truncated {len(mapping) - count}]"
                break
            name = self._text(key_of(key))
            while name in tree:
                name += "_"
            tree[name] = self.value(
                value, depth + 1, f"{path}.{name}" if path else name
            )
        return tree

    def _sequence(self, sequence: Any, depth: int, path: str) -> list[Any]:
        items = list(sequence)
        kept = [
            self.value(item, depth + 1, f"{path}.{index}")
            for index, item in enumerate(items[: self.bounds.items])
        ]
        if len(items) > len(kept):
            self.cut = True
            kept.append(f"…[truncated {len(items) - len(kept)}]")
        return kept

    def _text(self, text: str) -> str:
        most = self.bounds.characters
        if len(text) > most:
            self.cut = True
            text = f"{text[:most]}…[truncated {len(text) - most}]"
        return clean(text)

    def _integer(self, value: int) -> Any:
        if value.bit_length() <= 64:
            return value
        if value.bit_length() < _MAX_DIGITS * math.log2(10):
            return value
        self.cut = True
        return f"<int of {value.bit_length()} bits>"

    def _nonfinite(self, value: float, path: str) -> str | None:
        name = (
            "NaN"
            if value != value
            else ("Infinity" if value > 0 else "-Infinity")
        )
        self.lost[path] = name
        return name if self.nan == "string" else None
