"""
The parts of a rendered report, and values formatted for people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ...formatters.text import escaped
from ...timestamps import utc
from ..answers import Difference, Group

__all__ = [
    "NONE",
    "TIMES",
    "Chart",
    "Details",
    "Document",
    "Explanation",
    "Headline",
    "Note",
    "Part",
    "ReportTable",
    "Section",
    "Sparkline",
    "TableColumn",
    "Tone",
    "format_bytes",
    "format_effect",
    "format_group",
    "format_interval",
    "format_number",
    "format_percent",
    "format_seconds",
    "format_time",
    "format_value",
    "one_line",
    "plural",
]

Tone = Literal["good", "bad", "warn", "quiet"]
#: Stands where there is no value, and between two times.
NONE: Final = "\N{EN DASH}"
TIMES: Final = "\N{MULTIPLICATION SIGN}"
_UNITS: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_SIZES: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_LONGEST: Final = 200


@dataclass(frozen=True)
class Headline:
    """
    An answer at the top of a report.

    Args:
        question: The question.

        verdict: The answer, in a word or a few.

        about: Its evidence, a sentence.

        tone: How good that is.

        section: The key of the section with the details.
    """

    question: str
    verdict: str
    about: str
    tone: Tone
    section: str


@dataclass(frozen=True)
class TableColumn:
    """
    A column of a table: its name, and whether it is aligned right.
    """

    name: str
    is_number: bool = False


@dataclass(frozen=True)
class ReportTable:
    """
    Rows of text.

    Args:
        title: What it is of.

        columns: Its columns.

        rows: A text for each column.

        tones: Of each row; none is quiet.

        wide: Columns, by place, that a narrow terminal leaves out.
    """

    title: str
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[str, ...], ...]
    tones: tuple[Tone, ...] = ()
    wide: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sparkline:
    """
    A line of small bars: what a chart is in the terminal.

    Args:
        name: What it is of.

        values: Their heights, 0 and more; None is a gap.

        about: The text after it.
    """

    name: str
    values: tuple[float | None, ...]
    about: str
    tone: Tone = "quiet"


@dataclass(frozen=True)
class Chart:
    """
    A chart.

    Args:
        name: Its id in the page.

        title: What it shows.

        spec: The specification in Vega-Lite.

        sparklines: The same for a terminal.

        is_over_time: Whether it is zoomed with the others over time.

        is_zoomable: Whether it can be zoomed.
    """

    name: str
    title: str
    spec: dict[str, Any]
    sparklines: tuple[Sparkline, ...] = ()
    is_over_time: bool = False
    is_zoomable: bool = True


@dataclass(frozen=True)
class Details:
    """
    A thing that opens: a line, and pairs of names and values below.
    """

    line: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Note:
    """
    A sentence.
    """

    text: str
    tone: Tone = "quiet"


@dataclass(frozen=True)
class Explanation:
    """
    Sentences that are folded away.
    """

    line: str
    sentences: tuple[str, ...]


Part = ReportTable | Chart | Details | Explanation | Note


@dataclass(frozen=True)
class Section:
    """
    A part of the report under a heading.
    """

    key: str
    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Document:
    """
    A report that is ready to be shown.

    Args:
        title: What was read.

        about: When, and how much, in a line.

        answers: The four answers.

        sections: The evidence.

        missing: What the logs have no data for, and which fields that needs.
    """

    title: str
    about: str
    answers: tuple[Headline, ...]
    sections: tuple[Section, ...]
    missing: tuple[str, ...] = field(default=())


def one_line(text: object, most: int = _LONGEST) -> str:
    """
    Text of a record in one harmless line.
    """
    found = str(text)
    cut = found if len(found) <= most else f"{found[: most - 1]}…"
    return escaped(cut.encode("utf-8", "replace").decode())


def plural(count: int, noun: str) -> str:
    """
    ``1 file``, ``1,200 files``.
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def format_number(value: float | None) -> str:
    """
    At most four digits that matter: ``0.05123``, ``12,345``, ``1.2e+09``.
    """
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == int(value) and abs(value) < 1e12:
        return f"{int(value):,}"
    if abs(value) >= 1e3 and abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def format_seconds(value: float | None) -> str:
    """
    ``12.3 ms``, ``4.56 s``, ``3 min 20 s``.
    """
    if value is None or not math.isfinite(value):
        return NONE
    if abs(value) >= 100:
        return _long(value)
    for unit, name in _UNITS:
        if abs(value) >= unit * 0.9995:
            return f"{_three(value / unit)} {name}"
    return "0 s" if value == 0 else f"{_three(value * 1e9)} ns"


