"""
Charts in Vega-Lite, each with a sparkline for the terminal.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..answers import (
    Comparison,
    Curve,
    Distribution,
    Latency,
    LatencyPoint,
    Volume,
)
from .document import (
    Chart,
    Sparkline,
    Tone,
    format_effect,
    format_group,
    format_interval,
    format_number,
    format_seconds,
    format_time,
    one_line,
)

__all__ = [
    "curve_chart",
    "distribution_chart",
    "effects_chart",
    "errors_chart",
    "groups_chart",
    "percentiles_chart",
    "volume_chart",
]

_PERCENTILES: Final = ("p50", "p95", "p99")
_ZOOM: Final = {
    "name": "zoom",
    "select": {
        "type": "interval",
        "encodings": ["x"],
        "zoom": "wheel![event.ctrlKey || event.metaKey]",
    },
    "bind": "scales",
}
_MOST_POINTS: Final = 400
_MOST_GROUPS: Final = 6
_TIME_FORMAT: Final = {
    "milliseconds": "%H:%M:%S.%L",
    "seconds": "%H:%M:%S",
    "minutes": "%H:%M",
    "hours": "%H:%M",
    "date": "%d %b",
    "month": "%b %Y",
}


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
        for each in found.points[:_MOST_POINTS]
    ]
    spec: dict[str, Any] = {
        "data": {"values": rows},
        "params": [_ZOOM],
        "mark": {"type": "rect", "tooltip": True, "color": {"expr": "c0"}},
        "encoding": {
            "x": _time_axis(),
            "x2": {"field": "x2"},
            "y": _quantitative(
                "records", f"records in {format_seconds(width)}", stack=None
            ),
            "y2": {"datum": 0},
            "tooltip": _tooltips(
                when="from",
                records="records",
                warnings="warnings",
                errors="errors",
            ),
        },
    }
    sparklines = (
        _timeline(
            "records",
            [(each.start, each.records) for each in found.points],
            width,
        ),
    )
    return Chart("volume", "Records over time", spec, sparklines, True)


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
        for each in points[:_MOST_POINTS]
        for kind, low, count in (
            ("errors", 0, each.errors),
            ("warnings", each.errors, each.warnings),
        )
        if count or each in (found.points[0], found.points[-1])
    ]
    spec: dict[str, Any] = {
        "data": {"values": rows},
        "params": [_ZOOM],
        "mark": {"type": "rect", "tooltip": True},
        "encoding": {
            "x": _time_axis(),
            "x2": {"field": "x2"},
            "y": _quantitative(
                "high", "in each interval", axis={"tickMinStep": 1}
            ),
            "y2": {"field": "low"},
            "color": {
                **_nominal("kind"),
                "scale": {
                    "domain": ["errors", "warnings"],
                    "range": [{"expr": "bad"}, {"expr": "warn"}],
                },
            },
            "tooltip": _tooltips(when="from", kind="level", count="records"),
        },
    }
    kinds: tuple[tuple[str, Tone, list[tuple[float, int]]], ...] = (
        ("errors", "bad", [(e.start, e.errors) for e in found.points]),
        ("warnings", "warn", [(e.start, e.warnings) for e in found.points]),
    )
    sparklines = tuple(
        _timeline(name, values, width, tone)
        for name, tone, values in kinds
        if any(value for _, value in values)
    )
    return Chart(
        "errors", "Warnings and errors over time", spec, sparklines, True
    )


def _timeline(
    name: str,
    points: list[tuple[float, int]],
    width: float,
    tone: Tone = "quiet",
) -> Sparkline:
    begin = points[0][0]
    places = min(_MOST_POINTS, round((points[-1][0] - begin) / width) + 1)
    values: list[float | None] = [0.0] * places
    for start, value in points:
        place = min(places - 1, round((start - begin) / width))
        values[place] = (values[place] or 0.0) + value
    most = max(value for _, value in points)
    about = f"up to {most:,} in {format_seconds(width)}"
    return Sparkline(name, tuple(values), about, tone)


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
    unit, name = _display_unit([each.p95_seconds for each in points])
    width = min(_gaps(points), default=1.0)
    rows = [
        {
            "x": each.start * 1000,
            "y": value / unit,
            "percentile": percentile,
            "group": format_group(each.group),
            "when": _clock(each.start, width),
            "latency": format_seconds(value),
            "requests": each.count,
        }
        for each in points
        for percentile, value in zip(
            _PERCENTILES,
            (each.p50_seconds, each.p95_seconds, each.p99_seconds),
            strict=True,
        )
    ]
    shown = _tooltips(
        when="from",
        **({"group": one_line(by)} if by else {}),
        percentile="percentile",
        latency="latency",
        requests="requests",
    )
    spec: dict[str, Any] = {
        "data": {"values": rows},
        "params": [_ZOOM],
        "mark": {
            "type": "line",
            "strokeWidth": 2,
            "point": {"size": 26},
            "tooltip": True,
        },
        "encoding": {
            "x": _time_axis(),
            "y": _quantitative(
                "y", name, scale=_number_scale(_heights(points))
            ),
            "color": {
                **_nominal("group" if by else "percentile"),
                "sort": None,
            },
            "tooltip": shown,
        },
    }
    if by:
        spec["params"] = [
            _ZOOM,
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
    title = f"Latency by {one_line(by)}" if by else "Latency percentiles"
    return Chart(
        "by-time" if by else "latency-time",
        f"{title} over time",
        spec,
        tuple(_latency_sparklines(points, groups, bool(by))),
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
    kept = sorted(counts, key=counts.__getitem__, reverse=True)[:_MOST_GROUPS]
    return sorted(kept, key=str)


def _latency_sparklines(
    points: Sequence[LatencyPoint], groups: list[Any], is_split: bool
) -> Iterable[Sparkline]:
    for group in groups:
        own = [each for each in points if each.group == group]
        for name in ("p95",) if is_split else _PERCENTILES:
            values = [getattr(each, f"{name}_seconds") for each in own]
            label = f"{format_group(group)} {name}" if is_split else name
            about = (
                f"{format_seconds(min(values))} … "
                f"{format_seconds(max(values))}"
            )
            yield Sparkline(label, tuple(values), about)


def _clock(seconds: float, width: float) -> str:
    return f"{format_time(seconds, precise=width < 1)} UTC"


def _time_axis(**axis: Any) -> dict[str, Any]:
    """
    The encoding of a time in milliseconds, ``x``, in UTC.
    """
    return {
        "field": "x",
        "type": "temporal",
        "title": None,
        "scale": {"type": "utc"},
        "axis": {"format": _TIME_FORMAT, "labelOverlap": True, **axis},
    }


def _quantitative(
    field: str, title: str | None, **more: Any
) -> dict[str, Any]:
    """
    The encoding of a number.
    """
    return {"field": field, "type": "quantitative", "title": title, **more}


def _nominal(field: str, title: str | None = None) -> dict[str, Any]:
    """
    The encoding of a name.
    """
    return {"field": field, "type": "nominal", "title": title}


def _tooltips(**names: str) -> list[dict[str, Any]]:
    """
    What is shown of a point: titles by field.
    """
    return [
        {"field": field, "type": "nominal", "title": title}
        for field, title in names.items()
    ]


def _display_unit(values: Iterable[float]) -> tuple[float, str]:
    """
    The unit in which the middle of *values* is easy to read.
    """
    known = sorted(each for each in values if each > 0)
    middle = known[len(known) // 2] if known else 1.0
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if middle >= unit:
            return unit, name
    return 1e-6, "µs"


def _number_scale(values: Sequence[float]) -> dict[str, Any]:
    """
    A logarithmic scale, where a linear one would hide most.
    """
    known = [each for each in values if each > 0]
    if known and len(known) == len(values) and max(known) > 20 * min(known):
        return {"type": "log", "nice": False}
    return {"zero": True}


def distribution_chart(
    found: Sequence[Distribution], by: str | None
) -> Chart | None:
    """
    How latencies are spread, on a log scale, as parts of their group.
    """
    known = [each for each in found if each.bars][:_MOST_GROUPS]
    if not known:
        return None
    unit, name = _display_unit(
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
                "group": format_group(each.group) or "all",
                "range": f"{format_seconds(bar.low_seconds)} …"
                f" {format_seconds(bar.high_seconds)}",
                "part": f"{bar.count / total:.1%}",
                "count": bar.count,
            }
            for bar in each.bars
        ]
    encoding: dict[str, Any] = {
        "x": _quantitative(
            "x",
            name,
            scale={"type": "log", "nice": False},
            axis={"grid": False},
        ),
        "x2": {"field": "x2"},
        "y": _quantitative(
            "y", "part of requests", axis={"format": "%"}, stack=None
        ),
        "y2": {"datum": 0},
        "tooltip": _tooltips(
            range="latency",
            **({"group": one_line(by)} if by else {}),
            part="part",
            count="requests",
        ),
    }
    if by:
        encoding["color"] = {**_nominal("group"), "sort": None}
    spec: dict[str, Any] = {
        "data": {"values": rows},
        "params": [_ZOOM],
        "mark": {
            "type": "rect",
            "tooltip": True,
            "fillOpacity": 0.55 if by else 0.85,
            **({} if by else {"color": {"expr": "c0"}}),
        },
        "encoding": encoding,
    }
    sparklines = tuple(
        Sparkline(
            format_group(each.group) or "requests",
            tuple(float(bar.count) for bar in each.bars),
            f"{format_seconds(each.bars[0].low_seconds)} …"
            f" {format_seconds(each.bars[-1].high_seconds)}, log scale",
        )
        for each in known
    )
    title = f"Distribution by {one_line(by)}" if by else "Distribution"
    return Chart("spread", f"{title} of latencies", spec, sparklines)


def groups_chart(found: Sequence[Latency]) -> Chart | None:
    """
    From the median to p99 of each group, with a mark at p95.
    """
    known = sorted(found, key=lambda e: e.count, reverse=True)[:20]
    if len(known) < 2:
        return None
    unit, name = _display_unit([each.p95_seconds for each in known])
    rows = [
        {
            "group": format_group(each.group),
            "p50": each.p50_seconds / unit,
            "p95": each.p95_seconds / unit,
            "p99": each.p99_seconds / unit,
            "a": format_seconds(each.p50_seconds),
            "b": format_seconds(each.p95_seconds),
            "c": format_seconds(each.p99_seconds),
            "requests": each.count,
        }
        for each in known
    ]
    ends = [(each.p50_seconds, each.p99_seconds) for each in known]
    scale = _number_scale([value for both in ends for value in both])
    y = {**_nominal("group"), "sort": None, "axis": {"labelLimit": 130}}
    shown = _tooltips(
        group="group", a="p50", b="p95", c="p99", requests="requests"
    )

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
                x=_quantitative("p50", f"{name}: p50, p95, p99", scale=scale),
                x2={"field": "p99"},
            ),
            layer(
                {"type": "point", "filled": True, "size": 90, "opacity": 1},
                x=_quantitative("p50", None, scale=scale),
            ),
            layer(
                {"type": "tick", "thickness": 4, "size": 20},
                x=_quantitative("p95", None, scale=scale),
            ),
            layer(
                {"type": "tick", "thickness": 2, "size": 12},
                x=_quantitative("p99", None, scale=scale),
            ),
        ],
    }
    return Chart("groups", "Percentiles by group", spec, (), is_zoomable=False)


def effects_chart(found: Comparison, name: str) -> Chart | None:
    """
    The effect on each latency, with its interval, in percent.
    """
    known = [
        each
        for each in found.differences
        if each.unit == "seconds" and each.effect and each.low and each.high
    ]
    if not known:
        return None
    rows = [
        {
            "quantity": each.quantity,
            "effect": each.effect,
            "low": max(1e-3, each.low or 0),
            "high": min(1e3, each.high or 0),
            "size": format_effect(each),
            "interval": format_interval(each),
            "verdict": each.verdict
            if each.verdict != "different"
            else ("slower" if (each.effect or 0) > 1 else "faster"),
        }
        for each in known
    ]
    names = {
        "slower": "bad",
        "faster": "good",
        "alike": "c0",
        "not enough data": "dim",
    }
    used = [each for each in names if any(r["verdict"] == each for r in rows)]
    colors = {
        "domain": used,
        "range": [{"expr": names[each]} for each in used],
    }
    y = {**_nominal("quantity"), "sort": None}
    effects = [float(str(row[e])) for row in rows for e in ("low", "high")]
    low, high = min([0.95, *effects]), max([1.05, *effects])
    scale = {"type": "log", "domain": [low * 0.98, high * 1.02], "nice": False}
    x = {
        "type": "quantitative",
        "scale": scale,
        "title": "times as long (1 is alike)",
        "axis": {"format": ".3~g", "tickCount": 6},
    }
    common = {
        "y": y,
        "color": {**_nominal("verdict"), "scale": colors},
        "tooltip": _tooltips(
            quantity="quantity",
            size="effect",
            interval="95 % interval",
            verdict="verdict",
        ),
    }
    spec: dict[str, Any] = {
        "height": {"step": 30},
        "data": {"values": rows},
        "layer": [
            {
                "mark": {
                    "type": "rule",
                    "strokeDash": [4, 3],
                    "color": {"expr": "dim"},
                },
                "encoding": {"x": {**x, "datum": 1}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 3, "tooltip": True},
                "encoding": {
                    "x": {**x, "field": "low"},
                    "x2": {"field": "high"},
                    **common,
                },
            },
            {
                "mark": {
                    "type": "point",
                    "filled": True,
                    "size": 110,
                    "opacity": 1,
                    "tooltip": True,
                },
                "encoding": {"x": {**x, "field": "effect"}, **common},
            },
        ],
    }
    return Chart(
        f"effects-{name}",
        f"{one_line(found.b, 60)} against {one_line(found.a, 60)}",
        spec,
        (),
        is_zoomable=False,
    )


def curve_chart(name: str, metric: str, found: Sequence[Curve]) -> Chart:
    """
    A metric by step, a line for each run.
    """
    several = len(found) > 1
    rows = [
        {
            "x": step.step,
            "y": step.mean,
            **({"run": one_line(each.run or "", 60)} if several else {}),
        }
        for each in found[:_MOST_GROUPS]
        for step in _thinned(each.steps, len(found))
        if math.isfinite(step.mean)
    ]
    spec: dict[str, Any] = {
        "height": 170,
        "data": {"values": rows},
        "params": [_ZOOM],
        "mark": {
            "type": "line",
            "strokeWidth": 2,
            "tooltip": True,
            "point": {"size": 22} if len(rows) < 60 else {"opacity": 0},
            **({} if several else {"color": {"expr": "c0"}}),
        },
        "encoding": {
            "x": _quantitative(
                "x", "step", scale={"zero": False, "nice": False}
            ),
            "y": _quantitative("y", None, scale={"zero": False}),
            "tooltip": [
                *_tooltips(**({"run": "run"} if several else {})),
                _quantitative("x", "step", format=","),
                _quantitative("y", one_line(metric, 60), format=".4~g"),
            ],
            **(
                {"color": {**_nominal("run"), "sort": None}} if several else {}
            ),
        },
    }
    sparklines = tuple(_curve_sparkline(each) for each in found[:_MOST_GROUPS])
    return Chart(name, one_line(metric, 80), spec, sparklines)


def _thinned(steps: Sequence[Any], runs: int) -> Sequence[Any]:
    most = max(_MOST_POINTS // min(runs, _MOST_GROUPS), 100)
    every = math.ceil(len(steps) / most)
    return [*steps[:-1:every], *steps[-1:]]


def _curve_sparkline(found: Curve) -> Sparkline:
    values = [each.mean for each in found.steps if math.isfinite(each.mean)]
    least = min(values, default=0.0)
    about = (
        f"last {format_number(found.last)},"
        f" {format_number(least)} …"
        f" {format_number(max(values, default=0.0))}"
    )
    name = one_line(found.metric, 40)
    if found.run is not None:
        name += f" ({one_line(found.run, 40)})"
    return Sparkline(name, tuple(each - least for each in values), about)
