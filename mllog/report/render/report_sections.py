"""
The sections of a rendered report: tables, charts and notes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ..answers import (
    Comparison,
    Count,
    Curve,
    Difference,
    Drift,
    Report,
    Segments,
    SlowRequest,
)
from .charts import (
    curve_chart,
    distribution_chart,
    effects_chart,
    errors_chart,
    groups_chart,
    percentiles_chart,
    volume_chart,
)
from .document import (
    NONE,
    TIMES,
    Details,
    Document,
    Explanation,
    Note,
    Part,
    ReportTable,
    Section,
    TableColumn,
    Tone,
    format_bytes,
    format_effect,
    format_group,
    format_interval,
    format_number,
    format_percent,
    format_seconds,
    format_time,
    format_value,
    one_line,
    plural,
)
from .headlines import ReportView, headlines

__all__ = ["build_document"]

_MOST_ROWS: Final = 30
_MOST_CURVES: Final = 60
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
_REASONS: Final = {
    "torn": "half-written line",
    "not_json": "line that is not JSON",
    "not_object": "JSON that is no record",
    "too_long": "line that is too long",
    "bad_csv": "row that is no CSV",
    "bad_compression": "damaged compression",
    "unreadable": "could not be read",
}
_MOST_CHARTS: Final = 12


def build_document(found: ReportView) -> Document:
    """
    The document of a report, without sections that have no data.
    """
    report = found.report
    makers: tuple[tuple[str, str, Callable[[ReportView], Iterator[Part]]], ...]
    makers = (
        ("volume", "Volume and errors", _volume),
        ("latency", _latency_title(report), _latency),
        ("versions", _versions_title(found), _versions),
        ("before", "Now against before", _before),
        ("slow", "Slow requests", _slow),
        ("failed", "What errors have in common", _failed),
        ("curves", "Training curves", _training),
        ("drift", "Drift", _drift),
        ("summaries", "Summaries", _summaries),
        ("losses", "Losses", _losses),
        ("reading", "What was read", _reading),
    )
    sections = []
    for key, title, maker in makers:
        parts = tuple(maker(found))
        if parts:
            sections.append(Section(key, title, parts))
    return Document(
        one_line(report.title or "logs"),
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
            f"{format_time(reading.since)} {NONE} {format_time(reading.until)}"
            f" UTC ({format_seconds(length)})"
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


def _versions_title(found: ReportView) -> str:
    both = found.versions
    if both is None:
        return ""
    return f"{one_line(both.b, 60)} against {one_line(both.a, 60)}"


def _versions(found: ReportView) -> Iterator[Part]:
    return _comparison(found.versions, "versions")


def _before(found: ReportView) -> Iterator[Part]:
    return _comparison(found.halves, "before")


def _volume(found: ReportView) -> Iterator[Part]:
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


def _counts(title: str, found: Sequence[Count], total: int) -> ReportTable:
    return ReportTable(
        title,
        (
            TableColumn(""),
            TableColumn("records", True),
            TableColumn("part", True),
        ),
        tuple(
            (
                "none" if each.value is None else one_line(each.value, 120),
                f"{each.records:,}",
                format_percent(each.records / total),
            )
            for each in found[:_MOST_ROWS]
        ),
    )


def _latency_title(report: Report) -> str:
    return f"Latency: {one_line(report.field, 80)}" if report.field else ""


def _latency(found: ReportView) -> Iterator[Part]:
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
    by = " · ".join(one_line(each, 40) for each in report.by) or "group"
    yield ReportTable(
        "Percentiles",
        (TableColumn(by), *(TableColumn(name, True) for name in numbers)),
        tuple(
            (
                format_group(each.group) if each.group else "all",
                f"{each.count:,}",
                *(
                    format_seconds(getattr(each, f"{name}_seconds"))
                    for name in numbers[1:]
                ),
            )
            for each in rows[:_MOST_ROWS]
        ),
        wide=(2, 4),
    )
    error = max((each.relative_error for each in rows), default=0.0)
    if error:
        yield Note(f"Percentiles are within {format_percent(error)}.")
    refused = sum(each.refused for each in report.latency)
    if refused:
        yield Note(
            f"{plural(refused, 'value')} of {one_line(report.field, 60)} are no"
            " latencies (text, NaN, below 0) and were left out.",
            "warn",
        )


def _comparison(found: Comparison | None, name: str) -> Iterator[Part]:
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
        TableColumn(""),
        TableColumn("A", True),
        TableColumn("B", True),
        TableColumn("effect", True),
        TableColumn("95 % interval", True),
        TableColumn("p", True),
        TableColumn("verdict"),
        TableColumn("needs", True),
    ]
    if not any(row[-1] for row in rows):
        columns.pop()
        rows = [row[:-1] for row in rows]
    yield ReportTable(
        f"A is {one_line(found.a, 60)} ({plural(found.records_a, 'record')}),"
        f" B is {one_line(found.b, 60)} ({plural(found.records_b, 'record')})",
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
    smallest = format_percent(found.smallest_effect)
    points = format_number(found.smallest_effect * 10)
    yield Explanation(
        "How this was tested",
        (
            f"Tests: {named}. p is corrected: {found.correction}.",
            "Needs: records of each side that would be enough 4 times of 5.",
            f"Alike: the interval is within {smallest} ({points} points).",
            *(one_line(each, 400) for each in found.notes),
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
        NONE if found.quantity == "location" else format_value(found, found.a),
        NONE if found.quantity == "location" else format_value(found, found.b),
        format_effect(found),
        format_interval(found),
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


def _slow(found: ReportView) -> Iterator[Part]:
    """
    What slow requests have in common, and the slowest.
    """
    report = found.report
    if report.slow_segments is not None and report.slow_segments.records:
        yield from _segment_table(report.slow_segments, "slow")
    for each in report.slowest:
        yield _request(each, report.by)


def _failed(found: ReportView) -> Iterator[Part]:
    """
    What records of level ERROR and above have in common.
    """
    segments = found.report.error_segments
    if segments is not None and segments.bad:
        yield from _segment_table(segments, "failed")


def _segment_table(found: Segments, word: str) -> Iterator[Part]:
    bad = [each for each in found.found if each.is_bad][:10]
    if not bad:
        yield Note(
            f"None of {found.tested:,} values of fields is {word} more often"
            f" than chance explains ({plural(found.bad, 'record')} of"
            f" {found.records:,} with {one_line(found.outcome)})."
        )
        return
    yield ReportTable(
        f"What the {word} have in common: {one_line(found.outcome)},"
        f" {found.bad:,} of {found.records:,}",
        (
            TableColumn("field"),
            TableColumn("value"),
            TableColumn(f"of the {word}", True),
            TableColumn("of all", True),
            TableColumn("as often", True),
            TableColumn("95 % interval", True),
            TableColumn("p", True),
        ),
        tuple(
            (
                one_line(each.field, 60),
                one_line(each.value, 60),
                format_percent(each.share_of_bad),
                format_percent(each.share_of_all),
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
    yield Explanation(
        "How this was tested",
        (f"{found.tested:,} values were tested: {found.test}.",),
    )


def _lift(value: float) -> str:
    return format_number(round(value, 1) if value < 1e6 else value)


def _request(found: SlowRequest, by: tuple[str, ...]) -> Details:
    parts = [
        format_seconds(found.seconds),
        "" if found.time is None else format_time(found.time),
        *(one_line(found.fields.get(name, ""), 40) for name in by),
        one_line(found.message or "", 80),
    ]
    pairs = [
        ("time", f"{format_time(found.time, precise=True)} UTC"),
        ("level", one_line(found.level or "")),
        ("logger", one_line(found.logger or "")),
        *(
            (one_line(name, 60), one_line(value, 500))
            for name, value in found.fields.items()
        ),
    ]
    return Details(
        " · ".join(filter(None, parts)),
        tuple((k, v) for k, v in pairs[:60] if v and v != f"{NONE} UTC"),
    )


def _drift(found: ReportView) -> Iterator[Part]:
    """
    Each field against what it was.
    """
    fields = found.report.drift
    if not fields:
        return
    yield ReportTable(
        f"Each field against {one_line(found.report.drift_reference)}",
        (
            TableColumn("field"),
            TableColumn("drift"),
            TableColumn("distance", True),
            TableColumn("limit", True),
            TableColumn("mean before", True),
            TableColumn("mean now", True),
            TableColumn("values", True),
        ),
        tuple(_drifted(each) for each in fields[:_MOST_ROWS]),
        tuple(
            ("bad" if e.severity == "major" else "warn")
            if e.severity != "none"
            else "quiet"
            for e in fields[:_MOST_ROWS]
        ),
        wide=(6,),
    )
    if any(each.sampled for each in fields):
        yield Note("Of fields with many values some were compared.")


def _drifted(found: Drift) -> tuple[str, ...]:
    return (
        one_line(found.field, 60),
        found.severity,
        f"{found.statistic} {format_number(found.value)}",
        format_number(found.threshold),
        format_number(found.reference_mean),
        format_number(found.mean),
        f"{found.count:,}",
    )


def _summaries(found: ReportView) -> Iterator[Part]:
    """
    What SummaryHandler logged.
    """
    known = found.report.summaries[:_MOST_ROWS]
    if not known:
        return
    yield ReportTable(
        "The newest of each metric",
        (
            TableColumn("metric"),
            TableColumn("labels"),
            TableColumn("values", True),
            TableColumn("newest"),
        ),
        tuple(
            (
                one_line(each.field, 60),
                ", ".join(
                    one_line(label, 60) for label in each.group if label
                ),
                f"{each.count:,}",
                ", ".join(
                    f"{one_line(name, 20)} {format_number(value)}"
                    for name, value in each.last.items()
                ),
            )
            for each in known
        ),
    )


def _losses(found: ReportView) -> Iterator[Part]:
    """
    What is not, or not wholly, in the logs.
    """
    lost = found.report.losses
    rows: list[tuple[str, str]] = [
        (
            f"skipped: {_REASONS.get(reason, one_line(reason, 60))}",
            f"{count:,}",
        )
        for reason, count in sorted(lost.skipped.items())
    ]
    if lost.truncated:
        rows.append(("records cut to the longest line", f"{lost.truncated:,}"))
    if lost.nonfinite:
        rows.append(("records with NaN or infinity", f"{lost.nonfinite:,}"))
    rows += [
        (f"counted in records: {one_line(name, 60)}", format_number(value))
        for name, value in lost.counted.items()
    ]
    rows += [
        (
            f"waits to be sent in {one_line(each.folder, 120)}",
            f"{plural(each.records, 'record')}, {format_bytes(each.bytes)}",
        )
        for each in lost.spooled
    ]
    if rows:
        yield ReportTable(
            "What is not, or not wholly, in these logs",
            (TableColumn(""), TableColumn("count", True)),
            tuple(rows),
            tuple("warn" for _ in rows),
        )
    for line in lost.reports[-10:]:
        yield Note(one_line(line, 300), "warn")
    if not rows and not lost.reports:
        yield Note(
            "None found: nothing was skipped or cut, and no handler reported"
            " drops."
        )


def _reading(found: ReportView) -> Iterator[Part]:
    """
    What was read, and what was skipped.
    """
    read = found.report.reading
    line = (
        f"{plural(read.files, 'file')}, {format_bytes(read.bytes)},"
        f" {plural(read.records, 'record')}"
    )
    if read.chosen != read.records:
        line += f", of which {read.chosen:,} were chosen"
    yield Note(f"{line}, read in {format_seconds(read.seconds)}.")
    if read.untimed:
        yield Note(
            f"{plural(read.untimed, 'record')} have no time that can be"
            " read, and are in nothing that goes over time.",
            "warn",
        )
    if not read.skipped:
        return
    rows = sorted(read.skipped, key=lambda each: -each.count)
    total = Counter[str]()
    for each in rows[_MOST_ROWS:]:
        total[each.reason] += each.count
    yield ReportTable(
        "Skipped",
        (
            TableColumn("file"),
            TableColumn("reason"),
            TableColumn("count", True),
        ),
        tuple(
            (
                one_line(each.file, 160),
                _REASONS.get(each.reason, one_line(each.reason, 60)),
                f"{each.count:,}",
            )
            for each in rows[:_MOST_ROWS]
        )
        + tuple(
            ("other files", _REASONS.get(reason, reason), f"{count:,}")
            for reason, count in sorted(total.items())
        ),
        tuple("warn" for _ in range(len(rows))),
    )


def _training(found: ReportView) -> Iterator[Part]:
    """
    Training curves, and the values they end with.
    """
    curves = found.report.curves
    if not curves:
        return
    metrics: dict[str, list[Curve]] = defaultdict(list)
    for each in curves:
        metrics[each.metric].append(each)
    for number, (metric, runs) in enumerate(metrics.items()):
        if number == _MOST_CHARTS:
            break
        yield curve_chart(f"curve-{number}", metric, runs)
    if len(metrics) > _MOST_CHARTS:
        yield Note(f"{len(metrics) - _MOST_CHARTS} more metrics are below.")
    yield ReportTable(
        "Values",
        (
            TableColumn("metric"),
            TableColumn("run"),
            TableColumn("steps", True),
            TableColumn("last", True),
            TableColumn("least", True),
            TableColumn("most", True),
        ),
        tuple(_curve(each) for each in curves[:_MOST_CURVES]),
    )


def _curve(found: Curve) -> tuple[str, ...]:
    least = min(found.steps, key=lambda each: each.low)
    most = max(found.steps, key=lambda each: each.high)
    return (
        one_line(found.metric, 80),
        NONE if found.run is None else one_line(found.run, 60),
        f"{sum(each.count for each in found.steps):,}",
        format_number(found.last),
        f"{format_number(least.low)} at {format_number(least.step)}",
        f"{format_number(most.high)} at {format_number(most.step)}",
    )
