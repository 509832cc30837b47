"""
What happens to a file after its rotation: compressed, handed on, kept or not.

Compressing and handing on are done by a thread, off the write path, once no
writer of any process has the file open any more.
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

from ..errors import ConfigError
from ..forking import fork_safe_lock, tell_child
from ..threads import Flag, SystemThread, sleep
from ..waiting import deadline, under_logging_lock, waited
from . import locks
from .names import Names, Retention

__all__ = ["Keeper"]

_FIRST_WAIT = 0.005
_LONGEST_WAIT = 0.5
_PATIENCE_SECONDS = 30.0
_BEGIN_SECONDS = 0.1
# each is an open file
_MOST_CLAIMS = 64


@dataclass(eq=False)
class _Claim:
    """
    A rotated file that this process looks after, held by a lock.
    """

    path: str
    fd: int
    # so long later ones wait for it, that they come in order
    until: float


class Keeper:
    """
    Compress rotated files, hand each to *on_rotate* in order, delete the rest.

    Guarantee:
        A compressed file appears whole or not at all, and takes the place of
        the original in one step.  *on_rotate* gets each file this process
        rotated, once no process writes to it, and until then no process
        deletes it.  What a crash leaves uncompressed is compressed by the
        next process that opens the log.  An *on_rotate* with a method
        ``missed(paths)`` gets each file at least once: which of the rotated
        files it has not had is asked when the log is opened, after each
        rotation, and before one is deleted.

    Limit:
        A process that stopped logging keeps the file it wrote last open; that
        file waits, and *on_rotate* with it.

    Args:
        names: Names of the rotated files.

        retention: Which are kept.

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
        self.retention = retention
        self._compress = compress
        self._on_rotate = on_rotate
        self._missed: Callable[[list[str]], Iterable[str]] | None = getattr(
            on_rotate, "missed", None
        )
        self._on_fault = on_fault
        self._claims: deque[_Claim] = deque()
        # what on_rotate was given, whatever came of it
        self._given: set[str] = set()
        self._thread: SystemThread | None = None
        self._has_news = False
        self._lock = fork_safe_lock()
        self._hurry = Flag()
        tell_child(self)

    # --- with the folder's lock held ---

    def take(self, path: str) -> None:
        """
        Look after a file that was rotated to *path* just now.
        """
        if self.retention != Retention() and not self._names.knows(path):
            self._on_fault(
                ConfigError(
                    f"{path} is never deleted: its name does not tell when it"
                    " was rotated",
                    fix="have namer keep the time and the number of the name"
                    " it is given",
                )
            )
        self.claim(path)

    def claim(
        self, path: str, lock: Callable[[int], bool] = locks.share
    ) -> None:
        """
        Look after *path*: from now on nobody else deletes or compresses it.
        """
        if not self.has_work:
            return
        try:
            fd = _opened(path)
        except FileNotFoundError:  # a rotator put it somewhere else
            return
        except OSError as exc:
            self._on_fault(exc)
            return
        if lock(fd):
            until = time.monotonic() + _PATIENCE_SECONDS
            self._claims.append(_Claim(path, fd, until))
        else:
            os.close(fd)

    def enforce(self) -> None:
        """
        Delete what is not to be kept, but for what somebody is still owed.
        """
        try:
            self.retention.enforce(self._names, self._owed)
        except Exception as exc:
            self._on_fault(exc)

    def _owed(self, paths: list[str]) -> set[str]:
        """
        Those of *paths* that this process has claimed, or has to.
        """
        claimed = {claim.path for claim in list(self._claims)}
        # locked as well, but not where there are no locks
        owed = claimed | {f"{path}.gz" for path in claimed}
        self._given.intersection_update(paths)
        if self._missed is not None:
            others = [
                path
                for path in paths
                if path not in owed and path not in self._given
            ]
            owed.update(self._not_had(others) if others else ())
        return owed

    def _claim_more(self, tried: set[str]) -> bool:
        """
        Look after what is left uncompressed or *on_rotate* has not had.

        Args:
            tried: Files to leave alone.

        Returns:
            Whether there is more to do now.
        """
        if not (self._compress or self._missed):
            return False
        claims = len(self._claims)
        tried = tried.union(claim.path for claim in self._claims)
        try:
            found = [each.path for each in self._names.found()]
        except OSError as exc:
            self._on_fault(exc)
            return False
        there = [path for path in found if path not in tried]
        # asked also of none: it may go on with what a dead process left
        missed = set(self._not_had(there) if self._missed else ())
        for path in there:
            if len(self._claims) >= _MOST_CLAIMS:
                break
            if path in missed or (self._compress and not path.endswith(".gz")):
                self.claim(path, locks.take)
        return len(self._claims) > claims

    # --- beginning and end ---

    def begin(self) -> None:
        """
        What is done once: look after what earlier processes left.
        """
        with self._folder(_BEGIN_SECONDS) as alone:
            if alone:
                self._claim_more(set())  # first: it is not deleted then
                self.enforce()
        if self._claims:
            self.start()

    def _folder(
        self, wait: float = 0.0
    ) -> contextlib.AbstractContextManager[bool]:
        return locks.folder_locked(self._names.folder, wait)

    @property
    def has_work(self) -> bool:
        """
        Whether there is more to do with a rotated file than to delete it.

        Then the thread deletes as well: what *on_rotate* is owed takes time
        to find out.
        """
        return self._compress or self._on_rotate is not None

    @property
    def is_behind(self) -> bool:
        """
        Whether as many files wait as may be open at once.
        """
        return len(self._claims) >= _MOST_CLAIMS

    def start(self) -> None:
        """
        Begin with what is claimed.
        """
        if not self.has_work:
            return
        with self._lock:
            self._has_news = True
            if self._thread and self._thread.is_alive:
                return
            self._hurry.clear()
            self._thread = SystemThread(self._run, "mllog-keeper")
            try:
                self._thread.start()
                is_started = True
            except RuntimeError:  # the interpreter is shutting down
                self._thread, is_started = None, False
        if not is_started:
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
            _close(claim.fd)

    # --- the thread ---

    def _run(self) -> None:
        tried: set[str] = set()
        while True:
            self._has_news = False
            while (claim := self._next_free()) is not None:
                self._attend(claim, tried)
            with self._folder(_LONGEST_WAIT) as alone:
                has_more = alone and self._claim_more(tried)
                if alone:
                    self.enforce()
            with self._lock:
                if not (has_more or self._has_news):
                    self._thread = None
                    return

    def _next_free(self) -> _Claim | None:
        """
        The first claim whose file nobody writes to, locked.

        None where there is none, or where some never leave: those are tried
        again after the next rotation.
        """
        wait = _FIRST_WAIT
        while claims := list(self._claims):
            now = time.monotonic()
            for claim in claims:
                if self._is_alone(claim):
                    return claim
                if self._hurry.is_set():
                    claim.until = min(claim.until, now + _LONGEST_WAIT)
                if now < claim.until:
                    break
            else:
                return None
            sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT / 4)
        return None

    def _is_alone(self, claim: _Claim) -> bool:
        with self._folder() as alone:
            if not alone:
                return False
            if locks.take(claim.fd):
                return True
            # the failed attempt gave the shared lock away
            locks.share(claim.fd)
            return False

    def _attend(self, claim: _Claim, tried: set[str]) -> None:
        tried.add(claim.path)
        try:
            if os.path.exists(claim.path):
                self._keep(claim, tried)
        except Exception as exc:
            self._on_fault(exc)
        finally:
            self._claims.remove(claim)
            _close(claim.fd)
        with self._folder(_LONGEST_WAIT) as alone:
            if alone:
                self.enforce()

    def _keep(self, claim: _Claim, tried: set[str]) -> None:
        path = claim.path
        if self._compress and not path.endswith(".gz"):
            try:
                path = _compressed(claim)
                tried.add(path)
            except Exception as exc:  # it is handed on as it is
                self._on_fault(exc)
        # asked once more: the process that had the lock may have handed it on
        if self._on_rotate is not None and self._not_had([path]):
            self._given.add(path)
            self._on_rotate(path)

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


