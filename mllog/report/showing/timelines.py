"""
Charts over time: records, errors and latencies.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..answers import LatencyPoint, Volume
from .grammar import (
    MOST_GROUPS,
    MOST_POINTS,
    ZOOM,
    axis,
    named,
    scale_of,
    time_axis,
    tips,
    unit_of,
)
from .parts import Chart, Spark, Tone
from .words import group_in_words, seconds_in_words, short, time_in_words

__all__ = ["errors_chart", "percentiles_chart", "volume_chart"]

_PERCENTILES: Final = ("p50", "p95", "p99")


def volume_chart(found: Volume) -> Chart | None:
    """
    Records in each interval; None of too few.
    """
    if not found.points:
        return None
    width = found.bucket_seconds
    rows = [
        {
            "x": each.start * 1000,
            "x2": (each.start + width) * 1000,
            "records": each.records,
            "when": _clock(each.start, width),
            "warnings": each.warnings,
            "errors": each.errors,
        }
        for each in found.points[:MOST_POINTS]
    ]
    spec: dict[str, Any] = {
        "data": {"values": rows},
        "params": [ZOOM],
        "mark": {"type": "rect", "tooltip": True, "color": {"expr": "c0"}},
        "encoding": {
            "x": time_axis(),
            "x2": {"field": "x2"},
            "y": axis(
                "records", f"records in {seconds_in_words(width)}", stack=None
            ),
            "y2": {"datum": 0},
            "tooltip": tips(
                when="from",
                records="records",
                warnings="warnings",
                errors="errors",
            ),
        },
    }
    sparks = (
        _timeline(
            "records",
            [(each.start, each.records) for each in found.points],
            width,
        ),
    )
    return Chart("volume", "Records over time", spec, sparks, True)


def errors_chart(found: Volume) -> Chart | None:
    """
    Warnings and errors in each interval; None without any.
    """
    if not any(each.warnings or each.errors for each in found.points):
        return None
    # the first and the last, so that both charts have the same time
    points = [
        each
        for each in found.points
        if each.warnings
        or each.errors
        or each in (found.points[0], found.points[-1])
    ]
    width = found.bucket_seconds
    rows = [
        {
            "x": each.start * 1000,
            "x2": (each.start + width) * 1000,
            "low": low,
            "high": low + count,
            "kind": kind,
            "count": count,
            "when": _clock(each.start, width),
        }
        for each in points[:MOST_POINTS]
        for kind, low, count in (
            ("errors", 0, each.errors),
            ("warnings", each.errors, each.warnings),
        )
        if count or each in (found.points[0], found.points[-1])
    ]
    spec: dict[str, Any] = {
        "data": {"values": rows},
        "params": [ZOOM],
        "mark": {"type": "rect", "tooltip": True},
        "encoding": {
            "x": time_axis(),
            "x2": {"field": "x2"},
            "y": axis("high", "in each interval", axis={"tickMinStep": 1}),
            "y2": {"field": "low"},
            "color": {
                **named("kind"),
                "scale": {
                    "domain": ["errors", "warnings"],
                    "range": [{"expr": "bad"}, {"expr": "warn"}],
                },
            },
            "tooltip": tips(when="from", kind="level", count="records"),
        },
    }
    kinds: tuple[tuple[str, Tone, list[tuple[float, int]]], ...] = (
        ("errors", "bad", [(e.start, e.errors) for e in found.points]),
        ("warnings", "warn", [(e.start, e.warnings) for e in found.points]),
    )
    sparks = tuple(
        _timeline(name, values, width, tone)
        for name, tone, values in kinds
        if any(value for _, value in values)
    )
    return Chart("errors", "Warnings and errors over time", spec, sparks, True)


def _timeline(
    name: str,
    points: list[tuple[float, int]],
    width: float,
    tone: Tone = "quiet",
) -> Spark:
    begin = points[0][0]
    places = min(MOST_POINTS, round((points[-1][0] - begin) / width) + 1)
    values: list[float | None] = [0.0] * places
    for start, value in points:
        place = min(places - 1, round((start - begin) / width))
        values[place] = (values[place] or 0.0) + value
    most = max(value for _, value in points)
    about = f"up to {most:,} in {seconds_in_words(width)}"
    return Spark(name, tuple(values), about, tone)


def percentiles_chart(
    points: Sequence[LatencyPoint], by: str | None
) -> Chart | None:
    """
    Percentiles over time: of all, or of each group one that can be chosen.
    """
    if not points:
        return None
    groups = _largest(points)
    points = [each for each in points if each.group in groups]
    unit, name = unit_of([each.p95_seconds for each in points])
    width = min(_gaps(points), default=1.0)
    rows = [
        {
            "x": each.start * 1000,
            "y": value / unit,
            "percentile": percentile,
            "group": group_in_words(each.group),
            "when": _clock(each.start, width),
            "latency": seconds_in_words(value),
            "requests": each.count,
        }
        for each in points
        for percentile, value in zip(
            _PERCENTILES,
            (each.p50_seconds, each.p95_seconds, each.p99_seconds),
            strict=True,
        )
    ]
    shown = tips(
        when="from",
        **({"group": short(by)} if by else {}),
        percentile="percentile",
        latency="latency",
        requests="requests",
    )
    spec: dict[str, Any] = {
        "data": {"values": rows},
        "params": [ZOOM],
        "mark": {
            "type": "line",
            "strokeWidth": 2,
            "point": {"size": 26},
            "tooltip": True,
        },
        "encoding": {
            "x": time_axis(),
            "y": axis("y", name, scale=scale_of(_heights(points))),
            "color": {**named("group" if by else "percentile"), "sort": None},
            "tooltip": shown,
        },
    }
    if by:
        spec["params"] = [
            ZOOM,
            {
                "name": "percentile",
                "value": "p95",
                "bind": {
                    "input": "radio",
                    "options": list(_PERCENTILES),
                    "name": " ",
                },
            },
        ]
        spec["transform"] = [
            {"filter": "datum.percentile === percentile"},
        ]
    title = f"Latency by {short(by)}" if by else "Latency percentiles"
    return Chart(
        "by-time" if by else "latency-time",
        f"{title} over time",
        spec,
        tuple(_latency_sparks(points, groups, bool(by))),
        True,
    )


def _heights(points: Sequence[LatencyPoint]) -> list[float]:
    return [
        value
        for each in points
        for value in (each.p50_seconds, each.p99_seconds)
    ]


def _gaps(points: Sequence[LatencyPoint]) -> Iterable[float]:
    starts = sorted({each.start for each in points})
    return (after - before for before, after in itertools.pairwise(starts))


def _largest(points: Sequence[LatencyPoint]) -> list[Any]:
    """
    The groups with the most requests, in the order of their names.
    """
    counts: dict[Any, int] = defaultdict(int)
    for each in points:
        counts[each.group] += each.count
    kept = sorted(counts, key=counts.__getitem__, reverse=True)[:MOST_GROUPS]
    return sorted(kept, key=str)


def _latency_sparks(
    points: Sequence[LatencyPoint], groups: list[Any], is_split: bool
) -> Iterable[Spark]:
    for group in groups:
        own = [each for each in points if each.group == group]
        for name in ("p95",) if is_split else _PERCENTILES:
            values = [getattr(each, f"{name}_seconds") for each in own]
            label = f"{group_in_words(group)} {name}" if is_split else name
            about = (
                f"{seconds_in_words(min(values))} … "
                f"{seconds_in_words(max(values))}"
            )
            yield Spark(label, tuple(values), about)


def _clock(seconds: float, width: float) -> str:
    return f"{time_in_words(seconds, precise=width < 1)} UTC"
