"""
What is around a configuration: variables it reads, packages beside mllog.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from .. import env
from ..errors import ConfigError, nearest
from .findings import Report
from .model import texts

__all__ = ["check_distribution", "check_references"]

_OURS = "ext://mllog.env."
_PREFIX = "MLLOG_"


def check_references(config: Mapping[str, Any], report: Report) -> None:
    """
    Report each ``ext://mllog.env.NAME`` that has no value.
    """
    read: set[str] = set()
    for text, path in texts(config):
        if not text.startswith(_OURS):
            continue
        name = text.removeprefix(_OURS)
        if name not in env.SETTINGS:
            near = nearest(name, env.SETTINGS)
            report.error(
                path,
                f"mllog.env has no setting {name}",
                f"write {_OURS}{near}"
                if near
                else "one of " + ", ".join(env.SETTINGS),
            )
        elif name not in read:
            read.add(name)
            try:
                env.SETTINGS[name].value()
            except ConfigError as exc:
                report.refused(path, exc, "environment")
    if read:
        _check_variables(report)


def _check_variables(report: Report) -> None:
    """
    Report variables whose names are nearly, but not quite, ours.
    """
    known = [setting.variable for setting in env.SETTINGS.values()]
    for variable in sorted(os.environ):
        if not variable.startswith(_PREFIX) or variable in known:
            continue
        name = variable.removeprefix(_PREFIX)
        if near := nearest(name, env.SETTINGS):
            report.outside(
                f"environment {variable}",
                "mllog reads no variable of this name",
                f"write {_PREFIX}{near}",
            )


def check_distribution(report: Report) -> None:
    """
    Report the package that is called mllog and is not this one.
    """
    for each in metadata.distributions(name="mllog"):
        name = re.sub(r"[-_.]+", "-", each.metadata["Name"] or "").lower()
        if name == "mllog":
            report.outside(
                "installed packages",
                f"mllog {each.version} is somebody else's package and writes"
                " into the same folder as mllog-handlers",
                "pip uninstall mllog, then"
                " pip install --force-reinstall mllog-handlers",
            )
            return
