"""
Names as Prometheus has them, out of whatever a field is called.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..errors import ConfigError, shown
from ..fields import Kind
from ..metrics.metric import Metric
from ..metrics.units import without_unit

__all__ = ["base_name", "help_of", "label_names", "sample_names", "valid"]

_INVALID = re.compile(r"[^a-zA-Z0-9_]")
_LONGEST: Final = 200
# what the kinds use themselves
_RESERVED: Final = frozenset({"le", "quantile"})
_PLAIN: Final = frozenset({"identity", "each", "count"})

#: What is put behind the name of a family, by its kind.
SUFFIXES: Final[dict[Kind, tuple[str, ...]]] = {
    "counter": ("", "_total", "_created"),
    "gauge": ("",),
    "histogram": ("", "_bucket", "_count", "_sum", "_created"),
    "summary": ("", "_count", "_sum", "_created"),
}


def valid(name: str) -> str:
    """
    *name* with each character that Prometheus never took made ``_``.
    """
    name = _INVALID.sub("_", name)[:_LONGEST]
    return f"_{name}" if not name or name[0].isdigit() else name


def base_name(metric: Metric, prefix: str = "") -> str:
    """
    The name of a family: with its base unit, and without ``_total``.
    """
    unit = metric.in_unit
    name = metric.name
    if name is None:
        name = metric.field
        if not unit.is_base or unit.name:
            name = without_unit(name)
        if metric.reduction.name not in _PLAIN:
            name = f"{name}_{metric.reduction.name}"
    name = valid(f"{prefix}{name}")
    name = name.removesuffix("_total") if metric.kind == "counter" else name
    if unit.name and not name.endswith(f"_{unit.name}"):
        name = f"{name}_{unit.name}"
    return name


def sample_names(name: str, kind: Kind) -> list[str]:
    """
    The names that a family has for itself alone.
    """
    return [f"{name}{suffix}" for suffix in SUFFIXES[kind]]


def label_names(labels: Sequence[str]) -> tuple[str, ...]:
    """
    The names of labels, valid and different.

    Raises:
        ConfigError: Two of them would have the same.
    """
    found: dict[str, str] = {}
    for label in labels:
        name = valid(label)
        name = f"label{name}" if name.startswith("__") else name
        name = f"{name}_" if name in _RESERVED else name
        if name in found:
            raise ConfigError(
                shown("labels", list(labels)),
                expected=f"names that are not all {name} in Prometheus",
            )
        found[name] = label
    return tuple(found)


def help_of(metric: Metric) -> str:
    """
    One printable line on what it is.
    """
    said = metric.help
    if not said:
        of = f"{metric.reduction.name} of " if metric.reduction.name else ""
        of = "" if metric.reduction.name == "identity" else of
        said = f"{of}{metric.field}".capitalize()
    return "".join(each if each.isprintable() else "_" for each in said)
