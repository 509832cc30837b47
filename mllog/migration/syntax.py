"""
LibCST, loaded at the first use of one of its names.
"""

from __future__ import annotations

from typing import Any, Final

from ..errors import require

__all__ = ["cst", "metadata"]


class _Package:
    """
    A package whose names are looked up when they are used.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(require(self._name, "migrate"), name)
        setattr(self, name, value)
        return value


cst: Final[Any] = _Package("libcst")
metadata: Final[Any] = _Package("libcst.metadata")
