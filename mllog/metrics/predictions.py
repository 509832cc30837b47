"""
What a model gave, as numbers: classes, scores, detections and texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..values import number, shape_of
from .arrays import mean, numbers_of, std

__all__ = [
    "answer_found",
    "class_counts",
    "mean_score",
    "number_of_detections",
    "predicted_class",
    "std_score",
    "string_length",
    "top_score",
    "unknown_tokens",
    "zero_labels",
]

_UNKNOWN = frozenset({"[UNK]", "<unk>", "<UNK>", "unk"})
# no entity: by number, by letter, as a model without names has it
_ZERO = frozenset({"0", "0.0", "O", "LABEL_0"})


def _is_batch(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def class_counts(value: Any) -> dict[Any, int]:
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


def predicted_class(value: Any) -> Any:
    """
    Classes by name, or the place of the highest of a row of scores.
    """
    if isinstance(value, str) or number(value) is not None:
        return {value: 1}
    if _is_batch(value) and any(isinstance(each, str) for each in value):
        return class_counts(value)
    array = numbers_of(value)
    if array.dtype.kind != "f":
        return class_counts(array.tolist())
    return class_counts(array.argmax(axis=-1).tolist())


def top_score(value: Any) -> Any:
    """
    The highest score, of each row.
    """
    if isinstance(value, Mapping):
        value = list(value.values())
    return numbers_of(value).max(axis=-1).tolist()


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


def number_of_detections(value: Any) -> Any:
    """
    Objects found, in each image.
    """
    return _per_image(value, lambda one: float(len(_found(one))))


def mean_score(value: Any) -> Any:
    """
    Mean score of the objects in each image.
    """
    return _per_image(value, lambda one: mean(_found(one) or [0.0]))


def std_score(value: Any) -> Any:
    """
    Standard deviation of the scores in each image.
    """
    return _per_image(value, lambda one: std(_found(one) or [0.0]))


# --- texts ---


def string_length(value: Any) -> Any:
    """
    Characters, of each text.
    """
    if _is_batch(value):
        return [string_length(each) for each in value]
    return float(len(value if isinstance(value, str) else str(value)))


def unknown_tokens(value: Any) -> Any:
    """
    The part of tokens that the tokenizer did not know, 0 to 1.
    """
    if _is_batch(value) and value and all(_is_batch(each) for each in value):
        return [unknown_tokens(each) for each in value]
    tokens = value.split() if isinstance(value, str) else list(value)
    unknown = sum(each in _UNKNOWN for each in tokens)
    return unknown / len(tokens) if tokens else 0.0


def answer_found(value: Any) -> Any:
    """
    1 where there is an answer, 0 where it is empty.
    """
    if _is_batch(value):
        return [answer_found(each) for each in value]
    return 0.0 if value in (None, "", "empty") else 1.0


def zero_labels(value: Any) -> float:
    """
    The part of tokens without an entity, 0 to 1: ``0``, ``O`` or ``LABEL_0``.
    """
    labels = class_counts(value)
    total = sum(labels.values())
    zeros = sum(
        count for label, count in labels.items() if str(label) in _ZERO
    )
    return zeros / total if total else 0.0
