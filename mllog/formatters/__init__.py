"""
Formatters: what is written.  ``mllog.formatters.JSONFormatter`` and its kin.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # typing itself takes 2 ms to import
if TYPE_CHECKING:
    from typing import Any

    from .inference import InferenceFormatter as InferenceFormatter
    from .json import JSONFormatter as JSONFormatter
    from .mlperf import MLPerfFormatter as MLPerfFormatter
    from .rich import RichFormatter as RichFormatter
    from .text import TextFormatter as TextFormatter
    from .torchserve import TorchServeFormatter as TorchServeFormatter

__all__ = [
    "InferenceFormatter",
    "JSONFormatter",
    "MLPerfFormatter",
    "RichFormatter",
    "TextFormatter",
    "TorchServeFormatter",
]

_HOMES = {
    "InferenceFormatter": "inference",
    "JSONFormatter": "json",
    "MLPerfFormatter": "mlperf",
    "RichFormatter": "rich",
    "TextFormatter": "text",
    "TorchServeFormatter": "torchserve",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(
            importlib.import_module(f".{_HOMES[name]}", __name__), name
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
