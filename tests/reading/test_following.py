"""
A live file is followed through each rotation, and no line comes twice.
"""

from __future__ import annotations

import gzip
import json
import logging
import logging.handlers
import os
import subprocess
import sys
import time
from collections import Counter

import pytest
from shipping import Later

import mllog
from mllog.reading import following
from mllog.reading.following import Followed

WRITER = """
import logging, sys
import mllog

handler = mllog.TimestampedRotatingFileHandler(
    sys.argv[1], maxBytes=int(sys.argv[3]), compress=sys.argv[4] == "gzip"
)
handler.setFormatter(mllog.JSONFormatter())
logging.getLogger().addHandler(handler)
for number in range(int(sys.argv[5])):
    logging.warning("%s", f"{sys.argv[2]}-{number}")
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "app.jsonl")


@pytest.fixture
def follow(path):
    made = []

    def follow(**options):
        made.append(Followed(path, Counter(), **options))
        return made[-1]

    yield follow
    for each in made:
        each.close()


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


def test_line_comes_when_it_is_whole(path, follow):
    """
    A half-written line waits for its end; what was there is passed over.
    """
    append(path, "old\nhal")
    followed = follow(from_end=True)
    assert [] == list(followed.lines())
    append(path, "f\nnew\nnex")

    assert [b"half", b"new"] == list(followed.lines())
    append(path, "t\n")
    assert [b"next"] == list(followed.lines())


def test_file_that_appears_is_read_from_its_begin(path, follow):
    """
    It need not be there when it is followed.
    """
    followed = follow(from_end=True)
    assert [] == list(followed.lines())
    append(path, "1\n2\n")

    assert [b"1", b"2"] == list(followed.lines())


def test_file_that_appears_and_rotates_before_it_is_seen_is_read_whole(
    path, follow
):
    """
    What was rotated from it belongs to it; what is from before does not.
    """
    append(f"{path}.20261121T064511Z-0001", "old\n")
    followed = follow(from_end=True)
    append(f"{path}.20261121T064512Z-0001", "1\n")
    append(f"{path}.20261121T064512Z-0002", "2\n")
    append(path, "3\n")

    assert [b"1", b"2", b"3"] == list(followed.lines())


def test_file_that_is_new_has_what_was_rotated_from_it(path, follow):
    """
    A log that was found late in a folder is read from its begin.
    """
    append(f"{path}.20261121T064512Z-0001", "1\n")
    append(path, "2\n")

    assert [b"1", b"2"] == list(follow(is_new=True).lines())


def test_file_truncated_in_place_is_read_from_its_begin(path, follow):
    """
    As logrotate's copytruncate does it.
    """
    append(path, "1\n2\n")
    followed = follow()
    assert [b"1", b"2"] == list(followed.lines())
    os.truncate(path, 0)
    append(path, "3\n")

    assert [b"3"] == list(followed.lines())


def test_line_written_late_to_a_rotated_file_comes(path, follow):
    """
    A process that has not noticed the rotation loses nothing.
    """
    append(path, "1\n")
    followed = follow()
    assert [b"1"] == list(followed.lines())
    with open(path, "a") as late:
        os.rename(path, f"{path}.1")
        append(path, "2\n")
        assert [b"2"] == list(followed.lines())
        late.write("late\n")

    assert [b"late"] == list(followed.lines())


def test_line_cut_by_a_crash_comes_as_it_is(path, follow, monkeypatch):
    """
    Nobody ends it after the rotation, and it is not joined to the next.
    """
    monkeypatch.setattr(following, "_LATE_SECONDS", 0.0)
    append(path, "1\ncut")
    followed = follow()
    assert [b"1"] == list(followed.lines())
    os.rename(path, f"{path}.1")
    append(path, "2\n")

    found = list(followed.lines())
    time.sleep(0.01)
    assert [b"2", b"cut"] == found + list(followed.lines())


def several_rotations(path):
    """
    The live file becomes .1, then .2.gz; one that nobody saw is between.
    """
    for name, text in (("between", "2\n"), ("live", "3\n")):
        for number in (2, 1):
            old = f"{path}.{number}"
            if os.path.exists(old):
                os.rename(old, f"{path}.{number + 1}")
        os.rename(path, f"{path}.1")
        append(path, text)


@pytest.mark.parametrize("pack", [False, True])
def test_rotations_between_two_looks_lose_no_line(path, follow, pack):
    """
    The files that lived and were rotated meanwhile are read whole.
    """
    stamp = f"{path}.20261121T064512Z-000"
    append(path, "1\n")
    followed = follow()
    assert [b"1"] == list(followed.lines())
    for number in (1, 2, 3):
        os.rename(path, f"{stamp}{number}")
        append(path, f"{number + 1}\n")
    if pack:
        for number in (1, 2, 3):
            with open(f"{stamp}{number}", "rb") as file:
                data = gzip.compress(file.read())
            with open(f"{stamp}{number}.gz", "wb") as file:
                file.write(data)
            os.unlink(f"{stamp}{number}")

    assert [b"2", b"3", b"4"] == list(followed.lines())


def test_rotations_behind_a_link_are_followed(tmp_path, follow):
    """
    The file that a link leads to rotates beside itself.
    """
    (tmp_path / "big").mkdir()
    link = tmp_path / "link.jsonl"
    link.symlink_to("big/app.jsonl")
    handler = mllog.TimestampedRotatingFileHandler(link)
    handler.setFormatter(logging.Formatter("%(message)s"))
    followed = Followed(str(link), Counter())
    seen = []
    for number in range(6):
        handler.handle(logging.makeLogRecord({"msg": str(number)}))
        if number % 3 == 0:
            seen += followed.lines()
        handler.doRollover()
    seen += followed.lines()
    followed.close()
    handler.close()

    assert [b"%d" % number for number in range(6)] == seen


def test_numbered_rotations_between_two_looks_lose_no_line(path, follow):
    """
    RotatingFileHandler renames all of them each time.
    """
    append(path, "1\n")
    followed = follow()
    assert [b"1"] == list(followed.lines())
    several_rotations(path)

    assert [b"2", b"3"] == list(followed.lines())


@pytest.fixture
def later(monkeypatch):
    """
    The follower's time.
    """
    later = Later()
    monkeypatch.setattr(following, "time", later)
    return later


def followed_while(processes, followed, later):
    """
    All lines until *processes* have ended, and nobody waits for more.
    """
    found = []
    while any(each.poll() is None for each in processes):
        found += followed.lines()
        time.sleep(0.02)
    while later.ahead < 3 * following._LATE_SECONDS:
        found += followed.lines()
        later.ahead += 0.2
    assert all(each.returncode == 0 for each in processes)
    return Counter(json.loads(line)["message"] for line in found)


def started(path, compress, count, max_bytes=20_000, writers=2):
    return [
        subprocess.Popen(
            [
                *(sys.executable, "-c", WRITER, path, str(number)),
                *(str(max_bytes), compress, str(count)),
            ]
        )
        for number in range(writers)
    ]


@pytest.mark.parametrize("compress", ["none", "gzip"])
def test_processes_that_write_and_rotate_are_followed_line_by_line(
    path, follow, later, compress
):
    """
    Each record of two processes comes once, through many rotations.
    """
    followed = follow()
    processes = started(path, compress, 4000)
    found = followed_while(processes, followed, later)

    wanted = {f"{writer}-{n}" for writer in range(2) for n in range(4000)}
    assert wanted == set(found)
    assert {1} == set(found.values())
    assert 10 < len(os.listdir(os.path.dirname(path)))


def test_follower_that_only_looks_at_the_live_file_loses_lines(
    path, follow, later, monkeypatch
):
    """
    The control: without the files between, the test above would fail.
    """
    real = Followed._next
    monkeypatch.setattr(
        Followed, "_next", lambda self, left: (real(self, left)[0], [])
    )
    followed = follow()
    processes = started(path, "none", 4000, max_bytes=2000)
    found = followed_while(processes, followed, later)

    assert len(found) < 2 * 4000


def test_rotating_file_handler_of_the_stdlib_is_followed(path, follow):
    """
    Also a foreign handler's files are read line by line.
    """
    followed = follow()
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=3000, backupCount=1000
    )
    handler.setFormatter(mllog.JSONFormatter())
    found = []
    for number in range(3000):
        handler.handle(logging.makeLogRecord({"msg": f"{number}"}))
        if number % 97 == 0:
            found += followed.lines()
    handler.close()
    found += followed.lines()

    messages = [json.loads(line)["message"] for line in found]
    assert [str(number) for number in range(3000)] == messages
