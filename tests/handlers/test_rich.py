"""
mllog.RichHandler: rich's columns, with the fields, and never an exception.
"""

import io
import logging
import logging.config
import sys
import typing

import hostile
import pytest
from hypothesis import given, settings
from rich.console import Console

import mllog
from mllog.accounting import Stats


class Broken(io.StringIO):
    def write(self, text):
        raise OSError("gone")


def console(file=None):
    return Console(file=file or io.StringIO(), width=300, color_system=None)


@pytest.fixture
def handler(logger):
    made = mllog.RichHandler(console=console())
    logger.addHandler(made)
    return made


def shown(handler):
    return handler.console.file.getvalue()


def record_of(message, *args, **attributes):
    return logging.makeLogRecord(
        {
            "msg": message,
            "args": args,
            "name": "app",
            "levelname": "INFO",
            "levelno": 20,
            "pathname": "serve.py",
            **attributes,
        }
    )


@given(record=hostile.records())
@settings(max_examples=settings().max_examples // 3)
def test_handle_any_record_is_shown_and_unchanged(record):
    """
    Any record is printed, counted as written, and left as it was.
    """
    handler = mllog.RichHandler(console=console())
    before = hostile.state_of(record)

    handler.handle(record)

    assert handler.stats() == Stats(1)
    assert hostile.state_of(record) == before
    assert "\x1b" not in shown(handler)


def test_fields_are_shown_behind_the_message(handler, logger):
    """
    The fields follow the message, and may be switched off.
    """
    logger.info("hello", extra={"loss": 0.5, "metrics": {"acc": 1}})
    assert "hello  loss=0.5  acc=1" in shown(handler)

    bare = mllog.RichHandler(console=console(), show_fields="no")
    bare.handle(record_of("hello", loss=0.5))
    assert "loss" not in shown(bare)


def test_level_and_formatter_are_kept():
    """
    What dictConfig sets is used as it is.
    """
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"own": {"format": "<%(message)s>"}},
            "handlers": {
                "rich": {
                    "class": "mllog.RichHandler",
                    "level": "ERROR",
                    "formatter": "own",
                    "stream": "stderr",
                    "show_path": False,
                }
            },
            "loggers": {"test.r": {"handlers": ["rich"]}},
        }
    )
    handler = logging.getLogger("test.r").handlers[0]
    handler.console = console()

    logging.getLogger("test.r").warning("no")
    logging.getLogger("test.r").error("yes")

    assert handler.level == logging.ERROR
    assert "<yes>" in shown(handler)
    assert "no" not in shown(handler)


@pytest.mark.parametrize("tracebacks", [False, True])
@pytest.mark.parametrize("formatter", [None, "%(message)s"])
def test_arguments_that_do_not_fit_are_shown(tracebacks, formatter):
    """
    A bad % call is printed with its arguments, also beside a traceback.
    """
    handler = mllog.RichHandler(console=console(), rich_tracebacks=tracebacks)
    if formatter:
        handler.setFormatter(logging.Formatter(formatter))
    record = record_of(
        "%d rows", "many", exc_info=hostile.failed_with(ValueError("x"))
    )

    handler.handle(record)

    assert "'%d rows' % ('many',)" in shown(handler)
    assert handler.stats() == Stats(1)
    assert not hasattr(record, "message")


def test_markup_that_does_not_parse_is_shown_as_it_is():
    """
    A closing tag without an opening one is text.
    """
    handler = mllog.RichHandler(console=console(), markup=True)

    handler.handle(record_of("a [/wrong] tag"))
    handler.handle(record_of("a [bold]right[/bold] tag"))

    assert "a [/wrong] tag" in shown(handler)
    assert "a right tag" in shown(handler)
    assert handler.stats() == Stats(2)


@pytest.mark.parametrize("tracebacks", [False, True])
def test_traceback_is_shown(tracebacks):
    """
    An exception is shown in rich's way or the plain one.
    """
    handler = mllog.RichHandler(console=console(), rich_tracebacks=tracebacks)

    handler.handle(
        record_of(
            "failed", exc_info=hostile.failed_with(ValueError("x")), loss=1
        )
    )

    found = shown(handler)
    assert "ValueError: x" in found
    assert "failed  loss=1" in found
    assert ("╭" in found) is tracebacks


