"""
What ``mllog.config.check`` finds in configurations, and what it never does.
"""

from __future__ import annotations

import json
import logging.config
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mllog import config
from mllog.checks import Finding
from mllog.errors import ConfigError

ROTATING = "logging.handlers.RotatingFileHandler"
OURS = "mllog.TimestampedRotatingFileHandler"

INI = """\
[loggers]
keys = root

[handlers]
keys = out, file

[formatters]
keys = long

[logger_root]
level = INFO
handlers = out, file

[handler_out]
class = StreamHandler
args = (sys.stdout,)

[handler_file]
class = handlers.RotatingFileHandler
formatter = long
maxBytes = 1048576
backupCount = 5
args = ("{folder}/run.log",)

[formatter_long]
format =
    %(asctime)s %(levelname)s
    %(message)s
"""


@pytest.fixture(autouse=True)
def given(monkeypatch):
    """
    The settings of presets that have no default.
    """
    monkeypatch.setenv("MLLOG_S3_BUCKET", "models")
    monkeypatch.setenv("MLLOG_KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    monkeypatch.setenv("MLLOG_KAFKA_TOPIC", "records")


def make(handler=None, **more):
    """
    A configuration with one handler *h* on the root logger.
    """
    made = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"h": handler or {"class": "logging.NullHandler"}},
        "root": {"handlers": ["h"]},
    }
    return {**made, **more}


def ini(tmp_path, handler, formatter="", extra=""):
    """
    The path of an INI file with one handler *h* on the root logger.
    """
    path = tmp_path / "log.ini"
    path.write_text(
        f"{extra}\n[loggers]\nkeys = root\n"
        "[handlers]\nkeys = h\n"
        f"[formatters]\nkeys = {'f' if formatter else ''}\n"
        "[logger_root]\nhandlers = h\n"
        f"[handler_h]\n{handler}\n"
        + (f"formatter = f\n[formatter_f]\n{formatter}\n" if formatter else "")
    )
    return path


def only(found):
    """
    The one finding there is.
    """
    assert len(found) == 1, list(map(str, found))
    return found[0]


# --- presets, and what is right ---


@pytest.mark.parametrize("name", config.preset_names())
@pytest.mark.parametrize("kind", ["dictconfig", "fileconfig"])
@pytest.mark.parametrize("untrusted", [False, True])
def test_check_of_a_shipped_preset_finds_nothing(name, kind, untrusted):
    """
    Every preset, JSON and INI, is clean, even as an untrusted one.
    """
    path = str(config.preset_file(name, kind))

    found = config.check(path, untrusted=untrusted)

    if kind == "fileconfig" and name.startswith("s3"):
        assert {"error"} == {each.severity for each in found}
        assert all("bucket is empty" in each.problem for each in found)
    elif kind == "fileconfig" and name.endswith("kafka"):
        assert ["bootstrap_servers is empty", "topic is empty"] == [
            each.problem.removeprefix("KafkaHandler: ") for each in found
        ]
    else:
        assert [] == found


@pytest.mark.parametrize("name", ["s3", "s3-payloads"])
def test_check_of_an_s3_preset_in_ini_with_its_bucket_finds_nothing(
    name, tmp_path
):
    """
    The bucket is all that an INI preset for S3 has to be told.
    """
    path = tmp_path / "log.ini"
    text = config.preset_file(name, "fileconfig").read_text()
    path.write_text(text.replace("s3_bucket =", "s3_bucket = models"))

    assert [] == config.check(path, untrusted=True)


@pytest.mark.parametrize("name", ["s3", "s3-payloads"])
def test_check_of_an_s3_preset_without_its_variable_names_it(
    name, monkeypatch
):
    """
    A preset without a bucket is one error, and it says what to set.
    """
    monkeypatch.delenv("MLLOG_S3_BUCKET")

    finding = only(config.check(str(config.preset_file(name))))

    assert "error" == finding.severity
    assert "MLLOG_S3_BUCKET is not set" in finding.problem
    assert "set MLLOG_S3_BUCKET" in finding.fix


@pytest.mark.parametrize("name", config.preset_names())
def test_check_of_a_preset_as_dict_finds_nothing(name):
    """
    A dict is checked as a file is.
    """
    assert [] == config.check(config.preset(name, level="DEBUG"))


def test_check_of_stdlib_rotation_done_right_finds_nothing(tmp_path):
    """
    A stdlib configuration without mistakes has no finding.
    """
    handler = {
        "class": ROTATING,
        "filename": str(tmp_path / "a.log"),
        "maxBytes": 1000,
        "backupCount": 2,
        "encoding": "utf-8",
        "delay": True,
    }

    assert [] == config.check(make(handler))


def test_check_leaves_the_dict_as_it_was():
    """
    Unlike dictConfig, check changes nothing in what it is given.
    """
    given = config.preset("inference")
    before = json.dumps(given)

    config.check(given, untrusted=True)

    assert before == json.dumps(given)


# --- INI ---


def test_check_of_dead_rotation_keys_names_line_section_and_key(tmp_path):
    """
    maxBytes and backupCount as keys of an INI section are two errors.
    """
    path = tmp_path / "logging.config"
    path.write_text(INI.format(folder=tmp_path))

    found = [str(each) for each in config.check(path)]

    assert any(
        f"{path}:21 [handler_file] maxBytes: error: fileConfig ignores" in each
        and '{"maxBytes": 1048576}' in each
        for each in found
    )
    assert any(f"{path}:22 [handler_file] backupCount" in e for e in found)


def test_check_of_format_on_its_own_lines_warns_of_blank_line(tmp_path):
    """
    A format that begins below its = sign is reported with its line.
    """
    path = tmp_path / "logging.config"
    path.write_text(INI.format(folder=tmp_path))

    found = config.check(path)

    assert (
        Finding(
            "warning",
            f"{path}:26 [formatter_long] format",
            "the format begins with a line break: a blank line before every"
            " record",
            "begin it behind the = sign",
        )
        in found
    )


def test_check_of_ini_agrees_with_what_fileconfig_builds(tmp_path):
    """
    Where check says that the keys are ignored, the handler has zeros.
    """
    path = tmp_path / "logging.ini"
    path.write_text(INI.format(folder=tmp_path))

    logging.config.fileConfig(path, disable_existing_loggers=False)

    handler = logging.getLogger().handlers[-1]
    assert (0, 0) == (handler.maxBytes, handler.backupCount)


