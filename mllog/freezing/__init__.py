"""
How programs that use mllog are frozen into one file or folder.
"""

from __future__ import annotations

import os

__all__ = ["hook_folders"]


def hook_folders() -> list[str]:
    """
    Where PyInstaller finds what it has to know about mllog.
    """
    return [os.path.dirname(__file__)]
