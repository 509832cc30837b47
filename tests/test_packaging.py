"""
What is shipped: metadata, the wheel, presets in every kind of installation.
"""

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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


@pytest.fixture(name="wheel", scope="session")
def _wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns(
        ".*", "build", "dist", "*.egg-info", "__pycache__", "logs"
    )
    shutil.copytree(ROOT, source, ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*command, "-w", folder, source], check=True)
    (built,) = folder.glob("*.whl")
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
def test_presets_work_from_an_empty_environment(wheel, tmp_path, how):
    """
    Installed in an empty environment, every preset applies in every form.
    """
    subprocess.run(
        [sys.executable, "-m", "venv", tmp_path / "venv"], check=True
    )
    python = tmp_path / "venv" / "bin" / "python"
    source = tmp_path / "source"
    if how == "editable":
        shutil.copytree(wheel.parent / "source", source)
    what = [wheel] if how == "wheel" else ["-e", source]
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *what], check=True
    )

    work = tmp_path / "work"
    work.mkdir()
    result = subprocess.run(
        [python, "-c", APPLY],
        cwd=work,
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout.startswith("applied")
    assert (work / "logs" / "inference.jsonl").read_text().count("\n") == 2
    assert (work / "logs" / "latency.csv").exists()
    version = subprocess.run(
        [tmp_path / "venv" / "bin" / "mllog", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert mllog.__version__ in version.stdout


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
