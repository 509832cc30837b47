"""
The example of custom metrics in scikit-learn and Keras runs as it says.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from curves import files
from curves import run as read_run
from servers.prometheus import prometheus
from servers.running import free_ports
from servers.tensorboard import TensorBoard

pytestmark = pytest.mark.once

__all__ = ["prometheus"]

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "examples" / "framework_metrics.py"
SERIES = re.compile(r'(\w+)\{model_name="(\w+)",model_version="(\d)"\} (\S+)')
EPOCHS = 3
# What each framework trains: model, metric, steps of the epochs
WAYS = {
    "sklearn": ("digits", "log_loss", [1, 2, 3]),
    "keras": ("regression", "rmse", [12, 24, 36]),
}


def command(*options):
    """
    The example's command line.
    """
    return [
        *(sys.executable, "-W", "ignore", str(SCRIPT)),
        *(f"--epochs={EPOCHS}", *options),
    ]


def environment():
    """
    That of the tests without settings of mllog.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLLOG_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@pytest.mark.timeout(120)
def test_log_loss_of_scikit_learn_reaches_its_places(tmp_path, missing):
    """
    Two versions of a classifier are two series, and two curves each.
    """
    if find_spec("sklearn") is None:
        missing("framework_metrics", "scikit-learn is not installed")

    done = subprocess.run(
        command("--framework=sklearn"),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=110,
    )

    assert 0 == done.returncode, done.stderr
    assert 2 * EPOCHS == done.stderr.count("Epoch done"), done.stderr
    assert ["logs"] == [each.name for each in tmp_path.iterdir()]
    text = (tmp_path / "logs" / "metrics.prom").read_text()
    found = {
        (name, version): float(value)
        for name, _, version, value in SERIES.findall(text)
    }
    for name in ("train_log_loss", "val_log_loss"):
        assert 0 < found[name, "2"] < found[name, "1"] < 2.4
    runs = {path.parent for path in files(tmp_path / "logs" / "tensorboard")}
    assert {"1", "2"} == {run.name for run in runs}
    for run in runs:
        for tag in ("train/log_loss", "val/log_loss"):
            points = read_run(run).Scalars(tag)
            assert [1, 2, 3] == [each.step for each in points]


@contextlib.contextmanager
def training(folder, port):
    """
    The example in both frameworks, until it has trained and serves *port*.
    """
    log = folder / "training.log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            command(f"--port={port}", *(f"--framework={n}" for n in WAYS)),
            cwd=folder,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            deadline = time.monotonic() + 300
            while "TensorBoard: " not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
    assert 0 == process.returncode, log.read_text()


@pytest.mark.frameworks
@pytest.mark.timeout(500)
def test_metrics_of_both_frameworks_reach_both_servers(
    tmp_path, missing, prometheus
):
    """
    RMSE of Keras and log loss of scikit-learn are asked of a real Prometheus,
    by the label model_version, and of a real TensorBoard: the same numbers.
    """
    if find_spec("keras") is None:
        missing("framework_metrics", "pip install keras jax")
    (port,) = free_ports(1)
    board = TensorBoard(tmp_path / "logs" / "tensorboard", tmp_path)
    with (
        prometheus.scraping(port, "custom-metrics"),
        training(tmp_path, port),
    ):
        board.start()
        try:
            for model, metric, steps in WAYS.values():
                last = {
                    (part, version): _last_of_both(
                        prometheus,
                        board,
                        (part, metric),
                        (model, version),
                        steps,
                    )
                    for part in ("train", "val")
                    for version in (1, 2)
                }
                for part in ("train", "val"):
                    assert 0 < last[part, 2] < last[part, 1]
            # the mean of batches of one size, and the whole, are one number
            for part in ("train", "val"):
                series = (
                    '{job="custom-metrics",model_name="regression",'
                    'model_version="2"}'
                )
                loss = prometheus.number(f"{part}_loss{series}")
                rmse = prometheus.number(f"{part}_rmse{series}")
                assert rmse == pytest.approx(loss**0.5, rel=1e-4)
        finally:
            board.stop()


def _last_of_both(prometheus, board, names, labels, steps):
    """
    The last value of a version, which is one in both servers.
    """
    part, metric = names
    model, version = labels
    series = (
        f'{part}_{metric}{{job="custom-metrics",model_name="{model}",'
        f'model_version="{version}"}}'
    )
    number = prometheus.wait_for(series, lambda _: True)
    ending, tag = f"{model}/{version}", f"{part}/{metric}"
    tags = board.wait_for(
        lambda runs: any(
            run.endswith(ending) and tag in found
            for run, found in runs.items()
        ),
        "scalars",
        "tags",
    )
    (run,) = [run for run in tags if run.endswith(ending)]
    points = board.wait_for(
        lambda them: len(them) == EPOCHS,
        "scalars",
        "scalars",
        run=run,
        tag=tag,
    )
    assert steps == [step for _, step, _ in points]
    assert pytest.approx(points[-1][2], rel=1e-6) == number
    return number
