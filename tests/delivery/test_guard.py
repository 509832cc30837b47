"""
Whose work a thread does: the application's, or a shipper's own.
"""

import threading

import pytest

from mllog.delivery.guard import DEEPEST, depth, mark_as_ours


def test_thread_begins_with_no_log_call():
    """
    A new thread is the application's, whoever started it.
    """
    seen = []
    with mark_as_ours():
        thread = threading.Thread(target=lambda: seen.append(depth.calls))
        thread.start()
        thread.join()

    assert seen == [0]


def test_mark_as_ours_is_deeper_than_any_log_call():
    """
    Nothing that is logged in the block is taken.
    """
    with mark_as_ours():
        assert depth.calls > DEEPEST

    assert depth.calls == 0


def test_mark_as_ours_within_a_log_call_gives_its_depth_back():
    """
    Who closes a handler within a log call is where it was afterwards.
    """
    depth.calls = 2
    try:
        with mark_as_ours(), mark_as_ours():
            pass

        assert depth.calls == 2
    finally:
        depth.calls = 0


def test_mark_as_ours_that_fails_gives_the_depth_back():
    """
    An exception does not leave the thread a shipper's.
    """
    with pytest.raises(ValueError), mark_as_ours():
        raise ValueError

    assert depth.calls == 0
