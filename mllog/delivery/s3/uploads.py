"""
Several uploads at the same time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable

from ...recursion import mark_as_ours
from ...threads import SystemThread, only_here

__all__ = ["run_all"]


def run_all(
    jobs: Iterable[Callable[[], None]],
    at_once: int,
    weight: Callable[[BaseException], float] = lambda _error: 0.0,
) -> None:
    """
    Run *jobs*, up to *at_once* of them at the same time.

    This thread is one of those that do it, so that all of them run also where
    no thread can be started any more.

    Args:
        jobs: What to do.

        at_once: How many threads do it.

        weight: Which of several failures counts: the heaviest, and of equal
            ones the first.

    Raises:
        Exception: What a job raised; those that were not begun then are left
            out.
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

    # a connection that one thread leaves is another's next
    at_once = 1 if only_here() else min(at_once, len(waiting))
    others = _started(work, at_once - 1)
    work()
    for thread in others:
        thread.join(math.inf)
    if failed:
        raise max(failed, key=weight)


def _started(work: Callable[[], None], count: int) -> list[SystemThread]:
    started: list[SystemThread] = []
    for _ in range(count):
        thread = SystemThread(work, "mllog-upload")
        try:
            thread.start()
        except RuntimeError:  # too many, or the interpreter ends
            break
        started.append(thread)
    return started
