"""
The example of gunicorn: workers that share files and a page, and come and go.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from importlib.util import find_spec

import pytest
import scraping
from servers import recipes
from servers.running import free_ports

pytestmark = [pytest.mark.metricservers, pytest.mark.timeout(900)]

FILE = "service.jsonl"


@pytest.fixture(autouse=True)
def _gunicorn(missing):
    if find_spec("gunicorn") is None:
        missing("gunicorn", "pip install gunicorn")


@pytest.fixture(name="start")
def _start(tmp_path):
    """
    Starts the example in its own folder; gives folder, port, metrics, server.
    """
    servers = []

    def start(*arguments, change=lambda _: None, **variables):
        folder = recipes.example("gunicorn", tmp_path / str(len(servers)))
        change(folder)
        port, metrics = free_ports(2)
        command = (sys.executable, "-m", "gunicorn", "service:app")
        server = recipes.serving(
            [*command, "--bind", f"127.0.0.1:{port}", *arguments],
            folder,
            port,
            # gunicorn makes a socket at home
            **{"HOME": folder, "MLLOG_METRICS_PORT": metrics, **variables},
        )
        servers.append(server)
        return folder, port, metrics, server

    yield start
    for server in servers:
        server.stop(20)


def workers_of(folder):
    """
    The processes that said they began and are there still.
    """
    booted = [
        int(each["message"].rpartition(" ")[2])
        for each in recipes.records(folder, FILE)
        if each["message"].startswith("Booting worker")
    ]
    return [pid for pid in booted if is_there(pid)]


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def send(server, number):
    os.kill(server.pid, number)


def written(metrics):
    """
    How many records the file has, as the page of metrics says.
    """
    found = scraping.samples(scraping.fetch(metrics))
    return found['mllog_records_total{handler="file",outcome="written"}']


@pytest.mark.faults
@pytest.mark.parametrize("preload", [False, True])
def test_workers_that_are_recycled_log_each_request_once(
    start, fault_scale, preload
):
    """
    20 000 requests, 4 workers, each replaced after 500: one record in the
    file, one row, one count; before they are stopped, and after.
    """
    # in small size ten workers are replaced, in full size forty
    requests = int(20_000 * fault_scale)
    each = 500 if fault_scale == 1 else requests // 10
    folder, port, metrics, server = start(
        *("--workers", "4", "--max-requests", str(each)),
        *(["--preload"] if preload else []),
    )

    asked = recipes.ask(port, requests, threads=8)

    assert (requests, 0) == (len(asked.answered), len(asked.unanswered))
    recipes.assert_each_once(folder, FILE, asked, metrics)
    # mllog's own accounts, of all processes that were and are
    recipes.until(
        lambda: len(recipes.records(folder, FILE)) == written(metrics)
    )
    server.stop(20)
    recipes.assert_each_once(folder, FILE, asked)
    said = [
        record
        for record in recipes.records(folder, FILE)
        if record["logger"] == "gunicorn.error"
    ]
    restarts = [r for r in said if r["message"].startswith("Autorestarting")]
    assert requests // each - 4 <= len(restarts) <= requests // each
    booted = Counter(
        r["message"] for r in said if r["message"].startswith("Booting")
    )
    assert {1} == set(booted.values())
    # the last ones may have been stopped before their successors began
    assert len(restarts) <= len(booted) <= len(restarts) + 4
    assert {"INFO"} == {record["level"] for record in said}
    # all that was logged is JSON on the console as well, and nothing else
    lines = recipes.said(folder).splitlines()
    assert all(line.startswith("{") for line in lines), lines[:3]
    assert len(recipes.records(folder, FILE)) == len(lines)


def test_reload_reopening_and_a_kill_lose_what_was_in_flight_at_most(start):
    """
    Under load, SIGHUP and SIGUSR1 lose no request and SIGKILL one of a worker
    one at most; none has two records.
    """
    folder, port, metrics, server = start("--threads", "2")
    load = recipes.Load(port, threads=4, keep_alive=False)
    reached = 0
    for act in (
        lambda: send(server, signal.SIGHUP),
        lambda: send(server, signal.SIGUSR1),
        lambda: os.kill(workers_of(folder)[-1], signal.SIGKILL),
        lambda: send(server, signal.SIGHUP),
    ):
        reached += 80
        load.reached(reached)
        act()
    load.reached(reached + 80)
    recipes.until(
        lambda: "was sent SIGKILL" in (folder / "logs" / FILE).read_text()
    )
    asked = load.stop()

    recipes.assert_each_once(folder, FILE, asked, metrics, killed=2)
    # its two threads, and what they had accepted
    assert len(asked.unanswered) <= 4
    levels = {
        record["level"]
        for record in recipes.records(folder, FILE)
        if "was sent SIGKILL" in record["message"]
    }
    assert {"ERROR"} == levels


def test_connections_that_are_kept_alive_log_each_request_once(start):
    """
    Threads, connections that stay, and recycling: nothing is doubled.
    """
    folder, port, metrics, _ = start(
        *("--threads", "4", "--workers", "2", "--max-requests", "80")
    )

    asked = recipes.ask(port, 400, threads=4, keep_alive=True)

    assert 350 <= len(asked.answered)
    recipes.assert_each_once(folder, FILE, asked, metrics)


CONFIGURED = {
    "command line": ("", ["--log-config-json", "logging.json"]),
    "json": ("logconfig_json = 'logging.json'\n", []),
}


@pytest.mark.parametrize("way", CONFIGURED)
def test_configuration_is_taken_in_every_way(start, tmp_path, way):
    """
    The file by its name does what the dict of the example does.
    """
    settings, arguments = CONFIGURED[way]

    def change(folder):
        (folder / "gunicorn.conf.py").write_text(settings)

    folder, port, metrics, _ = start(
        *arguments,
        *("--workers", "2"),
        change=change,
        PROMETHEUS_MULTIPROC_DIR=tmp_path / "metrics",
    )

    asked = recipes.ask(port, 20)

    assert 20 == len(asked.answered)
    recipes.assert_each_once(folder, FILE, asked, metrics)


def test_exception_of_the_application_has_its_traceback_once(start):
    """
    gunicorn's own record of it is an ERROR of gunicorn.error, in JSON.
    """
    folder, port, _, _ = start("--workers", "1")

    asked = recipes.ask(port, 1, body="no JSON")

    assert [500] == [status for _, status in asked.refused]
    found = recipes.records(folder, FILE)
    (of_server,) = [
        each
        for each in found
        if each["logger"] == "gunicorn.error" and "exception" in each
    ]
    assert "ERROR" == of_server["level"]
    assert "JSONDecodeError" in of_server["exception"]["traceback"]
    (of_request,) = recipes.accesses(found)
    assert ("ERROR", 500) == (of_request["level"], of_request["status_code"])


def asynchronous(folder):
    """
    Put FastAPI's example in the place of this one, and have it fail.
    """
    service = recipes.EXAMPLES / "fastapi" / "service.py"
    (folder / "service.py").write_text(
        f"{service.read_text()}\n\n"
        "@app.post('/broken')\ndef broken():\n    return 1 / 0\n"
    )


def test_worker_class_of_uvicorn_logs_by_the_same_handlers(start, missing):
    """
    What uvicorn says in a worker of gunicorn is in the file too, once, and so
    is the traceback of a crash; it writes no access log of its own.
    """
    for name in ("fastapi", "uvicorn_worker"):
        if find_spec(name) is None:
            missing(name, f"pip install {name}")
    folder, port, metrics, _ = start(
        *("--worker-class", "uvicorn_worker.UvicornWorker"),
        *("--workers", "2"),
        change=asynchronous,
    )

    asked = recipes.ask(port, 100)
    recipes.assert_each_once(folder, FILE, asked, metrics)
    recipes.ask(port, 1, path="/broken")

    # uvicorn logs it when the client has its answer
    log = folder / "logs" / FILE
    recipes.until(lambda: "traceback" in log.read_text())
    found = recipes.records(folder, FILE)
    (crash,) = [each for each in found if "exception" in each]
    assert ("uvicorn.error", "ERROR") == (crash["logger"], crash["level"])
    assert 2 == sum(
        each["message"] == "Application startup complete." for each in found
    )
    assert not any(each["logger"] == "uvicorn.access" for each in found)


def test_two_servers_with_one_folder_lose_nothing(start, tmp_path):
    """
    Two masters, one file that rotates, rows and all: each request once.
    """
    logs = tmp_path / "logs"
    shared = {
        "MLLOG_DIRECTORY": logs,
        "MLLOG_MAX_BYTES": "10kB",
        "MLLOG_BACKUP_COUNT": "0",
        "PROMETHEUS_MULTIPROC_DIR": tmp_path / "metrics",
    }
    _, one, metrics, _ = start("--workers", "2", **shared)
    _, other, _, _ = start("--workers", "2", "--preload", **shared)
    loads = [recipes.Load(port, 150) for port in (one, other)]

    asked = recipes.Asked()
    for load in loads:
        asked += load.wait()

    assert 300 == len(asked.answered)
    assert 5 < len(list(logs.glob(f"{FILE}.*")))
    recipes.assert_each_once(tmp_path, FILE, asked, metrics)
