"""
mllog.frameworks: what ``mllog init`` has for each framework.
"""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

import mllog
from mllog import config, frameworks
from mllog.errors import ConfigError, PresetNotFoundError

ROOT = Path(mllog.__file__).resolve().parent.parent
FOLDER = config.presets_folder() / "frameworks"
NAMES = frameworks.framework_names()
ABOUT = {
    "title": "a program",
    "files": {"logging.json": "the configuration"},
    "next": ["python app.py"],
    "page": "docs/how-to/app.md",
}
TREES = {".json", ".yaml", ".yml", ".toml"}
INI = {".ini", ".cfg", ".conf"}


def is_for_logging(path):
    """
    Whether a file configures Python's logging.
    """
    if path.suffix in TREES:
        found = config.read_file(str(path))
        return {"version", "handlers"} <= set(found)
    return path.suffix in INI and "[loggers]" in path.read_text()


def test_names_are_all_folders():
    """
    Each folder has an init.json, and so is a framework.
    """
    folders = [
        each.name
        for each in FOLDER.iterdir()
        if each.is_dir() and each.name != "__pycache__"
    ]

    assert sorted(folders) == NAMES
    assert "script" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_framework_has_all_keys_and_names_each_file(name):
    """
    What is in the folder is what init.json names, and that is complete.
    """
    found = frameworks.framework(name)

    folder = Path(str(FOLDER / name))
    there = {
        each.relative_to(folder).as_posix()
        for each in folder.rglob("*")
        if each.is_file() and each.parent.name != "__pycache__"
    }
    assert there - {"init.json"} == set(found.files)
    assert all(found.files.values())
    assert all(found.content(file) for file in found.files)
    assert "\n" not in found.title
    assert 1 <= len(found.next) <= 5
    assert not any("\n" in line for line in found.next)


@pytest.mark.skipif(
    not (ROOT / "docs").is_dir(), reason="not run from a checkout"
)
@pytest.mark.parametrize("name", NAMES)
def test_framework_has_its_page(name):
    """
    The page that is named is there.
    """
    assert (ROOT / frameworks.framework(name).page).is_file()


@pytest.mark.parametrize("name", NAMES)
def test_configuration_has_nothing_that_check_finds(name):
    """
    ``mllog check`` has nothing to say of a file that configures logging.
    """
    paths = [
        Path(str(FOLDER / name)) / file
        for file in frameworks.framework(name).files
    ]

    assert {} == {
        path.name: found
        for path in paths
        if is_for_logging(path) and (found := config.check(path))
    }


@pytest.mark.parametrize("name", NAMES)
def test_python_of_a_framework_compiles(name):
    """
    Each file of Python is Python.
    """
    found = frameworks.framework(name)

    for file in found.files:
        if file.endswith(".py"):
            compile(found.content(file), file, "exec")


def test_unknown_framework_is_an_error_with_the_nearest():
    """
    A name that is misspelt brings the right one.
    """
    with pytest.raises(PresetNotFoundError, match="write script"):
        frameworks.framework("scirpt")


@pytest.fixture(name="made")
def _made(tmp_path, monkeypatch):
    """
    A framework of one's own, from an init.json.
    """
    folder = tmp_path / "frameworks" / "app"
    (folder / "config").mkdir(parents=True)
    (folder / "logging.json").write_text("{}")
    (folder / "config" / "a.yaml").write_text("{}")
    (tmp_path / "secret").write_text("x")
    monkeypatch.setattr(frameworks, "presets_folder", lambda: tmp_path)

    def make(about):
        (folder / "init.json").write_text(json.dumps(about))
        return frameworks.framework("app")

    return make


def test_framework_with_a_nested_file_reads_it(made):
    """
    A file may be in a folder of its own.
    """
    found = made({**ABOUT, "files": {"config/a.yaml": "its settings"}})

    assert b"{}" == found.content("config/a.yaml")


@pytest.mark.parametrize(
    "about",
    [
        [],
        {key: ABOUT[key] for key in ("title", "files", "next")},
        {**ABOUT, "nxet": []},
        {**ABOUT, "title": ""},
        {**ABOUT, "next": "python app.py"},
        {**ABOUT, "files": {}},
        {**ABOUT, "files": {"missing.json": "it"}},
        {**ABOUT, "files": {"../../secret": "it"}},
        {**ABOUT, "files": {"/etc/hostname": "it"}},
        {**ABOUT, "files": {"./logging.json": "it"}},
        {**ABOUT, "files": {"init.json": "it"}},
        {**ABOUT, "files": {"config": "it"}},
    ],
)
def test_init_json_that_is_wrong_is_an_error_that_names_it(made, about):
    """
    A missing key, an empty value and a file elsewhere are refused.
    """
    with pytest.raises(ConfigError, match="frameworks/app/init.json"):
        made(about)


def test_framework_is_read_from_a_zip(tmp_path, monkeypatch):
    """
    A wheel that is not unpacked has the same files.
    """
    archive = shutil.make_archive(
        str(tmp_path / "wheel"), "zip", str(FOLDER / ".."), "frameworks"
    )
    monkeypatch.setattr(
        frameworks, "presets_folder", lambda: zipfile.Path(archive)
    )

    found = frameworks.framework("script")

    assert b'"version": 1' in found.content("logging.json")
