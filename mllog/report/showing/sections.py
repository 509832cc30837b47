"""
A report in sections, each of tables, charts and sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ..answers import Count, Report
from .comparisons import comparison
from .contrasts import Contrasts
from .headlines import headlines
from .outliers import failed, slow
from .parts import Column, Note, Part, Section, Shown, Table
from .quality import drift, losses, reading, summaries
from .spreads import distribution_chart, groups_chart
from .steps import training
from .timelines import errors_chart, percentiles_chart, volume_chart
from .words import (
    NONE,
    group_in_words,
    part_in_words,
    plural,
    seconds_in_words,
    short,
    time_in_words,
)

__all__ = ["shown"]

_MOST_ROWS: Final = 30
_MISSING: Final = {
    "latency": "latencies: no record has inference_latency or another known"
    " latency in seconds",
    "groups": "groups: no record has model_name, model_version or variant;"
    " name others with --by",
    "curves": "training curves: they need numbers in metrics, or loss and the"
    " like, and a step or epoch",
    "summaries": "summaries: SummaryHandler logs them",
    "time": "times: no record has a time that can be read",
}


def shown(found: Contrasts) -> Shown:
    """
    What is to be shown of a report; what the logs say nothing about is not.
    """
    report = found.report
    makers: tuple[tuple[str, str, Callable[[Contrasts], Iterator[Part]]], ...]
    makers = (
        ("volume", "Volume and errors", _volume),
        ("latency", _latency_title(report), _latency),
        ("versions", _versions_title(found), _versions),
        ("before", "Now against before", _before),
        ("slow", "Slow requests", slow),
        ("failed", "What errors have in common", failed),
        ("curves", "Training curves", training),
        ("drift", "Drift", drift),
        ("summaries", "Summaries", summaries),
        ("losses", "Losses", losses),
        ("reading", "What was read", reading),
    )
    sections = []
    for key, title, maker in makers:
        parts = tuple(maker(found))
        if parts:
            sections.append(Section(key, title, parts))
    return Shown(
        short(report.title or "logs"),
        _about(report),
        headlines(found),
        tuple(sections),
        tuple(_missing(report)),
    )


def _about(report: Report) -> str:
    reading = report.reading
    parts = [plural(reading.chosen, "record")]
    if reading.since is not None and reading.until is not None:
        length = reading.until - reading.since
        parts.append(
            f"{time_in_words(reading.since)} {NONE} {time_in_words(reading.until)}"
            f" UTC ({seconds_in_words(length)})"
        )
    errors = sum(each.errors for each in report.volume.points)
    if report.volume.points:
        parts.append(plural(errors, "error"))
    return " · ".join(parts)


def _missing(report: Report) -> Iterator[str]:
    if report.reading.since is None and report.reading.chosen:
        yield _MISSING["time"]
    if report.field is None:
        yield _MISSING["latency"]
    if not report.by:
        yield _MISSING["groups"]
    if not report.curves:
        yield _MISSING["curves"]
    if not report.summaries:
        yield _MISSING["summaries"]


def _versions_title(found: Contrasts) -> str:
    both = found.versions
    if both is None:
        return ""
    return f"{short(both.b, 60)} against {short(both.a, 60)}"


def _versions(found: Contrasts) -> Iterator[Part]:
    return comparison(found.versions, "versions")


def _before(found: Contrasts) -> Iterator[Part]:
    return comparison(found.since_before, "before")


# --- volume ---


def _volume(found: Contrasts) -> Iterator[Part]:
    report = found.report
    for chart in (volume_chart(report.volume), errors_chart(report.volume)):
        if chart is not None:
            yield chart
    total = max(1, report.reading.chosen)
    if report.error_messages:
        yield _counts("The most frequent errors", report.error_messages, total)
    if len(report.levels) > 1:
        yield _counts("By level", report.levels, total)
    if len(report.loggers) > 1:
        yield _counts("By logger", report.loggers, total)


def _counts(title: str, found: Sequence[Count], total: int) -> Table:
    return Table(
        title,
        (Column(""), Column("records", True), Column("part", True)),
        tuple(
            (
                "none" if each.value is None else short(each.value, 120),
                f"{each.records:,}",
                part_in_words(each.records / total),
            )
            for each in found[:_MOST_ROWS]
        ),
    )


# --- latency ---


def _latency_title(report: Report) -> str:
    return f"Latency: {short(report.field, 80)}" if report.field else ""


def _latency(found: Contrasts) -> Iterator[Part]:
    report = found.report
    if not report.latency:
        return
    charts = [
        percentiles_chart(
            [e for e in report.latency_over_time if not e.group], None
        ),
        percentiles_chart(found.over_time, found.split)
        if found.split
        else percentiles_chart(
            [e for e in report.latency_over_time if e.group],
            ", ".join(report.by),
        ),
        distribution_chart(found.spread, found.split)
        or distribution_chart(report.distribution, None),
        groups_chart(report.latency_by),
    ]
    for chart in charts:
        if chart is not None:
            yield chart
    rows = [*report.latency, *report.latency_by]
    numbers = ("count", "mean", "p50", "p90", "p95", "p99", "max")
    by = " · ".join(short(each, 40) for each in report.by) or "group"
    yield Table(
        "Percentiles",
        (Column(by), *(Column(name, True) for name in numbers)),
        tuple(
            (
                group_in_words(each.group) if each.group else "all",
                f"{each.count:,}",
                *(
                    seconds_in_words(getattr(each, f"{name}_seconds"))
                    for name in numbers[1:]
                ),
            )
            for each in rows[:_MOST_ROWS]
        ),
        wide=(2, 4),
    )
    error = max((each.relative_error for each in rows), default=0.0)
    if error:
        yield Note(f"Percentiles are within {part_in_words(error)}.")
    refused = sum(each.refused for each in report.latency)
    if refused:
        yield Note(
            f"{plural(refused, 'value')} of {short(report.field, 60)} are no"
            " latencies (text, NaN, below 0) and were left out.",
            "warn",
        )
