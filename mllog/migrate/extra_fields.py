"""
The numbers of a message as fields: which they are, and their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..fields import VOCABULARY
from .analyse import Evidence
from .parsed_source import ParsedSource
from .print_messages import LogMessage
from .string_literals import MessageValue, is_number, quoted

if TYPE_CHECKING:
    import libcst as cst
else:
    from .parsed_source import cst

__all__ = ["ExtraFields", "MetricNames"]

_APART: Final = re.compile(
    r"[,;|\n\t()\[\]{}<>]|\s[-\u2013\u2014]+\s|\.\s|->|=>|\*{2,}"
)
_WORD: Final = re.compile(r"[^\W\d_][\w/.@-]*")
_UNIT: Final = re.compile(r"\s*\(?([A-Za-zµ]+|%)")
_NO_NAMES: Final = frozenset(
    [
        "a",
        "after",
        "an",
        "and",
        "are",
        "as",
        "at",
        "by",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "in",
        "into",
        "is",
        "it",
        "of",
        "on",
        "or",
        "per",
        "so",
        "than",
        "that",
        "the",
        "then",
        "to",
        "took",
        "was",
        "were",
        "with",
    ]
)
# The first of them is the x axis; the others are fields of their own names.
STEPS: Final = (
    "global_step",
    "step",
    "iteration",
    "iter",
    "it",
    "round",
    "epoch",
    "batch",
)
MEASURES: Final = frozenset(
    [
        "acc",
        "accuracy",
        "auc",
        "auroc",
        "bleu",
        "cer",
        "confidence",
        "dice",
        "entropy",
        "f1",
        "fid",
        "fps",
        "kl",
        "latency",
        "loss",
        "lr",
        "mae",
        "mape",
        "mse",
        "norm",
        "perplexity",
        "ppl",
        "precision",
        "psnr",
        "r2",
        "rate",
        "recall",
        "reward",
        "rmse",
        "rouge",
        "score",
        "ssim",
        "throughput",
        "top1",
        "top5",
        "wer",
    ]
)
LATENCIES: Final = {
    "latency": "inference_latency",
    "inference": "inference_latency",
    "inference_time": "inference_latency",
    "prediction_time": "inference_latency",
    "predict_time": "inference_latency",
    "request_time": "request_latency",
    "response_time": "request_latency",
    "preprocess_time": "preprocess_latency",
    "preprocessing_time": "preprocess_latency",
    "postprocess_time": "postprocess_latency",
    "postprocessing_time": "postprocess_latency",
    "queue_time": "queue_latency",
    "wait_time": "queue_latency",
    "load_time": "load_latency",
    "loading_time": "load_latency",
    "model_load_time": "load_latency",
    "step_time": "step_latency",
    "batch_time": "step_latency",
    "iteration_time": "step_latency",
    "ttft": "time_to_first_token",
    "tpot": "time_per_output_token",
    **{
        name: name
        for name, each in VOCABULARY.items()
        if each.unit == "seconds"
    },
}
UNITS: Final = {
    "s": "s",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "ms": "ms",
    "msec": "ms",
    "millis": "ms",
    "milliseconds": "ms",
    "us": "us",
    "µs": "us",
    "microseconds": "us",
    "min": "min",
    "minutes": "min",
}


@dataclass(frozen=True)
class ExtraFields:
    """
    What goes into ``extra=``.

    Args:
        code: The dict as it is written, or empty.

        missed: Numbers that are not in it, each with the reason.
    """

    code: str = ""
    missed: tuple[str, ...] = ()


@dataclass
class _NamedNumbers:
    steps: dict[str, str] = field(default_factory=dict)
    latencies: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    likely: dict[str, str] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _NumberInText:
    """
    A value and the text around it.
    """

    value: MessageValue
    node: cst.BaseExpression
    before: str
    after: str


class MetricNames:
    """
    Names the numbers of messages.

    A name comes from the text before the value, or else from the variable.  A number has a format such as ``.4f``, comes from what can only
    be one, or is called as metrics are.

    Args:
        source: The program.

        evidence: What is known about its expressions.
    """

    def __init__(self, source: ParsedSource, evidence: Evidence) -> None:
        self._source = source
        self._evidence = evidence

    def of(self, message: LogMessage) -> ExtraFields:
        """
        The fields for *message*; none if it has no metric.
        """
        found = _NamedNumbers()
        for reading in _readings(message.parts):
            self._read(reading, found)
        if found.metrics or found.latencies or found.steps:
            for name, code in found.likely.items():
                found.metrics.setdefault(name, code)
        if not found.metrics and not found.latencies:
            return ExtraFields("", tuple(found.missed))
        return ExtraFields(_dict(_entries(found)), tuple(found.missed))

    def _read(self, reading: _NumberInText, found: _NamedNumbers) -> None:
        label, variable = _label(reading.before), self._variable(reading.node)
        name = label or variable
        if _is_counted(reading) or reading.value.conversion:
            return
        if len(name) < 2:
            if is_number(reading.value.spec):
                found.missed.append("a number is not measured: it has no name")
            return
        step = _step(label, variable)
        latency, unit = _latency(label, variable, reading.after)
        if not (step or self._is_number(reading, name, bool(latency))):
            return
        if not self._evidence.is_repeatable(reading.node):
            found.missed.append(
                f"{name} is not measured: it would be evaluated twice"
            )
            return
        code = reading.value.node and self._source.code(reading.node)
        code = code or ""
        if step:
            found.steps.setdefault(step, code)
        elif latency:
            seconds = self._seconds(reading.node, unit)
            found.latencies.setdefault(latency, seconds)
        else:
            is_sure = is_number(reading.value.spec) or _is_measure(name)
            metrics = found.metrics if is_sure else found.likely
            for each in (name, variable):
                if each and each not in metrics:
                    metrics[each] = code
                    break

    def _is_number(
        self, reading: _NumberInText, name: str, is_latency: bool
    ) -> bool:
        spec = reading.value.spec
        known = self._evidence.type_of(reading.node)
        if known:
            return known in ("whole", "number")
        if spec and not is_number(spec):
            return False
        return is_number(spec) or is_latency or _is_measure(name)

    def _variable(self, node: cst.CSTNode) -> str:
        """
        The name in *node*: ``loss`` of ``self.loss.item()``.
        """
        if isinstance(node, cst.Name):
            return _normal(node.value)
        if isinstance(node, cst.Attribute):
            return _normal(node.attr.value)
        if isinstance(node, cst.Call):
            func = node.func
            if isinstance(func, cst.Attribute) and not node.args:
                return self._variable(func.value)
            if len(node.args) == 1 and isinstance(func, cst.Name):
                return self._variable(node.args[0].value)
        if isinstance(node, cst.Subscript) and len(node.slice) == 1:
            index = getattr(node.slice[0].slice, "value", None)
            if isinstance(index, cst.SimpleString):
                return _normal(str(index.evaluated_value))
        if isinstance(node, cst.BinaryOperation):
            sides = (self._variable(node.left), self._variable(node.right))
            named = [side for side in sides if side]
            return named[0] if len(named) == 1 else ""
        return ""

    def _seconds(self, node: cst.BaseExpression, unit: str) -> str:
        """
        *node*, which counts in *unit*, in seconds.
        """
        code = self._source.code(node)
        if unit == "ms" and isinstance(node, cst.BinaryOperation):
            sides = (node.left, node.right)
            if isinstance(node.operator, cst.Multiply):
                for one, other in (sides, sides[::-1]):
                    if self._source.code(one) in ("1000", "1e3", "1000.0"):
                        return self._source.code(other)
        if isinstance(
            node, (cst.BinaryOperation, cst.IfExp, cst.UnaryOperation)
        ):
            code = code if node.lpar else f"({code})"
        by = {"ms": " / 1000", "us": " / 1_000_000", "min": " * 60"}
        return f"{code}{by[unit]}" if unit in by else self._source.code(node)


def _readings(parts: Sequence[str | MessageValue]) -> Iterator[_NumberInText]:
    merged: list[str | MessageValue] = [""]
    for part in parts:
        if isinstance(part, MessageValue):
            merged += [part, ""]
        else:
            merged[-1] = str(merged[-1]) + part
    for number in range(1, len(merged), 2):
        value = merged[number]
        if isinstance(value, MessageValue) and value.node is not None:
            before, after = str(merged[number - 1]), str(merged[number + 1])
            if number > 1:
                before = _without_unit(before)
            yield _NumberInText(value, value.node, before, after)


def _without_unit(text: str) -> str:
    """
    *text* without the unit of the value before it.
    """
    found = _UNIT.match(text)
    if found and (found[1] in UNITS or found[1] in ("%", "x", "MB", "GB")):
        return text[found.end() :]
    return text


def _label(text: str) -> str:
    """
    The name in the words before a value; empty if they are a sentence.
    """
    text = text.rstrip(" \t:=~#@([<'\"").replace("\n", ",")
    words = _APART.split(text)[-1].split()
    words = [each for each in words if _WORD.fullmatch(each.strip(":=."))]
    if not 1 <= len(words) <= 3 or words[-1].casefold() in _NO_NAMES:
        return ""
    kept = [each for each in words if each.casefold() not in _NO_NAMES]
    return _normal("_".join(kept))


def _is_measure(name: str) -> bool:
    """
    Whether *name* is one that metrics have.
    """
    return bool(set(re.split(r"[^a-z0-9]+|_", name)) & MEASURES)


def _normal(name: str) -> str:
    return re.sub(r"[^\w/]+", "_", name).strip("_/").lower()


def _is_counted(reading: _NumberInText) -> bool:
    """
    Whether a value is one of a count, as in ``3/10``; a step may be the first.
    """
    before, after = reading.before.strip(" []()"), reading.after.strip(" []()")
    if before in ("/", "of", "out of"):
        return True
    return after == "/" and not _step(_label(reading.before), "")


def _step(label: str, variable: str) -> str:
    name = label.rpartition("_")[2] if label else variable
    for each in (label, name, variable if not label else ""):
        if each in STEPS:
            return each
    return ""


def _latency(label: str, variable: str, after: str) -> tuple[str, str]:
    """
    The field for a latency, and the unit that the value has.
    """
    found = _UNIT.match(after)
    unit = UNITS.get(found[1], "") if found else ""
    field_name = ""
    for name in (variable, label):
        stem, _, suffix = name.rpartition("_")
        own = UNITS.get(suffix, "") if stem else ""
        field_name = LATENCIES.get(stem if own else name, field_name)
        unit = unit or own
    return field_name, unit or "s"


def _entries(found: _NamedNumbers) -> list[tuple[str, str]]:
    steps = sorted(found.steps.items(), key=lambda each: STEPS.index(each[0]))
    entries = [("step", code) for _, code in steps[:1]]
    entries += steps[1:]
    entries += found.latencies.items()
    if found.metrics:
        entries.append(("metrics", _dict(found.metrics.items())))
    return entries


def _dict(entries: object) -> str:
    items: list[tuple[str, str]] = list(entries)  # type: ignore[call-overload]
    inside = ", ".join(f"{quoted(name)}: {code}" for name, code in items)
    return f"{{{inside}}}"