@pytest.mark.parametrize("where", ["default", "section"])
def test_check_of_ini_key_that_is_interpolated_finds_nothing(tmp_path, where):
    """
    A key of [DEFAULT], or one that %(key)s takes in, is no dead key.
    """
    key = f"folder = {tmp_path}"
    handler = 'class = FileHandler\nargs = ("%(folder)s/a.log",)'
    if where == "section":
        path = ini(tmp_path, f"{handler}\n{key}")
    else:
        path = ini(tmp_path, handler, extra=f"[DEFAULT]\n{key}\nother = 1")

    assert [] == config.check(path)


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        ('class = FileHandler\nargs = ("/tmp/a.log")', "a comma is missing"),
        ("class = StreamHandler\nargs = (", "not valid Python"),
        ("class = StreamHandler\nargs = (1, 2)", "at most 1 args"),
        ("args = ()", "without a class"),
        ("class = StreamHandler\nlevel = 10", "unknown level"),
        ("class = StreamHandler\nformatter = x", "no formatter is called 'x'"),
        ("class = StreamHandler\nargs = ('%(x)s',)", "%(x)s is defined"),
        ("class = Streamhandler2", ""),
        ("class = handlers.RotatingHandler", "there is no class"),
        ("class = NullHandler\nfilter = x", "fileConfig ignores filter"),
        (
            'class = mllog.ConsoleHandler\nkwargs = {"stream": "ext://x.y"}',
            "as mere text",
        ),
    ],
)
def test_check_of_ini_handler_mistake_says_it(tmp_path, handler, said):
    """
    Each mistake that fileConfig would trip over is named; foreign is left.
    """
    found = config.check(ini(tmp_path, handler))

    assert said in " ".join(map(str, found))
    assert bool(said) == bool(found)


def test_check_of_ini_formatter_option_is_sent_to_formatter_options(tmp_path):
    """
    fileConfig gives a formatter only format, datefmt and style.
    """
    path = ini(
        tmp_path, "class = mllog.ConsoleHandler",
        "class = mllog.JSONFormatter\nnan = string",
    )  # fmt: skip

    finding = only(config.check(path))

    assert finding.place == f"{path}:15 [formatter_f] nan"
    assert '"formatter_options": {"nan": …}' in finding.fix


def test_check_of_ini_sections_reports_both_directions(tmp_path):
    """
    A name without a section and a section without a name are both found.
    """
    path = tmp_path / "log.ini"
    path.write_text(
        "[loggers]\nkeys = root, app\n[handlers]\nkeys = consle\n"
        "[logger_root]\nhandlers =\n[handler_console]\nclass = NullHandler\n"
    )

    found = "\n".join(map(str, config.check(path)))

    assert "log.ini:4 [handlers] keys: error: there is no section" in found
    assert "fix: write console" in found
    assert "log.ini:7 [handler_console]: warning" in found
    assert "[loggers] keys: error: there is no section [logger_app]" in found
    assert "[formatters]: error: the section of formatters" in found


def test_check_of_ini_kwargs_of_ours_checks_nested_filters(tmp_path):
    """
    Filters and formatters in kwargs are checked as those of a dict are.
    """
    path = ini(
        tmp_path,
        "class = mllog.ConsoleHandler\nkwargs = {"
        '"filters": [{"class": "mllog.ContextFiler"}],'
        '"formatter_options": {"class": "mllog.JSONFormatter", "nam": 1}}',
    )

    found = "\n".join(map(str, config.check(path)))

    assert "there is no class mllog.ContextFiler" in found
    assert "write mllog.ContextFilter" in found
    assert "JSONFormatter: unknown option nam; fix: write nan" in found


# --- dictConfig ---


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"version": "1"}, "logging does not know version='1'"),
        ({"handlrs": {}}, "dictConfig does not read handlrs; fix: write"),
        ({"root": {"handlers": ["x"]}}, "no handler is called 'x'"),
        ({"root": {"handlers": "h"}}, "handlers is no list"),
        ({"root": {"handlers": ["h"], "level": "info"}}, "fix: write INFO"),
        ({"root": {"handlers": ["h"], "level": "20"}}, "fix: write INFO"),
        ({"root": {"handler": ["h"]}}, "of a logger; fix: write handlers"),
        ({"filters": None}, "filters is no mapping"),
        ({"formatters": {"f": {"fmt": "x"}}}, "fix: write format"),
        (
            {"filters": {"f": {"class": "mllog.ContextFilter"}}},
            'passes all; fix: write "()" instead of "class"',
        ),
        ({"formatters": {"f": {"format": "{m}"}}}, "is not for style %"),
        ({"loggers": {"a": {"propagate": "no"}}}, "is text, which is true"),
        ({"handlers": {"h": {"class": "NullHandler"}}}, "has no module"),
        ({"handlers": {"h": {"class": "mllog.JSONFormatter"}}}, "is no hand"),
        ({"handlers": {"h": {}}}, "a handler without a class"),
        ({"root": {"handlers": ["cfg://a.b"]}}, "cfg://a.b leads nowhere"),
    ],
)
def test_check_of_dict_mistake_says_it(more, said):
    """
    Each mistake that dictConfig would trip over, or pass over, is named.
    """
    found = config.check(make(**more))

    assert said in "\n".join(map(str, found))


def test_check_of_missing_version_and_disable_existing_says_both():
    """
    version is an error, disable_existing_loggers a warning.
    """
    found = config.check({})

    assert ["error", "warning"] == [each.severity for each in found]
    assert "version" in found[0].problem
    assert "disable_existing_loggers" in found[1].problem


def test_check_of_formatter_by_class_reports_dropped_options():
    """
    Beside class dictConfig drops options, and the fix is ().
    """
    found = config.check(
        make(
            {"class": "logging.StreamHandler", "formatter": "f"},
            formatters={"f": {"class": "mllog.JSONFormatter", "nan": "null"}},
        )
    )

    finding = only(found)
    assert finding.place == "formatters.f.nan"
    assert '"()" instead of "class"' in finding.fix


@pytest.mark.parametrize(
    ("handler", "place", "said"),
    [
        (
            {"class": OURS, "filename": "a", "max_bytes": 1},
            "max_bytes",
            "write maxBytes",
        ),
        ({"class": OURS, "filename": "a", "maxBytes": "10XB"}, "maxBytes", ""),
        ({"class": OURS, "filename": "a", "when": "noon"}, "when", "S, M, H"),
        ({"class": OURS, "filename": "a", "mode": "midnight"}, "mode", "when"),
        ({"class": OURS, "filename": "a", "permissions": "9"}, "permissions", ""),
        ({"class": OURS, "filename": "a", "compress": "2"}, "compress", ""),
        ({"class": OURS}, None, "needs the option filename"),
        ({"class": "mllog.ConsoleHandler", "piped": "jsn"}, "piped", "json"),
        ({"class": "mllog.LatencyCSVHandler", "filename": "a", "labels": 3},
         "labels", "list"),
        ({"class": "mllog.RichHandler", "markupp": True}, "markupp", "markup"),
        ({"class": ROTATING, "filename": "a", "maxBytes": "1MB"},
         "maxBytes", "whole number"),
        ({"class": "logging.FileHandler", "filename": "a", "encoding": "u9"},
         "encoding", "unknown encoding"),
        ({"class": "logging.StreamHandler", "stream": "stdout"},
         "stream", "ext://sys.stdout"),
        ({"class": "logging.handlers.TimedRotatingFileHandler",
          "filename": "a", "when": "daily"}, "when", "MIDNIGHT"),
    ],
)  # fmt: skip
def test_check_of_wrong_option_says_place_and_fix(handler, place, said):
    """
    An option with a wrong name or value is found without a handler made.
    """
    found = config.check(make(handler))

    where = "handlers.h" + (f".{place}" if place else "")
    mine = [str(each) for each in found if each.place == where]
    assert mine and said in mine[0]


