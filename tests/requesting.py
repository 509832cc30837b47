"""
Requests, as tests of middlewares make them: by protocol and by real servers.
"""

import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from mllog.context import bound

DEADLINE = 30


def wait_until(condition, what="", seconds=DEADLINE):
    """
    What *condition* gives, as soon as that is true.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"no {what} in time"
        time.sleep(0.01)
    return found


class Kept(logging.Handler):
    """
    A foreign handler that keeps its records, and what was bound with each.
    """

    def __init__(self):
        super().__init__()
        self.records = []
        self.bound = []

    def emit(self, record):
        self.records.append(record)
        self.bound.append(dict(bound()))

    @property
    def ids(self):
        return [each.get("request_id") for each in self.bound]

    def ended(self, count=1):
        """
        The records of requests, as soon as there are *count*.
        """

        def found():
            return [r for r in self.records if hasattr(r, "status_code")]

        wait_until(lambda: len(found()) >= count, f"{count} records")
        return found()


# --- ASGI ------------------------------------------------------------------


def scope_of(path="/predict", method="POST", headers=(), **more):
    return {
        "type": "http",
        "method": method,
        "path": path,
        "headers": list(headers),
        **more,
    }


def requests_of(*chunks):
    last = len(chunks) - 1
    return [
        {"type": "http.request", "body": chunk, "more_body": n < last}
        for n, chunk in enumerate(chunks)
    ]


def responses_of(*chunks, status=200, headers=()):
    last = len(chunks) - 1
    return [
        {
            "type": "http.response.start",
            "status": status,
            "headers": list(headers),
        },
        *(
            {"type": "http.response.body", "body": c, "more_body": n < last}
            for n, c in enumerate(chunks)
        ),
    ]


def exchange(middleware_of, scope, incoming, outgoing):
    """
    Run one request; what the app received and what the server was sent.
    """
    received, sent = [], []
    waiting = list(incoming)

    async def app(scope, receive, send):
        while waiting:
            received.append(await receive())
        for message in outgoing:
            if isinstance(message, BaseException):
                raise message
            await send(message)

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(middleware_of(app)(scope, receive, send))
    return received, sent


@contextlib.contextmanager
def serving(app, **options):
    """
    The address of *app* behind a real uvicorn on a free port.
    """
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    given = {"lifespan": "on", "ws": "none", "log_config": None, **options}
    server = uvicorn.Server(uvicorn.Config(app, **given))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), "server")
        assert thread.is_alive()
        yield "http://127.0.0.1:%d" % listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
        listening.close()


# --- WSGI ------------------------------------------------------------------


@contextlib.contextmanager
def gunicorn(folder, code, *options):
    """
    The address of the ``app`` that *code* makes, behind a real gunicorn.
    """
    (Path(folder) / "served.py").write_text(code)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    errors = Path(folder) / "gunicorn.err"
    with errors.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"]
            + ["--no-control-socket", *options, "served:app"],
            cwd=folder,
            stdout=stream,
            stderr=stream,
        )
    try:
        wait_until(lambda: _answers(port) or process.poll(), "gunicorn")
        assert process.poll() is None, errors.read_text()
        yield port
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
