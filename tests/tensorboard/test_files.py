"""
An event file: its name, its first event, and what may happen to it.
"""

import os
import shutil
import time

import pytest
from clocks import Clock

from mllog.tensorboard import files
from mllog.tensorboard.files import EventFile, safe


@pytest.fixture(name="file")
def _file(tmp_path):
    file = EventFile(lambda: str(tmp_path / "run"), lambda: b"head;")
    yield file
    file.close()


def contents(folder):
    return [path.read_bytes() for path in sorted(folder.rglob("events.*"))]


def test_name_has_time_host_process_and_number(file, tmp_path):
    """
    TensorBoard takes files by tfevents in their name, and in their order.
    """
    file.write(b"event;")

    (path,) = (tmp_path / "run").iterdir()
    *prefix, began, _, pid, number = path.name.split(".", 5)[:3] + (
        path.name[len("events.out.tfevents.") :].rsplit(".", 3)
    )
    assert ["events", "out", "tfevents"] == prefix
    assert len(began) == 10
    assert abs(int(began) - time.time()) < 60
    assert str(os.getpid()) == pid
    assert number.isdecimal()


def test_file_begins_with_its_head_once(file, tmp_path):
    """
    Each file has it, and only before its first event.
    """
    file.write(b"a;")
    file.write(b"b;")
    file.close()
    file.write(b"c;")

    assert [b"head;a;b;", b"head;c;"] == contents(tmp_path)


def test_file_of_somebody_else_is_never_written(tmp_path, monkeypatch):
    """
    Where the name is taken, as by a container with our number, another is found.
    """
    monkeypatch.setattr(files, "_numbers", iter([7, 8, 7, 8, 9]))
    monkeypatch.setattr(files.time, "time", lambda: 1_700_000_000.0)
    made = [EventFile(lambda: str(tmp_path), bytes) for _ in range(3)]
    for number, each in enumerate(made):
        each.write(b"%d" % number)
        each.close()

    assert [b"0", b"1", b"2"] == contents(tmp_path)


def test_names_sort_in_the_order_of_writing_whatever_the_clock_does(
    tmp_path, monkeypatch
):
    """
    TensorBoard never goes back to a name before the one it has read.
    """
    clock = Clock()
    monkeypatch.setattr(files, "time", clock)
    for number, moved in enumerate([0, -86400, 5, 1e9, -1e9, *[0] * 12]):
        clock.now += moved
        each = EventFile(lambda: str(tmp_path), bytes)
        each.write(b"%02d" % number)
        each.close()

    assert [b"%02d" % number for number in range(17)] == contents(tmp_path)


def test_file_whose_descriptor_is_another_file_now_is_begun_anew(
    file, tmp_path, monkeypatch
):
    """
    A daemon closes all descriptors; what took over the number is let be.
    """
    monkeypatch.setattr(files, "_SECONDS_BETWEEN_LOOKS", 0)
    file.write(b"a;")
    number = file._fd
    os.close(number)
    with open(tmp_path / "data", "w") as other:
        assert number == other.fileno()

        file.write(b"b;")
        file.close()

        assert 0 == os.fstat(other.fileno()).st_size
    assert [b"head;a;", b"head;b;"] == contents(tmp_path)


def test_folder_that_somebody_deletes_is_made_anew(
    file, tmp_path, monkeypatch
):
    """
    What is logged later is in a new file, which begins as all do.
    """
    monkeypatch.setattr(files, "_SECONDS_BETWEEN_LOOKS", 0)
    file.write(b"a;")
    shutil.rmtree(tmp_path / "run")
    file.write(b"b;")

    assert [b"head;b;"] == contents(tmp_path)


def test_folder_that_comes_later_is_found(tmp_path):
    """
    An error does not last longer than its cause.
    """
    (tmp_path / "run").write_text("in the way")
    file = EventFile(lambda: str(tmp_path / "run"), bytes)
    with pytest.raises(OSError, match="run"):
        file.write(b"a;")
    (tmp_path / "run").unlink()
    file.write(b"b;")
    file.close()

    assert [b"b;"] == contents(tmp_path)


@pytest.mark.parametrize(
    ("done", "left"), [(0, [b"head;a;"]), (3, [b"head;a;"])]
)
def test_write_that_is_cut_short_is_taken_back(
    file, tmp_path, monkeypatch, done, left
):
    """
    Of an event that a full disk cut short nothing stays.
    """
    write = os.write
    file.write(b"a;")
    monkeypatch.setattr(files.os, "write", lambda fd, it: write(fd, it[:done]))
    with pytest.raises(OSError, match="space"):
        file.write(b"lost;")
    monkeypatch.undo()
    assert left == contents(tmp_path)
    file.write(b"b;")

    assert [b"head;a;b;"] == contents(tmp_path)


def test_write_that_cannot_be_taken_back_begins_another_file(
    file, tmp_path, monkeypatch
):
    """
    Nothing is written behind a torn event, where no reader gets to.
    """
    write = os.write
    file.write(b"a;")
    monkeypatch.setattr(files.os, "write", lambda fd, it: write(fd, it[:3]))

    def refuse(*_):
        raise OSError("no")

    monkeypatch.setattr(files.os, "ftruncate", refuse)
    with pytest.raises(OSError, match="space"):
        file.write(b"lost;")
    monkeypatch.undo()
    file.write(b"b;")

    assert [b"head;a;los", b"head;b;"] == contents(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resnet-50.v2", "resnet-50.v2"),
        ("a/b\\c", "a_b_c"),
        ("..", "_"),
        (".", "_"),
        (".git", "_git"),
        ("", "_"),
        ("größe\n", "gr__e_"),
        ("x" * 100, "x" * 64),
    ],
)
def test_safe_text_is_a_name_and_nothing_more(text, expected):
    """
    Whatever a record holds, it stays in its folder.
    """
    assert expected == safe(text)
