"""
The four answers at the top of a report.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...fields import VOCABULARY
from ..answers import Comparison, Difference, Drift, Report, Segment
from .contrasts import Contrasts
from .parts import Answer, Tone
from .words import (
    TIMES,
    effect_in_words,
    interval_in_words,
    number_in_words,
    part_in_words,
    short,
    value_in_words,
)

__all__ = ["headlines", "is_input", "speed_of"]

_BEFORE: Final = "Slower than before?"
_COMMON: Final = "What do slow requests share?"
_DRIFT: Final = "Is the input drifting?"
# what is said first where several differ
_ORDER: Final = ("p95", "p99", "p50", "mean", "location")
_LATENCIES: Final = ("latency", "latency_seconds", "duration")


def headlines(shown: Contrasts) -> tuple[Answer, ...]:
    """
    Is it slower, is B better, what is slow, does the input drift.
    """
    return (
        _since_before(shown.since_before, shown.report),
        _versions(shown.versions, shown.report),
        _common(shown.report),
        _drifting(shown.report),
    )


# --- comparisons ---


def _since_before(found: Comparison | None, report: Report) -> Answer:
    if found is None or report.field is None:
        about = (
            "There are too few records over time."
            if report.field
            else "No record has a latency."
        )
        return Answer(_BEFORE, "Unknown", about, "quiet", "before")
    word, tone, about = speed_of(found)
    verdict = {"slower": "Yes, slower", "faster": "No, faster"}.get(word, word)
    if word == "alike":
        verdict = "No"
    return Answer(_BEFORE, verdict, about, tone, "before")


def _versions(found: Comparison | None, report: Report) -> Answer:
    if found is None:
        by = " or ".join(report.by) or "model_version or variant"
        return Answer(
            "Is one version better?",
            "Unknown",
            f"There are no two values of {short(by)} with enough records.",
            "quiet",
            "versions",
        )
    a, b = short(found.a, 60), short(found.b, 60)
    question = f"Is {b} better than {_shortened(a, b)}?"
    word, tone, about = speed_of(found)
    errors = _errors_of(found)
    if errors is not None and errors.verdict == "different":
        more = (errors.effect or 0) > 0
        about = f"{about} {_said(errors)}"
        word, tone = _with_errors(word, more)
    else:
        word = {"slower": "No, slower", "faster": "Yes, faster"}.get(
            word, "No difference" if word == "alike" else word
        )
    return Answer(question, word, about, tone, "versions")


def _shortened(a: str, b: str) -> str:
    """
    *a* without the name of the field that *b* names already.
    """
    for between in " =":
        field, _, value = a.partition(between)
        if value and b.startswith(field + between):
            return value
    return a


def _with_errors(word: str, more: bool) -> tuple[str, Tone]:
    """
    The verdict where errors differ as well.
    """
    errors = "more errors" if more else "fewer errors"
    if word in ("slower", "faster"):
        is_both = (word == "slower") == more
        if not is_both:
            return f"Mixed: {word}, {errors}", "warn"
        return (
            (f"No: {word}, {errors}", "bad")
            if more
            else (f"Yes: {word}, {errors}", "good")
        )
    return (f"No, {errors}", "bad") if more else (f"Yes, {errors}", "good")


def speed_of(found: Comparison) -> tuple[str, Tone, str]:
    """
    Whether B is slower: a word, how good that is, and a sentence.
    """
    timed = [*_timed(found)]
    slower = [each for each in timed if _is_different(each) and _is_up(each)]
    faster = [
        each for each in timed if _is_different(each) and not _is_up(each)
    ]
    if slower and faster:
        return (
            "Mixed",
            "warn",
            f"{_said(faster[0])} {_said(slower[0])}",
        )
    if slower or faster:
        about = _said((slower or faster)[0])
        return (
            ("slower", "bad", about) if slower else ("faster", "good", about)
        )
    alike = [each for each in timed if each.verdict == "alike"]
    if len(alike) < len(timed) or not timed:
        about = _unknown(found, timed)
        if not alike:
            return "Not enough data", "quiet", about
        return "Not seen", "quiet", f"{_said(alike[0])} That is alike. {about}"
    return "alike", "good", f"{_said(timed[0])} That is alike."


def _timed(found: Comparison) -> Iterator[Difference]:
    known = {each.quantity: each for each in found.differences}
    for name in _ORDER:
        if name in known and known[name].quantity != "error rate":
            yield known[name]


def _errors_of(found: Comparison) -> Difference | None:
    return next(
        (e for e in found.differences if e.quantity == "error rate"), None
    )


def _is_different(found: Difference) -> bool:
    return found.verdict == "different"


def _is_up(found: Difference) -> bool:
    neutral = 0.5 if found.quantity == "location" else 1.0
    return (found.effect or 0.0) > neutral


def _said(found: Difference) -> str:
    """
    ``p95 12.3 ms → 15.1 ms, +23 % (95 % sure: +18 … +28 %).``
    """
    sure = f"{part_in_words(found.confidence)} interval"
    if found.quantity == "location":
        return (
            f"A request of B is slower than one of A in"
            f" {effect_in_words(found)} of pairs"
            f" ({sure} {interval_in_words(found)})."
        )
    a, b = (value_in_words(found, each) for each in (found.a, found.b))
    name = (
        found.quantity.capitalize()
        if len(found.quantity) > 3
        else (found.quantity)
    )
    return (
        f"{name} {a} → {b}, {effect_in_words(found)}"
        f" ({sure} {interval_in_words(found)})."
    )


def _unknown(found: Comparison, timed: list[Difference]) -> str:
    measured = next((each for each in timed if each.effect is not None), None)
    if measured is None:
        return (
            f"{found.records_a:,} and {found.records_b:,} records are too few"
            " to compare latencies."
        )
    unsure = next(
        (
            each
            for each in timed
            if each.verdict == "not enough data" and each.effect is not None
        ),
        measured,
    )
    needed = (
        f" About {unsure.needed:,} records a side would tell."
        if unsure.needed
        else ""
    )
    return f"{_said(unsure)}{needed}"


# --- what is slow ---


def _common(report: Report) -> Answer:
    found = report.slow_segments
    if found is None or not found.records:
        return Answer(
            _COMMON, "Unknown", "No record has a latency.", "quiet", "slow"
        )
    bad = [each for each in found.found if each.is_bad]
    if not bad:
        about = (
            f"Of {found.tested:,} values of fields none is slow more often"
            f" than chance explains ({short(found.outcome)})."
        )
        return Answer(_COMMON, "Nothing found", about, "good", "slow")
    worst = bad[0]
    about = f"{_segment(worst)} Slow is {short(found.outcome)}."
    fields, values = worst.field.split(" & "), worst.value.split(" & ")
    if len(fields) != len(values):
        fields, values = [worst.field], [worst.value]
    verdict = " & ".join(
        f"{short(field, 60)} = {short(value, 60)}"
        for field, value in zip(fields, values, strict=True)
    )
    return Answer(_COMMON, verdict, about, "warn", "slow")


def _segment(found: Segment) -> str:
    times = (
        f"{number_in_words(round(found.lift, 1))} {TIMES} as often slow as others,"
        if found.lift < 1e6
        else "The only slow ones,"
    )
    return (
        f"{times} {part_in_words(found.share_of_bad)} of the slow requests"
        f" but {part_in_words(found.share_of_all)} of all."
    )


# --- drift ---


def is_input(field: str) -> bool:
    """
    Whether a field may go into a model, as far as its name tells.

    Latencies come out of serving, and metrics out of training.
    """
    known = VOCABULARY.get(field)
    return not (
        field.endswith(_LATENCIES)
        or field.startswith("metrics.")
        or (known is not None and known.kind == "gauge")
    )


def _drifting(report: Report) -> Answer:
    inputs = [each for each in report.drift if is_input(each.field)]
    if not inputs:
        return Answer(
            _DRIFT,
            "Unknown",
            "There are too few records, or none has a field to compare.",
            "quiet",
            "drift",
        )
    moved = [each for each in inputs if each.severity != "none"]
    if not moved:
        about = (
            f"{len(inputs)} fields look as in {short(report.drift_reference)}."
        )
        return Answer(_DRIFT, "No", about, "good", "drift")
    is_major = any(each.severity == "major" for each in moved)
    names = ", ".join(short(each.field, 40) for each in moved[:3])
    more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
    return Answer(
        _DRIFT,
        f"{'Yes' if is_major else 'Somewhat'}: {names}{more}",
        _moved(moved[0]),
        "bad" if is_major else "warn",
        "drift",
    )


def _moved(found: Drift) -> str:
    change = ""
    if found.mean is not None and found.reference_mean is not None:
        change = (
            f" Its mean went from {number_in_words(found.reference_mean)} to"
            f" {number_in_words(found.mean)}."
        )
    return (
        f"{short(found.field, 60)}: {found.statistic}"
        f" {number_in_words(found.value)}, beyond"
        f" {number_in_words(found.threshold)}.{change}"
    )
