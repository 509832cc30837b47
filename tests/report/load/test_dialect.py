"""
The SQL that makes times, levels and numbers of text, run by DuckDB.
"""

import duckdb
import pytest

from mllog.reading.keys import KEYS
from mllog.report.load.dialect import DUCKDB, SPARK
from mllog.report.load.schema import FieldColumn, Schema

SECONDS = 1795219200.25  # 2026-11-21T00:00:00.25Z
SCHEMA = Schema(
    {part: keys[:1] for part, keys in KEYS.items()},
    (
        FieldColumn(("score",), 0, True, ("score",), ()),
        FieldColumn(("a", "b~/", "c"), 1, False, (), (("a", "b~/", "c"),)),
    ),
    (),
)


@pytest.fixture
def row():
    """
    The row of a record that is given as columns of text and a map.
    """
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")

    def made(nested="{}", **texts):
        keys = SCHEMA.keys
        values = [texts.get(key) for key in keys]
        columns = ", ".join(f"?::VARCHAR AS {DUCKDB.name(k)}" for k in keys)
        parts = DUCKDB.row(SCHEMA, "0", "false")
        names, expressions = zip(*parts)
        found = connection.execute(
            f"SELECT {', '.join(expressions)} FROM (SELECT {columns},"
            ' ?::JSON::MAP(VARCHAR, VARCHAR) AS "a")',
            [*values, nested],
        ).fetchone()
        return dict(zip(names, found))

    yield made
    connection.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T00:00:00.25Z", SECONDS),
        ("2026-11-21 00:00:00,25", SECONDS),
        ("2026-11-21T01:00:00.25+01:00", SECONDS),
        ("1795219200.25", SECONDS),
        ("1795219200250", SECONDS),
        ("1795219200250000", SECONDS),
        ("1795219200250000000", SECONDS),
        ("0", None),
        ("-5", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_time_of_any_form_is_in_microseconds(row, text, expected):
    """
    ISO 8601, or a number whose size implies s, ms, µs or ns.
    """
    expected = None if expected is None else round(expected * 1e6)

    assert expected == row(timestamp=text)["time_us"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("info", 20),
        ("Warning", 30),
        ("FATAL", 50),
        ("35", 35),
        ("loud", None),
        (None, None),
    ],
)
def test_level_is_a_name_or_a_number(row, text, expected):
    """
    Names in any case have their number; others have none.
    """
    assert expected == row(level=text)["severity"]


@pytest.mark.parametrize(
    ("text", "number", "kept"),
    [
        ("0.5", 0.5, None),
        ("-3e2", -300.0, None),
        ("9007199254740993", 9007199254740992.0, "9007199254740993"),
        ("1_000", None, "1_000"),
        ("inf", None, "inf"),
        ("nan", None, "nan"),
        ("fast", None, "fast"),
        (None, None, None),
    ],
)
def test_number_is_finite_and_other_text_is_kept(row, text, number, kept):
    """
    So is the text of integers that a float cannot hold.
    """
    found = row(score=text)

    assert (number, kept) == (found["n0"], found["t0"])


def test_nested_field_of_any_name_is_found(row):
    """
    The path is quoted, whatever characters it has.
    """
    found = row('{"b~/": "{\\"c\\": \\"deep\\"}"}')

    assert "deep" == found["t1"]


def test_engines_have_the_same_columns():
    """
    Names and order of a row are those of the table, in both dialects.
    """
    names = [
        [name for name, _ in dialect.row(SCHEMA, "file", "false")]
        for dialect in (DUCKDB, SPARK)
    ]
    defined = [
        [each.split()[0] for each in dialect.definition(SCHEMA).split(", ")]
        for dialect in (DUCKDB, SPARK)
    ]

    assert names[0] == names[1] == defined[0] == defined[1]
