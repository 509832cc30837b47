"""
What handlers say on standard error.
"""

import gc
import logging
import sys

import pytest

from mllog import reports
from mllog.errors import EventError
from mllog.reports import Reports


class Owner:
    def __init__(self, name="Handler 'a'"):
        self.name = name

    def label(self):
        return self.name


@pytest.fixture
def owner():
    return Owner()


@pytest.fixture
def clock(monkeypatch):
    """
    Seconds that pass as the test says.
    """

    class Clock:
        now = 1000.0

    monkeypatch.setattr(reports.time, "monotonic", lambda: Clock.now)
    return Clock


def _record():
    return logging.LogRecord(
        "app", 20, "/srv/app.py", 7, "password %s", ("hunter2",), None
    )


def _raised(kind=ValueError, text="bad"):
    try:
        raise kind(text)
    except kind as exc:
        return exc


def test_report_of_a_first_fault_is_complete(owner, capsys):
    """
    It names the handler, the call, and the error with where it came from.
    """
    Reports(owner.label).fault(_raised(), _record())

    said = capsys.readouterr().err
    assert said.startswith("mllog: Handler 'a' failed; ")
    assert "  at the call in /srv/app.py:7, logger app\n" in said
    assert "ValueError: bad\n" in said
    assert "test_reports.py" in said


def test_report_of_a_fault_without_a_record_names_no_call(owner, capsys):
    """
    A worker's fault has no log call.
    """
    Reports(owner.label).fault(_raised())

    said = capsys.readouterr().err
    assert "ValueError: bad" in said
    assert "at the call" not in said


def test_report_never_has_the_message_or_its_arguments(owner, capsys):
    """
    They may be secret.
    """
    Reports(owner.label).fault(_raised(), _record())

    said = capsys.readouterr().err
    assert "password" not in said
    assert "hunter2" not in said


def test_report_of_faults_that_repeat_is_a_count_each_half_minute(
    owner, clock, capsys
):
    """
    A thousand faults are one description, and two lines a minute.
    """
    made = Reports(owner.label)
    for _ in range(1000):
        made.fault(_raised())
    first = capsys.readouterr().err
    clock.now += 30
    made.fault(_raised())
    made.fault(_raised())

    assert 1 == first.count("Traceback")
    assert "more times" not in first
    assert "mllog: Handler 'a': ValueError 1000 more times\n" == (
        capsys.readouterr().err
    )


def test_report_of_another_kind_of_fault_is_complete_at_once(
    owner, clock, capsys
):
    """
    A new kind is news, up to ten of them.
    """
    made = Reports(owner.label)
    kinds = [type(f"Kind{number}", (Exception,), {}) for number in range(12)]
    for kind in kinds:
        made.fault(_raised(kind))

    said = capsys.readouterr().err
    assert 10 == said.count("Traceback")
    assert "Kind9" in said
    assert "Kind10" not in said


@pytest.mark.parametrize("way", ["fault", "say"])
def test_report_where_logging_shall_not_raise_is_silent(
    owner, capsys, monkeypatch, way
):
    """
    ``logging.raiseExceptions`` is the switch that the stdlib has for it.
    """
    monkeypatch.setattr(logging, "raiseExceptions", False)
    made = Reports(owner.label)

    made.say("x") if way == "say" else made.fault(_raised())

    assert "" == capsys.readouterr().err


def test_report_of_a_recursion_is_silent(owner, capsys):
    """
    There is no stack left to say it, and the record is counted.
    """
    Reports(owner.label).fault(_raised(RecursionError))

    assert "" == capsys.readouterr().err


def test_report_of_an_error_that_cannot_be_described_raises_nothing(
    owner, capsys
):
    """
    What fails while it is described is passed over.
    """

    class Nameless(Exception):
        def __str__(self):
            raise ZeroDivisionError

    Reports(owner.label).fault(Nameless())
    Reports(owner.label).fault(None)
    Reports(owner.label).fault(_raised(), object())

    assert "ZeroDivisionError" not in capsys.readouterr().err


class Closed:
    def write(self, text):
        raise ValueError("I/O operation on closed file")


@pytest.mark.parametrize("stream", [None, Closed(), object()])
def test_report_without_a_standard_error_raises_nothing(
    owner, monkeypatch, stream
):
    """
    A daemon may have closed it, or never had one.
    """
    monkeypatch.setattr(sys, "stderr", stream)
    made = Reports(owner.label)

    assert made.say("x") is None
    assert made.fault(_raised()) is None


def test_report_has_the_name_that_the_handler_has_by_then(owner, capsys):
    """
    A configuration names handlers after it made them.
    """
    made = Reports(owner.label)
    owner.name = "Handler 'b'"

    made.say("hello")

    assert "mllog: Handler 'b': hello\n" == capsys.readouterr().err


def test_report_of_a_handler_that_is_gone_has_its_last_name(capsys):
    """
    A worker outlives its handler and keeps it not alive.
    """
    owner = Owner("Handler 'c'")
    made = Reports(owner.label)
    del owner
    gc.collect()

    made.say("still here")

    assert "mllog: Handler 'c': still here\n" == capsys.readouterr().err


def test_error_of_ours_is_said_without_a_traceback(owner, capsys):
    """
    It says what is wrong and how to mend it; our own lines are no use.
    """
    told = Reports(owner.label)

    told.fault(EventError("inputs", "inputs is missing", fix="log it"))
    said = capsys.readouterr().err

    assert "inputs is missing" in said
    assert "fix: log it" in said
    assert "Traceback" not in said


def test_listener_hears_of_everything_instead_of_people(owner, capsys):
    """
    Who tries a handler gets texts and errors, also where logging is silent.
    """
    found = Reports(owner.label)
    heard = []
    found.listener = heard.append
    error = _raised()

    found.say("away")
    found.fault(error, _record())

    assert ["away", error] == heard
    assert ("", "") == tuple(capsys.readouterr())
