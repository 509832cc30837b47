"""
The FastAPI example runs as a new user runs it.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_fastapi_example_logs_each_request_once(tmp_path, missing):
    """
    Two answers and one refusal: a record of each, whose id its other lines have.
    """
    for name in ("fastapi", "uvicorn"):
        if importlib.util.find_spec(name) is None:
            missing("fastapi_inference", f"{name} is not installed")

    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "fastapi_inference.py")],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=50,
    )

    assert 0 == done.returncode, done.stderr
    assert "" == done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    of_requests = [each for each in records if "path" in each]
    others = [each for each in records if "path" not in each]
    assert [200, 200, 400] == [each["status_code"] for each in of_requests]
    assert ["INFO", "INFO", "WARNING"] == [r["level"] for r in of_requests]
    assert {"instances": [1.4, 4.7, 6.0]} == of_requests[0]["inputs"]
    assert "It is setosa. " == of_requests[1]["predictions"]
    assert "HTTP 400: no flowers" == of_requests[2]["error"]
    assert [3, 1] == [each["batch_size"] for each in others]
    ids = [each["request_id"] for each in of_requests]
    assert ids[:2] == [each["request_id"] for each in others]
    assert 3 == len(set(ids))
