"""
mllog.TextFormatter: plain lines that no record can forge.
"""

import logging
import re

import hostile
import pytest
from hypothesis import given

import mllog
from mllog.formatters.text import escaped, pairs

RAW = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e"
    "\u2066-\u2069\ud800-\udfff]"
)


def record_of(message="hello", *args, exc_info=None, **fields):
    return logging.getLogger("x").makeRecord(
        "app",
        logging.INFO,
        "/app/serve.py",
        12,
        message,
        args,
        exc_info,
        "predict",
        mllog.extra(**fields),
    )


OPTIONS = {
    "plain": {},
    "fmt": {"fmt": "%(asctime)s %(levelname)s %(message)s %(args)s %(msg)s"},
    "fields": {"fmt": "%(message)s", "fields": "true"},
    "braces": {"format": "{name}: {message}", "style": "{"},
    "lacking": {"fmt": "%(absent)s %(message)s"},
    "defaults": {"fmt": "%(absent)s", "defaults": {"absent": "-"}},
    "datefmt": {"datefmt": "%H:%M"},
}


def check(formatter, record):
    before = hostile.state_of(record)
    text = formatter.format(record)
    first, *below = text.split("\n")
    assert RAW.search(text) is None
    assert all(line.startswith("  ") for line in below)
    text.encode()
    assert hostile.state_of(record) == before
    return first, below


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@given(record=hostile.records(trouble=False))
def test_format_any_record_is_one_printable_line(options, record):
    """
    Any record without a traceback is one line with nothing raw in it.
    """
    _, below = check(mllog.TextFormatter(**options), record)

    assert below == []


@given(record=hostile.records())
def test_format_any_trouble_is_indented(record):
    """
    Each line below the first is indented: no exception forges a record.
    """
    check(mllog.TextFormatter(), record)


def test_format_default_is_time_level_logger_message_fields():
    """
    The line reads <ISO UTC> LEVEL logger message key=value.
    """
    record = record_of("Inference complete", loss=0.123456789, model="a b")
    record.created = 1795243512.0

    assert mllog.TextFormatter().format(record) == (
        "2026-11-21T06:45:12.000000Z INFO app Inference complete"
        ' loss=0.123457 model="a b"'
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (3, "3"),
        (2**63, "9223372036854775808"),
        (10**5000, '"<int of 16610 bits>"'),
        (float("nan"), "nan"),
        ([1, float("nan")], '[1,"NaN"]'),
        ({"a": 1}, '{"a":1}'),
        ("", '""'),
        ("plain", "plain"),
        ('a"b', '"a\\"b"'),
        ("a\nb", "a\\nb"),
        (hostile.RaisingRepr(), "<RaisingRepr>"),
        (hostile.np.float32(0.5), "0.5"),
        (b"bytes", "bytes"),
    ],
    ids=lambda _: "value",
)
def test_pairs_value_is_short(value, text):
    """
    Each kind of value has one short form.
    """
    assert pairs({"x": value}) == [("x", text)]


def test_pairs_metrics_are_entries_of_their_own():
    """
    metrics are shown one by one, and as one value if they raise.
    """
    assert pairs({"metrics": {"a": 1, 2: 3}}) == [("a", "1"), ("2", "3")]
    assert len(pairs({"metrics": hostile.RaisingMapping()})) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grüße 😀", "grüße 😀"),
        ("a\r\n\tb", "a\\r\\n\\tb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202e\u2028", "\\u202e\\u2028"),
        ("\x85\x00", "\\x85\\x00"),
    ],
)
def test_escaped_shows_what_would_act(text, expected):
    """
    Control characters are shown by their numbers, letters stay.
    """
    assert escaped(text) == expected


def test_format_level_and_logger_are_escaped():
    """
    Names that came with a foreign record are escaped as well.
    """
    record = record_of()
    record.levelname, record.name = "IN\nFO", "a\x1b"

    assert " IN\\nFO a\\x1b hello" in mllog.TextFormatter().format(record)


def test_format_line_breaks_of_the_format_stay():
    """
    A line break in fmt is the application's own.
    """
    formatter = mllog.TextFormatter("%(levelname)s\n%(message)s")

    assert formatter.format(record_of("a\nb")) == "INFO\na\\nb"


def test_format_exception_after_another_formatter_is_not_doubled():
    """
    What a stdlib formatter cached in exc_text is not shown twice.
    """
    record = record_of(exc_info=hostile.failed_with(ValueError("once")))
    logging.Formatter().format(record)

    assert mllog.TextFormatter().format(record).count("ValueError") == 1


def test_format_arguments_that_do_not_fit_are_shown():
    """
    A message whose arguments do not fit is written with them.
    """
    text = mllog.TextFormatter().format(record_of("%d rows", "many"))

    assert text.endswith("'%d rows' % ('many',)")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"colour": 1}, "colour"),
        ({"fmt": "no field"}, "no field"),
        ({"style": "?"}, "style='?'"),
        ({"fields": "maybe"}, "fields='maybe'"),
    ],
)
def test_options_wrong_raise_config_error(options, expected):
    """
    A wrong option names the class and the option.
    """
    with pytest.raises(mllog.ConfigError, match="TextFormatter") as caught:
        mllog.TextFormatter(**options)

    assert expected in str(caught.value)
