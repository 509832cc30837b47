"""
A comparison: its chart, its numbers, and how they were tested.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..answers import Comparison, Difference
from .effects import effects_chart
from .parts import Column, Fold, Part, Table, Tone
from .words import (
    NONE,
    effect_in_words,
    interval_in_words,
    number_in_words,
    part_in_words,
    plural,
    short,
    value_in_words,
)

__all__ = ["comparison"]


def comparison(found: Comparison | None, name: str) -> Iterator[Part]:
    """
    The parts of a comparison; nothing where there is none.
    """
    if found is None:
        return
    chart = effects_chart(found, name)
    if chart is not None:
        yield chart
    rows = [_difference(each) for each in found.differences]
    columns = [
        Column(""),
        Column("A", True),
        Column("B", True),
        Column("effect", True),
        Column("95 % interval", True),
        Column("p", True),
        Column("verdict"),
        Column("needs", True),
    ]
    if not any(row[-1] for row in rows):
        columns.pop()
        rows = [row[:-1] for row in rows]
    yield Table(
        f"A is {short(found.a, 60)} ({plural(found.records_a, 'record')}),"
        f" B is {short(found.b, 60)} ({plural(found.records_b, 'record')})",
        tuple(columns),
        tuple(rows),
        tuple(_tone(each) for each in found.differences),
        wide=(5, 7),
    )
    tests: dict[str, list[str]] = defaultdict(list)
    for one in found.differences:
        tests[one.test].append(one.quantity)
    named = "; ".join(
        f"{', '.join(quantities)}: {test}"
        for test, quantities in tests.items()
    )
    smallest = part_in_words(found.smallest_effect)
    points = number_in_words(found.smallest_effect * 10)
    yield Fold(
        "How this was tested",
        (
            f"Tests: {named}. p is corrected: {found.correction}.",
            "Needs: records of each side that would tell 4 times of 5.",
            f"Alike: the interval is within {smallest} ({points} points).",
            *(short(each, 400) for each in found.notes),
        ),
    )


def _difference(found: Difference) -> tuple[str, ...]:
    p = found.p_adjusted
    verdict: str = found.verdict
    if verdict == "different":
        verdict = _direction(found)
    quantity = {"location": "B slower than A"}.get(
        found.quantity, found.quantity
    )
    return (
        quantity,
        NONE
        if found.quantity == "location"
        else value_in_words(found, found.a),
        NONE
        if found.quantity == "location"
        else value_in_words(found, found.b),
        effect_in_words(found),
        interval_in_words(found),
        NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}",
        verdict,
        f"{found.needed:,}"
        if found.needed and verdict == "not enough data"
        else "",
    )


def _direction(found: Difference) -> str:
    effect = found.effect or 0.0
    if found.quantity == "error rate":
        return "more errors" if effect > 0 else "fewer errors"
    neutral = 0.5 if found.quantity == "location" else 1.0
    return "slower" if effect > neutral else "faster"


def _tone(found: Difference) -> Tone:
    if found.verdict == "different":
        is_worse = _direction(found) in ("slower", "more errors")
        return "bad" if is_worse else "good"
    return "quiet"
