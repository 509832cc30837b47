"""
mllog.ConsoleHandler: for people on a terminal, for programs in a pipe.
"""

import configparser
import io
import json
import logging
import logging.config
import os
import subprocess
import sys
import textwrap

import pytest

import mllog
from mllog.accounting import Stats

PROGRAM = """
import logging, mllog
logger = logging.getLogger("app")
logger.addHandler(mllog.ConsoleHandler({options}))
logger.warning("hello", extra={{"loss": 0.5}})
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


def run(options, **kwargs):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(options=options)],
        check=True,
        capture_output=True,
        timeout=30,
        **kwargs,
    )


def test_piped_stream_gets_text():
    """
    On a pipe the line is text without colour.
    """
    found = run("").stderr.decode()

    assert found.endswith(" WARNING app hello loss=0.5\n")
    assert "\x1b" not in found


def test_piped_stream_gets_json_where_asked():
    """
    With piped="json" each line is a JSON object.
    """
    found = json.loads(run("'stdout', piped='json'").stdout)

    assert found["message"] == "hello"
    assert found["loss"] == 0.5


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_terminal_gets_rich_lines(environ, coloured):
    """
    On a real terminal the line is RichFormatter's, coloured if it may be.
    """
    import pty

    master, slave = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(options="")],
            check=True,
            stderr=slave,
            timeout=30,
            env={**os.environ, **environ},
        )
        found = os.read(master, 65536).decode()
    finally:
        os.close(master)
        os.close(slave)

    assert "WARNING" in found
    assert ("\x1b[" in found) is coloured
    assert "+00:00" not in found
    assert "Z WARNING" not in found  # not the line for pipes


@pytest.mark.parametrize(
    ("environ", "stream", "color", "coloured"),
    [
        ({}, Terminal, None, True),
        ({}, io.StringIO, None, False),
        ({"NO_COLOR": "1"}, Terminal, None, False),
        ({"FORCE_COLOR": "1"}, io.StringIO, None, True),
        ({"TERM": "dumb"}, Terminal, None, False),
        ({"NO_COLOR": "1"}, io.StringIO, "true", True),
        ({}, Terminal, False, False),
    ],
)
def test_colour_follows_option_environment_and_stream(
    environ, stream, color, coloured, monkeypatch, logger
):
    """
    The option wins, then NO_COLOR, FORCE_COLOR and TERM, then the stream.
    """
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    made = stream()
    logger.addHandler(mllog.ConsoleHandler(stream=made, color=color))

    logger.warning("hello")

    assert ("\x1b[" in made.getvalue()) is coloured


@pytest.mark.parametrize("name", ["stderr", "sys.stderr"])
def test_stream_that_was_replaced_is_used(name, logger, monkeypatch):
    """
    A stream given by its name is looked up at each record.
    """
    logger.addHandler(mllog.ConsoleHandler(name))
    streams = [io.StringIO(), io.StringIO()]

    for stream in streams:
        monkeypatch.setattr(sys, "stderr", stream)
        logger.warning("hello")

    assert all("hello" in stream.getvalue() for stream in streams)


class Proxy:
    """
    A stream that logs what is written to it, as Celery's redirected ones.
    """

    def __init__(self, logger):
        self.logger = logger

    def write(self, text):
        self.logger.warning("written: %s", text)

    def flush(self):
        pass


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_stream_that_makes_records_is_passed_by(name, logger, monkeypatch):
    """
    A record is on the process's own stream once, and makes no other record.
    """
    beneath = io.StringIO()
    monkeypatch.setattr(sys, f"__{name}__", beneath)
    logger.addHandler(mllog.ConsoleHandler(name))
    monkeypatch.setattr(sys, name, Proxy(logger))

    logger.info("one")
    logger.info("two")

    assert 2 == len(beneath.getvalue().splitlines())
    assert "written" not in beneath.getvalue()


def test_stream_that_was_set_is_kept(logger, capsys):
    """
    After setStream() the record goes there and nowhere else.
    """
    handler = mllog.ConsoleHandler("stderr")
    logger.addHandler(handler)
    stream = io.StringIO()

    handler.setStream(stream)
    logger.warning("hello")

    assert "hello" in stream.getvalue()
    assert capsys.readouterr().err == ""


def test_stream_that_is_none_is_counted(logger, monkeypatch):
    """
    Without standard error nothing raises, and records are counted.
    """
    monkeypatch.setattr(sys, "stderr", None)
    handler = mllog.ConsoleHandler()
    logger.addHandler(handler)

    logger.warning("hello")
    handler.flush()

    assert handler.stats() == Stats(0, {"no_stream": 1})


@pytest.mark.parametrize("kind", ["closed", "broken"])
def test_stream_that_fails_is_counted(kind, logger, capsys):
    """
    A closed stream and a broken pipe cost records and nothing else.
    """
    stream = Broken() if kind == "broken" else io.StringIO()
    handler = mllog.ConsoleHandler(stream=stream)
    logger.addHandler(handler)
    if kind == "closed":
        stream.close()

    for _ in range(3):
        logger.warning("hello")
    handler.flush()

    reason = "io_error" if kind == "broken" else "format_error"
    assert handler.stats() == Stats(0, {reason: 3})
    assert capsys.readouterr().err.count("Traceback") == 1


def test_pipe_whose_reader_is_gone_does_not_stop_the_program():
    """
    A program whose console is a broken pipe runs to its end.
    """
    program = textwrap.dedent(
        """
        import logging, os, sys, mllog
        read, write = os.pipe()
        handler = mllog.ConsoleHandler(stream=os.fdopen(write, "w"))
        logging.getLogger().addHandler(handler)
        os.close(read)
        for n in range(100):
            logging.warning("x" * 1000)
        print(handler.stats().dropped)
        os._exit(0 if not sys.stdout.flush() else 1)
        """
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.returncode == 0
    assert done.stdout == "{'io_error': 100}\n"


def test_stream_that_is_ascii_gets_escapes(logger):
    """
    What a console's encoding lacks is escaped, not lost.
    """
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    handler = mllog.ConsoleHandler(stream=stream)
    logger.addHandler(handler)

    logger.warning("grüße")

    assert b"gr\\u00fc\\u00dfe" in raw.getvalue()
    assert handler.stats() == Stats(1)


def test_dictconfig_level_formatter_and_stream_hold():
    """
    What dictConfig sets is used as it is.
    """
    stream = io.StringIO()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"own": {"format": "%(levelname)s|%(message)s"}},
            "handlers": {
                "console": {
                    "class": "mllog.ConsoleHandler",
                    "level": "ERROR",
                    "formatter": "own",
                    "stream": stream,
                }
            },
            "loggers": {"test.c": {"handlers": ["console"], "level": "DEBUG"}},
        }
    )

    logging.getLogger("test.c").warning("no")
    logging.getLogger("test.c").error("yes")

    assert stream.getvalue() == "ERROR|yes\n"


def test_fileconfig_level_formatter_and_kwargs_hold(capsys):
    """
    What fileConfig sets is used as it is.
    """
    config = configparser.RawConfigParser()
    config.read_string(
        """
