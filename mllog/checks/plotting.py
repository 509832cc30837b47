"""
What draws curves: its folder, its run, and its metrics.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from .. import options
from ..errors import ConfigError
from ..fields import RECORD_ATTRIBUTES
from ..metrics.metric import MESSAGE
from ..tensorboard.runs import Runs
from .findings import Report
from .metering import check_metrics
from .model import Part, Setup
from .trying import Parser, given, single, takes_all

__all__ = ["check"]

_FOLDERS = ("log_dir", "run")
_EXTRA = "pip install 'mllog-handlers[tensorboard]'"
_FIELDS = ("histogram_fields", "image_fields", "text_fields")


def check(setup: Setup, report: Report) -> None:
    """
    Report what cannot be written for TensorBoard.
    """
    for part in setup.parts():
        if not part.is_a("TensorBoardHandler"):
            continue
        _check_package(part, report)
        takes_all(_runs, given(part, _FOLDERS), part, report)
        single(_SINGLE, part, report)
        _check_folder(part, report)
        _check_twice(part, report)
        check_metrics(part.get("metrics"), part.place("metrics"), report)
    if not any(part.is_a("PrometheusHandler") for part in setup.parts()):
        check_metrics(setup.metrics, ("metrics",), report)


def _runs(log_dir: Any = "runs", run: Any = "") -> Runs:
    return Runs(log_dir, run, 1, bytes)


def _check_package(part: Part, report: Report) -> None:
    if importlib.util.find_spec("tensorboard") is None:
        report.error(
            part.path,
            f"{part.label} needs tensorboard, which is not installed",
            _EXTRA,
        )
    elif importlib.util.find_spec("google_crc32c") is None:
        report.warning(
            part.path,
            f"{part.label} is slow without google-crc32c: an image may take"
            " a second",
            _EXTRA,
        )


def _check_folder(part: Part, report: Report) -> None:
    """
    Report a log_dir that nothing can be written in.
    """
    found = given(part, ("log_dir",)).get("log_dir", "runs")
    if not isinstance(found, str) or not found:
        return
    folder = os.path.abspath(found)
    while not os.path.lexists(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        report.error(
            part.place("log_dir"),
            f"{part.label}: nothing can be written below {folder}",
            "give a folder that this user may write in",
        )


def _check_twice(part: Part, report: Report) -> None:
    """
    Report a field that is to be several things at once.
    """
    seen: dict[str, str] = {}
    for option, value in given(part, _FIELDS).items():
        try:
            names = options.names(option, value)
        except ConfigError:  # said already
            continue
        for name in names:
            if seen.setdefault(name, option) != option:
                report.warning(
                    part.place(option),
                    f"{part.label}: {name} is in {seen[name]} too, and becomes"
                    " only one of them",
                    "leave it out of one",
                )


def _names(option: str, value: Any) -> None:
    for name in options.names(option, value):
        if name != MESSAGE:
            _field(option, name)


def _labels(option: str, value: Any) -> None:
    for name in options.names(option, value):
        _field(option, name)


def _field(option: str, value: Any) -> None:
    if options.text(option, value) in RECORD_ATTRIBUTES:
        raise ConfigError(
            f"{option} names {value}, an attribute of LogRecord",
            expected="a field of extra=",
        )


def _optional_field(option: str, value: Any) -> None:
    options.optional(_field, option, value)


def _count(option: str, value: Any) -> None:
    options.integer(option, value, minimum=1)


_SINGLE: dict[str, Parser] = {
    "automatic": options.boolean,
    "every": _count,
    "histogram_fields": _labels,
    "hparams_field": _optional_field,
    "image_fields": _labels,
    "labels": _labels,
    "max_runs": _count,
    "max_series": _count,
    "step_field": _field,
    "text_fields": _names,
}
