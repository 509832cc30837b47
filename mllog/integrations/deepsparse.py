"""
MetricsLogger: what DeepSparse logs becomes records.
"""

# Imports are absolute: DeepSparse loads this file by its path, outside of
# its package.

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final

from mllog.integrations.step_log import REPORTS, StepLog
from mllog.integrations.targets import rules_from
from mllog.metrics.reductions import numeric

__all__ = ["METRICS", "MetricsLogger"]

# Where BaseLogger is: of pipelines since 1.7, of servers and before, and of
# both at once
_PLACES: Final = (
    "deepsparse.loggers.registry.loggers.base_logger",
    "deepsparse.legacy.loggers",
    "deepsparse.loggers",
)
# ['scores'] in what newer versions captured
_KEY: Final = re.compile(r"\['(\w+)'\]")
_DATA: Final = frozenset({"data", "metric"})
_LONGEST: Final = 1000
_MOST_IDENTIFIERS: Final = 1000
_BEFORE: Final = r"re:(?:.*/)?"
# what no image, text or score makes negative
_NEVER_NEGATIVE: Final = (
    "fraction_zeros|number_detected_objects|(?:mean|std)_score_per_detection|"
    "predicted_top_score|string_length|percent_unknown_tokens|answer_found|"
    "answer_length|answer_score|percent_zero_labels|mean_score"
)

#: What DeepSparse's own names measure, for ``metrics=`` of any meter; other
#: numbers are gauges.
METRICS: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "field": rf"{_BEFORE}prediction_latency/.*_seconds",
        "kind": "histogram",
        "unit": "seconds",
    },
    {
        "field": rf"{_BEFORE}resource_utilization/.*_percent",
        "kind": "gauge",
        "unit": "percent",
    },
    {
        "field": rf"{_BEFORE}resource_utilization/.*_bytes",
        "kind": "gauge",
        "unit": "bytes",
    },
    {
        "field": rf"{_BEFORE}request_details/successful_request.*",
        "kind": "counter",
    },
    {
        "field": rf"{_BEFORE}\w+/input_batch_size.*",
        "kind": "histogram",
        "buckets": (1, 2, 4, 8, 16, 32, 64, 128, 256),
    },
    {
        "field": rf"{_BEFORE}.*__(?:{_NEVER_NEGATIVE})",
        "kind": "summary",
        "reduce": "each",
    },
    {
        "field": rf"{_BEFORE}.*__(?:image_shape|\w+_pixels_per_channel)__\w+",
        "kind": "gauge",
        "reduce": "each",
    },
)


