"""
The logger of a module, and where its import and its configuration belong.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .parsed_source import Edit, ParsedSource, apply_edits, walk

if TYPE_CHECKING:
    import libcst as cst
else:
    from .parsed_source import cst

__all__ = ["ModuleLogger", "logger_for", "with_configuration"]

_NAMES: Final = ("logger", "log", "_logger", "_log", "module_logger")
_GET: Final = "logging.getLogger"
_CONFIGURES: Final = frozenset(
    {
        "logging.basicConfig",
        "logging.config.dictConfig",
        "logging.config.fileConfig",
        "mllog.configure",
    }
)


@dataclass(frozen=True)
class ModuleLogger:
    """
    The name of a logger, and what has to be added for it.
    """

    name: str
    edits: tuple[Edit, ...] = ()


def logger_for(
    source: ParsedSource, calls: Sequence[cst.Call]
) -> ModuleLogger | None:
    """
    A logger that each of *calls* can reach; None if no name is free.
    """
    for name in _module_loggers(source):
        if _is_defined_first(source, name, calls) and _is_visible(
            source, name, calls
        ):
            return ModuleLogger(name)
    name = next((each for each in _NAMES if _is_free(source, each, calls)), "")
    made = _factory_code(source)
    if not name or not made:
        return None
    return ModuleLogger(name, tuple(_insertions(source, name, *made, calls)))


def _module_loggers(source: ParsedSource) -> list[str]:
    """
    The names of the module that are a logger, and nothing else.
    """
    found = []
    for node in source.module.body:
        for small in _parts(node):
            value = getattr(small, "value", None)
            if (
                isinstance(small, (cst.Assign, cst.AnnAssign))
                and isinstance(value, cst.Call)
                and source.means(value.func, _GET)
            ):
                found += _targets(small)
    return [name for name in found if len(source.globals[name]) == 1]


def _parts(node: cst.CSTNode) -> Sequence[cst.CSTNode]:
    """
    The statements on a line that is no block.
    """
    return node.body if isinstance(node, cst.SimpleStatementLine) else ()


def _targets(node: cst.Assign | cst.AnnAssign) -> list[str]:
    targets = (
        [each.target for each in node.targets]
        if isinstance(node, cst.Assign)
        else [node.target]
    )
    return [each.value for each in targets if isinstance(each, cst.Name)]


def _is_defined_first(
    source: ParsedSource, name: str, calls: Sequence[cst.Call]
) -> bool:
    """
    Whether the logger is there before anything of the module runs.
    """
    (assignment,) = source.globals[name]
    own = source.statement(assignment.node)
    lines = [source.line(source.statement(call)) for call in calls]
    for node in source.module.body:
        if node is own:
            return True
        if source.line(node) in lines and not isinstance(
            node, (cst.FunctionDef, cst.ClassDef)
        ):
            return False
        if isinstance(node, cst.ClassDef) and source.line(node) in lines:
            return False
        if not isinstance(node, (cst.FunctionDef, cst.ClassDef)) and (
            _runs_own_functions(source, node)
        ):
            return False
    return False


def _runs_own_functions(source: ParsedSource, node: cst.CSTNode) -> bool:
    own = {
        each.name.value
        for each in source.module.body
        if isinstance(each, (cst.FunctionDef, cst.ClassDef))
    }
    return any(
        isinstance(each, cst.Name) and each.value in own for each in walk(node)
    )


def _is_visible(
    source: ParsedSource, name: str, calls: Sequence[cst.Call]
) -> bool:
    """
    Whether *name* is the module's global in the scope of each call.
    """
    return all(
        {each.scope for each in source.scope(call)[name]} == {source.globals}
        for call in calls
    )


def _is_free(
    source: ParsedSource, name: str, calls: Sequence[cst.Call]
) -> bool:
    """
    Whether *name* is unused at each of *calls*, and in the module.
    """
    if source.globals[name] or any(source.scope(call)[name] for call in calls):
        return False
    for node in source.nodes:
        if isinstance(node, (cst.Global, cst.Nonlocal)) and any(
            each.name.value == name for each in node.names
        ):
            return False
    return not any(
        access.node.value == name and not access.referents
        for scope in source.scopes
        for access in scope.accesses
        if isinstance(access.node, cst.Name)
    )


def _factory_code(source: ParsedSource) -> tuple[str, str] | None:
    """
    How a logger is made: the import that has to be added, and the function.
    """
    first = _preamble(source, ())
    for node in first:
        for small in _parts(node):
            if isinstance(small, cst.Import):
                for alias in small.names:
                    found = _bound_as(source, alias)
                    if found:
                        return "", f"{found}.getLogger"
            elif isinstance(small, cst.ImportFrom) and (
                len(source.globals["getLogger"]) == 1
                and source.code(small.module or small) == "logging"
                and "getLogger" in source.code(small).split("import")[1]
            ):
                return "", "getLogger"
    if _is_unbound(source, "logging"):
        return "import logging", _GET
    if not source.globals["getLogger"]:
        return "from logging import getLogger", "getLogger"
    return None


def _bound_as(source: ParsedSource, alias: cst.ImportAlias) -> str:
    """
    The name by which an import makes the package logging known.
    """
    full = source.code(alias.name)
    if alias.asname is None and full.split(".")[0] == "logging":
        name = "logging"
    elif full == "logging" and alias.asname is not None:
        name = source.code(alias.asname.name)
    else:
        return ""
    found: Any = source.globals[name]
    return name if _all_import_logging(found) else ""


def _all_import_logging(found: Any) -> bool:
    names = {
        each.name
        for assignment in found
        for each in assignment.get_qualified_names_for("logging")
    }
    return (
        bool(found)
        and all(
            isinstance(
                getattr(each, "node", None), (cst.Import, cst.ImportFrom)
            )
            for each in found
        )
        and all(name.split(".")[0] == "logging" for name in names)
    )


def _is_unbound(source: ParsedSource, name: str) -> bool:
    found = source.globals[name]
    return not found or _all_import_logging(found)


def _preamble(
    source: ParsedSource, calls: Sequence[cst.Call]
) -> list[cst.CSTNode]:
    """
    The statements before any that may need the logger, to the last import.
    """
    with_calls = {id(source.statement(call)) for call in calls}
    found: list[cst.CSTNode] = []
    end = 0
    for number, node in enumerate(source.module.body):
        if number == 0 and _is_text(node):
            end = 1
        elif id(node) in with_calls or isinstance(
            node, (cst.FunctionDef, cst.ClassDef)
        ):
            break
        elif _imports(node):
            end = number + 1
        elif not isinstance(
            node, (cst.SimpleStatementLine, cst.If, cst.Try)
        ) or _tests_name(source, node):
            break
        found.append(node)
    return found[:end]


def _is_text(node: cst.CSTNode) -> bool:
    return (
        isinstance(node, cst.SimpleStatementLine)
        and isinstance(node.body[0], cst.Expr)
        and isinstance(
            node.body[0].value, (cst.SimpleString, cst.ConcatenatedString)
        )
    )


def _tests_name(source: ParsedSource, node: cst.CSTNode) -> bool:
    return isinstance(node, cst.If) and "__name__" in source.code(node.test)


def _imports(node: cst.CSTNode) -> bool:
    """
    Whether *node* imports, or tries to.
    """
    if isinstance(node, (cst.If, cst.Try)):
        return any(
            isinstance(each, (cst.Import, cst.ImportFrom))
            for each in walk(node)
        )
    return isinstance(node, cst.SimpleStatementLine) and any(
        isinstance(each, (cst.Import, cst.ImportFrom)) for each in node.body
    )


def _insertions(
    source: ParsedSource,
    name: str,
    added: str,
    factory: str,
    calls: Sequence[cst.Call],
) -> list[Edit]:
    """
    The edits that add the import and the assignment.
    """
    line = f"{name} = {factory}(__name__)"
    run = _preamble(source, calls)
    imports = [
        each
        for each in run
        if isinstance(each, cst.SimpleStatementLine) and _is_import(each)
    ]
    if not added:
        return [_after(source, run[-1], [line])]
    place = _import_position(source, imports, added)
    if place is None:
        return [_first(source, run, [added, "", line])]
    last = run[-1]
    node, is_before = place
    if is_before:
        apart = not _is_standard(source, node)
        text = added + source.newline * (2 if apart else 1)
        above = Edit(source.start(node), source.start(node), text)
        return [above, _after(source, last, [line])]
    if node is last:
        return [_after(source, last, [line], next_to=added)]
    end = source.line_end(node)
    above = Edit(end, end, source.newline + added)
    return [above, _after(source, last, [line])]


def _is_import(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.SimpleStatementLine) and all(
        isinstance(each, (cst.Import, cst.ImportFrom)) for each in node.body
    )


def _is_future(source: ParsedSource, node: cst.SimpleStatementLine) -> bool:
    return _module(source, node) == "__future__"


def _module(source: ParsedSource, node: cst.SimpleStatementLine) -> str:
    """
    The module that a line imports first.
    """
    (small, *_) = node.body
    if isinstance(small, cst.Import):
        return source.code(small.names[0].name)
    if not isinstance(small, cst.ImportFrom):
        return ""
    dots = "." * len(small.relative)
    return dots + (source.code(small.module) if small.module else "")


def _is_standard(source: ParsedSource, node: cst.SimpleStatementLine) -> bool:
    return _module(source, node).split(".")[0] in sys.stdlib_module_names


def _import_position(
    source: ParsedSource,
    imports: Sequence[cst.SimpleStatementLine],
    added: str,
) -> tuple[cst.SimpleStatementLine, bool] | None:
    """
    The import next to which *added* belongs, and whether before it.
    """
    others = [each for each in imports if not _is_future(source, each)]
    if not others:
        return None
    group = [each for each in others if _is_standard(source, each)]
    if not group:
        return others[0], True
    group = _adjacent(group)
    before: cst.SimpleStatementLine | None = None
    for each in group:
        if _key(source, each) < (added.startswith("from"), "logging"):
            before = each
    return (group[0], True) if before is None else (before, False)


def _adjacent(
    nodes: Sequence[cst.SimpleStatementLine],
) -> list[cst.SimpleStatementLine]:
    """
    Those of *nodes* without blank lines between, from the first.
    """
    found = [nodes[0]]
    for node in nodes[1:]:
        if node.leading_lines:
            break
        found.append(node)
    return found


def _key(
    source: ParsedSource, node: cst.SimpleStatementLine
) -> tuple[bool, str]:
    return isinstance(node.body[0], cst.ImportFrom), _module(source, node)


def _after(
    source: ParsedSource,
    node: cst.CSTNode,
    lines: list[str],
    next_to: str = "",
) -> Edit:
    """
    Insert *lines* after *node*, between blank lines.
    """
    newline = source.newline
    end = source.line_end(node)
    text = newline + next_to if next_to else ""
    text += newline * 2 + newline.join(lines)
    body = list(source.module.body)
    number = next(i for i, each in enumerate(body) if each is node)
    following = body[number + 1 : number + 2]
    if following and not following[0].leading_lines:
        text += newline
        if isinstance(following[0], (cst.FunctionDef, cst.ClassDef)):
            text += newline
    return Edit(end, end, text)


def _first(
    source: ParsedSource, run: Sequence[cst.CSTNode], lines: list[str]
) -> Edit:
    """
    Insert *lines* at the top, after the docstring.
    """
    newline = source.newline
    if run:
        return _after(source, run[-1], lines)
    body = source.module.body
    text = newline.join(lines) + newline * 2
    if isinstance(body[0], (cst.FunctionDef, cst.ClassDef)):
        text += newline
    start = source.start(body[0])
    for decorator in getattr(body[0], "decorators", ()):
        start = min(start, source.start(decorator))
    return Edit(start, start, text)


def with_configuration(source: ParsedSource) -> str:
    """
    The program with logging set up under ``if __name__ == "__main__":``.

    It stays as it is if it has no such block, or sets up logging already.
    """
    for node in source.nodes:
        if (
            isinstance(node, cst.Call)
            and source.meanings(node.func) & _CONFIGURES
        ):
            return source.text
    for node in source.module.body:
        if _is_main_block(source, node) and isinstance(
            node.body, cst.IndentedBlock
        ):
            first = node.body.body[0]
            start = source.start(first)
            gap = source.newline + source.indentation(first)
            call = 'mllog.configure("console")'
            text = f"import mllog{source.newline}{gap}{call}{gap}"
            return apply_edits(source.text, [Edit(start, start, text)])
    return source.text


def _is_main_block(source: ParsedSource, node: cst.CSTNode) -> bool:
    if not isinstance(node, cst.If):
        return False
    test = source.code(node.test).replace("'", '"').strip("()")
    return test.replace(" ", "") == '__name__=="__main__"'
