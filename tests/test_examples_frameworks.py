"""
The example of custom metrics in scikit-learn and Keras runs as it says.
"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "examples" / "framework_metrics.py"
SERIES = re.compile(r'(\w+)\{model_name="(\w+)",model_version="(\d)"\} (\S+)')


def run(folder, framework):
    """
    What stands in the textfile for Prometheus, by name and version.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLLOG_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT)]
        + ["--epochs=3", f"--framework={framework}"],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Epoch done") == 6, done.stderr
    assert [each.name for each in folder.iterdir()] == ["logs"]
    text = (folder / "logs" / "metrics.prom").read_text()
    return {
        (name, int(version)): float(value)
        for name, _, version, value in SERIES.findall(text)
    }


def curves(folder):
    """
    The tags in TensorBoard's files, by the folder of a run.
    """
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )

    found = {}
    for path in (folder / "logs" / "tensorboard").rglob("*tfevents*"):
        reader = EventAccumulator(str(path.parent)).Reload()
        for tag in reader.Tags()["scalars"]:
            steps = [each.step for each in reader.Scalars(tag)]
            found[path.parent.name, tag] = steps
    return found


def draws_curves():
    import mllog

    return hasattr(mllog, "TensorBoardHandler") and find_spec("tensorboard")


@pytest.mark.timeout(120)
def test_log_loss_of_scikit_learn_reaches_its_places(tmp_path, missing):
    """
    Two versions of a classifier are two series, and curves where they can be.
    """
    if find_spec("sklearn") is None:
        missing("framework_metrics", "scikit-learn is not installed")

    found = run(tmp_path, "sklearn")

    names = ("train_log_loss", "val_log_loss")
    for name in names:
        assert 0 < found[name, 2] < found[name, 1] < 2.4
    if draws_curves():
        drawn = curves(tmp_path)
        assert {tag for _, tag in drawn} >= {"train/log_loss", "val/log_loss"}
        assert [1, 2, 3] in drawn.values()


@pytest.mark.frameworks
@pytest.mark.timeout(300)
def test_rmse_of_keras_reaches_its_places(tmp_path, missing):
    """
    A metric of one's own in Keras is a series and a curve per version.
    """
    if find_spec("keras") is None:
        missing("framework_metrics", "pip install keras jax")

    found = run(tmp_path, "keras")

    for part in ("train", "val"):
        assert 0 < found[f"{part}_rmse", 2] < found[f"{part}_rmse", 1]
        mean = found[f"{part}_loss", 2]
        # the mean of batches of one size, and the whole, are one number
        assert found[f"{part}_rmse", 2] == pytest.approx(mean**0.5, rel=1e-4)
    if draws_curves():
        drawn = curves(tmp_path)
        assert {tag for _, tag in drawn} >= {"train/rmse", "val/rmse"}
        assert [12, 24, 36] in drawn.values()
