"""
The print calls of a program: which are converted, which stay, and why.
"""

from __future__ import annotations

import ast
import doctest
import functools
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from .analyse import Evidence
from .parsed_source import ParsedSource, walk
from .string_literals import quoted

if TYPE_CHECKING:
    import libcst as cst
else:
    from .parsed_source import cst

__all__ = ["Left", "Level", "Print", "PrintFinder", "failure_of"]

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
_MARK: Final = re.compile(r"#.*\bmllog:\s*keep\b(?P<file>\s+file\b)?")


@dataclass(frozen=True)
class Print:
    """
    A call that is converted.

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


class PrintFinder:
    """
    Finds the print calls of a program.

    Args:
        source: The program.

        evidence: What is known about its expressions.
    """

    def __init__(self, source: ParsedSource, evidence: Evidence) -> None:
        self._source = source
        self._evidence = evidence
        self._marks = KeepMarks(source)
        self._doctests = Doctests(source)

    def find(self) -> Iterator[Print | Left]:
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
        named = _last_name(func)
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

    def _kept(self, call: cst.Call) -> Left | None:
        reason = self._reason(call)
        return self._left(call, reason) if reason else None

    def _reason(self, call: cst.Call) -> str:
        if self._marks.keep(call):
            return "marked # mllog: keep"
        if self._doctests.is_expected(call):
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
                    "error" if self._reports_failure(call, args) else "warning"
                )
            elif meanings != _STDOUT:
                return self._left(call, f"file={self._short(file)}")
        flush = options.get("flush")
        if flush is not None and not self._evidence.is_repeatable(flush):
            return self._left(call, f"flush={self._short(flush)}")
        drops = ("flush",) if flush is not None else ()
        return Print(call, tuple(args), sep, level, drops)

    def _reports_failure(self, call: cst.Call, args: list[cst.Arg]) -> bool:
        """
        Whether it is in an except block, or its text reports a failure.
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


def failure_of(source: ParsedSource, call: cst.Call) -> str:
    """
    The message for a traceback: where it was printed.
    """
    for each in source.above(call):
        if isinstance(each, cst.FunctionDef):
            return quoted(f"Exception in {each.name.value}")
    return quoted("Exception")


def _is_none(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Name) and node.value == "None"


def _last_name(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        node = node.attr
    return node.value if isinstance(node, cst.Name) else ""


def _parameters(function: cst.FunctionDef) -> set[str]:
    return {
        each.name.value
        for each in walk(function.params)
        if isinstance(each, cst.Param)
    }


class KeepMarks:
    """
    The marks of a program, and which nodes they apply to.

    On the line of a statement a mark applies to that statement, on that of
    ``def``, ``if`` or ``else`` to the block; on a line before a statement to
    all of it.  ``# mllog: keep file`` applies to the file.
    """

    def __init__(self, source: ParsedSource) -> None:
        self._source = source
        self.is_for_file = False
        self._trailing: set[int] = set()
        self._standalone: set[int] = set()
        lines = re.split(r"\r\n|\r|\n", source.text)
        for node in source.nodes:
            found = isinstance(node, cst.Comment) and _MARK.search(node.value)
            if not found:
                continue
            line = source.line(node)
            self.is_for_file |= bool(found["file"])
            is_alone = lines[line - 1].lstrip().startswith("#")
            (self._standalone if is_alone else self._trailing).add(line)

    def keep(self, node: cst.CSTNode) -> bool:
        """
        Whether a mark applies to *node*.
        """
        if self.is_for_file or not (self._trailing or self._standalone):
            return self.is_for_file
        inner = node
        for each in self._source.above(node):
            if isinstance(each, cst.SimpleStatementLine):
                if self._is_on(each):
                    return True
            elif isinstance(getattr(each, "body", None), cst.BaseSuite):
                is_block = inner is getattr(each, "body", None)
                if self._is_before(each) or (
                    is_block and self._is_on_header(each)
                ):
                    return True
            inner = each
        return False

    def _is_on(self, node: cst.CSTNode) -> bool:
        """
        Whether a mark is in or right before a statement without a block.
        """
        first, last = self._source.line(node), self._source.last_line(node)
        held = set(range(first, last + 1))
        return not held.isdisjoint(self._trailing | self._standalone) or (
            first - 1 in self._standalone
        )

    def _is_on_header(self, node: cst.CSTNode) -> bool:
        """
        Whether a mark is on the header of a block.
        """
        first, last = (
            _first_line(self._source, node),
            self._source.last_line(node),
        )
        body = getattr(node, "body", None)
        if isinstance(body, cst.IndentedBlock) and body.body:
            last = max(first, self._source.line(body.body[0]) - 1)
        return not self._trailing.isdisjoint(range(first, last + 1))

    def _is_before(self, node: cst.CSTNode) -> bool:
        """
        Whether a mark is on the line before a statement.
        """
        return _first_line(self._source, node) - 1 in self._standalone


def _first_line(source: ParsedSource, node: cst.CSTNode) -> int:
    decorators = getattr(node, "decorators", ())
    return min(map(source.line, (node, *decorators)))


class Doctests:
    """
    The doctests of a program.

    Args:
        source: The program.
    """

    def __init__(self, source: ParsedSource) -> None:
        self._source = source
        self._printed: list[int] = []
        self._called: set[str] = set()
        if ">>>" in source.text:
            for node in source.nodes:
                if isinstance(node, cst.Expr):
                    self._read(node)
            self._follow()

    @property
    def lines(self) -> list[int]:
        """
        The lines of docstrings that print.
        """
        return self._printed

    def is_expected(self, node: cst.CSTNode) -> bool:
        """
        Whether *node* runs in a function that a doctest calls.
        """
        return bool(self._called) and any(
            isinstance(each, (cst.FunctionDef, cst.ClassDef))
            and each.name.value in self._called
            for each in self._source.above(node)
        )

    def _read(self, node: cst.Expr) -> None:
        if not isinstance(
            node.value, (cst.SimpleString, cst.ConcatenatedString)
        ):
            return
        text = _string_value(self._source.code(node.value))
        try:
            examples = doctest.DocTestParser().get_examples(text)
        except ValueError:
            return
        for example in examples:
            if "print(" in example.source:
                self._printed.append(self._source.line(node) + example.lineno)
            if example.want:
                self._called |= _called_names(example.source)

    def _follow(self) -> None:
        """
        Add what the functions that are called call in turn.
        """
        bodies: dict[str, set[str]] = {}
        for node in self._source.nodes:
            if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
                called = {
                    _called_name(each.func)
                    for each in walk(node)
                    if isinstance(each, cst.Call)
                }
                bodies.setdefault(node.name.value, set()).update(called)
        waiting = list(self._called)
        while waiting:
            new = bodies.get(waiting.pop(), set()) - self._called
            self._called |= new
            waiting += new


def _string_value(code: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = ast.literal_eval(code)
    except (SyntaxError, ValueError):
        return ""
    return value if isinstance(value, str) else ""


def _called_names(code: str) -> set[str]:
    return set(_called_in(code))


def _called_in(code: str) -> Iterator[str]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


def _called_name(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        node = node.attr
    return node.value if isinstance(node, cst.Name) else ""
