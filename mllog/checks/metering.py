"""
What measures: its ways to Prometheus, and its metrics.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from typing import Any

from .. import options
from ..errors import ConfigError
from ..exposition.names import label_names
from ..exposition.ways import Ways
from ..metrics.metric import metrics_from
from . import classes
from .findings import Report
from .lines import Path
from .model import Part, Setup, is_known, texts
from .trying import Parser, given, refusal, said, single, takes_all

__all__ = ["check", "check_metrics"]

_WAYS = (
    "port",
    "address",
    "textfile",
    "gateway",
    "job",
    "grouping",
    "interval_seconds",
    "close_timeout_seconds",
)
_EXTRA = "pip install 'mllog-handlers[prometheus]'"
_LATER = re.compile(r"(?:ext|cfg)://.*", re.DOTALL)
_METRIC = frozenset({"mllog.Metric", "mllog.metrics.Metric"})


def check(setup: Setup, report: Report) -> None:
    """
    Report what cannot be measured, or does not get to Prometheus.
    """
    served: dict[tuple[Any, Any], str] = {}
    for part in setup.parts():
        if part.is_a("PrometheusHandler"):
            _check_package(part, report)
            _check_ways(part, report)
            single(_SINGLE, part, report)
            _check_port(part, served, report)
            _check_textfile(part, report)
            check_metrics(part.get("metrics"), part.place("metrics"), report)
    check_metrics(setup.metrics, ("metrics",), report)


def _check_package(part: Part, report: Report) -> None:
    if importlib.util.find_spec("prometheus_client") is None:
        report.error(
            part.path,
            f"{part.label} needs prometheus-client, which is not installed",
            _EXTRA,
        )


def _check_ways(part: Part, report: Report) -> None:
    found = given(part, _WAYS)
    gateway = {"gateway": found.get("gateway"), "job": "any"}
    if error := refusal(Ways.of, gateway if gateway["gateway"] else {}):
        said(error, found, part, report)
        for name in ("gateway", "job", "grouping"):
            found.pop(name, None)
    takes_all(Ways.of, found, part, report)


def _check_port(
    part: Part, served: dict[tuple[Any, Any], str], report: Report
) -> None:
    """
    Report a port that two handlers want.
    """
    port = part.get("port")
    if port in (None, "", 0, "0") or not is_known(port):
        return
    usual = classes.defaults_of(part.cls)["address"]
    wanted = str(part.get("address", usual)), str(port)
    if wanted in served:
        report.error(
            part.place("port"),
            f"{part.label}: the port {port} is that of the handler"
            f" {served[wanted]!r}",
            'give both the same registry, "default", and one of them no port',
        )
    served.setdefault(wanted, part.name)


def _check_textfile(part: Part, report: Report) -> None:
    path = part.get("textfile")
    if not isinstance(path, str) or not path:
        return
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        report.warning(
            part.place("textfile"),
            f"{part.label}: the folder {folder} is not there",
            "make it; until then nothing is written",
        )


def check_metrics(specs: Any, path: Path, report: Report) -> None:
    """
    Report metrics that cannot be; nothing that they name is imported.
    """
    if specs is None or not is_known(specs):
        return
    if isinstance(specs, Mapping):
        specs = [specs]
    if not isinstance(specs, (list, tuple)):
        if not (isinstance(specs, str) and _LATER.fullmatch(specs)):
            _refuse(specs, path, report)
        return
    for index, spec in enumerate(specs):
        if any(_LATER.fullmatch(text) for text, _ in texts(spec)):
            continue  # only known when it runs
        at = (*path, index)
        if isinstance(spec, Mapping):
            spec = _without_code(spec)
            if spec is None:
                continue
        elif isinstance(spec, str):  # the name of one that is made elsewhere
            continue
        _refuse([spec], at, report)


def _without_code(spec: Mapping[Any, Any]) -> dict[Any, Any] | None:
    """
    *spec* without the names of functions; None if another class makes it.
    """
    found = dict(spec)
    made_by = found.pop("class", None) or found.pop("()", None)
    if made_by is not None and made_by not in _METRIC:
        return None
    reduce = found.get("reduce")
    if isinstance(reduce, str) and "." in reduce:
        found["reduce"] = "identity"
    return found


def _refuse(specs: Any, path: Path, report: Report) -> None:
    error = refusal(metrics_from, {"option": "metrics", "specs": specs})
    if error is None:
        return
    problem = re.sub(r"^metrics\[0\]: ", "", error.problem)
    named = re.search(r"\b([a-z]+)=", problem)
    is_inside = named and isinstance(specs, list) and named[1] in specs[0]
    place = (*path, named[1]) if named and is_inside else path
    report.refused(
        place,
        ConfigError(problem, expected=error.expected, fix=error.fix),
        "metric",
    )


def _labels(option: str, value: Any) -> None:
    label_names(options.names(option, value))


_SINGLE: dict[str, Parser] = {
    "accounting": options.boolean,
    "automatic": options.boolean,
    "exemplar_fields": options.names,
    "labels": _labels,
}
