"""
A program whose prints become records.
"""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import libcst as cst

from .configuring import configured
from .evidence import Evidence
from .layout import comments_of, in_place, laid_out, with_argument
from .loggers import logger_for
from .measures import Measures
from .messages import Message, Messages
from .prints import Left, Print, Prints, failure_of
from .source import Edit, Source, edited

__all__ = ["Conversion", "Options", "convert"]

_MOST_ROUNDS: Final = 20  # prints within prints
_NO_NAME: Final = "no name is free for a logger"
_COMMENT: Final = "a comment in it would be lost"


@dataclass(frozen=True)
class Options:
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
    What became of a program.

    Args:
        text: The program, converted.

        converted: How many calls became records.

        left: What stays, and why.

        notes: What else a reader should know: what was dropped, or is not
            measured.
    """

    text: str
    converted: int = 0
    left: tuple[Left, ...] = ()
    notes: tuple[Left, ...] = ()


def convert(text: str, options: Options | None = None) -> Conversion:
    """
    *text* with its prints converted; the same again changes nothing.

    Raises:
        libcst.ParserSyntaxError: *text* is no Python of this time.

        SyntaxError: The result would be none; a defect of this package.
    """
    options = options or Options()
    found, has_more = _Pass(Source(text), options).run()
    result, converted = found.text, found.converted
    for _ in range(_MOST_ROUNDS):
        if not has_more:
            break
        more, has_more = _Pass(Source(result), options).run()
        result, converted = more.text, converted + more.converted
    if options.configure and converted:
        result = configured(Source(result))
    _check(text, result)
    return replace(found, text=result, converted=converted)


@dataclass
class _Pass:
    """
    One reading of a program, in which no two edits overlap.
    """

    source: Source
    options: Options
    left: list[Left] = field(default_factory=list)
    notes: list[Left] = field(default_factory=list)

    def run(self) -> tuple[Conversion, bool]:
        """
        The program after it, and whether prints stand in those converted.
        """
        evidence = Evidence(self.source, is_exact=self.options.exact)
        prints, end, has_more = [], -1, False
        for each in Prints(self.source, evidence).found():
            if isinstance(each, Left):
                self.left.append(each)
            elif self.source.start(each.call) >= end:
                end = self.source.end(each.call)
                prints.append(each)
            else:
                has_more = True
        edits = self._edits(prints, evidence) if prints else []
        conversion = Conversion(
            edited(self.source.text, edits),
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
        messages = Messages(
            self.source, evidence, is_ascii=self.options.is_ascii
        )
        measures = Measures(self.source, evidence)
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
        messages: Messages,
        measures: Measures,
    ) -> str | None:
        """
        The call that takes the place of *each*; None if it cannot be written.
        """
        source, call = self.source, each.call
        lay = functools.partial(laid_out, source, call, func)
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

    def _extra(self, message: Message, measures: Measures, line: int) -> str:
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


def _arguments(message: Message, extra: str) -> list[str]:
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
    Compare what Python says to both.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(before)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return  # of a later Python than this one
        ast.parse(after)
