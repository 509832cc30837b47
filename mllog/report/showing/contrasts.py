"""
What a report compares where nobody says what: then and now, and versions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from .. import compare, counts, distribution, latency_over_time
from ..answers import Comparison, Distribution, LatencyPoint, Report
from ..logs import Logs
from ..sides import equal
from .words import short, time_in_words

__all__ = ["Contrasts", "contrasts"]

_VERSIONS: Final = ("model_version", "variant", "model_name")
_FEWEST: Final = 20
_MOST_GROUPS: Final = 6


@dataclass(frozen=True)
class Contrasts:
    """
    What a report needs beside its own answers.

    Args:
        report: The report.

        since_before: The second half of the time against the first.

        versions: The comparison that was asked for, or that of the two values
            of *split* that most records have.

        split: The field that charts are split by.

        over_time: Latencies over time, by *split*.

        spread: Their distribution, by *split*.
    """

    report: Report
    since_before: Comparison | None = None
    versions: Comparison | None = None
    split: str | None = None
    over_time: tuple[LatencyPoint, ...] = ()
    spread: tuple[Distribution, ...] = ()


def contrasts(logs: Logs, found: Report) -> Contrasts:
    """
    Compare what can be compared.

    Args:
        logs: The logs that *found* is of.

        found: The report; its comparison stays what it is.
    """
    split = _split(logs, found)
    made = Contrasts(
        found, _since_before(logs, found), found.comparison, split
    )
    if split is None:
        return made
    if found.comparison is None:
        made = replace(made, versions=_versions(logs, found, split))
    if found.field is None:
        return made
    return replace(
        made,
        over_time=latency_over_time(logs, found.field, [split]),
        spread=distribution(logs, found.field, [split]),
    )


def _split(logs: Logs, found: Report) -> str | None:
    """
    The field to tell records apart by: one that has few values, but not one.
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


def _since_before(logs: Logs, found: Report) -> Comparison | None:
    since, until = found.reading.since, found.reading.until
    if since is None or until is None or since == until:
        return None
    middle = (since + until) / 2
    before, after = logs.between(None, middle), logs.between(middle, None)
    fewest = min(before.reading.chosen, after.reading.chosen)
    if fewest < _FEWEST:
        return None
    precise = until - since < 60
    clock = time_in_words(middle, precise, date=until - since > 86400)
    return compare(
        before,
        after,
        found.field,
        names=(f"before {clock}", f"from {clock} on"),
    )


def _versions(logs: Logs, found: Report, split: str) -> Comparison | None:
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
            f"{split} {short(names[0], 60)}",
            f"{split} {short(names[1], 60)}",
        ),
    )


def _natural(text: str) -> list[tuple[int, str]]:
    """
    So that 10 comes after 9.
    """
    return [
        (int(part), "") if part.isdecimal() and len(part) < 19 else (-1, part)
        for part in re.split(r"(\d+)", text)
    ]
