"""
The thread that sends: what it does about each kind of trouble.
"""

import errno
import functools
import logging
import math
import threading
import time
from itertools import groupby

import pytest
from shipping import (
    Later,
    MemoryTransport,
    SinkError,
    unaccounted,
    wait_until,
)

from mllog import waiting
from mllog.delivery import outage
from mllog.delivery.backlog import Backlog
from mllog.delivery.bounds import Bounds
from mllog.delivery.letters import DeadLetters
from mllog.delivery.outbox import Outbox
from mllog.delivery.retry import Fault
from mllog.delivery.spool import Spool
from mllog.delivery.stock import Stock
from mllog.delivery.transport import PartlySentError
from mllog.delivery.worker import Worker
from mllog.events import Event, size_of
from mllog.recursion import local


class Reports:
    """
    What people are told, in a list.
    """

    def __init__(self):
        self.said, self.faults = [], []

    def say(self, text):
        self.said.append(text)

    def fault(self, error, record=None):
        self.faults.append(error)


class Shipper:
    """
    An outbox, a worker and a sink, which is run by the test or in a thread.
    """

    def __init__(
        self, letters=None, longest_wait=0.01, send_timeout=5.0, sink=None
    ):
        self.stock = Stock(
            Bounds(batch_records=8, linger_seconds=0.0, max_age_seconds=None)
        )
        self.outbox = Outbox(self.stock, start=self._start)
        self.sink, self.reports = sink or MemoryTransport(), Reports()
        self.has_thread = False
        self.worker = Worker(
            self.outbox,
            self.sink,
            self.reports,
            longest_wait=longest_wait,
            send_timeout=send_timeout,
            dead_letters=letters,
        )

    def _start(self):
        return not self.has_thread or self.worker.start()

    def put(self, *entries):
        for entry in entries:
            self.outbox.put(entry, size_of(entry), logging.INFO)

    def run(self):
        """
        Send all there is, in this thread.
        """
        self.outbox.close()
        self.worker.run()
        stats = self.outbox.stats()
        assert unaccounted(stats) == 0
        return stats


@pytest.fixture
def shipper():
    """
    A shipper without a dead-letter file.
    """
    shipper = Shipper()
    yield shipper
    shipper.worker.close_by = time.monotonic()
    shipper.outbox.close()
    shipper.worker.join(time.monotonic() + 10)


def _values(count, first=0):
    return [b"%04d" % number for number in range(first, first + count)]


# --- the way of all records ---


def test_worker_sends_in_batches_and_in_order(shipper):
    """
    One connection, full batches, and the sink is let go of at the end.
    """
    shipper.put(*_values(20))
    stats = shipper.run()

    assert shipper.sink.received == _values(20)
    assert shipper.sink.batches == [8, 8, 4]
    assert (shipper.sink.opens, shipper.sink.closes) == (1, 1)
    assert (stats.sent, stats.batches, stats.retried) == (20, 3, 0)


def test_worker_has_a_thread_of_its_own(shipper):
    """
    A daemon, which the program does not wait for.
    """
    shipper.has_thread, seen = True, []
    shipper.sink.on_send = lambda events: seen.append(
        (threading.current_thread(), shipper.worker.is_here)
    )
    shipper.put(b"1")
    assert wait_until(lambda: shipper.sink.received)

    [(thread, is_here)] = seen
    assert thread.daemon and thread.name == "mllog-worker"
    assert is_here and not shipper.worker.is_here
    assert shipper.worker.is_running


def test_worker_marks_its_work_as_a_shippers_own(shipper):
    """
    What a transport logs is not taken; afterwards the thread is as before.
    """
    seen = []
    shipper.sink.on_open = lambda: seen.append(local.thread.is_ours)
    shipper.sink.on_send = lambda events: seen.append(local.thread.is_ours)
    shipper.put(b"1")
    shipper.run()

    assert seen == [True, True]
    assert not local.thread.is_ours


def test_worker_without_a_thread_leaves_the_records_to_the_close(
    shipper, monkeypatch
):
    """
    Where no thread can be started the log call goes on, and close sends.
    """

    def fail(self):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    shipper.has_thread = True
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        shipper.put(b"1")

    assert not shipper.worker.is_running
    assert shipper.run().sent == 1


def test_worker_without_a_thread_for_a_moment_is_started_later(
    shipper, monkeypatch
):
    """
    A process that may have no more threads just now sends when it may again.
    """

    def fail(self):
        raise RuntimeError("can't start new thread")

    shipper.has_thread = True
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        shipper.put(b"1")
    shipper.put(b"2")

    assert wait_until(lambda: len(shipper.sink.received) == 2, 1.0)


