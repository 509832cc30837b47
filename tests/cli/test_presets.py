"""
``mllog presets`` as it is typed.
"""

from __future__ import annotations

import configparser
import json
import sys
from pathlib import Path

import pytest

from mllog import config
from mllog.cli import main

NAMES = config.preset_names()


def test_presets_list_has_one_line_each(capsys):
    """
    Every preset is a line with its name and what it does.
    """
    code = main(["presets", "list"])

    lines = capsys.readouterr().out.splitlines()
    assert 0 == code
    assert NAMES == [line.split()[0] for line in lines]
    assert all(len(line.split()) > 2 for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_presets_show_in_a_pipe_is_the_bare_file(name, capsys):
    """
    ``mllog presets show NAME > my.json`` writes the preset and no more.
    """
    code = main(["presets", "show", name])

    out, err = capsys.readouterr()
    assert 0 == code
    assert config.preset(name) == json.loads(out)
    assert "MLLOG_LEVEL" in err


@pytest.mark.parametrize("name", NAMES)
def test_presets_show_ini_in_a_pipe_is_the_bare_file(name, capsys):
    """
    With --ini it is the file for fileConfig, its [DEFAULT] explained beside.
    """
    main(["presets", "show", name, "--ini"])

    out, err = capsys.readouterr()
    parser = configparser.ConfigParser()
    parser.read_string(out)
    assert config.preset_file(name, "fileconfig").read_text() == out
    assert all(key in err for key in parser.defaults())


def test_presets_show_tells_variable_type_default_value_and_meaning(
    capsys, monkeypatch
):
    """
    The table has what one needs to set a variable.
    """
    monkeypatch.setenv("MLLOG_BACKUP_COUNT", "7")

    main(["presets", "show", "files"])

    row = next(
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("backup_count")
    )
    assert ["backup_count", "MLLOG_BACKUP_COUNT", "integer", "10", "7"] == (
        row.split()[:5]
    )
    assert "rotated files to keep" in row


def test_presets_show_with_a_bad_variable_says_so_and_goes_on(
    capsys, monkeypatch
):
    """
    A value that cannot work is shown as wrong, not raised.
    """
    monkeypatch.setenv("MLLOG_MAX_BYTES", "[red]")

    code = main(["presets", "show", "files"])

    assert 0 == code
    assert "wrong: MLLOG_MAX_BYTES='[red]'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["s3", "s3-payloads"])
def test_presets_show_without_the_bucket_says_that_it_is_to_be_set(
    name, capsys, monkeypatch
):
    """
    A variable without a default is no mistake while a preset is only shown.
    """
    monkeypatch.delenv("MLLOG_S3_BUCKET", raising=False)

    code = main(["presets", "show", name])

    row = next(
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("s3_bucket")
    )
    assert 0 == code
    assert "MLLOG_S3_BUCKET" in row and " to be set " in row


@pytest.mark.parametrize("name", ["kafka", "inference-kafka"])
def test_presets_show_never_shows_the_password(name, capsys, monkeypatch):
    """
    Whether there is one is told, and nothing of it.
    """
    monkeypatch.setenv("MLLOG_KAFKA_SASL_PASSWORD", "hunter2")

    main(["presets", "show", name])

    out, err = capsys.readouterr()
    row = next(
        line
        for line in err.splitlines()
        if line.startswith("kafka_sasl_password")
    )
    assert " *** " in row
    assert "hunter2" not in out + err


def test_presets_show_on_a_terminal_is_coloured_with_the_table(
    capsys, monkeypatch
):
    """
    On a terminal both the file and the settings are on standard output.
    """
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)

    main(["presets", "show", "console"])

    out, err = capsys.readouterr()
    assert "\x1b[" in out and "MLLOG_PIPED" in out
    assert "" == err


def test_presets_show_on_a_narrow_terminal_cuts_no_variable(
    capsys, monkeypatch
):
    """
    With 80 columns the table leaves out what the other columns say as well.
    """
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")

    main(["presets", "show", "inference-kafka"])

    table = capsys.readouterr().out.partition("variable")[2]
    assert all(
        f"MLLOG_{name.upper()}" in table
        for name in config.settings_of(config.preset("inference-kafka"))
    )


