"""
The latest lines are found from the end, however the log is stored.
"""

from __future__ import annotations

import gzip
import io
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog.reading import latest as module
from mllog.reading.latest import latest
from mllog.reading.sources import LogFile


def file_of(data, pack=bytes):
    return LogFile("app.jsonl", "", lambda: io.BytesIO(pack(data)))


def kept(line):
    return [line] if line else []


LINES = st.lists(
    st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")),
    max_size=30,
)


@given(
    files=st.lists(LINES, max_size=4),
    count=st.one_of(st.none(), st.integers(0, 40)),
    chunk=st.integers(1, 50),
    packed=st.booleans(),
)
def test_latest_of_any_files_are_the_last_of_all_their_lines(
    files, count, chunk, packed
):
    """
    Whatever the sizes of chunks and lines, as if all had been read.
    """
    pack = gzip.compress if packed else bytes
    sources = [file_of(b"".join(x + b"\n" for x in f), pack) for f in files]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK_BYTES", chunk)
        found = latest(sources, count, kept, Counter())

    whole = [line for lines in files for line in lines if line]
    begin = 0 if count is None else max(0, len(whole) - count)
    # bytes that look like gzip's or zstd's are not lines of a log
    magic = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
    if packed or not any(f and f[0].startswith(magic) for f in files):
        assert whole[begin:] == found


def test_latest_reads_no_more_than_it_needs():
    """
    Of a large file only its end is read, and of older files nothing.
    """

    class Counting(io.BytesIO):
        bytes_read = 0

        def read(self, size=-1):
            data = super().read(size)
            Counting.bytes_read += len(data)
            return data

    def never():
        raise AssertionError("opened")

    data = b"x" * 99 + b"\n"
    files = [
        LogFile("old", "", never),
        LogFile("new", "", lambda: Counting(data * 100_000)),
    ]

    assert 10 == len(latest(files, 10, kept, Counter()))
    assert Counting.bytes_read < 1_000_000


def test_line_beyond_the_limit_is_passed_over_and_counted(monkeypatch):
    """
    Lines around it are found.
    """
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 100)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 16)
    skipped = Counter()
    found = latest(
        [file_of(b"a\n" + b"x" * 101 + b"\nb\n")], None, kept, skipped
    )

    assert [b"a", b"b"] == found
    assert {"too_long": 1} == skipped


def test_file_that_cannot_be_read_is_counted():
    """
    The others are read.
    """

    def fails():
        raise PermissionError("no")

    skipped = Counter()
    files = [file_of(b"1\n"), LogFile("x", "", fails), file_of(b"2\n")]

    assert [b"1", b"2"] == latest(files, 5, kept, skipped)
    assert {"unreadable": 1} == skipped
