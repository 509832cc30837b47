"""
Render a report as text for a terminal or a pipe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from .document import (
    Chart,
    Details,
    Document,
    Explanation,
    Headline,
    Note,
    ReportTable,
    Section,
    Sparkline,
)

__all__ = ["render_terminal"]

_STYLES: Final = {
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "quiet": "",
}
_BARS: Final = " ▁▂▃▄▅▆▇█"
_NARROW: Final = 100
_PIPE_WIDTH: Final = 80
_PAIRS: Final = 8


def render_terminal(
    found: Document, stream: IO[str], color: bool, width: int | None = None
) -> None:
    """
    Write *found* to *stream*.

    Args:
        found: The report.

        stream: Where to.

        color: Whether ANSI codes may be written.

        width: Columns; None is that of the terminal, or 80.
    """
    console = Console(
        file=stream,
        width=width or (None if stream.isatty() else _PIPE_WIDTH),
        force_terminal=color,
        no_color=not color,
        color_system="auto" if color else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for each in _all(found, console.width):
        console.print(each)


def _all(found: Document, width: int) -> Iterator[RenderableType]:
    yield Text(found.title, "bold")
    yield Text(found.about, "dim")
    yield Text()
    for answer in found.answers:
        yield from _answer(answer)
    for section in found.sections:
        yield from _section(section, width)
    if found.missing:
        yield Text()
        yield Text("Not in these logs", "bold")
        for line in found.missing:
            yield Padding(Text(line, "dim"), (0, 0, 0, 2))


def _answer(found: Headline) -> Iterator[RenderableType]:
    yield Text.assemble(
        (found.question, "bold"), "  ", (found.verdict, _STYLES[found.tone])
    )
    yield Padding(Text(found.about, "dim"), (0, 0, 0, 2))


def _section(found: Section, width: int) -> Iterator[RenderableType]:
    yield Text()
    yield Text(found.title, "bold underline")
    for part in found.parts:
        if isinstance(part, ReportTable):
            yield _table(part, width)
        elif isinstance(part, Chart):
            if part.sparklines:
                yield _sparklines(part.title, part.sparklines, width)
        elif isinstance(part, Details):
            yield _details(part)
        elif isinstance(part, Explanation):
            yield from map(_note, map(Note, part.sentences))
        else:
            yield _note(part)


def _table(found: ReportTable, width: int) -> RenderableType:
    left_out = set(found.wide) if width < _NARROW else set()
    table = RichTable(
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        header_style="dim",
    )
    for place, column in enumerate(found.columns):
        if place not in left_out:
            table.add_column(
                Text(column.name),
                justify="right" if column.is_number else "left",
                overflow="fold",
            )
    for number, row in enumerate(found.rows):
        style = _STYLES[found.tones[number]] if found.tones else ""
        table.add_row(
            *(
                Text(cell, style)
                for place, cell in enumerate(row)
                if place not in left_out
            )
        )
    return Padding(Group(Text(found.title, "dim"), table), (0, 0, 0, 2))


def _sparklines(
    title: str, found: Sequence[Sparkline], width: int
) -> RenderableType:
    names = max(len(each.name) for each in found)
    room = max(10, min(60, width - names - 34))
    table = RichTable.grid(padding=(0, 2, 0, 0))
    table.add_column(overflow="fold", max_width=30)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in found:
        table.add_row(
            Text(each.name),
            Text(bars(each.values, room), _STYLES[each.tone] or "cyan"),
            Text(each.about, "dim"),
        )
    return Padding(Group(Text(title, "dim"), table), (0, 0, 0, 2))


def bars(values: Sequence[float | None], width: int) -> str:
    """
    *values* as a line of at most *width* bars; of several the mean.
    """
    pieces = _pieces(values, width)
    most = max((each for each in pieces if each is not None), default=0.0)
    if most <= 0:
        return _BARS[1] * len(pieces)
    return "".join(
        _BARS[0]
        if each is None
        else _BARS[0 if not each else max(1, round(each / most * 8))]
        for each in pieces
    )


def _pieces(values: Sequence[float | None], width: int) -> list[float | None]:
    if len(values) <= width:
        return list(values)
    found: list[float | None] = []
    for place in range(width):
        begin = place * len(values) // width
        end = (place + 1) * len(values) // width
        known = [each for each in values[begin:end] if each is not None]
        found.append(sum(known) / len(known) if known else None)
    return found


def _details(found: Details) -> RenderableType:
    pairs = "  ".join(
        f"{name}={value}" for name, value in found.pairs[:_PAIRS]
    )
    text = Text.assemble((found.line, "bold"), "\n", (pairs, "dim"))
    return Padding(text, (0, 0, 0, 2))


def _note(found: Note) -> RenderableType:
    style: Any = _STYLES[found.tone] or "dim"
    return Padding(Text(found.text, style), (0, 0, 0, 2))
