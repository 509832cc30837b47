"""
``mllog check --connect`` as it is typed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from servers.faulty import black_hole, free_port

import mllog
from mllog.cli import main

ONE = {"class": "mllog.ConsoleHandler"}


def write(tmp_path, **handlers):
    """
    The path of a file whose root has *handlers*.
    """
    path = tmp_path / "log.json"
    path.write_text(
        json.dumps(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": handlers,
                "root": {"handlers": list(handlers)},
            }
        )
    )
    return str(path)


def refused():
    return {
        "class": "mllog.SyslogHandler",
        "address": f"tcp://127.0.0.1:{free_port()}",
    }


def test_connect_prints_a_row_for_each_handler_and_exits_0(tmp_path, capsys):
    """
    In a pipe: columns by tabs, and the summary beside it.
    """
    log = {"class": "logging.FileHandler", "filename": str(tmp_path / "a")}
    path = write(tmp_path, console=ONE, file=log)

    code = main(["check", path, "--connect"])

    out, err = capsys.readouterr()
    head, console, file = (line.split("\t") for line in out.splitlines())
    assert 0 == code
    assert ["handler", "answer", "ms", "what"] == head
    assert ["console", "ok"] == console[:2] and float(console[2]) >= 0
    assert ["file", "ok"] == file[:2] and str(tmp_path / "a") in file[3]
    assert "2 of 2 handlers answer" in err


def test_connect_with_a_sink_that_is_away_exits_1_and_says_why(
    tmp_path, capsys
):
    """
    The others are tried all the same.
    """
    path = write(tmp_path, away=refused(), console=ONE)

    code = main(["check", path, "--connect", "--timeout", "1"])

    out, err = capsys.readouterr()
    away, console = out.splitlines()[1:]
    assert 1 == code
    assert away.startswith("away\tfailed\t")
    assert "refused" in away and "fix: start the server" in away
    assert console.startswith("console\tok\t")
    assert "1 of 2 handlers answer" in err


def test_connect_on_a_terminal_is_a_table(tmp_path, capsys, monkeypatch):
    """
    People get columns and colours, and a name in brackets is no markup.
    """
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)

    main(["check", write(tmp_path, **{"[red]": ONE}), "--connect"])

    out = capsys.readouterr().out
    assert "[red]" in out and "\x1b[32mok" in out
    assert "\t" not in out


def test_connect_after_a_finding_exits_1(tmp_path, capsys):
    """
    What check finds without it is found with it.
    """
    path = write(tmp_path, console={**ONE, "level": "INFO"}, spare=ONE)
    text = Path(path).read_text().replace(', "spare"]', "]")
    Path(path).write_text(text)

    code = main(["check", path, "--connect"])

    assert 1 == code
    out, err = capsys.readouterr()
    assert "spare" in out.splitlines()[0] and "not used" in out
    assert "2 of 2 handlers answer" in err


@pytest.mark.parametrize(
    "typed, said",
    [
        (["--connect", "--untrusted"], "--untrusted"),
        (["--timeout", "3"], "--timeout is for --connect"),
        (["--connect", "--timeout", "0"], "above 0"),
        (["--connect", "--timeout", "nan"], "above 0"),
    ],
)
def test_connect_with_options_that_do_not_fit_exits_2(
    tmp_path, capsys, typed, said
):
    """
    A mistake at the command line is said before anything is run.
    """
    with pytest.raises(SystemExit, match="2"):
        main(["check", write(tmp_path, console=ONE), *typed])

    assert said in capsys.readouterr().err


def test_help_says_that_the_configuration_is_trusted(capsys):
    """
    Who runs foreign classes shall know.
    """
    with pytest.raises(SystemExit, match="0"):
        main(["check", "--help"])

    assert "trust" in capsys.readouterr().out


def test_connect_finds_the_handlers_of_the_application(
    tmp_path, monkeypatch, capsys
):
    """
    A module beside the configuration is found, as it is by the application.
    """
    (tmp_path / "own_handlers.py").write_text(
        "import logging\nclass Own(logging.NullHandler):\n    pass\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = write(tmp_path, own={"class": "own_handlers.Own"})

    main(["check", path, "--connect"])

    assert "own\tok\t" in capsys.readouterr().out


def test_connect_to_what_hangs_ends_with_the_process(tmp_path):
    """
    Neither a frozen server nor a class that never returns holds it up.
    """
    (tmp_path / "slow.py").write_text(
        "import logging, time\n"
        "class Slow(logging.Handler):\n"
        "    def emit(self, record):\n"
        "        time.sleep(600)\n"
        "class Stuck(logging.Handler):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        time.sleep(600)\n"
    )
    began = time.monotonic()
    with black_hole() as port:
        path = write(
            tmp_path,
            slow={"class": "slow.Slow"},
            stuck={"class": "slow.Stuck"},
            frozen={**refused(), "address": f"tcp://127.0.0.1:{port}"},
            console=ONE,
        )
        done = subprocess.run(
            [sys.executable, "-m", "mllog", "check", path, "--connect"]
            + ["--timeout", "1"],
            env={
                **os.environ,
                "PYTHONPATH": f"{tmp_path}:{Path(mllog.__file__).parents[1]}",
            },
            capture_output=True,
            text=True,
            timeout=50,
        )

    rows = [line.split("\t") for line in done.stdout.splitlines()[1:]]
    assert 1 == done.returncode
    assert ["failed", "failed", "failed", "ok"] == [row[1] for row in rows]
    assert "no answer within 1 s" in rows[0][3]
    assert time.monotonic() - began < 45
