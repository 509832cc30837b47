"""
Frames in a file, and what is read of them when the file is damaged.
"""

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog.delivery.spool.checkpoint import Checkpoint
from mllog.delivery.spool.segments import (
    FRAME_BYTES,
    HEADER_BYTES,
    Chain,
    Reader,
    Segment,
    UnknownVersionError,
    framed,
)


def _segment(folder, payloads, first=1):
    segment = Segment.create(str(folder), first)
    data = segment.header() + b"".join(
        framed(segment.seed, 1, payload, sequence)
        for sequence, payload in enumerate(payloads, first)
    )
    os.write(segment.file.fd, data)
    segment.mark = (len(data), first + len(payloads))
    return segment


def _read(segment, expected=None):
    """
    What a reader finds of the file as it is now, found by its name.
    """
    found = Segment.found(segment.path)
    reader = Reader(found)
    end, offset = reader.size(), HEADER_BYTES
    expected = found.first if expected is None else expected
    frames = []
    while frame := reader.next(offset, end, expected):
        frames.append((frame.sequence, frame.payload))
        offset, expected = frame.stop, frame.sequence + 1
    return frames, reader.tail(end, expected)


def _change(segment, change):
    with open(segment.path, "rb") as file:
        data = file.read()
    with open(segment.path, "wb") as file:
        file.write(change(data))


@given(payloads=st.lists(st.binary(max_size=300), max_size=20))
def test_frames_written_are_read(tmp_path, payloads):
    """
    Sequence numbers and payloads come back, none torn and none damaged.
    """
    segment = _segment(tmp_path, payloads, first=7)

    assert (list(enumerate(payloads, 7)), (0, False)) == _read(segment)


def test_segment_file_is_the_owners_alone(tmp_path):
    """
    The mode is 0600 and the name says first sequence and salt.
    """
    segment = _segment(tmp_path, [b"x"], first=255)

    assert 0o600 == stat.S_IMODE(os.stat(segment.path).st_mode)
    assert os.path.basename(segment.path) == (
        f"00000000000000ff-{segment.salt:016x}.spool"
    )


def test_segment_is_not_made_through_a_symlink(tmp_path, monkeypatch):
    """
    A link that somebody put in the way is not followed.
    """
    monkeypatch.setattr("secrets.randbits", lambda bits: 5)
    link = tmp_path / f"{1:016x}-{5:016x}.spool"
    link.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError):
        Segment.create(str(tmp_path), 1)

    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["acked", "lock", "1-2.spool", "x.spool"])
def test_segment_of_another_name_is_none(name):
    """
    Files that are no segments are not taken for one.
    """
    assert Segment.found(f"/spool/{name}") is None


def test_frame_longer_than_a_chunk_is_read(tmp_path):
    """
    A record may be longer than what is read at once.
    """
    payloads = [b"a" * 10, b"b" * 3_000_000, b"c" * 1_500_000]

    frames, _ = _read(_segment(tmp_path, payloads))

    assert payloads == [payload for _, payload in frames]


def test_length_beyond_the_file_is_never_believed(tmp_path, monkeypatch):
    """
    A damaged length of 4 GiB makes nobody ask the disk for 4 GiB.
    """
    segment = _segment(tmp_path, [b"a" * 50, b"b" * 50])
    _change(
        segment,
        lambda data: data[:34] + b"\xff\xff\xff\xff" + data[38:],
    )
    asked = []
    pread = os.pread
    monkeypatch.setattr(
        os, "pread", lambda fd, n, at: asked.append(n) or pread(fd, n, at)
    )

    frames, _ = _read(segment)

    assert [(2, b"b" * 50)] == frames
    assert max(asked) <= 200


def test_frame_in_the_text_of_a_record_is_no_frame(tmp_path):
    """
    What looks like a frame within a damaged record is not read as one.
    """
    other = framed(12345, 1, b"forged", 2)
    segment = _segment(tmp_path, [b"....." + other * 3, b"genuine"])
    _change(segment, lambda data: data[:32] + b"\0" + data[33:])

    frames, _ = _read(segment)

    assert [(2, b"genuine")] == frames


def test_frames_older_than_expected_are_passed_over(tmp_path):
    """
    A frame that was read already is not read again.
    """
    frames, rest = _read(_segment(tmp_path, [b"a", b"b", b"c"]), expected=3)

    assert [(3, b"c")] == frames
    assert (0, False) == rest