def _long(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return _both(minutes, "min", rest, "s")
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _both(hours, "h", minutes, "min")
    return _both(hours // 24, "d", hours % 24, "h")


def _both(large: int, name: str, small: int, small_name: str) -> str:
    return f"{large:,} {name}" + (f" {small} {small_name}" if small else "")


def _three(value: float) -> str:
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def format_bytes(value: int) -> str:
    """
    ``1.2 MB``, by powers of ten.
    """
    for unit, name in _SIZES:
        if value >= unit:
            return f"{_three(value / unit)} {name}"
    return f"{value} B"


def format_percent(value: float | None) -> str:
    """
    ``12 %``, ``0.4 %``.
    """
    if value is None or not math.isfinite(value):
        return NONE
    percent = value * 100
    if percent and abs(percent) < 0.001:
        return "< 0.001 %" if percent > 0 else "> -0.001 %"
    digits = 2 if abs(percent) < 1 else 1 if abs(percent) < 10 else 0
    shown = f"{percent:.{digits}f}"
    if float(shown) == 0:
        shown = f"{percent:.1g}" if percent else "0"
    return f"{shown} %"


def format_time(
    value: float | None, precise: bool = False, date: bool = True
) -> str:
    """
    ``2026-11-21 06:45:12``, in UTC.

    Args:
        value: Seconds since 1970.

        precise: With milliseconds.

        date: With the date.
    """
    if value is None:
        return NONE
    text = utc(value)
    clock = text[11:23] if precise else text[11:19]
    return f"{text[:10]} {clock}" if date else clock


def format_group(group: Group) -> str:
    """
    ``resnet50 · 4``.
    """
    return " · ".join(NONE if v is None else one_line(v, 60) for v in group)


def format_value(found: Difference, value: float | None) -> str:
    """
    What a side has, in its unit.
    """
    if value is None:
        return NONE
    if found.unit == "seconds":
        return format_seconds(value)
    if found.unit == "ratio":
        return format_percent(value)
    return format_percent(value)


def _change(found: Difference, effect: float) -> str:
    if found.unit == "seconds":
        if effect >= 2.995:
            return f"{TIMES}{_three(effect)}"
        if 0 < effect <= 0.334:
            return f"÷{_three(1 / effect)}"
        return f"{_signed((effect - 1) * 100)} %"
    if found.unit == "ratio":
        return f"{_signed(effect * 100)} points"
    return format_percent(effect)


def _signed(percent: float) -> str:
    digits = 0 if abs(percent) >= 99.5 else 1 if abs(percent) >= 0.95 else 2
    return f"{percent:+.{digits}f}"


def format_effect(found: Difference) -> str:
    """
    ``+12.3 %``, times 4.56, ``+0.20 points``.
    """
    return NONE if found.effect is None else _change(found, found.effect)


def format_interval(found: Difference) -> str:
    """
    ``+8.1 % … +16.9 %``.
    """
    if found.low is None or found.high is None:
        return NONE
    ends = [_change(found, each) for each in (found.low, found.high)]
    for unit in (" %", " points"):
        if all(each.endswith(unit) for each in ends):
            ends[0] = ends[0].removesuffix(unit)
    return " … ".join(ends)
