"""
What a metric makes of a raw value: numbers out of images, texts and scores.

A reduction is a function of one value.  It gives a number, a mapping of parts
to numbers, or a list of either, one for each item of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from .. import options
from ..errors import ConfigError, nearest, shown
from ..values import number, shape_of
from . import arrays, predictions

__all__ = ["ALIASES", "REDUCTIONS", "Reduction", "numeric", "reduction_of"]


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


def _count(_value: Any) -> float:
    return 1.0


REDUCTIONS: Final[Mapping[str, Reduction]] = {
    each.name: each
    for each in (
        Reduction("identity", None, "", "the number itself"),
        Reduction("each", arrays.each, "", "every number of a list or array"),
        Reduction("count", _count, "", "1 for each record that has the field"),
        Reduction("mean", arrays.mean, "", "mean of an array"),
        Reduction("std", arrays.std, "", "standard deviation of an array"),
        Reduction("min", arrays.smallest, "", "smallest number of an array"),
        Reduction("max", arrays.largest, "", "largest number of an array"),
        Reduction("sum", arrays.total, "", "sum of an array"),
        Reduction("length", arrays.length, "", "items of a list"),
        Reduction(
            "shape",
            arrays.dimensions,
            "dimension",
            "`channels`, `dim_0`, `dim_1` of an image; else `dim_0`, …",
        ),
        Reduction(
            "fraction_zeros",
            arrays.fraction_zeros,
            "",
            "part of an array that is 0, from 0 to 1",
        ),
        Reduction(
            "mean_per_channel",
            arrays.mean_per_channel,
            "channel",
            "mean of each channel of images",
        ),
        Reduction(
            "std_per_channel",
            arrays.std_per_channel,
            "channel",
            "standard deviation of each channel of images",
        ),
        Reduction(
            "predicted_class",
            predictions.predicted_class,
            "class",
            "1 for the class, by name or as the place of the highest score",
        ),
        Reduction(
            "detected_classes",
            predictions.class_counts,
            "class",
            "how often each class was detected",
        ),
        Reduction(
            "top_score",
            predictions.top_score,
            "",
            "highest score, of each row",
        ),
        Reduction(
            "number_of_detections",
            predictions.number_of_detections,
            "",
            "objects found, in each image",
        ),
        Reduction(
            "mean_score",
            predictions.mean_score,
            "",
            "mean score of the objects in each image",
        ),
        Reduction(
            "std_score", predictions.std_score, "", "its standard deviation"
        ),
        Reduction(
            "string_length",
            predictions.string_length,
            "",
            "characters, of each text",
        ),
        Reduction(
            "unknown_tokens",
            predictions.unknown_tokens,
            "",
            "part of the tokens that are `[UNK]` or `<unk>`, from 0 to 1",
        ),
        Reduction(
            "answer_found",
            predictions.answer_found,
            "",
            "1 where there is an answer, 0 where it is empty",
        ),
        Reduction(
            "zero_labels",
            predictions.zero_labels,
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
