"""
mllog.options: what configuration files say becomes what is meant.
"""

import collections
import logging
import logging.config
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mllog
from mllog import options


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (10, 10),
        (1.5e6, 1_500_000),
        ("10", 10),
        ("10MB", 10**7),
        ("10 mb", 10**7),
        ("64KiB", 65536),
        ("1.5GB", 1_500_000_000),
        (".5KB", 500),
        (" 1TiB ", 2**40),
        ("3B", 3),
    ],
)
def test_size_is_in_bytes(value, expected):
    """
    Numbers and texts with a unit are bytes.
    """
    assert options.size("x", value) == expected


@pytest.mark.parametrize(
    "value",
    ["", "MB", "10XB", "-1", "1e3", -1, True, None, math.nan, math.inf, [1]],
)
def test_size_something_else_raises(value):
    """
    What is no size is refused.
    """
    with pytest.raises(mllog.ConfigError, match="x="):
        options.size("x", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3), ("3", 3), (3.0, 3), (" 7 ", 7), (2**53 + 1, 2**53 + 1)],
)
def test_integer_is_whole(value, expected):
    """
    Whole numbers pass, as text too, of any size.
    """
    assert options.integer("x", value) == expected
    assert options.integer("x", str(2**53 + 1)) == 2**53 + 1


@pytest.mark.parametrize(
    "value", [1.5, "1.5", "", "x", None, True, math.nan, math.inf, -1, [1]]
)
def test_integer_something_else_raises(value):
    """
    Fractions, bools and numbers below the minimum are refused.
    """
    with pytest.raises(mllog.ConfigError, match="0 or more"):
        options.integer("x", value)


@pytest.mark.parametrize(
    ("value", "expected"), [(1, 1.0), ("0.5", 0.5), (1e-9, 1e-9)]
)
def test_number_is_finite_and_above(value, expected):
    """
    Numbers above the bound pass, as text too.
    """
    assert options.number("x", value) == expected


@pytest.mark.parametrize(
    "value", [0, -1, "nan", math.inf, True, None, "x", 10**400]
)
def test_number_something_else_raises(value):
    """
    Zero, infinities and what is no number are refused.
    """
    with pytest.raises(mllog.ConfigError, match="greater than 0"):
        options.number("x", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        ("TRUE", True),
        ("yes", True),
        ("on", True),
        ("1", True),
        ("False", False),
        ("no", False),
        ("off", False),
        ("", False),
    ],
)
def test_boolean_is_understood(value, expected):
    """
    The words of INI files and the environment are understood.
    """
    assert options.boolean("x", value) is expected


@pytest.mark.parametrize("value", ["maybe", 2, None, []])
def test_boolean_something_else_raises(value):
    """
    Nothing is true by accident.
    """
    with pytest.raises(mllog.ConfigError, match="true or false"):
        options.boolean("x", value)


def test_choice_wrong_word_names_the_nearest():
    """
    A misspelt word is answered with the right one.
    """
    assert options.choice("x", "json", ("json", "text")) == "json"
    with pytest.raises(mllog.ConfigError, match="write json"):
        options.choice("x", "jsn", ("json", "text"))
    with pytest.raises(mllog.ConfigError, match="one of json, text"):
        options.choice("x", None, ("json", "text"))


@pytest.mark.parametrize("value", ["", None, 3, b"x"])
def test_text_something_else_raises(value):
    """
    Empty text and other things are refused.
    """
    assert options.text("x", "a") == "a"
    with pytest.raises(mllog.ConfigError, match="text"):
        options.text("x", value)


def test_names_are_a_list_or_a_text_with_commas():
    """
    Both forms give a tuple of names.
    """
    assert options.names("x", "a, b,,c ") == ("a", "b", "c")
    assert options.names("x", ["a", "b"]) == ("a", "b")
    assert options.names("x", ()) == ()


