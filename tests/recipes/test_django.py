"""
The example of Django: runserver, gunicorn, and commands beside them.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
from servers import recipes
from servers.running import free_ports

pytestmark = [pytest.mark.metricservers, pytest.mark.timeout(300)]

FILE = "service.jsonl"
SERVERS = {
    "runserver": ("manage.py", "runserver"),
    "gunicorn": ("-m", "gunicorn", "service.wsgi", "--preload", "--bind"),
}


@pytest.fixture(name="start")
def _start(tmp_path, missing):
    """
    Starts the example in its own folder; gives folder, port and server.
    """
    for name in ("django", "gunicorn"):
        if find_spec(name) is None:
            missing(name, f"pip install {name}")
    servers = []

    def start(name, *arguments, **variables):
        folder = recipes.example("django", tmp_path)
        (port,) = free_ports(1)
        server = recipes.serving(
            [sys.executable, *SERVERS[name], f"127.0.0.1:{port}", *arguments],
            folder,
            port,
            **{"HOME": folder, **variables},
        )
        servers.append(server)
        return folder, port, server

    yield start
    for server in servers:
        server.stop(20)


@pytest.mark.parametrize(
    ("name", "debug"), [("runserver", 1), ("gunicorn", 0)]
)
def test_each_request_is_logged_once(start, name, debug):
    """
    A record of the model and one of the request, a row, and a count at
    /metrics; Django's own handlers and the server's access log add nothing.
    """
    folder, port, server = start(name, DEBUG=debug)

    asked = recipes.ask(port, 60)
    lost = recipes.ask(port, 1, path="/nowhere").refused
    failed = recipes.ask(port, 1, body="no JSON").refused

    assert (60, 0) == (len(asked.answered), len(asked.unanswered))
    assert [404, 500] == [status for _, status in (*lost, *failed)]
    assert 60 == recipes.counted(port, "inference_latency_seconds", 60)
    assert 62 == recipes.counted(port, "request_latency_seconds", 62)
    server.stop(20)
    found = recipes.records(folder, FILE)
    assert 60 == len(recipes.inferences(found)) == len(recipes.rows(folder))
    names = [*asked.answered, lost[0][0], failed[0][0]]
    assert dict.fromkeys(names, 1) == recipes.times(recipes.accesses(found))
    assert [
        ("WARNING", "Not Found: /nowhere", lost[0][0]),
        ("ERROR", "Internal Server Error: /predict", failed[0][0]),
    ] == [
        (each["level"], each["message"], each["request_id"])
        for each in found
        if each["logger"] == "django.request"
    ]
    (crash,) = [each for each in found if "exception" in each]
    assert "JSONDecodeError" in crash["exception"]["traceback"]
    # on the console is what is in the file, and what runserver prints
    said = recipes.said(folder)
    lines = [line for line in said.splitlines() if line.startswith("{")]
    assert len(found) == len(lines)
    assert 1 == said.count("JSONDecodeError:")
    assert "GET /nowhere HTTP" not in said


def test_command_beside_a_server_leaves_it_alone(start):
    """
    ``manage.py check`` says what it always says, and nothing of mllog.
    """
    folder, port, _ = start("gunicorn")

    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert "no issues" in done.stdout
    asked = recipes.ask(port, 10)
    assert 10 == len(asked.answered)
    assert 10 == recipes.counted(port, "inference_latency_seconds", 10)
