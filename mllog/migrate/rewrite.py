"""
Rewrite a program so that its prints become records.
"""

from __future__ import annotations

import ast
import functools
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from .analyse import Evidence
from .extra_fields import MetricNames
from .find import Left, Print, PrintFinder, failure_of
from .loggers import logger_for, with_configuration
from .parsed_source import Edit, ParsedSource, apply_edits, walk
from .print_messages import LogMessage, MessageBuilder

if TYPE_CHECKING:
    import libcst as cst
else:
    from .parsed_source import cst

__all__ = ["Conversion", "MigrationOptions", "convert"]

_MOST_ROUNDS: Final = 20  # prints within prints
_NO_NAME: Final = "no name is free for a logger"
_COMMENT: Final = "a comment in it would be lost"


@dataclass(frozen=True)
class MigrationOptions:
    """
    What a conversion may do.

    Args:
        metrics: Give records the numbers as fields, too.

        exact: Format at once whatever ``%`` could write differently.

        configure: Set up logging under ``if __name__ == "__main__":``.

        is_ascii: Text that is quoted anew has to be ASCII.
    """

    metrics: bool = False
    exact: bool = False
    configure: bool = False
    is_ascii: bool = False


@dataclass(frozen=True)
class Conversion:
    """
    The result of a conversion.

    Args:
        text: The program, converted.

        converted: How many calls became records.

        left: What stays, and why.

        notes: What was dropped, and numbers that have no field.
    """

    text: str
    converted: int = 0
    left: tuple[Left, ...] = ()
    notes: tuple[Left, ...] = ()


def convert(text: str, options: MigrationOptions | None = None) -> Conversion:
    """
    *text* with its prints converted; the same again changes nothing.

    Raises:
        libcst.ParserSyntaxError: *text* is no Python of this time.

        SyntaxError: The result would be none; a defect of this package.
    """
    options = options or MigrationOptions()
    found, has_more = _Pass(ParsedSource(text), options).run()
    result, converted = found.text, found.converted
    for _ in range(_MOST_ROUNDS):
        if not has_more:
            break
        more, has_more = _Pass(ParsedSource(result), options).run()
        result, converted = more.text, converted + more.converted
    if options.configure and converted:
        result = with_configuration(ParsedSource(result))
    _check(text, result)
    return replace(found, text=result, converted=converted)


