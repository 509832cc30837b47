"""
What a shown report is made of, whether it is text or a page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Answer",
    "Chart",
    "Column",
    "Details",
    "Fold",
    "Note",
    "Part",
    "Section",
    "Shown",
    "Spark",
    "Table",
    "Tone",
]

Tone = Literal["good", "bad", "warn", "quiet"]


@dataclass(frozen=True)
class Answer:
    """
    What is said at the top.

    Args:
        question: What people ask.

        verdict: The answer, in a word or a few.

        about: What it rests on, in a sentence.

        tone: How good that is.

        section: The key of the section that says more.
    """

    question: str
    verdict: str
    about: str
    tone: Tone
    section: str


@dataclass(frozen=True)
class Column:
    """
    A column of a table: its name, and whether it is aligned right.
    """

    name: str
    is_number: bool = False


@dataclass(frozen=True)
class Table:
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
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    tones: tuple[Tone, ...] = ()
    wide: tuple[int, ...] = ()


@dataclass(frozen=True)
class Spark:
    """
    A line of small bars: what a chart is in the terminal.

    Args:
        name: What it is of.

        values: Their heights, 0 and more; None is a gap.

        about: What stands behind it.
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

        sparks: The same for a terminal.

        is_over_time: Whether it is zoomed with the others over time.

        is_zoomable: Whether it can be zoomed.
    """

    name: str
    title: str
    spec: dict[str, Any]
    sparks: tuple[Spark, ...] = ()
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
class Fold:
    """
    Sentences for those who want to know more.
    """

    line: str
    sentences: tuple[str, ...]


Part = Table | Chart | Details | Fold | Note


@dataclass(frozen=True)
class Section:
    """
    A part of the report under a heading.
    """

    key: str
    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Shown:
    """
    A report that is ready to be shown.

    Args:
        title: What was read.

        about: When, and how much, in a line.

        answers: The four.

        sections: What they rest on.

        missing: What the logs say nothing about, and what that needs.
    """

    title: str
    about: str
    answers: tuple[Answer, ...]
    sections: tuple[Section, ...]
    missing: tuple[str, ...] = field(default=())
