"""
mllog.read: an iterator that knows what it gave and what it passed over.
"""

import gzip
import os
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

import mllog
from mllog.errors import ConfigError
from mllog.reading import Records, read


@pytest.fixture
def path(tmp_path):
    """
    A file with 10 000 records and one torn line in the middle.
    """
    lines = [b'{"n":%d}\n' % number for number in range(10_000)]
    lines.insert(5000, b'{"n":\n')
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def test_records_know_how_many_were_given_at_any_time(path):
    """
    read and skipped are exact between two records, and in the repr.
    """
    records = read(path)
    assert (0, "<Records read=0 skipped=0>") == (records.read, repr(records))

    for number, record in enumerate(records, 1):
        assert record["n"] == number - 1
        assert number == records.read
        if number == 7:
            break
    assert {"n": 7} == next(records)
    assert 8 == records.read

    assert 10_000 - 8 == len(list(records))
    assert (10_000, {"torn": 1}) == (records.read, records.skipped)
    assert "<Records read=10000 skipped=1 torn>" == repr(records)
    assert [] == list(records)


def test_records_of_empty_files_are_none(tmp_path):
    """
    Empty files, also empty gzips, give nothing and count nothing.
    """
    (tmp_path / "a.jsonl").write_bytes(b"")
    (tmp_path / "b.csv").write_bytes(b"")
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b""))
    records = read(tmp_path)

    assert [] == list(records)
    assert not records.skipped


def test_file_of_several_gzip_members_is_read_whole(tmp_path):
    """
    Members appended to each other read as one, whatever the name says.
    """
    path = tmp_path / "a.jsonl"
    path.write_bytes(gzip.compress(b'{"n":1}\n') + gzip.compress(b'{"n":2}'))

    assert [{"n": 1}, {"n": 2}] == list(read(path))


def test_zstd_is_read_by_its_first_bytes(tmp_path):
    """
    A zstd file is known without its suffix.
    """
    zstd = pytest.importorskip("backports.zstd")
    path = tmp_path / "a.jsonl"
    path.write_bytes(zstd.compress(b'{"n":1}\n'))

    assert [{"n": 1}] == list(read(path))


@pytest.mark.parametrize("kind", [str, Path, os.fsencode, lambda p: [p]])
def test_source_may_be_any_kind_of_path(path, kind):
    """
    str, bytes, os.PathLike and lists of them are the same.
    """
    assert 10_000 == len(list(read(kind(path))))


@pytest.mark.parametrize("source", [None, 3, [3]])
def test_source_of_another_kind_is_refused(source):
    """
    What is no path says so.
    """
    with pytest.raises(ConfigError, match="expected: a path"):
        read(source)


def test_file_that_is_larger_than_memory_allows_is_read(tmp_path):
    """
    Reading takes memory for some lines, however many there are.
    """
    path = tmp_path / "a.jsonl"
    line = b'{"message":"%s"}\n' % (b"x" * 200)
    path.write_bytes(line * 100_000)
    tracemalloc.start()
    try:
        count = sum(1 for _ in read(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert 100_000 == count
    assert peak < 4 << 20


def test_what_handlers_wrote_is_read_back(tmp_path, logger):
    """
    The fields of JSON lines come back with their types.
    """
    handler = mllog.TimestampedRotatingFileHandler(
        tmp_path / "app.jsonl", maxBytes=4000, compress=True
    )
    handler.setFormatter(mllog.JSONFormatter())
    logger.addHandler(handler)
    for number in range(300):
        logger.info("step", extra={"step": number, "metrics": {"loss": 0.5}})
    handler.close()

    records = list(islice(read(tmp_path), 1000))

    assert list(range(300)) == [record["step"] for record in records]
    assert {"loss": 0.5} == records[0]["metrics"]


def test_reading_is_a_public_name():
    """
    mllog.read is the function of mllog.reading.
    """
    assert mllog.read is read
    assert Records.__module__.startswith("mllog.reading")
