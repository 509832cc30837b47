"""
The print calls of a program: which become records, and which stay, and why.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import libcst as cst
else:
    from .syntax import cst

from .doctests import Doctests
from .evidence import Evidence
from .literals import quoted
from .marks import Marks
from .source import Source, walk

__all__ = ["Left", "Level", "Print", "Prints"]

Level = Literal["info", "warning", "error", "exception"]

_FAILED: Final = re.compile(
    r"\b(errors?|fail(s|ed|ure|ures)?|fatal|critical|exception|traceback"
    r"|cannot|can't|could not|couldn't|unable)\b",
    re.IGNORECASE,
)
_STDOUT: Final = frozenset({"sys.stdout"})
_STDERR: Final = frozenset({"sys.stderr"})
_NOT_PRINTS: Final = frozenset(
    {
        "sys.stdout.write",
        "sys.stderr.write",
        "sys.stdout.writelines",
        "sys.stderr.writelines",
        "pprint.pprint",
        "pprint.pp",
        "traceback.print_exception",
        "traceback.print_stack",
        "traceback.print_tb",
        "traceback.print_last",
    }
)
_REDIRECTS: Final = frozenset(
    {"contextlib.redirect_stdout", "contextlib.redirect_stderr"}
)
_CAPTURES: Final = frozenset(
    {"capsys", "capfd", "capsysbinary", "capfdbinary"}
)


@dataclass(frozen=True)
class Print:
    """
    A call that becomes a record.

    Args:
        call: The call.

        args: What it writes; none for ``traceback.print_exc()``.

        sep: What it writes between.

        level: The method of the logger.

        drops: The keyword arguments that have no counterpart.
    """

    call: cst.Call
    args: tuple[cst.Arg, ...]
    sep: str
    level: Level
    drops: tuple[str, ...] = ()


@dataclass(frozen=True)
class Left:
    """
    What stays as it is.

    Args:
        line: Where it is; 0 for the file as a whole.

        reason: Why it stays.
    """

    line: int
    reason: str


class Prints:
    """
    Finds the print calls of a program.

    Args:
        source: The program.

        evidence: What is known about its expressions.
    """

    def __init__(self, source: Source, evidence: Evidence) -> None:
        self._source = source
        self._evidence = evidence
        self._marks = Marks(source)
        self._doctests = Doctests(source)

    def found(self) -> Iterator[Print | Left]:
        """
        Each call, in the order of the text.
        """
        for line in self._doctests.lines:
            yield Left(line, "a doctest")
        for node in self._source.nodes:
            if isinstance(node, cst.Call):
                made = self._call(node)
                if made is not None:
                    yield made
            elif isinstance(node, cst.Name) and self._is_passed(node):
                yield self._left(node, "print is passed on, not called")

    def _left(self, node: cst.CSTNode, reason: str) -> Left:
        return Left(self._source.line(node), reason)

    def _call(self, call: cst.Call) -> Print | Left | None:
        func = call.func
        named = _last(func)
        meanings = self._source.meanings(func)
        if "traceback.print_exc" in meanings:
            return self._kept(call) or self._traceback(call)
        if isinstance(func, cst.Name) and named == "print":
            if meanings != {"builtins.print"}:
                return self._left(call, "print is another function here")
            return self._kept(call) or self._print(call)
        if "builtins.print" in meanings:
            return self._left(call, "print is called by another name")
        if meanings & _NOT_PRINTS:
            return self._left(call, f"{min(meanings)} is no print")
        return None

    def _is_passed(self, node: cst.Name) -> bool:
        if node.value != "print":
            return False
        above = self._source.parent(node)
        if isinstance(above, cst.Call) and above.func is node:
            return False
        if isinstance(above, cst.Attribute) and above.attr is node:
            return False
        if isinstance(above, cst.Arg) and above.keyword is node:
            return False
        is_bound = isinstance(
            above,
            (
                cst.Param,
                cst.FunctionDef,
                cst.AssignTarget,
                cst.ImportAlias,
                cst.AsName,
                cst.NameItem,
            ),
        )
        return not is_bound and self._source.means(node, "builtins.print")

    # --- what stays wherever it stands ---

    def _kept(self, call: cst.Call) -> Left | None:
        reason = self._reason(call)
        return self._left(call, reason) if reason else None

    def _reason(self, call: cst.Call) -> str:
        if self._marks.keep(call):
            return "marked # mllog: keep"
        if self._doctests.expect(call):
            return "a doctest compares what it prints"
        for each in self._source.above(call):
            if isinstance(each, cst.With) and self._redirects(each):
                return "its output is redirected here"
            if isinstance(each, cst.FunctionDef):
                if _CAPTURES & _parameters(each):
                    return "a test captures what it prints"
                if self._makes_records(each):
                    return "it would log while a record is handled"
        if self._source.scope(call) in self._replaced:
            return "sys.stdout or sys.stderr is replaced here"
        if self._replaces_print:
            return "builtins.print is replaced in this file"
        return ""

    def _redirects(self, node: cst.With) -> bool:
        return any(
            isinstance(each.item, cst.Call)
            and self._source.meanings(each.item.func) & _REDIRECTS
            for each in node.items
        )

    def _makes_records(self, function: cst.FunctionDef) -> bool:
        """
        Whether *function* is ``emit`` of a handler, or what is like it.
        """
        named = function.name.value in ("emit", "handle", "format", "filter")
        if named and "record" in _parameters(function):
            return True
        return any(
            any(
                name.startswith(("logging.", "mllog."))
                for base in each.bases
                for name in self._source.meanings(base.value)
            )
            for each in self._source.above(function)
            if isinstance(each, cst.ClassDef)
        )

    @functools.cached_property
    def _replaced(self) -> frozenset[object]:
        """
        The scopes in which a standard stream is replaced.
        """
        return frozenset(
            self._source.scope(node)
            for node in self._source.nodes
            if self._assigns(node, _STDOUT | _STDERR)
        )

    @functools.cached_property
    def _replaces_print(self) -> bool:
        return any(
            self._assigns(node, frozenset({"builtins.print"}))
            for node in self._source.nodes
        )

    def _assigns(self, node: cst.CSTNode, names: frozenset[str]) -> bool:
        return (
            isinstance(node, cst.AssignTarget)
            and isinstance(node.target, cst.Attribute)
            and bool(self._source.meanings(node.target) & names)
        )

    # --- what the arguments say ---

    def _print(self, call: cst.Call) -> Print | Left:
        args: list[cst.Arg] = []
        options: dict[str, cst.BaseExpression] = {}
        for arg in call.args:
            if arg.star == "**":
                return self._left(call, "** may hold file= or end=")
            if arg.keyword:
                options[arg.keyword.value] = arg.value
            else:
                args.append(arg)
        unknown = options.keys() - {"sep", "end", "file", "flush"}
        if unknown:
            return self._left(call, f"{min(unknown)}= is no option of print")
        sep = self._text(options.get("sep"), " ")
        if sep is None:
            return self._left(call, "sep= is no literal")
        end = options.get("end")
        if self._text(end, "\n") != "\n":
            return self._left(call, f"end={self._short(end)}")
        return self._to_stream(call, args, sep, options)

    def _to_stream(
        self,
        call: cst.Call,
        args: list[cst.Arg],
        sep: str,
        options: dict[str, cst.BaseExpression],
    ) -> Print | Left:
        level: Level = "info"
        file = options.get("file")
        if file is not None and not _is_none(file):
            meanings = self._source.meanings(file)
            if meanings == _STDERR:
                level = (
                    "error" if self._tells_failure(call, args) else "warning"
                )
            elif meanings != _STDOUT:
                return self._left(call, f"file={self._short(file)}")
        flush = options.get("flush")
        if flush is not None and not self._evidence.is_repeatable(flush):
            return self._left(call, f"flush={self._short(flush)}")
        drops = ("flush",) if flush is not None else ()
        return Print(call, tuple(args), sep, level, drops)

    def _tells_failure(self, call: cst.Call, args: list[cst.Arg]) -> bool:
        """
        Whether it is printed where something failed, or says so.
        """
        for each in self._source.above(call):
            if isinstance(each, cst.ExceptHandler):
                return True
            if isinstance(each, (cst.FunctionDef, cst.Lambda)):
                break
        texts = (
            each.value
            for arg in args
            for each in walk(arg)
            if isinstance(each, (cst.SimpleString, cst.FormattedStringText))
        )
        return any(map(_FAILED.search, texts))

    def _traceback(self, call: cst.Call) -> Print | Left:
        for arg in call.args:
            option = arg.keyword.value if arg.keyword else ""
            is_standard = _is_none(arg.value) or (
                option == "file"
                and self._source.meanings(arg.value) <= (_STDOUT | _STDERR)
                and self._source.meanings(arg.value)
            )
            if not is_standard:
                name = f"{option}=" if option else ""
                return self._left(
                    call, f"print_exc({name}{self._short(arg.value)})"
                )
        return Print(call, (), "", "exception")

    def _text(
        self, node: cst.BaseExpression | None, default: str
    ) -> str | None:
        if node is None or _is_none(node):
            return default
        if isinstance(node, cst.SimpleString):
            value = node.evaluated_value
            return value if isinstance(value, str) else None
        return None

    def _short(self, node: cst.CSTNode | None) -> str:
        code = " ".join(self._source.code(node).split()) if node else ""
        return code if len(code) <= 40 else f"{code[:37]}..."


def failure_of(source: Source, call: cst.Call) -> str:
    """
    The message for a traceback: where it was printed.
    """
    for each in source.above(call):
        if isinstance(each, cst.FunctionDef):
            return quoted(f"Exception in {each.name.value}")
    return quoted("Exception")


def _is_none(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Name) and node.value == "None"


def _last(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        node = node.attr
    return node.value if isinstance(node, cst.Name) else ""


def _parameters(function: cst.FunctionDef) -> set[str]:
    return {
        each.name.value
        for each in walk(function.params)
        if isinstance(each, cst.Param)
    }