def _compressed(claim: _Claim) -> str:
    """
    Replace a file by its gzip, which is claimed by then; gives the new path.

    The gzip first takes the place of the original and then its own name, so
    that a process that ends in between leaves each line once, not twice.
    """
    path, final = claim.path, f"{claim.path}.gz"
    if not _is_gzip(path):
        draft = f"{final}.tmp"
        try:
            _gzip(path, draft)
            # locked before it has a name that others know
            fd = _opened(draft)
            locks.take(fd)
            try:
                os.replace(draft, path)
                fd, claim.fd = claim.fd, fd
            finally:
                _close(fd)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise
    os.rename(path, final)
    return final


def _opened(path: str) -> int:
    """
    A descriptor to lock; -1 on Windows, which renames no open file.
    """
    fd = os.open(path, os.O_RDONLY)
    if os.name == "nt":
        os.close(fd)
        fd = -1
    return fd


def _close(fd: int) -> None:
    with contextlib.suppress(OSError):
        os.close(fd)


def _is_gzip(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _gzip(path: str, draft: str) -> None:
    # nothing that somebody else put there, such as a link
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    with open(path, "rb") as source, open(draft, "xb") as target:
        name = os.path.basename(path)
        with gzip.GzipFile(name, "wb", 6, target) as zipped:
            shutil.copyfileobj(source, zipped, 256 * 1024)
        target.flush()
        os.fsync(target.fileno())
    shutil.copystat(path, draft)
