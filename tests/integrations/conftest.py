"""
What the tests of integrations share: a logger, and the records it gave.
"""

import importlib.util
import json
import logging
import os
import subprocess
import sys
from typing import Any, NamedTuple

import pytest


class Said(NamedTuple):
    """
    What a record says.
    """

    message: str
    metrics: Any
    step: Any
    fields: dict[str, Any]


class Kept(logging.Handler):
    """
    A foreign handler that keeps what records say.
    """

    def __init__(self):
        super().__init__()
        self.said = []

    def emit(self, record):
        own = logging.makeLogRecord({}).__dict__
        fields = {k: v for k, v in vars(record).items() if k not in own}
        metrics, step = fields.pop("metrics", None), fields.pop("step", None)
        self.said.append(Said(record.getMessage(), metrics, step, fields))


@pytest.fixture
def said(logger):
    """
    What the test's logger was told so far.
    """
    handler = Kept()
    logger.addHandler(handler)
    return handler.said


@pytest.fixture
def framework(missing):
    """
    Have the test run only where a package is installed.
    """

    def ask(name, *, package=None):
        if importlib.util.find_spec(name) is None:
            missing(name, f"pip install {package or name}")

    return ask


_BEFORE = """
import json, logging, sys

class Kept(logging.Handler):
    said = []

    def emit(self, record):
        own = logging.makeLogRecord({}).__dict__
        fields = {k: v for k, v in vars(record).items() if k not in own}
        metrics, step = fields.pop("metrics", None), fields.pop("step", None)
        self.said.append([record.getMessage(), metrics, step, fields])

logger = logging.getLogger("training")
logger.propagate = False
logger.addHandler(Kept())
logger.setLevel(logging.INFO)
answer = None
"""
_AFTER = """
with open(sys.argv[1], "w") as file:
    json.dump([Kept.said, answer], file, default=str)
"""


@pytest.fixture
def said_by(tmp_path):
    """
    Run code in a process of its own; what was said to its logger, and answer.
    """

    def run(code, **variables):
        found = tmp_path / "said.json"
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _BEFORE + code + _AFTER]
            + [str(found)],
            cwd=tmp_path,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **variables},
            capture_output=True,
            encoding="utf-8",
            timeout=280,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "mllog" not in done.stderr, done.stderr
        said, answer = json.loads(found.read_text())
        return [Said(*each) for each in said], answer

    return run
