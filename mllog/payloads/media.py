"""
Media types: those of bytes, and the extensions of stored files.
"""

from __future__ import annotations

import functools
import re
from typing import Final

__all__ = [
    "BYTES",
    "JSON",
    "NPY",
    "extension_of",
    "media_type",
    "sniffed",
    "usable",
]

BYTES: Final = "application/octet-stream"
JSON: Final = "application/json"
NPY: Final = "application/x-npy"

# kept here: the names of objects may not depend on a machine's mime.types
_EXTENSIONS: Final = {
    BYTES: ".bin",
    JSON: ".json",
    NPY: ".npy",
    "application/gzip": ".gz",
    "application/ogg": ".ogg",
    "application/pdf": ".pdf",
    "application/vnd.apache.parquet": ".parquet",
    "application/x-ndjson": ".jsonl",
    "application/zip": ".zip",
    "application/zstd": ".zst",
    "audio/flac": ".flac",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "audio/wave": ".wav",
    "audio/x-wav": ".wav",
    "image/avif": ".avif",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "image/png": ".png",
    "image/tiff": ".tif",
    "image/webp": ".webp",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/plain": ".txt",
    "video/mp4": ".mp4",
}
# how files begin
_BEGINNINGS: Final = (
    (rb"\xff\xd8\xff", "image/jpeg"),
    (rb"\x89PNG\r\n\x1a\n", "image/png"),
    (rb"GIF8[79]a", "image/gif"),
    (rb"II\*\x00|MM\x00\*", "image/tiff"),
    (rb"RIFF....WEBP", "image/webp"),
    (rb"RIFF....WAVE", "audio/wav"),
    (rb"....ftypavif", "image/avif"),
    (rb"....ftyp(?:isom|mp42)", "video/mp4"),
    (rb"fLaC", "audio/flac"),
    (rb"ID3", "audio/mpeg"),
    (rb"OggS", "application/ogg"),
    (rb"%PDF-", "application/pdf"),
    (rb"\x93NUMPY", NPY),
    (rb"\x1f\x8b\x08", "application/gzip"),
    (rb"\x28\xb5\x2f\xfd", "application/zstd"),
    (rb"PK\x03\x04", "application/zip"),
    (rb"PAR1", "application/vnd.apache.parquet"),
)
_MAGIC = re.compile(
    b"|".join(b"(%b)" % magic for magic, _ in _BEGINNINGS), re.DOTALL
)

_WORD = r"[\w.+-]+"
_MEDIA_TYPE = re.compile(
    rf'({_WORD}/{_WORD})(?:; ?{_WORD}=(?:{_WORD}|"[ !#-\[\]-~]*"))*',
    re.ASCII,
)
_MAX_MEDIA_TYPE = 127
_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}", re.ASCII)


def usable(content_type: object) -> str | None:
    """
    *content_type* if it is a media type that a header can carry, else None.

    It may come from a request: what is none says nothing, and is no reason to
    lose the payload.
    """
    if type(content_type) is not str or len(content_type) > _MAX_MEDIA_TYPE:
        return None
    return content_type if media_type(content_type) else None


@functools.lru_cache(maxsize=256)
def media_type(content_type: str) -> str:
    """
    ``image/jpeg`` of ``Image/JPEG; q=1``; ``""`` if it is no media type.
    """
    found = _MEDIA_TYPE.fullmatch(content_type)
    return found[1].lower() if found else ""


@functools.lru_cache(maxsize=256)
def extension_of(content_type: str) -> str:
    """
    ``.jpg`` of ``image/jpeg``; ``.bin`` where no extension is known.

    Guarantee:
        A dot and at most eight of a-z and 0-9, the same on every machine.
    """
    media = media_type(content_type)
    if media in _EXTENSIONS:
        return _EXTENSIONS[media]
    if media.endswith("+json"):
        return ".json"
    from mimetypes import MimeTypes

    # a MimeTypes of one's own has Python's table alone
    found = MimeTypes().guess_extension(media) or ""
    return found if _EXTENSION.fullmatch(found) else ".bin"


def sniffed(data: bytes) -> str:
    """
    The media type that the first bytes tell of.
    """
    found = _MAGIC.match(data)
    if found is None or found.lastindex is None:
        return BYTES
    return _BEGINNINGS[found.lastindex - 1][1]
