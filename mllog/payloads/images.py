"""
Images: their raw pixels, and their files as Pillow writes them.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigError

if TYPE_CHECKING:
    from .arrays import Array

__all__ = [
    "encoded",
    "format_of",
    "image_of",
    "is_image",
    "pixels",
    "shape",
]

#: Pillow's names of the formats that a payload can be stored in.
_FORMATS: Final = {
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "image/jp2": "JPEG2000",
    "image/jpeg": "JPEG",
    "image/jpg": "JPEG",
    "image/png": "PNG",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
}
# what PNG holds without loss; the rest is for TIFF
_PNG_MODES: Final = frozenset(
    {"1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I;16B"}
)


def is_image(value: Any) -> bool:
    """
    Whether *value* is an image as Pillow's are: pixels, a mode and a size.
    """
    return (
        hasattr(type(value), "tobytes")
        and isinstance(getattr(value, "mode", None), str)
        and isinstance(getattr(value, "size", None), tuple)
    )


def shape(image: Any) -> tuple[int, int]:
    """
    Height and width.
    """
    width, height = image.size
    return int(height), int(width)


def pixels(image: Any) -> bytes:
    """
    What the ref of an image is about: its pixels, and the palette if it has one.
    """
    found: bytes = image.tobytes()
    if image.mode in ("P", "PA"):  # the pixels alone say no colour
        found += bytes(image.getpalette(None) or ())
    return found


def format_of(image: Any, media: str) -> tuple[str, str]:
    """
    Pillow's format and the media type for *media*, or the best if it is empty.

    Raises:
        ConfigError: No image is written as *media*.
    """
    if not media:
        return (
            ("PNG", "image/png")
            if image.mode in _PNG_MODES
            else ("TIFF", "image/tiff")
        )
    if media not in _FORMATS:
        raise ConfigError(
            f"an image cannot be stored as {media}",
            expected=f"one of {', '.join(_FORMATS)}",
            fix="leave content_type out: lossless PNG, or TIFF",
        )
    return _FORMATS[media], media


def encoded(image: Any, name: str) -> bytes:
    """
    The file in Pillow's format *name*.

    Raises:
        ConfigError: The format does not hold such images.
    """
    file = io.BytesIO()
    try:
        image.save(file, name)
    except (OSError, KeyError) as exc:  # a mode or a codec that is missing
        raise ConfigError(
            f"an image of mode {image.mode} cannot be stored as {name}: {exc}",
            fix="convert it, or leave content_type out",
        ) from exc
    return file.getvalue()


def image_of(array: Array, media: str) -> Any:
    """
    Pillow's image of an array of pixels.

    Raises:
        ConfigError: It is not uint8 in one of the expected shapes, or Pillow
            is not installed.
    """
    try:
        from PIL import Image
    except ImportError as exc:
        raise ConfigError(
            f"storing an array as {media} needs Pillow",
            fix="pip install pillow, or leave content_type out (.npy)",
        ) from exc
    channels = array.shape[2:]
    if (
        array.dtype != "uint8"
        or array.ndim not in (2, 3)
        or channels not in ((), (1,), (3,), (4,))
        or not array.size
    ):
        raise ConfigError(
            f"an array of {array.dtype} and shape {array.shape} cannot be "
            f"stored as {media}",
            expected="uint8, (height, width) or (height, width, 1, 3 or 4)",
            fix="convert it, or leave content_type out (.npy)",
        )
    if channels == (1,):
        array = array[:, :, 0]
    return Image.fromarray(array)
