"""
Who comes in where room is scarce, and who gives way.
"""

import errno
import functools
import logging

import pytest

from mllog.delivery import backlog as backlogs
from mllog.delivery.admission import Admission
from mllog.delivery.backlog import Backlog
from mllog.delivery.bounds import Bounds
from mllog.delivery.spool import Spool
from mllog.delivery.stock import Stock

INFO, WARNING = logging.INFO, logging.WARNING


@pytest.fixture
def make(tmp_path):
    """
    Make admissions; ``max_bytes`` gives one a spool, closed at the end.
    """
    made = []

    def admission(writes_ahead=False, max_bytes=None, **bounds):
        bounds = {"max_queue_records": 20, "batch_records": 5, **bounds}
        stock = Stock(Bounds(**bounds))
        if max_bytes is not None:
            spool = functools.partial(
                Spool,
                str(tmp_path / "spool"),
                max_bytes=max_bytes,
                fsync="never",
            )
            drops = bounds.get("overflow", "drop_oldest") == "drop_oldest"
            stock.backlog = Backlog(
                spool, drops_oldest=drops, say=lambda text: None
            )
            made.append(stock.backlog)
        return Admission(stock, writes_ahead=writes_ahead)

    yield admission
    for backlog in made:
        backlog.close()


@pytest.fixture
def disk(monkeypatch):
    """
    A disk that can refuse, and that is tried again at once.
    """

    class Disk:
        takes = True

    disk, append = Disk(), Spool.append

    def append_if_it_takes(self, entries):
        if not disk.takes:
            raise OSError(errno.ENOSPC, "no room")
        append(self, entries)

    monkeypatch.setattr(Spool, "append", append_if_it_takes)
    monkeypatch.setattr(backlogs, "_DISK_RETRY_SECONDS", 0.0)
    return disk


def _stock(admission):
    return admission._stock


def _put(admission, *entries, levelno=INFO):
    return [admission.admit(entry, len(entry), levelno) for entry in entries]


def _values(count, first=0):
    return [b"%04d" % number for number in range(first, first + count)]


def _in_memory(admission):
    return [entry for _, entry in _stock(admission).queue.items]


def _all(admission):
    """
    All records in the order in which a worker gets them.
    """
    stock, found = _stock(admission), []
    while (batch := stock.next_batch()) is not None:
        found += batch.entries
        stock.settle(batch, batch.left)
    return found


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
def test_record_below_warning_beyond_95_percent_is_refused(make, overflow):
    """
    Of 20 places the last is not for everybody; who is refused counts once.
    """
    admission = make(overflow=overflow)

    settled = _put(admission, *_values(30))

    assert all(settled)
    assert _in_memory(admission) == _values(19)
    assert _stock(admission).counts.accepted == 30
    assert _stock(admission).counts.dropped == {"queue_full": 11}


def test_warning_takes_the_last_place_and_then_that_of_the_oldest(make):
    """
    With drop_oldest what is urgent comes in, and the oldest goes.
    """
    admission = make()
    _put(admission, *_values(19))

    _put(admission, *_values(5, first=100), levelno=WARNING)

    assert _in_memory(admission) == _values(15, 4) + _values(5, 100)
    assert _stock(admission).counts.accepted == 24
    assert _stock(admission).counts.dropped == {"queue_full": 4}


def test_warning_displaces_as_many_as_its_bytes_need(make):
    """
    A large record needs the room of several small ones.
    """
    admission = make(max_queue_bytes=100)
    _put(admission, *_values(19))
    _put(admission, *_values(1, first=19), levelno=WARNING)

    _put(admission, b"x" * 50, levelno=WARNING)

    assert _in_memory(admission) == [*_values(12, 8), b"x" * 50]
    assert _stock(admission).queue.bytes == 98
    assert _stock(admission).counts.dropped == {"queue_full": 8}


def test_warning_with_drop_newest_is_refused_when_it_is_full(make):
    """
    It may have the last place, and then nobody gives way.
    """
    admission = make(overflow="drop_newest")
    _put(admission, *_values(19))

    _put(admission, *_values(5, first=100), levelno=WARNING)

    assert _in_memory(admission) == _values(19) + _values(1, 100)
    assert _stock(admission).counts.dropped == {"queue_full": 4}