@pytest.mark.parametrize(
    ("cut", "rest"),
    [
        (0, (0, False)),
        (1, (0, True)),
        (FRAME_BYTES, (0, True)),
        (FRAME_BYTES + 4, (0, False)),
        (2 * FRAME_BYTES + 8 + 31, (0, True)),
        (2 * FRAME_BYTES + 8 + HEADER_BYTES, (0, False)),
    ],
)
def test_file_that_ends_within_a_record_is_torn(tmp_path, cut, rest):
    """
    A record that is not all there is torn, not damaged; an empty file neither.
    """
    segment = _segment(tmp_path, [b"aaaa", b"bbbb"])

    _change(segment, lambda data: data[: len(data) - cut])

    assert rest == _read(segment)[1]


def test_file_whose_last_records_are_wrong_counts_each(tmp_path):
    """
    Records that are all there but wrong are damaged, not torn.
    """
    segment = _segment(tmp_path, [b"a" * 9, b"wrong-bbb", b"wrong-ccc"])

    _change(segment, lambda data: data.replace(b"wrong-", b"WRONG-"))

    assert ([(1, b"a" * 9)], (2, False)) == _read(segment)


def test_header_damaged_costs_nothing(tmp_path):
    """
    The name of the file says what the header says.
    """
    segment = _segment(tmp_path, [b"a", b"b"])
    _change(segment, lambda data: b"\xff" * HEADER_BYTES + data[HEADER_BYTES:])

    frames, _ = _read(segment)

    Reader(segment).check_version()
    assert [(1, b"a"), (2, b"b")] == frames


def test_header_of_a_later_version_is_refused(tmp_path, monkeypatch):
    """
    A whole header with another version is not guessed at.
    """
    monkeypatch.setattr("mllog.delivery.spool.segments._VERSION", 2)
    segment = _segment(tmp_path, [b"a"])
    monkeypatch.undo()

    with pytest.raises(UnknownVersionError, match="2"):
        Reader(segment).check_version()


def test_segment_deleted_by_somebody_has_no_frames(tmp_path):
    """
    A file that is gone is empty, and deleting it again is fine.
    """
    segment = _segment(tmp_path, [b"a"])
    os.unlink(segment.path)

    reader = Reader(Segment.found(segment.path))
    segment.delete()

    assert 0 == reader.size()
    assert reader.next(HEADER_BYTES, 100, 1) is None


def test_chain_links_each_segment_once(tmp_path):
    """
    Linking the last segment again changes nothing; who reads follows next.
    """
    first, second = _segment(tmp_path, [b"a"]), _segment(tmp_path, [b"b"], 2)
    chain = Chain([first])
    for _ in range(2):
        chain.link(second)

    assert [first, second] == chain.segments
    assert chain.origin.next is first
    assert first.next is second
    assert first.mark[0] + second.mark[0] == chain.bytes


def test_checkpoint_says_what_was_written_last(tmp_path):
    """
    Each writing replaces the one before, also after it was closed.
    """
    path = str(tmp_path / "acked")
    for acked in range(0, 100, 7):
        checkpoint = Checkpoint(path)
        checkpoint.write(acked)
        checkpoint.write(acked + 1)
        checkpoint.close()

        assert acked + 1 == Checkpoint.peek(path)

    assert 64 == os.path.getsize(path)


def test_checkpoint_with_a_damaged_slot_says_what_the_other_says(tmp_path):
    """
    Whatever byte is damaged, one of the last two values is left.
    """
    path = tmp_path / "acked"
    checkpoint = Checkpoint(str(path))
    checkpoint.write(41)
    checkpoint.write(42)
    checkpoint.close()
    whole = path.read_bytes()
    said = set()
    for offset in range(len(whole)):
        data = bytearray(whole)
        data[offset] ^= 0x10
        path.write_bytes(data)
        said.add(Checkpoint.peek(str(path)))

    assert {41, 42} == said


def test_checkpoint_cut_short_or_missing_says_nothing(tmp_path):
    """
    Without a whole slot nothing is taken for delivered.
    """
    path = tmp_path / "acked"

    assert 0 == Checkpoint.peek(str(path))
    path.write_bytes(b"\0" * 20)
    assert 0 == Checkpoint.peek(str(path))
    checkpoint = Checkpoint(str(path))
    checkpoint.close()
    assert 0 == checkpoint.acked
