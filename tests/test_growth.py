"""
Whatever comes from a record or a file takes time that grows with its size.

Each subject is given an input and one of twice the size, and may take 2.5
times as long.  No time is absolute: the sizes grow until there is something to
measure.
"""

import contextlib
import gc
import io
import json
import logging
import socket
import sys
import time

import pytest
from growth import LINEAR, times_as_long
from rich.console import Console

import mllog
from mllog import config
from mllog.errors import MllogError
from mllog.migrate.string_literals import codes_in
from mllog.reading.conditions import condition
from mllog.reading.names import log_name
from mllog.reading.selection import selection
from mllog.reading.tails import FolderTail, Reading
from mllog.reading.times import moment, seconds_of


# --- records ---


def record(msg="m", args=(), error=None, **fields):
    made = logging.LogRecord("app", 40, "p.py", 1, msg, args, None)
    if error is not None:
        made.exc_info = (type(error), error, error.__traceback__)
    made.__dict__.update(fields)
    return made


class Shown:
    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


def chain(count, name):
    error = None
    for number in range(count):
        new = ValueError(number)
        setattr(new, name, error)
        error = new
    return error


def noted(count):
    error = ValueError("v")
    error.__notes__ = [f"note {number}" for number in range(count)]
    return error


def members(count):
    error = ValueError("v")
    error.exceptions = tuple(map(ValueError, range(count)))
    return error


def deep(count):
    value = 1
    for _ in range(count):
        value = {"a": [value]}
    return value


RECORDS = {
    "word": lambda n: record("7" * n),
    "words": lambda n: record("a " * n),
    "lines": lambda n: record("a\n" * n),
    "control characters": lambda n: record("\x1b\u202e" * n),
    "surrogates": lambda n: record("\ud800" * n),
    "open names": lambda n: record("%(" * n),
    "open names with arguments": lambda n: record("%(" * n, ({"a": 1},)),
    "arguments": lambda n: record("%s " * n, tuple(range(n))),
    "arguments that do not fit": lambda n: record("%d " * n, ("a",)),
    "brackets": lambda n: record("[{<(" * n),
    "quotes": lambda n: record("'\"" * n),
    "pairs": lambda n: record("key=value " * n),
    "secrets": lambda n: record("password=" * n),
    "addresses": lambda n: record("http://a@" * n),
    "JSON": lambda n: record('{"a":"b",' * n),
    "a field's word": lambda n: record(v="7" * n),
    "a field's quotes": lambda n: record(v='"\x1b' * n),
    "a list": lambda n: record(v=list(range(n))),
    "nothing finite": lambda n: record(v=[float("nan")] * n),
    "a dict": lambda n: record(v={f"k{i}": i for i in range(n)}),
    "keys alike": lambda n: record(v={Shown("k"): i for i in range(n)}),
    "a deep value": lambda n: record(v=deep(n)),
    "objects": lambda n: record(v=[Shown("a") for _ in range(n)]),
    "a repr": lambda n: record(v=Shown("7" * n)),
    "bytes": lambda n: record(v=b"a" * n),
    "fields": lambda n: record(**{f"f {i}": i for i in range(n)}),
    "names alike": lambda n: record(
        **{f"f{c}{i}": 1 for i in range(n) for c in " -."}
    ),
    "a long name": lambda n: record(**{"f." * n: 1}),
    "metrics": lambda n: record(metrics={f"m/{i}": 0.5 for i in range(n)}),
    "an error's word": lambda n: record(error=ValueError("7" * n)),
    "an error's lines": lambda n: record(error=ValueError("7\n" * n)),
    "causes": lambda n: record(error=chain(n, "__cause__")),
    "contexts": lambda n: record(error=chain(n, "__context__")),
    "notes": lambda n: record(error=noted(n)),
    "members": lambda n: record(error=members(n)),
    "a stack": lambda n: record(stack_info="File\n" * n),
    "inputs": lambda n: record(
        inputs={f"k{i}": [i] for i in range(n)},
        predictions=["a b"] * n,
        model_name="m" * n,
        model_version=1,
    ),
}