@pytest.mark.parametrize("value", [None, 3, [1], [""], b"ab", {"a"}])
def test_names_something_else_raises(value):
    """
    What is no list of names is refused.
    """
    with pytest.raises(mllog.ConfigError, match="list of names"):
        options.names("x", value)


def test_names_and_mapping_of_dictconfig_are_resolved():
    """
    ext:// inside dictConfig's own list and dict is resolved.
    """
    config = logging.config.DictConfigurator(
        {"names": ["ext://os.sep"], "mapping": {"a": "ext://os.sep"}}
    ).config

    assert options.names("x", config["names"]) == (os.sep,)
    assert options.mapping("x", config["mapping"]) == {"a": os.sep}


def test_mapping_is_a_copy():
    """
    What the parser gives is the handler's own.
    """
    given_one = {"a": 1}

    found = options.mapping("x", given_one)
    found["b"] = 2

    assert given_one == {"a": 1}
    assert options.mapping("x", None) == {}
    for wrong in ([1], "a", {1: 2}):
        with pytest.raises(mllog.ConfigError, match="mapping"):
            options.mapping("x", wrong)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("debug", "DEBUG"),
        (" Info ", "INFO"),
        ("10", 10),
        (7, 7),
        ("WARN", "WARN"),
    ],
)
def test_level_is_what_logging_knows(value, expected):
    """
    Names in any case and numbers are levels.
    """
    assert options.level("x", value) == expected


def test_level_of_the_application_is_known():
    """
    A level that was added keeps the case it was given.
    """
    logging.addLevelName(7, "Trace")
    try:
        assert options.level("x", "Trace") == "Trace"
    finally:
        logging._nameToLevel.pop("Trace")
        logging._levelToName.pop(7)


@pytest.mark.parametrize(
    "value", ["loud", "", "²", "Level 10", None, True, 1.5]
)
def test_level_something_else_raises(value):
    """
    What logging would not take is refused.
    """
    with pytest.raises(mllog.ConfigError, match="DEBUG, INFO"):
        options.level("x", value)


def test_optional_is_none_for_nothing():
    """
    None and empty text are None, all else is parsed.
    """
    assert options.optional(options.size, "x", None) is None
    assert options.optional(options.size, "x", "") is None
    assert options.optional(options.size, "x", "1KB") == 1000


@pytest.mark.parametrize(
    ("dotted", "expected"),
    [
        ("os.path.join", os.path.join),
        ("mllog.JSONFormatter", mllog.JSONFormatter),
        ("collections", collections),
        (len, len),
    ],
)
def test_load_gives_the_object(dotted, expected):
    """
    A dotted name is imported, and anything else is given back.
    """
    assert options.load("x", dotted) is expected


@pytest.mark.parametrize(
    "dotted", ["", ".", "..a", "no_such", "os.no_such", "os..path", "os.sep.x"]
)
def test_load_unknown_name_raises(dotted):
    """
    What cannot be imported is named.
    """
    with pytest.raises(mllog.ConfigError, match="dotted name"):
        options.load("x", dotted)


@given(value=st.one_of(st.text(), st.integers(), st.floats(), st.none()))
def test_parsers_any_value_is_parsed_or_refused(value):
    """
    No parser raises anything but a ConfigError.
    """
    for parse in (
        options.size,
        options.integer,
        options.number,
        options.boolean,
        options.text,
        options.names,
        options.mapping,
        options.level,
    ):
        try:
            parse("x", value)
        except mllog.ConfigError as error:
            assert "x=" in str(error)


@pytest.fixture(name="home")
def _home(tmp_path, monkeypatch):
    """
    A home directory, and another folder to be in.
    """
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_path_takes_a_tilde_for_the_home_directory(home):
    """
    As a shell does; what is no user's name stays a name.
    """
    assert f"{home}/logs" == options.path("directory", "~/logs")
    assert str(home) == options.path("directory", "~")
    assert "~backup" == options.path("filename", "~backup")
    assert "a/~/b" == options.path("filename", "a/~/b")
    assert "b" == options.path("filename", b"b")


