"""
Compressed bytes, written fast and read whatever they are.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Final, NamedTuple, cast

from . import options
from .errors import ConfigError, require, shown

__all__ = [
    "CODECS",
    "Codec",
    "codec_of",
    "decoded",
    "decompressed",
    "is_compressed",
    "zstd",
]

#: What :func:`codec_of` knows.
CODECS: Final = ("gzip", "zstd", "none")

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_MAGIC_BYTES = 4
# what a stream is given at once: of many short members each copies the rest
_PIECE_BYTES = 4096
_MOST_CODINGS = 4
_LEVELS = {"gzip": range(4), "zstd": range(1, 20)}
_DEFAULT_LEVELS = {"gzip": 1, "zstd": 3}


class Codec(NamedTuple):
    """
    A way to compress.

    Args:
        name: One of :data:`CODECS`.

        suffix: What names of files end in, ``".gz"``.

        content_type: The media type of what it makes; ``""`` if it changes
            nothing.

        compress: From bytes to fewer of them; equal input gives equal output.
    """

    name: str
    suffix: str
    content_type: str
    compress: Callable[[bytes], bytes]


def codec_of(option: str, name: Any, level: Any = None) -> Codec:
    """
    The codec that an option names.

    Args:
        option: Name of the option, for the error.

        name: ``"gzip"``, ``"zstd"`` or ``"none"``.

        level: 0 to 3 for gzip, 1 to 19 for zstd; None is 1 and 3.

    Raises:
        ConfigError: There is no such codec or level.

        MissingPackageError: It needs one that is not installed.
    """
    chosen = options.choice(option, name, CODECS)
    level = _level(f"{option}_level", level, chosen)
    if chosen == "gzip":
        return Codec(chosen, ".gz", "application/gzip", _gzip(level))
    if chosen == "zstd":
        return Codec(chosen, ".zst", "application/zstd", _zstd(level))
    return Codec(chosen, "", "", bytes)


def _level(option: str, value: Any, codec: str) -> int:
    if value in (None, ""):
        return _DEFAULT_LEVELS.get(codec, 0)
    allowed = _LEVELS.get(codec)
    if allowed is None:
        raise ConfigError(f"{shown(option, value)} without compression")
    level = options.integer(option, value)
    if level not in allowed:
        raise ConfigError(
            shown(option, value),
            expected=f"{allowed[0]} to {allowed[-1]} for {codec}",
        )
    return level


def _gzip(level: int) -> Callable[[bytes], bytes]:
    try:
        from isal import igzip
    except ImportError:  # no wheel for this platform: slower, and no worse
        return lambda data: gzip.compress(data, max(level, 1), mtime=0)
    return lambda data: igzip.compress(data, level, mtime=0)


def _zstd(level: int) -> Callable[[bytes], bytes]:
    compress = zstd().compress
    return lambda data: cast("bytes", compress(data, level))


def zstd() -> Any:
    """
    The module ``compression.zstd`` of Python 3.14, or its backport.

    Raises:
        MissingPackageError: Neither is there.
    """
    try:
        from compression import zstd as found
    except ImportError:
        found = require("backports.zstd", "zstd")
    return found


def is_compressed(start: bytes) -> bool:
    """
    Whether the bytes at the *start* of a file are those of gzip or zstd.
    """
    return start.startswith((_GZIP, _ZSTD))


def decompressed(raw: BinaryIO) -> BinaryIO:
    """
    A stream of what *raw* holds, whether gzip, zstd or neither.

    Its first bytes tell; several members or frames one after another read as
    one.  It closes *raw*.

    Raises:
        MissingPackageError: It is zstd, and the package for it is missing.

        OSError: *raw* cannot be read.
    """
    ahead = io.BufferedReader(cast("Any", _Seekless(raw)), 1 << 18)
    start = ahead.peek(_MAGIC_BYTES)[:_MAGIC_BYTES]
    if start.startswith(_GZIP):
        return _gunzip(ahead)
    if start == _ZSTD:
        return cast("BinaryIO", zstd().open(ahead, "rb"))
    return cast("BinaryIO", ahead)


def _gunzip(raw: io.BufferedReader) -> BinaryIO:
    # not isal's, which gives nothing of the last 128 KiB before a cut
    opened: Any = gzip.GzipFile(fileobj=raw, mode="rb")
    opened.myfileobj = raw  # closed with it
    return cast("BinaryIO", opened)


def decoded(data: bytes, coding: str, most: int) -> tuple[bytes, bool]:
    """
    What the body of a message of HTTP is without its content coding.

    Args:
        data: The body, or its beginning.

        coding: The header Content-Encoding: ``""``, ``"gzip"``, ``"deflate"``,
            ``"zstd"`` where that can be had, or several with commas.

        most: How many bytes are wanted; no more of them are made.

    Returns:
        The first *most* bytes of what there is, and whether that is all.

    Raises:
        ValueError: The coding is unknown, or not that of *data*.
    """
    is_whole, codings = True, coding.lower().split(",")
    if len(codings) > _MOST_CODINGS:
        raise ValueError(f"{len(codings)} content codings")
    for each in reversed(codings):
        name = each.strip()
        if name not in ("", "identity"):
            data, is_all = _decode(data, name, most)
            is_whole = is_whole and is_all
    return data[:most], is_whole and len(data) <= most


def _decode(data: bytes, coding: str, most: int) -> tuple[bytes, bool]:
    if coding in ("gzip", "x-gzip"):
        return _inflated(data, most, lambda: zlib.decompressobj(31))
    if coding == "deflate":
        # without the header of zlib, as some send it
        bits = 15 if data[:1] and data[0] & 15 == 8 else -15
        return _inflated(data, most, lambda: zlib.decompressobj(bits))
    if coding == "zstd":
        try:
            make = zstd().ZstdDecompressor
        except ImportError:
            pass
        else:
            return _inflated(data, most, make)
    raise ValueError(f"content coding {coding[:40]!r} is not known")


def _inflated(
    data: bytes, most: int, make: Callable[[], Any]
) -> tuple[bytes, bool]:
    """
    The first *most* bytes of one stream after another, and whether it is all.
    """
    found, stream = bytearray(), make()
    for start in range(0, len(data), _PIECE_BYTES):
        piece = data[start : start + _PIECE_BYTES]
        while piece:
            if stream.eof:
                stream = make()
            try:
                found += stream.decompress(piece, most + 1 - len(found))
            except Exception as exc:  # each library has its own
                if not found:
                    raise ValueError(f"it is not compressed: {exc}") from exc
                return bytes(found), False
            if len(found) > most:
                return bytes(found[:most]), False
            piece = stream.unused_data if stream.eof else b""
    return bytes(found), stream.eof or not data


class _Seekless(io.RawIOBase):
    """
    Anything that has ``read``, such as the body of a response.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(len(buffer))
        while 0 < len(data) < _MAGIC_BYTES:  # a socket gives what it has
            more = self._source.read(len(buffer) - len(data))
            if not more:
                break
            data += more
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()
