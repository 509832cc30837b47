"""
The script that draws the charts: Vega-Lite, out of the package vl-convert.
"""

from __future__ import annotations

from ...errors import require

__all__ = ["library"]


def library() -> str:
    """
    Vega, Vega-Lite and vega-embed as one script of 0.9 MB.

    It takes seconds: call it in a thread while something else is computed.

    Raises:
        MissingPackageError: The extra ``[report]`` is not installed.
    """
    found: str = require("vl_convert", "report").javascript_bundle()
    return found