def test_worker_after_another_waits_for_it(shipper):
    """
    One thread at a time has the transport.
    """
    shipper.has_thread = True
    shipper.sink.block()
    shipper.put(b"1")
    assert wait_until(lambda: shipper.sink.batches)
    shipper.outbox.close()
    shipper.outbox.finish()
    shipper.put(b"2")
    time.sleep(0.05)
    before = list(shipper.sink.batches)
    shipper.sink.unblock()

    assert before == [1]
    assert wait_until(lambda: b"2" in shipper.sink.received)
    assert unaccounted(shipper.outbox.stats()) == 0


# --- trouble that passes ---


@pytest.mark.parametrize("fault", [Fault.TRANSIENT, Fault.AMBIGUOUS])
def test_worker_tries_again_on_a_new_connection(shipper, fault):
    """
    The same batch, from its first record on.
    """
    shipper.sink.faults += [SinkError(fault), SinkError(fault)]
    shipper.put(*_values(8))
    stats = shipper.run()

    assert shipper.sink.received[-8:] == _values(8)
    assert shipper.sink.opens == 3
    assert (stats.sent, stats.retried, stats.batches) == (8, 16, 1)


def test_worker_goes_on_where_the_sink_stopped(shipper):
    """
    What was acknowledged is not sent again.
    """
    error = PartlySentError(5)
    error.__cause__ = SinkError()
    shipper.sink.faults += [error]
    shipper.put(*_values(8))
    stats = shipper.run()

    assert shipper.sink.received == _values(8)
    assert shipper.sink.batches == [8, 3]
    assert (stats.sent, stats.retried, stats.batches) == (8, 3, 2)


def test_worker_counts_a_record_when_its_last_event_arrived(shipper):
    """
    A record of which half arrived is sent again, as a whole.
    """
    entry = (Event(b"a"), Event(b"b"))
    shipper.sink.faults += [PartlySentError(2)]
    shipper.put(b"1", entry, b"3")
    stats = shipper.run()

    assert shipper.sink.received == [b"1", b"a", b"a", b"b", b"3"]
    assert stats.sent == 3


def test_worker_says_an_outage_once_and_its_end(shipper):
    """
    One failure is no news; two are, with what the error says.
    """
    shipper.sink.faults += [SinkError(text="no route")]
    shipper.put(*_values(8))
    shipper.outbox.settle(shipper.outbox.take(), 0, "sent")
    shipper.outbox.release()
    shipper.sink.faults += [SinkError(text="no route")] * 4
    shipper.run()

    assert len(shipper.reports.said) == 2
    assert "cannot send: no route" in shipper.reports.said[0]
    assert "sends again" in shipper.reports.said[1]


def test_worker_says_nothing_of_a_connection_that_broke_once(shipper):
    """
    A server that restarts is no trouble.
    """
    shipper.sink.faults += [SinkError()]
    shipper.put(b"1")
    shipper.run()

    assert shipper.reports.said == []


def test_worker_names_an_error_that_says_nothing(shipper):
    """
    An exception without a text is told by its class.
    """
    shipper.sink.faults += [TimeoutError(), TimeoutError()]
    shipper.put(b"1")
    shipper.run()

    assert "TimeoutError" in shipper.reports.said[0]


def test_worker_says_at_once_what_needs_people(shipper):
    """
    A permission that is missing does not mend itself.
    """
    shipper.sink.faults += [SinkError(Fault.AUTH, "bad password")]
    shipper.worker.close_by = time.monotonic() + 5
    shipper.put(b"1")
    shipper.run()

    assert "bad password" in shipper.reports.said[0]


def test_worker_waits_as_long_as_the_sink_asked(shipper):
    """
    Retry-After is kept, not the short wait of an own back-off.
    """
    shipper.has_thread = True
    shipper.sink.faults += [SinkError(retry_after=0.4)]
    shipper.put(b"1")
    assert wait_until(lambda: shipper.sink.received)

    first, second = shipper.sink.attempted
    assert 0.4 <= second - first < 2


@pytest.mark.parametrize("is_patient", [True, False])
def test_worker_waits_as_long_as_the_sink_asked_whoever_flushes(
    shipper, is_patient
):
    """
    A flush is not a reason to come back early; control: without that it is.
    """
    if not is_patient:
        shipper.worker._wait_as_asked = shipper.outbox.pause
    shipper.has_thread = True
    shipper.sink.faults += [SinkError(retry_after=0.5)]
    shipper.put(b"1")
    assert wait_until(lambda: shipper.sink.attempted)
    for _ in range(3):
        shipper.outbox.flush(time.monotonic() + 0.03)
    assert wait_until(lambda: shipper.sink.received)

    first, second = shipper.sink.attempted
    assert (second - first >= 0.5) == is_patient