@dataclass
class _Pass:
    """
    One reading of a program, in which no two edits overlap.
    """

    source: ParsedSource
    options: MigrationOptions
    left: list[Left] = field(default_factory=list)
    notes: list[Left] = field(default_factory=list)

    def run(self) -> tuple[Conversion, bool]:
        """
        The program after it, and whether converted prints contain others.
        """
        evidence = Evidence(self.source, is_exact=self.options.exact)
        prints, end, has_more = [], -1, False
        for each in PrintFinder(self.source, evidence).find():
            if isinstance(each, Left):
                self.left.append(each)
            elif self.source.start(each.call) >= end:
                end = self.source.end(each.call)
                prints.append(each)
            else:
                has_more = True
        edits = self._edits(prints, evidence) if prints else []
        conversion = Conversion(
            apply_edits(self.source.text, edits),
            sum(each.is_call for each in edits),
            tuple(sorted(self.left, key=_line)),
            tuple(sorted(self.notes, key=_line)),
        )
        return conversion, has_more and bool(edits)

    def _edits(self, prints: list[Print], evidence: Evidence) -> list[Edit]:
        logger = logger_for(self.source, [each.call for each in prints])
        if logger is None:
            self._leave(prints, _NO_NAME)
            return []
        messages = MessageBuilder(
            self.source, evidence, is_ascii=self.options.is_ascii
        )
        measures = MetricNames(self.source, evidence)
        edits = []
        for each in prints:
            func = f"{logger.name}.{each.level}"
            code = self._call(each, func, messages, measures)
            if code is None:
                self._leave([each], _COMMENT)
                continue
            start, stop = (
                self.source.start(each.call),
                self.source.end(each.call),
            )
            edits.append(Edit(start, stop, code, is_call=True))
            self._note_drops(each)
        return [*edits, *logger.edits] if edits else []

    def _call(
        self,
        each: Print,
        func: str,
        messages: MessageBuilder,
        measures: MetricNames,
    ) -> str | None:
        """
        The call that replaces *each*; None if it cannot be written.
        """
        source, call = self.source, each.call
        lay = functools.partial(in_layout, source, call, func)
        if each.level == "exception":
            return _with_comments(call, lay([failure_of(source, call)]))
        message = messages.of(each.args, each.sep)
        extra = self._extra(message, measures, source.line(call))
        code = lay(_arguments(message, extra))
        if _with_comments(call, code):
            return code
        if len(each.args) != len(call.args) or not call.args:
            return None
        if len(call.args) == 1 and not call.args[0].star:
            code = with_argument(
                source, call, func, _arguments(message, extra)
            )
            if _with_comments(call, code):
                return code
        if extra or any(arg.star for arg in call.args):
            return None
        whole = messages.unchanged(each.args, each.sep)
        return _with_comments(call, in_place(source, call, func, whole.code()))

    def _extra(
        self, message: LogMessage, measures: MetricNames, line: int
    ) -> str:
        if not self.options.metrics:
            return ""
        fields = measures.of(message)
        self.notes += [Left(line, reason) for reason in fields.missed]
        return fields.code

    def _leave(self, prints: Sequence[Print], reason: str) -> None:
        self.left += [
            Left(self.source.line(each.call), reason) for each in prints
        ]

    def _note_drops(self, each: Print) -> None:
        line = self.source.line(each.call)
        self.notes += [
            Left(line, f"{name}= is dropped: handlers flush each record")
            for name in each.drops
        ]


def _line(left: Left) -> int:
    return left.line


def _arguments(message: LogMessage, extra: str) -> list[str]:
    found = [message.code(), *(value.code for value in message.values)]
    return [*found, f"extra={extra}"] if extra else found


def _with_comments(call: cst.Call, code: str) -> str | None:
    """
    *code* if all comments of *call* are in it.
    """
    comments = comments_of(call)
    kept = all(code.count(each) >= comments.count(each) for each in comments)
    return code if kept else None


def _check(before: str, after: str) -> None:
    """
    Refuse a result that Python does not parse, if it parses *before*.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(before)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return  # of a later Python than this one
        ast.parse(after)


def comments_of(node: cst.CSTNode) -> list[str]:
    """
    The comments in *node*.
    """
    return [each.value for each in walk(node) if isinstance(each, cst.Comment)]


def in_layout(
    source: ParsedSource, call: cst.Call, func: str, arguments: Sequence[str]
) -> str:
    """
    The call of *func* with *arguments*, on as many lines as *call* was.

    Arguments on lines of their own stay so, after the bracket or indented.
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
    source: ParsedSource, call: cst.Call, func: str, arguments: Sequence[str]
) -> str:
    """
    The call with *arguments* in the place of its only one.
    """
    space = _space(source, call)
    comma = _comma(source, space)
    text = comma.join(arguments)
    return f"{func}{space.gap}({space.opening}{text}{space.closing})"


def in_place(
    source: ParsedSource, call: cst.Call, func: str, argument: str
) -> str:
    """
    The call with *argument* before those it has, comments and all.
    """
    space = _space(source, call)
    rest = source.between(source.start(call.args[0]), source.end(call))
    comma = _comma(source, space)
    return f"{func}{space.gap}({space.opening}{argument}{comma}{rest}"


class _Space(NamedTuple):
    """
    The text of a call between its arguments.
    """

    gap: str
    opening: str
    commas: tuple[str, ...]
    closing: str


def _space(source: ParsedSource, call: cst.Call) -> _Space:
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


def _comma(source: ParsedSource, space: _Space) -> str:
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
