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

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent
REQUESTS = 40


@pytest.fixture(name="demo")
def _demo(tmp_path, missing):
    """
    The finished demo, run in an empty folder with its output in pipes.
    """
    if importlib.util.find_spec("sklearn") is None:
        missing("digits_service", "scikit-learn is not installed")
    script = ROOT / "examples" / "digits_service.py"
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLLOG_", "FORCE_COLOR"))
    }
    return subprocess.run(
        [sys.executable, str(script), f"--requests={REQUESTS}"],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=55,
    )


def test_digits_service_in_an_empty_folder_logs_each_request_once(
    demo, tmp_path
):
    """
    Each request is one JSON line, each inference one row, all below ./logs.
    """
    assert demo.returncode == 0, demo.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    logs = tmp_path / "logs"
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
    assert demo.returncode == 0, demo.stderr
    shown = [json.loads(line) for line in demo.stderr.splitlines()]
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
        assert word in demo.stdout


def _sorted(rows: list[dict[str, str]]) -> list[list[str]]:
    return sorted(list(row.values()) for row in rows)
