"""
Several uploads at the same time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from ..guard import mark_as_ours

__all__ = ["run_all"]


def run_all(jobs: Iterable[Callable[[], None]], at_once: int) -> None:
    """
    Run *jobs*, up to *at_once* of them at the same time.

    This thread is one of those that do it, so that all of them run also where
    no thread can be started any more.

    Raises:
        Exception: What the first job that failed raised; those that were not
            begun then are left out.
    """
    waiting = deque(jobs)
    failed: list[BaseException] = []

    def work() -> None:
        with mark_as_ours():
            while not failed:
                try:
                    job = waiting.popleft()
                except IndexError:
                    return
                try:
                    job()
                except BaseException as exc:
                    failed.append(exc)

    others = _started(work, min(at_once, len(waiting)) - 1)
    work()
    for thread in others:
        thread.join()
    if failed:
        raise failed[0]


def _started(work: Callable[[], None], count: int) -> list[threading.Thread]:
    started: list[threading.Thread] = []
    for _ in range(count):
        thread = threading.Thread(
            target=work, name="mllog-upload", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # too many, or the interpreter ends
            break
        started.append(thread)
    return started
