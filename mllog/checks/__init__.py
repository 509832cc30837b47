"""
What is wrong with a logging configuration, said before it runs.

Nothing of the configuration is run: no handler is made, no file opened, and
no class imported that is not of logging or of mllog.  Reading the file is
``mllog.config.check``'s part.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping, Sequence
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
    if any(
        part.is_a("ShippingHandler", "SysLogHandler") for part in setup.parts()
    ):
        from . import shipping  # not at import: it loads sockets and TLS

        shipping.check(setup, report)
    if any(_stores(part) for part in setup.parts()):
        from . import storing  # nor this: it loads what puts objects

        storing.check(setup, report)
    if any(part.is_a("PrometheusHandler") for part in setup.parts()):
        from . import metering  # nor this: it loads the parts of a server

        metering.check(setup, report)
    if any(
        part.is_a("KafkaHandler", "InferenceFormatter")
        for part in setup.parts()
    ):
        from . import publishing  # nor this: it loads what makes events

        publishing.check(setup, report)
    if any(part.is_a("TensorBoardHandler") for part in setup.parts()):
        from . import plotting  # nor this: it loads what is measured

        plotting.check(setup, report)
    if any(
        part.is_a("SummaryHandler", "DriftHandler") for part in setup.parts()
    ):
        from . import watching  # nor this: it loads what reads logs

        watching.check(setup, report)
    environment.check_distribution(report)
    return report.findings()


def _stores(part: Part) -> bool:
    return part.is_a("ObjectHandler", "SamplingFilter") or (
        part.is_ours and "on_rotate" in part.options
    )
