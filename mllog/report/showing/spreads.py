"""
How latencies are spread: of all, and of each group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..answers import Distribution, Latency
from .grammar import MOST_GROUPS, ZOOM, axis, named, scale_of, tips, unit_of
from .parts import Chart, Spark
from .words import group_in_words, seconds_in_words, short

__all__ = ["distribution_chart", "groups_chart"]


def distribution_chart(
    found: Sequence[Distribution], by: str | None
) -> Chart | None:
    """
    How latencies are spread, on a log scale, as parts of their group.
    """
    known = [each for each in found if each.bars][:MOST_GROUPS]
    if not known:
        return None
    unit, name = unit_of(
        [bar.low_seconds for each in known for bar in each.bars]
    )
    rows = []
    for each in known:
        total = each.zeros + sum(bar.count for bar in each.bars)
        rows += [
            {
                "x": bar.low_seconds / unit,
                "x2": bar.high_seconds / unit,
                "y": bar.count / total,
                "group": group_in_words(each.group) or "all",
                "range": f"{seconds_in_words(bar.low_seconds)} …"
                f" {seconds_in_words(bar.high_seconds)}",
                "part": f"{bar.count / total:.1%}",
                "count": bar.count,
            }
            for bar in each.bars
        ]
    encoding: dict[str, Any] = {
        "x": axis(
            "x",
            name,
            scale={"type": "log", "nice": False},
            axis={"grid": False},
        ),
        "x2": {"field": "x2"},
        "y": axis("y", "part of requests", axis={"format": "%"}, stack=None),
        "y2": {"datum": 0},
        "tooltip": tips(
            range="latency",
            **({"group": short(by)} if by else {}),
            part="part",
            count="requests",
        ),
    }
    if by:
        encoding["color"] = {**named("group"), "sort": None}
    spec: dict[str, Any] = {
        "data": {"values": rows},
        "params": [ZOOM],
        "mark": {
            "type": "rect",
            "tooltip": True,
            "fillOpacity": 0.55 if by else 0.85,
            **({} if by else {"color": {"expr": "c0"}}),
        },
        "encoding": encoding,
    }
    sparks = tuple(
        Spark(
            group_in_words(each.group) or "requests",
            tuple(float(bar.count) for bar in each.bars),
            f"{seconds_in_words(each.bars[0].low_seconds)} …"
            f" {seconds_in_words(each.bars[-1].high_seconds)}, log scale",
        )
        for each in known
    )
    title = f"Distribution by {short(by)}" if by else "Distribution"
    return Chart("spread", f"{title} of latencies", spec, sparks)


def groups_chart(found: Sequence[Latency]) -> Chart | None:
    """
    From the median to p99 of each group, with a mark at p95.
    """
    known = sorted(found, key=lambda e: e.count, reverse=True)[:20]
    if len(known) < 2:
        return None
    unit, name = unit_of([each.p95_seconds for each in known])
    rows = [
        {
            "group": group_in_words(each.group),
            "p50": each.p50_seconds / unit,
            "p95": each.p95_seconds / unit,
            "p99": each.p99_seconds / unit,
            "a": seconds_in_words(each.p50_seconds),
            "b": seconds_in_words(each.p95_seconds),
            "c": seconds_in_words(each.p99_seconds),
            "requests": each.count,
        }
        for each in known
    ]
    ends = [(each.p50_seconds, each.p99_seconds) for each in known]
    scale = scale_of([value for both in ends for value in both])
    y = {**named("group"), "sort": None, "axis": {"labelLimit": 130}}
    shown = tips(group="group", a="p50", b="p95", c="p99", requests="requests")

    def layer(mark: dict[str, Any], **encoding: Any) -> dict[str, Any]:
        return {
            "mark": {**mark, "tooltip": True, "color": {"expr": "c0"}},
            "encoding": {"y": y, "tooltip": shown, **encoding},
        }

    spec: dict[str, Any] = {
        "height": {"step": 34},
        "data": {"values": rows},
        "layer": [
            layer(
                {"type": "rule", "strokeWidth": 5, "opacity": 0.35},
                x=axis("p50", f"{name}: p50, p95, p99", scale=scale),
                x2={"field": "p99"},
            ),
            layer(
                {"type": "point", "filled": True, "size": 90, "opacity": 1},
                x=axis("p50", None, scale=scale),
            ),
            layer(
                {"type": "tick", "thickness": 4, "size": 20},
                x=axis("p95", None, scale=scale),
            ),
            layer(
                {"type": "tick", "thickness": 2, "size": 12},
                x=axis("p99", None, scale=scale),
            ),
        ],
    }
    return Chart("groups", "Percentiles by group", spec, (), is_zoomable=False)
