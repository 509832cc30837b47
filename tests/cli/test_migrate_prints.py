"""
``mllog migrate-prints`` as it is typed.
"""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import mllog
from mllog.cli import main

AFTER = (
    "import logging\n\nlogger = logging.getLogger(__name__)\n\n"
    'logger.info("%s", 1)\n'
)


@pytest.fixture(name="file")
def _file(tmp_path):
    path = tmp_path / "app.py"
    path.write_text("print(1)\n")
    return path


def migrate(*args):
    return main(["migrate-prints", *map(str, args)])


def test_files_stay_as_they_are_without_write(file, capsys):
    """
    The summary comes first, then the diff, then what to do next.
    """
    code = migrate(file)

    out, err = capsys.readouterr()
    assert 0 == code
    assert "print(1)\n" == file.read_text()
    assert out.startswith(f"{file}: 1 print to logging\n")
    assert "-print(1)\n+import logging\n" in out
    assert '+logger.info("%s", 1)\n' in out
    assert err.startswith("1 file would change: 1 print to logging, 0 left\n")
    assert "--write does that" in err
    assert 'mllog.configure("console")' in err


def test_write_changes_the_file_and_keeps_its_mode(file, capsys):
    """
    The second time there is nothing to write.
    """
    file.chmod(0o751)

    assert 0 == migrate(file, "--write")
    written = file.stat()
    assert 0 == migrate(file, "--write")

    assert AFTER == file.read_text()
    assert 0o751 == stat.S_IMODE(file.stat().st_mode)
    assert written.st_ino == file.stat().st_ino
    assert "0 files changed: 0 prints" in capsys.readouterr().err
    assert ["app.py"] == os.listdir(file.parent)


def test_check_exits_1_if_something_would_change(file, capsys):
    """
    For CI: no diff, no change, and 0 once it is done.
    """
    assert 1 == migrate("--check", file)
    assert "+++" not in capsys.readouterr().out
    assert "print(1)\n" == file.read_text()

    migrate("--write", file)
    assert 0 == migrate("--check", file)


def test_check_with_write_is_refused(file, capsys):
    """
    One of them changes files, the other does not.
    """
    with pytest.raises(SystemExit):
        migrate("--check", "--write", file)

    assert "--check changes nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'print "hello"\n', "does not parse: line 1"),
        (b"print(\n", "does not parse: line"),
        (b"print('\xff')\n", "cannot be decoded: "),
        (b"# coding: nonsense\nprint(1)\n", "cannot be decoded: "),
        (b"print(1)\x00\n", "does not parse"),
        (b"print(" + b"(" * 5000 + b")" * 5000 + b")\n", "left: "),
        (b"x = " + b"+".join([b"1"] * 5000) + b"\nprint(x)\n", "left: "),
    ],
)
def test_file_that_cannot_be_converted_is_reported_and_left(
    tmp_path, capsys, data, problem
):
    """
    The others are converted, and the exit status is that of success.
    """
    (tmp_path / "a.py").write_bytes(data)
    (tmp_path / "b.py").write_text("print(1)\n")

    code = migrate(tmp_path, "--write")

    out, _ = capsys.readouterr()
    assert 0 == code
    assert f"{tmp_path}/a.py: left: " in out and problem in out
    assert "Traceback" not in out
    assert data == (tmp_path / "a.py").read_bytes()
    assert AFTER == (tmp_path / "b.py").read_text()


def test_path_that_does_not_exist_is_a_message(tmp_path, capsys):
    """
    Exit status 2, and nothing is converted.
    """
    assert 2 == migrate(tmp_path / "none.py")
    assert "does not exist" in capsys.readouterr().err


