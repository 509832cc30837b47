"""
``mllog payloads get`` as it is typed.
"""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from reading.layout import entry_of, objects_of, written
from servers.moto import moto  # noqa: F401
from servers.swift import swift  # noqa: F401

import mllog
from mllog.cli import fetching, main

ROWS = [
    (
        {"label": n, "model_name": "digits", "metrics": {"p": 0.5}},
        {"image": np.full((2, 2), n), "raw": b"%d" % n},
    )
    for n in range(6)
]


@pytest.fixture
def source(tmp_path):
    """
    A copy of a prefix with six records of two payloads each.
    """
    return written(tmp_path / "copy", objects_of("digits/", ROWS))


def get(source, to, *options):
    return main(["payloads", "get", str(source), "--to", str(to), *options])


def dataset(folder):
    records = mllog.read(folder, payloads=True)
    found = list(records)
    assert not records.skipped
    return found


def test_get_gives_a_folder_that_reads_with_its_payloads(
    source, tmp_path, capsys
):
    """
    The records come back with their values, and the count says how many.
    """
    assert 0 == get(source, tmp_path / "out")

    found = dataset(tmp_path / "out")
    assert list(range(6)) == [record["label"] for record in found]
    assert b"3" == found[3]["raw"]
    assert (found[3]["image"] == 3).all()
    out, err = capsys.readouterr()
    assert "6 of 6 records written to" in out
    assert "payloads: 12 fetched (" in out
    assert err == ""


def test_get_again_fetches_only_what_is_not_there(source, tmp_path, capsys):
    """
    A call that was interrupted goes on; a file cut short is fetched again.
    """
    out = tmp_path / "out"
    get(source, out)
    files = sorted((out / "payloads").rglob("*.*"))
    files[0].unlink()
    files[1].write_bytes(b"x")
    before = files[2].stat().st_mtime_ns
    capsys.readouterr()

    assert 0 == get(source, out)

    assert "2 fetched, 10 present already" in capsys.readouterr().out
    assert before == files[2].stat().st_mtime_ns
    assert 6 == len(dataset(out))


def test_get_of_equal_payloads_fetches_each_content_once(tmp_path, capsys):
    """
    Ten records with one image have one file.
    """
    rows = [({"n": n}, {"image": b"same"}) for n in range(10)]
    source = written(tmp_path / "copy", objects_of("", rows))

    assert 0 == get(source, tmp_path / "out")

    said = capsys.readouterr().out
    assert "1 fetched, 9 the same as another (4 bytes)" in said
    assert [b"same"] * 10 == [r["image"] for r in dataset(tmp_path / "out")]


