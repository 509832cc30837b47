"""
Units as people log them, and the base units of metrics.
"""

import pytest

from mllog.errors import ConfigError
from mllog.metrics.units import unit_of, without_unit


@pytest.mark.parametrize(
    ("text", "name", "value", "base"),
    [
        ("ms", "seconds", 12.3, 0.0123),
        ("seconds", "seconds", 0.5, 0.5),
        ("us", "seconds", 1500, 0.0015),
        ("minutes", "seconds", 2, 120.0),
        ("kB", "bytes", 3, 3000.0),
        ("MiB", "bytes", 1, 1048576.0),
        ("percent", "ratio", 97.5, 0.975),
        ("%", "ratio", 50, 0.5),
        ("tokens", "tokens", 7, 7.0),
        ("tokens/s", "tokens_per_second", 31.5, 31.5),
        ("MB/s", "bytes_per_second", 2, 2e6),
        ("", "", 4, 4.0),
    ],
)
def test_unit_is_converted_to_its_base(text, name, value, base):
    """
    A number in a unit becomes the number in the base unit, exactly.
    """
    unit = unit_of("unit", text)

    assert name == unit.name
    assert base == unit.base(value)


@pytest.mark.parametrize("text", ["m s", "1x", "s/token", "°"])
def test_unit_that_cannot_end_a_name_is_refused(text):
    """
    What is no name is an error that names it.
    """
    with pytest.raises(ConfigError, match="unit="):
        unit_of("unit", text)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("latency_ms", "latency"),
        ("size_MiB", "size"),
        ("cpu_percent", "cpu"),
        ("ms", "ms"),
        ("model_s", "model_s"),
        ("batch_size", "batch_size"),
    ],
)
def test_name_loses_the_unit_it_ends_with(name, stem):
    """
    A unit at the end goes, and single letters are no units.
    """
    assert stem == without_unit(name)
