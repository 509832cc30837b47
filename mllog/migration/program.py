"""
One file of a program, converted or left.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import libcst as cst
else:
    from .syntax import cst

from .alignment import UnalignedError
from .conversion import Conversion, Options, convert
from .files import File, read
from .nesting import TooDeepError, depth_of, with_room

__all__ = ["Program", "converted"]

_PRINTS: Final = re.compile(rb"print|pprint|std(out|err)\s*\.\s*write")


@dataclass(frozen=True)
class Program:
    """
    What became of a file.

    Args:
        path: Where it is.

        file: The file; None if it cannot be read.

        conversion: What became of its text; None if it is left.

        problem: Why it is left.
    """

    path: str
    file: File | None = None
    conversion: Conversion | None = None
    problem: str = ""

    @property
    def is_changed(self) -> bool:
        """
        Whether its text is another now.
        """
        return bool(
            self.file
            and self.conversion
            and self.conversion.text != self.file.text
        )


def converted(path: str, options: Options) -> Program:
    """
    The file at *path*; one that cannot be converted is left, with the reason.
    """
    try:
        file = read(path)
    except OSError as exc:
        return Program(path, problem=exc.strerror or str(exc))
    except (SyntaxError, ValueError) as exc:
        return Program(path, problem=f"cannot be decoded: {_one_line(exc)}")
    if not _PRINTS.search(file.data):
        return Program(path, file, Conversion(file.text))
    options = replace(options, is_ascii=file.encoding != "utf-8")
    try:
        made = with_room(
            depth_of(file.text), lambda: convert(file.text, options)
        )
        file.encoded(made.text)
    except cst.ParserSyntaxError as exc:
        return Program(path, file, problem=_unparsed(exc))
    except (RecursionError, TooDeepError):
        return Program(path, file, problem="is nested too deeply")
    except UnalignedError:
        return Program(path, file, problem="LibCST does not read it in full")
    except Exception as exc:  # a defect here must not stop the other files
        problem = f"is not converted: {type(exc).__name__}: {_one_line(exc)}"
        return Program(path, file, problem=problem)
    if made.converted and _has_logging_beside(path):
        return Program(
            path,
            file,
            problem="a logging.py beside it takes the place of Python's",
        )
    return Program(path, file, made)


def _unparsed(exc: cst.ParserSyntaxError) -> str:
    message = str(exc.message).splitlines()[0]
    return f"does not parse: line {exc.raw_line}: {message}"


def _one_line(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:200]


def _has_logging_beside(path: str) -> bool:
    """
    Whether ``import logging`` gives a program something else than Python's.
    """
    folder = os.path.dirname(os.path.abspath(path))
    is_script = not os.path.exists(os.path.join(folder, "__init__.py"))
    return is_script and os.path.exists(os.path.join(folder, "logging.py"))
