"""
What waits on disk: this process's spool, and those that dead processes left.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import ConfigError, shown
from ..events import Entry
from .spool import (
    ReentrantError,
    Spool,
    SpoolError,
    SpoolFullError,
    adopt,
    check_folder,
)

__all__ = ["Backlog", "check_spool"]

_DISK_RETRY_SECONDS = 30.0


class Backlog:
    """
    One own spool and any adopted ones, and whether the disk takes records.

    Whoever uses it holds the lock of its outbox; :meth:`orphans` needs none.

    Args:
        make: Makes the own spool, which is made again after :meth:`close`.

        drops_oldest: Whether the oldest segment gives way where it is full.

        say: Tells people what happens to the disk.
    """

    def __init__(
        self,
        make: Callable[..., Spool],
        *,
        drops_oldest: bool,
        say: Callable[[str], None],
    ) -> None:
        self._make = make
        self._drops_oldest = drops_oldest
        self._say = say
        self._reset()

    def _reset(self) -> None:
        self._own = self._make()
        self._adopted: deque[Spool] = deque()
        self._is_refused = False
        self._retry_at = 0.0
        #: Whether what is on disk cannot be read at the moment.
        self.is_unreadable = False
        self._gave_way = self._corrupt = self._torn = self._acked = 0
        #: Records that were found in adopted spools.
        self.adopted = 0
        #: Records that a close left on disk, for whoever comes next.
        self.left = 0

    # --- in ---

    def store(self, entries: Sequence[Entry]) -> bool:
        """
        Put *entries* behind all others, in one write; False if that cannot be.
        """
        if self.refuses:
            return False
        try:
            self._append(entries)
        except (SpoolFullError, ReentrantError):
            return False
        except (OSError, SpoolError) as exc:
            self._refuse(exc)
            return False
        if self._is_refused:
            self._is_refused = False
            self._say(f"the spool {self._own.folder} takes records again")
        return True

    def _append(self, entries: Sequence[Entry]) -> None:
        try:
            self._own.append(entries)
        except SpoolFullError:
            gave_way = 0
            if self._drops_oldest and self._own.may_hold(entries):
                gave_way = self._own.drop_oldest()
            if not gave_way:
                raise
            self._gave_way += gave_way
            self._append(entries)

    def _refuse(self, error: Exception) -> None:
        self._retry_at = time.monotonic() + _DISK_RETRY_SECONDS
        if not self._is_refused:
            self._is_refused = True
            self._say(
                f"the spool {self._own.folder} refuses records: {error}\n"
                "  they wait in memory, and a kill -9 loses them"
            )

    def store_before(self, parts: Iterable[Sequence[Entry]]) -> Spool | None:
        """
        Put entries that are older than all others on disk, some at a time.

        It changes nothing here yet, and needs no lock.

        Returns:
            Where they are, for :meth:`put_before`; None if that cannot be.
        """
        if self.refuses:
            return None
        spool = self._make(before=self._own.path)
        try:
            for entries in parts:
                spool.append(entries)
        except (OSError, SpoolError) as exc:
            self._discard(spool)
            if not isinstance(exc, SpoolFullError):  # the disk is well
                self._refuse(exc)
            return None
        return spool

    @staticmethod
    def _discard(spool: Spool) -> None:
        """
        Remove what a copy that did not fit has left; else an heir sends it.
        """
        with contextlib.suppress(OSError, SpoolError):
            spool.ack(len(spool.read(1 << 62, 1 << 62)))
        spool.close()

    def put_before(self, spool: Spool) -> None:
        """
        Have what is in *spool* sent before all else.
        """
        self._adopted.appendleft(spool)

    def hold(self, entries: Sequence[Entry], held: int = 0) -> Spool | None:
        """
        Store more of what the worker has in its hands.

        It is older than all that will be stored, so the spool has nothing
        else until all of it is there.

        Args:
            entries: The next ones.

            held: How many were stored before.

        Returns:
            Where they are; None if that cannot be.
        """
        if self.pending != held or not self.store(entries):
            return None
        try:
            self._own.read(len(entries), 1 << 62)
        except OSError as exc:
            # what was written now is a copy, left to whoever adopts it
            self.drop_copy(held)
            self._let_go(self._own)
            self._own = self._make()
            self._refuse(exc)
            return None
        return self._own

    def drop_copy(self, held: int) -> None:
        """
        Have no copy of the *held* records that :meth:`hold` stored.
        """
        if held and self._own.pending >= held:
            self.ack(self._own, held)

    # --- out ---

    def next_spool(self) -> Spool | None:
        """
        The spool to read from now; None if none has a record.
        """
        while self._adopted and not self._adopted[0].pending:
            self._let_go(self._adopted.popleft())
        if self._adopted:
            return self._adopted[0]
        return self._own if self._own.pending else None

    def read(
        self, spool: Spool, most_records: int, most_bytes: int
    ) -> list[Entry]:
        """
        The next records of *spool*; none while the disk does not give them.
        """
        try:
            entries = spool.read(most_records, most_bytes)
        except OSError as exc:
            if not self.is_unreadable:
                self.is_unreadable = True
                self._say(f"the spool {spool.folder} cannot be read: {exc}")
            return []
        self.is_unreadable = False
        return entries

    def ack(self, spool: Spool, records: int) -> None:
        """
        The oldest *records* that were read from *spool* are settled.
        """
        spool.ack(records)
        self._acked += records

    def orphans(self) -> list[Spool]:
        """
        The spools of dead processes, locked for this one.
        """
        try:
            return list(adopt(self._own.folder))
        except (OSError, SpoolError, Warning) as exc:
            self._say(f"cannot look for spools of dead processes: {exc}")
            return []

    def adopt(self, spools: Sequence[Spool]) -> int:
        """
        Send what is in *spools* before all else; gives how many records.
        """
        self._adopted.extend(spools)
        records = sum(spool.pending for spool in spools)
        self.adopted += records
        return records

    def _let_go(self, spool: Spool) -> None:
        self._corrupt += spool.corrupt
        self._torn += spool.torn
        # a signal handler that came into an append: the exit unlocks it
        with contextlib.suppress(ReentrantError):
            spool.close()

    def close(self) -> None:
        """
        Remove what is empty; leave the rest to whoever comes next.
        """
        for spool in self._all():
            self.left += spool.pending
            self._let_go(spool)
        self._adopted.clear()
        self._own = self._make()

    def forget_parent(self) -> None:
        """
        In a forked child: all of it is the parent's, but for the folder.
        """
        for spool in self._all():
            spool.forget_parent()
        self._reset()

    # --- numbers ---

    def _all(self) -> list[Spool]:
        return [*self._adopted, self._own]

    @property
    def pending(self) -> int:
        """
        Records on disk that are not settled.
        """
        pending = self._own.pending
        for spool in self._adopted:
            pending += spool.pending
        return pending

    @property
    def gone(self) -> int:
        """
        Records that are on disk no more, counted over its life.
        """
        return self._acked + sum(self.dropped().values())

    @property
    def refuses(self) -> bool:
        """
        Whether the disk refused lately, and is not asked again yet.
        """
        return self._is_refused and time.monotonic() < self._retry_at

    @property
    def bytes(self) -> int:
        """
        Size of the files.
        """
        return sum(spool.bytes for spool in self._all())

    @property
    def torn(self) -> int:
        """
        Ends of files that a crash left incomplete.
        """
        return self._torn + sum(spool.torn for spool in self._all())

    def dropped(self) -> dict[str, int]:
        """
        Records lost on disk, by reason.
        """
        corrupt = sum(spool.corrupt for spool in self._all())
        return {
            "spool_full": self._gave_way,
            "spool_corrupt": self._corrupt + corrupt,
        }


def check_spool(given: Mapping[str, Any]) -> None:
    """
    See to it that the parsed options of a spool go together.

    Raises:
        ConfigError: They do not, or its folder is open to others.
    """
    mode, folder = given["spool"], given["spool_dir"]
    if mode == "off":
        if folder:
            raise ConfigError(
                f"{shown('spool_dir', folder)} without a spool",
                fix='add spool="overflow" or spool="always"',
            )
        return
    if not folder:
        raise ConfigError(
            f"{shown('spool', mode)} without a folder",
            fix='add spool_dir="…", a folder on a local disk',
        )
    if given["max_age_seconds"] is not None:
        raise ConfigError(
            f"{shown('max_age_seconds', given['max_age_seconds'])} with a"
            " spool",
            expected="records in a spool wait until they are sent",
            fix="bound them by spool_max_bytes, or leave the spool off",
        )
    check_folder("spool_dir", folder)
