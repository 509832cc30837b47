"""
Brokers that do not answer: when people hear of it.
"""

import pytest

from mllog.delivery.kafka import watch as module
from mllog.delivery.kafka.watch import Watch


class Told:
    """
    An outage that writes down what it is told.
    """

    def __init__(self):
        self.said = []

    def goes_on(self, error, verdict):
        self.said.append(str(error))

    def ends(self):
        self.said.append("ends")


@pytest.fixture
def clock(monkeypatch):
    """
    A clock that the test sets, in seconds.
    """
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def watch():
    found = Watch("clicks")
    found.outage = Told()
    return found


def _is_quiet(watch):
    return not [each for each in watch.outage.said if each != "ends"]


def test_messages_that_get_on_are_no_news(watch, clock):
    """
    However many wait, and however long it goes on.
    """
    for left in range(100, 0, -1):
        watch.look(left)
        clock[0] += 3

    assert _is_quiet(watch)


def test_messages_that_wait_and_get_no_further_are_told(watch, clock):
    """
    After a while, and again each such while, with what is known.
    """
    watch.heard("_TRANSPORT", "Connection refused")
    for _ in range(12):
        watch.look(5)
        clock[0] += 1

    assert 2 == len(watch.outage.said)
    assert "clicks" in watch.outage.said[0]
    assert "Connection refused" in watch.outage.said[0]


def test_messages_that_become_more_are_no_progress(watch, clock):
    """
    Who logs does not hide that nothing is delivered.
    """
    for left in range(1, 9):
        watch.look(left)
        clock[0] += 1

    assert 1 == len(watch.outage.said)


def test_queue_that_was_empty_begins_anew(watch, clock):
    """
    Hours without a message are no outage.
    """
    watch.look(0)
    clock[0] += 3600
    watch.look(1)
    clock[0] += 1
    watch.look(1)

    assert _is_quiet(watch)


def test_first_progress_ends_the_outage(watch, clock):
    """
    Then nothing is wrong any more, as far as is known.
    """
    watch.heard("_ALL_BROKERS_DOWN", "1/1 brokers are down")
    watch.heard("_TRANSPORT", "Connection refused")
    watch.look(5)
    clock[0] += 10
    watch.look(5)
    was_away = watch.is_away
    watch.look(4)

    assert was_away
    assert "ends" == watch.outage.said[-1]
    assert ("", False) == (watch.trouble, watch.is_away)


@pytest.mark.parametrize(
    "name", ["_ALL_BROKERS_DOWN", "_AUTHENTICATION", "_SSL"]
)
def test_brokers_are_away_when_none_can_be_used(watch, name):
    """
    One connection that breaks is not all of them.
    """
    watch.heard("_TRANSPORT", "Disconnected")
    before = watch.is_away
    watch.heard(name, "why")

    assert not before
    assert watch.is_away


def test_last_reason_is_not_hidden_by_its_consequence(watch):
    """
    That all are down says less than why the last of them is.
    """
    watch.heard("_SSL", "certificate verify failed")
    watch.heard("_ALL_BROKERS_DOWN", "1/1 brokers are down")

    assert "certificate verify failed" == watch.trouble


def test_watch_without_anybody_to_tell_is_silent(clock):
    """
    While a handler is made there is no worker yet.
    """
    watch = Watch("clicks")
    for _ in range(20):
        watch.look(1)
        clock[0] += 1
    watch.look(0)
