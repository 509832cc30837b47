"""
Records on the disk: in order, acknowledged, inherited, counted when lost.
"""

import errno
import fcntl
import gc
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mllog.delivery.spool import folders, segments, syncing, tail
from mllog.delivery.spool import (
    ReentrantError,
    Spool,
    SpoolError,
    SpoolFullError,
    adopt,
    check_folder,
    inspect,
)
from mllog.errors import ConfigError, MllogWarning
from mllog.events import Event

MIB = 2**20


@pytest.fixture
def make(tmp_path):
    """
    Make spools in one folder; each is closed at the end.
    """
    made = []

    def spool(**options):
        options = {"max_bytes": MIB, "fsync": "never", **options}
        made.append(Spool(str(tmp_path / "spool"), **options))
        return made[-1]

    yield spool
    for each in made:
        each.close()


def _values(count, first=0):
    return [b"%d" % number for number in range(first, first + count)]


def _drain(spool):
    entries = []
    while batch := spool.read(7, 1000):
        entries += batch
        spool.ack(len(batch))
    return entries


def _files(spool):
    return sorted(os.listdir(spool.path))


def _in_child(work):
    """
    What *work* gives, as an exit code, when a forked child runs it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        try:
            os._exit(work())
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# reading and acknowledging


def test_spool_gives_back_what_it_got_in_order(make):
    """
    One by one or many at once, in one segment or in several.
    """
    spool = make(segment_bytes=4096)
    for value in _values(300):
        spool.append([value])
    spool.append(_values(700, first=300))

    assert 1000 == spool.pending
    assert _values(1000) == _drain(spool)
    assert 0 == spool.pending


def test_spool_gives_back_entries_of_several_events(make):
    """
    Keys and headers are kept, and so is an entry without any event.
    """
    entries = [(Event(b"a", b"k", (("h", b"v"),), "t"), Event(b"b")), (), b""]
    spool = make()

    spool.append(entries)
    spool.append(entries[:1])

    assert [*entries, entries[0]] == _drain(spool)


def test_spool_nobody_writes_to_touches_no_disk(make, tmp_path):
    """
    The folder is made with the first record, and so is the own directory.
    """
    spool = make()
    spool.append([])
    spool.sync()
    read, dropped = spool.read(1, 1), spool.drop_oldest()
    spool.close()

    assert ([], 0) == (read, dropped)
    assert [] == list(tmp_path.iterdir())


def test_read_is_bounded_by_records_and_bytes_but_gives_one(make):
    """
    An entry larger than the bound comes alone.
    """
    spool = make()
    spool.append([b"x" * 10, b"y" * 10, b"z" * 100, b"1", b"2", b"3"])

    assert [b"x" * 10, b"y" * 10] == spool.read(10, 25)
    assert [b"z" * 100] == spool.read(10, 25)
    assert [b"1", b"2"] == spool.read(2, 25)
    assert [b"3"] == spool.read(2, 25)
    assert [] == spool.read(2, 25)


def test_rewind_begins_with_the_first_not_acknowledged(make):
    """
    What was read and not acknowledged is read again.
    """
    spool = make(segment_bytes=4096, max_bytes=MIB)
    spool.append(_values(1000))
    spool.read(600, MIB)
    spool.ack(100)

    spool.rewind()
    spool.rewind()

    assert 900 == spool.pending
    assert _values(900, first=100) == spool.read(1000, MIB)


def test_ack_of_more_than_was_read_is_refused(make):
    """
    Nothing is acknowledged that nobody saw.
    """
    spool = make()
    spool.append(_values(3))
    spool.read(2, MIB)

    with pytest.raises(ValueError, match="3 entries"):
        spool.ack(3)

    assert 3 == spool.pending


def test_ack_deletes_the_segments_that_are_done(make):
    """
    Space comes back before the spool is empty.
    """
    spool = make(segment_bytes=4096)
    spool.append([b"x" * 500] * 40)
    before = spool.bytes, len(_files(spool))

    spool.ack(len(spool.read(30, MIB)))

    assert spool.bytes < before[0] / 2
    assert len(_files(spool)) < before[1] - 3
    assert spool.bytes == sum(
        os.path.getsize(os.path.join(spool.path, name))
        for name in _files(spool)
        if name.endswith(".spool")
    )


def test_read_beside_append_sees_whole_records_in_order(make):
    """
    A thread that reads while others append sees each record once.
    """
    spool = make(max_bytes=64 * MIB, segment_bytes=16_384)
    lock, seen, count = threading.Lock(), [], 20_000

    def work():
        while len(seen) < count:
            batch = spool.read(100, 10_000)
            seen.extend(batch)
            with lock:
                spool.ack(len(batch))

    thread = threading.Thread(target=work)
    thread.start()
    for value in _values(count):
        with lock:
            spool.append([value])
    thread.join(30)

    assert _values(count) == seen


def test_read_beside_the_end_of_a_segment_skips_nothing(make):
    """
    A segment that fills while its end is being read is read to its end.
    """
    races = []

    class Racing(segments.Segment):
        __slots__ = ()

        @property
        def mark(self):
            value = segments.Segment.mark.__get__(self)
            if races:
                races.pop()()
            return value

        @mark.setter
        def mark(self, value):
            segments.Segment.mark.__set__(self, value)

    spool = make(segment_bytes=4096)
    spool.append([b"a"])
    spool.read(1, MIB)
    spool._chain.segments[0].__class__ = Racing
    races.append(lambda: spool.append([b"b" * 3000, b"c" * 3000]))

    entries = spool.read(9, MIB) + spool.read(9, MIB)

    assert not races
    assert [b"b" * 3000, b"c" * 3000] == entries


# full


def test_append_beyond_max_bytes_is_refused_and_keeps_nothing(make):
    """
    All entries of a call are taken, or none.
    """
    spool = make(max_bytes=20_000)
    spool.append([b"x" * 1000] * 10)

    with pytest.raises(SpoolFullError):
        spool.append([b"y" * 1000] * 10)

    assert 10 == spool.pending
    assert spool.bytes <= 20_000
    assert [b"x" * 1000] * 10 == _drain(spool)


def test_append_fills_the_spool_and_goes_on_when_acknowledged(make):
    """
    However often it was full, the space of what is done is used again.
    """
    spool = make(max_bytes=40_000)
    for _ in range(20):
        with pytest.raises(SpoolFullError):
            while True:
                spool.append([b"x" * 100])

        assert 30_000 < spool.bytes <= 40_000
        assert len(_drain(spool)) > 200


def test_append_uses_the_space_of_a_segment_that_is_done(make):
    """
    What is acknowledged makes room even in the segment that is written.
    """
    spool = make(max_bytes=10_000)
    spool.append([b"x" * 4000])
    _drain(spool)

    spool.append([b"y" * 9000])

    assert [b"y" * 9000] == _drain(spool)


def test_append_of_an_entry_larger_than_a_segment_is_taken(make):
    """
    A record may be larger than a segment, not larger than the spool.
    """
    spool = make(max_bytes=100_000, segment_bytes=4096)
    spool.append([b"x" * 50_000])
    spool.append([b"y"])

    with pytest.raises(SpoolFullError):
        spool.append([b"z" * 100_000])

    assert [b"x" * 50_000, b"y"] == _drain(spool)


def test_drop_oldest_gives_up_whole_segments(make):
    """
    The oldest records go, counted; the others stay in order.
    """
    spool = make(segment_bytes=4096)
    spool.append([b"%04d" % n + b"x" * 496 for n in range(40)])

    dropped = spool.drop_oldest() + spool.drop_oldest()

    left = _drain(spool)
    assert 0 < dropped == 40 - len(left)
    assert b"%04d" % dropped == left[0][:4]


def test_drop_oldest_leaves_what_is_on_its_way(make):
    """
    A segment with a record that was read and not acknowledged is kept.
    """
    spool = make(segment_bytes=4096)
    spool.append([b"%04d" % n + b"x" * 496 for n in range(24)])
    on_its_way = spool.read(2, MIB)

    dropped = spool.drop_oldest()
    spool.ack(2)

    rest = [int(entry[:4]) for entry in _drain(spool)]
    assert [0, 1] == [int(entry[:4]) for entry in on_its_way]
    assert 24 == 2 + dropped + len(rest)
    assert 2 == rest[0] < rest[-1] == 23
    assert 0 == spool.corrupt


def test_drop_oldest_takes_the_segment_that_is_written(make):
    """
    With one segment only, it is given up and a new one begun.
    """
    spool = make()
    spool.append(_values(3))

    assert 3 == spool.drop_oldest()
    assert 0 == spool.drop_oldest()
    assert (0, 0) == (spool.pending, spool.bytes)
    spool.append([b"new"])
    assert [b"new"] == _drain(spool)


def test_drop_oldest_beside_a_read_counts_no_record_twice(make, monkeypatch):
    """
    What is given up while it is being read is not read.
    """
    spool = make()
    spool.append(_values(3))
    dropped = []
    fetch = segments._read_at

    def slow(*arguments):
        dropped.append(spool.drop_oldest())
        return fetch(*arguments)

    monkeypatch.setattr(segments, "_read_at", slow)

    assert [] == spool.read(10, MIB)
    assert [3] == dropped
    assert 0 == spool.pending


def test_rewind_beside_a_read_is_not_undone_by_it(make, monkeypatch):
    """
    A reading that began before it gives nothing.
    """
    spool = make(segment_bytes=4096)
    spool.append([b"x" * 1000] * 3 + [b"y" * 1000] * 3)
    spool.read(2, MIB)
    fetch, rewound = segments._read_at, []

    def slow(*arguments):
        rewound.append(spool.rewind())
        return fetch(*arguments)

    spool._head.release()
    monkeypatch.setattr(segments, "_read_at", slow)
    during = spool.read(2, MIB)
    monkeypatch.undo()

    assert rewound
    assert [] == during
    assert [b"x" * 1000] * 3 + [b"y" * 1000] * 3 == _drain(spool)


# directories


def test_directory_is_the_owners_alone(make, tmp_path):
    """
    Directories, parents made on the way too, are 0700 and files 0600.
    """
    spool = Spool(str(tmp_path / "a" / "b" / "c"), max_bytes=MIB)
    spool.append([b"x"])
    spool.ack(len(spool.read(1, 1)))
    modes = {}
    for path in (tmp_path / "a").rglob("*"):
        modes[path.is_dir(), stat.S_IMODE(path.stat().st_mode)] = path
    top = stat.S_IMODE((tmp_path / "a").stat().st_mode)
    spool.close()

    assert {(True, 0o700), (False, 0o600)} == modes.keys()
    assert 0o700 == top


def test_directory_is_named_for_host_process_and_start(make, monkeypatch):
    """
    A host name with odd characters reaches no path.
    """
    monkeypatch.setattr("socket.gethostname", lambda: "../e vil/ü")
    spool = make()
    spool.append([b"x"])

    name = os.path.basename(spool.path)
    assert name.startswith(f"_e_vil__-{os.getpid()}-")


@pytest.mark.parametrize("mode", [0o777, 0o720, 0o1777])
def test_folder_that_others_may_write_is_refused(make, tmp_path, mode):
    """
    The constructor's check says what is wrong; an append fails as a disk does.
    """
    folder = tmp_path / "spool"
    folder.mkdir()
    folder.chmod(mode)

    with pytest.raises(ConfigError, match="may be written by others"):
        check_folder("spool_dir", str(folder))
    with pytest.raises(PermissionError):
        make().append([b"x"])
    assert [] == list(adopt(str(folder)))


def test_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    """
    A folder that belongs to somebody else is not used.
    """
    monkeypatch.setattr(os, "geteuid", lambda: 12345)

    with pytest.raises(ConfigError, match="belongs to the user"):
        check_folder("spool_dir", str(tmp_path))


def test_folder_that_is_missing_or_safe_is_accepted(tmp_path):
    """
    What does not exist is made safe later; a file is no folder.
    """
    tmp_path.chmod(0o755)
    check_folder("spool_dir", str(tmp_path / "none"))
    check_folder("spool_dir", str(tmp_path))
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(ConfigError, match="not a directory"):
        check_folder("spool_dir", str(tmp_path / "file"))


def test_close_with_nothing_pending_leaves_no_trace(make, tmp_path):
    """
    The own directory is deleted, and close may be called again.
    """
    spool = make()
    spool.append(_values(5))
    _drain(spool)

    spool.close()
    spool.close()

    assert [] == list((tmp_path / "spool").iterdir())
    with pytest.raises(SpoolError, match="closed"):
        spool.append([b"x"])


def test_directory_cleaned_up_while_being_made_is_made_again(
    make, tmp_path, monkeypatch
):
    """
    Somebody who takes a directory without owner for a leftover does no harm.
    """
    mkdir, folder = os.mkdir, str(tmp_path / "spool")
    made = []

    def hasty(path, mode=0o777):
        mkdir(path, mode)
        if os.path.basename(path).startswith(".") and len(made) < 2:
            made.append(path)
            assert [] == list(adopt(folder))

    monkeypatch.setattr(os, "mkdir", hasty)
    spool = make()

    spool.append([b"x"])

    assert [b"x"] == spool.read(1, 1)
    assert [os.path.basename(spool.path)] == os.listdir(folder)


def test_directory_whose_lock_somebody_made_is_made_again(make, monkeypatch):
    """
    A lock file that is there already is somebody's who cleans up.
    """
    mkdir, made = os.mkdir, []

    def hasty(path, mode=0o777):
        mkdir(path, mode)
        if os.path.basename(path).startswith(".") and not made:
            made.append(path)
            open(os.path.join(path, "lock"), "w").close()

    monkeypatch.setattr(os, "mkdir", hasty)
    spool = make()

    spool.append([b"x"])

    assert made
    assert [b"x"] == spool.read(1, 1)


def test_close_gives_the_lock_back_though_a_child_has_it(make, tmp_path):
    """
    A child that was forked without being told does not keep the leftovers.
    """
    spool = make()
    spool.append([b"x"])
    pipe, other = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        os.close(other)
        os.read(pipe, 1)
        os._exit(0)
    spool.close()

    found = [_drain(left) for left in adopt(str(tmp_path / "spool"))]

    os.close(other)
    os.close(pipe)
    os.waitpid(pid, 0)
    assert [[b"x"]] == found


# inheriting


def test_adopt_takes_what_a_closed_spool_left(make, tmp_path):
    """
    What was not acknowledged is there, in order, and gone when drained.
    """
    folder = str(tmp_path / "spool")
    spool = make(segment_bytes=4096)
    spool.append(_values(1000))
    spool.ack(len(spool.read(321, MIB)))
    spool.read(100, MIB)
    spool.close()

    (left,) = adopt(folder)

    assert 679 == left.pending
    with pytest.raises(SpoolError, match="only read"):
        left.append([b"x"])
    assert _values(679, first=321) == _drain(left)
    left.close()
    assert [] == os.listdir(folder)


def test_adopt_leaves_the_living_alone(make, tmp_path):
    """
    A spool in use is nobody else's, in this process or another.
    """
    spool = make()
    spool.append([b"x"])
    folder = str(tmp_path / "spool")

    assert [] == list(adopt(folder))
    assert 0 == _in_child(lambda: len(list(adopt(folder))))
    assert [b"x"] == spool.read(1, 1)


def test_adopt_gives_a_leftover_to_one_only(make, tmp_path):
    """
    What one inherits, another does not see; closed, it is to be had again.
    """
    spool = make()
    spool.append(_values(9))
    spool.close()
    folder = str(tmp_path / "spool")

    (mine,) = adopt(folder)
    yours = list(adopt(folder))
    mine.ack(len(mine.read(4, MIB)))
    mine.close()
    (later,) = adopt(folder)

    assert [] == yours
    assert _values(5, first=4) == _drain(later)
    later.close()


def test_adopt_of_a_folder_drained_meanwhile_finds_nothing(
    make, tmp_path, monkeypatch
):
    """
    The lock of a directory that another drained and deleted is worth nothing.
    """
    spool = make()
    spool.append([b"x"])
    path = spool.path
    spool.close()
    take = folders._take

    def late(lock):
        monkeypatch.setattr(folders, "_take", take)
        (faster,) = adopt(str(tmp_path / "spool"))
        _drain(faster)
        faster.close()
        return take(lock)

    monkeypatch.setattr(folders, "_take", late)

    assert [] == list(adopt(str(tmp_path / "spool")))
    assert not os.path.exists(path)


def test_adopt_by_the_lock_of_another_time_finds_nothing(
    make, tmp_path, monkeypatch
):
    """
    The lock that counts is the one that is in the directory.
    """
    spool = make()
    spool.append([b"x"])
    spool.close()
    folder, take, owners = str(tmp_path / "spool"), folders._take, []

    def late(lock):
        monkeypatch.setattr(folders, "_take", take)
        os.unlink(os.path.join(spool.path, "lock"))
        owners.extend(adopt(folder))
        return take(lock)

    monkeypatch.setattr(folders, "_take", late)

    assert [] == list(adopt(folder))
    assert [[b"x"]] == [_drain(owner) for owner in owners]
    owners[0].close()


def test_adopt_cleans_up_what_crashes_left(tmp_path):
    """
    Empty directories, those half made and those half deleted go.
    """
    tmp_path.chmod(0o700)
    for name in ("host-1-a", ".host-2-b", ".host-3-c", "host-4-d"):
        (tmp_path / name).mkdir(0o700)
    (tmp_path / ".host-3-c" / "lock").touch()
    (tmp_path / "host-4-d" / "acked").touch()
    (tmp_path / "host-4-d" / f"{1:016x}-{2:016x}.spool").touch()
    (tmp_path / "somebody-elses").mkdir()
    (tmp_path / "somebody.else").touch()

    assert [] == list(adopt(str(tmp_path)))

    assert {"somebody-elses", "somebody.else"} == set(os.listdir(tmp_path))


def test_adopt_without_locks_takes_nothing(make, tmp_path, monkeypatch):
    """
    Where nobody can tell who lives, nobody inherits.
    """

    def unsupported(fd, kind):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    spool = make()
    spool.append([b"x"])
    spool.close()

    assert [] == list(adopt(str(tmp_path / "spool")))
    (seen,) = inspect(str(tmp_path / "spool"))
    assert (True, 1) == (seen.alive, seen.records)


def test_adopt_and_acknowledge_nothing_forgets_nothing(make, tmp_path):
    """
    What the dead one had acknowledged stays so.
    """
    spool = make()
    spool.append(_values(5))
    spool.ack(len(spool.read(2, MIB)))
    spool.close()
    for _ in range(2):
        (left,) = adopt(str(tmp_path / "spool"))
        left.ack(0)
        left.close()
    (left,) = adopt(str(tmp_path / "spool"))

    assert _values(3, first=2) == _drain(left)
    left.close()


def test_close_beside_a_read_leaves_all_to_the_next(
    make, tmp_path, monkeypatch
):
    """
    What is being read when the spool is closed is not read by two.
    """
    spool = make()
    spool.append(_values(5))
    fetch = segments._read_at

    def slow(*arguments):
        data = fetch(*arguments)
        spool.close()
        return data

    monkeypatch.setattr(segments, "_read_at", slow)
    during = spool.read(9, MIB)
    monkeypatch.undo()
    (left,) = adopt(str(tmp_path / "spool"))

    assert [] == during
    assert _values(5) == _drain(left)
    left.close()


def test_adopt_of_a_later_version_warns_once_and_leaves_it(
    make, tmp_path, monkeypatch
):
    """
    Files of a later mllog are not guessed at and not deleted.
    """
    monkeypatch.setattr(segments, "_VERSION", 2)
    spool = make()
    spool.append([b"x"])
    spool.close()
    before = _files(spool)
    monkeypatch.undo()
    folder = str(tmp_path / "spool")

    with pytest.warns(MllogWarning, match="later version"):
        assert [] == list(adopt(folder))
    assert [] == list(adopt(folder))

    assert before == _files(spool)
    (seen,) = inspect(folder)
    assert not seen.known


def test_adopt_leaves_what_is_open_to_others_and_says_so(make, tmp_path):
    """
    Records that wait for ever do not do so unseen.
    """
    spool = make()
    spool.append([b"x"])
    spool.close()
    folder = str(tmp_path / "spool")
    (home,) = (tmp_path / "spool").iterdir()
    home.chmod(0o777)

    with pytest.warns(MllogWarning, match="left alone.*written by others"):
        assert [] == list(adopt(folder))

    home.chmod(0o700)
    (left,) = adopt(folder)
    left.close()


def test_adopt_of_what_cannot_be_read_says_so(make, tmp_path, monkeypatch):
    """
    A disk that fails is no empty spool.
    """
    spool = make()
    spool.append([b"x"])
    spool.close()

    def refuse(self):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(segments.Reader, "check_version", refuse)

    with pytest.warns(MllogWarning, match="left alone.*Input/output error"):
        assert [] == list(adopt(str(tmp_path / "spool")))


def test_sync_that_the_disk_refuses_says_so_once(make, monkeypatch):
    """
    What a power cut would lose is said, and it is tried again.
    """
    tries = []

    def refuse(file):
        tries.append(file)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(tail, "sync_file", refuse)
    monkeypatch.setattr(syncing, "SYNC_SECONDS", 0.01)
    monkeypatch.setattr(folders, "_warned", set())
    said = []
    monkeypatch.setattr(
        warnings, "warn", lambda text, *_, **__: said.append(text)
    )
    make(fsync="interval").append([b"x"])
    deadline = time.monotonic() + 5
    while len(tries) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)

    (text,) = said
    assert "power cut" in text
    assert len(tries) >= 3


def test_adopt_in_a_folder_that_is_missing_finds_nothing(tmp_path):
    """
    Nothing was ever spooled there.
    """
    assert [] == list(adopt(str(tmp_path / "none")))
    assert [] == inspect(str(tmp_path / "none"))


def test_adopt_without_a_checkpoint_gives_all_again(make, tmp_path):
    """
    Rather twice than not at all.
    """
    spool = make()
    spool.append(_values(5))
    spool.ack(len(spool.read(2, MIB)))
    spool.close()
    os.unlink(os.path.join(spool.path, "acked"))

    (left,) = adopt(str(tmp_path / "spool"))

    assert _values(5) == _drain(left)
    left.close()
    assert [] == os.listdir(tmp_path / "spool")


def test_inspect_says_who_lives_and_what_is_there(make, tmp_path):
    """
    Records, sizes and ages, without taking anything away.
    """
    living, dead = make(), make()
    living.append(_values(3))
    dead.append(_values(5))
    dead.ack(len(dead.read(1, 1)))
    dead.close()
    with open(os.path.join(dead.path, _files(dead)[0]), "ab") as file:
        file.write(b"\xd7torn")

    for _ in range(2):
        seen = {each.path: each for each in inspect(str(tmp_path / "spool"))}

    one, other = seen[living.path], seen[dead.path]
    assert (True, 3, living.bytes, 0) == (
        one.alive,
        one.records,
        one.bytes,
        one.torn,
    )
    assert (False, 4, 0, 1) == (
        other.alive,
        other.records,
        other.corrupt,
        other.torn,
    )
    assert abs(time.time() - other.oldest) < 60
    (left,) = adopt(str(tmp_path / "spool"))
    assert (4, 1) == (left.pending, left.torn)
    _drain(left)
    left.close()


# damage while it lives


def _damage(spool, change):
    """
    Change the bytes of the newest segment in place.
    """
    name = [name for name in _files(spool) if name.endswith(".spool")][-1]
    with open(os.path.join(spool.path, name), "r+b") as file:
        data = bytearray(file.read())
        change(data)
        file.seek(0)
        file.truncate()
        file.write(data)


def test_record_damaged_in_the_middle_is_counted_once(make):
    """
    It leaves pending when it is discovered, however often it is read.
    """
    spool = make()
    spool.append([b"aaaa", b"bbbb", b"cccc"])
    _damage(spool, lambda data: data.__setitem__(data.index(b"bbbb"), 0))

    assert 3 == spool.pending
    for _ in range(3):
        assert [b"aaaa", b"cccc"] == spool.read(10, MIB)
        assert (2, 1) == spool.counts()
        spool.rewind()
    assert [b"aaaa", b"cccc"] == _drain(spool)
    assert (0, 1) == spool.counts()


def test_record_damaged_between_two_readings_is_counted(make):
    """
    What was whole when it was first read may be damaged the next time.
    """
    spool = make()
    spool.append([b"aaaa", b"bbbb", b"cccc"])
    spool.read(10, MIB)
    spool.rewind()
    spool._head.release()
    _damage(spool, lambda data: data.__setitem__(data.index(b"bbbb"), 0))

    assert [b"aaaa", b"cccc"] == _drain(spool)
    assert (0, 1) == spool.counts()


def test_records_at_the_end_that_vanish_are_counted(make):
    """
    A living spool knows how many there were.
    """
    spool = make()
    spool.append(_values(10))
    _damage(spool, lambda data: data.__delitem__(slice(-60, None)))

    left = _drain(spool)

    assert _values(len(left)) == left
    assert 0 < 10 - len(left) == spool.corrupt
    assert 0 == spool.pending
    spool.close()
    assert not os.path.exists(spool.path)


def test_entry_that_cannot_be_unpacked_is_counted(make, monkeypatch):
    """
    A record of a kind that nobody knows is damaged.
    """
    spool = make()
    monkeypatch.setattr(tail, "pack", lambda entry: (7, entry))
    spool.append([b"a"])
    monkeypatch.undo()
    spool.append([b"b"])

    assert [b"b"] == _drain(spool)
    assert (0, 1) == spool.counts()


def test_directory_deleted_by_somebody_is_made_again(make):
    """
    What vanished is counted as damaged; what comes after is safe.
    """
    spool = make(segment_bytes=4096, max_bytes=MIB)
    spool.append([b"x" * 1000] * 10)
    path = spool.path
    subprocess.run(["rm", "-r", path], check=True)

    spool.append([b"y" * 1000] * 10)

    assert path != spool.path
    found = _drain(spool)
    assert 20 == len(found) + spool.corrupt
    assert found.count(b"y" * 1000) >= 7
    assert 0 == spool.pending


# trouble with the disk


def test_append_to_a_disk_without_room_keeps_nothing_and_recovers(
    make, monkeypatch
):
    """
    A write cut short is taken back, in whichever segment it happens.
    """
    write = os.write
    for allowed in range(6):
        spool = make(segment_bytes=4096)
        spool.append([b"before"])
        left = allowed

        def short(fd, data):
            nonlocal left
            left -= 1
            return write(fd, data if left >= 0 else data[: len(data) // 2])

        monkeypatch.setattr(os, "write", short)
        with pytest.raises(OSError):
            spool.append([b"x" * 1000] * 20)
            spool.append([b"x" * 10])
        monkeypatch.setattr(os, "write", write)
        taken = spool.pending
        assert spool.bytes == sum(
            os.path.getsize(os.path.join(spool.path, name))
            for name in _files(spool)
            if name.endswith(".spool")
        )
        spool.append([b"after"])

        entries = _drain(spool)
        assert taken + 1 == len(entries)
        assert (b"before", b"after") == (entries[0], entries[-1])
        assert taken in (1, 21)
        assert 0 == spool.corrupt


def test_append_whose_cut_fails_too_leaves_the_segment(
    make, monkeypatch, tmp_path
):
    """
    What cannot be taken back is never read by this process, nor overwritten.
    """
    spool = make()
    spool.append([b"before"])
    write = os.write

    def broken(fd, data):
        write(fd, data)
        raise OSError(errno.EIO, "broken")

    def cut(fd, size):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "write", broken)
    monkeypatch.setattr(os, "ftruncate", cut)
    for _ in range(2):
        with pytest.raises(OSError):
            spool.append([b"refused"])
    monkeypatch.undo()
    spool.append([b"after"])

    assert 2 == spool.pending
    assert [b"before", b"after"] == spool.read(9, MIB)
    spool.close()
    (left,) = adopt(str(tmp_path / "spool"))
    assert {b"before", b"after"} <= set(_drain(left))
    left.close()


def test_append_to_a_folder_that_cannot_be_made_fails_until_it_can(
    make, tmp_path
):
    """
    Each time an OSError, and then it works.
    """
    (tmp_path / "spool").write_bytes(b"in the way")
    spool = make()
    for _ in range(3):
        with pytest.raises(OSError):
            spool.append([b"x"])
    (tmp_path / "spool").unlink()

    spool.append([b"y"])

    assert [b"y"] == _drain(spool)


def test_read_of_a_broken_disk_loses_nothing(make, monkeypatch):
    """
    An error while reading is raised, and the next reading gives all.
    """
    spool = make()
    spool.append(_values(3))

    def broken(fd, size, offset):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(OSError):
        spool.read(9, MIB)
    monkeypatch.undo()

    assert _values(3) == _drain(spool)


def test_ack_on_a_broken_disk_goes_on(make, monkeypatch):
    """
    Without its checkpoint a spool works; a crash would deliver twice.
    """
    spool = make()
    spool.append(_values(3))

    def broken(fd, data, offset):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "pwrite", broken)

    assert _values(3) == _drain(spool)
    assert 0 == spool.pending


# re-entrancy and fork


def test_append_within_an_append_is_refused_and_harms_nothing(
    make, monkeypatch
):
    """
    A signal handler that logs in the middle of a write gets an error.
    """
    spool = make(segment_bytes=4096)
    write, errors = os.write, []

    def interrupted(fd, data):
        for call in (lambda: spool.append([b"inner"]), spool.close):
            try:
                call()
            except ReentrantError as exc:
                errors.append(exc)
        errors.append(spool.drop_oldest())
        return write(fd, data)

    monkeypatch.setattr(os, "write", interrupted)
    for value in _values(500):
        spool.append([value])
    monkeypatch.undo()

    assert all(isinstance(error, (SpoolError, int)) for error in errors)
    assert len(errors) >= 1500
    assert _values(500) == _drain(spool)


def test_append_under_signals_that_log_stays_consistent(make, fault_scale):
    """
    Signals at any point of append: what was accepted is what is read.
    """
    spool = make(segment_bytes=4096, max_bytes=64 * MIB)
    accepted = []

    def log(value):
        try:
            spool.append([value])
        except ReentrantError:
            return
        accepted.append(value)

    previous = signal.signal(signal.SIGALRM, lambda *_: log(b"signal"))
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    try:
        for value in _values(int(300_000 * fault_scale)):
            log(value)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)

    assert b"signal" in accepted
    assert sorted(accepted) == sorted(_drain(spool))


def test_append_interrupted_by_an_exception_keeps_all_or_nothing(make):
    """
    A KeyboardInterrupt at any point of append leaves the spool whole.
    """
    spool = make(segment_bytes=4096)

    def interrupt(*_):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    accepted, interrupted = 0, 0
    try:
        for value in _values(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.00003)
                while True:
                    spool.append([value])
                    accepted += 1
            except KeyboardInterrupt:
                interrupted += 1
            except SpoolFullError:
                _drain(spool)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    pending = spool.pending

    assert 300 >= interrupted > 100
    assert pending == len(_drain(spool))
    assert 0 == spool.corrupt


def test_fork_leaves_the_records_to_the_parent(make, tmp_path):
    """
    A child is empty, writes to its own directory, and deletes nothing.
    """
    spool = make()
    spool.append(_values(5))
    spool.read(2, MIB)

    def child():
        spool.forget_parent()
        if spool.pending or spool.bytes or spool.read(9, MIB) or spool.path:
            return 1
        spool.append([b"child"])
        return 0

    code = _in_child(child)

    (left,) = adopt(str(tmp_path / "spool"))
    assert 0 == code
    assert [b"child"] == _drain(left)
    left.close()
    spool.rewind()
    assert _values(5) == _drain(spool)


def test_fork_that_lives_on_does_not_keep_the_lock(make, tmp_path):
    """
    A child that outlives its parent does not make it look alive.
    """
    folder = str(tmp_path / "spool")
    pipe, other = os.pipe()
    program = f"""
