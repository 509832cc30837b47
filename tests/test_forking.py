"""
What a forked child finds.
"""

import logging
import os
import threading
import warnings

import pytest

import mllog
from mllog.accounting import Ledger
from mllog.forking import fork_safe_lock

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this system does not fork"
)


def _in_child(work):
    """
    Whether *work* is true when a forked child runs it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _held_by_another_thread(lock):
    held, done = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    return thread, done


def test_lock_held_by_a_thread_of_the_parent_is_free_in_the_child():
    """
    A child takes the lock at once.
    """
    lock = fork_safe_lock()
    thread, done = _held_by_another_thread(lock)

    free = _in_child(lambda: lock.acquire(timeout=5))

    done.set()
    thread.join()
    assert free


def test_lock_of_the_stdlib_held_by_a_thread_is_not_free_in_the_child():
    """
    Control: a plain lock stays held for ever.
    """
    lock = threading.Lock()
    thread, done = _held_by_another_thread(lock)

    free = _in_child(lambda: lock.acquire(timeout=0.2))

    done.set()
    thread.join()
    assert not free


def test_counts_of_the_parent_are_not_those_of_the_child():
    """
    A child counts its own records from zero, and the parent goes on.
    """
    ledger = Ledger()
    ledger.wrote()
    ledger.dropped("io_error")

    def counts_its_own():
        ledger.wrote()
        stats = ledger.stats()
        return (stats.written, stats.dropped) == (1, {})

    assert _in_child(counts_its_own)
    assert (1, {"io_error": 1}) == (
        ledger.stats().written,
        ledger.stats().dropped,
    )


def test_percentiles_of_the_parent_are_not_those_of_the_child(
    tmp_path, logger
):
    """
    A child's summary covers what the child logged.
    """
    handler = mllog.LatencyCSVHandler(tmp_path / "latency.csv", labels=[])
    logger.addHandler(handler)
    logger.info("x", extra={"inference_latency": 1.0})

    def summarises_its_own():
        logger.info("x", extra={"inference_latency": 2.0})
        return handler.summary()[()].max == handler.summary()[()].min == 2.0

    assert _in_child(summarises_its_own)
    assert 1 == handler.summary()[()].count


def test_handler_forked_in_the_middle_of_everything_still_logs(
    tmp_path, logger
):
    """
    Whatever lock a thread holds at the fork, the child's record is written.
    """
    handler = mllog.LatencyCSVHandler(tmp_path / "latency.csv", maxBytes=2000)
    logger.addHandler(handler)
    stop = threading.Event()

    def work():
        number = 0
        while not stop.is_set():
            number += 1
            logger.info(
                "x",
                extra={"inference_latency": 1.0, "model_name": number % 9},
            )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()

    def logs():
        logging.disable(logging.NOTSET)
        logger.info("x", extra={"inference_latency": 1.0})
        handler.flush()
        return handler.stats().written == 1

    results = [_in_child(logs) for _ in range(20)]
    stop.set()
    for thread in threads:
        thread.join()
    assert all(results)
