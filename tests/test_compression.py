"""
Compression: what goes in comes out, in any order of members, from any stream.
"""

import gzip
import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog import compression
from mllog.compression import CODECS, codec_of, decompressed
from mllog.errors import ConfigError, MissingPackageError


class Stream:
    """
    The least that a body of a response has.

    Args:
        data: What it gives.

        step: How many bytes at a time, at most.
    """

    def __init__(self, data, step=1 << 20):
        self._file, self._step, self.closed = io.BytesIO(data), step, False

    def read(self, size=-1):
        return self._file.read(min(size, self._step))

    def close(self):
        self.closed = True


def read(data):
    return decompressed(io.BytesIO(data)).read()


@pytest.mark.parametrize("name", CODECS)
@given(data=st.binary(max_size=3000))
def test_compression_of_any_bytes_is_undone_by_reading(name, data):
    """
    Each codec's output reads as what it was made of.
    """
    # what is no frame or member may begin like one
    starts = data[:2] == b"\x1f\x8b", data[:4] == b"\x28\xb5\x2f\xfd"
    if name == "none" and any(starts):
        return

    assert data == read(codec_of("compression", name).compress(data))


@pytest.mark.parametrize(
    ("name", "suffix", "content_type"),
    [
        ("gzip", ".gz", "application/gzip"),
        ("zstd", ".zst", "application/zstd"),
        ("none", "", ""),
    ],
)
def test_codec_says_how_its_files_are_named(name, suffix, content_type):
    """
    Suffix and media type are the usual ones; without compression there are none.
    """
    codec = codec_of("compression", name)

    assert (codec.name, codec.suffix, codec.content_type) == (
        name,
        suffix,
        content_type,
    )


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_compression_of_lines_is_smaller(name):
    """
    Lines that are alike take less than a fifth.
    """
    data = b'{"level":"INFO","message":"Inference complete"}\n' * 1000

    assert len(codec_of("compression", name).compress(data)) < len(data) / 5


@pytest.mark.parametrize("name", CODECS)
def test_compression_of_equal_bytes_is_equal(name, monkeypatch):
    """
    No time of day gets into it: a batch that is planned twice is one object.
    """
    codec = codec_of("compression", name)
    before = codec.compress(b"line\n" * 100)
    monkeypatch.setattr("time.time", lambda: 1_000_000_000.0)

    assert before == codec.compress(b"line\n" * 100)


def test_gzip_without_isal_reads_the_same(monkeypatch):
    """
    Where there is no wheel of isal the stdlib writes, reads, and has no time.
    """
    with_isal = codec_of("compression", "gzip").compress(b"line\n" * 100)
    monkeypatch.setitem(sys.modules, "isal", None)
    codec = codec_of("compression", "gzip", 0)
    without = codec.compress(b"line\n" * 100)

    assert b"line\n" * 200 == read(with_isal + without)
    assert without[4:8] == b"\0\0\0\0"


@pytest.mark.parametrize(
    ("name", "level"),
    [
        *(("gzip", level) for level in (0, 1, 2, 3, "2", None, "")),
        *(("zstd", level) for level in (1, 3, 19, "5", None, "")),
        ("none", None),
        ("none", ""),
    ],
)
def test_compression_level_that_is_allowed_works(name, level):
    """
    Numbers, an INI file's text, and nothing, which is the default.
    """
    codec = codec_of("compression", name, level)

    assert b"x" * 100 == read(codec.compress(b"x" * 100))


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_compression_level_changes_what_is_written(name):
    """
    The highest level makes it smaller than the lowest.
    """
    data = "".join(
        f'{{"id":{n * 7919 % 10007},"word":"{n**3 % 8191:x}"}}\n'
        for n in range(20_000)
    ).encode()
    low, high = (0, 3) if name == "gzip" else (1, 19)

    lengths = [
        len(codec_of("compression", name, level).compress(data))
        for level in (low, high)
    ]

    assert lengths[1] < lengths[0]


