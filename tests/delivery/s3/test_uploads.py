"""
Uploads at the same time: as many as asked for, and none after a failure.
"""

import functools
import logging
import threading
import time

import pytest
from shipping import MemoryHandler

from mllog.delivery.s3.uploads import run_all


class Gauge:
    """
    A job that knows how many of it run, and in which threads.

    Args:
        seconds: How long it takes.
    """

    def __init__(self, seconds=0.01):
        self._seconds, self._lock = seconds, threading.Lock()
        self.now = self.most = self.runs = 0
        self.threads = set()

    def __call__(self):
        with self._lock:
            self.runs += 1
            self.now += 1
            self.most = max(self.most, self.now)
            self.threads.add(threading.current_thread())
        time.sleep(self._seconds)
        with self._lock:
            self.now -= 1


def test_uploads_of_nothing_are_done():
    """
    No job, no thread.
    """
    before = threading.active_count()

    run_all([], 8)

    assert before == threading.active_count()


@pytest.mark.parametrize("at_once", [1, 2, 8])
def test_uploads_are_as_many_at_once_as_asked_for(at_once):
    """
    Never more; and so many, if there are enough.
    """
    job = Gauge()

    run_all([job] * 24, at_once)

    assert 24 == job.runs
    assert at_once == job.most


def test_upload_that_is_alone_starts_no_thread():
    """
    The caller does it.
    """
    job = Gauge()

    run_all([job], 8)

    assert {threading.current_thread()} == job.threads


def test_uploads_leave_no_thread_behind():
    """
    All of them have ended when the call returns.
    """
    job = Gauge()

    run_all(iter([job] * 24), 4)

    others = job.threads - {threading.current_thread()}
    assert 3 == len(others)
    assert not any(thread.is_alive() for thread in others)


@pytest.mark.parametrize("at_once", [1, 4])
def test_upload_that_fails_keeps_the_others_from_beginning(at_once):
    """
    Those on their way end; those that wait are left out; the first failure is
    what the caller hears of.
    """
    job = Gauge(0.005)

    def fail():
        raise OSError("first")

    with pytest.raises(OSError, match="first"):
        run_all([fail] + [job] * 100, at_once)

    assert job.runs < 10
    assert 0 == job.now


def test_uploads_that_fail_together_give_one_failure():
    """
    The first one in time.
    """
    barrier = threading.Barrier(4)

    def fail():
        barrier.wait(5)
        raise ValueError

    with pytest.raises(ValueError):
        run_all([fail] * 4, 4)


@pytest.mark.parametrize("may_start", [0, 2])
def test_uploads_run_where_threads_cannot_start(monkeypatch, may_start):
    """
    At the end of a process, or at its limit, those that there are do all.
    """
    job, left = Gauge(0.001), [may_start]
    start = threading.Thread.start

    def limited(thread):
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)

    run_all([job] * 24, 8)

    assert 24 == job.runs
    assert may_start + 1 == job.most


def test_uploads_log_nothing_to_shippers(logger):
    """
    What boto3 logs in one of these threads is not shipped, and so does not
    feed itself.
    """
    handler = MemoryHandler()
    logger.addHandler(handler)

    run_all([lambda: logger.info("from boto3")] * 8, 4)
    logger.info("from the application")

    assert handler.flush(30)
    assert [b"from the application"] == handler.sink.received
    assert 8 == handler.stats().suppressed
    assert isinstance(logger, logging.Logger)


def test_run_of_several_that_fail_raises_the_heaviest():
    """
    One that says how long to wait counts more than one that does not.
    """
    barrier = threading.Barrier(2)

    def fail(seconds):
        barrier.wait(5)
        raise TimeoutError(seconds)

    jobs = [functools.partial(fail, n) for n in (1, 2)]
    with pytest.raises(TimeoutError, match="2"):
        run_all(jobs, 2, lambda error: error.args[0])