@pytest.mark.parametrize("tracebacks", [False, True])
def test_traceback_with_control_characters_is_escaped(tracebacks):
    """
    ANSI codes in an exception's message do nothing.
    """
    handler = mllog.RichHandler(console=console(), rich_tracebacks=tracebacks)

    handler.handle(
        record_of(
            "failed", exc_info=hostile.failed_with(ValueError("\x1b[2J"))
        )
    )

    assert "\x1b" not in shown(handler)
    assert "\\x1b[2J" in shown(handler)


def test_console_that_is_broken_is_counted(logger, capsys):
    """
    A file that cannot be written costs records, which are counted.
    """
    handler = mllog.RichHandler(console=console(Broken()))
    logger.addHandler(handler)

    for _ in range(3):
        logger.info("hello")

    assert handler.stats() == Stats(0, {"io_error": 3})
    assert capsys.readouterr().err.count("Traceback") == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"show_field": 1}, "write show_fields"),
        ({"rich_traceback": 1}, "write rich_tracebacks"),
        ({"stream": "stdin"}, "stream='stdin'"),
    ],
)
def test_options_wrong_raise_config_error(options, expected):
    """
    A misspelt option is answered with ours or rich's.
    """
    with pytest.raises(mllog.ConfigError, match="RichHandler") as caught:
        mllog.RichHandler(**options)

    assert expected in str(caught.value)


def test_bound_fields_are_shown(handler, logger):
    """
    What is bound is shown like what is given.
    """
    with mllog.bind(request_id="r1"):
        logger.info("hello")

    assert "request_id=r1" in shown(handler)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_stream_that_was_replaced_is_used(name, logger, monkeypatch):
    """
    As rich's own handler it follows sys.stdout, also when the old one closed.
    """
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, name, first)
    handler = mllog.RichHandler(stream=name)
    logger.addHandler(handler)
    logger.info("one")
    monkeypatch.setattr(sys, name, second)
    first.close()

    logger.info("two")

    assert "two" in second.getvalue()
    assert handler.stats().dropped == {}


def test_locals_of_a_traceback_are_cut_with_a_count(logger):
    """
    rich needs quadratic time for a long repr; what is missing is counted.
    """

    class Tensor:
        def __repr__(self):
            return "7" * 3000

    out = io.StringIO()
    handler = mllog.RichHandler(
        console=Console(file=out, width=900, color_system=None),
        rich_tracebacks=True,
        tracebacks_show_locals=True,
        tracebacks_width=800,
    )
    logger.addHandler(handler)

    def fail():
        weights = {"deep": [Tensor()]}
        raise ValueError(len(weights))

    try:
        fail()
    except ValueError:
        logger.exception("failed")

    found = out.getvalue().translate(dict.fromkeys(map(ord, "│ \n")))
    assert f"7…+{3000 - 500}" in found
    assert "7" * 501 not in found


# --- what is shown beyond the plain traceback -------------------------------

SECRET = "".join(("vK7q", "Zr2m", "X9tB", "4nLw"))
REDACTING = [{"class": "mllog.RedactingFilter"}]


class Login(typing.NamedTuple):
    user: str
    password: str


class Client:
    def __init__(self, key):
        self.key = key

    def __repr__(self):
        return f"Client(host='db', api_key='{self.key}')"


class Tree:
    def __init__(self, key):
        self.key = key

    def __rich_repr__(self):
        yield "host", "db"
        yield "password", self.key


def local_values(secret):
    """
    Where a local variable can have a secret.
    """
    return {
        "password": secret,
        "DB_PASS": [secret, 1],
        "config": {"db": {"api_key": secret, "port": 5432}},
        "command": ["run", "--password", secret, "-v"],
        "curl": ["curl", "-u", f"ada:{secret}", "http://h"],
        "header": ("Authorization", secret),
        "headers": [(b"x-api-key", secret.encode())],
        "pair": {"name": "HF_TOKEN", "value": secret},
        "login": Login("ada", secret),
        "client": Client(secret),
        "tree": Tree(secret),
        "address": f"postgres://ada:{secret}@db/x",
        "long": "x " * 30 + f"postgres://ada:{secret * 3}@db/x",
        "far": "x " * 200 + f"postgres://ada:{secret}@db/x",
        "pem": f"-----BEGIN PRIVATE KEY-----\n{secret * 9}\n",
        "text": f"password={secret}",
        "deep": [[[{"token": secret}]]],
        "key": {f"token={secret}": 1},
    }


def failing(values, kind=None):
    code = compile("raise ValueError('no route')", "<app>", "exec")

    def inner():
        exec(code, {}, dict(values))

    try:
        try:
            inner()
        except ValueError as error:
            if kind == "cause":
                raise RuntimeError("failed") from error
            if kind == "group":
                raise ExceptionGroup("all", [error]) from None  # noqa: F821
            raise
    except Exception as error:
        return (type(error), error, error.__traceback__)