def test_worker_waits_as_long_as_the_sink_asked_whoever_closes(shipper):
    """
    Without a disk the records are sent after it, if there is time for that.
    """
    shipper.has_thread = True
    shipper.sink.faults += [SinkError(retry_after=0.5)]
    shipper.put(b"1")
    assert wait_until(lambda: shipper.sink.attempted)
    shipper.worker.close_by = time.monotonic() + 10
    shipper.outbox.close()
    shipper.worker.join(time.monotonic() + 10)

    first, second = shipper.sink.attempted
    assert 0.5 <= second - first < 5
    assert shipper.outbox.stats().sent == 1


def test_worker_that_is_closed_waits_for_the_sink_no_longer_than_it_may(
    shipper,
):
    """
    What is to wait beyond the end is lost at the end, and never sent early.
    """
    shipper.has_thread = True
    shipper.sink.faults += [SinkError(retry_after=60)]
    shipper.put(b"1")
    assert wait_until(lambda: shipper.sink.attempted)
    time.sleep(0.05)
    began = time.monotonic()
    shipper.worker.close_by = began + 0.3
    shipper.outbox.close()
    shipper.worker.join(began + 10)

    assert 0.3 <= time.monotonic() - began < 5
    assert len(shipper.sink.attempted) == 1
    assert shipper.outbox.stats().dropped == {"unsent_at_close": 1}


def test_worker_with_a_disk_that_is_closed_leaves_the_sink_alone(
    shipper, tmp_path
):
    """
    The records are safe there: nobody waits, and the sink has its time.
    """
    spool = functools.partial(
        Spool, str(tmp_path / "spool"), max_bytes=2**20, fsync="never"
    )
    shipper.stock.backlog = Backlog(
        spool, drops_oldest=True, say=lambda text: None
    )
    shipper.has_thread = True
    shipper.sink.faults += [SinkError(retry_after=60)]
    shipper.put(b"1")
    assert wait_until(lambda: shipper.sink.attempted)
    time.sleep(0.05)
    began = time.monotonic()
    shipper.worker.close_by = began + 20
    shipper.outbox.close()
    shipper.worker.join(began + 10)

    assert time.monotonic() - began < 5
    assert len(shipper.sink.attempted) == 1
    assert shipper.outbox.stats().spooled == 1
    assert unaccounted(shipper.outbox.stats()) == 0


# --- what is told of outages ---


@pytest.fixture
def later(monkeypatch):
    """
    The worker's time.
    """
    later = Later()
    monkeypatch.setattr(outage, "time", later)
    return later


def _outage(shipper, attempts=3):
    shipper.sink.faults += [SinkError(text="no route")] * attempts
    shipper.put(b"x")
    shipper.run()


@pytest.mark.parametrize(
    ("unsaid", "told"),
    [
        (0, ""),
        (1, " (once more since the last report)"),
        (4, " (4 times more since the last report)"),
    ],
)
def test_outages_that_come_and_go_are_told_of_once_in_a_while(
    shipper, later, unsaid, told
):
    """
    Those within 30 s are in the next report as a number, and not printed.
    """
    _outage(shipper)
    for _ in range(unsaid):
        _outage(shipper)
    before = list(shipper.reports.said)
    later.ahead += 30.0
    _outage(shipper)
    after = shipper.reports.said[2:]

    assert len(before) == 2
    assert before[0].startswith("cannot send: no route\n")
    assert before[1].startswith("sends again, after ")
    assert after[0].splitlines()[0] == f"cannot send: no route{told}"
    assert after[1].startswith("sends again, after ")


def test_outages_that_were_told_of_are_not_counted_again(shipper, later):
    """
    Each number is that since the report before.
    """
    _outage(shipper)
    _outage(shipper)
    later.ahead += 30.0
    _outage(shipper)
    later.ahead += 30.0
    _outage(shipper)

    assert ["more since" in said for said in shipper.reports.said[::2]] == [
        False,
        True,
        False,
    ]


def test_outage_that_lasts_is_told_of_when_it_may_be(shipper, later):
    """
    One that began soon after another is news after 30 s, with its whole time.
    """
    _outage(shipper)
    shipper.sink.on_open = lambda: setattr(later, "ahead", later.ahead + 15.0)
    _outage(shipper, attempts=4)

    assert len(shipper.reports.said) == 4
    assert "cannot send" in shipper.reports.said[2]
    assert "more since" not in shipper.reports.said[2]
    assert float(shipper.reports.said[3].split()[-2]) >= 45.0


