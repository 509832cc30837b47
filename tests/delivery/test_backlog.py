"""
What waits on disk: whether it takes records, and whose they are.
"""

import errno
import functools

import pytest

from mllog.delivery import backlog as module
from mllog.delivery.backlog import Backlog
from mllog.delivery.spool import ReentrantError, Spool, adopt

MIB = 2**20


class Clock:
    """
    A time that a test sets.
    """

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """
    When a disk is tried again.
    """
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def said():
    """
    What people were told.
    """
    return []


@pytest.fixture
def make(tmp_path, said):
    """
    Make backlogs in one folder; each is closed at the end.
    """
    made = []

    def backlog(max_bytes=MIB, drops_oldest=True):
        spool = functools.partial(
            Spool, str(tmp_path / "spool"), max_bytes=max_bytes, fsync="never"
        )
        made.append(Backlog(spool, drops_oldest=drops_oldest, say=said.append))
        return made[-1]

    yield backlog
    for each in made:
        each.close()


@pytest.fixture
def disk(monkeypatch):
    """
    A disk that can refuse to take, or to give.
    """

    class Disk:
        takes = gives = True
        tried = 0

    disk, append, read = Disk(), Spool.append, Spool.read

    def append_if_it_takes(self, entries):
        disk.tried += 1
        if not disk.takes:
            raise OSError(errno.ENOSPC, "no room")
        append(self, entries)

    def read_if_it_gives(self, *most):
        if not disk.gives:
            raise OSError(errno.EIO, "broken")
        return read(self, *most)

    monkeypatch.setattr(Spool, "append", append_if_it_takes)
    monkeypatch.setattr(Spool, "read", read_if_it_gives)
    return disk


def _values(count, first=0):
    return [b"%06d" % number for number in range(first, first + count)]


def _read(backlog, most=10**6):
    spool = backlog.next_spool()
    return [] if spool is None else backlog.read(spool, most, 1 << 40)


def _drain(backlog):
    found = []
    while (spool := backlog.next_spool()) is not None:
        entries = backlog.read(spool, 7, 1 << 40)
        backlog.ack(spool, len(entries))
        found += entries
    return found


def _folders(tmp_path):
    folder = tmp_path / "spool"
    if not folder.exists():
        return []
    return [path for path in folder.iterdir() if path.is_dir()]


def test_backlog_gives_back_what_it_took_in_order(make):
    """
    Stored is pending, read stays pending, acknowledged is gone.
    """
    backlog = make()
    backlog.store(_values(3))
    backlog.store([b"last"])

    assert backlog.pending == 4
    assert backlog.bytes > 0
    assert _drain(backlog) == [*_values(3), b"last"]
    assert backlog.pending == 0
    assert backlog.next_spool() is None


def test_backlog_nobody_stores_in_leaves_no_trace(make, tmp_path):
    """
    A handler with a spool makes no folder before it needs one.
    """
    backlog = make()
    backlog.close()

    assert _folders(tmp_path) == []
    assert backlog.left == 0


def test_backlog_that_is_full_gives_up_the_oldest_and_counts(make):
    """
    With drop_oldest whole segments give way; the newest are there.
    """
    backlog = make(max_bytes=32 * 1024)
    values = _values(4000)
    for value in values:
        assert backlog.store([value])

    lost = backlog.dropped()["spool_full"]
    assert lost > 0
    assert backlog.pending + lost == len(values)
    assert _drain(backlog) == values[lost:]


def test_backlog_that_is_full_refuses_the_newest_and_says_nothing(make, said):
    """
    Without drop_oldest nothing gives way, and the disk is not to blame.
    """
    backlog = make(max_bytes=32 * 1024, drops_oldest=False)
    values = _values(4000)
    taken = [value for value in values if backlog.store([value])]

    assert 0 < len(taken) < len(values)
    assert backlog.dropped()["spool_full"] == 0
    assert _drain(backlog) == values[: len(taken)]
    assert said == []


def test_backlog_for_what_never_fits_gives_nothing_up(make):
    """
    Entries larger than the whole spool do not push out what is there.
    """
    backlog = make(max_bytes=32 * 1024)
    backlog.store(_values(10))

    assert not backlog.store([b"x" * 64 * 1024])
    assert backlog.dropped()["spool_full"] == 0
    assert _drain(backlog) == _values(10)


def test_disk_that_refuses_is_said_once_and_left_alone_for_30_s(
    make, disk, clock, said
):
    """
    A full disk costs one attempt each half a minute, and one report.
    """
    backlog = make()
    disk.takes = False
    results = []
    for _ in range(70):
        results.append(backlog.store([b"x"]))
        clock.now += 1.0

    assert not any(results)
    assert disk.tried == 3
    assert len(said) == 1
    assert "refuses records" in said[0]
    assert "no room" in said[0]


def test_disk_that_heals_takes_records_after_30_s_and_says_so(
    make, disk, clock, said
):
    """
    Not before, and the next trouble is news again.
    """
    backlog = make()
    disk.takes = False
    backlog.store([b"x"])
    disk.takes = True
    clock.now += 29.9
    early = backlog.store([b"x"])
    clock.now += 0.1
    late = backlog.store([b"y"])
    disk.takes = False
    backlog.store([b"z"])

    assert (early, late) == (False, True)
    assert ["takes records again" in text for text in said] == [
        False,
        True,
        False,
    ]
    assert len(said) == 3


