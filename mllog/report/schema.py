"""
Which fields of records become columns, and of what kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..fields import FIELD_LABELS, VOCABULARY
from ..reading.keys import KEYS
from .survey import Survey

__all__ = ["Column", "Path", "Schema", "schema_of"]

Path = tuple[str, ...]

_METRICS: Final = "metrics"
_MOST_FIELDS: Final = 60
_MOST_METRICS: Final = 200
_ALWAYS: Final = ("mllog_truncated",)


@dataclass(frozen=True)
class Column:
    """
    A field in the table of records.

    Args:
        path: The field.

        index: Its number among the columns.

        is_number: Whether it has a column of numbers; what is none, and all
            values of other fields, are in its column of texts.

        keys: The keys of a record that hold it, the first one that does.

        nested: Those that hold it within an object: its key, and the names
            from there.

        distinct: How many different values the sampled records have.
    """

    path: Path
    index: int
    is_number: bool
    keys: tuple[str, ...]
    nested: tuple[Path, ...]
    distinct: int = 0

    @property
    def number(self) -> str:
        """
        The name of its column of numbers.
        """
        return f"n{self.index}"

    @property
    def text(self) -> str:
        """
        The name of its column of texts.
        """
        return f"t{self.index}"

    @property
    def label(self) -> str:
        """
        What people call the field.
        """
        return ".".join(self.path)


@dataclass(frozen=True)
class Schema:
    """
    The columns of the table of records.

    Args:
        parts: The keys of time, level, logger and message.

        columns: The fields.

        unread: Fields that differ from another only by case, and are not
            read.
    """

    parts: dict[str, tuple[str, ...]]
    columns: tuple[Column, ...]
    unread: tuple[str, ...]

    @property
    def keys(self) -> list[str]:
        """
        The keys of a record that are read as text.
        """
        found = [key for keys in self.parts.values() for key in keys]
        found += [key for each in self.columns for key in each.keys]
        maps = set(self.maps)
        return [key for key in dict.fromkeys(found) if key not in maps]

    @property
    def maps(self) -> list[str]:
        """
        The keys of a record that are read as an object.
        """
        return list(
            dict.fromkeys(
                path[0] for each in self.columns for path in each.nested
            )
        )

    def column(self, path: Path) -> Column | None:
        """
        The column of a field, under the name that it is asked by.
        """
        for each in self.columns:
            if each.path == path:
                return each
        if len(path) == 1:
            return self.column((_METRICS, *path))
        return None

    def path(self, name: str) -> Path:
        """
        The field that a person means by *name*.
        """
        parts = tuple(name.split("."))
        for path in ((name,), (_METRICS, name), parts):
            if self.column(path) is not None:
                return path
        return (name,) if name in KEYS else parts


def schema_of(
    survey: Survey,
    asked: Iterable[Path] = (),
    as_text: Iterable[Path] = (),
) -> Schema:
    """
    The columns for what was found and what was asked for.

    Args:
        survey: What was found.

        asked: Fields that are wanted in any case.

        as_text: Those of them that are groups: their values are names.
    """
    parts = {
        part: tuple(key for key in keys if key in survey.keys) or keys[:1]
        for part, keys in KEYS.items()
    }
    texts = dict.fromkeys((*((name,) for name in FIELD_LABELS), *as_text))
    paths = dict.fromkeys(
        path
        for path in (*texts, *asked, *_found_in(survey, parts))
        if _is_writable(path) and path[0] not in KEYS
    )
    taken = {key.lower(): key for keys in parts.values() for key in keys}
    taken.setdefault(_METRICS, _METRICS)
    columns: list[Column] = []
    unread: list[str] = []
    for path in paths:
        if taken.setdefault(path[0].lower(), path[0]) != path[0]:
            unread.append(path[0])
            continue
        columns.append(_column(path, len(columns), survey, path in texts))
    return Schema(parts, tuple(columns), tuple(dict.fromkeys(unread)))


def _found_in(
    survey: Survey, parts: dict[str, tuple[str, ...]]
) -> Iterable[Path]:
    first = {keys[0] for keys in parts.values()}
    found = [
        path
        for path, each in survey.fields.items()
        if each.is_scalar and each.records and path[0] not in first
    ]

    def order(path: Path) -> tuple[bool, int]:
        is_known = path[0] in VOCABULARY or path[0] in _ALWAYS
        return not is_known, -survey.fields[path].records

    fields = sorted((path for path in found if len(path) == 1), key=order)
    metrics = sorted((path for path in found if len(path) == 2), key=order)
    yield from fields[:_MOST_FIELDS]
    yield from metrics[:_MOST_METRICS]
    if "nonfinite" in survey.keys:
        yield ("nonfinite",)


def _column(path: Path, index: int, survey: Survey, is_text: bool) -> Column:
    found = survey.fields.get(path)
    keys: Sequence[str] = (".".join(path),)
    nested: Sequence[Path] = (path,) if len(path) > 1 else ()
    if len(path) == 1:
        within = (_METRICS, *path)
        is_metric = within in survey.fields
        found = found or survey.fields.get(within)
        nested = (within,) if is_metric else ()
        if ".".join(within) in survey.dotted:
            keys = (*keys, ".".join(within))
    elif path in survey.fields and keys[0] not in survey.dotted:
        keys = ()
    known = VOCABULARY.get(path[-1])
    is_number = known is not None if found is None else found.is_number
    return Column(
        path,
        index,
        is_number and not is_text,
        tuple(keys),
        tuple(nested),
        0 if found is None else len(found.values),
    )


def _is_writable(path: Path) -> bool:
    text = "".join(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text and bool(text)