@pytest.mark.parametrize(
    "handler",
    [
        {"class": "mllog.RichHandler", "markup": True, "level": "INFO"},
        {"class": "mllog.ConsoleHandler", "color": None, "piped": "json"},
        {"()": "mllog.handlers.ConsoleHandler", "stream": "ext://sys.stdout"},
        {"class": "their.own.Handler", "anything": "goes"},
        {"class": "logging.handlers.SysLogHandler", "address": "/dev/log"},
    ],
)
def test_check_of_right_options_finds_nothing(handler):
    """
    Options that are passed on to a base class, and foreign ones, are right.
    """
    assert [] == config.check(make(handler))


@pytest.mark.parametrize(
    "formatter",
    [
        {"()": "mllog.JSONFormatter", "rename_fields": {"a": "b"}},
        {"()": "mllog.JSONFormatter", "format": "a,b", "style": ","},
        {"()": "mllog.TextFormatter", "format": "%(message)s"},
        {"format": "{message}", "style": "{"},
    ],
)
def test_check_of_right_formatter_finds_nothing(formatter):
    """
    Every option that a formatter or its base takes is right.
    """
    handler = {"class": "logging.StreamHandler", "formatter": "f"}

    assert [] == config.check(make(handler, formatters={"f": formatter}))


# --- handlers that send over a network ---

SYSLOG = "mllog.SyslogHandler"
SENDS_OPEN = {"class": SYSLOG, "address": "tcp://log.example"}
SPOOLED = {"spool": "overflow", "spool_dir": "{folder}/spool"}


def filled(handler, tmp_path):
    """
    *handler* with the test's folder in its values.
    """
    return {
        key: value.replace("{folder}", str(tmp_path))
        if isinstance(value, str)
        else value
        for key, value in handler.items()
    }


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("address", "htp://a:1", "unknown scheme"),
        ("address", ["a", 70_000], "1 to 65535"),
        ("socktype", "udp", "contradicts"),
        ("facility", "locl0", "write local0"),
        ("rfc", 5425, "5424"),
        ("fields", "jsn", "write json"),
        ("level_severities", {"AUDIT": "notce"}, "write notice"),
        ("enterprise_id", "me", "32473"),
        ("sequence_id", "perhaps", "true or false"),
        ("max_message_bytes", 100, "480"),
        ("framing", "lf", "octet-counting"),
        ("timeout", "soon", "number"),
        ("overflow", "drop_old", "write drop_oldest"),
        ("block_seconds", -1, "number"),
        ("max_queue_records", 0, "1 or more"),
        ("max_queue_bytes", "2KiB", "holds at least one record"),
        ("max_record_bytes", "2XB", "10MB"),
        ("batch_records", "all", "1 or more"),
        ("batch_bytes", 12, "1KiB"),
        ("linger_seconds", "x", "number"),
        ("max_age_seconds", "old", "number"),
        ("send_timeout_seconds", 0, "number"),
        ("retry_max_seconds", "x", "number"),
        ("close_timeout_seconds", -1, "number"),
        ("spool", "on", "overflow"),
        ("spool", "always", "add spool_dir"),
        ("spool_dir", "{folder}", "without a spool"),
        ("spool_max_bytes", "much", "10MB"),
        ("spool_fsync", "yes", "interval"),
        ("ca_file", "ca.pem", "has no TLS"),
        ("key_password", "hunter2", "has no TLS"),
        ("adress", "a", "write address"),
    ],
)
def test_check_of_wrong_syslog_option_says_place_and_fix(
    option, value, said, tmp_path
):
    """
    Each option of SyslogHandler is read as its constructor reads it.
    """
    handler = filled({**SENDS_OPEN, option: value}, tmp_path)

    found = config.check(make(handler))

    finding = only(found)
    places = {"handlers.h." + each for each in (option, "address")}
    assert "error" == finding.severity and finding.place in places
    assert said in str(finding) and "hunter2" not in str(finding)
    with pytest.raises(ValueError):
        logging.config.dictConfig(make(handler))


def test_check_of_many_wrong_syslog_options_finds_each():
    """
    The first mistake of a handler does not hide the others.
    """
    wrong = {"facility": "x", "fields": "y", "overflow": "z", "rfc": "1"}

    found = config.check(make({**SENDS_OPEN, **wrong}))

    assert [f"handlers.h.{option}" for option in sorted(wrong)] == sorted(
        each.place for each in found
    )


@pytest.mark.parametrize(
    "handler",
    [
        {},
        {"address": ["a", 514], "socktype": "ext://socket.SOCK_STREAM"},
        {"address": "cfg://x.y", "ca_file": "ca.pem"},
        {"address": "/dev/log", "ca_file": "", "spool_dir": "", "timeout": ""},
        {"facility": 3, "rfc": 3164, "fields": "text", "sequence_id": False},
        {"address": "tcp://a", "framing": "newline", "linger_seconds": 0},
        {"address": "tls://a", **SPOOLED, "max_age_seconds": None},
        {"fields": "json", "formatter": "j"},
        {"max_queue_bytes": "8KiB", "max_record_bytes": "2KiB"},
        {"max_queue_bytes": "8KiB", "max_record_bytes": "cfg://x.y"},
        {"dead_letter_file": "{folder}/letters.jsonl"},
    ],
)
def test_check_of_right_syslog_options_finds_nothing(handler, tmp_path):
    """
    What the constructor takes, and what is only known later, is no finding.
    """
    found = config.check(
        make(
            filled({"class": SYSLOG, **handler}, tmp_path),
            formatters={"j": {"()": "mllog.JSONFormatter"}}
            if "formatter" in handler
            else {},
            x={"y": "cfg://x.z", "z": 1},
        )
    )

    assert [] == [each for each in found if "x" != each.place]


