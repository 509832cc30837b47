"""
Metrics to a file or a gateway, now and then, from a thread of its own.
"""

import logging
import os
import threading
import time

import pytest

from mllog.exposition.pushing import Regularly, Trouble, write_file


def test_file_is_replaced_in_one_step(tmp_path):
    """
    A reader sees the old or the new text, never a part.
    """
    path = tmp_path / "a.prom"
    texts = [(f"{number}" * 100_000).encode() for number in range(2)]
    write_file(str(path), texts[0])
    stop = threading.Event()

    def write():
        while not stop.is_set():
            for text in texts:
                write_file(str(path), text)

    thread = threading.Thread(target=write)
    thread.start()
    seen = {path.read_bytes() for _ in range(200)}
    stop.set()
    thread.join(30)

    assert seen <= set(texts)
    assert [path] == list(tmp_path.iterdir())


def test_file_that_cannot_be_replaced_leaves_nothing(tmp_path):
    """
    The trouble names the file, and no draft stays.
    """
    folder = tmp_path / "a.prom"
    folder.mkdir()

    with pytest.raises(Trouble, match="a.prom"):
        write_file(str(folder), b"x")

    assert [folder] == list(tmp_path.iterdir())


def test_regularly_does_it_every_so_often_and_at_the_end():
    """
    The last time is after close.
    """
    done = []
    regular = Regularly(done.append, 0.01, lambda error: None)
    regular.start()
    deadline = time.monotonic() + 20
    while len(done) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    regular.close(20)

    count = len(done)
    time.sleep(0.05)
    assert count == len(done) >= 4


def test_regularly_that_fails_is_told_and_goes_on():
    """
    An exception ends neither thread nor program.
    """
    faults = []

    def act(timeout):
        raise Trouble("no")

    regular = Regularly(act, 0.01, faults.append)
    regular.start()
    deadline = time.monotonic() + 20
    while len(faults) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    regular.close(20)

    assert all(isinstance(each, Trouble) for each in faults)


def test_regularly_closed_under_the_lock_of_logging_does_not_wait():
    """
    The thread does it later, for whoever holds that lock must not wait.
    """
    began, may_end = threading.Event(), threading.Event()
    done = []

    def act(timeout):
        began.set()
        may_end.wait(20)
        done.append(1)

    regular = Regularly(act, 60, lambda error: None)
    regular.start()
    logging._acquireLock() if hasattr(
        logging, "_acquireLock"
    ) else logging._lock.acquire()
    try:
        regular.close(20)
        assert began.wait(20) and not done
    finally:
        logging._releaseLock() if hasattr(
            logging, "_releaseLock"
        ) else logging._lock.release()
    may_end.set()
    deadline = time.monotonic() + 20
    while not done:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_regularly_in_a_forked_child_begins_anew():
    """
    The thread is not there, and its lock is free.
    """
    done = []
    regular = Regularly(done.append, 0.01, lambda error: None)
    regular.start()
    regular._doing.acquire()
    pid = os.fork()
    if pid == 0:
        try:
            done.clear()
            regular.start()
            deadline = time.monotonic() + 20
            while not done and time.monotonic() < deadline:
                time.sleep(0.01)
            os._exit(0 if done else 1)
        finally:
            os._exit(2)
    regular._doing.release()

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    regular.close(20)
