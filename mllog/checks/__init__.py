"""
What is wrong with a logging configuration, said before it runs.

Nothing of the configuration is run: no handler is made, no file opened, and
no class imported that is not of logging or of mllog.  Reading the file is
``mllog.config.check``'s part.
"""

from __future__ import annotations

import configparser
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import (
    dictconfig,
    environment,
    fileconfig,
    files,
    lines,
    parts,
    trust,
    wiring,
)
from .findings import Finding, Places, Report
from .model import Part

__all__ = ["Finding", "check"]


def check(
    config: Mapping[str, Any] | configparser.ConfigParser,
    *,
    name: str = "",
    text: str = "",
    untrusted: bool = False,
    allow: Sequence[str] = (),
) -> list[Finding]:
    """
    Find the mistakes in a configuration that has been read.

    Args:
        config: What ``dictConfig`` or ``fileConfig`` would be given.

        name: The file it comes from, for places; its ending says what *text*
            is.

        text: What the file says, for line numbers.

        untrusted: Whether to refuse whatever could run foreign code.

        allow: Beginnings of dotted names that an untrusted one may use.
    """
    is_ini = isinstance(config, configparser.ConfigParser)
    found = lines.lines_of(text, name)
    report = Report(Places(name, found, is_ini=is_ini))
    if isinstance(config, configparser.ConfigParser):
        setup = fileconfig.read(config, report, found)
        if untrusted:
            trust.refuse_ini(config, report, allow)
    else:
        for path in found.repeated:
            report.warning(
                path, "the key stands here twice: the last one holds"
            )
        environment.check_references(config, report)
        setup = dictconfig.read(config, report)
        if untrusted:
            trust.refuse(config, report, allow)
    for part in setup.parts():
        parts.check(part, report)
    wiring.check(setup, report)
    files.check(setup, report)
    for module_name, concerns in _BY_NEED.items():
        if any(concerns(part) for part in setup.parts()):
            module = importlib.import_module(f"{__name__}.{module_name}")
            module.check(setup, report)
    environment.check_distribution(report)
    return report.findings()


def _is_a(*names: str) -> Callable[[Part], bool]:
    return lambda part: part.is_a(*names)


def _stores(part: Part) -> bool:
    return part.is_a("ObjectHandler") or (
        part.is_ours and "on_rotate" in part.options
    )


# What only some configurations need: each loads what its handlers are made of.
_BY_NEED: Mapping[str, Callable[[Part], bool]] = {
    "shipping": _is_a("ShippingHandler", "SysLogHandler"),
    "storing": _stores,
    "metering": _is_a("PrometheusHandler"),
    "exporting": _is_a("OTLPHandler"),
    "publishing": _is_a("KafkaHandler", "InferenceFormatter"),
    "plotting": _is_a("TensorBoardHandler"),
    "watching": _is_a("SummaryHandler", "DriftHandler"),
    "hearing": _is_a("SummaryHandler", "DriftHandler"),
}
