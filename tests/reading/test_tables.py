"""
CSV: rows as records, with numbers where they are numbers.
"""

import csv
import io
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mllog
from mllog.reading import read
from mllog.reading.tables import tables


def found(*blocks):
    """
    The records in *blocks*, and what was skipped.
    """
    skipped = Counter()
    records = [record for block in tables(blocks, skipped) for record in block]
    return records, dict(skipped)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0", 0),
        ("-12", -12),
        ("0.5", 0.5),
        ("1.25e-05", 1.25e-05),
        ("1e+16", 1e16),
        ("", None),
        ("007", "007"),
        ("-0", "-0"),
        ("1e5", "1e5"),
        ("1.", "1."),
        (".5", ".5"),
        ("+1", "+1"),
        ("NaN", "NaN"),
        ("1_000", "1_000"),
        ("١٢", "١٢"),
        ("123456789012345678901234", "123456789012345678901234"),
        (" 1", " 1"),
        ("true", "true"),
        ('"a,b"', "a,b"),
        ('"say ""hi"""', 'say "hi"'),
    ],
)
def test_cell_that_is_a_canonical_number_becomes_one(cell, value):
    """
    Numbers as Python writes them are numbers; whatever else is text.
    """
    ([record], skipped) = found(f"a,b\n{cell},x\n".encode())

    assert {"a": value, "b": "x"} == record
    assert type(value) is type(record["a"])
    assert skipped == {}


def test_label_of_the_vocabulary_stays_text():
    """
    model_version 1.10 is not 1.1.
    """
    ([record], _) = found(b"model_version,x\n1.10,1.5\n")

    assert {"model_version": "1.10", "x": 1.5} == record


@pytest.mark.parametrize(
    ("data", "records", "skipped"),
    [
        (b"", 0, {}),
        (b"a,b\n", 0, {}),
        (b"a,b\r\n1,2\r\n", 1, {}),
        (b"a,b\n1,2", 1, {}),
        (b"a,b\n\n1,2\n\n", 1, {}),
        (b"a,b\n1\n1,2\n1,2,3\n", 1, {"bad_csv": 2}),
        (b"a,b\n1,2\na,b\n3,4\n", 2, {}),
        (b"a,b\n1,\xff\n1,2\n", 1, {"bad_csv": 1}),
        (b'a,b\n1,"x\ny"\n1,2\n', 2, {}),
        (b'a,b\n1,"x\n' + b"1,2\n" * 150, 150, {"bad_csv": 1}),
        (b'a,b\n1,"x\n1,2\n', 1, {"bad_csv": 1}),
        (b'a,b\n1,"x"y\n1,2\n', 1, {"bad_csv": 1}),
        (b'timestamp,b\n1,"x\n1,"2"\n', 1, {"bad_csv": 1}),
        (b"timestamp,b\n1,2\n1,0.0", 1, {"torn": 1}),
        (b"timestamp,b\n1,0.\n1,2\n", 2, {}),
        (b"timestamp,b\n1\n1,2\n", 1, {"bad_csv": 1}),
    ],
)
def test_rows_that_fit_are_read_and_the_rest_counted(data, records, skipped):
    """
    Whole rows are records; cut, damaged and odd ones are counted.
    """
    got, counted = found(data)

    assert (records, skipped) == (len(got), counted)


def test_columns_of_one_name_are_told_apart():
    """
    The second column of a name gets an underscore.
    """
    assert [{"a": 1, "a_": 2, "b": 3}] == found(b"a,a,b\n1,2,3\n")[0]
    many = found(b"a,a_2,a,a,a\n1,2,3,4,5\n")[0]
    assert [{"a": 1, "a_2": 2, "a_": 3, "a_3": 4, "a_4": 5}] == many


CELL = st.text(max_size=6).filter(lambda text: "\0" not in text)


@given(st.lists(st.tuples(CELL, CELL), max_size=8), st.integers(1, 40))
def test_what_csv_writes_is_read_back(rows, size):
    """
    Each row of the csv module comes back, wherever blocks end.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("model_name", "variant"), *rows])
    lines = file.getvalue().encode().splitlines(keepends=True)
    whole = b"".join(lines).split(b"\n")[:-1]
    blocks = [
        b"".join(line + b"\n" for line in whole[at : at + size])
        for at in range(0, len(whole), size)
    ]

    got, skipped = found(*blocks)

    expected = [(a or None, b or None) for a, b in rows]
    got = [(each["model_name"], each["variant"]) for each in got]
    assert [
        each for each in expected if each != ("model_name", "variant")
    ] == got
    assert skipped == {}


def test_latency_csv_is_read_back(tmp_path, logger):
    """
    What LatencyCSVHandler writes has its latency as a number.
    """
    path = tmp_path / "latency.csv"
    logger.addHandler(mllog.LatencyCSVHandler(path, summary_filename=""))
    logger.warning("x", extra={"inference_latency": 0.0123})
    logger.warning("x", extra={"inference_latency": 2, "model_name": "a,b"})

    records = read(path)
    first, second = records

    assert 0.0123 == first["inference_latency"]
    assert (2.0, "a,b") == (second["inference_latency"], second["model_name"])
    assert None is first["model_name"]
    assert first["timestamp"].endswith("Z")
    assert not records.skipped