@pytest.mark.parametrize(
    ("handler", "option", "said"),
    [
        ({**SPOOLED, "max_age_seconds": 9}, "max_age_seconds", "with a spool"),
        (
            {"spool": "overflow", "spool_dir": "{folder}/open"},
            "spool_dir",
            "written by others",
        ),
        (
            {"spool": "overflow", "spool_dir": "{folder}/file/spool"},
            "spool_dir",
            "is no folder",
        ),
        (
            {"address": "tls://a", "key_file": __file__},
            "key_file",
            "cert_file beside it",
        ),
        (
            {"address": "tls://a", "ca_file": "{folder}/open"},
            "ca_file",
            "cannot be read",
        ),
    ],
)
def test_check_of_options_that_do_not_go_together_is_an_error(
    handler, option, said, tmp_path
):
    """
    A spool and the files of TLS are looked at, and nothing is made.
    """
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "file").touch()

    found = config.check(make(filled({**SENDS_OPEN, **handler}, tmp_path)))

    finding = only(found)
    assert ("error", f"handlers.h.{option}") == (
        finding.severity,
        finding.place,
    )
    assert said in str(finding)
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize(
    ("handler", "option", "said"),
    [
        (
            {"spool": "always", "spool_dir": "{folder}/spool"},
            "spool",
            "UDP has no receipts",
        ),
        ({"framing": "newline"}, "framing", "no effect"),
        ({"address": "tls://a", "verify": "no"}, "verify", "whoever answers"),
        (
            {"address": "tls://a", "ca_file": "{folder}/none.pem"},
            "ca_file",
            "nothing is sent until it is",
        ),
        (
            {"dead_letter_file": "{folder}/none/letters"},
            "dead_letter_file",
            "is dropped",
        ),
        ({"formatter": "j"}, "", '"fields": "json"'),
        (
            {
                "class": "logging.handlers.SysLogHandler",
                "address": ["a", 514],
                "socktype": "ext://socket.SOCK_STREAM",
            },
            "socktype",
            "mllog.SyslogHandler, which takes its arguments",
        ),
    ],
)
def test_check_of_syslog_that_runs_but_not_as_meant_warns(
    handler, option, said, tmp_path
):
    """
    What is promised in vain, or sent twice or unread, is a warning.
    """
    found = config.check(
        make(
            filled({"class": SYSLOG, **handler}, tmp_path),
            formatters={"j": {"()": "mllog.JSONFormatter"}}
            if "formatter" in handler
            else {},
        )
    )

    finding = only(found)
    assert ("warning", f"handlers.h.{option}".rstrip(".")) == (
        finding.severity,
        finding.place,
    )
    assert said in str(finding)


def test_check_of_stdlib_syslog_over_tcp_in_ini_warns(tmp_path):
    """
    A constant of socket is known in INI too, as fileConfig evaluates it.
    """
    found = config.check(
        ini(
            tmp_path,
            "class = handlers.SysLogHandler\n"
            'args = (("a", 514), 1, handlers.socket.SOCK_STREAM)',
        )
    )

    assert "never" not in str(only(found))
    assert "not made again" in str(only(found))


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="dictConfig takes handlers from 3.12 on"
)
def test_check_of_queue_before_shipper_says_that_it_is_needless():
    """
    A shipper has a queue and a thread of its own.
    """
    found = config.check(
        make(
            handlers={
                "h": {
                    "class": "logging.handlers.QueueHandler",
                    "handlers": ["s"],
                },
                "s": {"class": SYSLOG},
            }
        )
    )

    assert "needless" in str(only(found))


# --- wiring ---


def test_check_of_filter_on_logger_warns():
    """
    A filter on a logger does not see the records of its children.
    """
    found = config.check(
        make(
            filters={"f": {"name": "app"}},
            root={"handlers": ["h"], "filters": ["f"]},
        )
    )

    finding = only(found)
    assert ("warning", "root.filters[0]") == (finding.severity, finding.place)


def test_check_of_redaction_on_logger_is_an_error():
    """
    Redaction that children's records pass by is no mere warning.
    """
    found = config.check(
        make(
            filters={"f": {"()": "their.RedactingFilter"}},
            loggers={"app": {"filters": ["f"]}},
        )
    )

    finding = only(found)
    assert ("error", "loggers.app.filters[0]") == (
        finding.severity,
        finding.place,
    )


def test_check_of_what_nothing_uses_warns():
    """
    Handlers, formatters and filters that nobody names are found.
    """
    found = config.check(
        make(
            formatters={"f": {}},
            filters={"g": {}},
            root={"handlers": []},
        )
    )

    assert {"handlers.h", "formatters.f", "filters.g"} == {
        each.place for each in found
    }


@pytest.mark.parametrize(
    ("loggers", "twice"),
    [
        ({"a": {"handlers": ["h"]}}, True),
        ({"a": {"handlers": ["h"], "propagate": False}}, False),
        ({"a": {"propagate": False}, "a.b": {"handlers": ["h"]}}, False),
        ({"a": {"level": "INFO"}, "a.b": {"handlers": ["h"]}}, True),
    ],
)
def test_check_of_handler_on_parent_and_child_warns_if_records_meet_it_twice(
    loggers, twice
):
    """
    What counts is whether a record of the child goes on to the parent.
    """
    found = config.check(make(loggers=loggers))

    assert twice == any("twice" in each.problem for each in found)


def test_check_of_memory_handler_before_ours_warns_of_late_values():
    """
    A handler that hands records on later gives ours values of later.
    """
    found = config.check(
        make(
            {
                "class": "logging.handlers.MemoryHandler",
                "capacity": 10,
                "target": "c",
            }
        )
        | {
            "handlers": {
                "h": {
                    "class": "logging.handlers.MemoryHandler",
                    "capacity": 10,
                    "target": "c",
                },
                "c": {"class": "mllog.ConsoleHandler"},
            }
        }
    )

    assert "values are read later" in only(found).problem


@pytest.mark.parametrize("with_filter", [False, True])
def test_check_of_queue_handler_asks_for_context_filter(with_filter):
    """
    A QueueHandler without ContextFilter loses the bound context.
    """
    handler = {
        "class": "logging.handlers.QueueHandler",
        "queue": "ext://app.queue",
        "filters": ["c"] if with_filter else [],
    }
    filters = {"c": {"()": "mllog.ContextFilter"}} if with_filter else {}

    found = config.check(make(handler, filters=filters))

    assert with_filter != any("ContextFilter" in each.fix for each in found)


@pytest.mark.parametrize("with_filter", [False, True])
@pytest.mark.parametrize(
    "handler",
    [
        {"class": "logging.handlers.QueueHandler", "queue": "ext://app.queue"},
        {"class": "logging.handlers.MemoryHandler", "capacity": 9},
        {
            "class": "logging.handlers.MemoryHandler",
            "capacity": 9,
            "target": "c",
        },
        {"class": "logging.handlers.SocketHandler", "host": "h", "port": 9},
        {"class": "logging.handlers.DatagramHandler", "host": "h", "port": 9},
    ],
    ids=["queue", "memory", "memory-before-ours", "socket", "datagram"],
)
def test_check_says_where_the_context_is_not_taken(handler, with_filter):
    """
    What keeps records, or sends them as they are, needs a ContextFilter.
    """
    handler = handler | {"filters": ["f"] if with_filter else []}
    filters = {"f": {"()": "mllog.ContextFilter"}} if with_filter else {}
    given = make(handler, filters=filters)
    if "target" in handler:
        given["handlers"]["c"] = {"class": "mllog.ConsoleHandler"}

    found = config.check(given)

    says = any("context of mllog.bind" in each.problem for each in found)
    assert says is not with_filter


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="dictConfig takes handlers from 3.12 on"
)
def test_check_of_queue_handler_before_ours_warns_of_late_values():
    """
    From 3.12 on a QueueHandler names the handlers behind it.
    """
    found = config.check(
        make()
        | {
            "handlers": {
                "h": {
                    "class": "logging.handlers.QueueHandler",
                    "handlers": ["c"],
                },
                "c": {"class": "mllog.ConsoleHandler"},
            }
        }
    )

    assert "values are read later" in only(found).problem


