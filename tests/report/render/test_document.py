"""
Numbers in words.
"""

import pytest

from mllog.report.answers import Difference
from mllog.report.render.document import (
    format_bytes,
    format_effect,
    format_interval,
    format_number,
    format_percent,
    format_seconds,
    one_line,
    format_time,
)


def difference(unit, effect, low, high):
    return Difference(
        "p95",
        "inference_latency",
        unit,
        0.1,
        0.2,
        effect,
        low,
        high,
        0.95,
        "a test",
        0.01,
        0.02,
        "different",
        None,
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (3.2e-9, "3.20 ns"),
        (0.000_123_4, "123 µs"),
        (0.000_999_7, "1.00 ms"),
        (0.012_34, "12.3 ms"),
        (0.999_9, "1.00 s"),
        (4.561, "4.56 s"),
        (200, "3 min 20 s"),
        (300, "5 min"),
        (3720, "1 h 2 min"),
        (86400 * 9, "9 d"),
        (float("nan"), "–"),
        (None, "–"),
    ],
)
def test_seconds_are_formatted_in_a_suitable_unit(seconds, words):
    """
    Three digits, from nanoseconds to days.
    """
    assert words == format_seconds(seconds)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (12345, "12,345"),
        (0.051234, "0.05123"),
        (1234.5, "1,234"),
        (1.2e9, "1,200,000,000"),
        (float("inf"), "∞"),
        (float("nan"), "–"),
        (1e300, "1e+300"),
    ],
)
def test_numbers_are_formatted_with_significant_digits(value, words):
    """
    Whole numbers in full, others with four digits.
    """
    assert words == format_number(value)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (0, "0 %"),
        (0.0012, "0.12 %"),
        (0.034, "3.4 %"),
        (0.5, "50 %"),
        (0.00003, "0.003 %"),
        (1e-9, "< 0.001 %"),
    ],
)
def test_parts_are_formatted_in_percent(part, words):
    """
    Few are not shown as none.
    """
    assert words == format_percent(part)


def test_sizes_are_formatted_by_powers_of_ten():
    """
    Bytes, kB, MB.
    """
    assert ["12 B", "1.50 kB", "32.0 MB"] == [
        format_bytes(each) for each in (12, 1500, 32_000_000)
    ]


@pytest.mark.parametrize(
    ("found", "effect", "interval"),
    [
        (
            difference("seconds", 1.123, 1.08, 1.17),
            "+12.3 %",
            "+8.0 … +17.0 %",
        ),
        (difference("seconds", 4.5, 4, 5), "×4.50", "×4.00 … ×5.00"),
        (difference("seconds", 0.2, 0.1, 0.25), "÷5.00", "÷10.0 … ÷4.00"),
        (
            difference("ratio", 0.002, -0.01, 0.014),
            "+0.20 points",
            "-1.0 … +1.4 points",
        ),
        (difference("seconds", None, None, None), "–", "–"),
    ],
)
def test_effects_are_formatted_as_change(found, effect, interval):
    """
    Small ones in percent, large ones as factors, rates in points.
    """
    assert effect == format_effect(found)
    assert interval == format_interval(found)


def test_times_are_utc():
    """
    With the date or without, with milliseconds or without.
    """
    assert "2026-11-21 06:45:12" == format_time(1795243512.3)
    assert "06:45:12.300" == format_time(1795243512.3, True, date=False)


def test_text_of_records_is_one_short_harmless_line():
    """
    Control characters, bidi marks and lone surrogates are made visible.
    """
    assert "a\\n\\x1b[2J\\u202eb?" == one_line("a\n\x1b[2J\u202eb\ud800")
    assert 20 == len(one_line("x" * 1000, 20))
