"""
How large the differences of a comparison are, and how sure.
"""

from __future__ import annotations

from typing import Any

from ..answers import Comparison
from .grammar import named, tips
from .parts import Chart
from .words import effect_in_words, interval_in_words, short

__all__ = ["effects_chart"]


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
            "said": effect_in_words(each),
            "interval": interval_in_words(each),
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
    y = {**named("quantity"), "sort": None}
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
        "color": {**named("verdict"), "scale": colors},
        "tooltip": tips(
            quantity="quantity",
            said="effect",
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
        f"{short(found.b, 60)} against {short(found.a, 60)}",
        spec,
        (),
        is_zoomable=False,
    )
