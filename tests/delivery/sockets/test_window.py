"""
The resend window: what it keeps, gives up and owes.
"""

import socket

import pytest

from mllog.delivery.sockets.window import ResendWindow, unsent_bytes

FRAMES = [b"%04d" % number for number in range(200)]


def _small(**options):
    options = {"least_records": 3, "least_bytes": 0, **options}
    return ResendWindow(**options)


def _owed_after(window, taken, now=0.0, own=0):
    read = window.broke(taken, now, own)
    return list(window.owed), read


def test_window_keeps_what_the_kernel_has_not_taken():
    """
    A frame of which one byte is missing is owed, and all after it.
    """
    window = _small()
    window.wrote(FRAMES, 0.0)
    window.took(4 * 100 + 3, 0.0)

    assert _owed_after(window, 0) == (FRAMES[100:], 0)


def test_window_keeps_the_last_frames_though_they_were_taken():
    """
    The last 256 and the last 64 KiB, whichever is more, are owed.
    """
    small, large = ResendWindow(), ResendWindow()
    small.wrote([b"x" * 4] * 20_000, 0.0)
    large.wrote([b"x" * 1024] * 1000, 0.0)
    few = ResendWindow(least_bytes=0)
    few.wrote([b"x" * 4] * 20_000, 0.0)

    assert len(_owed_after(small, 10**9)[0]) == 64 * 1024 // 4
    assert len(_owed_after(few, 10**9)[0]) == 256
    assert len(_owed_after(large, 10**9)[0]) == 256


def test_window_forgets_what_is_old_and_was_taken():
    """
    After 60 s a frame that was taken is not repeated, one that was not is.
    """
    window = ResendWindow()
    window.wrote(FRAMES[:4], 0.0)
    window.wrote(FRAMES[4:8], 50.0)
    frames, _ = _owed_after(window, 4 * 2, now=61.0)

    assert frames == FRAMES[2:8]


def test_window_gives_up_the_oldest_beyond_its_bound():
    """
    It never holds more than its most bytes.
    """
    window = ResendWindow(most_bytes=40)
    window.wrote(FRAMES, 0.0)

    assert _owed_after(window, 0)[0] == FRAMES[-10:]


def test_window_leaves_a_failed_batch_to_its_owner():
    """
    What somebody else sends again is not owed, what was read is reported.
    """
    window = _small()
    window.wrote(FRAMES[:5], 0.0)
    window.wrote(FRAMES[5:15], 0.0)
    owed, read = _owed_after(window, 4 * 9, own=10)

    assert (owed, read) == ([], 4)


def test_window_with_a_failed_batch_still_owes_the_batches_before():
    """
    A batch that fails takes nothing of earlier ones with it.
    """
    window = _small()
    window.wrote(FRAMES[:5], 0.0)
    window.wrote(FRAMES[5:7], 0.0)
    owed, read = _owed_after(window, 4 * 1, own=2)

    assert (owed, read) == (FRAMES[1:5], 0)


def test_window_owes_in_order_over_several_breaks():
    """
    What a second connection carried comes before what it did not.
    """
    window = _small(least_records=0)
    window.wrote(FRAMES[:6], 0.0)
    window.broke(0, 0.0)
    window.wrote(window.owed[:3], 0.0)
    owed, _ = _owed_after(window, 4)

    assert owed == FRAMES[1:6]
    assert len(window) == 5


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs AF_UNIX")
def test_unsent_bytes_fall_to_zero_once_they_are_read():
    """
    The kernel tells what the peer has not taken; of a closed socket nothing.
    """
    left, right = socket.socketpair()
    with left, right:
        left.send(b"x" * 100)
        before = unsent_bytes(left)
        right.recv(100)
        after = unsent_bytes(left)

    assert before >= 100
    assert (after, unsent_bytes(left)) == (0, 0)