@pytest.mark.parametrize(
    ("where", "labels"),
    [
        (["label=3"], [3]),
        (["label=3", "model_name=digits"], [3]),
        (["label=3", "model_name=other"], []),
        (["metrics.p=0.5"], [0, 1, 2, 3, 4, 5]),
        (["metrics.p=0.50"], [0, 1, 2, 3, 4, 5]),
        (["label=true"], []),
        (["nothing=null"], []),
        (["message=m"], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_get_where_takes_only_records_with_the_value(
    source, tmp_path, where, labels
):
    """
    Each --where must hold; numbers are compared as numbers.
    """
    options = [part for each in where for part in ("--where", each)]

    assert 0 == get(source, tmp_path / "out", *options)

    assert labels == [r["label"] for r in dataset(tmp_path / "out")]


def test_get_field_takes_only_payloads_of_the_field(source, tmp_path):
    """
    The index that is written names only what was fetched.
    """
    assert 0 == get(source, tmp_path / "out", "--field", "raw")

    found = dataset(tmp_path / "out")
    assert b"5" == found[5]["raw"]
    assert "image" not in found[5]
    assert 6 == len(list((tmp_path / "out" / "payloads").rglob("*.bin")))


def test_get_dry_run_writes_nothing(source, tmp_path, capsys):
    """
    It only says what would be fetched.
    """
    assert 0 == get(source, tmp_path / "out", "--dry-run")

    assert "12 fetched" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_get_what_is_missing_or_damaged_is_said_and_is_exit_code_1(
    source, tmp_path, capsys
):
    """
    The rest is fetched; bytes that are not what was stored are not kept.
    """
    entry, key, _ = entry_of("digits/", b"1")
    (source / key).write_bytes(b"2")
    gone = entry_of("digits/", b"2")[1]
    (source / gone).unlink()

    assert 1 == get(source, tmp_path / "out")

    out, err = capsys.readouterr()
    assert "10 fetched, 1 missing, 1 damaged" in out
    assert err.count("fix:") == 2
    assert not (tmp_path / "out" / key.removeprefix("digits/")).exists()
    assert entry["ref"] in key


def test_get_what_was_not_stored_is_counted_and_no_error(tmp_path, capsys):
    """
    Sampled out, too large and failed payloads are said, with exit code 0.
    """
    rows = [
        ({}, {"image": status})
        for status in ("sampled_out", "too_large", "failed", "new_status")
    ]
    source = written(tmp_path / "copy", objects_of("", rows))

    assert 0 == get(source, tmp_path / "out")

    said = capsys.readouterr().out
    assert "1 sampled out, 1 too large to be stored" in said
    assert "1 new_status" in said
    assert 4 == len(dataset(tmp_path / "out"))


@pytest.mark.parametrize(
    ("ref", "key"),
    [
        ("../../../evil", "x"),
        ("a" * 64, "payloads/aa/" + "a" * 64 + ".png/../../../evil"),
        ("a" * 64, "/abs/" + "b" * 64 + ".png"),
        ("../" + "a" * 61, "../" + "a" * 61),
    ],
)
def test_get_from_a_hostile_index_writes_nothing_outside(tmp_path, ref, key):
    """
    File names come from a checked ref and extension, and nothing else.
    """
    entry = {"status": "stored", "ref": ref, "key": key, "type": "image"}
    line = json.dumps({"payloads": {"../../x": entry}})
    source = written(tmp_path / "copy", {"index/x.jsonl": line.encode()})
    (source / "evil").write_bytes(b"evil")
    out = tmp_path / "deep" / "out"

    assert 1 == get(source, out)

    assert ["index.jsonl"] == sorted(
        name for _, _, names in os.walk(tmp_path / "deep") for name in names
    )


def test_get_without_an_index_says_what_to_name(tmp_path, capsys):
    """
    Ordinary logs have no index: exit code 2, and nothing is replaced.
    """
    written(tmp_path, {"logs/a.jsonl": b'{"n":1}\n', "out/index.jsonl": b"x"})

    assert 2 == get(tmp_path / "logs", tmp_path / "out")

    assert "fix: name the bucket and prefix" in capsys.readouterr().err
    assert b"x" == (tmp_path / "out" / "index.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nowhere", "--to", "out"], "there is no 'nowhere'"),
        (["s3://", "--to", "out"], "is no location in S3"),
    ],
)
def test_get_that_cannot_be_done_is_exit_code_2(
    tmp_path, monkeypatch, capsys, options, said
):
    """
    A wrong source is one message on standard error.
    """
    monkeypatch.chdir(tmp_path)

    assert 2 == main(["payloads", "get", *options])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("where", ["label", "=3"])
def test_get_where_without_a_field_or_value_is_refused(
    source, tmp_path, where
):
    """
    argparse says what --where takes, with exit code 2.
    """
    with pytest.raises(SystemExit, match="2"):
        get(source, tmp_path / "out", "--where", where)


def test_get_to_a_disk_that_refuses_leaves_no_half_file(
    source, tmp_path, monkeypatch, capsys
):
    """
    A failed write is exit code 2; index and payloads are whole or not there.
    """
    out = tmp_path / "out"

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching.os, "replace", refuse)

    assert 2 == get(source, out)
    assert "No space left" in capsys.readouterr().err
    assert [] == [path for path in out.rglob("*") if path.is_file()]


def test_get_lines_passed_over_in_the_index_are_said(source, tmp_path, capsys):
    """
    A torn line in the index is counted on standard error.
    """
    (source / "digits/index/a.jsonl").write_bytes(b'{"payloads":{"image":')

    assert 0 == get(source, tmp_path / "out")
    assert "passed over in the index: 1 torn" in capsys.readouterr().err


def test_payloads_alone_prints_help(capsys):
    """
    mllog payloads says what it has.
    """
    assert 0 == main(["payloads"])
    assert "get" in capsys.readouterr().out


@pytest.mark.s3servers
@pytest.mark.parametrize("name", ["moto", "swift"])
def test_get_from_a_bucket_gives_the_dataset(
    request, tmp_path, monkeypatch, capsys, name
):
    """
    s3:// works as a copy of it does, and again without fetching.
    """
    store = request.getfixturevalue(name)
    for variable, value in store.environment().items():
        monkeypatch.setenv(variable, value)
    bucket = store.new_bucket("get")
    client = store.client()
    for key, data in objects_of("digits/", ROWS).items():
        client.put_object(Bucket=bucket, Key=key, Body=data)
    options = ["--endpoint-url", store.endpoint_url, "--region", "us-east-1"]

    assert 0 == get(f"s3://{bucket}/digits", tmp_path / "out", *options)
    assert 0 == get(f"s3://{bucket}/digits", tmp_path / "out", *options)

    assert "0 fetched, 12 present already" in capsys.readouterr().out
    found = dataset(tmp_path / "out")
    assert [b"%d" % n for n in range(6)] == [r["raw"] for r in found]
