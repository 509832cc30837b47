"""
The middlewares at the end of a server: what was logged is sent before.
"""

import asyncio
import signal
import subprocess
import sys
import urllib.request

import pytest
from requesting import wait_until
from servers.running import free_ports

import mllog
from mllog.integrations.asgi import AccessMiddleware, InferenceMiddleware

SERVICE = """
import logging, sys
import mllog, uvicorn
from mllog.integrations.asgi import AccessMiddleware, InferenceMiddleware

logger = logging.getLogger("app")
logger.setLevel(logging.INFO)
logger.addHandler(mllog.LatencyCSVHandler("latency.csv"))

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    logger.info("x", extra={"inference_latency": 0.5})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})

name, port = sys.argv[1:]
if name != "None":
    app = globals()[name](app, logger=logger)
uvicorn.run(app, host="127.0.0.1", port=int(port))
"""


@pytest.mark.parametrize(
    ("name", "rows"),
    [("AccessMiddleware", 1), ("InferenceMiddleware", 1), ("None", 0)],
)
def test_server_that_is_stopped_has_sent_what_was_logged(tmp_path, name, rows):
    """
    uvicorn ends by SIGTERM itself, without the exit that would close handlers.

    A server without middleware is the control: it writes no percentiles.
    """
    (port,) = free_ports(1)
    log = tmp_path / "output.txt"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVICE, name, str(port)],
            cwd=tmp_path,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: b"running on" in log.read_bytes(), "server")
        url = f"http://127.0.0.1:{port}/"
        urllib.request.urlopen(url, timeout=20).close()
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)

    assert -signal.SIGTERM == code
    summary = tmp_path / "latency.summary.csv"
    lines = summary.read_text().splitlines() if summary.exists() else []
    assert rows == len([line for line in lines[1:] if ",1,0.5," in line])


class Broken(mllog.ConsoleHandler):
    """
    A handler that cannot be flushed.
    """

    flushed = 0

    def flush(self):
        self.flushed += 1
        raise OSError("broken")


def test_handler_that_cannot_be_flushed_stops_no_shutdown(logger):
    """
    The server hears that the app has ended, whatever handlers do.
    """
    logger.addHandler(handler := Broken())
    told = []

    async def app(scope, receive, send):
        for kind in ("startup", "shutdown"):
            await send({"type": f"lifespan.{kind}.complete"})

    async def send(message):
        told.append((message["type"], handler.flushed))

    inner = InferenceMiddleware(app, logger=logger)
    wrapped = AccessMiddleware(inner, logger=logger)
    asyncio.run(wrapped({"type": "lifespan"}, None, send))
    logger.removeHandler(handler)

    assert [
        ("lifespan.startup.complete", 0),
        ("lifespan.shutdown.complete", 2),
    ] == told