def test_check_of_rich_handler_that_raises_offers_ours():
    """
    rich's own RichHandler is reported with the one that does not raise.
    """
    found = config.check(make({"class": "rich.logging.RichHandler"}))

    assert "mllog.RichHandler" in only(found).fix


# --- files ---


def test_check_of_stdlib_file_in_missing_folder_is_an_error(tmp_path):
    """
    FileHandler does not make its folder, and neither does check.
    """
    folder = tmp_path / "logs"
    handler = {
        "class": "logging.FileHandler",
        "filename": str(folder / "a.log"),
    }

    finding = only(config.check(make(handler)))

    assert ("error", "handlers.h.filename") == (
        finding.severity,
        finding.place,
    )
    assert not folder.exists()


def test_check_of_our_file_in_missing_folder_finds_nothing(tmp_path):
    """
    mllog's handlers make the folder later; check makes none.
    """
    handler = {
        "class": OURS,
        "filename": "a.log",
        "directory": tmp_path / "a" / "b",
    }

    assert [] == config.check(make(handler))
    assert not (tmp_path / "a").exists()


def test_check_of_folder_below_a_file_says_it_cannot_be_made(tmp_path):
    """
    A folder cannot be made where a file stands.
    """
    (tmp_path / "logs").write_text("")
    handler = {
        "class": OURS,
        "filename": "a.log",
        "directory": str(tmp_path / "logs" / "b"),
    }

    finding = only(config.check(make(handler)))

    assert finding.place == "handlers.h.directory"
    assert "is no folder" in finding.problem


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX users")
@pytest.mark.parametrize("name", ["a.log", "below/a.log"])
def test_check_of_folder_without_rights_is_an_error(name):
    """
    The rights that count are those of the user who runs check.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        given = make({"class": OURS, "filename": f"{folder}/{name}"})
        config.check(given)  # so that all is imported
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            found = config.check(given)
        finally:
            os.seteuid(user)

    assert "cannot be written" in only(found).problem


def test_check_of_file_shared_with_stdlib_rotation_is_an_error(tmp_path):
    """
    When one handler renames the file, the other goes on in the old one.
    """
    name = str(tmp_path / "a.log")
    given = make(root={"handlers": ["h", "r"]})
    given["handlers"] = {
        "h": {"class": "logging.FileHandler", "filename": name},
        "r": {
            "class": ROTATING,
            "filename": name,
            "maxBytes": 9,
            "backupCount": 1,
        },
    }

    finding = only(config.check(given))

    assert "the same file as handler 'h'" in finding.problem


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"maxBytes": 9}, "backupCount 0 never rotates"),
        ({"backupCount": 9}, "without maxBytes never rotates"),
    ],
)
def test_check_of_half_a_rotation_warns(tmp_path, options, said):
    """
    RotatingFileHandler needs maxBytes and backupCount to rotate.
    """
    handler = {
        "class": ROTATING,
        "filename": str(tmp_path / "a.log"),
        **options,
    }

    assert said in only(config.check(make(handler))).problem


def test_check_of_retention_without_rotation_warns(tmp_path):
    """
    backupCount without maxBytes and when deletes nothing, ours included.
    """
    handler = {"class": OURS, "filename": tmp_path / "a", "backupCount": "3"}

    assert only(config.check(make(handler))).place == "handlers.h.backupCount"


# --- environment ---


def test_check_of_unknown_setting_names_the_nearest():
    """
    ext://mllog.env.X is known before it runs.
    """
    handler = {
        "class": "mllog.ConsoleHandler",
        "piped": "ext://mllog.env.PIPD",
    }

    finding = only(config.check(make(handler)))

    assert finding.fix == "write ext://mllog.env.PIPED"


def test_check_of_bad_variable_names_it_once(monkeypatch):
    """
    A variable with a value that cannot work is one finding.
    """
    monkeypatch.setenv("MLLOG_MAX_BYTES", "abc")

    finding = only(config.check(config.preset("files")))

    assert "MLLOG_MAX_BYTES='abc'" in finding.problem


def test_check_of_misspelt_variable_names_the_right_one(monkeypatch):
    """
    MLLOG_MAXBYTES would have no effect.
    """
    monkeypatch.setenv("MLLOG_MAXBYTES", "1MB")
    monkeypatch.setenv("MLLOG_SOMETHING_ELSE", "1")

    finding = only(config.check(config.preset("files")))

    assert "write MLLOG_MAX_BYTES" == finding.fix


def test_check_beside_the_foreign_mllog_reports_it(tmp_path, monkeypatch):
    """
    The package called mllog on the index is somebody else's.
    """
    info = tmp_path / "mllog-0.0.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: mllog\nVersion: 0.0.9\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    finding = only(config.check(make()))

    assert finding.severity == "error"
    assert "somebody else's package" in finding.problem


# --- places ---


def test_check_of_json_gives_lines_and_repeated_keys(tmp_path):
    """
    A place in JSON has the line of the key, and keys twice are found.
    """
    path = tmp_path / "log.json"
    path.write_text(
        '{"version": 1, "disable_existing_loggers": false,\n'
        ' "handlers": {"a.b": {\n'
        '   "class": "logging.NullHandler",\n'
        '   "levl": "{[,\\"",\n'
        '   "level": 10, "level": "INFO"}},\n'
        ' "root": {"handlers": [\n'
        '   "a.b",\n'
        '   "c"]}}\n'
    )

    found = [each.place for each in config.check(path)]

    assert [
        f'{path}:4 handlers."a.b".levl',
        f'{path}:5 handlers."a.b".level',
        f"{path}:8 root.handlers[1]",
    ] == found


def test_check_of_yaml_gives_lines(tmp_path):
    """
    A place in YAML has the line of the key; aliases do no harm.
    """
    pytest.importorskip("yaml")
    path = tmp_path / "log.yaml"
    path.write_text(
        "version: 1\ndisable_existing_loggers: false\n"
        "x-own: &own [*own]\n"
        "handlers:\n  h:\n    class: logging.NullHandler\n    levl: *own\n"
        "root: {handlers: [h]}\n"
    )

    found = config.check(path, untrusted=True)

    assert only(found).place == f"{path}:7 handlers.h.levl"


def test_check_of_toml_gives_lines(tmp_path):
    """
    A place in TOML has the line of the key.
    """
    path = tmp_path / "log.toml"
    path.write_text(
        "version = 1\ndisable_existing_loggers = false\n"
        '[handlers.h]\nclass = "logging.NullHandler"\nlevl = "INFO"\n'
        '[root]\nhandlers = ["h"]\n'
    )

    assert only(config.check(path)).place == f"{path}:5 handlers.h.levl"


def test_finding_as_text_is_one_line_whatever_it_names():
    """
    Names of a configuration cannot break a line or send ANSI codes.
    """
    found = config.check(make(root={"handlers": ["h", "a\nb\x1b[31m"]}))

    text = str(only(found))

    assert text.isprintable()


# --- secrets ---


def test_check_never_shows_a_secret(tmp_path):
    """
    Values under names of secrets, and code in INI, are not repeated.
    """
    first = make({"class": "logging.NullHandler", "password": "hunter2"})
    second = ini(
        tmp_path,
        "class = handlers.SMTPHandler\npassword = 123456\n"
        'args = ("%(no)s hunter2", (hunter2',
    )

    found = [*config.check(first), *config.check(second, untrusted=True)]

    said = " ".join(map(str, found))
    assert found
    assert "hunter2" not in said and "123456" not in said


@pytest.mark.parametrize("name", ["a.ini", "b.ini", "c.yaml", "d.json"])
def test_check_of_invalid_file_does_not_quote_it(tmp_path, name):
    """
    The error about a file that cannot be parsed shows no line of it.
    """
    text = {
        "a.ini": "[x]\npassword hunter2",
        "b.ini": "hunter2",
        "c.yaml": "a: 1\nb: hunter2: 3",
        "d.json": '{"password": "hunter2",}',
    }[name]
    (tmp_path / name).write_text(text)

    with pytest.raises(ConfigError) as caught:
        config.check(tmp_path / name)

    assert "hunter2" not in str(caught.value)


# --- S3 ---

S3 = "mllog.S3Handler"
PAYLOADS = "mllog.S3PayloadHandler"
STORES = {"class": S3, "bucket": "models"}
HOLDS = {"class": PAYLOADS, "bucket": "models"}
ROTATES = {"class": OURS, "filename": "{folder}/a.log", "maxBytes": 1000}
CHAIN = "credentials come from boto3's own chain"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("bucket", "", "MLLOG_S3_BUCKET"),
        ("bucket", "s3://models/x", "give the rest of the URL as prefix"),
        ("bucket", "my bucket", "bucket"),
        ("prefix", "a/../b", "'..'"),
        ("compression", "gzp", "write gzip"),
        ("compression_level", 9, "0 to 3"),
        ("create_only", "perhaps", "true or false"),
        ("server_side_encryption", "AES", "AES256"),
        ("kms_key_id", "k", 'server_side_encryption="aws:kms"'),
        ("tags", {str(n): "x" for n in range(11)}, "at most 10"),
        ("metadata", {"who": "Zoë"}, "ASCII"),
        ("key_template", "{user}/{sequence}", 'key_fields=["user"]'),
        ("key_template", "{host}-{sequence}", "does not tell objects apart"),
        ("key_fields", ["user"], "key_template does not use user"),
        ("endpoint_url", "minio:9000", "https://s3.example.com"),
        ("client_config", {"timeout": 3}, "botocore.config.Config"),
        ("client_config", "path", "a mapping"),
        ("connect_timeout_seconds", 0, "greater than 0"),
        ("parallel_uploads", 0, "1 or more"),
        ("batch_bytes", 12, "1KiB"),
        ("max_queue_bytes", "2KiB", "holds at least one record"),
        ("spool", "always", "add spool_dir"),
        ("buckett", "a", "write bucket"),
    ],
)
def test_check_of_wrong_s3_option_says_place_and_fix(option, value, said):
    """
    Each option of S3Handler is read as its constructor reads it.
    """
    handler = {**STORES, option: value}

    finding = only(config.check(make(handler)))

    assert "error" == finding.severity
    assert finding.place in {f"handlers.h.{option}", "handlers.h"}
    assert said in str(finding)
    with pytest.raises(ValueError):
        logging.config.dictConfig(make(handler))


@pytest.mark.parametrize(
    "handler",
    [
        STORES,
        HOLDS,
        {**STORES, "bucket": "cfg://x.y", "endpoint_url": "cfg://x.y"},
        {**STORES, "endpoint_url": "http://localhost:9000"},
        {**STORES, "endpoint_url": "https://s3.example.com", "region": "x"},
        {
            **STORES,
            "server_side_encryption": "aws:kms",
            "kms_key_id": "alias/logs",
            "tags": {"team": "vision"},
            "client_config": {"s3": {"addressing_style": "path"}},
        },
        {
            **STORES,
            "key_template": "model={model_name}/dt={date}/"
            "{host}-{pid}-{start}-{sequence}",
            "key_fields": "model_name",
        },
        {**HOLDS, "sampling": {"every": 10, "keep_level": None}},
        {**HOLDS, "payload_fields": "image, tokens", "max_queue_bytes": "2GB"},
        {
            **ROTATES,
            "on_rotate": {
                "class": "mllog.S3Archive",
                "bucket": "models",
                "spool_dir": "{folder}/spool",
            },
        },
        {**ROTATES, "on_rotate": {"class": "my.Archive", "any": 1}},
    ],
)
@pytest.mark.parametrize("spool", [False, True])
def test_check_of_right_s3_options_finds_nothing(handler, spool, tmp_path):
    """
    What the constructor takes, and what is only known later, is no finding.
    """
    more = SPOOLED if spool and "bucket" in handler else {}
    given = filled({**handler, **more}, tmp_path)
    if isinstance(given.get("on_rotate"), dict):
        given["on_rotate"] = filled(given["on_rotate"], tmp_path)

    found = config.check(make(given, x={"y": "cfg://x.z", "z": 1}))

    assert [] == [each for each in found if "x" != each.place]


@pytest.mark.parametrize(
    ("handler", "option"),
    [
        ({"aws_access_key_id": "AKIA"}, "aws_access_key_id"),
        ({"aws_secret_access_key": "hunter2"}, "aws_secret_access_key"),
        ({"access_key": "hunter2"}, "access_key"),
        ({"client_config": {"aws_session_token": "hunter2"}}, "client_config"),
        ({"endpoint_url": "https://me:hunter2@s3.example"}, "endpoint_url"),
    ],
)
@pytest.mark.parametrize("base", [STORES, HOLDS])
def test_check_of_credentials_in_s3_options_sends_to_the_chain(
    base, handler, option
):
    """
    Keys and passwords in a configuration are an error that shows none of them.
    """
    finding = only(config.check(make({**base, **handler})))

    assert "error" == finding.severity
    assert finding.place.startswith(f"handlers.h.{option}")
    assert CHAIN in finding.fix and "hunter2" not in str(finding)


@pytest.mark.parametrize(
    ("handler", "option", "said"),
    [
        (
            {**STORES, "linger_seconds": 60, "max_age_seconds": 30},
            "linger_seconds",
            "sent before they are too old",
        ),
        (
            {**STORES, "max_age_seconds": 60},
            "max_age_seconds",
            "linger_seconds=60",
        ),
        ({**STORES, "linger_seconds": 300}, "linger_seconds", "300"),
        (
            {**STORES, "kms_key_id": "k", "server_side_encryption": "AES256"},
            "kms_key_id",
            "aws:kms",
        ),
        (
            {**STORES, "compression": "none", "compression_level": 1},
            "compression_level",
            "without compression",
        ),
        ({**HOLDS, "sampling": {"rate": 2}}, "sampling.rate", "0 to 1"),
        ({**HOLDS, "sampling": {"rte": 1, "rate": 1}}, "sampling.rte", "rate"),
        ({**HOLDS, "sampling": {"by": "id"}}, "", "write rate=0.1"),
        (
            {**HOLDS, "sampling": {"rate": 1, "class": "x"}},
            "sampling.class",
            "unknown option class",
        ),
        (
            {**STORES, "spool": "always", "spool_dir": 5},
            "spool_dir",
            "expected a path",
        ),
        (
            {**STORES, "spool": "always", "spool_dir": "a\0"},
            "spool_dir",
            "expected a path",
        ),
        ({**HOLDS, "sampling": "all"}, "sampling", "a mapping"),
        ({**HOLDS, "formatter": "t"}, "formatter", "cannot format the index"),
        (
            {"class": "mllog.S3Archive", "bucket": "models", "spool_dir": "s"},
            "",
            "stores files, not records",
        ),
        (
            {**ROTATES, "on_rotate": {"bucket": "models"}},
            "on_rotate",
            "no class",
        ),
        (
            {**ROTATES, "on_rotate": {"class": S3, "bucket": "models"}},
            "on_rotate",
            "cannot be called with a path",
        ),
        (
            {
                **ROTATES,
                "on_rotate": {"class": "mllog.S3Archive", "bucket": "models"},
            },
            "on_rotate",
            "needs the option spool_dir",
        ),
        (
            {
                **ROTATES,
                "on_rotate": {
                    "class": "mllog.S3Archive",
                    "bucket": "models",
                    "spool_dir": "s",
                    "key_fields": ["user"],
                },
            },
            "on_rotate.key_fields",
            "unknown option key_fields",
        ),
        (
            {
                **ROTATES,
                "on_rotate": {
                    "class": "mllog.S3Archive",
                    "bucket": "models",
                    "spool_dir": "s",
                    "key_template": "{date}/{user}",
                },
            },
            "on_rotate.key_template",
            "user",
        ),
    ],
)
def test_check_of_s3_parts_that_do_not_go_together_is_an_error(
    handler, option, said, tmp_path, monkeypatch
):
    """
    What would be refused, lost or never stored is said at its place.
    """
    monkeypatch.chdir(tmp_path)
    given = {"class": "mllog.ConsoleHandler", **filled(handler, tmp_path)}
    formatters = {"t": {"()": "mllog.TextFormatter"}}

    found = config.check(
        make(given, formatters=formatters if "formatter" in given else {})
    )

    finding = only(found)
    assert ("error", f"handlers.h.{option}".rstrip(".")) == (
        finding.severity,
        finding.place,
    )
    assert said in str(finding)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("handler", "option", "said"),
    [
        (
            {**STORES, "endpoint_url": "http://10.0.0.1:9000"},
            "endpoint_url",
            "whoever is on the way reads",
        ),
        (
            {**HOLDS, "max_payload_bytes": "1GB"},
            "max_payload_bytes",
            "are dropped",
        ),
    ],
)
def test_check_of_s3_that_runs_but_not_as_meant_warns(handler, option, said):
    """
    What goes in the open, or has no room, is a warning.
    """
    finding = only(config.check(make(handler)))

    assert ("warning", f"handlers.h.{option}") == (
        finding.severity,
        finding.place,
    )
    assert said in str(finding)


@pytest.mark.parametrize("kind", ["QueueHandler", "MemoryHandler"])
def test_check_of_a_payload_handler_behind_another_warns_once(kind):
    """
    Payloads have to be encoded at the log call, which a queue would prevent.
    """
    key = "handlers" if kind == "QueueHandler" else "target"
    before = {"class": f"logging.handlers.{kind}", "capacity": 10}
    before[key] = ["p"] if kind == "QueueHandler" else "p"
    if kind == "QueueHandler":
        del before["capacity"]

    found = config.check(make(handlers={"h": before, "p": HOLDS}))

    said = [each for each in found if "encoded later" in each.problem]
    assert "handlers.h" == only(said).place


@pytest.mark.parametrize(
    ("package", "handler", "severity", "fix"),
    [
        ("boto3", STORES, "error", "mllog-handlers[s3]"),
        ("isal", STORES, "warning", "mllog-handlers[s3]"),
        (
            "backports.zstd",
            {**STORES, "compression": "zstd"},
            "error",
            "mllog-handlers[zstd]",
        ),
    ],
)
def test_check_of_s3_without_a_package_names_what_to_install(
    package, handler, severity, fix, monkeypatch
):
    """
    A package that is missing is said before the configuration runs.
    """
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, "compression", None)

    finding = only(config.check(make(handler)))

    assert severity == finding.severity
    assert fix in finding.fix and package in finding.problem


@pytest.mark.parametrize(
    ("given", "place", "said"),
    [
        ({"every": 0}, ".every", "1 or more"),
        ({"rate": 0.5, "every": 2}, ".rate", "write rate=0.1, or every=10"),
        ({}, "", "write rate=0.1, or every=10"),
        ({"rate": 0.5, "keep_level": "LOUD"}, ".keep_level", "ERROR"),
        ({"rate": 0.5, "bye": "request_id"}, ".bye", "write by"),
    ],
)
def test_check_of_wrong_sampling_says_place_and_fix(given, place, said):
    """
    A SamplingFilter is read as its constructor reads it.
    """
    handler = {"class": "mllog.ConsoleHandler", "filters": ["s"]}
    filters = {"s": {"()": "mllog.SamplingFilter", **given}}

    finding = only(config.check(make(handler, filters=filters)))

    assert ("error", f"filters.s{place}") == (finding.severity, finding.place)
    assert said in str(finding)


def test_check_of_s3_in_ini_reads_kwargs(tmp_path):
    """
    The options of INI are looked at too, and the place is that of kwargs.
    """
    path = ini(
        tmp_path,
        'class = mllog.S3Handler\nargs = ("models", "a")\n'
        'kwargs = {"kms_key_id": "k", "tags": {"a": "b"}}',
    )

    finding = only(config.check(path))

    assert "[handler_h] kwargs" in finding.place
    assert "without KMS" in finding.problem


def test_check_of_untrusted_on_rotate_takes_ours_and_refuses_others(tmp_path):
    """
    The archive is plain data; any other class there would be code.
    """
    archive = {
        "class": "mllog.S3Archive",
        "bucket": "models",
        "spool_dir": "s",
    }
    for on_rotate, refused in (
        (archive, 0),
        ({"class": "os.system"}, 1),
        ({"()": "evil.run", "bucket": "models"}, 1),
        ({**archive, "bucket": "ext://os.environ"}, 1),
    ):
        handler = filled({**ROTATES, "on_rotate": on_rotate}, tmp_path)

        found = config.check(make(handler), untrusted=True)

        assert refused == sum("untrusted:" in each.problem for each in found)


# --- untrusted ---


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"handlers": {"h": {"class": "evil.Handler"}}}, "handlers.h.class"),
        ({"handlers": {"h": {"()": "os.system"}}}, 'handlers.h.()'),
        ({"handlers": {"h": {"()": "logging.os.system"}}}, "handlers.h.()"),
        ({"handlers": {"h": {"()": "logging.config.fileConfig"}}},
         "handlers.h.()"),
        ({"handlers": {"h": {"class": "mllog.ConsoleHandler",
                             ".": {"a": 1}}}}, 'handlers.h."."'),
        ({"handlers": {"h": {"class": OURS, "filename": "a",
                             "on_rotate": "os.system"}}},
         "handlers.h.on_rotate"),
        ({"handlers": {"h": {"class": "logging.StreamHandler",
                             "stream": "ext://os.environ"}}},
         "handlers.h.stream"),
        ({"handlers": {"h": {"class": "cfg://x"}}, "x-": "os.system"},
         "handlers.h.class"),
        ({"formatters": {"f": {"()": "mllog.JSONFormatter",
                               "json_default": "os.system"}}},
         "formatters.f.json_default"),
        ({"formatters": {"f": {"class": "evil.F"}}}, "formatters.f.class"),
        ({"x-": ["ext://mllog.env.os"]}, "x-[0]"),
        ({"x-": ["ext://sys.stdout.x"]}, "x-[0]"),
    ],
)  # fmt: skip
def test_check_of_untrusted_dict_refuses_foreign_code(more, place):
    """
    Whatever dictConfig would import beyond logging and mllog is an error.
    """
    found = config.check(make(**more), untrusted=True)

    refused = [each for each in found if "untrusted:" in each.problem]
    assert place == only(refused).place
    assert "untrusted:" not in " ".join(map(str, config.check(make(**more))))


@pytest.mark.parametrize(
    ("handler", "key"),
    [
        ("class = __import__('os').system", "class"),
        ("class = evil.Handler", "class"),
        ("class = StreamHandler\nargs = (open('x', 'w'),)", "args"),
        ("class = StreamHandler\nargs = ([[os.environ]],)", "args"),
        ("class = StreamHandler\nkwargs = dict(stream=sys.stdout)", "kwargs"),
        ('class = NullHandler\nkwargs = {"level": 1, **x}', "kwargs"),
        (
            'class = mllog.ConsoleHandler\nkwargs = {"filters": "os.system"}',
            "kwargs",
        ),
        (
            "class = mllog.ConsoleHandler\nkwargs ="
            ' {"formatter_options": {"class": "os.system"}}',
            "kwargs",
        ),
    ],
)
def test_check_of_untrusted_ini_refuses_code(tmp_path, handler, key):
    """
    Whatever fileConfig would import or evaluate beyond literals is an error.
    """
    path = ini(tmp_path, handler)

    found = config.check(path, untrusted=True)

    refused = [each for each in found if "untrusted:" in each.problem]
    assert only(refused).place.endswith(f"[handler_h] {key}")


def test_check_of_untrusted_ini_takes_literals_and_streams(tmp_path):
    """
    Literals and sys.stdout are what args are for.
    """
    path = ini(tmp_path, "class = StreamHandler\nargs = (sys.stdout,)")

    assert [] == config.check(path, untrusted=True)


@pytest.mark.parametrize(
    ("prefix", "passes"),
    [("their", True), ("their.", True), ("the", False), ("their.H", True)],
)
def test_check_of_untrusted_takes_what_is_allowed(prefix, passes):
    """
    A prefix ends at a dot of the name.
    """
    given = make({"class": "their.H"})

    found = config.check(given, untrusted=True, allow=[prefix])

    assert passes == (not found)


# --- what check never does ---

_AUDITED = """
import json, os, sys
from mllog import config
sys.path.insert(0, {folder!r})
seen = []
def hook(event, args):
    if event.startswith(("subprocess", "os.system", "os.exec", "os.spawn",
                         "os.posix_spawn", "os.fork", "socket", "os.mkdir",
                         "os.remove", "os.rename", "os.chmod", "pty")):
        seen.append(event)
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append(f"{{event}} {{args[:2]}}")
    if event == "open" and isinstance(args[2], int) and (
        args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    ):
        seen.append(f"{{event}} {{args}}")
    if event == "import" and args[0].split(".")[0] in ("evil", "antigravity"):
        seen.append(f"{{event}} {{args[0]}}")
    if event == "exec" and "touch ran" in args[0].co_consts:
        seen.append(event)