@pytest.mark.parametrize(
    ("name", "level", "expected"),
    [
        ("gzip", 4, "expected: 0 to 3 for gzip"),
        ("gzip", 9, "expected: 0 to 3 for gzip"),
        ("gzip", -1, "expected: a whole number, 0 or more"),
        ("gzip", "best", "expected: a whole number, 0 or more"),
        ("gzip", True, "expected: a whole number, 0 or more"),
        ("zstd", 0, "expected: 1 to 19 for zstd"),
        ("zstd", 20, "expected: 1 to 19 for zstd"),
        ("none", 1, "compression_level=1 without compression"),
    ],
)
def test_compression_level_out_of_range_is_refused(name, level, expected):
    """
    The error names the option, its value and the range of that codec.
    """
    with pytest.raises(ConfigError) as caught:
        codec_of("compression", name, level)

    assert f"compression_level={level!r}" in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize("name", ["", None, "gz", "GZIP", 5, "lz4"])
def test_compression_that_does_not_exist_is_refused(name):
    """
    The error names the option and the codecs there are.
    """
    with pytest.raises(ConfigError, match="one of gzip, zstd, none") as caught:
        codec_of("compression", name)

    assert f"compression={name!r}" in str(caught.value)


def test_compression_misspelt_gets_the_nearest_name():
    """
    ``gizp`` was meant to be ``gzip``.
    """
    with pytest.raises(ConfigError, match="fix: write gzip"):
        codec_of("compression", "gizp")


@pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="Python has zstd itself"
)
def test_zstd_without_its_package_names_the_extra(monkeypatch):
    """
    Also where another package of ``backports`` is installed.
    """
    monkeypatch.setitem(sys.modules, "backports.zstd", None)

    with pytest.raises(MissingPackageError, match=r"mllog-handlers\[zstd\]"):
        codec_of("compression", "zstd")


@pytest.mark.parametrize("name", CODECS)
def test_reading_several_members_gives_all_of_them(name):
    """
    What was appended to a file reads as one.
    """
    compress = codec_of("compression", name).compress

    assert b"first\nsecond\nthird\n" == read(
        compress(b"first\n") + compress(b"second\n") + compress(b"third\n")
    )


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\x1f", b"\x28\xb5", b"a\n", b"\x00" * 5]
)
def test_reading_what_is_not_compressed_gives_it_as_it_is(data):
    """
    However short it is, and if it begins with half of a magic number.
    """
    assert data == read(data)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        *((name, step) for name in CODECS for step in (5, 1000)),
        ("none", 1),
        ("gzip", 2),
        pytest.param("gzip", 1),
        pytest.param("zstd", 3),
    ],
)
def test_reading_finds_the_codec_however_few_bytes_come_at_once(name, step):
    """
    A response that gives single bytes is as good as a file.
    """
    data = codec_of("compression", name).compress(b"some line\n" * 50)

    assert b"some line\n" * 50 == decompressed(Stream(data, step)).read()


@pytest.mark.parametrize(
    "name",
    [
        "none",
        "zstd",
        pytest.param("gzip"),
    ],
)
def test_reading_ends_with_the_source_closed(name):
    """
    Closing the stream closes what it reads, so that no connection is left.
    """
    source = Stream(codec_of("compression", name).compress(b"line\n"))
    stream = decompressed(source)
    stream.read()

    stream.close()

    assert source.closed


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_reading_what_was_cut_short_raises(name):
    """
    Half of an object is no shorter object.
    """
    text = "".join(f"{n * n}\n" for n in range(20_000)).encode()
    data = codec_of("compression", name).compress(text)

    with pytest.raises(EOFError):
        read(data[: len(data) // 2])


def test_gzip_without_isal_is_read(monkeypatch):
    """
    The stdlib reads what isal wrote.
    """
    data = codec_of("compression", "gzip").compress(b"line\n" * 9)
    monkeypatch.setitem(sys.modules, "isal", None)

    stream = decompressed(io.BytesIO(data))

    assert isinstance(stream, gzip.GzipFile)
    assert b"line\n" * 9 == stream.read()


def test_lines_of_a_stream_are_iterated(tmp_path):
    """
    Whoever reads gets line by line, whatever the codec.
    """
    for name in CODECS:
        path = tmp_path / name
        path.write_bytes(codec_of("c", name).compress(b"1\n2\n3\n"))
        with path.open("rb") as raw:
            assert list(decompressed(raw)) == [b"1\n", b"2\n", b"3\n"]


def test_compression_loads_nothing_before_it_is_used():
    """
    Neither isal nor zstd is imported with the module.
    """
    assert not {"igzip", "isal", "gzip_ng"} & vars(compression).keys()
