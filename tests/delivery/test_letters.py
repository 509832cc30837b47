"""
The dead-letter file: what is in it, who may read it, and when it is no use.
"""

import errno
import json
import os
import re
import stat
from base64 import b64decode

import pytest

from mllog.delivery.letters import DeadLetters
from mllog.events import Event


@pytest.fixture
def letters(tmp_path):
    """
    A file that nobody has written to.
    """
    return DeadLetters(str(tmp_path / "dead.jsonl"))


def _lines(letters):
    with open(letters.path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_letter_tells_when_why_and_what(letters):
    """
    A line has the time in UTC, the error with its class, and the value.
    """
    assert letters.add(b'{"a": 1}', ValueError("too large"))

    [letter] = _lines(letters)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", letter["timestamp"]
    )
    assert letter["error"] == "ValueError: too large"
    assert letter["value"] == '{"a": 1}'
    assert set(letter) == {"timestamp", "error", "value"}


def test_letter_of_an_event_has_its_key_and_headers(letters):
    """
    What goes beside the value is kept.
    """
    event = Event(b"v", b"k", (("trace", b"abc"), ("raw", b"\xff")))

    assert letters.add((event,), ValueError())

    [letter] = _lines(letters)
    assert letter["key"] == "k"
    assert letter["headers"] == {"trace": "abc", "raw": "\\xff"}


def test_letter_of_bytes_that_are_no_text_is_base64(letters):
    """
    No byte of a value or a key is lost.
    """
    value, key = bytes(range(256)), b"\xfe"

    assert letters.add((Event(value, key),), ValueError())

    [letter] = _lines(letters)
    assert b64decode(letter["value_base64"]) == value
    assert b64decode(letter["key_base64"]) == key
    assert "value" not in letter


def test_letter_of_several_events_is_as_many_lines(letters):
    """
    A record of two events becomes two lines, in order.
    """
    assert letters.add((Event(b"1"), Event(b"2")), ValueError())

    assert [letter["value"] for letter in _lines(letters)] == ["1", "2"]


def test_letter_with_line_breaks_is_one_line(letters):
    """
    Neither a value nor an error forges a second letter.
    """
    assert letters.add(b"a\nb\r\n\x00\xe2\x80\xa8", ValueError("x\n{}"))
    assert letters.add(b"second", ValueError("\ud800"))

    with open(letters.path, "rb") as file:
        assert len(file.read().splitlines()) == 2
    assert _lines(letters)[1]["error"] == r"ValueError: \ud800"


def test_letters_are_appended(letters):
    """
    What stands there stays, also that of another object.
    """
    letters.add(b"1", ValueError())
    DeadLetters(letters.path).add(b"2", ValueError())

    assert [letter["value"] for letter in _lines(letters)] == ["1", "2"]


def test_file_is_the_owners_alone(letters):
    """
    Its mode is 0600, whatever the umask allows.
    """
    before = os.umask(0)
    try:
        letters.add(b"1", ValueError())
    finally:
        os.umask(before)

    assert stat.S_IMODE(os.stat(letters.path).st_mode) == 0o600


def test_file_that_is_a_symlink_is_refused(letters, tmp_path):
    """
    A link that somebody put there leads nowhere.
    """
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    os.symlink(target, letters.path)

    assert not letters.add(b"1", ValueError())
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize("where", ["missing/dead.jsonl", "folder"])
def test_file_that_cannot_be_opened_says_so(tmp_path, where):
    """
    A folder that is missing, or stands in its place, is no exception.
    """
    (tmp_path / "folder").mkdir()

    assert not DeadLetters(str(tmp_path / where)).add(b"1", ValueError())


def test_file_that_the_disk_refuses_says_so(letters, monkeypatch):
    """
    A full disk is no exception, and no descriptor stays open.
    """
    closed = []

    def refuse(fd, data):
        closed.append(fd)
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "write", refuse)

    assert not letters.add(b"1", ValueError())
    with pytest.raises(OSError):
        os.fstat(closed[0])


def test_file_that_the_disk_takes_in_part_says_so(letters, monkeypatch):
    """
    A letter that was cut short does not count as kept.
    """
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:5]))

    assert not letters.add(b"1", ValueError())


def test_letter_after_one_cut_short_is_whole(letters, monkeypatch):
    """
    A full disk spoils one line at most: the next letter can be read.
    """
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:5]))
        letters.add(b"1", ValueError())
    assert letters.add(b"2", ValueError())

    with open(letters.path, "rb") as file:
        last = file.read().splitlines()[-1]
    assert json.loads(last)["value"] == "2"


def test_path_is_not_moved_by_a_chdir(tmp_path, monkeypatch):
    """
    A relative name stays where it was when the file was named.
    """
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    letters = DeadLetters("dead.jsonl")
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert letters.add(b"1", ValueError())
    assert (tmp_path / "dead.jsonl").exists()
