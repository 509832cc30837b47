"""
Files and folders: which are read, in which order, while others write.
"""

import gzip
import json
import os
import sys
import threading
from collections import Counter

import pytest

import mllog
from mllog.errors import ConfigError
from mllog.reading import files, read
from mllog.reading.files import Files


def write(path, *numbers, pack=bytes):
    """
    A file with a record for each number.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = b"".join(b'{"n":%d}\n' % number for number in numbers)
    path.write_bytes(pack(lines))


def numbers(source):
    return [record["n"] for record in read(source)]


def test_folder_is_read_by_name_and_rotated_files_first(tmp_path):
    """
    Rotated files come oldest first, then the live one; then subfolders.
    """
    stamp = "20261121T064512Z"
    write(tmp_path / "b.jsonl", 7)
    write(tmp_path / "a.jsonl", 6)
    write(tmp_path / f"a.jsonl.{stamp}-0002", 4)
    write(tmp_path / f"a.jsonl.{stamp}-0001.gz", 3, pack=gzip.compress)
    write(tmp_path / "a.jsonl.20261121T064513Z-0001", 5)
    write(tmp_path / "a.jsonl.2", 1)
    write(tmp_path / "a.jsonl.1", 2)
    write(tmp_path / "sub" / "a.log", 8)
    write(tmp_path / "sub2" / "deep" / "a.ndjson", 9)

    assert list(range(1, 10)) == numbers(tmp_path)


def test_folder_with_other_files_passes_them_over(tmp_path):
    """
    Images, half-made and hidden files are neither read nor counted.
    """
    ref = "ab" + "0" * 62
    write(tmp_path / "a.jsonl", 1)
    for name in (
        "a.png",
        "a.npy",
        "a.jsonl.gz.tmp",
        ".a.jsonl",
        ".hidden/a.jsonl",
        f"payloads/ab/{ref}.json",
    ):
        write(tmp_path / name, 2)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jsonl")

    records = read(tmp_path)

    assert [{"n": 1}] == list(records)
    assert not records.skipped


def test_file_that_is_named_is_always_tried(tmp_path):
    """
    A name without a known extension, or a hidden one, does not matter.
    """
    for name in ("notes.txt", ".a", "x.npy"):
        write(tmp_path / name, 1)

        assert [1] == numbers(tmp_path / name)
        assert [1] == numbers(str(tmp_path / name))


def test_glob_and_list_give_all_that_they_name(tmp_path):
    """
    A glob is sorted as a folder is; a list keeps its own order.
    """
    write(tmp_path / "a.jsonl.20261121T064512Z-0001", 1)
    write(tmp_path / "a.jsonl", 2)
    write(tmp_path / "b.jsonl", 3)
    write(tmp_path / "b.png", 0)
    write(tmp_path / "c" / "d.jsonl", 4)
    write(tmp_path / "e.txt", 5)

    assert [1, 2, 3] == numbers(f"{tmp_path}/*")
    assert [1, 2, 3, 4] == numbers(f"{tmp_path}/**")
    assert [5] == numbers(f"{tmp_path}/*.txt")
    assert [4] == numbers(f"{tmp_path}/c*")
    assert [3, 1, 2] == numbers([tmp_path / "b.jsonl", f"{tmp_path}/a.*"])


def test_name_with_brackets_is_a_file_and_no_glob(tmp_path):
    """
    What exists under a name is meant by it.
    """
    write(tmp_path / "run[1].jsonl", 1)

    assert [1] == numbers(tmp_path / "run[1].jsonl")


def test_rotated_file_that_is_there_twice_is_read_once(tmp_path):
    """
    A crash between compressing and deleting doubles no record.
    """
    name = "a.jsonl.20261121T064512Z-0001"
    write(tmp_path / name, 1)
    write(tmp_path / f"{name}.gz", 1, pack=gzip.compress)
    write(tmp_path / "b.jsonl", 2)
    write(tmp_path / "b.jsonl.gz", 3, pack=gzip.compress)

    assert [1, 2, 3] == sorted(numbers(tmp_path))


@pytest.mark.parametrize(
    "source", ["nothing.jsonl", "*.jsonl", "no/such/folder", ""]
)
def test_source_that_is_not_there_is_an_error_at_once(
    tmp_path, monkeypatch, source
):
    """
    It says what was asked for and what would do.
    """
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match="there is no .*\n.*s3://.*\n.*fix"):
        read(source)


@pytest.mark.skipif(
    sys.platform == "win32" or os.getuid() == 0, reason="root may read all"
)
def test_source_that_may_not_be_read_is_an_error_at_once(tmp_path):
    """
    A file of another user is named in the error.
    """
    write(tmp_path / "a.jsonl", 1)
    (tmp_path / "a.jsonl").chmod(0)

    with pytest.raises(ConfigError, match="may not be read"):
        read(tmp_path / "a.jsonl")


def test_file_that_goes_while_it_is_read_is_counted(tmp_path):
    """
    What retention deletes before it is opened is passed over.
    """
    write(tmp_path / "a.jsonl", 1)
    write(tmp_path / "b.jsonl", 2)
    records = read(tmp_path)
    assert {"n": 1} == next(records)
    (tmp_path / "b.jsonl").unlink()

    assert [] == list(records)
    assert {"unreadable": 1} == records.skipped


def test_file_compressed_since_it_was_listed_is_found(tmp_path):
    """
    A rotated file that became .gz meanwhile is read under its new name.
    """
    names = [f"a.jsonl.20261121T06451{n}Z-0001" for n in (1, 2)]
    for number, name in enumerate(names):
        write(tmp_path / name, number)
    records = read(tmp_path)
    assert {"n": 0} == next(records)
    (tmp_path / names[1]).unlink()
    write(tmp_path / f"{names[1]}.gz", 1, pack=gzip.compress)

    assert [{"n": 1}] == list(records)


def rotated_between(tmp_path):
    """
    What is read where the live file rotates after the folder was listed.
    """
    first = "a.jsonl.20261121T064511Z-0001"
    write(tmp_path / first, 1)
    write(tmp_path / "a.jsonl", 2)
    os.utime(tmp_path, (1, 1))
    found = Files(str(tmp_path)).files(Counter())
    changed = files._changed

    def rotate(folder):
        since = changed(folder)
        live = tmp_path / "a.jsonl"
        if rotate.at == 0:
            live.rename(tmp_path / "a.jsonl.20261121T064512Z-0001")
            write(live, 3)
        rotate.at -= 1
        return since

    rotate.at = 0
    files._changed = rotate
    try:
        got = []
        for file in found:
            with file.open() as opened:
                got += [
                    json.loads(line)["n"] for line in opened.read().split()
                ]
        return got
    finally:
        files._changed = changed


def test_file_that_rotates_after_the_listing_is_read_once(tmp_path):
    """
    Records of a file that rotates while its folder is read are not missed.
    """
    assert [1, 2, 3] == rotated_between(tmp_path)


def test_control_that_lists_once_misses_what_rotates(tmp_path, monkeypatch):
    """
    The control: without a second listing a file is missed.
    """
    monkeypatch.setattr(
        files,
        "_listed_again",
        lambda *_: files._logs(
            [str(tmp_path / "a.jsonl.20261121T064511Z-0001")]
        )["a.jsonl"],
    )

    assert [1, 3] == rotated_between(tmp_path)


def test_folder_read_while_it_rotates_gives_each_record_once(tmp_path, logger):
    """
    A reader beside a writer sees each record written before it began once.
    """
    handler = mllog.TimestampedRotatingFileHandler(
        tmp_path / "app.jsonl", maxBytes=2000
    )
    handler.setFormatter(mllog.JSONFormatter())
    logger.addHandler(handler)
    for number in range(500):
        logger.info("x", extra={"n": number})
    stop = threading.Event()

    def go_on():
        while not stop.is_set():
            logger.info("x", extra={"n": 10**6})

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        for _ in range(5):
            records = read(tmp_path)
            seen = [r["n"] for r in records if r["n"] < 10**6]

            assert list(range(500)) == seen
            assert not records.skipped.keys() - {"torn"}
    finally:
        stop.set()
        thread.join()
