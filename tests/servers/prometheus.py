"""
A real Prometheus with a Pushgateway, one for all tests of a session.

It scrapes every second what a test gives it; the first sample of a target
comes after some seconds, for scrapes are spread over the interval.
"""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.receiver import shared
from servers.running import Running, free_ports, program

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "presets" / "prometheus" / "rules.yml"

_CONFIG = """\
global:
  scrape_interval: 1s
  scrape_timeout: 900ms
  evaluation_interval: 1s
rule_files: ["{rules}"]
scrape_configs:
  - job_name: tests
    honor_labels: true
    file_sd_configs:
      - files: ["{folder}/targets/*.json"]
        refresh_interval: 1s
  - job_name: gateway
    honor_labels: true
    static_configs:
      - targets: ["127.0.0.1:{gateway}"]
"""


class Prometheus:
    """
    The server, its gateway, and the ways to ask it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.gateway_port = free_ports(2)
        self.gateway = f"http://127.0.0.1:{self.gateway_port}"
        self._targets = folder / "targets"
        self._targets.mkdir()
        config = folder / "prometheus.yml"
        config.write_text(
            _CONFIG.format(
                rules=RULES, folder=folder, gateway=self.gateway_port
            )
        )
        self._server = Running(
            [
                program("prometheus") or "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--enable-feature=exemplar-storage",
                "--log.level=warn",
            ],
            lambda: self._is_ready(self.port),
            folder / "prometheus.log",
        )
        self._pushed = Running(
            [
                program("prometheus-pushgateway") or "prometheus-pushgateway",
                f"--web.listen-address=127.0.0.1:{self.gateway_port}",
            ],
            lambda: self._is_ready(self.gateway_port),
            folder / "gateway.log",
        )

    def _is_ready(self, port: int) -> bool:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(
                f"http://127.0.0.1:{port}/-/ready", timeout=2
            ).close()
            return True
        return False

    def start(self) -> None:
        """
        Start both unless they run.
        """
        self._pushed.start()
        self._server.start()

    def stop(self) -> None:
        """
        Stop both.
        """
        self._server.stop()
        self._pushed.stop()

    @contextlib.contextmanager
    def scraping(self, port: int | None, name: str) -> Iterator[None]:
        """
        Scrape *port* as the job *name*.
        """
        target = {"targets": [f"127.0.0.1:{port}"], "labels": {"job": name}}
        path = self._targets / f"{name}.json"
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps([target]))
        draft.replace(path)
        try:
            yield
        finally:
            path.unlink()

    def get(self, path: str, **parameters: Any) -> Any:
        """
        What the API answers.
        """
        query = urllib.parse.urlencode(parameters)
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as exc:
            raise AssertionError(exc.read().decode()) from exc
        assert found["status"] == "success", found
        return found["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """
        The series of an expression now, each with metric and value.
        """
        return self.get("query", query=expression)["result"]  # type: ignore[no-any-return]

    def number(self, expression: str) -> float | None:
        """
        The one value of an expression; None while there is none.
        """
        found = self.query(expression)
        assert len(found) < 2, found
        return float(found[0]["value"][1]) if found else None

    def wait_for(
        self,
        expression: str,
        is_so: Callable[[float], bool],
        seconds: float = 60,
    ) -> float:
        """
        The value of *expression*, as soon as *is_so* of it.
        """
        deadline = time.monotonic() + seconds
        while True:
            found = self.number(expression)
            if found is not None and is_so(found):
                return found
            assert time.monotonic() < deadline, (expression, found)
            time.sleep(0.1)


@pytest.fixture
def prometheus(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    missing: Callable[[str, str], None],
) -> Any:
    """
    The session's Prometheus, running; the test is skipped without one.
    """
    for name in ("prometheus", "prometheus-pushgateway"):
        if program(name) is None:
            missing(name, f"apt-get install {name}")
    return shared(request, tmp_path_factory, Prometheus)
