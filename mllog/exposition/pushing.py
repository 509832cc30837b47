"""
Metrics to a file or a gateway, now and then, from a thread of its own.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, Final
from urllib.request import Request

from .. import waiting
from ..errors import masked
from ..forking import fork_safe_lock, tell_child
from ..http_answers import open_by
from ..threads import Flag, SystemThread, acquire

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
    *,
    authorization: str = "",
) -> None:
    """
    Put the metrics of *registry* in the place of those of the same group.

    Raises:
        Trouble: The gateway cannot be reached, or refuses.
    """
    from prometheus_client import push_to_gateway

    deadline = time.monotonic() + timeout

    def put(**request: Any) -> Callable[[], None]:
        return lambda: _put(
            **request, authorization=authorization, deadline=deadline
        )

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
            masked(f"cannot push metrics to {gateway}: {exc}")
        ) from exc


def _put(
    *,
    url: str,
    method: str,
    headers: Any,
    data: bytes,
    authorization: str,
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
    if authorization:  # not for where an answer redirects to
        request.add_unredirected_header("Authorization", authorization)
    with open_by(request, deadline) as answer:
        start = answer.body(_MOST_ANSWER_BYTES).lstrip()[:1]
        kind = answer.headers.get("content-type", "")
    if start == b"<" or (start and "html" in kind.lower()):
        raise OSError("what answers is a page, and no gateway")


def _nothing() -> None:
    pass


class Regularly:
    """
    Does something every so many seconds, when it is asked, and at the end.

    A thread does it, so that a server that never answers holds nobody longer
    than they are willing to wait.

    Guarantee:
        Nothing here raises.  ``flush`` and ``close`` wait for the time they
        are given at most, and not at all under logging's lock.

    Args:
        act: Does it, in so many seconds at most.

        interval: Seconds from one time to the next.

        fault: Told of what went wrong.

        where: Where it gets to, for what people are told.
    """

    def __init__(
        self,
        act: Callable[[float], None],
        interval: float,
        fault: Callable[[BaseException], None],
        where: str = "",
    ) -> None:
        self._act = act
        self._interval = interval
        self._fault = fault
        self._where = where
        self._doing = fork_safe_lock()
        #: Called by the thread when it has done it for the last time.
        self.ended: Callable[[], None] = _nothing
        self.forget_parent()
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: no thread, and nobody has closed it.
        """
        self._wake = Flag()
        self._is_closing = False
        self._thread: SystemThread | None = None
        self._waiters: deque[Flag] = deque()
        # when the last one that went well began
        self._done_since = -math.inf

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
        if self._thread is not None or self._is_closing:
            return
        self._thread = thread = SystemThread(self._run, "mllog-metrics")
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends: it is now or never
            self._thread = None
            self.do()

    def _run(self) -> None:
        wake, is_last = self._wake, False
        while not is_last:
            wake.wait(self._interval)
            wake.clear()
            is_last = self._is_closing
            waiters = len(self._waiters)
            self.do()
            self._tell(waiters)
        self._thread = None
        self._tell(len(self._waiters))
        self.ended()

    def _tell(self, waiters: int) -> None:
        for _ in range(waiters):
            self._waiters.popleft().set()

    def do(self, timeout: float = 10.0) -> None:
        """
        Do it now, in this thread.
        """
        began = time.monotonic()
        if not acquire(self._doing, timeout):
            return  # another thread is at it
        try:
            self._act(timeout)
            self._done_since = began
        except Exception as exc:
            self._fault(exc)
        finally:
            self._doing.release()

    def nudge(self) -> None:
        """
        Have the thread do it now.
        """
        if self._thread is not None:
            self._wake.set()

    def flush(self, timeout: float) -> None:
        """
        Do it now, and wait until it is done.
        """
        deadline = waiting.deadline(None, timeout)
        thread = self._thread
        if thread is None or thread.is_here:
            self.do(deadline - time.monotonic())
            return
        done = Flag()
        self._waiters.append(done)
        self._wake.set()
        if self._thread is None:  # it has just ended, after what was logged
            return
        if not waiting.under_logging_lock():
            done.wait(deadline - time.monotonic())
            waiting.waited()

    def end(self) -> None:
        """
        Have the thread do it a last time, and end.
        """
        self._is_closing = True
        self._wake.set()

    def close(self, timeout: float) -> None:
        """
        Do it a last time, and end.
        """
        self.end()
        thread = self._thread
        if thread is None or waiting.under_logging_lock():
            return  # the thread does it
        deadline = waiting.deadline(None, timeout)
        thread.join(deadline - time.monotonic())
        waiting.waited()
        # what was logged before the end may be there all the same
        is_there = self._done_since >= waiting.exit_began()
        if thread.is_alive and not (thread.is_here or is_there):
            self._fault(
                Trouble(
                    f"the last metrics did not get to {self._where} in time"
                )
            )
