"""
What slow and failed requests have in common, and the slowest.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..answers import Segments, SlowRequest
from .contrasts import Contrasts
from .parts import Column, Details, Fold, Note, Part, Table
from .words import (
    NONE,
    TIMES,
    number_in_words,
    part_in_words,
    plural,
    seconds_in_words,
    short,
    time_in_words,
)

__all__ = ["failed", "slow"]


def slow(found: Contrasts) -> Iterator[Part]:
    """
    What slow requests have in common, and the slowest.
    """
    report = found.report
    if report.slow_segments is not None and report.slow_segments.records:
        yield from _segments(report.slow_segments, "slow")
    for each in report.slowest:
        yield _request(each, report.by)


def failed(found: Contrasts) -> Iterator[Part]:
    """
    What records of level ERROR and above have in common.
    """
    segments = found.report.error_segments
    if segments is not None and segments.bad:
        yield from _segments(segments, "failed")


def _segments(found: Segments, word: str) -> Iterator[Part]:
    bad = [each for each in found.found if each.is_bad][:10]
    if not bad:
        yield Note(
            f"None of {found.tested:,} values of fields is {word} more often"
            f" than chance explains ({plural(found.bad, 'record')} of"
            f" {found.records:,} with {short(found.outcome)})."
        )
        return
    yield Table(
        f"What the {word} have in common: {short(found.outcome)},"
        f" {found.bad:,} of {found.records:,}",
        (
            Column("field"),
            Column("value"),
            Column(f"of the {word}", True),
            Column("of all", True),
            Column("as often", True),
            Column("95 % interval", True),
            Column("p", True),
        ),
        tuple(
            (
                short(each.field, 60),
                short(each.value, 60),
                part_in_words(each.share_of_bad),
                part_in_words(each.share_of_all),
                f"{_lift(each.lift)} {TIMES}",
                f"{_lift(each.lift_low)} … {_lift(each.lift_high)}",
                "< 0.001"
                if each.p_adjusted < 0.001
                else f"{each.p_adjusted:.3f}",
            )
            for each in bad
        ),
        tuple("warn" for _ in bad),
        wide=(5, 6),
    )
    yield Fold(
        "How this was tested",
        (f"{found.tested:,} values were tested: {found.test}.",),
    )


def _lift(value: float) -> str:
    return number_in_words(round(value, 1) if value < 1e6 else value)


def _request(found: SlowRequest, by: tuple[str, ...]) -> Details:
    parts = [
        seconds_in_words(found.seconds),
        "" if found.time is None else time_in_words(found.time),
        *(short(found.fields.get(name, ""), 40) for name in by),
        short(found.message or "", 80),
    ]
    pairs = [
        ("time", f"{time_in_words(found.time, precise=True)} UTC"),
        ("level", short(found.level or "")),
        ("logger", short(found.logger or "")),
        *(
            (short(name, 60), short(value, 500))
            for name, value in found.fields.items()
        ),
    ]
    return Details(
        " · ".join(filter(None, parts)),
        tuple((k, v) for k, v in pairs[:60] if v and v != f"{NONE} UTC"),
    )
