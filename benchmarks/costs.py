"""
What a handler costs: the call with it, less the call with a NullHandler.
"""

from __future__ import annotations

from collections.abc import Mapping

from .measure import Timing, Variant, middle, ratios

__all__ = ["COLUMNS", "row"]

IDLE = "null"

COLUMNS = [
    "µs/call",
    "× whole call",
    "cost µs",
    "× cost",
    "range",
    "× mean cost",
    "p50 µs",
    "p99 µs",
]


def row(
    results: Mapping[str, list[Timing]],
    variants: Mapping[str, Variant],
    name: str,
    floor: str,
) -> list[str]:
    """
    A row of a table of costs.

    The cost is between medians of single calls; the mean cost also has in it
    what is done once in many calls.
    """
    timing, idle = middle(results[name]), middle(results[IDLE])
    whole = ratios(results, name, floor)
    cost = ratios(results, name, floor, "p50", less=IDLE)
    mean = ratios(results, name, floor, "mean", less=IDLE)
    return [
        variants[name].label,
        f"{timing.mean:.2f}",
        f"{whole.median:.2f}",
        f"{timing.p50 - idle.p50:.2f}",
        f"{cost.median:.2f}",
        cost.range,
        f"{mean.median:.2f}",
        f"{timing.p50:.2f}",
        f"{timing.p99:.2f}",
    ]
