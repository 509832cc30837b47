"""
The comparisons that a report makes by default, and the four answers at its top.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from ...fields import VOCABULARY
from ..answers import (
    Comparison,
    Difference,
    Distribution,
    Drift,
    LatencyPoint,
    Report,
    Segment,
)
from ..logs import Logs
from ..questions.comparison import compare, equal
from ..questions.contents import counts
from ..questions.latency import distribution, latency_over_time
from .document import (
    TIMES,
    Headline,
    Tone,
    format_effect,
    format_interval,
    format_number,
    format_percent,
    format_time,
    format_value,
    one_line,
)

__all__ = ["ReportView", "build_view", "headlines", "is_input", "speed_of"]

_BEFORE: Final = "Slower than before?"
_COMMON: Final = "What do slow requests share?"
_DRIFT: Final = "Is the input drifting?"
# the quantity that is named first where several differ
_ORDER: Final = ("p95", "p99", "p50", "mean", "location")
_LATENCIES: Final = ("latency", "latency_seconds", "duration")
_VERSIONS: Final = ("model_version", "variant", "model_name")
_FEWEST: Final = 20
_MOST_GROUPS: Final = 6


@dataclass(frozen=True)
class ReportView:
    """
    A report with the comparisons that it makes by default.

    Args:
        report: The report.

        halves: The second half of the time against the first.

        versions: The comparison of *report*, or that of the two most frequent
            values of *split*.

        split: The field that charts are split by.

        over_time: Latencies over time, by *split*.

        spread: Their distribution, by *split*.
    """

    report: Report
    halves: Comparison | None = None
    versions: Comparison | None = None
    split: str | None = None
    over_time: tuple[LatencyPoint, ...] = ()
    spread: tuple[Distribution, ...] = ()


def build_view(logs: Logs, found: Report) -> ReportView:
    """
    Compare the halves of the time, and versions.

    Args:
        logs: The logs that *found* is of.

        found: The report; its own comparison takes precedence.
    """
    split = _split(logs, found)
    made = ReportView(
        found, _compare_halves(logs, found), found.comparison, split
    )
    if split is None:
        return made
    if found.comparison is None:
        made = replace(made, versions=_compare_versions(logs, found, split))
    if found.field is None:
        return made
    return replace(
        made,
        over_time=latency_over_time(logs, found.field, [split]),
        spread=distribution(logs, found.field, [split]),
    )


def _split(logs: Logs, found: Report) -> str | None:
    """
    The field by which charts are split: one of two to six values.
    """
    wanted = [name for name in _VERSIONS if name in found.by]
    for name in (*wanted, *found.by):
        values = [
            each
            for each in counts(logs, name, _MOST_GROUPS + 1)
            if each.value is not None
        ]
        if 2 <= len(values) <= _MOST_GROUPS:
            return name
    return None


def _compare_halves(logs: Logs, found: Report) -> Comparison | None:
    since, until = found.reading.since, found.reading.until
    if since is None or until is None or since == until:
        return None
    middle = (since + until) / 2
    before, after = logs.between(None, middle), logs.between(middle, None)
    fewest = min(before.reading.chosen, after.reading.chosen)
    if fewest < _FEWEST:
        return None
    precise = until - since < 60
    clock = format_time(middle, precise, date=until - since > 86400)
    return compare(
        before,
        after,
        found.field,
        names=(f"before {clock}", f"from {clock} on"),
    )


def _compare_versions(
    logs: Logs, found: Report, split: str
) -> Comparison | None:
    values = [
        each
        for each in counts(logs, split, _MOST_GROUPS)
        if each.value is not None and each.records >= _FEWEST
    ]
    if len(values) < 2:
        return None
    names = sorted((str(each.value) for each in values[:2]), key=_natural)
    a, b = (logs.where(equal(split, each, split)) for each in names)
    return compare(
        a,
        b,
        found.field,
        names=(
            f"{split} {one_line(names[0], 60)}",
            f"{split} {one_line(names[1], 60)}",
        ),
    )


def _natural(text: str) -> list[tuple[int, str]]:
    """
    A sort key by which 10 comes after 9.
    """
    return [
        (int(part), "") if part.isdecimal() and len(part) < 19 else (-1, part)
        for part in re.split(r"(\d+)", text)
    ]


def headlines(view: ReportView) -> tuple[Headline, ...]:
    """
    Is it slower, is B better, what is slow, does the input drift.
    """
    return (
        _answer_before(view.halves, view.report),
        _answer_versions(view.versions, view.report),
        _answer_slow(view.report),
        _answer_drift(view.report),
    )


def _answer_before(found: Comparison | None, report: Report) -> Headline:
    if found is None or report.field is None:
        about = (
            "There are too few records over time."
            if report.field
            else "No record has a latency."
        )
        return Headline(_BEFORE, "Unknown", about, "quiet", "before")
    word, tone, about = speed_of(found)
    verdict = {"slower": "Yes, slower", "faster": "No, faster"}.get(word, word)
    if word == "alike":
        verdict = "No"
    return Headline(_BEFORE, verdict, about, tone, "before")


def _answer_versions(found: Comparison | None, report: Report) -> Headline:
    if found is None:
        by = " or ".join(report.by) or "model_version or variant"
        return Headline(
            "Is one version better?",
            "Unknown",
            f"There are no two values of {one_line(by)} with enough records.",
            "quiet",
            "versions",
        )
    a, b = one_line(found.a, 60), one_line(found.b, 60)
    question = f"Is {b} better than {_shortened(a, b)}?"
    word, tone, about = speed_of(found)
    errors = _errors_of(found)
    if errors is not None and errors.verdict == "different":
        more = (errors.effect or 0) > 0
        about = f"{about} {_sentence(errors)}"
        word, tone = _with_errors(word, more)
    else:
        word = {"slower": "No, slower", "faster": "Yes, faster"}.get(
            word, "No difference" if word == "alike" else word
        )
    return Headline(question, word, about, tone, "versions")


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
            f"{_sentence(faster[0])} {_sentence(slower[0])}",
        )
    if slower or faster:
        about = _sentence((slower or faster)[0])
        return (
            ("slower", "bad", about) if slower else ("faster", "good", about)
        )
    alike = [each for each in timed if each.verdict == "alike"]
    if len(alike) < len(timed) or not timed:
        about = _unknown(found, timed)
        if not alike:
            return "Not enough data", "quiet", about
        return (
            "Not seen",
            "quiet",
            f"{_sentence(alike[0])} That is alike. {about}",
        )
    return "alike", "good", f"{_sentence(timed[0])} That is alike."


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


def _sentence(found: Difference) -> str:
    """
    ``p95 12.3 ms → 15.1 ms, +23 % (95 % sure: +18 … +28 %).``
    """
    sure = f"{format_percent(found.confidence)} interval"
    if found.quantity == "location":
        return (
            f"A request of B is slower than one of A in"
            f" {format_effect(found)} of pairs"
            f" ({sure} {format_interval(found)})."
        )
    a, b = (format_value(found, each) for each in (found.a, found.b))
    name = (
        found.quantity.capitalize()
        if len(found.quantity) > 3
        else found.quantity
    )
    return (
        f"{name} {a} → {b}, {format_effect(found)}"
        f" ({sure} {format_interval(found)})."
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
        f" About {unsure.needed:,} records a side would be enough."
        if unsure.needed
        else ""
    )
    return f"{_sentence(unsure)}{needed}"


def _answer_slow(report: Report) -> Headline:
    found = report.slow_segments
    if found is None or not found.records:
        return Headline(
            _COMMON, "Unknown", "No record has a latency.", "quiet", "slow"
        )
    bad = [each for each in found.found if each.is_bad]
    if not bad:
        about = (
            f"Of {found.tested:,} values of fields none is slow more often"
            f" than chance explains ({one_line(found.outcome)})."
        )
        return Headline(_COMMON, "Nothing found", about, "good", "slow")
    worst = bad[0]
    about = f"{_segment(worst)} Slow is {one_line(found.outcome)}."
    fields, values = worst.field.split(" & "), worst.value.split(" & ")
    if len(fields) != len(values):
        fields, values = [worst.field], [worst.value]
    verdict = " & ".join(
        f"{one_line(field, 60)} = {one_line(value, 60)}"
        for field, value in zip(fields, values, strict=True)
    )
    return Headline(_COMMON, verdict, about, "warn", "slow")


def _segment(found: Segment) -> str:
    times = (
        f"{format_number(round(found.lift, 1))} {TIMES} as often slow as others,"
        if found.lift < 1e6
        else "The only slow ones,"
    )
    return (
        f"{times} {format_percent(found.share_of_bad)} of the slow requests"
        f" but {format_percent(found.share_of_all)} of all."
    )


def is_input(field: str) -> bool:
    """
    Whether a field may be an input of a model, judged by its name.

    Latencies come out of serving, and metrics out of training.
    """
    known = VOCABULARY.get(field)
    return not (
        field.endswith(_LATENCIES)
        or field.startswith("metrics.")
        or (known is not None and known.kind == "gauge")
    )


def _answer_drift(report: Report) -> Headline:
    inputs = [each for each in report.drift if is_input(each.field)]
    if not inputs:
        return Headline(
            _DRIFT,
            "Unknown",
            "There are too few records, or none has a field to compare.",
            "quiet",
            "drift",
        )
    moved = [each for each in inputs if each.severity != "none"]
    if not moved:
        about = f"{len(inputs)} fields look as in {one_line(report.drift_reference)}."
        return Headline(_DRIFT, "No", about, "good", "drift")
    is_major = any(each.severity == "major" for each in moved)
    names = ", ".join(one_line(each.field, 40) for each in moved[:3])
    more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
    return Headline(
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
            f" Its mean went from {format_number(found.reference_mean)} to"
            f" {format_number(found.mean)}."
        )
    return (
        f"{one_line(found.field, 60)}: {found.statistic}"
        f" {format_number(found.value)}, beyond"
        f" {format_number(found.threshold)}.{change}"
    )
