"""
The recipe of TorchServe: its Java frontend, and Python workers behind a pipe.
"""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections import Counter

import pytest
import scraping
from servers.running import free_ports
from servers.service import (
    Service,
    ask_all,
    asking,
    check_each_has_one_record,
    children_of,
    end,
    mixed,
    wait_until,
)

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(400)]

LATENCIES = "inference_latency_count"
PIPED = re.compile(r"^\S+ \[INFO \] W-\d+-iris_3-stdout MODEL_LOG - (\{.*\})$")


class TorchServe(Service):
    """
    A frontend with two workers; what it starts ends with it.
    """

    def __init__(self, folder):
        self.ports = dict(
            zip(
                ("inference", "management", "metrics"),
                free_ports(3),
                strict=True,
            )
        )
        super().__init__(
            "torchserve",
            folder,
            [
                "-m",
                "ts.model_server",
                "--foreground",
                "--model-store=models",
                "--models=iris=iris.mar",
                "--ts-config=config.properties",
                "--disable-token-auth",
                "--no-config-snapshots",
            ],
            f"http://127.0.0.1:{self.ports['inference']}/ping",
            {
                "MLLOG_DIRECTORY": str(folder / "logs"),
                "LOG_LOCATION": str(folder / "theirs"),
                "METRICS_LOCATION": str(folder / "theirs"),
                "TEMP": str(folder),
                "TMPDIR": str(folder),
            },
        )
        with open(folder / "config.properties", "a") as file:
            for name, port in self.ports.items():
                file.write(f"{name}_address=http://127.0.0.1:{port}\n")
            file.write("default_workers_per_model=2\n")
        (folder / "models").mkdir()
        subprocess.run(
            [
                f"{sys.prefix}/bin/torch-model-archiver",
                "--model-name=iris",
                "--version=3",
                "--handler=handler.py",
                "--extra-files=logging.json",
                "--export-path=models",
            ],
            cwd=folder,
            check=True,
            timeout=60,
        )

    def __enter__(self):
        super().__enter__()
        wait_until(lambda: self.loaded() >= 2, "both workers have the model")
        return self

    def __exit__(self, *exc):
        self.stop()

    def stop(self):
        """
        End the frontend as an orchestrator does, and whoever is left.
        """
        frontend = self.children()
        left = [*frontend, *self.workers()]
        for pid in frontend:
            end(pid)
        try:
            wait_until(lambda: not self.children(), "the frontend has ended")
        finally:
            super().__exit__()
            for pid in left:
                end(pid)

    def loaded(self):
        """
        How many workers had loaded the model so far.
        """
        if not (self.folder / "logs" / "inference.jsonl").exists():
            return 0
        return sum(each["message"] == "Loaded" for each in self.records())

    def workers(self):
        """
        The processes of Python behind the frontend.
        """
        return [
            pid
            for frontend in self.children()
            for pid in children_of(frontend)
            if b"model_service_worker" in cmdline(pid)
        ]

    def scale(self, workers):
        """
        Have so many workers; returns when there are.
        """
        url = (
            f"http://127.0.0.1:{self.ports['management']}/models/iris"
            f"?min_worker={workers}&max_worker={workers}&synchronous=true"
        )
        request = urllib.request.Request(url, method="PUT")
        urllib.request.urlopen(request, timeout=120).close()

    def measured(self):
        """
        How many latencies its own page of metrics has.
        """
        page = scraping.samples(scraping.fetch(self.ports["metrics"]))
        return sum(
            value for name, value in page.items() if name.startswith(LATENCIES)
        )


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:  # it ended meanwhile
        return b""


@pytest.fixture(name="service")
def _service(tmp_path_factory, missing):
    if importlib.util.find_spec("ts") is None:
        missing("torchserve", "make test-frameworks installs it")
    if shutil.which("java") is None:
        missing("java", "TorchServe needs Java 17")
    # short: sockets are in it
    return TorchServe(tmp_path_factory.mktemp("ts"))


def predictions(service):
    return f"http://127.0.0.1:{service.ports['inference']}/predictions/iris"


def piped(service):
    """
    What came through the frontend's pipe, parsed.
    """
    lines = service.log.read_text(encoding="utf-8").splitlines()
    return [json.loads(it[1]) for it in map(PIPED.match, lines) if it]


def test_levels_tracebacks_and_metrics_survive_the_pipe(service):
    """
    300 requests, a fifth failing: file, CSV, pipe and metrics agree.
    """
    with service:
        sent = ask_all(predictions(service), mixed(300))
        assert Counter({200: 240, 400: 30, 503: 30}) == Counter(
            each.status for each in sent
        )
        check_each_has_one_record(sent, service)
        wait_until(lambda: service.measured() == 300, "the frontend has read")
        page = scraping.samples(scraping.fetch(service.ports["metrics"]))

    # its own metrics pass beside ours
    assert any(name.startswith("PredictionTime{") for name in page)
    # a record through the pipe is what it is in the file
    by_id = {each["request_id"]: each for each in service.inferences()}
    through = [each for each in piped(service) if "inference_latency" in each]
    assert 300 == len(through)
    assert by_id == {each["request_id"]: each for each in through}
    # TorchServe's own loggers come once, with their level and traceback
    own = [
        each for each in service.records() if each["logger"] == "ts.service"
    ]
    assert Counter(ERROR=30, WARNING=30) == Counter(
        each["level"] for each in own
    )
    assert all("Traceback" in each["exception"]["traceback"] for each in own)
    assert not [
        each for each in service.records() if "[METRICS]" in each["message"]
    ]


def test_workers_that_come_and_go_lose_and_double_nothing(service):
    """
    Scaled up and down, and one worker killed, while requests come.
    """
    url = predictions(service)
    with service:
        with asking(url, mixed(300), prefix="up") as asked:
            wait_until(lambda: service.count() > 30, "some are logged")
            service.scale(3)
        sent = list(asked.result())
        wait_until(lambda: service.loaded() >= 3, "the third worker is up")
        with asking(url, mixed(300), prefix="down") as asked:
            wait_until(lambda: service.count() > 330, "some are logged")
            service.scale(1)
        sent += asked.result()
        before = service.loaded()
        (worker,) = service.workers()
        end(worker)
        wait_until(lambda: service.loaded() > before, "another one is up", 120)
        sent += ask_all(url, mixed(100), prefix="last")
        found = check_each_has_one_record(sent, service)
        # the frontend kills a worker, and reads no more what it had written
        wait_until(
            lambda: 0.9 * len(found) < service.measured() <= len(found),
            "the frontend has read all but what was in the pipe",
        )

    check_each_has_one_record(sent, service)
