"""
``mllog report`` and ``mllog convert`` as they are typed.
"""

import json
import subprocess
import sys

import pytest
from report.logged import lines, served, written

from mllog.cli import main


@pytest.fixture
def path(tmp_path):
    return written(tmp_path / "serve.jsonl", served(400))


def reported(capsys, *arguments):
    assert 0 == main(["report", *map(str, arguments), "--json"])
    return json.loads(capsys.readouterr().out)


def test_report_gives_json_of_what_is_chosen(path, capsys):
    """
    --where, --since and --until choose, --by groups.
    """
    found = reported(
        capsys,
        path,
        "--where",
        'model_name == "bert"',
        "--since",
        "2026-11-21T00:01",
        "--until",
        "2026-11-21T00:03:20",
        "--by",
        "batch_size,model_version",
    )

    assert 400 == found["reading"]["records"]
    assert 50 < found["reading"]["chosen"] < 140
    assert ["batch_size", "model_version"] == found["by"]
    assert {"1", "2", "4", "8"} == {
        each["group"][0] for each in found["latency_by"]
    }


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("model_version=3", "model_version=4"),
        ("batch_size=1", "batch_size>1"),
        ('model_name == "bert"', 'model_name != "bert"'),
        ("..2026-11-21T00:02", "2026-11-21T00:02.."),
    ],
)
def test_report_compares_what_is_named(path, capsys, a, b):
    """
    Values, conditions and windows are sides of a comparison.
    """
    found = reported(capsys, path, "--compare", a, b)["comparison"]

    assert (a, b) == (found["a"], found["b"])
    assert 400 == found["records_a"] + found["records_b"]
    assert min(found["records_a"], found["records_b"]) > 20


def test_report_compares_values_of_by_and_paths(path, tmp_path, capsys):
    """
    With --by a value will do, and two paths are two runs.
    """
    other = written(tmp_path / "other.jsonl", served(300, seed=2))

    values = reported(capsys, path, "--by", "model_version", "--compare", 3, 4)
    paths = reported(capsys, "--compare", path, other)

    assert 400 == sum(values["comparison"][f"records_{x}"] for x in "ab")
    assert 400 == paths["comparison"]["records_a"]
    assert 300 == paths["comparison"]["records_b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jsonl"], "there is no 'nowhere.jsonl'"),
        (["PATH", "--by", "modle_name"], "did you mean 'model_name'"),
        (["PATH", "--where", "x ="], "write == to compare"),
        (["PATH", "--since", "soon"], "since='soon'"),
        (["PATH", "--compare", "3", "4"], "names no field"),
        (["PATH", "--field", "modle"], "modle"),
    ],
)
def test_report_that_is_impossible_prints_the_reason(
    path, capsys, arguments, message
):
    """
    A mistake is a message, with status 2.
    """
    typed = [str(path) if each == "PATH" else each for each in arguments]

    assert 2 == main(["report", *typed])

    assert message in capsys.readouterr().err


def test_convert_prints_what_it_wrote_and_skipped(tmp_path, capsys):
    """
    Counts of records and of what is none.
    """
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(served(20)) + b"junk\n")
    out = tmp_path / "out"

    assert 0 == main(
        ["convert", str(path), "--to", str(out), "--partition-by", "date"]
    )

    said = capsys.readouterr()
    assert f"20 records written to 1 file in {out}" in said.out
    assert "passed over: 1 not_json\n" == said.err
    assert 2 == main(["convert", str(path), "--to", str(out)])


def test_command_line_loads_no_engine():
    """
    Other commands, and import mllog, do not pay for reports.
    """
    code = (
        "import sys, mllog.cli, mllog.report; mllog.cli._parser();"
        "print([m for m in ('ibis', 'duckdb', 'pandas', 'pyarrow')"
        " if m in sys.modules])"
    )

    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )

    assert "[]\n" == found.stdout
