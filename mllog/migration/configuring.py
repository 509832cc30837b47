"""
``mllog.configure("console")`` where a program starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import libcst as cst
else:
    from .syntax import cst

from .source import Edit, Source, edited

__all__ = ["configured"]

_CONFIGURES: Final = frozenset(
    {
        "logging.basicConfig",
        "logging.config.dictConfig",
        "logging.config.fileConfig",
        "mllog.configure",
    }
)


def configured(source: Source) -> str:
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
        if _is_main(source, node) and isinstance(node.body, cst.IndentedBlock):
            first = node.body.body[0]
            start = source.start(first)
            gap = source.newline + source.indentation(first)
            call = 'mllog.configure("console")'
            text = f"import mllog{source.newline}{gap}{call}{gap}"
            return edited(source.text, [Edit(start, start, text)])
    return source.text


def _is_main(source: Source, node: cst.CSTNode) -> bool:
    if not isinstance(node, cst.If):
        return False
    test = source.code(node.test).replace("'", '"').strip("()")
    return test.replace(" ", "") == '__name__=="__main__"'