[loggers]
keys=root
[handlers]
keys=console
[formatters]
keys=own
[logger_root]
handlers=console
level=DEBUG
[handler_console]
class=mllog.ConsoleHandler
level=ERROR
args=()
kwargs={"stream": "stdout", "filters": [{"class": "mllog.ContextFilter"}]}
formatter=own
[formatter_own]
format=%(levelname)s|%(message)s
"""
    )

    logging.config.fileConfig(config, disable_existing_loggers=False)
    logging.getLogger("x").warning("no")
    logging.getLogger("x").error("yes")

    assert capsys.readouterr().out == "ERROR|yes\n"
    assert len(logging.root.handlers[0].filters) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"stream": "stdin"}, "stream='stdin'"),
        ({"piped": "xml"}, "piped='xml'"),
        ({"color": "maybe"}, "color='maybe'"),
        ({"colour": True}, "write color"),
        ({"filters": [3]}, "no filter"),
    ],
)
def test_options_wrong_raise_config_error(options, expected):
    """
    A wrong option names the class and the option.
    """
    with pytest.raises(mllog.ConfigError, match="ConsoleHandler") as caught:
        mllog.ConsoleHandler(**options)

    assert expected in str(caught.value)


def test_write_of_ten_records_is_counted(logger):
    """
    stats().written is what was written.
    """
    handler = mllog.ConsoleHandler(stream=io.StringIO())
    logger.addHandler(handler)

    for _ in range(10):
        logger.warning("hello")

    assert handler.stats() == Stats(10)


# --- what others read off it ---


def _copied(handler):
    """
    What logging_redirect_tqdm and others make of a handler.
    """
    copy = logging.StreamHandler(handler.stream)
    copy.setFormatter(handler.formatter)
    copy.setLevel(handler.level)
    copy.filters = list(handler.filters)
    copy.terminator = handler.terminator
    return copy


@pytest.mark.parametrize(
    ("stream", "options"),
    [
        (io.StringIO, {"piped": "json"}),
        (io.StringIO, {"piped": "text"}),
        (Terminal, {}),
        (Terminal, {"color": False}),
        (io.StringIO, {"formatter_options": {"datefmt": "%Y"}}),
        (io.StringIO, {"filters": [{"class": "mllog.ContextFilter"}]}),
    ],
    ids=["json", "text", "terminal", "plain", "options", "filters"],
)
def test_copy_of_what_others_read_writes_the_same(stream, options, logger):
    """
    Formatter, stream, level, filters and terminator make the same lines.
    """
    written = []
    for make in (lambda handler: handler, _copied):
        handler = mllog.ConsoleHandler(stream(), **options)
        handler.setLevel(logging.INFO)
        handler.terminator = "|\n"
        logger.handlers = [make(handler)]
        record = logger.makeRecord(
            "app", 20, "p", 1, "hello", (), None, extra={"loss": 0.5}
        )
        record.created = 1.8e9
        logger.handle(record)
        logger.debug("no")
        written.append(handler.stream.getvalue())

    assert "0.5" in written[0] and written[0].endswith("|\n")
    assert "no\n" not in written[0]
    assert written[0] == written[1]


def test_tqdm_that_redirects_the_console_keeps_its_lines(logger, monkeypatch):
    """
    Inside logging_redirect_tqdm() a pipe still gets JSON.
    """
    redirect = pytest.importorskip("tqdm.contrib.logging")
    handler = mllog.ConsoleHandler(piped="json")
    logger.addHandler(handler)
    # replaced after the handler was made, which finds it all the same
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)

    with redirect.logging_redirect_tqdm(loggers=[logger]):
        assert logger.handlers != [handler]
        logger.info("inside", extra={"loss": 0.4})

    assert json.loads(stream.getvalue())["loss"] == 0.4


def test_basic_config_leaves_the_formatter(monkeypatch):
    """
    basicConfig() gives its format to handlers that have none.
    """
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    stream = io.StringIO()

    logging.basicConfig(handlers=[mllog.ConsoleHandler(stream)])
    root.warning("hello", extra={"loss": 0.5})

    assert stream.getvalue().endswith(" WARNING root hello loss=0.5\n")


@pytest.mark.parametrize("name", ["stderr", "stdout"])
def test_stream_that_is_read_is_the_one_of_now(name, monkeypatch):
    """
    So the console handler is known by its stream, as the stdlib's is.
    """
    handler = mllog.ConsoleHandler(name)
    monkeypatch.setattr(sys, name, io.StringIO())

    assert handler.stream is getattr(sys, name)


def test_stream_that_is_assigned_is_kept(logger, capsys):
    """
    ``handler.stream = …`` is what setStream() does, and sets its formatter.
    """
    handler = mllog.ConsoleHandler()
    logger.addHandler(handler)
    assert type(handler.formatter) is mllog.TextFormatter

    handler.stream = Terminal()
    logger.info("hello")

    assert "hello" in handler.stream.getvalue()
    assert type(handler.formatter) is mllog.RichFormatter
    assert capsys.readouterr().err == ""


def test_formatter_that_is_taken_away_is_the_default_again():
    """
    setFormatter(None) goes back to what fits the stream.
    """
    handler = mllog.ConsoleHandler(io.StringIO(), piped="json")
    own = logging.Formatter()

    handler.setFormatter(own)
    assert handler.formatter is own
    handler.formatter = None

    assert type(handler.formatter) is mllog.JSONFormatter
