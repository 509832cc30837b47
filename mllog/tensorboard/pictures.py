"""
Pictures: whatever is an image as a file that browsers show.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import require
from ..payloads import Payload
from ..payloads.arrays import array_of, is_array
from ..payloads.images import encoded, image_of, is_image
from ..payloads.media import sniffed

if TYPE_CHECKING:
    from ..payloads.arrays import Array

__all__ = ["Picture", "pictures_of"]

_SHOWN: Final = frozenset({"image/png", "image/jpeg", "image/gif"})
_CHANNELS: Final = (1, 3, 4)
_MOST: Final = 8
_MODES: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})


class Picture(NamedTuple):
    """
    A file of PNG, JPEG or GIF, and its size in pixels.
    """

    width: int
    height: int
    data: bytes


def pictures_of(value: Any) -> Iterator[Picture]:
    """
    The pictures of an image, or the first 8 of a batch of them.

    ====================  ====================================================
    bytes                 files of images; PNG, JPEG and GIF as they are
    Pillow's images       PNG
    arrays, tensors       height x width, or with 1, 3 or 4 channels last or
                          first, or a batch of those.  Floats are 0 to 1,
                          other numbers 0 to 255, and what is outside is cut
    list of any of these  a batch
    ====================  ====================================================

    Raises:
        TypeError, ValueError, OSError: It is no image.
    """
    if isinstance(value, Payload):
        value = value.value
    if isinstance(value, (bytes, bytearray, memoryview)):
        yield _of_file(bytes(value))
    elif is_image(value):
        yield _of_image(value)
    elif isinstance(value, (list, tuple)):
        for each in value[:_MOST]:
            yield from pictures_of(each)
    elif is_array(value):
        array = array_of(value)
        batch = array[:_MOST] if array.ndim == 4 else [array]
        for each in batch:
            yield _of_image(image_of(_pixels(each), "image/png"))
    else:
        raise TypeError(
            f"a {type(value).__name__} is no image\n"
            "  expected: an array, a tensor, bytes or Pillow's image"
        )


def _of_file(data: bytes) -> Picture:
    image = require("PIL.Image", "tensorboard").open(io.BytesIO(data))
    if sniffed(data) in _SHOWN:
        return _picture(image, data)
    return _of_image(image)


def _of_image(image: Any) -> Picture:
    if image.mode not in _MODES:
        image = image.convert("RGB")
    return _picture(image, encoded(image, "PNG"))


def _picture(image: Any, data: bytes) -> Picture:
    width, height = image.size
    return Picture(width, height, data)


def _pixels(array: Array) -> Array:
    """
    *array* as uint8, its channels last.
    """
    import numpy as np

    if (
        array.ndim == 3
        and array.shape[2] not in _CHANNELS
        and array.shape[0] in _CHANNELS
    ):
        array = np.moveaxis(array, 0, 2)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"an array of {array.dtype} is no image")
    if isinstance(array, np.ma.MaskedArray):
        array = array.filled(0)
    if array.dtype == "uint8":
        return np.ascontiguousarray(array)
    scale = 255 if array.dtype.kind in "fb" else 1
    found = np.nan_to_num(array.astype(float), posinf=1e9, neginf=0) * scale
    return np.ascontiguousarray(found.round().clip(0, 255).astype("uint8"))
