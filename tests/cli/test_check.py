"""
``mllog check`` as it is typed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mllog
from mllog.cli import main

CLEAN = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"h": {"class": "logging.NullHandler"}},
    "root": {"handlers": ["h"]},
}


def write(tmp_path, **more):
    """
    The path of a JSON file with a clean configuration and *more*.
    """
    path = tmp_path / "log.json"
    path.write_text(json.dumps({**CLEAN, **more}))
    return str(path)


def run(*args, **env):
    """
    What the command line does in a process of its own.
    """
    return subprocess.run(
        [sys.executable, "-m", "mllog", *args],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(mllog.__file__).parents[1]),
            **env,
        },
        capture_output=True,
        text=True,
    )


def test_check_of_clean_file_exits_0_and_prints_nothing(tmp_path, capsys):
    """
    What is clean leaves standard output empty.
    """
    code = main(["check", write(tmp_path)])

    assert 0 == code
    assert "" == capsys.readouterr().out


@pytest.mark.parametrize(
    "more",
    [
        {"root": {"handlers": ["h", "x"]}},
        {"filters": {"unused": {}}},
    ],
)
def test_check_of_any_finding_exits_1_with_a_line_each(tmp_path, capsys, more):
    """
    An error or a warning alone is one plain line and exit status 1.
    """
    path = write(tmp_path, **more)

    code = main(["check", path])

    out, err = capsys.readouterr()
    assert 1 == code
    assert out.startswith(f"{path}:1 ") and out.count("\n") == 1
    assert "\x1b" not in out
    assert err.startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("none.json", None),
        ("a.json", "{"),
        ("a.json", "[1]"),
        ("a.ini", "[x]\n[x]\n"),
        ("a.toml", "a = \n"),
        ("a.yaml", "a: [\n"),
        ("a.json", "[" * 100_000),
        ("a.txt", "{}"),
        ("a.json", b"\xff\xfe"),
    ],
)
def test_check_of_unreadable_file_exits_2_with_one_message(
    tmp_path, capsys, name, text
):
    """
    A file that cannot be read is a message, never a traceback.
    """
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    code = main(["check", str(path)])

    out, err = capsys.readouterr()
    assert (2, "") == (code, out)
    assert err.startswith(f"mllog: {path} ")
    assert "Traceback" not in err


def test_check_untrusted_with_allow_takes_the_prefix(tmp_path, capsys):
    """
    --allow lets a class through that --untrusted refuses.
    """
    path = write(tmp_path, handlers={"h": {"class": "their.Handler"}})

    refused = main(["check", path, "--untrusted"])
    allowed = main(["check", path, "--untrusted", "--allow", "x", "their"])

    assert (1, 0) == (refused, allowed)


def test_check_allow_without_untrusted_is_a_usage_error(tmp_path, capsys):
    """
    --allow alone would look as if it did something.
    """
    with pytest.raises(SystemExit) as caught:
        main(["check", write(tmp_path), "--allow", "x"])

    assert 2 == caught.value.code


def test_check_in_a_process_returns_its_status(tmp_path):
    """
    ``python -m mllog check`` exits as main() returns.
    """
    done = run("check", write(tmp_path, handler={}))

    assert 1 == done.returncode
    assert "write handlers" in done.stdout


def test_check_on_a_terminal_is_coloured(tmp_path, monkeypatch, capsys):
    """
    The severity has a colour where somebody looks.
    """
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)

    main(["check", write(tmp_path, handler={})])

    assert "\x1b[33mwarning\x1b[0m" in capsys.readouterr().out


def test_main_without_a_command_prints_help(capsys):
    """
    ``mllog`` alone says what there is.
    """
    code = main([])

    out = capsys.readouterr().out
    assert 0 == code
    assert "presets" in out and "check" in out


def test_main_version_is_the_packages(capsys):
    """
    ``mllog --version`` prints the version and exits with 0.
    """
    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    assert 0 == caught.value.code
    assert f"mllog {mllog.__version__}\n" == capsys.readouterr().out


def test_main_on_an_ascii_console_does_not_fail(tmp_path):
    """
    What the console cannot encode is escaped.
    """
    path = write(tmp_path, root={"handlers": ["h", "ünbekannt"]})

    done = run("check", path, PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert (1, "") == (done.returncode, done.stderr.partition("Trace")[1])
    assert r"\u00fcnbekannt" in done.stdout


def test_import_of_the_command_line_loads_no_rich():
    """
    Only what is printed for people needs rich.
    """
    code = (
        "import sys, mllog.cli; print([m for m in sys.modules if 'rich' in m])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(mllog.__file__).parents[1]),
        },
        capture_output=True,
        text=True,
    )

    assert "[]\n" == done.stdout
