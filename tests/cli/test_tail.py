"""
``mllog tail`` as it is typed.
"""

from __future__ import annotations

import gzip
import json
import logging
import os
import signal
import subprocess
import sys
import time

import pytest
from servers.moto import moto  # noqa: F401

import mllog
from mllog.cli import main
from mllog.reading import tails
from mllog.reading.objects import Objects
from mllog.reading.selection import selection
from mllog.s3 import Access, Location

STAMP = "2026-11-21T06:45:%02dZ"


def line(second, message, **fields):
    record = {
        "timestamp": STAMP % second,
        "level": fields.pop("level", "INFO"),
        "logger": fields.pop("logger", "serve"),
        "message": message,
        **fields,
    }
    return json.dumps(record) + "\n"


@pytest.fixture
def logs(tmp_path):
    """
    A folder with a log that was rotated once, another log, and a CSV.
    """
    folder = tmp_path / "logs"
    folder.mkdir()
    rotated = folder / "app.jsonl.20261121T064510Z-0001.gz"
    rotated.write_bytes(gzip.compress((line(1, "a") + line(3, "c")).encode()))
    (folder / "app.jsonl").write_text(
        line(5, "e", inference_latency=0.3, level="WARNING") + line(6, "f")
    )
    (folder / "other.jsonl").write_text(line(2, "b") + line(4, "d"))
    (folder / "latency.csv").write_text(
        f"timestamp,inference_latency\n{STAMP % 7},0.5\n{STAMP % 8},0.25\n"
    )
    return folder


@pytest.fixture
def tail(capsys):
    def tail(*arguments):
        code = main(["tail", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return tail


def messages(out):
    return "".join(json.loads(each)["message"] for each in out.splitlines())


def test_tail_of_a_folder_merges_its_logs_by_time(logs, tail):
    """
    Rotated and compressed files too; CSV is left out beside other logs.
    """
    assert "abcdef" == messages(tail(logs, "--json")[1])
    assert "def" == messages(tail(logs, "--json", "-n", 3)[1])
    assert "abcdef" == messages(tail(logs, "--json", "-n", "all")[1])


def test_tail_on_a_terminal_looks_like_the_console(logs, tail, monkeypatch):
    """
    The date is shown where it is not today's; colours where they may be.
    """
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    out = tail(logs / "app.jsonl", "-n", 2)[1]
    monkeypatch.undo()
    time.tzset()

    assert (
        out
        == (
            "2026-11-21 06:45:05 WARNING  e  inference_latency=0.3  serve\n"
            "2026-11-21 06:45:06 INFO     f  serve\n"
        )
        or "06:45:05 WARNING  e  inference_latency=0.3  serve" in out
    )
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in tail(logs / "app.jsonl")[1]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (["--where", "inference_latency > 0.2"], "e"),
        (["--level", "warning"], "e"),
        (["--logger", "nobody"], ""),
        (["--since", STAMP % 4], "def"),
        (["--until", STAMP % 3], "ab"),
        (["--since", STAMP % 2, "--until", STAMP % 5, "-n", "2"], "cd"),
    ],
)
def test_tail_shows_only_what_is_chosen(logs, tail, asked, wanted):
    """
    Of the records that are wanted the last ones, not the last of all.
    """
    code, out, _ = tail(logs, "--json", *asked)

    assert wanted == messages(out)
    assert 0 == code


def test_tail_of_csv_shows_its_rows(logs, tail):
    """
    A row has its columns' names.
    """
    _, out, _ = tail(logs / "latency.csv", "--json", "-n", 1)

    assert {
        "timestamp": STAMP % 8,
        "inference_latency": 0.25,
    } == json.loads(out)


def test_tail_chooses_fields(logs, tail):
    """
    In the order they were asked for; one that is missing is left out.
    """
    asked = ("--fields", "message,nope,metrics.loss", "--json", "-n", 1)
    (logs / "new.jsonl").write_text(line(9, "g", metrics={"loss": 1.5}))

    assert '{"message":"g","metrics.loss":1.5}\n' == tail(logs, *asked)[1]


def test_tail_shows_foreign_lines_unless_records_are_chosen(logs, tail):
    """
    Text, fragments and ANSI codes are shown escaped, or counted.
    """
    with open(logs / "app.jsonl", "ab") as file:
        file.write(b"plain \x1b[2Jtext\n\0\xff\n" + line(9, "g").encode()[:30])
    _, out, err = tail(logs / "app.jsonl", "-n", 3)
    assert r"plain \x1b[2Jtext" in out
    assert "\\xff" in out
    assert "" == err

    _, out, err = tail(logs / "app.jsonl", "--level", "info", "--json")
    assert "acef" == messages(out)
    assert "passed over 2 not_json, 1 torn" in err or "torn" in err


