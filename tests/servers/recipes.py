"""
The examples of frameworks: copied, started, asked, and what they logged.
"""

from __future__ import annotations

import csv
import http.client
import itertools
import json
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import scraping
from servers.running import Running, answers

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
BODY = json.dumps({"lengths": [1.4, 4.7, 6.0]})


def example(name: str, folder: Path) -> Path:
    """
    A copy of an example in a new folder, where it finds its files.
    """
    ignored = shutil.ignore_patterns("logs", "__pycache__")
    return Path(
        shutil.copytree(EXAMPLES / name, folder / name, ignore=ignored)
    )


def serving(
    command: Sequence[str],
    folder: Path,
    port: int,
    **variables: object,
) -> Running:
    """
    A server, started as a user would: in the folder of the application.

    Args:
        command: What to run, in the foreground.

        folder: Where.

        port: What it listens to; it is ready when somebody does.

        variables: The environment beside this process's own.
    """
    environment = {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "FORCE_COLOR": "",
        **{name: str(value) for name, value in variables.items()},
    }
    server = Running(
        command,
        lambda: answers(("127.0.0.1", port), socket.SOCK_STREAM),
        folder / "server.log",
        environment,
        folder,
    )
    server.start(60)
    return server


@dataclass
class Asked:
    """
    What became of the requests that were sent, by their ids.
    """

    answered: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    refused: list[tuple[str, int]] = field(default_factory=list)

    def __iadd__(self, other: Asked) -> Asked:
        self.answered += other.answered
        self.unanswered += other.unanswered
        self.refused += other.refused
        return self


_numbers = itertools.count(1)


def ask(
    port: int,
    count: int,
    *,
    threads: int = 4,
    keep_alive: bool = False,
    path: str = "/predict",
    body: str = BODY,
) -> Asked:
    """
    Send requests from several threads, each with an id of its own.
    """
    return Load(
        port,
        count,
        threads=threads,
        keep_alive=keep_alive,
        path=path,
        body=body,
    ).wait()


