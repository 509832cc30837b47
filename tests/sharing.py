"""
What is made once for a whole run of tests, its workers included.
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

__all__ = ["made_once", "share_models"]


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]
) -> Path:
    """
    The folder *name* of this run of pytest, which *make* fills.

    Workers of pytest-xdist are processes: the first that wants the folder
    fills it, and the others wait for it.  Nobody changes it afterwards.

    Args:
        factory: Knows where the run has its temporary files.

        name: The same in all workers, and nothing else's.

        make: Fills the empty folder.  If it raises, so does this call, and the
            next one begins anew.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, made = base / name, base / f"{name}.made"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


def share_models() -> None:
    """
    Have all sessions of boto3 in this process read the models of AWS once.

    Each session parses 1 MB of JSON otherwise, which takes longer than most
    tests that make one.
    """
    import botocore.session

    made = botocore.session.create_loader
    if not hasattr(made, "cache_info"):
        botocore.session.create_loader = functools.cache(made)
