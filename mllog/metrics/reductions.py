"""
What a metric makes of a raw value: numbers out of images, texts and scores.

A reduction is a function of one value.  It gives a number, a mapping of parts
to numbers, or a list of either, one for each item of a batch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from .. import options
from ..errors import ConfigError, nearest, require, shown
from ..values import number, shape_of

__all__ = ["ALIASES", "REDUCTIONS", "Reduction", "numeric", "reduction_of"]

_UNKNOWN = frozenset({"[UNK]", "<unk>", "<UNK>", "unk"})
# grey and colour before images with a fourth channel, or four pixels high
_CHANNELS = ((1, 3), (4,))


class Reduction(NamedTuple):
    """
    A function that gives numbers, and how they are told apart.

    Args:
        name: What names of metrics say; ``""`` says nothing.

        function: From a value to numbers; None takes the value as it is.

        part: The label that tells parts of a mapping apart; ``""`` where
            there is only one number.

        meaning: What it gives, in a line.
    """

    name: str
    function: Callable[[Any], Any] | None = None
    part: str = ""
    meaning: str = ""


def numeric(value: Any) -> float | None:
    """
    *value* as a float; None if it is no number.

    As :func:`mllog.values.number`, and an array or tensor of one element is
    its element.
    """
    found = number(value)
    if found is not None or value is None or type(value) is str:
        return found
    try:
        shape = shape_of(value)
        is_one = bool(shape) and math.prod(shape or (0,)) == 1
        return number(value.item()) if is_one else None
    except Exception:
        return None


def _array(value: Any) -> Any:
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


def _each(value: Any) -> list[Any]:
    return list(_array(value).ravel().tolist())


def _count(_value: Any) -> float:
    return 1.0


def _mean(value: Any) -> float:
    return float(_array(value).mean(dtype=float))


def _std(value: Any) -> float:
    return float(_array(value).std(dtype=float))


def _min(value: Any) -> float:
    return float(_array(value).min())


def _max(value: Any) -> float:
    return float(_array(value).max())


def _sum(value: Any) -> float:
    return float(_array(value).sum(dtype=float))


def _fraction_zeros(value: Any) -> float:
    array = _array(value)
    return float((array == 0).sum() / array.size)


def _length(value: Any) -> float:
    return float(len(value))


def _shape(value: Any) -> dict[str, int]:
    """
    Channels and the other dimensions where it is an image, else dimensions.
    """
    shape = shape_of(value)
    if shape is None:
        shape = tuple(_array(value).shape)
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
    array = _array(value)
    at = _channel_of(array.shape)
    if at is None:
        raise ValueError(f"no image, or no channels, of shape {array.shape}")
    others = tuple(axis for axis in range(array.ndim) if axis != at)
    found = getattr(array, statistic)(axis=others, dtype=float)
    return {f"channel_{i}": each for i, each in enumerate(found.tolist())}


def _mean_per_channel(value: Any) -> dict[str, float]:
    return _per_channel(value, "mean")


def _std_per_channel(value: Any) -> dict[str, float]:
    return _per_channel(value, "std")


# --- predictions ---


def _is_batch(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _class_counts(value: Any) -> dict[Any, int]:
    """
    How often each class comes: of one label, of several, of lists of them.
    """
    counts: Counter[Any] = Counter()
    left = [value]
    while left:
        each = left.pop()
        each = each.tolist() if shape_of(each) is not None else each
        if _is_batch(each):
            left += each
        elif each is not None:
            counts[each] += 1
    return dict(counts)


def _predicted_class(value: Any) -> Any:
    """
    Classes by name, or the place of the highest of a row of scores.
    """
    if isinstance(value, str) or number(value) is not None:
        return {value: 1}
    if _is_batch(value) and any(isinstance(each, str) for each in value):
        return _class_counts(value)
    array = _array(value)
    if array.dtype.kind != "f":
        return _class_counts(array.tolist())
    return _class_counts(array.argmax(axis=-1).tolist())


def _top_score(value: Any) -> Any:
    if isinstance(value, Mapping):
        value = list(value.values())
    return _array(value).max(axis=-1).tolist()


def _per_image(value: Any, of_one: Callable[[Any], float]) -> Any:
    """
    One number for the detections of an image, or a list of them for a batch.
    """
    value = value.tolist() if shape_of(value) else value
    if _is_batch(value) and value and all(_is_batch(each) for each in value):
        return [of_one(each) for each in value]
    return of_one(value)


def _found(detections: Any) -> list[Any]:
    return [each for each in detections if each is not None]


def _detections(value: Any) -> Any:
    return _per_image(value, lambda one: float(len(_found(one))))


def _mean_score(value: Any) -> Any:
    return _per_image(value, lambda one: _mean(_found(one) or [0.0]))


def _std_score(value: Any) -> Any:
    return _per_image(value, lambda one: _std(_found(one) or [0.0]))


# --- texts ---


def _string_length(value: Any) -> Any:
    if _is_batch(value):
        return [_string_length(each) for each in value]
    return float(len(value if isinstance(value, str) else str(value)))


def _unknown_tokens(value: Any) -> Any:
    """
    The part of tokens that the tokenizer did not know, 0 to 1.
    """
    if _is_batch(value) and value and all(_is_batch(each) for each in value):
        return [_unknown_tokens(each) for each in value]
    tokens = value.split() if isinstance(value, str) else list(value)
    unknown = sum(each in _UNKNOWN for each in tokens)
    return unknown / len(tokens) if tokens else 0.0


def _found_answer(value: Any) -> Any:
    if _is_batch(value):
        return [_found_answer(each) for each in value]
    return 0.0 if value in (None, "", "empty") else 1.0


def _zero_labels(value: Any) -> float:
    """
    The part of tokens without an entity, 0 to 1: ``0``, ``O`` or ``LABEL_0``.
    """
    labels = _class_counts(value)
    total = sum(labels.values())
    zeros = sum(
        count for label, count in labels.items() if str(label) in _ZERO
    )
    return zeros / total if total else 0.0


_ZERO = frozenset({"0", "0.0", "O", "LABEL_0"})

REDUCTIONS: Final[Mapping[str, Reduction]] = {
    each.name: each
    for each in (
        Reduction("identity", None, "", "the number itself"),
        Reduction("each", _each, "", "every number of a list or array"),
        Reduction("count", _count, "", "1 for each record that has the field"),
        Reduction("mean", _mean, "", "mean of an array"),
        Reduction("std", _std, "", "standard deviation of an array"),
        Reduction("min", _min, "", "smallest number of an array"),
        Reduction("max", _max, "", "largest number of an array"),
        Reduction("sum", _sum, "", "sum of an array"),
        Reduction("length", _length, "", "items of a list"),
        Reduction(
            "shape",
            _shape,
            "dimension",
            "`channels`, `dim_0`, `dim_1` of an image; else `dim_0`, …",
        ),
        Reduction(
            "fraction_zeros",
            _fraction_zeros,
            "",
            "part of an array that is 0, from 0 to 1",
        ),
        Reduction(
            "mean_per_channel",
            _mean_per_channel,
            "channel",
            "mean of each channel of images",
        ),
        Reduction(
            "std_per_channel",
            _std_per_channel,
            "channel",
            "standard deviation of each channel of images",
        ),
        Reduction(
            "predicted_class",
            _predicted_class,
            "class",
            "1 for the class, by name or as the place of the highest score",
        ),
        Reduction(
            "detected_classes",
            _class_counts,
            "class",
            "how often each class was detected",
        ),
        Reduction("top_score", _top_score, "", "highest score, of each row"),
        Reduction(
            "number_of_detections",
            _detections,
            "",
            "objects found, in each image",
        ),
        Reduction(
            "mean_score",
            _mean_score,
            "",
            "mean score of the objects in each image",
        ),
        Reduction("std_score", _std_score, "", "its standard deviation"),
        Reduction(
            "string_length", _string_length, "", "characters, of each text"
        ),
        Reduction(
            "unknown_tokens",
            _unknown_tokens,
            "",
            "part of the tokens that are `[UNK]` or `<unk>`, from 0 to 1",
        ),
        Reduction(
            "answer_found",
            _found_answer,
            "",
            "1 where there is an answer, 0 where it is empty",
        ),
        Reduction(
            "zero_labels",
            _zero_labels,
            "",
            "part of the tokens without an entity, from 0 to 1",
        ),
    )
}

#: What DeepSparse calls them, so that its configurations can be moved.
ALIASES: Final = {
    "average": "mean",
    "image_shape": "shape",
    "mean_pixels_per_channel": "mean_per_channel",
    "std_pixels_per_channel": "std_per_channel",
    "number_detected_objects": "number_of_detections",
    "mean_score_per_detection": "mean_score",
    "std_score_per_detection": "std_score",
    "predicted_classes": "predicted_class",
    "predicted_top_score": "top_score",
    "percent_unknown_tokens": "unknown_tokens",
    "percent_zero_labels": "zero_labels",
    "answer_length": "string_length",
    "answer_score": "identity",
}


def reduction_of(option: str, value: Any) -> Reduction:
    """
    A reduction by name, or a function of your own by its dotted name.

    Raises:
        ConfigError: There is none of that name, or it cannot be called.
    """
    if isinstance(value, Reduction):
        return value
    if isinstance(value, str) and "." not in value:
        name = ALIASES.get(value, value)
        if name not in REDUCTIONS:
            near = nearest(name, (*REDUCTIONS, *ALIASES))
            raise ConfigError(
                shown(option, value),
                expected="one of "
                + ", ".join(REDUCTIONS)
                + ", or the dotted name of a function",
                fix=f"write {near}" if near else "",
            )
        return REDUCTIONS[name]
    function = options.load(option, value)
    if not callable(function):
        raise ConfigError(
            shown(option, value), expected="a function of one value"
        )
    name = getattr(function, "__name__", "") or type(function).__name__
    return Reduction(name.strip("<>"), function, "part")
