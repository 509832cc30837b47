"""
How long a worker waits after each kind of trouble.
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog.delivery import retry
from mllog.delivery.retry import Backoff, Fault, Verdict

TRANSIENT = Verdict(Fault.TRANSIENT)
AUTH = Verdict(Fault.AUTH)


@pytest.fixture
def dice(monkeypatch):
    """
    Chance that is always the same part of what may be: 1 is all of it.
    """

    class Dice:
        part = 1.0

        def uniform(self, low, high):
            return low + self.part * (high - low)

    dice = Dice()
    monkeypatch.setattr(retry, "random", dice)
    return dice


@pytest.mark.parametrize("fault", [Fault.TRANSIENT, Fault.AMBIGUOUS])
def test_backoff_doubles_up_to_its_bound(dice, fault):
    """
    At most 0.5, 1, 2, 4 s and so on, and never more than the longest.
    """
    backoff = Backoff(5.0)

    waits = [backoff.wait(Verdict(fault)) for _ in range(6)]

    assert waits == [0.5, 1, 2, 4, 5, 5]


def test_backoff_has_full_jitter(dice):
    """
    A client may come back at once, however often it failed.
    """
    backoff = Backoff()
    for _ in range(10):
        backoff.wait(TRANSIENT)
    dice.part = 0.0

    assert backoff.wait(TRANSIENT) == 0.0


def test_backoff_of_two_clients_differs():
    """
    A fleet that lost its server does not come back as one.
    """
    waits = {Backoff().wait(TRANSIENT) for _ in range(20)}

    assert len(waits) == 20


def test_backoff_reset_begins_anew(dice):
    """
    What was acknowledged makes the next trouble a new one.
    """
    backoff = Backoff()
    for _ in range(4):
        backoff.wait(TRANSIENT)
    backoff.reset()

    assert backoff.wait(TRANSIENT) == 0.5


def test_backoff_of_a_year_does_not_overflow(dice):
    """
    The bound holds however often it failed.
    """
    backoff = Backoff(30.0)

    waits = [backoff.wait(TRANSIENT) for _ in range(5000)]

    assert waits[-1] == 30.0


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_backoff_for_a_person_is_30_to_300_seconds(dice, part):
    """
    The first wait is 30 s or more, and none is longer than 300 s.
    """
    dice.part = part
    backoff = Backoff(0.01)

    waits = [backoff.wait(AUTH) for _ in range(50)]

    assert waits[0] >= 30.0
    assert waits == sorted(waits)
    assert max(waits) <= 300.0
    assert waits[-1] >= 240.0


@given(
    st.sampled_from(list(Fault)),
    st.floats(0, 300),
    st.integers(0, 20),
)
def test_backoff_never_ends_before_the_sink_asked(fault, asked, before):
    """
    Retry-After is honoured for every fault, and exceeded by a tenth at most.
    """
    backoff = Backoff(0.01)
    for _ in range(before):
        backoff.wait(TRANSIENT)

    wait = backoff.wait(Verdict(fault, asked))

    assert asked <= wait <= asked * 1.1


@pytest.mark.parametrize("asked", [301.0, 1e9, math.inf])
def test_backoff_that_a_sink_asks_for_is_bounded(dice, asked):
    """
    However long it asks for, it is 300 s, and a tenth of jitter.
    """
    dice.part = 0.0

    assert Backoff().wait(Verdict(Fault.TRANSIENT, asked)) == 300.0


def test_backoff_that_a_sink_asks_for_may_be_none():
    """
    Zero, and what is less, is no wait.
    """
    backoff = Backoff()

    assert backoff.wait(Verdict(Fault.TRANSIENT, 0.0)) == 0.0
    assert backoff.wait(Verdict(Fault.TRANSIENT, -5.0)) == 0.0
