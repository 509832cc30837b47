"""
A real TensorBoard on a folder of runs, and pictures of its pages.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.running import Running, free_ports, program

BROWSER = "chromium"


class TensorBoard:
    """
    The server, and the ways to ask it.

    Args:
        log_dir: The folder that it is given.

        folder: Where its log goes.
    """

    def __init__(self, log_dir: Path, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        log_dir.mkdir(parents=True, exist_ok=True)
        self._server = Running(
            [
                *(sys.executable, "-m", "tensorboard.main"),
                *("--logdir", str(log_dir), "--host", "127.0.0.1"),
                *("--port", str(self.port), "--reload_interval", "1"),
                "--reload_multifile=true",
            ],
            self._is_up,
            folder / "tensorboard.log",
            {"PYTHONWARNINGS": "ignore"},
        )

    def _is_up(self) -> bool:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(
                f"{self.url}/data/environment", timeout=2
            ).close()
            return True
        return False

    def start(self) -> None:
        """
        Start it unless it runs.
        """
        self._server.start(timeout=60)

    def stop(self) -> None:
        """
        Stop it.
        """
        self._server.stop()

    def get(self, plugin: str, path: str, **parameters: Any) -> Any:
        """
        What a plugin answers; None while it has no such data.
        """
        query = urllib.parse.urlencode(parameters)
        url = f"{self.url}/data/plugin/{plugin}/{path}?{query}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                data: bytes = answer.read()
        except urllib.error.HTTPError as exc:
            if exc.code in (400, 404):
                return None
            raise
        return json.loads(data) if data[:1] in b"[{" else data

    def wait_for(
        self,
        is_so: Callable[[Any], bool],
        plugin: str,
        path: str,
        **parameters: Any,
    ) -> Any:
        """
        The same as soon as *is_so* of it.
        """
        deadline = time.monotonic() + 60
        while True:
            found = self.get(plugin, path, **parameters)
            if found is not None and is_so(found):
                return found
            assert time.monotonic() < deadline, (path, parameters, found)
            time.sleep(0.1)

    def picture(self, page: str, path: Path) -> Path:
        """
        What a browser shows of *page*, as a PNG file at *path*.
        """
        subprocess.run(
            [
                *(program(BROWSER) or BROWSER, "--headless", "--no-sandbox"),
                *("--disable-gpu", "--hide-scrollbars"),
                *("--window-size=1280,900", "--virtual-time-budget=20000"),
                f"--user-data-dir={path.parent / 'profile'}",
                *(f"--screenshot={path}", f"{self.url}/{page}"),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
        return path


@pytest.fixture
def tensorboard(tmp_path: Path) -> Iterator[TensorBoard]:
    """
    TensorBoard on the folder ``runs`` of *tmp_path*.
    """
    server = TensorBoard(tmp_path / "runs", tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def browser(missing: Callable[[str, str], None]) -> str:
    """
    The browser; the test is skipped without one.
    """
    found = program(BROWSER)
    if found is None:
        missing(BROWSER, f"apt-get install {BROWSER}")
    return str(found)