sys.dont_write_bytecode = True
sys.addaudithook(hook)
before = set(sys.modules)
for path in {paths!r}:
    for untrusted in (False, True):
        found = config.check(path, untrusted=untrusted)
        assert found or not untrusted
new = {{name.split(".")[0] for name in set(sys.modules) - before}}
known = set(sys.stdlib_module_names) | {{
    "mllog", "rich", "pythonjsonlogger", "orjson", "yaml", "_yaml",
    "markdown_it", "mdurl", "pygments", "typing_extensions",
}}
print(json.dumps([seen, sorted(new - known)]))
"""


def test_check_imports_and_runs_nothing_foreign(tmp_path):
    """
    An audit hook sees no foreign import, no process, no socket, no writing.
    """
    (tmp_path / "evil.py").write_text("open('ran', 'w')\n")
    code = "__import__('os').system('touch ran')"
    bad_ini = ini(
        tmp_path,
        f"class = evil.Handler\nargs = ({code},)\nkwargs = dict(a={code})",
        f"class = evil.Formatter\ndefaults = {code}",
    )
    bad_json = tmp_path / "log.json"
    bad_json.write_text(
        json.dumps(
            make(
                {
                    "class": OURS,
                    "filename": str(tmp_path / "new" / "a.log"),
                    "on_rotate": "evil.run",
                    "formatter": "f",
                },
                formatters={
                    "f": {"()": "mllog.JSONFormatter", "json_default": "evil"}
                },
                filters={"f": {"()": "antigravity.x"}},
                loggers={
                    "a": {"handlers": ["ext://evil.x", "ext://mllog.evil"]}
                },
                more={"()": "mllog.__main__.main"},
            )
        )
    )

    done = subprocess.run(
        [
            sys.executable,
            "-c",
            _AUDITED.format(
                folder=str(tmp_path), paths=[str(bad_ini), str(bad_json)]
            ),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(config.__file__).parents[1]),
        },
        capture_output=True,
        text=True,
    )

    assert done.stderr == ""
    assert [[], []] == json.loads(done.stdout)
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "new").exists()