import os
from mllog.delivery.spool import Spool
spool = Spool({folder!r}, max_bytes=10**6, fsync="never")
spool.append([b"x"])
if not os.fork():
    spool.forget_parent()
    os.write({other}, b"1")
    os.read({pipe}, 0)
    import time; time.sleep(20)
os.read({pipe}, 1)
print(os.getpid(), flush=True)
os._exit(0)
"""
    parent = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program],
        pass_fds=(pipe, other),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert 0 == parent.wait(20)

        (left,) = adopt(folder)

        assert [b"x"] == _drain(left)
        left.close()
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        os.close(pipe)
        os.close(other)


def test_fork_of_who_inherited_inherits_nothing(make, tmp_path):
    """
    What the parent adopted stays the parent's.
    """
    spool = make()
    spool.append(_values(3))
    spool.close()
    (left,) = adopt(str(tmp_path / "spool"))

    def child():
        left.forget_parent()
        left.close()
        return len(left.read(9, MIB)) + left.pending

    assert 0 == _in_child(child)
    assert _values(3) == _drain(left)
    left.close()


# fsync


def test_sync_covers_the_folders_before_append_returns(make, monkeypatch):
    """
    With always, the names of a new file and directory are on the disk too.
    """
    seen = []
    monkeypatch.setattr(
        os, "fdatasync", lambda fd: seen.append(os.fstat(fd).st_ino)
    )
    spool = make(fsync="always")

    spool.append([b"x"])

    path = spool.path
    for _ in range(3):
        assert os.stat(path).st_ino in seen
        path = os.path.dirname(path)


@pytest.fixture
def syncs(monkeypatch):
    """
    The files that were synced, folders left out.
    """
    seen = []

    def sync(fd):
        if stat.S_ISREG(os.fstat(fd).st_mode):
            seen.append(fd)

    monkeypatch.setattr(os, "fdatasync", sync)
    return seen


def test_sync_always_is_before_append_returns(make, syncs):
    """
    One fdatasync for each call, and an error of it is an error of append.
    """
    spool = make(fsync="always")
    for value in _values(3):
        spool.append([value])

    assert 3 == len(syncs)


def test_sync_that_fails_takes_the_record_back(make, monkeypatch):
    """
    What the disk may not hold was not accepted.
    """
    spool = make(fsync="always")
    spool.append([b"a"])

    def broken(fd):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(OSError):
        spool.append([b"b"])
    monkeypatch.undo()
    spool.append([b"c"])

    assert [b"a", b"c"] == _drain(spool)


def test_sync_is_of_what_was_appended_since(make, syncs):
    """
    Nothing new costs nothing; a segment that was left is synced too.
    """
    spool = make(fsync="interval", segment_bytes=4096)
    syncing.syncer.release(spool._tail)
    spool.append([b"x" * 3000])
    spool.sync()
    once = len(syncs)
    spool.sync()
    spool.append([b"y" * 3000])
    spool.append([b"z" * 3000])
    spool.sync()
    spool.sync()

    assert 1 == once
    assert 1 + 3 == len(syncs)


def test_sync_interval_is_done_by_one_thread(make, syncs, monkeypatch):
    """
    All spools of a process share it; it holds none of them.
    """
    monkeypatch.setattr(syncing, "SYNC_SECONDS", 0.01)
    monkeypatch.setattr(tail, "syncer", syncing.Syncer())
    before = threading.active_count()
    spools = [make(fsync="interval") for _ in range(3)]
    for spool in spools:
        spool.append([b"x"])
    deadline = time.monotonic() + 10
    while len(syncs) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    threads = threading.active_count()
    for spool in spools:
        _drain(spool)
        spool.close()
        tail.syncer.release(spool._tail)

    assert 3 == len(syncs)
    assert threads <= before + 1
    while tail.syncer._thread is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert tail.syncer._thread is None


def test_spool_that_nobody_closed_is_left_for_the_next(tmp_path):
    """
    One that is garbage gives its lock back, though the syncing thread runs.
    """
    folder = str(tmp_path / "spool")
    spool = Spool(folder, max_bytes=MIB)
    spool.append([b"x"])
    del spool
    gc.collect()

    (left,) = adopt(folder)

    assert [b"x"] == _drain(left)
    left.close()


# against a model


class Model(RuleBasedStateMachine):
    """
    A spool beside a list: whatever is done, both hold the same.
    """

    folder = ""

    def __init__(self):
        super().__init__()
        self.spool = self._new()
        self.kept = []  # not acknowledged, oldest first
        self.reading = 0  # of them, how many were read
        self.number = 0
        self.writable = True

    def _new(self):
        return Spool(
            self.folder, max_bytes=40_000, segment_bytes=4096, fsync="never"
        )

    @rule(sizes=st.lists(st.sampled_from([0, 30, 700, 5000]), max_size=12))
    def append(self, sizes):
        entries = []
        for size in sizes:
            self.number += 1
            entries.append(b"%d " % self.number + b"x" * size)
        if not self.writable:
            return
        try:
            self.spool.append(entries)
        except SpoolFullError:
            size = sum(map(len, self.kept + entries))
            assert size + 60 * len(self.kept + entries) + 9000 > 40_000
        else:
            self.kept += entries

    @rule(records=st.integers(1, 9), size=st.sampled_from([1, 1000, 10**6]))
    def read(self, records, size):
        entries = self.spool.read(records, size)
        unread = self.kept[self.reading :]
        assert entries == unread[: len(entries)]
        assert bool(entries) == bool(unread)
        assert len(entries) <= 1 or sum(map(len, entries)) <= size
        self.reading += len(entries)

    @precondition(lambda self: self.reading)
    @rule(data=st.data())
    def ack(self, data):
        count = data.draw(st.integers(0, self.reading))
        self.spool.ack(count)
        del self.kept[:count]
        self.reading -= count

    @rule()
    def rewind(self):
        self.spool.rewind()
        self.reading = 0

    @rule()
    def drop(self):
        # a segment with a read entry stays, and so do those read before it
        dropped = self.spool.drop_oldest()
        if dropped:
            left = list(self.kept[: self.reading])
            at = self._first_lost(dropped)
            left += self.kept[self.reading : at] + self.kept[at + dropped :]
            self.kept = left
        else:
            assert len(self.kept) == 0 or self.reading

    def _first_lost(self, dropped):
        """
        Where the segment began that is gone: between the read and the unread.
        """
        chain = self.spool._chain.segments
        before = 0
        for segment in chain:
            if segment.unacked:
                before += segment.pending
            else:
                break
        return before

    @rule()
    def reopen(self):
        self.spool.close()
        left = list(adopt(self.folder))
        assert len(left) == bool(self.kept)
        self.reading, self.writable = 0, not left
        self.spool = left[0] if left else self._new()

    @precondition(lambda self: not self.writable)
    @rule()
    def drain(self):
        self.spool.rewind()
        assert self.kept == _drain(self.spool)
        self.kept, self.reading = [], 0
        self.reopen()

    @invariant()
    def agrees(self):
        assert len(self.kept) == self.spool.pending
        assert (0, 0) == (self.spool.corrupt, self.spool.torn)
        assert self.spool.bytes <= 40_000

    def teardown(self):
        self.spool.rewind()
        assert self.kept == _drain(self.spool)
        self.spool.close()
        assert [] == [*adopt(self.folder), *inspect(self.folder)]


def test_spool_agrees_with_a_list(tmp_path, fault_scale):
    """
    Append, read, acknowledge, rewind, drop and reopen, in any order.
    """

    class Here(Model):
        folder = str(tmp_path / "spool")

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=int(600 * fault_scale), stateful_step_count=40
        ),
    )
