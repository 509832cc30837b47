"""
Giving options to what will be given them, and reporting what it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConfigError
from .findings import Report
from .model import Part, is_known

__all__ = ["given", "refusal", "said", "single", "takes_all"]

Parser = Callable[[str, Any], Any]


def given(part: Part, names: tuple[str, ...]) -> dict[str, Any]:
    """
    The options *names* of *part* that are there and known.
    """
    return {
        name: part.options[name]
        for name in names
        if name in part.options and is_known(part.options[name])
    }


def single(parsers: Mapping[str, Parser], part: Part, report: Report) -> None:
    """
    Report values that are wrong whatever the others are.
    """
    for option, value in given(part, tuple(parsers)).items():
        read = {"option": option, "value": value}
        if error := refusal(parsers[option], read):
            report.refused(part.place(option), error, part.label)


def takes_all(
    make: Callable[..., Any],
    options: Mapping[str, Any],
    part: Part,
    report: Report,
) -> bool:
    """
    Report each of *options* that *make* refuses; whether it takes them all.

    What is refused is left out for the next attempt.
    """
    left = dict(options)
    while error := refusal(make, left):
        option = said(error, left, part, report)
        if not option:
            return False
        del left[option]
    return len(left) == len(options)


def refusal(
    make: Callable[..., Any], options: Mapping[str, Any]
) -> ConfigError | None:
    """
    What *make* says against *options*.
    """
    try:
        make(**options)
    except ConfigError as exc:
        return exc
    return None


def said(
    error: ConfigError, options: Mapping[str, Any], part: Part, report: Report
) -> str:
    """
    Add *error*, at the option of *options* that it names; gives that option.
    """
    named = re.findall(r"\b([a-z_]+)[=[]", error.problem)
    found = [name for name in named if name in options]
    # before what was left at its default
    found.sort(key=lambda name: name not in part.options)
    option = found[0] if found else ""
    place = part.place(option) if option in part.options else part.path
    report.refused(place, error, part.label)
    return option