@pytest.mark.parametrize("action", ["show", "copy"])
def test_presets_of_unknown_name_exits_2_with_the_nearest(action, capsys):
    """
    A misspelt name is a message with the right one.
    """
    code = main(["presets", action, "inferense"])

    out, err = capsys.readouterr()
    assert (2, "") == (code, out)
    assert "write inference" in err


def test_presets_copy_without_path_writes_here(tmp_path, monkeypatch, capsys):
    """
    The copy has the preset's name and kind, and its path is printed.
    """
    monkeypatch.chdir(tmp_path)

    codes = [
        main(["presets", "copy", "files"]),
        main(["presets", "copy", "files", "--ini"]),
    ]

    assert [0, 0] == codes
    assert config.preset("files") == json.loads(
        (tmp_path / "files.json").read_text()
    )
    assert (tmp_path / "files.ini").exists()
    assert "files.json" in capsys.readouterr().out


@pytest.mark.parametrize("force", [False, True])
def test_presets_copy_onto_a_file_needs_force(tmp_path, capsys, force):
    """
    What is there stays, unless --force says otherwise.
    """
    path = tmp_path / "mine.json"
    path.write_text("mine")

    code = main(["presets", "copy", "files", str(path), *["--force"] * force])

    assert (0 if force else 2) == code
    assert force == (path.read_text() != "mine")
    assert force or "--force" in capsys.readouterr().err


def test_presets_copy_into_a_missing_folder_exits_2(tmp_path, capsys):
    """
    A path that cannot be written is a message, never a traceback.
    """
    code = main(["presets", "copy", "files", str(tmp_path / "no" / "a.json")])

    assert 2 == code
    assert "no/a.json" in capsys.readouterr().err


def test_presets_copy_all_writes_what_goes_with_it(tmp_path, capsys):
    """
    Rules, a server's configuration and the dashboard stand beside the preset.
    """
    code = main(["presets", "copy", "prometheus", str(tmp_path), "--all"])

    found = {
        path.relative_to(tmp_path).as_posix(): path.read_text()
        for path in tmp_path.rglob("*.*")
    }
    assert 0 == code
    assert {
        "prometheus.json",
        "prometheus/prometheus.yml",
        "prometheus/rules.yml",
        "grafana/mllog.json",
    } == set(found)
    assert all(
        file.read_text() == found[place]
        for place, file in config.preset_companions("prometheus").items()
    )
    out, err = capsys.readouterr()
    assert {str(tmp_path / place) for place in found} == set(out.splitlines())
    assert "" == err


def test_presets_copy_says_what_goes_with_it(tmp_path, capsys):
    """
    Without --all one learns where these files are; other presets have none.
    """
    main(["presets", "copy", "prometheus", str(tmp_path)])
    out, err = capsys.readouterr()
    assert [str(tmp_path / "prometheus.json")] == out.splitlines()
    assert "--all" in err
    paths = [Path(line.strip()) for line in err.splitlines()[1:]]
    assert ["mllog.json", "prometheus.yml", "rules.yml"] == sorted(
        path.name for path in paths if path.is_file()
    )

    main(["presets", "copy", "files", str(tmp_path), "--all"])
    assert "" == capsys.readouterr().err


def test_presets_copy_all_onto_one_file_writes_none(tmp_path, capsys):
    """
    What is there is seen before the first file is written.
    """
    rules = tmp_path / "prometheus" / "rules.yml"
    rules.parent.mkdir()
    rules.write_text("mine")

    code = main(["presets", "copy", "prometheus", str(tmp_path), "--all"])

    assert 2 == code
    assert str(rules) in capsys.readouterr().err
    assert [rules] == [path for path in tmp_path.rglob("*.*")]
    assert "mine" == rules.read_text()


def test_presets_alone_prints_its_help(capsys):
    """
    ``mllog presets`` says what can follow.
    """
    code = main(["presets"])

    assert 0 == code
    assert "copy" in capsys.readouterr().out
