"""
When a thread may wait.
"""

import asyncio
import logging
import logging.config
import sys
import threading

import pytest

from mllog import waiting


def _in_thread(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join(10)
    return found[0]


def test_waiting_under_logging_lock_is_known_to_its_owner_alone():
    """
    Whoever holds logging's module lock must not wait; others may.
    """
    before = waiting.under_logging_lock()
    with logging._lock:
        inside = waiting.under_logging_lock()
        elsewhere = _in_thread(waiting.under_logging_lock)

    assert [False, True, False, False] == [
        *(before, inside, elsewhere),
        waiting.under_logging_lock(),
    ]


def test_waiting_in_a_configuration_is_seen_by_a_handler_that_it_closes():
    """
    dictConfig closes handlers under that lock.
    """
    seen = []

    class Closing(logging.NullHandler):
        def close(self):
            seen.append(waiting.under_logging_lock())
            super().close()

    handler = Closing()
    logging.config.dictConfig({"version": 1, "incremental": False})
    handler.close()

    assert [True, False] == seen


@pytest.mark.parametrize("lock", [None, object(), threading.Lock()])
def test_waiting_without_the_lock_that_is_known_is_allowed(monkeypatch, lock):
    """
    A logging that is built otherwise one day gives False, and no error.
    """
    monkeypatch.setattr(logging, "_lock", lock)

    found = waiting.under_logging_lock()

    monkeypatch.undo()
    assert not found


def test_waiting_in_an_event_loop_is_known_in_its_thread_alone():
    """
    It is true in a coroutine, and false in a thread beside it and afterwards.
    """

    async def ask():
        beside = await asyncio.to_thread(waiting.in_event_loop)
        return waiting.in_event_loop(), beside

    inside, beside = asyncio.run(ask())

    assert (True, False) == (inside, beside)
    assert not waiting.in_event_loop()


def test_waiting_in_a_process_without_asyncio_imports_none(monkeypatch):
    """
    Who has not imported asyncio has no loop.
    """
    monkeypatch.delitem(sys.modules, "asyncio")

    assert not waiting.in_event_loop()
    assert "asyncio" not in sys.modules


def test_waiting_at_exit_is_known_once_it_has_begun(monkeypatch):
    """
    It is said once, and is true from then on.
    """
    monkeypatch.setattr(waiting, "_is_exiting", False)
    before = waiting.is_exiting()

    waiting.begin_exit()

    assert (False, True) == (before, waiting.is_exiting())
