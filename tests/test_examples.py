"""
The examples run as a new user runs them.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sharing import made_once

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent
REQUESTS = 40


def _run(folder: Path) -> None:
    """
    Run the demo in an empty folder with its output in pipes.
    """
    script = ROOT / "examples" / "digits_service.py"
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLLOG_", "FORCE_COLOR"))
    }
    place = folder / "place"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, str(script), f"--requests={REQUESTS}"],
        cwd=place,
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=55,
    )
    assert done.returncode == 0, done.stderr
    (folder / "stdout").write_text(done.stdout, "utf-8")
    (folder / "stderr").write_text(done.stderr, "utf-8")


@pytest.fixture(name="demo")
def _demo(tmp_path_factory, missing):
    """
    A folder with what the finished demo wrote: place/, stdout and stderr.
    """
    if importlib.util.find_spec("sklearn") is None:
        missing("digits_service", "scikit-learn is not installed")
    return made_once(tmp_path_factory, "digits_service", _run)


def test_digits_service_in_an_empty_folder_logs_each_request_once(demo):
    """
    Each request is one JSON line, each inference one row, all below ./logs.
    """
    assert [path.name for path in (demo / "place").iterdir()] == ["logs"]
    logs = demo / "place" / "logs"
    assert sorted(path.name for path in logs.iterdir()) == [
        "inference.jsonl",
        "latency.csv",
        "latency.summary.csv",
    ]
    records = [
        json.loads(line)
        for line in (logs / "inference.jsonl").read_text().splitlines()
    ]
    ids = [each["request_id"] for each in records if "request_id" in each]
    assert sorted(map(int, ids)) == list(range(REQUESTS))

    with (logs / "latency.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = list(rows[0])
    inferences = [
        {name: str(record[name]) for name in columns}
        for record in records
        if record["message"] == "Inference complete"
    ]
    assert len(rows) == REQUESTS - 2  # one was refused, one failed
    assert _sorted(rows) == _sorted(inferences)

    # ERROR for what the service got wrong, WARNING for what a client did
    levels = [each["level"] for each in records]
    assert (levels.count("ERROR"), levels.count("WARNING")) == (1, 1)
    assert "KeyError" in next(
        each["exception"]["traceback"]
        for each in records
        if "exception" in each
    )


def test_digits_service_in_a_pipe_shows_json_and_percentiles(demo):
    """
    stderr is JSON lines only; stdout has files, a line, rows and percentiles.
    """
    stdout, stderr = (
        (demo / name).read_text("utf-8") for name in ("stdout", "stderr")
    )
    shown = [json.loads(line) for line in stderr.splitlines()]
    assert "All requests answered" in [each["message"] for each in shown]
    assert len(shown) < REQUESTS / 2

    for word in (
        "logs/inference.jsonl",
        '"message": "Inference complete"',
        "timestamp,inference_latency,model_name,model_version,variant",
        "p50",
        "p99",
        "candidate",
        "control",
    ):
        assert word in stdout


def _sorted(rows: list[dict[str, str]]) -> list[list[str]]:
    return sorted(list(row.values()) for row in rows)
