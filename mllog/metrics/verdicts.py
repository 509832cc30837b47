"""
Which distances are a drift: beyond a threshold, and not by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from .. import options
from ..errors import ConfigError, shown
from .drift import THRESHOLDS, Distance
from .windows import Comparison

__all__ = ["Limits", "Verdict", "limits_of"]

_SEVERITIES: Final = ("none", "moderate", "major")
_IN_DEVIATIONS: Final = "mean_shift"

Pairs = Mapping[str, tuple[float, float]]


def limits_of(option: str, value: Any) -> Pairs:
    """
    Thresholds by statistic: moderate and major.

    Args:
        option: Name of the option, for the error.

        value: None for the usual ones; a pair for all but ``mean_shift``; or
            a mapping of statistics to pairs, where None leaves one out.

    Raises:
        ConfigError: It is none of these.
    """
    if value is None or value == "":
        return THRESHOLDS
    if not isinstance(value, Mapping):
        pair = _pair(option, value)
        return {
            name: usual if name == _IN_DEVIATIONS else pair
            for name, usual in THRESHOLDS.items()
        }
    given = options.mapping(option, value)
    options.refuse_unknown(given, tuple(THRESHOLDS))
    found = {
        name: _pair(f"{option}[{name!r}]", each)
        for name, each in {**THRESHOLDS, **given}.items()
        if each is not None
    }
    if not found:
        raise ConfigError(
            shown(option, value), expected="one statistic at least"
        )
    return found


def _pair(option: str, value: Any) -> tuple[float, float]:
    if isinstance(value, str):
        value = options.names(option, value)
    if isinstance(value, Sequence) and len(value) == 2:
        low = options.number(option, value[0])
        high = options.number(option, value[1])
        if low <= high:
            return low, high
    raise ConfigError(
        shown(option, value), expected="moderate and major, such as 0.1, 0.25"
    )


class Verdict(NamedTuple):
    """
    How severe a drift is, and by which distance.

    Args:
        severity: 0 for none, 1 for moderate, 2 for major.

        distance: The one that is most beyond its thresholds.

        threshold: The one that it is beyond; the lower one if it is not.
    """

    severity: int
    distance: Distance
    threshold: float

    def fields(self, found: Comparison) -> dict[str, Any]:
        """
        What a record of it says.
        """
        reference = found.reference
        said: dict[str, Any] = {
            "statistic": self.distance.statistic,
            "value": _short(self.distance.value),
            "threshold": self.threshold,
            "p_value": _short(self.distance.p_value),
            "severity": _SEVERITIES[self.severity],
            "count": found.count,
            "reference_count": reference.count,
            "null_rate": _short(found.null_rate),
            "reference_null_rate": _short(reference.nulls / reference.count),
        }
        if found.mean is not None and reference.numbers is not None:
            said["mean"] = _short(found.mean)
            said["reference_mean"] = _short(reference.numbers.mean)
        said["metrics"] = {
            f"drift_{each.statistic}": _short(each.value)
            for each in found.distances
        }
        return said

    def __str__(self) -> str:
        sign = "<" if self.distance.value < self.threshold else "≥"
        return (
            f"{self.distance.statistic} {self.distance.value:.3g}"
            f" {sign} {self.threshold:g}"
        )


class Limits(NamedTuple):
    """
    What counts as a drift.

    Args:
        thresholds: Moderate and major by statistic.

        significance: A distance that is more likely by chance is none.
    """

    thresholds: Pairs
    significance: float

    def judge(self, found: Comparison) -> Verdict | None:
        """
        The worst of the distances; None where none of them counts.
        """
        verdicts = [
            self._verdict(each)
            for each in found.distances
            if each.statistic in self.thresholds
        ]
        return max(
            verdicts,
            key=lambda each: (
                each.severity,
                each.distance.value
                / self.thresholds[each.distance.statistic][1],
            ),
            default=None,
        )

    def _verdict(self, distance: Distance) -> Verdict:
        moderate, major = self.thresholds[distance.statistic]
        severity = 0
        if distance.p_value < self.significance:
            severity = (distance.value >= moderate) + (distance.value >= major)
        threshold = major if severity > 1 else moderate
        return Verdict(severity, distance, threshold)


def _short(value: float) -> float:
    return float(f"{value:.6g}")
