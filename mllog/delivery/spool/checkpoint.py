"""
How far a spool is acknowledged, in a file that a crash cannot spoil.

Two slots, each with a CRC, are written in turn: whichever write a crash cuts
short, the other slot still holds what was true before it.
"""

from __future__ import annotations

import contextlib
import os
from struct import Struct
from zlib import crc32

from .descriptor import SAFELY, File

__all__ = ["Checkpoint"]

_FIELDS = Struct("!QQ")  # generation, acknowledged sequence
_SLOT = Struct("!QQI12x")  # and their CRC
_SLOT_BYTES = _SLOT.size


class Checkpoint:
    """
    The last sequence number up to which everything is done.

    Args:
        path: The file; made if it is not there.

    Raises:
        OSError: It can be neither opened nor made.
    """

    def __init__(self, path: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | SAFELY
        self._file = File(os.open(path, flags, 0o600))
        self._generation, self.acked = _newest(os.read(self._file.fd, 4096))
        if not self._generation:
            # both slots, so that a full disk has room for what comes later
            self.write(0)
            self.write(0)

    @staticmethod
    def peek(path: str) -> int:
        """
        What *path* says, without making or changing it; 0 if it says nothing.
        """
        try:
            fd = os.open(path, os.O_RDONLY | SAFELY)
        except OSError:
            return 0
        try:
            return _newest(os.read(fd, 4096))[1]
        finally:
            os.close(fd)

    def write(self, acked: int) -> None:
        """
        Everything up to *acked* is done.
        """
        generation = self._generation + 1
        crc = crc32(_FIELDS.pack(generation, acked))
        slot = _SLOT.pack(generation, acked, crc)
        _write_at(self._file.fd, slot, generation % 2 * _SLOT_BYTES)
        self._generation, self.acked = generation, acked

    def close(self) -> None:
        """
        Close the file.  May be called twice.
        """
        self._file.close()


def _newest(data: bytes) -> tuple[int, int]:
    """
    Generation and acknowledged sequence of the newest slot that is whole.
    """
    newest = (0, 0)
    for offset in (0, _SLOT_BYTES):
        if len(data) >= offset + _SLOT_BYTES:
            generation, acked, crc = _SLOT.unpack_from(data, offset)
            if crc == crc32(_FIELDS.pack(generation, acked)):
                newest = max(newest, (generation, acked))
    return newest


def _write_at(fd: int, data: bytes, offset: int) -> None:
    if hasattr(os, "pwrite"):
        os.pwrite(fd, data, offset)
        return
    with contextlib.suppress(OSError):  # Windows
        os.lseek(fd, offset, os.SEEK_SET)
        os.write(fd, data)
