"""
What sums up and compares: intervals, windows, references and thresholds.
"""

from __future__ import annotations

import os
from typing import Any

from .. import options
from ..fields import FIELD_LABELS
from ..metrics.origins import Origin
from ..metrics.verdicts import limits_of
from ..metrics.watched import Sizes
from . import metering
from .findings import Report
from .model import Part, Setup
from .trying import Parser, given, refusal, single, takes_all

__all__ = ["KINDS", "check"]

#: The handlers that are looked at here.
KINDS = ("SummaryHandler", "DriftHandler")

_WINDOWS = ("window_records", "window_seconds", "min_records")
_ORIGIN = (
    "reference",
    "compare_by",
    "baseline",
    "reference_records",
    "reference_options",
    "max_categories",
)


def check(setup: Setup, report: Report) -> None:
    """
    Report what can be neither summed up nor compared.
    """
    for part in setup.parts():
        if part.is_a(*KINDS):
            single(_SINGLE, part, report)
            metering.check_metrics(
                part.get("metrics"), part.place("metrics"), report
            )
        if part.is_a("DriftHandler"):
            takes_all(Sizes.of, given(part, _WINDOWS), part, report)
            _check_origin(part, report)
            _check_use(part, report)
    if not any(part.is_a("PrometheusHandler") for part in setup.parts()):
        metering.check_metrics(setup.metrics, ("metrics",), report)


def _check_origin(part: Part, report: Report) -> None:
    labels: tuple[str, ...] = FIELD_LABELS
    found = given(part, ("labels",)).get("labels", labels)
    if not refusal(options.names, {"option": "labels", "value": found}):
        labels = options.names("labels", found)

    def make(**options_of: Any) -> Origin:
        return Origin.of(_ignore, {"labels": labels}, **options_of)

    if takes_all(make, given(part, _ORIGIN), part, report):
        _check_reference(part, report)


def _check_reference(part: Part, report: Report) -> None:
    path = part.get("reference")
    if not isinstance(path, str) or not path or path.startswith("s3://"):
        return
    if not any(mark in path for mark in "*?[") and not os.path.exists(path):
        report.warning(
            part.place("reference"),
            f"{part.label}: {path} is not there",
            "write it before; until then nothing is compared",
        )


def _check_use(part: Part, report: Report) -> None:
    """
    Report a handler that has nothing to watch.
    """
    automatic = part.get("automatic", True)
    try:
        is_automatic = options.boolean("automatic", automatic)
    except Exception:  # said already, or only known when it runs
        return
    is_given = any(part.get(name) for name in ("fields", "metrics"))
    if part.is_complete and not is_automatic and not is_given:
        report.warning(
            part.path,
            f"{part.label} watches nothing",
            "name fields, or leave automatic",
        )


def _ignore(_error: BaseException) -> None:
    pass


_SINGLE: dict[str, Parser] = {
    "aligned": options.boolean,
    "automatic": options.boolean,
    "fields": options.names,
    "interval_seconds": options.number,
    "labels": options.names,
    "significance": options.number,
    "thresholds": limits_of,
}
