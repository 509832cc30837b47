"""
What happens to a file after its rotation: compressed, handed on, kept or not.

It is done by a thread, off the write path, once no writer of any process has
the file open any more.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..forking import fork_safe_lock, tell_child
from ..threads import Flag, SystemThread, sleep
from ..waiting import deadline, under_logging_lock, waited
from . import locks
from .names import Names, Retention

__all__ = ["Keeper"]

_FIRST_WAIT = 0.005
_LONGEST_WAIT = 0.5
_PATIENCE_SECONDS = 30.0
_MOST_CLAIMS = 64


@dataclass
class _Claim:
    """
    A rotated file that this process looks after, held by a shared lock.
    """

    path: str
    fd: int


class Keeper:
    """
    Compress rotated files and hand each to *on_rotate*, in order.

    Guarantee:
        A compressed file appears whole or not at all, and takes the place of
        the original in one step.  *on_rotate* gets each file this process rotated, once no
        process writes to it.  What a crash leaves uncompressed is compressed
        by the next process that opens the log.  An *on_rotate* with a method
        ``missed(paths)`` gets each file at least once: which of the rotated
        files it has not had is asked when the log is opened and after each
        rotation.

    Limit:
        A process that stopped logging keeps the file it wrote last open; that
        file waits, and *on_rotate* with it.

    Args:
        names: Names of the rotated files.

        retention: Which are kept; applied again after compression.

        compress: Whether to gzip them.

        on_rotate: Called with the path of each closed file; of ``missed`` it
            is told some of those that are there, and gives those that it has
            not had.

        on_fault: Told of what failed.
    """

    def __init__(
        self,
        names: Names,
        retention: Retention,
        *,
        compress: bool = False,
        on_rotate: Callable[[str], Any] | None = None,
        on_fault: Callable[[BaseException], Any],
    ) -> None:
        self._names = names
        self._retention = retention
        self._compress = compress
        self._on_rotate = on_rotate
        self._missed: Callable[[list[str]], Iterable[str]] | None = getattr(
            on_rotate, "missed", None
        )
        self._on_fault = on_fault
        self._claims: deque[_Claim] = deque()
        self._thread: SystemThread | None = None
        self._lock = fork_safe_lock()
        self._hurry = Flag()
        tell_child(self)

    def claim(
        self, path: str, lock: Callable[[int], bool] = locks.share
    ) -> None:
        """
        Look after *path*: from now on nobody else deletes or compresses it.
        """
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError:  # a namer or rotator put it somewhere else
            return
        if lock(fd):
            self._claims.append(_Claim(path, fd))
        else:
            os.close(fd)

    def claim_leftovers(self) -> None:
        """
        Look after what an earlier process left uncompressed or unseen.
        """
        if self._compress:
            for rotated in self._names.found():
                if not rotated.path.endswith(".gz"):
                    self.claim(rotated.path, locks.take)
        self._claim_missed(set())
        self.start()

    def _claim_missed(self, tried: set[str]) -> None:
        """
        Look after files that *on_rotate* has not had, but for those *tried*.
        """
        if self._missed is None:
            return
        tried.update(claim.path for claim in self._claims)
        found = [rotated.path for rotated in self._names.found()]
        there = [path for path in found if path not in tried]
        # each claim is an open file
        for path in self._not_had(there)[:_MOST_CLAIMS]:
            self.claim(path, locks.take)

    def _not_had(self, paths: list[str]) -> list[str]:
        """
        Those of *paths* that *on_rotate* has not had; all where it cannot say.
        """
        if self._missed is None:
            return paths
        try:
            missed = set(self._missed(paths))
        except Exception as exc:
            self._on_fault(exc)
            return paths
        return [path for path in paths if path in missed]

    def start(self) -> None:
        """
        Begin with what is claimed, if there is anything.
        """
        with self._lock:
            if not self._claims or (self._thread and self._thread.is_alive):
                return
            self._hurry.clear()
            self._thread = SystemThread(self._run, "mllog-keeper")
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is shutting down
                self._thread = None
        if self._thread is None:
            self._hurry.set()
            self._run()

    def finish(self, timeout: float) -> None:
        """
        Wait until everything claimed is done, at most *timeout* seconds.

        Does not wait while this thread holds logging's module lock: dictConfig
        closes handlers under it, and *on_rotate* may need it.
        """
        self._hurry.set()
        thread = self._thread
        if thread is None or thread.is_here:
            return
        if under_logging_lock():
            return
        thread.join(deadline(None, timeout) - time.monotonic())
        waited()

    def forget_parent(self) -> None:
        """
        In a forked child: what is claimed is the parent's business.
        """
        self._hurry = Flag()
        self._thread = None
        claims, self._claims = self._claims, deque()
        for claim in claims:
            with contextlib.suppress(OSError):
                os.close(claim.fd)

    def _run(self) -> None:
        tried: set[str] = set()
        while self._claims:
            claim = self._claims[0]
            if not self._alone(claim):
                return  # tried again after the next rotation
            self._claims.popleft()
            tried.add(claim.path)
            try:
                if os.path.exists(claim.path):
                    self._keep(claim.path, tried)
            except Exception as exc:
                self._on_fault(exc)
            finally:
                with contextlib.suppress(OSError):
                    os.close(claim.fd)
            self._retention.enforce(self._names)
            if not self._claims:
                self._claim_missed(tried)

    def _alone(self, claim: _Claim) -> bool:
        """
        Wait until no writer has the file open; False where one never leaves.
        """
        wait = _FIRST_WAIT
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while not locks.take(claim.fd):
            locks.share(
                claim.fd
            )  # the failed attempt gave the shared lock away
            if time.monotonic() > give_up_at:
                return False
            if self._hurry.is_set():
                soon = time.monotonic() + _LONGEST_WAIT
                give_up_at = min(give_up_at, soon)
            sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT / 4)
        return True

    def _keep(self, path: str, tried: set[str]) -> None:
        if self._compress and not path.endswith(".gz"):
            path = _compressed(path)
            tried.add(path)
        # asked once more: the process that had the lock may have handed it on
        if self._on_rotate is not None and self._not_had([path]):
            self._on_rotate(path)


def _compressed(path: str) -> str:
    """
    Replace *path* by its gzip; gives the new path.

    The gzip first takes the place of the original and then its own name, so
    that a process that ends in between leaves each line once, not twice.
    """
    final = f"{path}.gz"
    if not _is_gzip(path):
        draft = f"{final}.tmp"
        try:
            _gzip(path, draft)
            os.replace(draft, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise
    os.rename(path, final)
    return final


def _is_gzip(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _gzip(path: str, draft: str) -> None:
    with open(path, "rb") as source, open(draft, "wb") as target:
        name = os.path.basename(path)
        with gzip.GzipFile(name, "wb", 6, target) as zipped:
            shutil.copyfileobj(source, zipped, 256 * 1024)
        target.flush()
        os.fsync(target.fileno())
    shutil.copystat(path, draft)