def test_disk_that_is_written_to_already_is_not_blamed(
    make, monkeypatch, said
):
    """
    A signal handler that logs within a write is refused, and the next is not.
    """
    backlog = make()

    def refuse(self, entries):
        raise ReentrantError("busy")

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "append", refuse)
        assert not backlog.store([b"x"])

    assert backlog.store([b"y"])
    assert said == []


def test_disk_that_does_not_give_is_said_once_and_loses_nothing(
    make, disk, said
):
    """
    While it cannot be read there is no batch; afterwards there is all.
    """
    backlog = make()
    backlog.store(_values(3))
    disk.gives = False
    assert _read(backlog) == []
    assert _read(backlog) == []
    assert backlog.is_unreadable
    assert backlog.pending == 3
    disk.gives = True

    assert _drain(backlog) == _values(3)
    assert not backlog.is_unreadable
    assert len(said) == 1
    assert "cannot be read" in said[0]


def test_hold_puts_the_batch_in_front_of_what_follows(make):
    """
    What the worker has is stored as read: an ack takes it away, and no other.
    """
    backlog = make()
    spool = backlog.hold(_values(3))
    backlog.store(_values(2, first=3))

    assert backlog.pending == 5
    backlog.ack(spool, 2)
    spool.rewind()
    assert _drain(backlog) == _values(3, first=2)


def test_hold_beside_older_records_is_refused(make):
    """
    A batch from memory is older than anything on disk, or it is a mistake.
    """
    backlog = make()
    backlog.store([b"older"])

    assert backlog.hold([b"younger"]) is None
    assert backlog.pending == 1


def test_hold_by_a_disk_that_refuses_is_refused(make, disk):
    """
    The batch stays in memory.
    """
    backlog = make()
    disk.takes = False

    assert backlog.hold([b"x"]) is None
    assert backlog.pending == 0


def test_hold_by_a_disk_that_does_not_give_raises_nothing(make, disk):
    """
    A log call that spills never fails because of the disk.
    """
    backlog = make()
    disk.gives = False

    backlog.hold([b"x"])


def test_hold_in_steps_is_one_batch_in_front_of_what_follows(make):
    """
    All of it is on disk as read, and only then do others come behind it.
    """
    backlog = make()
    spools = [backlog.hold(_values(3, first=3 * n), 3 * n) for n in range(3)]
    backlog.store(_values(2, first=9))
    [spool] = set(spools)

    assert backlog.pending == 11
    assert _read(backlog) == _values(2, first=9)
    spool.rewind()
    assert _drain(backlog) == _values(11)


def test_hold_after_something_came_between_is_refused(make):
    """
    What is on disk besides the copies would be overtaken, or is none of them.
    """
    backlog = make()
    backlog.hold(_values(3))
    backlog.store([b"other"])

    assert backlog.hold(_values(3, first=3), 3) is None
    assert backlog.pending == 4


def test_copies_that_are_dropped_are_neither_pending_nor_lost(make):
    """
    They count as gone, so that no flush waits for them, and leave nothing.
    """
    backlog = make()
    backlog.hold(_values(3))
    backlog.hold(_values(3, first=3), 3)
    mark = backlog.gone + backlog.pending
    backlog.drop_copy(6)
    backlog.store([b"x"])

    assert backlog.gone == mark
    assert backlog.pending == 1
    assert not any(backlog.dropped().values())
    assert _drain(backlog) == [b"x"]


def test_copies_that_are_none_are_not_dropped(make):
    """
    What is on disk for itself stays.
    """
    backlog = make()
    backlog.store(_values(3))
    backlog.drop_copy(0)
    backlog.drop_copy(4)

    assert _drain(backlog) == _values(3)


def test_hold_by_a_disk_that_does_not_give_midway_begins_anew(
    make, disk, said, tmp_path
):
    """
    The copies before are gone; the last ones are for whoever adopts them.
    """
    backlog, heir = make(), make()
    backlog.hold(_values(3))
    disk.gives = False
    held = backlog.hold(_values(3, first=3), 3)
    disk.gives = True

    assert held is None
    assert backlog.pending == 0
    assert "refuses records" in said[0]
    assert heir.adopt(heir.orphans()) == 3
    assert _drain(heir) == _values(3, first=3)


def test_hold_by_a_disk_that_does_not_give_keeps_what_was_counted(
    make, disk, tmp_path
):
    """
    Records found damaged before stay dropped when the spool is made anew.
    """
    backlog = make()
    backlog.store(_values(9))
    [path] = (tmp_path / "spool").glob("*/*.spool")
    data = bytearray(path.read_bytes())
    data[data.index(b"000004")] ^= 1
    path.write_bytes(data)
    _drain(backlog)
    gone = backlog.gone
    disk.gives = False
    backlog.hold([b"x"])

    assert backlog.dropped()["spool_corrupt"] == 1
    assert backlog.gone == gone == 9


