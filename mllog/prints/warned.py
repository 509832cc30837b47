"""
What stands in the place of warnings.showwarning.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

from .origin import UNKNOWN, Place, is_logging
from .out import Out

__all__ = ["Warned"]


class Warned:
    """
    Stands in the place of ``warnings.showwarning``.

    Args:
        out: Where warnings go.
    """

    def __init__(self, out: Out) -> None:
        self._out = out
        self._is_over = False
        self._beneath: Callable[..., Any] = warnings.showwarning

    def install(self) -> None:
        """
        Take the place.
        """
        self._beneath = warnings.showwarning
        warnings.showwarning = self._show

    def remove(self) -> None:
        """
        Give it back, unless another one stands in front; then let all through.
        """
        self._is_over = True
        while isinstance(
            found := getattr(warnings.showwarning, "__self__", None), Warned
        ):
            if not found._is_over:
                return
            warnings.showwarning = found._beneath

    def finish(self) -> None:
        """
        Nothing waits.
        """

    def _show(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        is_ours = not (
            self._is_over
            or file is not None
            or is_logging(sys._getframe().f_back)
        )
        if is_ours and self._out.log(
            _text_of(message),
            Place(filename, lineno, UNKNOWN),
            category=getattr(category, "__name__", str(category)),
            place=f"{filename}:{lineno}",
        ):
            return
        self._beneath(message, category, filename, lineno, file, line)


def _text_of(message: Warning | str) -> str:
    try:
        return str(message)
    except Exception:
        return f"<{type(message).__name__}>"