def drawn(name, values, kind=None, **options):
    out = io.StringIO()
    handler = mllog.RichHandler(
        console=Console(file=out, width=2000, color_system=None),
        rich_tracebacks=True,
        tracebacks_show_locals=True,
        tracebacks_width=1900,
        **options,
    )
    record = record_of(
        "failed", exc_info=failing(values, kind), levelname="ERROR", name=name
    )
    handler.handle(record)
    assert {} == handler.stats().dropped
    return out.getvalue().translate(dict.fromkeys(map(ord, "│ \n")))


@pytest.mark.parametrize("name", local_values(""))
@pytest.mark.parametrize(
    "kind",
    [
        None,
        "cause",
        pytest.param(
            "group",
            marks=pytest.mark.skipif(
                sys.version_info < (3, 11), reason="no groups"
            ),
        ),
    ],
)
def test_locals_of_a_traceback_are_shown_as_they_were_checked(name, kind):
    """
    No local has a secret left, in any exception; without the filter it has.
    """
    values = {name: local_values(SECRET)[name], "model_name": "resnet50"}

    found = drawn("app", values, kind, filters=REDACTING)
    control = drawn(
        "app", values, kind, locals_max_string=None if not kind else 1000
    )

    assert SECRET[:6] not in found
    assert "resnet50" in found
    assert "ValueError" in found
    if kind != "group" or name not in ("long", "far"):
        assert SECRET in control


def test_locals_are_checked_where_the_filter_is_on_the_logger():
    """
    A record that came through a filter of its logger is treated alike.
    """
    logger = logging.getLogger("locals.of.it")
    logger.addFilter(mllog.RedactingFilter())

    found = drawn(logger.name, {"password": SECRET, "n": 3})

    assert SECRET not in found
    assert "n=3" in found


def test_locals_without_secrets_are_drawn_as_ever():
    """
    Numbers under measured names stay, and texts are cut as rich cuts them.
    """
    values = {"inter_token_latency": 0.25, "max_tokens": 512, "x": "a" * 200}

    found = drawn("app", values, filters=REDACTING)

    assert "inter_token_latency=0.25" in found
    assert "max_tokens=512" in found
    assert f"x='{'a' * 80}'+120" in found


@pytest.mark.parametrize("lines", [0, 1, 3, 9])
@pytest.mark.parametrize("distance", [0, 1, 3, 5])
def test_source_around_a_traceback_is_shown_as_it_was_checked(
    tmp_path, lines, distance
):
    """
    A secret in a neighbouring line of source is drawn by no one.
    """
    path = tmp_path / "serve.py"
    path.write_text(
        "def fail():\n"
        f"    client('https://ada:{SECRET}@db')\n"
        + "    n = 3\n" * distance
        + "    raise ValueError(n)\n"
    )
    space = {"client": str, "n": 3}
    exec(compile(path.read_text(), str(path), "exec"), space)
    try:
        space["fail"]()
    except ValueError as caught:
        error = caught
    record = record_of(
        "failed", exc_info=(ValueError, error, error.__traceback__)
    )
    out, plain = io.StringIO(), io.StringIO()

    mllog.RichHandler(
        console=Console(file=out, width=300, color_system=None),
        rich_tracebacks=True,
        tracebacks_extra_lines=lines,
        filters=REDACTING,
    ).handle(record)
    console_handler = mllog.ConsoleHandler(stream=plain, filters=REDACTING)
    console_handler.setFormatter(mllog.RichFormatter(color=True))
    console_handler.handle(record)

    for found in (out.getvalue(), plain.getvalue()):
        assert SECRET not in found
        assert "ValueError" in found


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no groups")
def test_every_member_of_a_group_is_checked():
    """
    A traceback in text has fifteen members of a group, and rich draws all.
    """
    errors = [ValueError(f"n={n}") for n in range(19)]
    errors.append(ValueError(f"password={SECRET}"))
    group = ExceptionGroup("many", errors)  # noqa: F821
    out = io.StringIO()
    handler = mllog.RichHandler(
        console=Console(file=out, width=300, color_system=None),
        rich_tracebacks=True,
        filters=REDACTING,
    )

    handler.handle(record_of("failed", exc_info=(type(group), group, None)))

    assert SECRET not in out.getvalue()
    assert "many" in out.getvalue()
