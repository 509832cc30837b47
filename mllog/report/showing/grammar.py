"""
What the charts have in common, in the words of Vega-Lite.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

__all__ = [
    "MOST_GROUPS",
    "MOST_POINTS",
    "ZOOM",
    "axis",
    "named",
    "scale_of",
    "time_axis",
    "tips",
    "unit_of",
]

ZOOM: Final = {
    "name": "zoom",
    "select": {
        "type": "interval",
        "encodings": ["x"],
        "zoom": "wheel![event.ctrlKey || event.metaKey]",
    },
    "bind": "scales",
}
MOST_POINTS: Final = 400
MOST_GROUPS: Final = 6
_TIME_FORMAT: Final = {
    "milliseconds": "%H:%M:%S.%L",
    "seconds": "%H:%M:%S",
    "minutes": "%H:%M",
    "hours": "%H:%M",
    "date": "%d %b",
    "month": "%b %Y",
}


def time_axis(**axis: Any) -> dict[str, Any]:
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


def axis(field: str, title: str | None, **more: Any) -> dict[str, Any]:
    """
    The encoding of a number.
    """
    return {"field": field, "type": "quantitative", "title": title, **more}


def named(field: str, title: str | None = None) -> dict[str, Any]:
    """
    The encoding of a name.
    """
    return {"field": field, "type": "nominal", "title": title}


def tips(**names: str) -> list[dict[str, Any]]:
    """
    What is shown of a point: titles by field.
    """
    return [
        {"field": field, "type": "nominal", "title": title}
        for field, title in names.items()
    ]


def unit_of(values: Iterable[float]) -> tuple[float, str]:
    """
    The unit in which the middle of *values* is easy to read.
    """
    known = sorted(each for each in values if each > 0)
    middle = known[len(known) // 2] if known else 1.0
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if middle >= unit:
            return unit, name
    return 1e-6, "µs"


def scale_of(values: Sequence[float]) -> dict[str, Any]:
    """
    A logarithmic scale, where a linear one would hide most.
    """
    known = [each for each in values if each > 0]
    if known and len(known) == len(values) and max(known) > 20 * min(known):
        return {"type": "log", "nice": False}
    return {"zero": True}