def test_outage_that_needs_people_is_told_of_though_another_was(shipper):
    """
    A password that is wrong is no outage that passes.
    """
    _outage(shipper)
    shipper.sink.faults += [SinkError(Fault.AUTH, "bad password")]
    shipper.worker.close_by = time.monotonic() + 5
    shipper.put(b"1")
    shipper.run()

    assert "bad password" in shipper.reports.said[2]


# --- what a transport may have besides ---


class BareTransport(MemoryTransport):
    """
    A sink that takes bytes, and is told of each batch.
    """

    takes_bytes = True

    def __init__(self):
        super().__init__()
        self.calls = []

    def begin(self):
        self.calls.append("begin")

    def send(self, events, deadline):
        self.calls.append(list(events))
        super().send(
            [Event(each) if type(each) is bytes else each for each in events],
            deadline,
        )


def test_transport_that_takes_bytes_is_given_bytes():
    """
    Events that are more than a value are given as they are.
    """
    entry = (Event(b"a", b"key"), Event(b"b"))
    shipper = Shipper(sink=BareTransport())
    shipper.put(b"1", entry, b"2")
    stats = shipper.run()

    assert shipper.sink.calls[:2] == ["begin", [b"1", *entry, b"2"]]
    assert stats.sent == 3


def test_transport_that_does_not_take_bytes_is_given_events(shipper):
    """
    Also for records that are only a value.
    """
    seen = []
    shipper.sink.on_send = seen.extend
    shipper.put(b"1")
    shipper.run()

    assert seen == [Event(b"1")]


def test_transport_is_told_where_a_batch_begins_and_ends():
    """
    Not at a further attempt, a part, or the rest of the same batch.
    """
    shipper = Shipper(sink=BareTransport())
    error = PartlySentError(3)
    error.__cause__ = SinkError()
    shipper.sink.faults += [SinkError(), error, SinkError(Fault.POISON)]
    shipper.put(*_values(16))
    shipper.run()

    calls = [
        call if call == "begin" else len(call) for call in shipper.sink.calls
    ]
    # twice between two batches says no more than once
    assert [call for call, _ in groupby(calls)] == [
        "begin",
        8,
        5,
        2,
        3,
        "begin",
        8,
        "begin",
    ]
    assert calls.count(8) == 3
    assert shipper.sink.received == _values(16)


def test_transport_is_told_of_a_batch_that_is_sent_by_another_worker():
    """
    What one that died had in its hands is a new batch for the next one.
    """
    shipper = Shipper(sink=BareTransport())
    shipper.has_thread = True
    shipper.sink.faults += [SystemExit(1)]
    shipper.put(b"1")
    assert wait_until(lambda: not shipper.worker.is_running)
    shipper.put(b"2")
    assert wait_until(lambda: len(shipper.sink.received) == 2)
    shipper.run()

    assert shipper.sink.calls[:2] == ["begin", [b"1"]]
    assert shipper.sink.calls[2:4] == ["begin", [b"1", b"2"]]


def test_worker_in_an_outage_has_no_more_than_its_time(shipper):
    """
    When it has to end, what is left is counted and said.
    """
    shipper.sink.is_down = True
    shipper.put(*_values(20))
    shipper.worker.close_by = time.monotonic() + 0.2
    began = time.monotonic()
    stats = shipper.run()

    assert 0.2 <= time.monotonic() - began < 2
    assert stats.dropped == {"unsent_at_close": 20}
    assert "20 records were not sent" in shipper.reports.said[-1]


def test_worker_that_waits_tries_again_often_before_it_ends():
    """
    While a handler closes, no wait is longer than a quarter of a second.
    """
    shipper = Shipper(longest_wait=1000.0)
    shipper.sink.faults += [SinkError(Fault.AUTH)] * 2
    shipper.put(b"1")
    shipper.worker.close_by = time.monotonic() + 20
    began = time.monotonic()

    assert shipper.run().sent == 1
    assert time.monotonic() - began < 5


def test_attempt_ends_with_its_time(shipper):
    """
    A sink gets the earlier of send_timeout and the end as its deadline.
    """
    deadlines = []
    shipper.sink.send = lambda events, deadline: deadlines.append(
        deadline - time.monotonic()
    )
    shipper.put(*_values(8))
    shipper.outbox.close()
    shipper.worker.run()
    shipper.worker.close_by = time.monotonic() + 1.0
    shipper.put(*_values(8))
    shipper.worker.run()

    assert 4 < deadlines[0] <= 5
    assert deadlines[1] <= 1


# --- poison ---


