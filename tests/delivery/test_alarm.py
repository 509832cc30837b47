"""
What wakes the worker, and what lets it sleep.
"""

import threading
import time

from mllog.delivery.alarm import Alarm


def test_alarm_not_set_asks_for_more_than_any_queue_holds():
    """
    No number of records or bytes rings before the worker says what does.
    """
    alarm = Alarm()

    assert alarm.records > 10**12
    assert alarm.bytes > 10**12


def test_alarm_set_for_records_alone_never_rings_for_bytes():
    """
    What is not given is never reached.
    """
    alarm = Alarm()
    alarm.set(3, 500)
    alarm.set(7)

    assert alarm.records == 7
    assert alarm.bytes > 10**12


def test_alarm_that_rang_is_not_set_any_more():
    """
    It rings once, and not again until the worker says when.
    """
    alarm = Alarm()
    alarm.set(0, 1)
    alarm.ring()

    assert alarm.records > 10**12
    assert alarm.bytes > 10**12


def test_doze_ends_when_it_rings():
    """
    A worker that sleeps for a minute is up at once.
    """
    alarm = Alarm()
    timer = threading.Timer(0.05, alarm.ring)
    timer.start()
    began = time.monotonic()

    rang = alarm.doze(60)

    timer.join()
    assert rang
    assert time.monotonic() - began < 5


def test_doze_ends_with_its_time():
    """
    Nobody rings, and it is told so.
    """
    began = time.monotonic()

    rang = Alarm().doze(0.05)

    assert not rang
    assert time.monotonic() - began >= 0.04


def test_doze_for_less_than_nothing_returns_at_once():
    """
    A time that is over already is no error.
    """
    assert not Alarm().doze(-1.0)


def test_ring_before_the_doze_is_not_lost():
    """
    A worker that is about to sleep does not sleep.
    """
    alarm = Alarm()
    alarm.ring()

    assert alarm.doze(60)
    assert not alarm.doze(0)