def test_close_leaves_what_is_pending_to_the_next(make):
    """
    Another backlog of the folder finds it, and sends it before its own.
    """
    first, second = make(), make()
    first.store(_values(3))
    first.close()
    second.store([b"own"])

    assert first.left == 3
    assert first.pending == 0
    assert second.adopt(second.orphans()) == 3
    assert second.adopted == 3
    assert second.pending == 4
    assert _drain(second) == [*_values(3), b"own"]


def test_close_counts_what_was_read_and_not_acknowledged(make):
    """
    A batch on its way is left to the next as well.
    """
    backlog = make()
    backlog.store(_values(3))
    _read(backlog, most=2)
    backlog.close()

    assert backlog.left == 3
    assert make().orphans()[0].pending == 3


def test_close_is_no_end(make):
    """
    A record after it finds a new spool.
    """
    backlog = make()
    backlog.store([b"1"])
    backlog.close()

    assert backlog.store([b"2"])
    assert (backlog.left, backlog.pending) == (1, 1)
    backlog.close()
    assert backlog.left == 2


def test_orphans_of_a_living_backlog_are_none(make):
    """
    What somebody still sends is not taken from him.
    """
    first, second = make(), make()
    first.store([b"1"])

    assert second.orphans() == []


def test_orphans_that_cannot_be_looked_for_are_said(make, monkeypatch, said):
    """
    A folder that cannot be read is no exception.
    """

    def fail(folder):
        raise PermissionError("not yours")

    monkeypatch.setattr(module, "adopt", fail)

    assert make().orphans() == []
    assert "not yours" in said[0]


def test_adopted_spool_that_is_drained_is_deleted(make, tmp_path):
    """
    Nothing of a dead process stays when its records are sent.
    """
    first, second = make(), make()
    first.store(_values(3))
    first.close()
    second.adopt(second.orphans())
    _drain(second)

    assert _folders(tmp_path) == []


def test_adopted_spool_that_was_damaged_is_counted_after_it_is_gone(
    make, tmp_path
):
    """
    Damaged records are dropped once, before and after the spool is deleted.
    """
    first, second = make(), make()
    first.store(_values(9))
    first.close()
    [path] = (tmp_path / "spool").glob("*/*.spool")
    data = bytearray(path.read_bytes())
    data[data.index(b"000004")] ^= 1
    path.write_bytes(data)
    second.adopt(second.orphans())
    found = _drain(second)

    assert found == [*_values(4), *_values(4, first=5)]
    assert second.dropped()["spool_corrupt"] == 1


def test_child_of_a_fork_has_nothing_of_the_parent(make, disk):
    """
    Neither its records nor its counts, and the parent's disk is another matter.
    """
    parent, child = make(), make(max_bytes=32 * 1024)
    parent.store([b"adopted"])
    parent.close()
    child.adopt(child.orphans())
    for value in _values(4000):
        child.store([value])
    disk.takes = False
    child.store([b"x"])
    disk.takes = True
    child.forget_parent()

    assert child.pending == child.adopted == child.left == 0
    assert child.dropped() == {"spool_full": 0, "spool_corrupt": 0}
    assert child.next_spool() is None
    assert child.store([b"own"])
    assert _drain(child) == [b"own"]


def test_older_records_that_exceed_the_spool_are_no_fault_of_the_disk(
    tmp_path,
):
    """
    What does not fit is given back, none of it stays, and the disk goes on
    taking what fits.
    """
    said = []
    backlog = Backlog(
        functools.partial(
            Spool, str(tmp_path / "spool"), max_bytes=4096, fsync="never"
        ),
        drops_oldest=False,
        say=said.append,
    )

    assert backlog.store_before([[b"x" * 100], [b"y" * 5000]]) is None
    assert [] == said
    assert backlog.store([b"z"])
    assert 1 == backlog.pending


def test_older_records_come_before_all_else_and_after_a_crash_too(tmp_path):
    """
    They are read first here, and their folder is found first by an heir.
    """
    folder = str(tmp_path / "spool")
    backlog = Backlog(
        functools.partial(Spool, folder, max_bytes=1 << 20, fsync="never"),
        drops_oldest=False,
        say=print,
    )
    assert backlog.store([b"new"])
    older = backlog.store_before([[b"old 1"], [b"old 2"]])
    backlog.put_before(older)

    first = backlog.next_spool()
    assert [b"old 1", b"old 2"] == backlog.read(first, 10, 1 << 20)
    backlog.close()
    found = [spool.read(10, 1 << 20) for spool in adopt(folder)]
    assert [[b"old 1", b"old 2"], [b"new"]] == found


def test_older_records_that_do_not_fit_leave_no_copy_behind(tmp_path):
    """
    Some of them were written: whoever inherits the folder finds none of them.
    """
    folder = str(tmp_path / "spool")
    backlog = Backlog(
        functools.partial(Spool, folder, max_bytes=4096, fsync="never"),
        drops_oldest=False,
        say=print,
    )
    assert backlog.store_before([[b"x"] * 20, [b"y" * 5000]]) is None
    backlog.close()

    assert [] == list(adopt(folder))
