"""
Metrics to a file or a gateway, now and then, from a thread of its own.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, Final
from urllib.request import Request

from .. import waiting
from ..forking import fork_safe_lock, tell_child
from ..http_answers import open_by

__all__ = ["Regularly", "Trouble", "push", "write_file"]

_MOST_ANSWER_BYTES: Final = 64 * 1024


class Trouble(Exception):  # noqa: N818 - it is no fault of the program
    """
    Metrics did not get to where they should: says what, and what is done.
    """


def write_file(path: str, data: bytes) -> None:
    """
    Put *data* in the place of *path*, whole at any instant.

    Raises:
        Trouble: It cannot be written; what was there is there still.
    """
    draft = f"{path}.{os.getpid()}.{threading.get_ident()}.tmp"
    try:
        with open(draft, "wb") as file:
            file.write(data)
        os.replace(draft, path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise Trouble(f"cannot write metrics to {path}: {exc}") from exc


def push(
    gateway: str,
    job: str,
    grouping: Mapping[str, str],
    registry: Any,
    timeout: float,
) -> None:
    """
    Put the metrics of *registry* in the place of those of the same group.

    Raises:
        Trouble: The gateway cannot be reached, or refuses.
    """
    from prometheus_client import push_to_gateway

    deadline = time.monotonic() + timeout

    def put(**request: Any) -> Callable[[], None]:
        return lambda: _put(**request, deadline=deadline)

    try:
        push_to_gateway(
            gateway,
            job=job,
            grouping_key=dict(grouping),
            registry=registry,
            timeout=timeout,
            handler=put,
        )
    except (OSError, HTTPException) as exc:
        raise Trouble(
            f"cannot push metrics to {_without_secrets(gateway)}: {exc}"
        ) from exc


def _put(
    *,
    url: str,
    method: str,
    headers: Any,
    data: bytes,
    deadline: float,
    timeout: float | None,  # noqa: ARG001 - of each byte
) -> None:
    """
    What prometheus_client does with its request, by a deadline.

    Raises:
        OSError: Nobody took it, or who did is no gateway.

        HTTPException: The answer is not whole.
    """
    # http or https: the option sees to it
    request = Request(url, data, dict(headers), method=method)  # noqa: S310
    with open_by(request, deadline) as answer:
        start = answer.body(_MOST_ANSWER_BYTES).lstrip()[:1]
        kind = answer.headers.get("content-type", "")
    if start == b"<" or (start and "html" in kind.lower()):
        raise OSError("what answers is a page, and no gateway")


def _without_secrets(url: str) -> str:
    """
    *url* without user and password.
    """
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _nothing() -> None:
    pass


class Regularly:
    """
    Does something every so many seconds, and a last time at the end.

    Guarantee:
        Nothing here raises.  ``close`` waits for the time it is given at
        most, and not at all under logging's lock.

    Args:
        act: Does it, in so many seconds at most.

        interval: Seconds from one time to the next.

        fault: Told of what went wrong.
    """

    def __init__(
        self,
        act: Callable[[float], None],
        interval: float,
        fault: Callable[[BaseException], None],
    ) -> None:
        self._act = act
        self._interval = interval
        self._fault = fault
        self._doing = fork_safe_lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        #: Called by the thread when it has done it for the last time.
        self.ended: Callable[[], None] = _nothing
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: no thread, and nobody has closed it.
        """
        self._closing = threading.Event()
        self._thread = None

    @property
    def is_running(self) -> bool:
        """
        Whether it will be done at least once more.
        """
        return self._thread is not None

    def start(self) -> None:
        """
        Begin, unless it has begun.
        """
        if self._thread is not None or self._closing.is_set():
            return
        thread = threading.Thread(
            target=self._run, name="mllog-metrics", daemon=True
        )
        self._thread = thread
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends: it is now or never
            self._thread = None
            self.do()

    def _run(self) -> None:
        closing = self._closing
        while not closing.wait(self._interval):
            self.do()
        self.do()
        self._thread = None
        self.ended()

    def do(self, timeout: float = 10.0) -> None:
        """
        Do it now.
        """
        try:
            with self._doing:
                self._act(timeout)
        except Exception as exc:
            self._fault(exc)

    def close(self, timeout: float) -> None:
        """
        Do it a last time, and end.
        """
        if self._closing.is_set():
            return
        self._closing.set()
        thread = self._thread
        if thread is None:
            return
        if waiting.under_logging_lock():
            return  # the thread does it
        deadline = time.monotonic() + timeout
        if thread.is_alive() and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