def _of(formatter):
    for name in ("events", "format_bytes", "format"):
        if hasattr(formatter, name):
            return getattr(formatter, name)
    raise AssertionError


def _rich(**options):
    handler = mllog.RichHandler(
        console=Console(file=io.StringIO(), width=100, force_terminal=True),
        **options,
    )

    def handle(made):
        handler.handle(made)
        handler.console.file.truncate(0)

    return handle


def _syslog():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        return mllog.SyslogHandler(server.getsockname()).entry_of


WRITERS = {
    "JSON": lambda: _of(mllog.JSONFormatter()),
    "JSON by format": lambda: _of(
        mllog.JSONFormatter("%(message)s %(levelname)s")
    ),
    "ECS": lambda: _of(mllog.JSONFormatter(schema="ecs")),
    "text": lambda: _of(mllog.TextFormatter()),
    "text by format": lambda: _of(
        mllog.TextFormatter("%(message)s", fields=True)
    ),
    "rich": lambda: _of(mllog.RichFormatter(color=True)),
    "RichHandler": _rich,
    "RichHandler with tracebacks": lambda: _rich(
        rich_tracebacks=True, markup=True, tracebacks_show_locals=True
    ),
    "syslog": _syslog,
    "OTLP": lambda: mllog.OTLPHandler("http://127.0.0.1:9").entry_of,
    "MLPerf": lambda: _of(mllog.MLPerfFormatter()),
    "TorchServe": lambda: _of(mllog.TorchServeFormatter()),
    "inference": lambda: _of(mllog.InferenceFormatter(schema="hopsworks")),
    "CloudEvents": lambda: _of(mllog.InferenceFormatter(schema="cloudevents")),
    "redaction": lambda: mllog.RedactingFilter().apply,
    "sampling": lambda: mllog.SamplingFilter(rate=0.5).apply,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_record_takes_time_that_grows_with_its_size(writer):
    """
    No shape of a record is quadratic in a formatter or a filter.
    """
    call = WRITERS[writer]()

    slow = {
        shape: round(ratio, 1)
        for shape, make in RECORDS.items()
        if (ratio := times_as_long(call, make)) > LINEAR
    }

    assert slow == {}


def test_locals_of_a_traceback_take_time_that_grows_with_their_size():
    """
    What the repr of a local variable is long is not searched.
    """

    def make(size):
        value = Shown("7" * size)
        try:
            raise ValueError(value is None)
        except ValueError as error:
            return record(error=error)

    call = _rich(rich_tracebacks=True, tracebacks_show_locals=True)

    assert times_as_long(call, make) <= LINEAR


@pytest.mark.parametrize("style", ["%", "{", "$"])
@pytest.mark.parametrize("text", ["%(", "%(a", "{a", "${", "${a", "$a", "%"])
def test_format_takes_time_that_grows_with_its_size(text, style):
    """
    A format that is never closed is read once.
    """

    def call(fmt):
        for kind in (mllog.JSONFormatter, mllog.TextFormatter):
            for validate in (True, False):
                with contextlib.suppress(ValueError):
                    kind(fmt, style=style, validate=validate)

    assert times_as_long(call, lambda n: text * n) <= LINEAR


# --- files ---

LINES = {
    "records": lambda n: '{"message":"a"}\n' * n,
    "a long record": lambda n: '{"message":"' + "a" * 20 * n + '"}\n',
    "fragments": lambda n: '{"timestamp":"2026' * n + "\n",
    "records on a line": lambda n: '{"timestamp":"x","message":"m"}' * n,
    "open objects": lambda n: '{"timestamp":{"timestamp":' * n + "\n",
    "open lists": lambda n: "[" * n + "\n",
    "foreign text": lambda n: "hello world\n" * n,
    "holes": lambda n: "\0" * 20 * n,
    "marks": lambda n: "\ufeff" * n + "\n",
    "digits": lambda n: '{"b":NaN,"a":' + "9" * n + "}\n",
    "a wide record": lambda n: json.dumps({f"k{i}": i for i in range(n)}),
    "payloads": lambda n: json.dumps(
        {"payloads": {f"a.{i}": {"status": "lost"} for i in range(n)}}
    ),
    "a time": lambda n: '{"timestamp":"' + "2026-" * n + '"}\n',
}
ROWS = {
    "rows": lambda n: "a,b\n" + "1,2\n" * n,
    "columns": lambda n: (
        ",".join(f"c{i}" for i in range(n)) + "\n" + "1," * (n - 1) + "1\n"
    ),
    "columns of one name": lambda n: (
        ",".join(["a"] * n) + "\n" + "1," * (n - 1) + "1\n"
    ),
    "columns alike": lambda n: ",".join(
        [f"a_{i}" for i in range(n)] + ["a"] * n
    ),
    "open quotes": lambda n: "a,b\n" + '"1,2\n' * n,
    "few open quotes": lambda n: "a,b\n" + ('"1,2\n' + "x,y\n" * 99) * n,
    "quotes": lambda n: "a,b\n" + '"' * (2 * n + 1) + "\n",
    "cells": lambda n: "a,b\n" + "1," * n + "\n",
    "a long cell": lambda n: "a\n" + "1" * 20 * n + "\n",
    "no line": lambda n: "a" * 20 * n,
    "rows of ours": lambda n: "timestamp,b\n" + '"1,2\n' * n,
}


def _read(path):
    list(mllog.read(path, payloads=True))


def _tail(path):
    reading = Reading(selection(since="2h"), foreign=True)
    tail = FolderTail(str(path), reading)
    tail.latest(None)
    tail.close()


@pytest.mark.parametrize("reader", [_read, _tail], ids=["read", "tail"])
@pytest.mark.parametrize(
    ("name", "texts"),
    [("a.jsonl", LINES), ("a.csv", ROWS)],
    ids=["lines", "rows"],
)
def test_file_takes_time_that_grows_with_its_size(
    name, texts, reader, tmp_path
):
    """
    No content of a log is quadratic.
    """
    path = tmp_path / name

    def made(text):
        def make(size):
            path.write_text(text(size))
            return path

        return make

    slow = {
        shape: round(ratio, 1)
        for shape, text in texts.items()
        if (ratio := times_as_long(reader, made(text))) > LINEAR
    }

    assert slow == {}


WORDS = {
    "names": (log_name, ["a.json", ".gz", "1", ".csv.1-", "aa/"]),
    "times": (seconds_of, ["2026-01-01", "1", "1.", "T00:00", " "]),
    "moments": (lambda text: moment("since", text), ["1", "1.", "d ", "-"]),
    "codes": (codes_in, ["%", "%(", "%%", "%d a", "%0"]),
}


@pytest.mark.parametrize("reader", WORDS)
def test_text_takes_time_that_grows_with_its_size(reader):
    """
    Neither does a name, a time or a format of somebody else's.
    """
    call, words = WORDS[reader]

    for word in words:
        assert times_as_long(call, lambda n, word=word: word * n) <= LINEAR


@pytest.mark.parametrize("text", ["a<1 and ", "not ", "(", "a.b", "1,", "-"])
def test_condition_takes_time_that_grows_with_its_size(text):
    """
    Up to the longest that is read.
    """
    assert (
        times_as_long(
            condition, lambda n: (text * n)[:5000] + "a", first=50, most=500
        )
        <= LINEAR
    )


# --- the checker ---


def _setup(**parts):
    return {"version": 1, "disable_existing_loggers": False, **parts}


def _names(count, kind="logging.StreamHandler"):
    return {f"h{number}": {"class": kind} for number in range(count)}


CONFIGS = {
    "handlers": lambda n: _setup(
        handlers=_names(n), root={"handlers": list(_names(n))}
    ),
    "missing handlers": lambda n: _setup(
        handlers=_names(n),
        root={"handlers": [f"x{number}" for number in range(n)]},
    ),
    "loggers": lambda n: _setup(
        handlers=_names(1, "mllog.SummaryHandler"),
        loggers={f"a{i}": {"handlers": ["h0"]} for i in range(n)},
    ),
    "summaries": lambda n: _setup(
        handlers=_names(n, "mllog.SummaryHandler"),
        root={"handlers": list(_names(n))},
    ),
    "a deep logger": lambda n: _setup(
        handlers=_names(1, "mllog.SummaryHandler"),
        loggers={"a." * n + "a": {"handlers": ["h0"]}},
    ),
    "options": lambda n: _setup(
        handlers={
            "h": {
                "class": "mllog.ConsoleHandler",
                **{f"o{i}": 1 for i in range(n)},
            }
        }
    ),
    "a long option": lambda n: _setup(
        handlers={"h": {"class": "mllog.ConsoleHandler", "o" * n: 1}}
    ),
    "a long class": lambda n: _setup(handlers={"h": {"class": "mllog.a" * n}}),
    "classes": lambda n: _setup(handlers=_names(n, "mllog.Missing")),
    "formats": lambda n: _setup(formatters={"f": {"format": "%(" * n}}),
    "references": lambda n: _setup(
        x={f"k{i}": f"cfg://x.k{i + 1}" for i in range(n)}
    ),
    "a long reference": lambda n: _setup(x="cfg://a" + ".b[0]" * n),
}


@pytest.mark.parametrize("shape", CONFIGS)
def test_check_takes_time_that_grows_with_the_configuration(shape):
    """
    A file of any size is checked in time that grows with it.
    """
    assert times_as_long(config.check, CONFIGS[shape], first=500) <= LINEAR


# --- the codemod ---

PROGRAMS = {
    "prints": lambda n: "print('loss', loss)\n" * n,
    "functions": lambda n: "".join(
        f"def f{i}():\n    print('x', f(i))\n" for i in range(n)
    ),
    "an f-string": lambda n: "print(f'" + "{a} " * n + "')\n",
    "calls in an f-string": lambda n: "print(f'" + "{a()} " * n + "')\n",
    "arguments": lambda n: "print(" + "f(a), " * n + ")\n",
    "a format": lambda n: "print('" + "{} " * n + "'.format(a))\n",
    "codes": lambda n: "print('" + "%s " * n + "' % (a,))\n",
    "open codes": lambda n: "print('" + "%(" * n + "' % a)\n",
    "texts": lambda n: "print(" + "'a' " * n + ")\n",
    "a text": lambda n: "print('" + "loss: " * n + "', a)\n",
}


@pytest.mark.parametrize("shape", PROGRAMS)
def test_codemod_takes_time_that_grows_with_the_program(
    shape, tmp_path, monkeypatch
):
    """
    A long line, a long text and many of them are converted once.
    """
    pytest.importorskip("libcst")
    from mllog.cli import main

    path = tmp_path / "program.py"

    def make(size):
        path.write_text(PROGRAMS[shape](size))
        return str(path)

    def call(path):
        with contextlib.redirect_stdout(io.StringIO()):
            main(["migrate-prints", "--metrics", path])

    # what takes its time here has a large part that is the same
    monkeypatch.setattr("growth.LEAST_SECONDS", 0.1)
    assert times_as_long(call, make, first=100, most=800) <= LINEAR


# --- the control ---


def test_quadratic_time_is_noticed():
    """
    The control: a search in a list for each item is not linear.
    """

    def call(size):
        seen = []
        for number in range(size):
            if number not in seen:
                seen.append(number)

    assert times_as_long(call, lambda size: size) > LINEAR
