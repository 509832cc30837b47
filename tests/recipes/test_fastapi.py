"""
The example of FastAPI: uvicorn in one process, in several, and reloaded.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib.util import find_spec

import pytest
from servers import recipes
from servers.running import free_ports

pytestmark = [pytest.mark.metricservers, pytest.mark.timeout(300)]

FILE = "service.jsonl"


@pytest.fixture(name="start")
def _start(tmp_path, missing):
    """
    Starts the example in its own folder; gives folder, port, metrics, server.
    """
    for name in ("fastapi", "uvicorn"):
        if find_spec(name) is None:
            missing(name, f"pip install {name}")
    servers = []

    def start(*arguments, change=lambda _: None, **variables):
        folder = recipes.example("fastapi", tmp_path / str(len(servers)))
        change(folder)
        port, metrics = free_ports(2)
        server = recipes.serving(
            [
                *(sys.executable, "-m", "uvicorn", "service:app"),
                *("--log-config", "logging.json", "--port", str(port)),
                *arguments,
            ],
            folder,
            port,
            **{"MLLOG_METRICS_PORT": metrics, **variables},
        )
        servers.append(server)
        return folder, port, metrics, server

    yield start
    for server in servers:
        server.stop(20)


def of_uvicorn(folder):
    """
    What uvicorn says itself, and at which level.
    """
    return [
        (each["logger"], each["level"], each["message"].partition(" [")[0])
        for each in recipes.records(folder, FILE)
        if each["logger"].startswith("uvicorn")
    ]


@pytest.mark.parametrize("keep_alive", [False, True])
def test_one_process_logs_each_request_once(start, keep_alive):
    """
    A record in the file, a row and a count for each, in the thread that
    FastAPI runs the route in; uvicorn's own records come once, as JSON.
    """
    # an option that sets the level of uvicorn.access brings no second line
    folder, port, metrics, server = start("--log-level", "info")

    asked = recipes.ask(port, 200, keep_alive=keep_alive)

    assert (200, 0) == (len(asked.answered), len(asked.unanswered))
    recipes.assert_each_once(folder, FILE, asked, metrics)
    server.stop(20)
    recipes.assert_each_once(folder, FILE, asked)
    assert [
        ("uvicorn.error", "INFO", "Started server process"),
        ("uvicorn.error", "INFO", "Waiting for application startup."),
        ("uvicorn.error", "INFO", "Application startup complete."),
        (
            "uvicorn.error",
            "INFO",
            f"Uvicorn running on http://127.0.0.1:{port} (Press CTRL+C to quit)",
        ),
        ("uvicorn.error", "INFO", "Shutting down"),
        ("uvicorn.error", "INFO", "Waiting for application shutdown."),
        ("uvicorn.error", "INFO", "Application shutdown complete."),
        ("uvicorn.error", "INFO", "Finished server process"),
    ] == of_uvicorn(folder)
    found = recipes.records(folder, FILE)
    assert not any("color_message" in each for each in found)
    lines = recipes.said(folder).splitlines()
    assert len(found) == len(lines)
    assert all(line.startswith("{") for line in lines), lines[:3]


def broken(folder):
    service = folder / "service.py"
    text = service.read_text()
    service.write_text(
        f"{text}\n\n@app.post('/broken')\ndef broken():\n    return 1 / 0\n"
    )


def test_requests_that_fail_have_a_level_and_one_traceback(start):
    """
    A refusal is a WARNING of the access log; a crash an ERROR of it, and one
    of uvicorn.error with the traceback.
    """
    folder, port, metrics, _ = start(change=broken)

    refused = recipes.ask(port, 1, body='{"lengths": "long"}').refused
    failed = recipes.ask(port, 1, path="/broken").refused

    assert [422] == [status for _, status in refused]
    assert [500] == [status for _, status in failed]
    # uvicorn logs it when the client has its answer
    recipes.until(lambda: "traceback" in (folder / "logs" / FILE).read_text())
    found = recipes.records(folder, FILE)
    assert [("WARNING", 422, refused[0][0]), ("ERROR", 500, failed[0][0])] == [
        (each["level"], each["status_code"], each["request_id"])
        for each in recipes.accesses(found)
    ]
    (crash,) = [each for each in found if "exception" in each]
    assert ("uvicorn.error", "ERROR") == (crash["logger"], crash["level"])
    assert "ZeroDivisionError" in crash["exception"]["traceback"]
    assert 2 == recipes.counted(metrics, "request_latency_seconds", 2)


def test_workers_that_end_and_are_killed_log_each_request_once(
    start, tmp_path
):
    """
    Two workers that stop after 70 requests, SIGHUP and SIGKILL under load:
    one record, row and count for each answer, at most one for each other.
    """
    folder, port, metrics, server = start(
        *("--workers", "2", "--limit-max-requests", "70"),
        PROMETHEUS_MULTIPROC_DIR=tmp_path / "metrics",
    )
    load = recipes.Load(port, threads=4)
    load.reached(60)
    os.kill(server.pid, signal.SIGHUP)
    load.reached(120)
    workers = [
        int(each["message"].partition("[")[2].rstrip("]"))
        for each in recipes.records(folder, FILE)
        if each["message"].startswith("Started server process [")
    ]
    os.kill(next(pid for pid in workers[::-1] if is_there(pid)), 9)
    load.reached(200)
    asked = load.stop()

    recipes.assert_each_once(folder, FILE, asked, metrics, killed=4)
    assert len(asked.unanswered) < 40
    server.stop(20)
    recipes.assert_each_once(folder, FILE, asked, killed=4)


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
