"""
A service of a framework: started as its users start it, asked, and read back.
"""

from __future__ import annotations

import contextlib
import csv
import http.client
import json
import math
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from servers.running import Running

ROOT = Path(__file__).resolve().parents[2]

#: What a service is sent: petal lengths that it knows, refuses, or breaks at.
GOOD, REFUSED, BROKEN = [1.4, 4.7, 6.0], [], [-1.0]


class Sent(NamedTuple):
    """
    A request, and the status that came back; None for none.
    """

    request_id: str
    lengths: list[float]
    status: int | None


class Service:
    """
    A service in a folder of its own, with the files of an example.

    Args:
        framework: The folder of the example.

        folder: Where to run it.

        command: What its user types, without the Python before it.

        ready: URL that answers 200 when it is up.

        environment: Variables beside those of this process.
    """

    def __init__(
        self,
        framework: str,
        folder: Path,
        command: Sequence[str],
        ready: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self._ready_url = folder, ready
        for file in (ROOT / "examples" / framework).iterdir():
            if file.is_file():
                (folder / file.name).write_bytes(file.read_bytes())
        self.log = folder / "output.txt"
        self.running = Running(
            ["/usr/bin/env", f"--chdir={folder}", sys.executable, *command],
            self._is_ready,
            self.log,
            {
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONDONTWRITEBYTECODE": "1",
                **(environment or {}),
            },
        )

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            urllib.request.urlopen(self._ready_url, timeout=5).close()
            return True
        return False

    def __enter__(self) -> Service:
        self.running.start(timeout=120)
        return self

    def __exit__(self, *exc: object) -> None:
        self.running.stop(timeout=60)

    def reconfigure(self, change: Callable[[dict[str, Any]], None]) -> None:
        """
        Change its logging.json.
        """
        path = self.folder / "logging.json"
        config = json.loads(path.read_text())
        change(config)
        path.write_text(json.dumps(config))

    def records(self) -> list[dict[str, Any]]:
        """
        All lines of its JSON files, which have to be valid.
        """
        return [
            json.loads(line, parse_constant=_refuse)
            for path in sorted(self.folder.glob("logs/inference.jsonl*"))
            for line in path.read_text(encoding="utf-8").splitlines()
        ]

    def inferences(self) -> list[dict[str, Any]]:
        """
        Its records of inferences.
        """
        return [each for each in self.records() if "inference_latency" in each]

    def rows(self) -> list[dict[str, str]]:
        """
        The rows of its latency CSV.
        """
        with open(self.folder / "logs" / "latency.csv", newline="") as file:
            return list(csv.DictReader(file))

    def count(self) -> int:
        """
        How many inferences it has logged so far.
        """
        return len(self.inferences())

    def children(self) -> list[int]:
        """
        The processes that it started itself.
        """
        return children_of(self.running.pid)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def children_of(pid: int | None) -> list[int]:
    """
    The processes that *pid* started and that run.
    """
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            of_parent = stat.read_text().rpartition(")")[2].split()
            if of_parent[0] != "Z" and int(of_parent[1]) == pid:
                found.append(int(stat.parent.name))
    return sorted(found)


def wait_until(
    is_so: Callable[[], bool], what: str, seconds: float = 60
) -> None:
    """
    Return as soon as *is_so*.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def mixed(count: int) -> list[list[float]]:
    """
    What *count* requests hold: a tenth is refused, a tenth breaks the model.
    """
    return [
        REFUSED if number % 10 == 3 else BROKEN if number % 10 == 7 else GOOD
        for number in range(count)
    ]


def ask_all(
    url: str,
    bodies: Iterable[list[float]],
    *,
    prefix: str = "r",
    body_of: Callable[[list[float]], Any] = lambda it: {"instances": it},
    threads: int = 8,
) -> list[Sent]:
    """
    Send each of *bodies* in a request of its own, with an id of its own.
    """

    def ask(numbered: tuple[int, list[float]]) -> Sent:
        number, lengths = numbered
        name = f"{prefix}-{number}"
        status, answered = post(url, body_of(lengths), name)
        return Sent(answered, lengths, status)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ask, enumerate(bodies)))


@contextlib.contextmanager
def asking(
    url: str, bodies: Iterable[list[float]], **options: Any
) -> Iterator[Future[list[Sent]]]:
    """
    Send them as :func:`ask_all` does, while the block goes on.
    """
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(ask_all, url, bodies, **options)


def post(url: str, body: Any, request_id: str) -> tuple[int | None, str]:
    """
    The status of a POST, None if there was no answer, and the request's id.

    It is that of the answer, for a server may give a request an id of its own.
    """
    request = urllib.request.Request(
        url,
        json.dumps(body).encode(),
        {"content-type": "application/json", "x-request-id": request_id},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
            status, headers = answer.status, answer.headers
    except urllib.error.HTTPError as error:
        error.read()
        status, headers = error.code, error.headers
    except (OSError, http.client.HTTPException):
        return None, request_id
    return int(status), headers.get("x-request-id", request_id)


def check_each_has_one_record(
    sent: Iterable[Sent], service: Service, *, refused: str = "WARNING"
) -> list[dict[str, Any]]:
    """
    Each answered request has one record and one row; others at most one.

    Args:
        sent: What was sent, to a service that logged nothing else.

        service: The service, which may still be writing.

        refused: The level of a request that the model refused.

    Returns:
        The records of inferences.
    """
    sent = list(sent)
    answered = {each.request_id: each for each in sent if each.status}
    unanswered = len(sent) - len(answered)
    wait_until(
        lambda: (
            answered.keys()
            <= {each["request_id"] for each in service.inferences()}
        ),
        "a record for each request",
    )
    wait_until(
        lambda: len(service.rows()) == len(service.inferences()),
        "a row for each record",
    )
    found = service.inferences()
    times = Counter(each["request_id"] for each in found)
    assert len(times.keys() - answered.keys()) <= unanswered
    assert {} == {name: many for name, many in times.items() if many > 1}
    assert sorted(each["inference_latency"] for each in found) == sorted(
        float(row["inference_latency"]) for row in service.rows()
    )
    for record in found:
        if record["request_id"] in answered:
            _check(record, answered[record["request_id"]], refused)
    return found


def _check(record: dict[str, Any], sent: Sent, refused: str) -> None:
    """
    That level, status and traceback of *record* are those of *sent*.
    """
    assert math.isfinite(record["inference_latency"])
    assert record["model_name"] == "iris"
    if sent.lengths == GOOD:
        assert (record["level"], record["status_code"]) == ("INFO", 200)
        assert "exception" not in record
    elif sent.lengths == REFUSED:
        assert (record["level"], record["status_code"]) == (refused, 400)
    else:
        assert (record["level"], record["status_code"]) == ("ERROR", 500)
        exception = record["exception"]
        assert exception["type"] == "ValueError"
        assert exception["message"] == "the model broke\nat [-1.0]"
        lines = exception["traceback"].splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[-2:] == ["ValueError: the model broke", "at [-1.0]"]


def workers_of(service: Service, command: str) -> list[int]:
    """
    The children of *service* that have *command* on their command line.
    """
    return [
        pid
        for pid in service.children()
        if command in Path(f"/proc/{pid}/cmdline").read_text()
    ]


def end(pid: int) -> None:
    """
    Ask one process of a service to end, if it is still there.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
