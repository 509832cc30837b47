"""
Lines: whole records are found, and everything else is counted.
"""

import gzip
import io
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog.compression import decompressed
from mllog.reading import lines
from mllog.reading.lines import blocks, records_in

WHOLE = b'{"timestamp":"2026-11-21T06:00:00.000000Z","message":"a"}'


def found(data, chunk=None):
    """
    The records in *data* and what was skipped.
    """
    skipped = Counter()
    records = [
        record
        for block in blocks(io.BufferedReader(io.BytesIO(data)), skipped)
        for record in records_in(block, skipped)
    ]
    return records, dict(skipped)


@pytest.mark.parametrize(
    ("line", "records", "skipped"),
    [
        (b"", 0, {}),
        (b" \t\r", 0, {}),
        (WHOLE, 1, {}),
        (WHOLE + b"\r", 1, {}),
        (b"\xef\xbb\xbf" + WHOLE, 1, {}),
        (b'{"loss":NaN}', 1, {}),
        (WHOLE[:30], 0, {"torn": 1}),
        (WHOLE[:30] + WHOLE, 1, {"torn": 1}),
        (WHOLE[:30] + WHOLE[:40] + WHOLE, 1, {"torn": 1}),
        (WHOLE + WHOLE, 2, {}),
        (WHOLE + WHOLE[:30], 1, {"torn": 1}),
        (WHOLE[:30] + WHOLE + WHOLE[:9] + WHOLE, 2, {"torn": 2}),
        (WHOLE + b"\0\0", 1, {"torn": 1}),
        (WHOLE[:-4] + b"\xc3" + WHOLE, 1, {"torn": 1}),
        (b"Traceback: " + WHOLE, 1, {"not_json": 1}),
        (b'{"@timestamp":1,"x' + b'{"@timestamp":1}', 1, {"torn": 1}),
        (b"\0\0\0" + WHOLE, 1, {"torn": 1}),
        (WHOLE[:20] + b"\0\0\0" + WHOLE, 1, {"torn": 1}),
        (b"\0\0\0", 0, {"torn": 1}),
        (b"Traceback (most recent call last):", 0, {"not_json": 1}),
        (b'e":1}', 0, {"not_json": 1}),
        (b"[1]", 0, {"not_object": 1}),
        (b"12", 0, {"not_object": 1}),
        (b'{"a":"\xff"}', 0, {"not_json": 1}),
        (b'{"a":' + b"[" * 100_000, 0, {"torn": 1}),
        (b'{"a":' * 100_000 + b"}" * 100_000, 0, {"not_json": 1}),
    ],
)
def test_line_of_any_kind_gives_its_records_and_is_counted(
    line, records, skipped
):
    """
    Whole records in a line are found; the rest of it is counted once.
    """
    before, after = b'{"n":1}\n', b'\n{"n":2}\n'

    got, counted = found(before + line + after)

    assert [{"n": 1}, {"n": 2}] == [got[0], got[-1]]
    assert records == len(got) - 2
    assert skipped == counted


def test_record_within_a_fragment_is_not_taken_for_a_record():
    """
    An object with a timestamp inside a record that was cut stays there.
    """
    line = b'{"timestamp":1,"message":"m","response":{"timestamp":2}'

    assert ([], {"torn": 1}) == found(line + b"\n")


def test_last_line_without_a_line_break_counts_if_it_is_whole():
    """
    A record needs no line break; half of one is torn.
    """
    assert ([{"n": 1}, {"n": 2}], {}) == found(b'{"n":1}\n{"n":2}')
    assert ([{"n": 1}], {"torn": 1}) == found(b'{"n":1}\n{"n":')


