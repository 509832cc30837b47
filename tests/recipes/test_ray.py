"""
The recipe of Ray Serve: a real cluster of one machine, with replicas.
"""

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
import scraping
from servers.running import free_ports
from servers.service import (
    Service,
    ask_all,
    asking,
    check_each_has_one_record,
    end,
    mixed,
    wait_until,
)

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(400)]

CONFIG = """\
http_options: {{host: 127.0.0.1, port: {port}}}
applications:
- name: default
  import_path: service:app
  route_prefix: /
  deployments: [{{name: Iris, num_replicas: {replicas}}}]
"""
DASHBOARD = re.compile(r"http://127\.0\.0\.1:\d+")
BIN = Path(sys.prefix) / "bin"


class RayServe(Service):
    """
    A cluster with the service, and the ways to change it.
    """

    def __init__(self, folder):
        self.port, self.metrics_port = free_ports(2)
        self._environment = {
            "HOME": str(folder),
            "RAY_TMPDIR": str(folder),
            "RAY_AUTH_MODE": "disabled",
            "RAY_USAGE_STATS_ENABLED": "0",
            "MLLOG_METRICS_PORT": str(self.metrics_port),
        }
        super().__init__(
            "ray",
            folder,
            [str(BIN / "serve"), "run", "serve.yaml"],
            f"http://127.0.0.1:{self.port}/-/healthz",
            self._environment,
        )
        self.want(2)

    def want(self, replicas):
        """
        Have so many replicas at the next start.
        """
        self._wanted = replicas
        (self.folder / "serve.yaml").write_text(
            CONFIG.format(port=self.port, replicas=replicas)
        )

    def __enter__(self):
        super().__enter__()
        self.wait_for(self._wanted)
        docs = self.url.replace("predict", "openapi.json")
        wait_until(lambda: answers(docs), "the service has its routes", 120)
        return self

    def __exit__(self, *exc):
        super().__exit__()
        wait_until(lambda: not self.replicas(), "the replicas have ended")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/predict"

    def scale(self, replicas):
        """
        Have so many replicas; returns when there are.
        """
        self.want(replicas)
        found = DASHBOARD.search(self.log.read_text())
        subprocess.run(
            [str(BIN / "serve"), "deploy", "-a", found[0], "serve.yaml"],
            cwd=self.folder,
            env={**self._environment, "PATH": f"{BIN}:/usr/bin:/bin"},
            check=True,
            capture_output=True,
            timeout=120,
        )
        self.wait_for(replicas)

    def wait_for(self, replicas):
        wait_until(
            lambda: len(self.replicas()) == replicas,
            f"{replicas} replicas",
            120,
        )

    def replicas(self):
        """
        The processes of this service's replicas.
        """
        found = []
        for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                name = cmdline.read_text()
                folder = (cmdline.parent / "cwd").readlink()
            except OSError:  # it ended meanwhile
                continue
            if name.startswith("ray::ServeReplica") and folder == self.folder:
                found.append(int(cmdline.parent.name))
        return sorted(found)

    def measured(self):
        """
        How many latencies all replicas have measured.
        """
        page = scraping.samples(scraping.fetch(self.metrics_port))
        return sum(
            value
            for name, value in page.items()
            if name.startswith("inference_latency_seconds_count")
        )


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=20).close()
    except OSError:
        return False
    return True


@pytest.fixture(name="service")
def _service(missing):
    if importlib.util.find_spec("ray") is None:
        missing("ray", "make test-frameworks installs it")
    # short: Ray's sockets are in it
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp")).resolve()
    yield RayServe(folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_each_request_has_one_record_row_and_count(service):
    """
    300 requests, a fifth failing, to two replicas: all that is kept agrees.
    """
    with service:
        sent = ask_all(service.url, mixed(300))
        assert Counter({200: 240, 400: 30, 500: 30}) == Counter(
            each.status for each in sent
        )
        check_each_has_one_record(sent, service)
        wait_until(lambda: service.measured() == 300, "all are measured")

    records = service.records()
    assert not any("_ray_timestamp_ns" in each for each in records)
    ids = {each.request_id for each in sent}
    own = [each for each in records if each["message"] == "Classifying"]
    assert ids == {each["request_id"] for each in own}
    # Serve's access log: once, through the same handlers
    access = [
        each
        for each in records
        if each["logger"] == "ray.serve" and "/predict" in each["message"]
    ]
    assert 300 == len(access)
    assert ids == {each["request_id"] for each in access}


def test_replicas_that_come_and_go_lose_and_double_nothing(service):
    """
    Scaled up and down, one ended, and the cluster too, while requests come.
    """
    url = service.url
    service.want(1)
    with service:
        with asking(url, mixed(300), prefix="up") as asked:
            wait_until(lambda: service.count() > 30, "some are logged")
            service.scale(2)
        sent = list(asked.result())
        with asking(url, mixed(300), prefix="down") as asked:
            wait_until(lambda: service.count() > 330, "some are logged")
            service.scale(1)
        sent += asked.result()
        # its percentiles: what a replica writes when it has shut down
        summary = service.folder / "logs" / "latency.summary.csv"
        wait_until(summary.exists, "the replica has flushed", 20)
        (replica,) = service.replicas()
        with asking(url, mixed(200), prefix="one") as asked:
            wait_until(lambda: service.count() > 630, "some are logged")
            end(replica)
        sent += asked.result()
        wait_until(
            lambda: service.replicas() not in ([], [replica]),
            "a follower",
            150,
        )
        sent += ask_all(url, mixed(50), prefix="last")
        found = check_each_has_one_record(sent, service)
        wait_until(
            lambda: service.measured() == len(found), "all are measured"
        )
        with asking(url, mixed(300), prefix="end") as asked:
            wait_until(
                lambda: service.count() > len(found) + 30, "some are logged"
            )
            service.running.stop(timeout=60)
        sent += asked.result()

    check_each_has_one_record(sent, service)
