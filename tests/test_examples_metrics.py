"""
The example of custom metrics: from the logger to curves.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from curves import files, run

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(name="runs")
def _runs(tmp_path):
    """
    The folders of the runs of a finished example, by model and version.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MLLOG_")
    }
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "custom_metrics.py")],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        timeout=55,
    )
    assert 0 == done.returncode, done.stderr
    folders = [path.parent for path in files(tmp_path / "runs")]
    return {f"{path.parent.name}/{path.name}": path for path in folders}


def test_custom_metrics_are_curves_of_each_version(runs):
    """
    RMSE and log loss fall from step to step, and a version is a run.
    """
    metrics = {"regression": "train/rmse", "classification": "train/log_loss"}
    assert {f"{name}/{n}" for name in metrics for n in (1, 2)} == set(runs)
    for name, folder in runs.items():
        points = run(folder).Scalars(metrics[name.split("/")[0]])
        assert list(range(50)) == [each.step for each in points]
        values = [each.value for each in points]
        assert sorted(values, reverse=True) == values
        assert values[-1] < 0.75 * values[0]
