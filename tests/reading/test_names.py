"""
Which names are logs, and in which order.
"""

import pytest

from mllog.reading.names import is_table, log_name
from mllog.rotation.names import Names

REF = "ab" + "0" * 62


@pytest.mark.parametrize(
    "name",
    [
        "app.jsonl",
        "app.json",
        "app.log",
        "app.ndjson",
        "latency.csv",
        "app.jsonl.20261121T064512Z-0001",
        "app.jsonl.20261121T064512Z-0001.gz",
        "app.log.1",
        "app.log.12.gz",
        "app.log.2026-11-21",
        "app.log.2026-11-21_06-45-12",
        "dt=2026-11-21/hour=06/h-1-20261121T064512000000Z-000001.jsonl.gz",
        "x/y.jsonl.zst",
        "APP.LOG",
    ],
)
def test_name_of_a_log_is_known(name):
    """
    Logs are known by their extension, rotated and compressed ones too.
    """
    assert log_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "cat.png",
        "a.npy",
        ".hidden.jsonl",
        "app.jsonl.20261121T064512Z-0001.gz.tmp",
        "index.jsonl.12.tmp",
        "app.log.bak",
        "jsonl",
        "notes.txt",
        f"payloads/ab/{REF}.json",
        f"ab/{REF}.csv",
        f"payloads/ab/{REF}.jsonl",
    ],
)
def test_name_of_another_file_is_none(name):
    """
    Other files, half-made ones and payloads are no logs.
    """
    assert log_name(name) is None


def test_ref_in_a_folder_of_another_name_is_a_log():
    """
    Only where payloads are is a name of 64 digits that of a payload.
    """
    assert log_name(f"cd/{REF}.json")


def test_names_of_one_log_sort_by_time(tmp_path):
    """
    The oldest rotated file is first, the live one last.
    """
    names = [
        "a.log.12",
        "a.log.2",
        "a.log.1.gz",
        "a.log.2026-11-20",
        "a.log.2026-11-21",
        "a.log.20261121T064512Z-0002.gz",
        "a.log.20261121T064512Z-10000",
        "a.log.20261121T064513Z-0001",
        "a.log",
    ]

    assert names == sorted(names, key=lambda name: log_name(name).order)
    assert {"a.log"} == {log_name(name).live for name in names}


def test_name_that_rotation_gives_is_known(tmp_path):
    """
    What TimestampedRotatingFileHandler calls its files is a log's name.
    """
    name = Names(str(tmp_path / "app.jsonl")).new()

    assert log_name(name).is_rotated
    assert "app.jsonl" == log_name(name).live


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", True),
        ("a.CSV.gz", True),
        ("a.csv.20261121T064512Z-0001.gz", True),
        ("a.csv.1", True),
        ("a.csv.jsonl", False),
        ("csv", False),
    ],
)
def test_table_is_known_by_its_name(name, expected):
    """
    .csv tells, also of a rotated and compressed file.
    """
    assert expected == is_table(name)