def test_record_with_block_is_not_settled_when_it_is_full(make):
    """
    Its caller may wait; nothing is counted before it has.
    """
    admission = make(overflow="block")

    settled = _put(admission, *_values(20))

    assert settled == [True] * 19 + [False]
    assert _stock(admission).counts.accepted == 19
    assert not _stock(admission).counts.dropped


def test_record_that_waited_comes_in_when_there_is_room(make):
    """
    The rule of the last places holds for it as well.
    """
    admission = make(overflow="block")
    _put(admission, *_values(19))
    refused = admission.admit(b"late", 4, INFO)
    urgent = admission.admit(b"urgent", 6, WARNING)
    _stock(admission).queue.pop()
    _stock(admission).queue.pop()

    assert (refused, urgent) == (False, True)
    assert admission.admit(b"late", 4, INFO)
    assert _in_memory(admission)[-2:] == [b"urgent", b"late"]
    assert _stock(admission).counts.accepted == 21


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "block"])
def test_record_beyond_the_room_in_memory_goes_on_behind_those_on_disk(
    make, overflow
):
    """
    With a spool nothing is lost or out of order, whatever the policy.
    """
    admission = make(max_bytes=2**20, overflow=overflow)

    settled = _put(admission, *_values(200))

    assert all(settled)
    assert not _stock(admission).counts.dropped
    assert _stock(admission).backlog.pending >= 180
    assert _all(admission) == _values(200)


def test_record_beyond_memory_and_disk_follows_the_policy(make):
    """
    With drop_newest all that was taken is there, and the rest is counted.
    """
    admission = make(max_bytes=8 * 1024, overflow="drop_newest")
    _put(admission, *_values(1000))
    dropped = _stock(admission).counts.dropped["queue_full"]

    assert 0 < dropped < 1000
    assert _all(admission) == _values(1000 - dropped)


def test_record_written_ahead_is_on_disk_and_not_in_memory(make):
    """
    Memory is only for what the disk refuses.
    """
    admission = make(writes_ahead=True, max_bytes=2**20)
    _put(admission, *_values(50))

    assert _stock(admission).backlog.pending == 50
    assert not _stock(admission).queue
    assert _stock(admission).counts.accepted == 50
    assert _stock(admission).counts.unspooled == 0


def test_record_that_the_disk_refuses_is_in_memory_and_counted(make, disk):
    """
    It is accepted, and unspooled.
    """
    admission = make(writes_ahead=True, max_bytes=2**20)
    disk.takes = False
    _put(admission, *_values(10))

    assert _in_memory(admission) == _values(10)
    assert _stock(admission).counts.accepted == 10
    assert _stock(admission).counts.unspooled == 10


def test_record_after_the_disk_healed_goes_behind_those_in_memory(make, disk):
    """
    What memory took meanwhile is written first, so that none overtakes.
    """
    admission = make(writes_ahead=True, max_bytes=2**20)
    _put(admission, *_values(3))
    disk.takes = False
    _put(admission, *_values(4, first=3))
    disk.takes = True
    _put(admission, *_values(1, first=7))

    assert not _stock(admission).queue
    assert _stock(admission).backlog.pending == 8
    assert _all(admission) == _values(8)
    assert _stock(admission).counts.unspooled == 4


def test_record_after_the_disk_healed_goes_behind_the_batch_in_hand(
    make, disk
):
    """
    A batch from memory that is on its way is written before it.
    """
    admission = make(writes_ahead=True, max_bytes=2**20)
    disk.takes = False
    _put(admission, *_values(7))
    batch = _stock(admission).next_batch()
    disk.takes = True
    _put(admission, *_values(1, first=7))
    stats = _stock(admission).stats()

    assert batch.spool is not None
    assert (stats.in_flight, stats.spooled, stats.queued) == (5, 3, 0)
    _stock(admission).put_back()
    assert _all(admission) == _values(8)


def test_record_is_not_stored_where_there_is_no_disk(make):
    """
    Without a spool there is nothing to write to.
    """
    assert not make().store(b"x")


def test_record_as_large_as_the_queue_finds_a_place_in_an_empty_one(make):
    """
    The last 5 % are kept for warnings, and not from what fits no other way.
    """
    admission = make(max_queue_bytes=1024, max_record_bytes=1024)
    _put(admission, b"x" * 1000)

    assert len(_in_memory(admission)) == 1
