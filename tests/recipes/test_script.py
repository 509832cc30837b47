"""
The example of a program runs as a new user runs it.
"""

from __future__ import annotations

import os
import subprocess
import sys

from servers import recipes


def run(folder, *, code=None):
    command = ["train.py"] if code is None else ["-c", code]
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLLOG_", "FORCE_COLOR"))
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(recipes.ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=50,
    )


def test_program_logs_each_epoch_to_console_and_file(tmp_path):
    """
    Five epochs and an end: as text in the pipe, as JSON in the file, once.
    """
    folder = recipes.example("script", tmp_path)

    done = run(folder)

    assert (0, "") == (done.returncode, done.stdout), done.stderr
    *epochs, end = recipes.records(folder, "app.jsonl")
    assert [1, 2, 3, 4, 5] == [each["epoch"] for each in epochs]
    losses = [each["loss"] for each in epochs]
    assert sorted(losses, reverse=True) == losses
    assert {"line"} == {each["model_name"] for each in (*epochs, end)}
    assert {"slope", "intercept"} < end.keys()
    lines = done.stderr.splitlines()
    assert 6 == len(lines)
    assert " INFO train Epoch done epoch=1 loss=" in lines[0]


def test_program_that_is_killed_has_logged_what_it_did(tmp_path):
    """
    Each line that was logged before SIGKILL is there, and whole.
    """
    folder = recipes.example("script", tmp_path)

    done = run(
        folder,
        code=(
            "import os, signal, mllog, train\n"
            "mllog.configure('logging.json')\n"
            "train.train(50)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        ),
    )

    assert -9 == done.returncode, done.stderr
    found = recipes.records(folder, "app.jsonl")
    assert list(range(1, 51)) == [each["epoch"] for each in found]
