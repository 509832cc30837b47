"""
Metrics that belong together, by the task of a model.

The groups and what they measure are those that DeepSparse predefines; the
fields are what they are called here unless ``fields`` says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["GROUPS"]

Specs = tuple[Mapping[str, Any], ...]


def _specs(field: str, kind: str, *reductions: str, **more: Any) -> Specs:
    return tuple(
        {"field": field, "kind": kind, "reduce": each, **more}
        for each in reductions
    )


_IMAGES: Final = (
    *_specs("images", "gauge", "shape"),
    *_specs("images", "gauge", "mean_per_channel", "std_per_channel"),
    *_specs("images", "histogram", "fraction_zeros", unit="ratio"),
)
_SCORE: Final = _specs("scores", "histogram", "top_score", unit="ratio")
_CLASS: Final = _specs("labels", "counter", "predicted_class")
_DETECTED: Final = _specs(
    "scores", "histogram", "mean_score", "std_score", unit="ratio"
)
_TEXT: Final = (
    *_specs("text", "histogram", "string_length"),
    *_specs("tokens", "histogram", "unknown_tokens", unit="ratio"),
    *_CLASS,
    *_SCORE,
)

GROUPS: Final[Mapping[str, Specs]] = {
    "image_classification": (*_IMAGES, *_CLASS, *_SCORE),
    "object_detection": (
        *_IMAGES,
        *_specs("labels", "counter", "detected_classes"),
        *_specs("labels", "histogram", "number_of_detections"),
        *_DETECTED,
    ),
    "segmentation": (
        *_IMAGES,
        *_specs("classes", "counter", "detected_classes"),
        *_specs("classes", "histogram", "number_of_detections"),
        *_DETECTED,
    ),
    "question_answering": (
        *_specs("question", "histogram", "string_length"),
        *_specs("context", "histogram", "string_length"),
        *_specs("answer", "counter", "answer_found"),
        *_specs("answer", "histogram", "string_length"),
        *_specs("score", "histogram", "identity", unit="ratio"),
    ),
    "text_classification": _TEXT,
    "sentiment_analysis": _TEXT,
    "zero_shot_text_classification": _TEXT,
    "token_classification": (
        *_specs("text", "histogram", "string_length"),
        *_specs("tokens", "histogram", "unknown_tokens", unit="ratio"),
        *_specs("predictions", "histogram", "zero_labels", unit="ratio"),
        *_specs("scores", "histogram", "mean_score", unit="ratio"),
    ),
}
