"""
What is shipped: metadata, the wheel, presets in every kind of installation.
"""

import configparser
import importlib
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from sharing import made_once

import mllog

ROOT = Path(mllog.__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.cfg").exists(), reason="not run from a checkout"
)

APPLY = """
import json, logging, logging.config, pathlib, sys
import mllog, mllog.config

BUCKET = {"s3_bucket": "models"}
TOPIC = {"kafka_bootstrap_servers": "a:9092", "kafka_topic": "records"}
EXTRAS = {
    "inference-kafka": ("kafka", TOPIC),
    "kafka": ("kafka", TOPIC),
    "otlp": ("otlp", {}),
    "prometheus": ("prometheus", {}),
    "s3": ("s3", BUCKET),
    "s3-payloads": ("s3", BUCKET),
    "tensorboard": ("tensorboard", {}),
}

for name in mllog.config.preset_names():
    extra, given = EXTRAS.get(name, ("", {}))
    if extra:  # which is not installed, and they say which
        try:
            mllog.configure(name, **given)
        except ValueError as exc:
            said = str(exc.__cause__)
            assert f"mllog-handlers[{extra}]" in said, said
        else:
            raise AssertionError(name)
        continue
    logging.config.dictConfig(mllog.preset(name))
    for kind, apply in (
        ("dictconfig", lambda path: logging.config.dictConfig(
            json.loads(path.read_text()))),
        ("fileconfig", lambda path: logging.config.fileConfig(
            path, disable_existing_loggers=False)),
    ):
        file = mllog.config.preset_file(name, kind)
        copy = pathlib.Path(file.name)
        copy.write_text(file.read_text())
        apply(copy)
        logging.getLogger("app").info("x", extra={"inference_latency": 0.5})
print("applied", len(mllog.config.preset_names()))
"""


def _setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


# Where one of these is set, pip or Python finds an mllog that is elsewhere,
# such as a checkout, or installs it elsewhere.
REDIRECTS = {
    "PYTHONPATH",
    "PYTHONHOME",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_TARGET",
    "PIP_USER",
}


def _run(*command, cwd=None):
    """
    What *command* writes where nothing leads to another mllog.
    """
    return subprocess.run(
        command,
        cwd=cwd,
        env={k: v for k, v in os.environ.items() if k not in REDIRECTS},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def _pip(*arguments):
    _run(sys.executable, "-m", "pip", *arguments, "--quiet")


def _build(folder):
    ignored = shutil.ignore_patterns(
        ".*", "build", "dist", "*.egg-info", "__pycache__", "logs"
    )
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=ignored)
    _pip("wheel", "--no-deps", "-w", folder, source)


@pytest.fixture(name="wheel", scope="session")
def _wheel(tmp_path_factory):
    (built,) = made_once(tmp_path_factory, "wheel", _build).glob("*.whl")
    return built


def test_packages_in_setup_cfg_are_those_of_the_tree():
    """
    Every folder with code is listed, and nothing else.
    """
    listed = set(_setup()["options"]["packages"].split())
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "mllog").rglob("__init__.py")
    }

    assert found | {"mllog.presets"} == listed


def test_presets_exist_in_both_forms():
    """
    Each JSON preset has an INI preset of the same name.
    """
    names = [
        {path.stem for path in (ROOT / "presets" / kind).iterdir()}
        for kind in ("dictconfig", "fileconfig")
    ]

    assert names[0] == names[1]


def test_version_is_the_newest_of_the_changelog():
    """
    The changelog begins with what is unreleased or with this version.
    """
    headings = re.findall(
        r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )

    assert headings[0] in ("Unreleased", mllog.__version__)


