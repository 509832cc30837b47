"""
What is known about an expression without running it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Literal

from .parsed_source import ParsedSource, walk

if TYPE_CHECKING:
    import libcst as cst
else:
    from .parsed_source import cst

__all__ = ["Changes", "Evidence"]

ValueType = Literal["", "text", "whole", "number", "tuple", "other"]
RESULT_TYPES: Final[dict[str, ValueType]] = {
    "builtins.len": "whole",
    "builtins.int": "whole",
    "builtins.ord": "whole",
    "builtins.id": "whole",
    "builtins.float": "number",
    "builtins.str": "text",
    "builtins.repr": "text",
    "builtins.ascii": "text",
    "builtins.chr": "text",
    "builtins.hex": "text",
    "builtins.format": "text",
    "builtins.tuple": "tuple",
    "builtins.list": "other",
    "builtins.sorted": "other",
    "time.time": "number",
    "time.perf_counter": "number",
    "time.monotonic": "number",
    "os.getpid": "whole",
    "os.getcwd": "text",
    "os.path.join": "text",
    "os.path.basename": "text",
}
# they change no argument that is printed in the same call
PURE_FUNCTIONS: Final = frozenset(
    f"builtins.{name}"
    for name in [
        "abs",
        "all",
        "any",
        "ascii",
        "bin",
        "bool",
        "chr",
        "dict",
        "divmod",
        "enumerate",
        "float",
        "format",
        "frozenset",
        "getattr",
        "hasattr",
        "hash",
        "hex",
        "id",
        "int",
        "isinstance",
        "issubclass",
        "len",
        "list",
        "max",
        "min",
        "oct",
        "ord",
        "pow",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
        "type",
        "vars",
        "zip",
    ]
) | {"time.time", "time.perf_counter", "time.monotonic"}
PURE_METHODS: Final = frozenset(
    [
        "all",
        "any",
        "argmax",
        "argmin",
        "center",
        "copy",
        "count",
        "cpu",
        "decode",
        "detach",
        "dim",
        "encode",
        "endswith",
        "find",
        "format",
        "get",
        "hex",
        "index",
        "isoformat",
        "item",
        "items",
        "join",
        "keys",
        "ljust",
        "lower",
        "lstrip",
        "max",
        "mean",
        "min",
        "most_common",
        "nelement",
        "norm",
        "numel",
        "numpy",
        "rjust",
        "round",
        "rstrip",
        "size",
        "split",
        "splitlines",
        "squeeze",
        "std",
        "startswith",
        "strftime",
        "strip",
        "sum",
        "timestamp",
        "title",
        "tolist",
        "total_seconds",
        "upper",
        "values",
        "zfill",
    ]
)
NUMERIC_FUNCTIONS: Final = frozenset(
    {"abs", "float", "int", "len", "max", "min", "round"}
)
TUPLE_ATTRIBUTES: Final = frozenset({"args", "shape", "size"})
# Their scalars are written differently by str() and by format().
TENSOR_PACKAGES: Final = frozenset(
    [
        "accelerate",
        "fastai",
        "keras",
        "lightning",
        "pytorch_lightning",
        "tensorflow",
        "torch",
        "torchmetrics",
        "torchvision",
        "transformers",
    ]
)


class Evidence:
    """
    Types, side effects and shared names of the expressions of a program.

    Args:
        source: The program.

        is_exact: Believe in no type that is not evident.
    """

    def __init__(
        self, source: ParsedSource, *, is_exact: bool = False
    ) -> None:
        self._source = source
        self.is_exact = is_exact

    def type_of(self, node: cst.CSTNode) -> ValueType:
        """
        The type of *node* if it is evident, or an empty text.
        """
        if isinstance(node, cst.Integer):
            return "whole"
        if isinstance(node, cst.Float):
            return "number"
        if isinstance(
            node,
            (cst.SimpleString, cst.FormattedString, cst.ConcatenatedString),
        ):
            return "other" if _is_bytes(node) else "text"
        if isinstance(node, cst.Tuple):
            return "tuple"
        if isinstance(node, (cst.List, cst.Dict, cst.Set, cst.ListComp)):
            return "other"
        if isinstance(node, cst.Call):
            return self._result(node)
        if isinstance(node, cst.BinaryOperation):
            return self._operation(node)
        return self._assigned(node) if isinstance(node, cst.Name) else ""

    def may_be_tuple(self, node: cst.CSTNode) -> bool:
        """
        Whether *node* may well be a tuple: ``error.args``, ``x.shape``, ``*args``.
        """
        found = self.type_of(node)
        if found:
            return found == "tuple"
        if self.is_exact:
            return True
        if isinstance(node, cst.Call):
            node = node.func
        if isinstance(node, cst.Attribute):
            return node.attr.value in TUPLE_ATTRIBUTES
        if not isinstance(node, cst.Name):
            return not isinstance(
                node, (cst.Subscript, cst.BinaryOperation, cst.UnaryOperation)
            )
        return node.value in TUPLE_ATTRIBUTES or any(
            self._is_tuple(each) for each in self._bindings(node)
        )

    def may_format_differently(self, node: cst.CSTNode) -> bool:
        """
        Whether ``f"{node}"`` may differ from ``str(node)``.

        Scalars of PyTorch and TensorFlow do, and enumerations that are
        strings or numbers too (before Python 3.12).
        """
        return not self.type_of(node) and (
            self.is_exact or self._has_differing_formats
        )

    def is_repeatable(self, node: cst.CSTNode) -> bool:
        """
        Whether *node* may be evaluated twice: cheap, and it changes nothing.
        """
        for each in walk(node):
            if isinstance(each, cst.Call) and not self._is_cheap(each):
                return False
            if isinstance(each, _effects()):
                return False
        return True

    def changes(self, nodes: Iterable[cst.CSTNode | None]) -> Changes:
        """
        What evaluating *nodes* one after another may change.
        """
        found: dict[str, int] = {}
        pause = -1
        for number, node in enumerate(nodes):
            for each in () if node is None else walk(node):
                if isinstance(each, (cst.Await, cst.Yield)):
                    pause = number
                elif isinstance(each, cst.Call) and not self._is_pure(each):
                    found.update(dict.fromkeys(_names(each), number))
        return Changes(self, found, pause)

    def _is_pure(self, call: cst.Call) -> bool:
        func = call.func
        if (
            self._source.meanings(func)
            and self._source.meanings(func) <= PURE_FUNCTIONS
        ):
            return True
        return (
            isinstance(func, cst.Attribute) and func.attr.value in PURE_METHODS
        )

    def _is_cheap(self, call: cst.Call) -> bool:
        if isinstance(call.func, cst.Attribute):
            return call.func.attr.value == "item" and not call.args
        found = self._source.meanings(call.func)
        return len(call.args) == 1 and any(
            found == {f"builtins.{name}"} for name in NUMERIC_FUNCTIONS
        )

    def _result(self, call: cst.Call) -> ValueType:
        found = self._source.meanings(call.func)
        if len(found) == 1:
            known = RESULT_TYPES.get(next(iter(found)))
            if known:
                return known
        func = call.func
        if (
            isinstance(func, cst.Attribute)
            and func.attr.value in ("format", "join")
            and self.type_of(func.value) == "text"
        ):
            return "text"
        return ""

    def _operation(self, node: cst.BinaryOperation) -> ValueType:
        left, right = self.type_of(node.left), self.type_of(node.right)
        if left == "text" and isinstance(node.operator, cst.Modulo):
            return "text"
        if left == right == "text" and isinstance(node.operator, cst.Add):
            return "text"
        if not {left, right} <= {"whole", "number"}:
            return ""
        if left == right == "whole" and isinstance(
            node.operator, (cst.Add, cst.Subtract, cst.Multiply)
        ):
            return "whole"
        return "number"

    def _assigned(self, name: cst.Name) -> ValueType:
        """
        The type of each value that *name* is given, if it is the same.
        """
        found = {self._bound(each) for each in self._bindings(name)}
        return found.pop() if len(found) == 1 else ""

    def _bindings(self, name: cst.Name) -> list[cst.CSTNode]:
        return [
            getattr(each, "node", name)
            for each in self._source.scope(name)[name.value]
        ]

    def _bound(self, node: cst.CSTNode) -> ValueType:
        """
        The type that a binding gives, if it is written there.
        """
        above = self._source.parent(node)
        if isinstance(above, (cst.For, cst.CompFor)) and above.target is node:
            return "whole" if self._is_call_of(above.iter, "range") else ""
        if isinstance(above, cst.AssignTarget):
            assign = self._source.parent(above)
            value = assign.value if isinstance(assign, cst.Assign) else None
            return _literal(value)
        if isinstance(above, cst.Element):
            return self._counted(above)
        return ""

    def _counted(self, element: cst.Element) -> ValueType:
        """
        ``whole`` for the first target of ``for i, x in enumerate(…)``.
        """
        targets = self._source.parent(element)
        loop = self._source.parent(targets) if targets else None
        is_first = isinstance(targets, cst.Tuple) and (
            targets.elements[0] is element
        )
        if is_first and isinstance(loop, (cst.For, cst.CompFor)):
            return "whole" if self._is_call_of(loop.iter, "enumerate") else ""
        return ""

    def _is_call_of(self, node: cst.CSTNode, name: str) -> bool:
        return isinstance(node, cst.Call) and self._source.means(
            node.func, f"builtins.{name}"
        )

    def _is_tuple(self, node: cst.CSTNode) -> bool:
        above = self._source.parent(node)
        if isinstance(node, cst.Param):
            return node.star == "*"
        if isinstance(above, cst.AssignTarget):
            assign = self._source.parent(above)
            return isinstance(assign, cst.Assign) and isinstance(
                assign.value, cst.Tuple
            )
        return False

    @functools.cached_property
    def _has_differing_formats(self) -> bool:
        """
        Whether the program has values that format() and str() write differently.
        """
        return any(map(self._formats_differently, self._source.nodes))

    def _formats_differently(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Import):
            return any(
                _root(each.name) in TENSOR_PACKAGES for each in node.names
            )
        if isinstance(node, cst.ImportFrom):
            return (
                node.module is not None
                and _root(node.module) in TENSOR_PACKAGES
            )
        if isinstance(node, cst.FunctionDef):
            return node.name.value == "__format__"
        if isinstance(node, cst.ClassDef):
            bases = [self._source.meanings(each.value) for each in node.bases]
            enums = [any(n.startswith("enum.") for n in b) for b in bases]
            return any(enums) and bases != [{"enum.Enum"}]
        return False


class Changes:
    """
    Where names are changed for the last time.

    Args:
        evidence: What is known of the program.

        last: The number of the last expression that may change a name.

        pause: That of the last one in which other code may run; -1 of none.
    """

    def __init__(
        self, evidence: Evidence, last: Mapping[str, int], pause: int
    ) -> None:
        self._evidence = evidence
        self._last = last
        self._pause = pause

    def reach(self, node: cst.CSTNode, number: int) -> bool:
        """
        Whether what comes after *number* may change what *node* looks like.
        """
        if self._evidence.type_of(node) in ("text", "whole", "number"):
            return False
        return self._pause > number or any(
            self._last.get(name, -1) > number for name in _names(node)
        )


def _literal(node: cst.CSTNode | None) -> ValueType:
    if isinstance(node, cst.SimpleString):
        return "other" if _is_bytes(node) else "text"
    if isinstance(node, cst.Integer):
        return "whole"
    if isinstance(node, cst.Float):
        return "number"
    return "tuple" if isinstance(node, cst.Tuple) else ""


def _is_bytes(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.ConcatenatedString):
        node = node.left
    return isinstance(node, cst.SimpleString) and "b" in node.prefix.lower()


def _names(node: cst.CSTNode) -> set[str]:
    return {each.value for each in walk(node) if isinstance(each, cst.Name)}


def _root(node: cst.CSTNode) -> str:
    while isinstance(node, cst.Attribute):
        node = node.value
    return node.value if isinstance(node, cst.Name) else ""


@functools.cache
def _effects() -> tuple[type, ...]:
    return (
        cst.Await,
        cst.Yield,
        cst.NamedExpr,
        cst.ListComp,
        cst.SetComp,
        cst.DictComp,
        cst.GeneratorExp,
        cst.Lambda,
    )
