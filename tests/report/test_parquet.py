"""
Logs as Parquet.
"""

import json

import duckdb
import pytest
from report.logged import lines, record, served, written

from mllog.errors import ConfigError
from mllog.report import convert, latency, open_logs, report


def test_convert_gives_parquet_in_folders_that_anything_reads(tmp_path):
    """
    DuckDB reads the records back, with types, by date and model.
    """
    path = written(tmp_path / "a.jsonl", served(500))

    found = convert(path, tmp_path / "out", ["date", "model_name"])

    assert 500 == found.written
    assert {"model_name=bert", "model_name=resnet50"} == {
        each.name for each in (tmp_path / "out" / "date=2026-11-21").iterdir()
    }
    files = list((tmp_path / "out").rglob("*.parquet"))
    assert len(files) == found.files
    (row,) = duckdb.sql(
        f"SELECT count(*), typeof(any_value(inference_latency)),"
        f" typeof(any_value(timestamp)), typeof(any_value(model_version))"
        f" FROM read_parquet('{tmp_path}/out/**/*.parquet')"
    ).fetchall()
    assert (500, "DOUBLE") == row[:2]
    assert row[2].startswith("TIMESTAMP")
    assert "VARCHAR" == row[3]


def test_report_of_parquet_is_that_of_the_logs(tmp_path):
    """
    The reports of both are equal, metrics and steps included.
    """
    records = [
        *served(300),
        *(
            record(n, step=n, metrics={"train/loss": 1 / (n + 1)})
            for n in range(100)
        ),
    ]
    path = written(tmp_path / "a.jsonl", records)
    convert(path, tmp_path / "out")

    with open_logs(path) as logs:
        expected = report(logs).plain()
    with open_logs(tmp_path / "out") as logs:
        found = report(logs).plain()

    assert expected["curves"] and expected["slow_segments"]
    for name in ("volume", "levels", "latency", "latency_by", "curves"):
        assert _close(expected[name]) == _close(found[name]), name


def _close(value):
    """
    The same with floats in 12 digits: sums depend on the order of rows.
    """
    return json.loads(
        json.dumps(value), parse_float=lambda text: f"{float(text):.12g}"
    )


def test_convert_keeps_what_is_no_number_beside(tmp_path):
    """
    Text in a column of numbers has a column of its own.
    """
    made = [record(score=0.5) for _ in range(50)] + [record(score="none")]
    path = written(tmp_path / "a.jsonl", made)

    convert(path, tmp_path / "out", ())

    (row,) = duckdb.sql(
        f"SELECT count(score), count(score_text), max(score_text)"
        f" FROM read_parquet('{tmp_path}/out/*.parquet')"
    ).fetchall()
    assert (50, 1, "none") == row


def test_convert_never_leaves_its_folder(tmp_path):
    """
    Values of records that look like paths are names of folders within.
    """
    names = ["../../etc", "..", "/abs", "a/b", "c:\\d", "", "é\n"]
    path = written(
        tmp_path / "a.jsonl", [record(model_name=each) for each in names]
    )
    before = set(tmp_path.iterdir())

    found = convert(path, tmp_path / "out", ["model_name"])

    assert before | {tmp_path / "out"} == set(tmp_path.iterdir())
    depths = {
        len(each.relative_to(tmp_path / "out").parts)
        for each in (tmp_path / "out").rglob("*.parquet")
    }
    assert {2} == depths
    with open_logs(tmp_path / "out") as logs:
        assert len(names) == logs.reading.records == found.written


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (["absent"], "absent"),
        (["request_id"], "1001 values"),
    ],
)
def test_convert_refuses_a_partition_that_cannot_be(tmp_path, by, message):
    """
    A field that is not there, or has a value per record, is refused.
    """
    path = written(tmp_path / "a.jsonl", served(1001))

    with pytest.raises(ConfigError, match=message):
        convert(path, tmp_path / "out", by)


def test_convert_refuses_a_folder_that_is_not_empty(tmp_path):
    """
    Without append it adds nothing to a folder that has files.
    """
    path = written(tmp_path / "a.jsonl", served(10))
    convert(path, tmp_path / "out")

    with pytest.raises(ConfigError, match="not empty"):
        convert(path, tmp_path / "out")

    convert(path, tmp_path / "out", append=True)
    with open_logs(tmp_path / "out") as logs:
        assert 20 == logs.reading.records


def test_convert_counts_what_it_passes_over(tmp_path):
    """
    Torn lines are counted, and only what was chosen is written.
    """
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(served(100)) + b'{"torn')

    found = convert(
        path, tmp_path / "out", where='model_name == "bert" and level != "X"'
    )

    assert [("torn", 1)] == [
        (each.reason, each.count) for each in found.reading.skipped
    ]
    with open_logs(tmp_path / "out") as logs:
        assert found.written == logs.reading.records
        assert 0 < found.written < 100
        (only,) = latency(logs, "inference_latency", ["model_name"])
        assert ("bert",) == only.group
