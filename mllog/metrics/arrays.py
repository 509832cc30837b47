"""
Arrays and tensors of any library as a few numbers.
"""

from __future__ import annotations

from typing import Any

from ..errors import require
from ..values import shape_of

__all__ = [
    "dimensions",
    "each",
    "fraction_zeros",
    "largest",
    "length",
    "mean",
    "mean_per_channel",
    "numbers_of",
    "smallest",
    "std",
    "std_per_channel",
    "total",
]

# grey and colour before images with a fourth channel, or four pixels high
_CHANNELS = ((1, 3), (4,))


def numbers_of(value: Any) -> Any:
    """
    A numpy array of whatever holds numbers, of a device too.
    """
    for step in ("detach", "cpu"):
        if callable(method := getattr(value, step, None)):
            value = method()
    if "bfloat16" in str(getattr(value, "dtype", "")):
        value = value.float() if hasattr(value, "float") else value
    numpy = require("numpy", "test")
    array = numpy.asarray(value)
    if array.dtype.kind == "O":
        return array.astype(float)
    if array.dtype.kind not in "biuf":  # text is no number, nor is half of one
        raise TypeError(f"an array of {array.dtype} has no numbers")
    return array


def each(value: Any) -> list[Any]:
    """
    Every number of a list or array.
    """
    return list(numbers_of(value).ravel().tolist())


def mean(value: Any) -> float:
    """
    Mean of an array.
    """
    return float(numbers_of(value).mean(dtype=float))


def std(value: Any) -> float:
    """
    Standard deviation of an array.
    """
    return float(numbers_of(value).std(dtype=float))


def smallest(value: Any) -> float:
    """
    Smallest number of an array.
    """
    return float(numbers_of(value).min())


def largest(value: Any) -> float:
    """
    Largest number of an array.
    """
    return float(numbers_of(value).max())


def total(value: Any) -> float:
    """
    Sum of an array.
    """
    return float(numbers_of(value).sum(dtype=float))


def fraction_zeros(value: Any) -> float:
    """
    The part of an array that is 0, from 0 to 1.
    """
    array = numbers_of(value)
    return float((array == 0).sum() / array.size)


def length(value: Any) -> float:
    """
    Items of a list.
    """
    return float(len(value))


def dimensions(value: Any) -> dict[str, int]:
    """
    Channels and the other dimensions where it is an image, else dimensions.
    """
    shape = shape_of(value)
    if shape is None:
        shape = tuple(numbers_of(value).shape)
    at = _channel_of(shape)
    if at is None:
        return {f"dim_{index}": size for index, size in enumerate(shape)}
    sizes = [size for i, size in enumerate(shape) if i not in (at, at - 3)]
    sizes = sizes[-2:]
    return {"channels": shape[at]} | {
        f"dim_{index}": size for index, size in enumerate(sizes)
    }


def _channel_of(shape: tuple[int, ...]) -> int | None:
    """
    Which dimension of an image, or of a batch of them, is its channels.
    """
    if len(shape) not in (3, 4):
        return None
    first = len(shape) - 3
    for sizes in _CHANNELS:
        for at in (len(shape) - 1, first):  # channels last, then first
            if shape[at] in sizes:
                return at
    return None


def _per_channel(value: Any, statistic: str) -> dict[str, float]:
    array = numbers_of(value)
    at = _channel_of(array.shape)
    if at is None:
        raise ValueError(f"no image, or no channels, of shape {array.shape}")
    others = tuple(axis for axis in range(array.ndim) if axis != at)
    found = getattr(array, statistic)(axis=others, dtype=float)
    return {f"channel_{i}": each for i, each in enumerate(found.tolist())}


def mean_per_channel(value: Any) -> dict[str, float]:
    """
    Mean of each channel of images.
    """
    return _per_channel(value, "mean")


def std_per_channel(value: Any) -> dict[str, float]:
    """
    Standard deviation of each channel of images.
    """
    return _per_channel(value, "std")