def test_missing_package_names_the_extra(file, capsys, monkeypatch):
    """
    Without LibCST the message names what to install.
    """
    monkeypatch.setitem(sys.modules, "libcst", None)

    assert 2 == migrate(file)
    assert "mllog-handlers[migrate]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("encoding", "head"),
    [
        ("utf-8-sig", ""),
        ("latin-1", "# -*- coding: latin-1 -*-\n"),
        ("cp1252", "# vim: set fileencoding=cp1252 :\n"),
    ],
)
def test_encoding_stays(tmp_path, encoding, head):
    """
    A file is written as it was encoded, with its mark of the byte order.
    """
    path = tmp_path / "app.py"
    path.write_bytes(f"{head}print('é', \"\\u2713\", x)\n".encode(encoding))

    migrate(path, "--write")

    text = path.read_bytes().decode(encoding)
    assert text.startswith(head + "import logging\n")
    assert "logger.info('é \\u2713 %s', x)\n" in text
    compile(path.read_bytes(), "app.py", "exec")


def test_folders_of_others_are_skipped_with_the_reason(tmp_path, capsys):
    """
    Environments, builds, generated files, links and notebooks.
    """
    for name in (
        "venv/pyvenv.cfg",
        "venv/lib/a.py",
        ".git/a.py",
        "build/a.py",
        "src/api_pb2.py",
        "src/a.ipynb",
        "src/a.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("print(1)\n")
    (tmp_path / "src" / "made.py").write_text("# @generated\nprint(1)\n")
    (tmp_path / "src" / "real.py").write_text("print(1)\n")
    (tmp_path / "src" / "link.py").symlink_to(tmp_path / "src" / "real.py")
    (tmp_path / "src" / "loop").symlink_to(tmp_path)

    migrate(tmp_path, "--write")

    out, err = capsys.readouterr()
    for name, reason in (
        ("venv", "a virtual environment"),
        ("build", "made by a build"),
        ("src/api_pb2.py", "generated"),
        ("src/made.py", "generated"),
        ("src/a.ipynb", "a notebook shows its output below the cell"),
        ("src/link.py", "a link: name the file itself"),
    ):
        assert f"{tmp_path}/{name}: skipped: {reason}\n" in out
    assert err.startswith("1 file changed")
    assert AFTER == (tmp_path / "src" / "real.py").read_text()


def test_link_that_is_named_is_followed(file):
    """
    The link stays one, and the file behind it is converted once.
    """
    link = file.parent / "link.py"
    link.symlink_to(file)

    migrate("--write", link, file)

    assert link.is_symlink()
    assert AFTER == file.read_text()


def test_write_protected_file_is_left_with_status_2(file, capsys):
    """
    Somebody who protects a file means it.
    """
    file.chmod(0o444)

    assert 2 == migrate("--write", file)
    assert "write-protected" in capsys.readouterr().err
    assert "print(1)\n" == file.read_text()


def test_logging_beside_a_script_is_not_imported(file, capsys):
    """
    ``import logging`` would give the script its neighbour.
    """
    (file.parent / "logging.py").write_text("")

    migrate("--write", file)

    assert "a logging.py beside it" in capsys.readouterr().out
    assert "print(1)\n" == file.read_text()


def test_configure_sets_up_logging_where_the_program_starts(tmp_path):
    """
    Once, and the program shows what it printed.
    """
    path = tmp_path / "app.py"
    path.write_text('if __name__ == "__main__":\n\tprint("hello")\n')

    migrate("--write", "--configure", path)
    once = path.read_text()
    migrate("--write", "--configure", path)

    assert once == path.read_text()
    assert 1 == once.count('\tmllog.configure("console")\n')
    done = subprocess.run(
        [sys.executable, path],
        env={**os.environ, "PYTHONPATH": str(Path(mllog.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert " INFO __main__ hello" in done.stdout + done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="has no pty")
def test_terminal_sees_colors_and_no_control_characters(file):
    """
    The diff is red and green, and what the file holds cannot write to it.
    """
    file.write_text("print(1)\n# \x1b]0;title\x07\n")
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "mllog", "migrate-prints", file],
        env={
            **{k: v for k, v in os.environ.items() if k != "NO_COLOR"},
            "PYTHONPATH": str(Path(mllog.__file__).parents[1]),
            "TERM": "xterm-256color",
        },
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    os.close(theirs)
    seen = os.read(ours, 65536).decode()
    os.close(ours)

    assert "\x1b[32m+logger.info" in seen
    assert "\x1b[31m-print(1)" in seen
    assert "\x1b]0;" not in seen
