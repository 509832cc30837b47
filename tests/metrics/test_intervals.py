"""
mllog.metrics.intervals: a timer that runs only while there is something to say.
"""

import threading
import time

import pytest
from keeping import wait_for

from mllog.metrics import intervals
from mllog.metrics.intervals import Intervals


class Work:
    """
    Something to do, and what was done.
    """

    def __init__(self):
        self.left = 0
        self.spans = []
        self.errors = []

    def act(self, span):
        if not self.left:
            return False
        self.left = 0
        self.spans.append(span)
        return True


@pytest.fixture
def work():
    return Work()


def test_thread_ends_after_an_interval_without_work(work):
    """
    One interval with something to do, one without, and the thread is gone.
    """
    timer = Intervals(work.act, 0.02, work.errors.append)
    work.left = 1
    timer.touch()
    assert timer._thread is not None

    wait_for(lambda: timer._thread is None)

    assert 1 == len(work.spans)
    assert intervals._IDLE == timer.check_at
    work.left = 1
    timer.touch()
    wait_for(lambda: len(work.spans) == 2)


def test_intervals_of_busy_times_follow_each_other(work, monkeypatch):
    """
    Nothing is left out between two, and without a thread the next call ends one.
    """
    now = [100.0]
    monkeypatch.setattr(intervals, "monotonic", lambda: now[0])
    monkeypatch.setattr(intervals.time, "time", lambda: now[0])
    timer = Intervals(work.act, 60, work.errors.append)
    timer._is_closed = True  # no thread
    for now[0] in [*range(100, 301, 10), *range(4000, 4100, 10)]:
        work.left = 1
        timer.touch()

    assert [
        (100, 60),
        (160, 60),
        (220, 60),
        (280, 3720),
        (4000, 60),
    ] == [tuple(span) for span in work.spans]


def test_what_raises_is_told_and_the_timer_goes_on(work):
    """
    A fault is no end.
    """

    def fail(_span):
        raise ValueError("no")

    timer = Intervals(fail, 0.01, work.errors.append)
    for _ in range(2):
        timer.touch()
        wait_for(lambda: timer._thread is None)

    assert 2 <= len(work.errors)


def test_close_does_what_is_left_and_begins_no_thread(work):
    """
    After it the caller does the work, and no thread begins.
    """
    timer = Intervals(work.act, 3600, work.errors.append)
    work.left = 1
    timer.touch()

    timer.close()
    assert 1 == len(work.spans)
    assert timer._thread is None

    work.left = 1
    timer.touch()
    assert timer._thread is None
    timer.close()
    assert 2 == len(work.spans)


def test_close_by_its_own_thread_does_not_wait_for_itself(work):
    """
    Whatever acts may close the timer.
    """
    done = []

    def act(_span):
        timer.close(30)
        done.append(threading.current_thread().name)
        return False

    timer = Intervals(lambda span: not done and act(span), 0.01, print)
    timer.touch()

    wait_for(lambda: done)
    assert "mllog-intervals" in done


def test_clock_that_is_set_back_changes_no_length(work, monkeypatch):
    """
    The length of an interval is that of a clock that only goes on.
    """
    now = [100.0]
    monkeypatch.setattr(intervals, "monotonic", lambda: now[0])
    timer = Intervals(work.act, 60, work.errors.append)
    timer._is_closed = True  # no thread
    work.left = 1
    timer.touch()
    now[0] = 160.0
    monkeypatch.setattr(intervals.time, "time", lambda: 5.0)
    timer.touch()

    assert [60.0] == [span.seconds for span in work.spans]