@pytest.mark.packaging
def test_wheel_holds_code_types_and_presets(wheel):
    """
    The wheel has every module, py.typed and every preset.
    """
    names = set(zipfile.ZipFile(wheel).namelist())

    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "mllog").rglob("*.py")
    }
    presets = {
        f"mllog/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "presets").rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert expected | presets | {"mllog/py.typed"} <= names


@pytest.mark.packaging
@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["wheel", "editable"])
def test_presets_work_from_an_empty_environment(
    wheel, tmp_path, how, monkeypatch, missing
):
    """
    Installed in an empty environment, every preset applies in every form.

    It is installed there wherever else PYTHONPATH says that it is.
    """
    if tuple(map(int, version("pip").split(".")[:2])) < (22, 3):
        missing("pip 22.3", f"{version('pip')} has no option --python")
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("PYTHONPATH", str(elsewhere))
    found = elsewhere / f"mllog_handlers-{mllog.__version__}.dist-info"
    found.mkdir(parents=True)
    (found / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mllog-handlers\n"
        f"Version: {mllog.__version__}\n"
    )
    environment = tmp_path / "venv"
    venv.create(environment)
    python = environment / "bin" / "python"
    source = tmp_path / "source"
    if how == "editable":
        shutil.copytree(wheel.parent / "source", source)
    what = [wheel] if how == "wheel" else ["-e", source]
    _pip("--python", python, "install", *what)

    work = tmp_path / "work"
    work.mkdir()
    result = _run(python, "-c", APPLY, cwd=work)

    assert result.startswith("applied")
    assert (work / "logs" / "inference.jsonl").read_text().count("\n") == 2
    assert (work / "logs" / "latency.csv").exists()
    shown = _run(environment / "bin" / "mllog", "--version")
    assert mllog.__version__ in shown


FROZEN = """
import logging
import mllog

for name in ("files", "training", "inference", "monitoring", "syslog"):
    mllog.preset(name)
mllog.configure("training", stream="stdout")
logging.getLogger("app").info("frozen", extra={"metrics": {"loss": 0.5}})
"""


def test_hook_for_pyinstaller_is_declared_and_there():
    """
    PyInstaller asks the entry point for folders, and looks for hook-<name>.py.
    """
    declared = _setup()["options.entry_points"]["pyinstaller40"]
    home, _, name = declared.partition("=")[2].strip().partition(":")
    (folder,) = getattr(importlib.import_module(home), name)()

    assert (Path(folder) / "hook-mllog.py").is_file()


@pytest.mark.packaging
@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("has_hook", [True, False], ids=["hook", "control"])
def test_program_frozen_by_pyinstaller_finds_presets_or_says_how(
    wheel, tmp_path, has_hook, missing
):
    """
    With the hook they are there; without it the error says what to add.
    """
    venv.create(tmp_path / "venv", with_pip=True)
    bin = tmp_path / "venv" / "bin"
    install = [bin / "python", "-m", "pip", "install", "--quiet"]
    try:
        _run(*install, wheel, "pyinstaller")
    except subprocess.CalledProcessError:
        missing("PyInstaller", "cannot be installed")
    if not has_hook:
        (packages,) = (tmp_path / "venv" / "lib").glob("*/site-packages")
        (packages / "mllog/freezing/hook-mllog.py").unlink()
    (tmp_path / "app.py").write_text(FROZEN)
    command = [bin / "pyinstaller", "-y", "--log-level", "ERROR"]
    if not has_hook:
        command += ["--hidden-import", "mllog.config"]
    built = subprocess.run(
        [*command, "app.py"], cwd=tmp_path, capture_output=True, text=True
    )
    if "shared library" in built.stderr:
        missing("PyInstaller", "needs a Python with a shared library")
    assert 0 == built.returncode, built.stderr

    ran = subprocess.run(
        [tmp_path / "dist/app/app"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    if has_hook:
        assert "frozen" in ran.stdout, ran.stderr
        assert "frozen" in (tmp_path / "logs/training.jsonl").read_text()
    else:
        assert "--collect-all mllog" in ran.stderr


@pytest.mark.packaging
def test_preset_is_found_in_the_wheel_as_a_zip(wheel, tmp_path):
    """
    A zipped wheel on the path finds its presets as well.
    """
    code = "import mllog; print(mllog.preset('console')['version'])"

    result = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(wheel)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "1\n" == result.stdout
