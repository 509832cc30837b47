"""
The example of Celery: a pool whose processes come and go.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec

import pytest
from servers import recipes
from servers.running import Running, free_ports

pytestmark = [pytest.mark.metricservers, pytest.mark.timeout(300)]

FILE = "tasks.jsonl"
SEND = """
import sys, tasks
for _ in range(int(sys.argv[1])):
    print(tasks.app.send_task(f"tasks.{sys.argv[2]}", [eval(sys.argv[3])]).id)
"""


class Worker:
    """
    The example, with a worker of Celery that runs in its folder.
    """

    def __init__(self, folder, *arguments):
        self.folder = folder
        (self.metrics,) = free_ports(1)
        self._variables = {
            "PYTHONPATH": str(recipes.ROOT),
            "PYTHONWARNINGS": "ignore",  # that root runs it
            "MLLOG_METRICS_PORT": str(self.metrics),
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
            "FORCE_COLOR": "",
        }
        command = [sys.executable, "-m", "celery", "-A", "tasks", "worker"]
        self.server = Running(
            [*command, "--concurrency", "2", *arguments],
            lambda: any(" ready." in r["message"] for r in self.records()),
            folder / "server.log",
            self._variables,
            folder,
        )
        self.server.start(60)

    def records(self):
        return recipes.records(self.folder, FILE)

    def send(self, count, task="predict", argument=[1.4]):
        """
        Send tasks from a process of its own; gives their ids.
        """
        done = subprocess.run(
            [sys.executable, "-c", SEND, str(count), task, str(argument)],
            cwd=self.folder,
            env={**os.environ, **self._variables},
            capture_output=True,
            encoding="utf-8",
            timeout=100,
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout.split()

    def of(self, logger, message=""):
        """
        The records of a logger whose message has that in it.
        """
        return [
            each
            for each in self.records()
            if each["logger"] == logger and message in each["message"]
        ]


@pytest.fixture(name="start")
def _start(tmp_path, missing):
    """
    Starts the worker of the example, changed or not.
    """
    if find_spec("celery") is None:
        missing("celery", "pip install celery")
    workers = []

    def start(*arguments, more="", handlers=None):
        folder = recipes.example("celery", tmp_path)
        if more:
            with (folder / "tasks.py").open("a") as file:
                file.write(more)
        if handlers:
            recipes.add_handlers(folder / "logging.json", handlers)
        workers.append(Worker(folder, *arguments))
        return workers[-1]

    yield start
    for worker in workers:
        worker.server.stop(30)


def test_processes_that_are_recycled_log_each_task_once(start):
    """
    Eighty tasks, each process for ten of them: one record of the model, one
    row, one count and Celery's two records; summaries are not lost either.
    """
    worker = start(
        *("--max-tasks-per-child", "10"),
        handlers={"summary": {"class": "mllog.SummaryHandler"}},
    )

    names = worker.send(80)

    recipes.until(
        lambda: len(worker.of("celery.app.trace", "succeeded")) == 80, 100
    )
    assert 80 == recipes.counted(
        worker.metrics, "inference_latency_seconds", 80
    )
    worker.server.stop(30)
    found = worker.records()
    of_model = recipes.inferences(found)
    once = dict.fromkeys(names, 1)
    assert once == Counter(each["task_id"] for each in of_model)
    for logger in ("celery.worker.strategy", "celery.app.trace"):
        assert once == Counter(
            each["data"]["id"] for each in worker.of(logger)
        )
    assert sorted(each["timestamp"] for each in of_model) == sorted(
        each["timestamp"] for each in recipes.rows(worker.folder)
    )
    assert 80 == sum(
        each["count"]
        for each in worker.of("mllog.summary")
        if each["field"] == "inference_latency"
    )
    # on the console is what is in the file, below Celery's banner
    lines = recipes.said(worker.folder).splitlines()
    lines = [line for line in lines if line.startswith("{")]
    assert len(found) == len(lines)


BROKEN = """

@app.task
def broken(divisor):
    print("what a task prints")
    return 1 / divisor
"""


def test_task_that_fails_has_its_traceback_once(start):
    """
    It is an ERROR of celery.app.trace; what a task prints stays as it is.
    """
    worker = start(more=BROKEN)

    (name,) = worker.send(1, "broken", 0)

    recipes.until(lambda: worker.of("celery.app.trace"))
    worker.server.stop(30)
    (crash,) = worker.of("celery.app.trace")
    assert ("ERROR", name) == (crash["level"], crash["data"]["id"])
    assert "ZeroDivisionError" in crash["exception"]["traceback"]
    assert [crash] == [
        each for each in worker.records() if "exception" in each
    ]
    lines = recipes.said(worker.folder).splitlines()
    assert 1 == lines.count("what a task prints")


STUCK = """

@app.task
def stuck(path):
    import time
    logger.info("Stuck", extra={"pid": os.getpid()})
    time.sleep(600)
"""


REDIRECTED = """
setup_logging.disconnect(configure)
app.conf.worker_hijack_root_logger = False
configure()
"""


def test_redirected_streams_do_not_log_a_record_again(start):
    """
    Where Celery makes records of what is printed, a task's print is one, and
    the lines of the console are none.
    """
    worker = start("--loglevel", "INFO", more=BROKEN + REDIRECTED)

    worker.send(1, "broken", 1)

    recipes.until(lambda: worker.of("celery.app.trace"))
    worker.server.stop(30)
    printed = [each["message"] for each in worker.of("celery.redirected")]
    assert 1 == printed.count("what a task prints")
    assert not any(each.startswith("{") for each in printed)
    assert 1 == recipes.said(worker.folder).count(" succeeded in ")


@pytest.mark.faults
@pytest.mark.full
def test_process_that_is_killed_loses_what_it_had_in_flight(start):
    """
    SIGKILL of a process of the pool is one ERROR; all other tasks are done,
    and logged once.
    """
    worker = start(more=STUCK)
    worker.send(1, "stuck", 0)
    recipes.until(lambda: worker.of("iris", "Stuck"))

    names = worker.send(20)
    os.kill(worker.of("iris", "Stuck")[0]["pid"], signal.SIGKILL)

    recipes.until(
        lambda: (
            len(recipes.inferences(worker.records())) >= 20
            and worker.of("celery.worker.request")
        )
    )
    worker.server.stop(30)
    found = recipes.inferences(worker.records())
    assert dict.fromkeys(names, 1) == Counter(r["task_id"] for r in found)
    (lost,) = worker.of("celery.worker.request")
    assert "ERROR" == lost["level"]
    assert "WorkerLostError" in str(lost["exception"])