def test_line_too_long_is_passed_over_in_bounded_memory(monkeypatch):
    """
    A line above the limit counts once, wherever the blocks end.
    """
    monkeypatch.setattr(lines, "_CHUNK_BYTES", 64)
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    long = json.dumps({"a": "x" * 2000}).encode()
    just = json.dumps({"a": "x" * 991}).encode()
    assert len(just) == 1000

    for shift in range(0, 130, 7):
        head = b'{"n":"' + b"y" * shift + b'"}\n'
        data = head + long + b"\n" + just + b"\n" + long
        got, skipped = found(data)

        assert [shift, 991] == [len(got[0]["n"]), len(got[1]["a"])]
        assert {"too_long": 2} == skipped


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.parametrize("cut", [1, 9, 300, 5000])
def test_compressed_file_cut_short_gives_what_is_whole(codec, cut):
    """
    Records before the cut are read, and the cut is counted once.
    """
    data = b"".join(
        b'{"n":%d,"x":"%032x"}\n' % (n, n * 7919**9) for n in range(3000)
    )
    if codec == "gzip":
        packed = gzip.compress(data)
    else:
        zstd = pytest.importorskip("backports.zstd")
        packed = zstd.compress(data)
    skipped = Counter()
    with decompressed(io.BytesIO(packed[:-cut])) as stream:
        got = [
            record["n"]
            for block in blocks(stream, skipped)
            for record in records_in(block, skipped)
        ]

    assert list(range(len(got))) == got
    assert cut > 4000 or len(got) > 2000 or codec == "zstd"
    assert {"bad_compression": 1} == dict(skipped)


def test_compressed_file_with_other_bytes_in_it_is_counted():
    """
    A damaged gzip gives the lines before the damage, and no exception.
    """
    packed = bytearray(gzip.compress(b'{"n":1}\n' * 100))
    packed[len(packed) // 2] ^= 0xFF
    skipped = Counter()
    with decompressed(io.BytesIO(bytes(packed))) as stream:
        list(blocks(stream, skipped))

    assert {"bad_compression": 1} == dict(skipped)


def test_lines_without_orjson_are_read_alike(monkeypatch):
    """
    The stdlib's decoder gives equal records and equal counts.
    """
    data = b"\n".join((WHOLE, WHOLE[:20] + WHOLE, b"x", b"\xff", b"{}", b""))
    expected = found(data)

    monkeypatch.setattr(lines, "_loads", lines._decoded)

    assert expected == found(data)


RECORD = st.dictionaries(
    st.text(max_size=5),
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=8),
    max_size=3,
)
FOREIGN = st.binary(max_size=40).map(lambda data: data.replace(b"\n", b""))


@st.composite
def files(draw):
    """
    A file with whole, cut and foreign lines, and the records in it.
    """
    data, records = [], []
    for number in range(draw(st.integers(0, 12))):
        record = {"timestamp": number, "message": "m", **draw(RECORD)}
        record["timestamp"] = number
        line = json.dumps(record, separators=(",", ":")).encode()
        kind = draw(st.sampled_from(["whole", "cut", "behind", "foreign"]))
        if kind == "cut":
            data.append(line[: draw(st.integers(1, len(line) - 1))])
            continue
        if kind == "foreign":
            data.append(b"~" + draw(FOREIGN))
            continue
        records.append(record)
        if kind == "behind":
            cut = line[: draw(st.integers(1, len(line) - 1))]
            line = cut + line
        data.append(line)
    return b"\n".join((*data, b"")), records


@given(files(), st.sampled_from([1, 7, 64, 1 << 16]))
def test_any_mixture_of_lines_gives_exactly_the_whole_records(file, size):
    """
    No record is lost or invented, however lines are torn and blocks cut.
    """
    data, records = file
    usual, lines._CHUNK_BYTES = lines._CHUNK_BYTES, size
    try:
        got, skipped = found(data)
    finally:
        lines._CHUNK_BYTES = usual

    assert records == got
    odd = len([each for each in data.split(b"\n") if each]) - len(records)
    assert odd <= sum(skipped.values())


@given(st.lists(st.binary(max_size=60)).map(b"\n".join))
def test_any_bytes_raise_nothing(data):
    """
    Whatever a file holds, it is read to its end.
    """
    found(data)