@pytest.mark.parametrize("value", ["~no-such-user/x", "", "a\0b", 3, None])
def test_path_that_cannot_be_is_refused(value):
    """
    No folder is made that is called like a user.
    """
    with pytest.raises(mllog.ConfigError, match="directory="):
        options.path("directory", value)


def _spooled(folder):
    return {
        "spool": "always",
        "spool_dir": f"{folder}/spool",
        "dead_letter_file": f"{folder}/letters",
    }


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("TimestampedRotatingFileHandler", {"filename": "~/a/x.log"}),
        (
            "TimestampedRotatingFileHandler",
            {"filename": "x.log", "directory": "~/a"},
        ),
        (
            "TimestampedRotatingFileHandler",
            {"filename": "~/a/x.log", "directory": "elsewhere"},
        ),
        ("LatencyCSVHandler", {"filename": "x.csv", "directory": "~/a"}),
        (
            "LatencyCSVHandler",
            {"filename": "~/x.csv", "summary_filename": "~/s.csv"},
        ),
        ("TensorBoardHandler", {"log_dir": "~/runs"}),
        ("PrometheusHandler", {"port": None, "textfile": "~/a.prom"}),
        ("SyslogHandler", {"address": "tcp://127.0.0.1:9", **_spooled("~")}),
        ("S3Handler", {"bucket": "logs", **_spooled("~")}),
        (
            "KafkaHandler",
            {
                "bootstrap_servers": "127.0.0.1:9",
                "topic": "t",
                **_spooled("~"),
            },
        ),
        ("OTLPHandler", {"endpoint": "http://127.0.0.1:9", **_spooled("~")}),
        ("S3Archive", {"bucket": "logs", "spool_dir": "~/spool"}),
    ],
    ids=str,
)
def test_no_path_option_makes_a_folder_called_tilde(home, kind, given):
    """
    Whatever takes a path takes the home directory for the tilde.
    """
    handler = getattr(mllog, kind)(**given)
    try:
        handler.handle(
            logging.makeLogRecord(
                {
                    "msg": "x",
                    "levelno": logging.INFO,
                    "inference_latency": 0.1,
                    "metrics": {"loss": 0.1},
                }
            )
        )
        handler.flush()
    finally:
        handler.close()

    assert [] == os.listdir(os.curdir)
    paths = (
        getattr(handler, name, None)
        for name in ("baseFilename", "log_dir", "spool_folder")
    )
    assert all(str(home) in path for path in paths if path)


class Thing:
    @options.checked
    def __init__(self, filename, *, maxBytes=0, password=None):
        self.size = options.size("maxBytes", maxBytes)


class Special(Thing):
    pass


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"filename": "f", "max_bytes": 1},
            ["unknown option max_bytes", "write maxBytes"],
        ),
        ({"filename": "f", "maxBytes": "big"}, ["maxBytes='big'"]),
        ({}, ["needs the option filename"]),
        ({"filename": "f", "pasword": "p"}, ["write password"]),
        ({"filename": "f", "passwords": "x"}, ["unknown option passwords\n"]),
    ],
)
def test_checked_names_class_option_and_fix(arguments, expected):
    """
    Unknown, missing and wrong options name the class that was made.
    """
    with pytest.raises(mllog.ConfigError) as caught:
        Special(**arguments)

    assert str(caught.value).startswith("Special: ")
    assert all(words in str(caught.value) for words in expected)
    assert "hunter2" not in str(caught.value)


def test_rebuild_adds_options_to_those_given():
    """
    Another object is made, with what the first was given and more.
    """
    made = Thing("f", maxBytes=10)

    other = options.rebuild(made, {"maxBytes": "1KB"})

    assert (made.size, other.size) == (10, 1000)
    assert options.rebuild(made, {}) is made
    with pytest.raises(mllog.ConfigError, match="Formatter takes no"):
        options.rebuild(logging.Formatter(), {"x": 1})
