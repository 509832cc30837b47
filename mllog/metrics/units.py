"""
Units as people log them, and the base units that metrics are exported in.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ..errors import ConfigError, shown

__all__ = ["Unit", "unit_of", "without_unit"]


class Unit(NamedTuple):
    """
    A base unit, and what makes a logged number one of it.

    Args:
        name: The base unit in the plural, as names of metrics end; ``""`` for
            a plain number.

        times: What the number is multiplied by.

        over: What it is divided by: 12.3 ms over 1000 is exact, times 0.001
            is not.
    """

    name: str
    times: float = 1.0
    over: float = 1.0

    @property
    def is_base(self) -> bool:
        """
        Whether numbers stay as they are.
        """
        return self.times == self.over

    def base(self, value: float) -> float:
        """
        *value*, which is in this unit, in the base unit.
        """
        return value * self.times / self.over


_TABLE: Final = (
    (Unit("seconds"), "s sec secs second seconds"),
    (Unit("seconds", over=1e3), "ms msec millisecond milliseconds"),
    (Unit("seconds", over=1e6), "us µs μs usec microsecond microseconds"),
    (Unit("seconds", over=1e9), "ns nanosecond nanoseconds"),
    (Unit("seconds", 60.0), "min minute minutes"),
    (Unit("seconds", 3600.0), "h hour hours"),
    (Unit("seconds", 86400.0), "d day days"),
    (Unit("bytes"), "b byte bytes"),
    (Unit("bytes", 1e3), "kb kilobyte kilobytes"),
    (Unit("bytes", 1e6), "mb megabyte megabytes"),
    (Unit("bytes", 1e9), "gb gigabyte gigabytes"),
    (Unit("bytes", 2.0**10), "kib kibibyte kibibytes"),
    (Unit("bytes", 2.0**20), "mib mebibyte mebibytes"),
    (Unit("bytes", 2.0**30), "gib gibibyte gibibytes"),
    (Unit("ratio"), "ratio fraction"),
    (Unit("ratio", over=1e2), "% percent percentage pct"),
    (Unit("celsius"), "°c celsius"),
    (Unit("joules"), "j joule joules"),
    (Unit("joules", 3.6e6), "kwh"),
    (Unit("volts"), "v volt volts"),
    (Unit("watts"), "w watt watts"),
    (Unit("watts", 1e3), "kw kilowatt kilowatts"),
    (Unit("hertz"), "hz hertz"),
    (Unit("hertz", 1e6), "mhz megahertz"),
    (Unit("hertz", 1e9), "ghz gigahertz"),
)
_UNITS: Final = {
    word: unit for unit, words in _TABLE for word in words.split()
}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# "s" and "d" end too many names that are no units
_SHORTEST_SUFFIX = 2


def unit_of(option: str, text: str) -> Unit:
    """
    What a unit such as ``"ms"``, ``"MiB"``, ``"percent"`` or ``"tokens/s"`` means.

    A unit that is not known stays as it is, if it can end a name.

    Raises:
        ConfigError: It cannot.
    """
    word = text.strip().lower()
    if not word:
        return Unit("")
    if word in _UNITS:
        return _UNITS[word]
    above, slash, below = word.partition("/")
    if slash and below in ("s", "sec", "second"):
        unit = unit_of(option, above)
        return unit._replace(name=f"{unit.name}_per_second")
    if _NAME.fullmatch(word) is None:
        raise ConfigError(
            shown(option, text),
            expected="a unit such as seconds, ms, bytes, MiB, percent, tokens",
        )
    return Unit(word)


def without_unit(name: str) -> str:
    """
    *name* without the unit that it ends with: ``latency`` of ``latency_ms``.
    """
    stem, _, ending = name.rpartition("_")
    is_unit = len(ending) >= _SHORTEST_SUFFIX and ending.lower() in _UNITS
    return stem if stem and is_unit else name
