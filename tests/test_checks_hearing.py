"""
mllog check on levels and places where summaries and drift are not heard.
"""

import logging.config

import pytest

import mllog
from mllog import config

BOTH = pytest.mark.parametrize("cls", ["SummaryHandler", "DriftHandler"])
LOGGERS = {"SummaryHandler": "mllog.summary", "DriftHandler": "mllog.drift"}


def make(cls, *, root=None, loggers=None, console=None, **options):
    """
    A configuration with a handler *h* and a console on the root logger.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {
            "h": {"class": f"mllog.{cls}", **options},
            "console": {"class": "mllog.ConsoleHandler", **(console or {})},
        },
        "loggers": loggers or {},
        "root": {
            "level": "INFO",
            "handlers": ["h", "console"],
            **(root or {}),
        },
    }


def found(made):
    """
    The findings, as text.
    """
    return [str(each) for each in config.check(made)]


@BOTH
@pytest.mark.parametrize(
    "root", [{"level": "WARNING"}, {"level": 40}, {"level": None}]
)
def test_root_above_info_is_one_finding(cls, root):
    """
    What is logged at INFO never gets there; without a level it is WARNING.
    """
    (finding,) = found(make(cls, root=root))

    assert finding.startswith("root.level: warning: the root logger is at")
    assert f"does not get to {cls}" in finding


@BOTH
def test_handler_above_info_measures_nothing(cls):
    """
    Numbers are logged at INFO, whatever the handler's own records are.
    """
    (finding,) = found(make(cls, level="WARNING"))

    assert finding.startswith("handlers.h.level")
    assert "measures nothing" in finding


@BOTH
def test_own_logger_above_its_records_is_found(cls):
    """
    What the handler logs has a level too.
    """
    (finding,) = found(make(cls, loggers={LOGGERS[cls]: {"level": "ERROR"}}))

    assert f'loggers."{LOGGERS[cls]}".level' in finding
    assert f"of {cls}" in finding and "do not appear" in finding


def test_root_above_info_silences_the_output_of_what_another_logger_has():
    """
    The application's logger is at INFO, and that of summaries is not.
    """
    made = make(
        "SummaryHandler",
        root={"level": "WARNING", "handlers": ["console"]},
        loggers={"app": {"level": "INFO", "handlers": ["h"]}},
    )

    (finding,) = found(made)

    assert finding.startswith("root.level")
    assert "give mllog.summary the level INFO" in finding


@pytest.mark.parametrize(
    "changes",
    [
        {
            "root": {"handlers": ["h"]},
            "loggers": {"a": {"handlers": ["console"]}},
        },
        {"console": {"level": "ERROR"}},
        {"console": {"class": "logging.NullHandler"}},
        {"console": {"class": "mllog.LatencyCSVHandler", "filename": "l.csv"}},
    ],
)
@BOTH
def test_output_that_no_handler_gets_is_found(cls, changes):
    """
    A summary that nobody writes is no summary.
    """
    (finding,) = found(make(cls, **changes))

    assert finding.startswith("handlers.h: warning: no handler gets")
    assert LOGGERS[cls] in finding


@BOTH
def test_output_that_does_not_propagate_is_found(cls):
    """
    The console of the root logger does not get it then.
    """
    own = {LOGGERS[cls]: {"level": "INFO", "propagate": False}}

    (finding,) = found(make(cls, loggers=own))

    assert "no handler gets" in finding


@pytest.mark.parametrize(
    ("cls", "name", "is_found"),
    [
        ("DriftHandler", "mllog.drift", True),
        ("DriftHandler", "mllog.summary", True),
        ("DriftHandler", "mllog", True),
        ("SummaryHandler", "mllog.summary", True),
        ("SummaryHandler", "mllog.drift", False),
        ("SummaryHandler", "app", False),
    ],
)
def test_handler_where_it_reads_only_its_own_is_found(cls, name, is_found):
    """
    On the logger of drift a summary is meant, and a drift is not.
    """
    made = make(
        cls,
        root={"handlers": ["console"]},
        loggers={name: {"level": "INFO", "handlers": ["h"]}},
    )

    assert is_found == any("does not read" in each for each in found(made))
    assert int(is_found) == len(found(made))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"root": {"level": "NOTSET"}},
        {"root": {"level": "ext://app.LEVEL"}},
        {"loggers": {"app": {"level": "WARNING"}}},
        {
            "root": {"level": "WARNING"},
            "loggers": {
                "app": {"level": "DEBUG"},
                "mllog": {"level": "INFO"},
            },
        },
        {
            "root": {"level": "ERROR", "handlers": []},
            "loggers": {
                "app": {"level": "INFO", "handlers": ["h"]},
                "mllog": {"level": "INFO", "handlers": ["console"]},
            },
        },
    ],
)
@BOTH
def test_what_is_heard_is_left_alone(cls, changes):
    """
    A level that is not known yet, or that another logger has, is no mistake.
    """
    assert [] == found(make(cls, **changes))


@BOTH
@pytest.mark.parametrize("level", ["INFO", "WARNING"])
def test_ini_is_judged_as_json(cls, level, tmp_path):
    """
    The level of a logger is read from either form.
    """
    path = tmp_path / "log.ini"
    path.write_text(
        f"""[loggers]
keys = root
[handlers]
keys = h, console
[formatters]
keys =
[logger_root]
level = {level}
handlers = h, console
[handler_h]
class = mllog.{cls}
args = ()
[handler_console]
class = mllog.ConsoleHandler
args = ()
"""
    )

    findings = [str(each) for each in config.check(str(path))]

    assert (level == "WARNING") == any("does not get" in f for f in findings)
    assert len(findings) == (level == "WARNING")


@pytest.mark.parametrize("level", ["WARNING", "INFO"])
def test_finding_is_true(level, tmp_path):
    """
    Where check is silent the summary is written, and where it warns it is not.
    """
    made = make(
        "SummaryHandler",
        root={"level": level},
        console={
            "class": "mllog.TimestampedRotatingFileHandler",
            "filename": str(tmp_path / "log.txt"),
        },
    )
    is_found = bool(found(made))
    logging.config.dictConfig(made)
    logging.getLogger("app").info("x", extra={"inference_latency": 0.1})
    mllog.shutdown(10)

    written = (tmp_path / "log.txt").read_text()
    assert is_found == ("inference_latency: 1 in" not in written)