class MetricsLogger:
    """
    A logger of DeepSparse, by its contract ``log(identifier, value, category)``.

    In DeepSparse's configuration, with the path of this module's file::

        loggers:
          mllog:
            path: …/mllog/integrations/deepsparse.py:MetricsLogger
            model_version: 3

    Each value is one record.  Numbers are its ``metrics``, under the
    identifier without the pipeline's name, which is ``model_name``; a mapping
    is taken apart as ``mean_pixels_per_channel__channel_0``.  What is no
    number is a field by itself, for a ``Metric`` with ``reduce``.  ``step``
    counts the values of an identifier.

    DeepSparse applies functions, frequencies and targets before it calls.
    With *data_logging* this object does it, in the same notation, for values
    of the category ``data``: without the package, too.

    Guarantee:
        It raises into no pipeline, and keeps no other logger from its turn.

    Limit:
        It is a ``BaseLogger`` for DeepSparse if it is made after DeepSparse
        was imported, as it is by a configuration.

    Args:
        logger: Name of a logger, a Logger or a LoggerAdapter.

        level: Level of the records.

        data_logging: By target, ``[{"func": "image_shape", "frequency": 10}]``.

        fields: Further fields of each record, such as ``model_version``.

    Raises:
        ConfigError: An option cannot work.
    """

    def __init__(
        self,
        logger: logging.Logger
        | logging.LoggerAdapter[Any]
        | str = "deepsparse.metrics",
        *,
        level: int | str = logging.INFO,
        data_logging: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        self._log = StepLog(logger, level, fields)
        self._rules = rules_from("data_logging", data_logging)
        self._counts: dict[str, count[int]] = {}
        _be_of_its_kind(type(self))

    def log(
        self,
        identifier: str = "",
        value: Any = None,
        category: Any = None,
        **details: Any,
    ) -> None:
        """
        Log a value.

        Args:
            identifier: What it is, ``<pipeline>/pipeline_inputs.images``.

            value: A number, a mapping or list of them, or anything else.

            category: ``data`` or ``system``, or DeepSparse's enum of them.

            details: What DeepSparse adds: ``pipeline_name``; and from
                version 1.7 on ``tag`` and ``log_type`` for the first and the
                third, ``func`` and ``capture``.
        """
        if not self._log.is_on():
            return
        try:
            self._take(identifier, value, category, details)
        except Exception as fault:
            REPORTS.fault(fault)

    def __str__(self) -> str:
        return f"{type(self).__name__}:\n  logger: {self._log.name}"

    def _take(
        self,
        identifier: str,
        value: Any,
        category: Any,
        details: Mapping[str, Any],
    ) -> None:
        identifier = str(identifier or details.get("tag", ""))
        category = category or details.get("log_type")
        category = str(getattr(category, "value", category))
        pipeline = details.get("pipeline_name")
        if not self._rules or category not in _DATA:
            self._say(_named(identifier, details), value, category, pipeline)
            return
        for rule in self._rules:
            if rule.takes(identifier) and rule.is_due():
                try:
                    made = rule.made(value)
                except Exception as fault:
                    REPORTS.fault(fault)
                else:
                    name = rule.name(identifier)
                    self._say(name, made, category, pipeline)

    def _say(
        self, identifier: str, value: Any, category: str, pipeline: Any
    ) -> None:
        name = identifier.removesuffix("__identity")
        known: dict[str, Any] = {"identifier": identifier}
        if category != "None":
            known["category"] = category
        if pipeline:
            name = name.removeprefix(f"{pipeline}/")
            if "model_name" not in self._log.fields:
                known["model_name"] = pipeline
        numbers = dict(_numbers(name, value))
        if numbers:
            known["metrics"] = numbers
        else:
            known[name] = value
        self._log.say("Value logged", self._step(identifier), **known)

    def _step(self, identifier: str) -> int | None:
        counted = self._counts.get(identifier)
        if counted is None:
            if len(self._counts) >= _MOST_IDENTIFIERS:
                return None
            counted = self._counts.setdefault(identifier, count(1))
        return next(counted)


def _named(identifier: str, details: Mapping[str, Any]) -> str:
    """
    The identifier; of newer versions with what was captured, and the function.
    """
    capture, func = details.get("capture"), details.get("func")
    if capture:
        path = _KEY.sub(r".\1", str(capture))
        identifier = f"{identifier}{'' if path[:1] in '.[' else '.'}{path}"
    return f"{identifier}__{func}" if func else identifier


def _numbers(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """
    The numbers in *value* by name; of a list all, or it has none.
    """
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _numbers(f"{name}__{key}", each)
    elif isinstance(value, (list, tuple)):
        found = [_number(each) for each in value[:_LONGEST]]
        if found and None not in found:
            yield name, found if len(found) > 1 else found[0]
    elif (found_one := _number(value)) is not None:
        yield name, found_one


def _number(value: Any) -> float | None:
    """
    A number of Python; DeepSparse's functions give True for 1.
    """
    return float(value) if value is True or value is False else numeric(value)


def _be_of_its_kind(kind: Any) -> None:
    """
    Have DeepSparse, where it is loaded, take *kind* for its BaseLogger.
    """
    for place in _PLACES:
        base = getattr(sys.modules.get(place), "BaseLogger", None)
        if base is None or issubclass(kind, base):
            continue
        try:
            base.register(kind)
        except Exception as fault:  # it is no longer abstract
            REPORTS.fault(fault)
