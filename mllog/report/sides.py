"""
What ``--compare A B`` means: values, conditions, times, paths.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from ..errors import ConfigError
from ..reading.conditions import Condition, condition
from ..reading.predicates import AnyOf, Comparison, number_of
from ..reading.times import moment
from .logs import Logs

__all__ = ["Sides", "equal", "sides_of"]

_RANGE: Final = ".."
_SIGNS: Final = ("==", "!=", "<", ">", " in ", " is ")
_EXPECTED: Final = (
    "a value with its field, model_version=4; a condition; a time window,"
    " 2026-11-20..2026-11-21; or a path"
)


class Sides(NamedTuple):
    """
    The two sides of a comparison.

    Args:
        names: What they are called.

        conditions: What their records meet; None for a path or a window.

        windows: From when on and until when; None for no end.

        paths: Their paths, where they are paths.

        fields: Fields that have to be read.
    """

    names: tuple[str, str]
    conditions: tuple[Condition | None, Condition | None]
    windows: tuple[tuple[float | None, float | None], ...]
    paths: tuple[str, ...]
    fields: tuple[str, ...]

    def of(self, logs: Logs, first_path: int) -> tuple[Logs, Logs]:
        """
        The records of each side.

        Args:
            logs: All records.

            first_path: The place of the first of *paths* among the paths that
                were opened.
        """
        found = []
        for place in range(2):
            side = logs.where(self.conditions[place])
            side = side.between(*self.windows[place])
            if self.paths:
                side = side.of_path(first_path + place)
            found.append(side)
        return found[0], found[1]


def sides_of(
    given: Sequence[str], by: Iterable[str] = (), now: float | None = None
) -> Sides:
    """
    Read the two arguments of a comparison.

    Args:
        given: A and B: ``FIELD=VALUE``; a condition; ``SINCE..UNTIL``, either
            of which may be left out; a path or ``s3://…``; or, with *by*, a
            value of its first field.

        by: Fields that groups are by.

        now: Seconds since 1970; None is the clock.

    Raises:
        ConfigError: They are none of these, or a path and something else.
    """
    a, b = given
    paths = tuple(each for each in (a, b) if _is_path(each))
    if len(paths) == 2:
        return Sides((a, b), (None, None), ((None, None),) * 2, paths, ())
    field = next(iter(by), None)
    sides = [_side(each, field, now) for each in (a, b)]
    fields = [
        ".".join(path)
        for side in sides
        if isinstance(side, Condition)
        for path in side.fields
    ]
    conditions: list[Any] = [
        side if isinstance(side, Condition) else None for side in sides
    ]
    windows: list[Any] = [
        (None, None) if isinstance(side, Condition) else side for side in sides
    ]
    return Sides(
        (a, b),
        (conditions[0], conditions[1]),
        tuple(windows),
        (),
        tuple(dict.fromkeys(fields)),
    )


def _is_path(text: str) -> bool:
    return text.startswith("s3://") or os.path.exists(text)


def _side(
    text: str, field: str | None, now: float | None
) -> Condition | tuple[float | None, float | None]:
    if any(sign in text for sign in _SIGNS):
        return condition(text, now)
    if _RANGE in text:
        since, _, until = text.partition(_RANGE)
        return (
            moment("compare", since, now) if since else None,
            moment("compare", until, now) if until else None,
        )
    name, equals, value = text.partition("=")
    if not equals:
        name, value = field or "", text
    name = name.strip()
    if not name:
        raise ConfigError(
            f"compare={text!r} names no field", expected=_EXPECTED
        )
    return equal(name, value.strip(), text)


def equal(name: str, value: str, text: str) -> Condition:
    """
    The condition that a field has a value, be it a number or text.
    """
    path = (name,) if "." not in name else tuple(name.split("."))
    as_text = Comparison(path, "==", value, "text")
    number = number_of(value)
    if number is None:
        return Condition(text, as_text)
    as_number = Comparison(path, "==", number, "number")
    return Condition(text, AnyOf((as_text, as_number)))
