"""
A logging call in the layout of the print call whose place it takes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import libcst as cst
else:
    from .syntax import cst

from .source import Source, walk

__all__ = ["comments_of", "in_place", "laid_out", "with_argument"]


def comments_of(node: cst.CSTNode) -> list[str]:
    """
    The comments in *node*.
    """
    return [each.value for each in walk(node) if isinstance(each, cst.Comment)]


def laid_out(
    source: Source, call: cst.Call, func: str, arguments: Sequence[str]
) -> str:
    """
    The call of *func* with *arguments*, on as many lines as *call* was.

    Arguments that stood below each other still do: behind the bracket, or
    each on a line of its own.
    """
    space = _space(source, call)
    if not call.args:
        return f"{func}{space.gap}({', '.join(arguments)})"
    if _breaks(space.opening):
        end = "," if space.closing.lstrip().startswith(",") else ""
        if _breaks(space.closing):
            end += source.newline + _after_break(space.closing)
        opening = source.newline + _after_break(space.opening)
        comma = f",{opening}"
        return f"{func}{space.gap}({opening}{comma.join(arguments)}{end})"
    width = len(func) - len(source.code(call.func))
    comma = ", "
    broken = next(filter(_breaks, space.commas), "")
    if broken:
        indent = _after_break(broken) + " " * width
        comma = f",{source.newline}{indent}"
    shifted = _shifted(arguments, width)
    return f"{func}{space.gap}({comma.join(shifted)})"


def with_argument(
    source: Source, call: cst.Call, func: str, arguments: Sequence[str]
) -> str:
    """
    The call with *arguments* in the place of its only one.
    """
    space = _space(source, call)
    comma = _comma(source, space)
    text = comma.join(arguments)
    return f"{func}{space.gap}({space.opening}{text}{space.closing})"


def in_place(source: Source, call: cst.Call, func: str, argument: str) -> str:
    """
    The call with *argument* before those it has, comments and all.
    """
    space = _space(source, call)
    rest = source.between(source.start(call.args[0]), source.end(call))
    comma = _comma(source, space)
    return f"{func}{space.gap}({space.opening}{argument}{comma}{rest}"


class _Space(NamedTuple):
    """
    What stands in a call besides its arguments.
    """

    gap: str
    opening: str
    commas: tuple[str, ...]
    closing: str


def _space(source: Source, call: cst.Call) -> _Space:
    func = source.code(call.func)
    if not call.args:
        return _Space("", "", (), "")
    ends = [source.end(arg) for arg in call.args]
    starts = [source.start(arg) for arg in call.args]
    before = source.between(source.start(call), starts[0])[len(func) :]
    gap, _, opening = before.partition("(")
    commas = tuple(map(source.between, ends, starts[1:]))
    closing = source.between(ends[-1], source.end(call) - 1)
    return _Space(gap, opening, commas, closing)


def _comma(source: Source, space: _Space) -> str:
    if _breaks(space.opening):
        return f",{source.newline}{_after_break(space.opening)}"
    return ", "


def _breaks(space: str) -> bool:
    return "\n" in space or "\r" in space


def _after_break(space: str) -> str:
    """
    The indentation after the last line break of *space*.
    """
    return re.split(r"[\r\n]", space)[-1]


def _shifted(arguments: Sequence[str], width: int) -> list[str]:
    """
    *arguments*, of which the first, literals below each other, moves right.
    """
    first, *others = arguments
    if '"""' in first or "'''" in first or re.search(r"\\\r?\n", first):
        return [first, *others]
    moved = re.sub(r"(\n[ \t]*)(?=[\"'rRuU])", rf"\1{' ' * width}", first)
    return [moved, *others]