class Load:
    """
    Requests that are being sent, until there were *count* or it is stopped.
    """

    def __init__(
        self,
        port: int,
        count: int | None = None,
        *,
        threads: int = 4,
        keep_alive: bool = False,
        path: str = "/predict",
        body: str = BODY,
    ) -> None:
        self.asked = Asked()
        self._port, self._path, self._body = port, path, body
        self._keep_alive = keep_alive
        self._left = itertools.count() if count is None else iter(range(count))
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, daemon=True)
            for _ in range(threads)
        ]
        for each in self._threads:
            each.start()

    def wait(self, timeout: float = 500.0) -> Asked:
        """
        Wait until all are sent and have their answer, or none.
        """
        deadline = time.monotonic() + timeout
        for each in self._threads:
            each.join(max(0.0, deadline - time.monotonic()))
            assert not each.is_alive(), "requests are still on their way"
        return self.asked

    def stop(self) -> Asked:
        """
        Send no more, and wait for the answers.
        """
        self._is_over.set()
        return self.wait()

    def reached(self, count: int, timeout: float = 120.0) -> None:
        """
        Wait until so many have their answer.
        """
        until(lambda: len(self.asked.answered) >= count, timeout)

    def _run(self) -> None:
        connection = self._connection()
        while not self._is_over.is_set():
            with self._lock:
                if next(self._left, None) is None:
                    break
                name = f"request-{next(_numbers)}"
            try:
                status = self._send(connection, name)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = self._connection()
                self.asked.unanswered.append(name)
                continue
            if status == 200:
                self.asked.answered.append(name)
            else:
                self.asked.refused.append((name, status))
            if not self._keep_alive:
                connection.close()
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)

    def _send(self, connection: http.client.HTTPConnection, name: str) -> int:
        headers = {"X-Request-ID": name, "Content-Type": "application/json"}
        if not self._keep_alive:
            headers["Connection"] = "close"
        connection.request("POST", self._path, self._body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def until(is_so: Callable[[], Any], timeout: float = 60.0) -> None:
    """
    Wait until *is_so*.
    """
    deadline = time.monotonic() + timeout
    while not is_so():
        assert time.monotonic() < deadline, "it does not become so"
        time.sleep(0.02)


def add_handlers(file: Path, handlers: Mapping[str, Any]) -> None:
    """
    Give the root logger of a configuration more handlers.
    """
    config = json.loads(file.read_text(encoding="utf-8"))
    config["handlers"].update(handlers)
    config["root"]["handlers"] += handlers
    file.write_text(json.dumps(config), encoding="utf-8")


# --- what was logged ---


def records(folder: Path, name: str) -> list[dict[str, Any]]:
    """
    The records of a file and of those that it rotated to, each line whole.
    """
    return [
        json.loads(line)
        for path in sorted((folder / "logs").glob(f"{name}*"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def rows(folder: Path) -> list[dict[str, str]]:
    """
    The rows of latency.csv and of what it rotated to.
    """
    found: list[dict[str, str]] = []
    for path in sorted((folder / "logs").glob("latency.csv*")):
        with path.open(newline="") as file:
            found += csv.DictReader(file)
    return found


def inferences(found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """
    The records of the model.
    """
    return [dict(each) for each in found if "inference_latency" in each]


def accesses(found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """
    The records of requests.
    """
    return [dict(each) for each in found if each["logger"] == "mllog.access"]


def times(found: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """
    How often each request has a record.
    """
    return Counter(str(each["request_id"]) for each in found)


def counted(port: int, name: str, wanted: float) -> float:
    """
    The count of a histogram, over all its labels, as Prometheus finds it.

    A client has its answer before its request is logged, so this waits for
    the count to become *wanted*, or to be more.
    """
    deadline = time.monotonic() + 30
    while True:
        found = sum(
            value
            for series, value in scraping.samples(scraping.fetch(port)).items()
            if series.partition("{")[0] == f"{name}_count"
        )
        if found >= wanted or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def assert_each_once(
    folder: Path,
    name: str,
    asked: Asked,
    metrics: int | None = None,
    *,
    killed: int = 0,
) -> None:
    """
    Each request that was answered has one record of the model and one of the
    request in the file, one row in the CSV and one count at Prometheus; one
    that was not has at most one each.

    Args:
        folder: Where the application is.

        name: The file with its records.

        asked: The requests.

        metrics: The port of the page of metrics, while it is served.

        killed: How many requests were being logged when their process was
            killed: these may be in one place and not in the next.
    """

    def without_record() -> int:
        found = times(accesses(records(folder, name)))
        return len(set(asked.answered) - found.keys())

    # a client has its answer before its request is logged
    until(lambda: without_record() <= killed)
    found = records(folder, name)
    of_model, of_requests = inferences(found), accesses(found)
    assert [] == asked.refused
    assert set(asked.answered) <= times(of_model).keys()
    for kind in (times(of_model), times(of_requests)):
        assert {1} >= set(kind.values()), kind.most_common(3)
        assert kind.keys() <= {*asked.answered, *asked.unanswered}
    in_file = Counter(map(_row_of, of_model))
    in_rows = Counter(map(_row_of, rows(folder)))
    assert not in_rows - in_file
    assert (in_file - in_rows).total() <= killed
    if metrics is not None:
        for count, histogram in (
            (len(of_model), "inference_latency_seconds"),
            (len(of_requests), "request_latency_seconds"),
        ):
            there = counted(metrics, histogram, count - killed)
            assert count - killed <= there <= count, histogram


def _row_of(record: Mapping[str, Any]) -> tuple[str, float]:
    return record["timestamp"], float(record["inference_latency"])


def said(folder: Path) -> str:
    """
    What the server wrote to its standard streams.
    """
    return (folder / "server.log").read_text(errors="backslashreplace")
