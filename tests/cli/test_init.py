"""
``mllog init`` as it is typed.
"""

import json
import subprocess
import sys

import pytest

from mllog import frameworks
from mllog.cli import main

NAMES = frameworks.framework_names()


def test_init_list_has_a_line_for_each(capsys):
    """
    Every framework is a line with its name and what one gets.
    """
    code = main(["init", "--list"])

    lines = capsys.readouterr().out.splitlines()
    assert 0 == code
    assert NAMES == [line.split()[0] for line in lines]
    assert all(len(line.split()) > 2 for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_init_writes_the_files_and_says_what_comes_next(
    name, tmp_path, capsys
):
    """
    All files are there, named with what they are, then the lines to type.
    """
    folder = tmp_path / "new"

    code = main(["init", "--for", name, "--directory", str(folder)])

    found = frameworks.framework(name)
    out = capsys.readouterr().out
    assert 0 == code
    for file, what in found.files.items():
        assert found.content(file) == (folder / file).read_bytes()
        assert str(folder / file) in out and what in out
    for line in found.next:
        assert f"  {line}\n" in out
    assert found.page in out


def test_init_without_a_directory_writes_here(tmp_path, monkeypatch, capsys):
    """
    The files are written where one is, and named as one would open them.
    """
    monkeypatch.chdir(tmp_path)

    main(["init", "--for", "script"])

    assert (tmp_path / "logging.json").exists()
    assert capsys.readouterr().out.startswith("logging.json ")


@pytest.mark.parametrize("force", [False, True])
def test_init_onto_a_file_needs_force(tmp_path, capsys, force):
    """
    What is there stays, unless --force says otherwise.
    """
    path = tmp_path / "logging.json"
    path.write_text("mine")

    code = main(
        ["init", "--for", "script", "--directory", str(tmp_path)]
        + ["--force"] * force
    )

    assert (0 if force else 2) == code
    assert force == (path.read_text() != "mine")
    assert force or "--force" in capsys.readouterr().err


def test_init_writes_nothing_where_one_of_its_files_is_there(
    tmp_path, monkeypatch, capsys
):
    """
    A configuration is never half of this and half of that.
    """
    files = {"config/logging.json": "one", "logging.json": "another"}
    two = frameworks.Framework("script", "t", files, ("n",), "p")
    monkeypatch.setattr(frameworks.Framework, "content", lambda *_: b"{}")
    monkeypatch.setattr("mllog.cli.init.framework", lambda _: two)
    (tmp_path / "logging.json").write_text("mine")

    code = main(["init", "--for", "script", "--directory", str(tmp_path)])

    assert 2 == code
    assert not (tmp_path / "config").exists()


def test_init_again_is_no_error_and_changes_nothing(tmp_path, capsys):
    """
    Files that are there already as they would be written are left alone.
    """
    typed = ["init", "--for", "script", "--directory", str(tmp_path)]
    main(typed)
    before = (tmp_path / "logging.json").stat().st_mtime_ns

    code = main(typed)

    assert 0 == code
    assert before == (tmp_path / "logging.json").stat().st_mtime_ns
    assert "(it was there)" in capsys.readouterr().out


def test_init_for_an_unknown_framework_exits_2_with_the_nearest(capsys):
    """
    A misspelt name is a message with the right one.
    """
    code = main(["init", "--for", "scirpt"])

    out, err = capsys.readouterr()
    assert (2, "") == (code, out)
    assert "write script" in err


def test_init_where_it_cannot_write_exits_2(tmp_path, capsys):
    """
    A path that cannot be a folder is a message, never a traceback.
    """
    (tmp_path / "file").write_text("")

    code = main(
        ["init", "--for", "script", "--directory", str(tmp_path / "file")]
    )

    out, err = capsys.readouterr()
    assert (2, "") == (code, out)
    assert "file" in err


@pytest.mark.parametrize("typed", [[], ["--for", "script", "--list"]])
def test_init_needs_either_a_framework_or_list(typed, capsys):
    """
    Without one of them, or with both, it says how it is typed.
    """
    with pytest.raises(SystemExit, match="2"):
        main(["init", *typed])

    assert "--for FRAMEWORK | --list" in capsys.readouterr().err


def test_init_for_a_script_logs_with_the_lines_that_it_prints(tmp_path):
    """
    The lines behind ``next:``, pasted into a program, log to both places.
    """
    main(["init", "--for", "script", "--directory", str(tmp_path)])
    program = "\n".join(frameworks.framework("script").next)

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    (line,) = (tmp_path / "logs" / "app.jsonl").read_text().splitlines()
    assert 0.31 == json.loads(line)["loss"]
    assert "Epoch done" in done.stderr
