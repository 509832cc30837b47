"""
A page in a real browser, driven by the protocol of its developer tools.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from servers.running import program


_SECONDS = 60


class Browser:
    """
    Chromium without a window.

    Args:
        program: Its path.

        folder: Where its profile goes.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self._profile = folder / "profile"
        self._pages = contextlib.ExitStack()
        self._running = subprocess.Popen(
            [
                *(program, "--headless", "--no-sandbox", "--disable-gpu"),
                *("--remote-debugging-port=0", "--hide-scrollbars"),
                *("--no-first-run", f"--user-data-dir={self._profile}"),
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._port = int(soon(self._port_text).split()[0])

    def _port_text(self) -> str:
        with contextlib.suppress(OSError):
            return (self._profile / "DevToolsActivePort").read_text()
        return ""

    def open(self, path: Path, **looks: Any) -> Page:
        """
        The page of a file; *looks* are those of :class:`Page`.
        """
        url = f"http://127.0.0.1:{self._port}/json/new?about:blank"
        request = urllib.request.Request(url, method="PUT")
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            address = json.load(answer)["webSocketDebuggerUrl"]
        socket = connect(address, max_size=None, open_timeout=_SECONDS)
        return Page(self._pages.enter_context(socket), path, looks)

    def close(self) -> None:
        """
        End it.
        """
        self._pages.close()
        self._running.terminate()
        self._running.wait(_SECONDS)


class Page:
    """
    A page that is loaded.

    Args:
        socket: The connection to its developer tools.

        path: The file.

        looks: ``width`` and ``height``; ``dark``; ``is_phone``.

    Attributes:
        requests: What it asked for, but for itself.

        troubles: Exceptions, errors and refusals that its console has.
    """

    def __init__(self, socket: Any, path: Path, looks: dict[str, Any]) -> None:
        self._socket = socket
        self._number = 0
        self.requests: list[str] = []
        self.troubles: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=looks.get("width", 1280),
            height=looks.get("height", 900),
            deviceScaleFactor=1,
            mobile=looks.get("is_phone", False),
        )
        scheme = "dark" if looks.get("dark") else "light"
        self.prefer(scheme)
        self._url = path.as_uri()
        self.send("Page.navigate", url=self._url)

    def prefer(self, scheme: str) -> None:
        """
        Have its user prefer ``dark`` or ``light``.
        """
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.send("Emulation.setEmulatedMedia", features=[feature])

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """
        What the browser answers.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        while True:
            got = json.loads(self._socket.recv(timeout=_SECONDS))
            if got.get("id") == self._number:
                assert "error" not in got, (method, got)
                return dict(got["result"])
            self._notice(got.get("method"), got.get("params", {}))

    def _notice(self, method: str, event: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            url = event["request"]["url"]
            if url != self._url and not url.startswith("data:"):
                self.requests.append(url)
        elif method == "Runtime.exceptionThrown":
            self.troubles.append(str(event["exceptionDetails"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] == "error":
            self.troubles.append(event["entry"]["text"])
        elif method == "Page.javascriptDialogOpening":
            self.troubles.append("a dialog")

    def ask(self, expression: str) -> Any:
        """
        The value of an expression of JavaScript on the page.
        """
        found = self.send(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression: str) -> Any:
        """
        Its value as soon as it is true.
        """
        return soon(lambda: self.ask(expression))

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """
        An event of the mouse: ``mouseMoved``, ``mouseWheel``, …
        """
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def place(self, selector: str) -> tuple[float, float]:
        """
        The middle of an element, which is scrolled to.
        """
        x, y = self.ask(
            f"(() => {{ const e = document.querySelector({selector!r});"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        return x, y

    def picture(self) -> bytes:
        """
        What is seen, as PNG.
        """
        found = self.send("Page.captureScreenshot", format="png")
        return base64.b64decode(found["data"])


def soon(look: Callable[[], Any]) -> Any:
    """
    What *look* finds, as soon as it finds something.
    """
    deadline = time.monotonic() + _SECONDS
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, look
        time.sleep(0.05)


@pytest.fixture(scope="module")
def browser(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Browser | None]:
    """
    The browser of a module, or None where there is none.
    """
    found = program("chromium")
    if found is None:
        yield None
        return
    running = Browser(str(found), tmp_path_factory.mktemp("chromium"))
    yield running
    running.close()


@pytest.fixture
def chromium(
    browser: Browser | None, missing: Callable[[str, str], None]
) -> Browser:
    """
    The browser of the module.
    """
    if browser is None:
        missing("chromium", "apt-get install chromium")
    assert browser is not None
    return browser