def test_tail_shows_what_json_had_to_write_as_null(tmp_path, tail):
    """
    NaN is NaN again, and stays null in JSON.
    """
    path = tmp_path / "a.jsonl"
    handler = mllog.TimestampedRotatingFileHandler(path)
    handler.setFormatter(mllog.JSONFormatter())
    handler.handle(
        logging.makeLogRecord(
            {"msg": "x", "metrics": {"train/loss": float("nan")}}
        )
    )
    handler.close()

    assert "train/loss=NaN" in tail(path)[1]
    assert "nonfinite" not in tail(path)[1]
    assert json.loads(tail(path, "--json")[1])["metrics"] == {
        "train/loss": None
    }


def test_tail_shows_tracebacks(tmp_path, tail):
    """
    Of mllog and of python-json-logger, below the line.
    """
    (tmp_path / "a.jsonl").write_text(
        line(1, "x", exception={"type": "E", "traceback": "Trace\n  here"})
        + line(2, "y", exc_info="Trace\n  there")
    )
    out = tail(tmp_path)[1]

    assert "  Trace\n    here" in out
    assert "  Trace\n    there" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "there is no 'nope'"),
        (["LOGS", "--where", "x ="], "write == to compare"),
        (["LOGS", "--level", "loud"], "level"),
        (["LOGS", "--since", "soon"], "15m"),
    ],
)
def test_tail_that_cannot_be_done_says_why(logs, tail, arguments, said):
    """
    Exit status 2, and one error that says how to mend it.
    """
    code, out, err = tail(
        *[str(logs) if each == "LOGS" else each for each in arguments]
    )

    assert (2, "") == (code, out)
    assert said in err


def test_tail_of_a_pipe_that_ends_says_nothing(logs):
    """
    ``mllog tail … | head`` leaves no traceback.
    """
    with open(logs / "app.jsonl", "a") as file:
        file.writelines(line(9, f"{n}") for n in range(20_000))
    command = f"{sys.executable} -m mllog tail {logs} -n all | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)

    assert "" == done.stderr
    assert 1 == done.stdout.count("\n")


class Tailing:
    """
    A ``mllog tail -f`` that runs.
    """

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "mllog",
                "tail",
                "-f",
                *map(str, arguments),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # a shell that runs the tests in the background has it ignored
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def read(self, count):
        return [self.process.stdout.readline() for _ in range(count)]

    def end(self):
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=30)
        return out, err, self.process.returncode


@pytest.fixture
def tailing():
    made = []

    def tailing(*arguments):
        made.append(Tailing(*arguments))
        return made[-1]

    yield tailing
    for each in made:
        each.process.kill()
        each.process.communicate()


def test_tail_that_follows_shows_what_comes_through_a_rotation(logs, tailing):
    """
    The last ones first, then the new ones of each log, also of a new one.
    """
    running = tailing(logs, "--json", "-n", 2)
    assert "ef" == messages("".join(running.read(2)))
    os.rename(logs / "app.jsonl", logs / "app.jsonl.20261121T064511Z-0001")
    (logs / "app.jsonl").write_text(line(10, "g"))
    assert "g" == messages("".join(running.read(1)))
    (logs / "fresh.jsonl").write_text(line(11, "h"))
    assert "h" == messages("".join(running.read(1)))
    out, err, code = running.end()

    assert ("", "", 130) == (out, err, code)


def test_tail_that_follows_waits_for_a_log(tmp_path, tailing):
    """
    A file that is not there yet is waited for, and it says so.
    """
    path = tmp_path / "later.jsonl"
    running = tailing(path, "--json")
    assert "waiting" in running.process.stderr.readline()
    path.write_text(line(1, "a"))

    assert "a" == messages("".join(running.read(1)))


@pytest.mark.s3servers
def test_tail_of_objects_shows_the_last_and_those_that_come(
    moto,  # noqa: F811
    tail,
    monkeypatch,
):
    """
    Objects are read from the newest key on; a new object is found.
    """
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    bucket = moto.new_bucket("tail")

    def put(key, data):
        moto.client().put_object(Bucket=bucket, Key=key, Body=data)

    old = gzip.compress((line(1, "a") + line(2, "b")).encode())
    put("logs/dt=2026-11-21/a.jsonl.gz", old)
    put("logs/dt=2026-11-22/b.jsonl", line(3, "c").encode())
    where = ("--endpoint-url", moto.endpoint_url, "--json")

    assert "abc" == messages(tail(f"s3://{bucket}/logs", *where)[1])
    assert "bc" == messages(tail(f"s3://{bucket}/logs", *where, "-n2")[1])

    monkeypatch.setattr(tails, "_LIST_OBJECTS_SECONDS", 0.0)
    source = Objects(
        Location.parse(f"s3://{bucket}/logs"), Access(moto.endpoint_url)
    )
    reading = tails.Reading(selection(), foreign=False)
    followed = tails.ObjectsTail(source, reading)
    assert 1 == len(followed.latest(1))
    assert [] == list(followed.new())
    put("logs/dt=2026-11-22/c.jsonl", line(4, "d").encode())
    assert ["d"] == [each.record["message"] for each in followed.new()]