def test_poison_is_found_by_halves_and_dropped_alone(shipper):
    """
    All others of the batch arrive, in order.
    """
    shipper.sink.is_poison = lambda event: event.value == b"0005"
    shipper.put(*_values(8))
    stats = shipper.run()

    assert shipper.sink.received == _values(5) + _values(2, first=6)
    assert stats.dropped == {"rejected": 1}
    assert len(shipper.reports.faults) == 1
    assert shipper.sink.opens == 1
    assert stats.retried == 0


def test_poison_is_kept_for_people(tmp_path):
    """
    With a dead-letter file nothing is dropped.
    """
    letters = DeadLetters(str(tmp_path / "dead.jsonl"))
    shipper = Shipper(letters=letters)
    shipper.sink.is_poison = lambda event: event.value in (b"0000", b"0007")
    shipper.put(*_values(8))
    stats = shipper.run()

    assert shipper.sink.received == _values(6, first=1)
    assert stats.dead_lettered == 2
    assert not stats.dropped
    text = (tmp_path / "dead.jsonl").read_text()
    assert text.count("\n") == 2
    assert '"value":"0000"' in text


def test_poison_that_the_file_does_not_take_is_dropped(tmp_path):
    """
    A folder that is missing costs the letter, and not the worker.
    """
    letters = DeadLetters(str(tmp_path / "missing" / "dead.jsonl"))
    shipper = Shipper(letters=letters)
    shipper.sink.is_poison = lambda event: event.value == b"0000"
    shipper.put(*_values(2))
    stats = shipper.run()

    assert stats.dropped == {"rejected": 1}
    assert stats.sent == 1


def test_poison_in_every_record_drops_each_once(shipper):
    """
    A sink that takes nothing ends the batch all the same.
    """
    shipper.sink.is_poison = lambda event: True
    shipper.put(*_values(30))

    assert shipper.run().dropped == {"rejected": 30}


def test_poison_after_a_part_arrived_is_looked_for_in_the_rest(shipper):
    """
    A sink may acknowledge what stands before the record it refuses.
    """
    error = PartlySentError(3)
    error.__cause__ = SinkError(Fault.POISON)
    shipper.sink.faults += [error]
    shipper.sink.is_poison = lambda event: event.value == b"0003"
    shipper.put(*_values(8))
    stats = shipper.run()

    assert shipper.sink.received == _values(3) + _values(4, first=4)
    assert stats.dropped == {"rejected": 1}
    assert stats.sent == 7


# --- trouble of its own ---


@pytest.mark.parametrize("error", [MemoryError(), SystemExit(1)])
def test_worker_that_dies_is_replaced_at_the_next_record(shipper, error):
    """
    The batch in its hands is sent by the next one, in order.
    """
    if isinstance(error, MemoryError):
        shipper.sink.classify = _raise_once(shipper.sink, error)
        shipper.sink.faults += [SinkError()]
    else:
        shipper.sink.faults += [error]
    shipper.has_thread = True
    shipper.put(b"1")
    assert wait_until(lambda: not shipper.worker.is_running)
    shipper.put(b"2")

    assert wait_until(lambda: shipper.sink.received == [b"1", b"2"])
    assert error in shipper.reports.faults
    assert unaccounted(shipper.outbox.stats()) == 0


def _raise_once(sink, error):
    def classify(found):
        del sink.classify
        raise error

    return classify


def test_worker_whose_sink_does_not_close_ends_all_the_same(shipper):
    """
    The error is described, and who waits for the end is told.
    """
    ended = []
    shipper.worker.ended = lambda: ended.append(1)

    def fail(deadline):
        raise OSError(errno.EIO, "broken")

    shipper.sink.close = fail
    shipper.put(b"1")
    shipper.run()

    assert ended == [1]
    assert isinstance(shipper.reports.faults[0], OSError)


def test_worker_says_nothing_of_the_end_of_an_outage_at_exit(
    shipper, monkeypatch
):
    """
    Nobody reads it there.
    """
    shipper.sink.faults += [SinkError(), SinkError()]
    monkeypatch.setattr(waiting, "_is_exiting", True)
    shipper.put(b"1")
    shipper.run()

    assert len(shipper.reports.said) == 1


def test_child_of_a_fork_has_no_worker(shipper):
    """
    It connects anew, and begins with the shortest wait.
    """
    shipper.has_thread = True
    shipper.put(b"1")
    assert wait_until(lambda: shipper.sink.received)
    thread = shipper.worker._thread
    shipper.worker.forget_parent()
    is_running = shipper.worker.is_running
    shipper.worker._thread = thread

    assert not is_running
    assert not shipper.worker._is_open
    assert shipper.worker.close_by == math.inf
