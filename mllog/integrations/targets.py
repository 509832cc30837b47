"""
Which of the values that DeepSparse logs is meant, and what is made of it.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

from mllog import options
from mllog.errors import ConfigError, shown
from mllog.metrics.metric import PATTERN
from mllog.metrics.reductions import reduction_of

__all__ = ["GROUPS", "Rule", "rules_from"]

_PREDEFINED: Final = "predefined"
_OPTIONS: Final = ("func", "frequency", "target_loggers")
_FRAMEWORKS: Final = {"np": "numpy", "numpy": "numpy", "torch": "torch"}
_PART = re.compile(r"\.?([^.\[\]]+)|\[([^\[\]]*)\]")

_IMAGES: Final = {
    "pipeline_inputs.images": (
        "image_shape",
        "mean_pixels_per_channel",
        "std_pixels_per_channel",
        "fraction_zeros",
    )
}
_CLASSES: Final = {
    "pipeline_outputs.labels": ("predicted_classes",),
    "pipeline_outputs.scores": ("predicted_top_score",),
}
_FOUND: Final = ("detected_classes", "number_detected_objects")
_SCORES: Final = {
    "pipeline_outputs.scores": (
        "mean_score_per_detection",
        "std_score_per_detection",
    )
}
_TEXTS: Final = {"pipeline_inputs.sequences": ("string_length",), **_CLASSES}

#: Targets and functions of the groups that DeepSparse predefines.
GROUPS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "image_classification": {**_IMAGES, **_CLASSES},
    "object_detection": {
        **_IMAGES,
        "pipeline_outputs.labels": _FOUND,
        **_SCORES,
    },
    "segmentation": {**_IMAGES, "pipeline_outputs.classes": _FOUND, **_SCORES},
    "question_answering": {
        "pipeline_inputs.question": ("string_length",),
        "pipeline_inputs.context": ("string_length",),
        "pipeline_outputs.answer": ("answer_found", "answer_length"),
        "pipeline_outputs.score": ("answer_score",),
    },
    "text_classification": _TEXTS,
    "sentiment_analysis": _TEXTS,
    "zero_shot_text_classification": _TEXTS,
    "token_classification": {
        "pipeline_inputs.inputs": ("string_length",),
        "pipeline_outputs.predictions": ("percent_zero_labels",),
    },
}


class Rule:
    """
    One function for one target, each so many times.

    A target is an identifier or the end of one, and behind it the way to a
    part of the value: ``pipeline_outputs.scores[0]``; or a regular expression
    for the beginning of an identifier, ``re:.*_latency``.

    Args:
        target: The target.

        func: A function of DeepSparse or of mllog, ``np.mean``,
            ``torch.mean``, ``file.py:function`` or a dotted name.

        frequency: Take the 1st value, and then each so many.

    Raises:
        ConfigError: One of them cannot work.
    """

    def __init__(self, target: str, func: str, frequency: Any = 1) -> None:
        self.func = func
        self._function = _function(func)
        self._every = options.integer("frequency", frequency, minimum=1)
        self._turns = count()
        self._pattern, self._place, self._path = None, "", ""
        if target.startswith(PATTERN):
            self._pattern = _compiled(target[len(PATTERN) :])
        else:
            # a path begins at the first dot or bracket of the last part
            start = target.rfind("/", 0, _first(target, "[")) + 1
            end = _first(target, ".[", start)
            self._place, self._path = target[:end], target[end:]
        self._steps = tuple(_steps(self._path))

    def takes(self, identifier: str) -> bool:
        """
        Whether the value of *identifier* is meant.
        """
        if self._pattern is not None:
            return self._pattern.match(identifier) is not None
        return f"/{self._place}/" in f"/{identifier}/" or not self._place

    def is_due(self) -> bool:
        """
        Whether it is the turn of this value, which is counted.
        """
        return next(self._turns) % self._every == 0

    def name(self, identifier: str) -> str:
        """
        What the result is called, as DeepSparse calls it.
        """
        path = self._path.partition("[")[0]
        ending = "" if self.func == "identity" else f"__{self.func}"
        return f"{identifier}{path}{ending}"

    def made(self, value: Any) -> Any:
        """
        What the function makes of the part that is meant.
        """
        for step in self._steps:
            if isinstance(step, str) and not isinstance(value, Mapping):
                value = getattr(value, step)
            else:
                value = value[step]
        return value if self._function is None else self._function(value)


def rules_from(option: str, given: Any) -> tuple[Rule, ...]:
    """
    Rules out of what stands below ``data_logging:`` for DeepSparse.

    Raises:
        ConfigError: Something in it cannot work.
    """
    found: list[Rule] = []
    for target, functions in options.mapping(option, given).items():
        if isinstance(functions, Mapping):
            functions = [functions]
        if isinstance(functions, str) or not isinstance(functions, Sequence):
            raise ConfigError(
                shown(f"{option}[{target!r}]", functions),
                expected="[{func: mean, frequency: 10}]",
            )
        for spec in functions:
            found += _rules(f"{option}[{target!r}]", target, spec)
    return tuple(found)


def _rules(option: str, target: str, spec: Any) -> Iterator[Rule]:
    asked = options.mapping(option, spec)
    options.refuse_unknown(asked, _OPTIONS)
    func = options.text("func", asked.get("func"))
    frequency = asked.get("frequency", 1)
    before, slash, last = target.rpartition("/")
    if last != _PREDEFINED:
        yield Rule(target, func, frequency)
        return
    group = GROUPS[options.choice("func", func, tuple(GROUPS))]
    for place, functions in group.items():
        for each in functions:
            yield Rule(f"{before}{slash}{place}", each, frequency)


def _function(func: str) -> Any:
    """
    The function that *func* names; None for the value as it is.
    """
    path, colon, name = func.rpartition(":")
    if colon:
        return _of_file(path, name)
    first, dot, rest = func.partition(".")
    if dot and first in _FRAMEWORKS:
        return options.load("func", f"{_FRAMEWORKS[first]}.{rest}")
    return reduction_of("func", func).function


def _of_file(path: str, name: str) -> Any:
    """
    A function of a file, as DeepSparse takes it.
    """
    spec = importlib.util.spec_from_file_location("metric_functions", path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        raise ConfigError(
            shown("func", f"{path}:{name}"), expected="file.py:function"
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(function := getattr(module, name, None)):
        raise ConfigError(
            shown("func", f"{path}:{name}"),
            expected=f"a function that stands in {path}",
        )
    return function


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as exc:
        raise ConfigError(
            f"{shown('target', pattern)}: {exc}",
            expected="a regular expression behind re:",
        ) from None


def _first(text: str, characters: str, start: int = 0) -> int:
    """
    Where the first of *characters* stands, or the end.
    """
    places = [text.find(each, start) for each in characters]
    return min((at for at in places if at >= 0), default=len(text))


def _steps(path: str) -> Iterator[Any]:
    """
    The names, keys, indexes and slices that a path is made of.
    """
    at = 0
    while at < len(path):
        match = _PART.match(path, at)
        if match is None:
            raise ConfigError(
                shown("target", path), expected=".name, [0], [1:3] or ['key']"
            )
        at = match.end()
        if match[1] is not None:
            yield match[1]
        else:
            yield from map(_inside, match[2].split(","))


def _inside(text: str) -> Any:
    text = text.strip()
    try:
        if text[:1] in {"'", '"'}:
            return text.strip("'\"")
        if ":" in text:
            return slice(*(int(p) if p else None for p in text.split(":")))
        return int(text)
    except ValueError:
        return text  # a key without quotes
