"""
Fields that are more than a number: arrays, images, texts, hyperparameters.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

from ..encoding import encode
from ..errors import require
from ..fields import layout_of, message_of
from ..metrics.labels import label_text
from ..metrics.metric import MESSAGE, Metric
from ..metrics.plans import METRICS, items_of
from ..payloads import Payload
from ..payloads.arrays import array_of
from ..values import convert
from .curves import tag_of
from .events import Encoder
from .pictures import pictures_of

__all__ = ["Fields", "Source", "UnfitError", "is_distribution"]

_MOST_NAMES: Final = 1000

Values = Callable[[Any, float], Iterator[tuple[str, Any]]]


class UnfitError(Exception):
    """
    A value that is not what its field should have.

    Args:
        reason: What it is counted under.

        error: What was wrong with it.
    """

    def __init__(self, reason: str, error: Exception | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


def is_distribution(metric: Metric) -> bool:
    """
    Whether a metric is how the numbers of an array are spread.
    """
    return metric.kind == "histogram" and metric.reduction.name == "each"


class Source:
    """
    What is made of one field.

    Args:
        values: From a value and its time to tags and what stands there.

        every: Take the 1st value, and then each so many.

        metric: Which records are meant; None is all that have the field.
    """

    def __init__(
        self, values: Values, every: int, metric: Metric | None = None
    ) -> None:
        self.values = values
        self._every = every
        self._metric = metric
        self._turns = count()
        message = metric.message if metric else None
        self._pattern = re.compile(message, re.DOTALL) if message else None

    def wants(self, record: logging.LogRecord) -> bool:
        """
        Whether logger, message and turn are those that are meant.
        """
        metric = self._metric
        if metric is not None and not metric.takes_logger(record.name):
            return False
        if self._pattern and not self._pattern.search(message_of(record)):
            return False
        return next(self._turns) % self._every == 0


class Fields:
    """
    Finds in records the fields that are more than a number.

    Args:
        encoder: Makes what stands in an event.

        metrics: Those of :func:`is_distribution`.

        histograms: Fields whose arrays are written as histograms.

        images: Fields that are written as images.

        texts: Fields that are written as text; ``message`` is the record's.

        hparams: The field with hyperparameters, or ``""``.

        every: Take the 1st value of a field, and then each so many.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        metrics: Sequence[Metric] = (),
        histograms: Sequence[str] = (),
        images: Sequence[str] = (),
        texts: Sequence[str] = (),
        hparams: str = "",
        every: int = 1,
    ) -> None:
        self._encoder = encoder
        self._metrics = tuple(metrics)
        self._every = every
        self._makers: dict[str, Callable[[str], Values]] = {
            **dict.fromkeys(texts, self._texts),
            **dict.fromkeys(histograms, self._histograms),
            **dict.fromkeys(images, self._images),
        }
        self._hparams = hparams
        self._known: dict[str, tuple[Source, ...]] = {}
        self._plans: dict[tuple[Any, ...], Sequence[str]] = {}
        if histograms or images or metrics:
            require("numpy", "tensorboard")

    def plan_of(self, own: Mapping[str, Any]) -> Sequence[str]:
        """
        Which attributes *own* of a record have to be looked at.
        """
        names = layout_of(own).names
        plan = self._plans.get(names)
        if plan is None:
            plan = self._plan(names)
            if len(self._plans) < _MOST_NAMES:
                self._plans[names] = plan
        return plan

    def _plan(self, names: Sequence[Any]) -> Sequence[str]:
        found = [
            name
            for name in names
            if isinstance(name, str) and self._sources(name)
        ]
        if METRICS in names and (self._makers or self._metrics):
            found.append(METRICS)
        if MESSAGE in self._makers:
            found.append(MESSAGE)
        return tuple(dict.fromkeys(found))

    def found_in(
        self, record: logging.LogRecord, plan: Sequence[str]
    ) -> Iterator[tuple[Source, Any]]:
        """
        What *record* has of them: on it, or in its ``metrics``.
        """
        own = record.__dict__
        for name in plan:
            if name == MESSAGE:
                yield from self._wanted(name, message_of(record), record)
                continue
            value = own[name]
            yield from self._wanted(name, value, record)
            if name == METRICS:
                # what cannot be read is counted by who looks for numbers
                for inner, each in items_of(value, _pass_over):
                    if type(inner) is str and inner not in own:
                        yield from self._wanted(inner, each, record)

    def _wanted(
        self, name: Any, value: Any, record: logging.LogRecord
    ) -> Iterator[tuple[Source, Any]]:
        if not isinstance(name, str) or value is None:
            return
        for source in self._sources(name):
            if source.wants(record):
                yield source, value

    def _sources(self, name: str) -> tuple[Source, ...]:
        known = self._known.get(name)
        if known is not None:
            return known
        found = []
        if name in self._makers:
            tag = label_text(name) or "_"
            found.append(Source(self._makers[name](tag), self._every))
        elif name == self._hparams:
            found.append(Source(self._session, 1))
        for each in self._metrics:
            metric = each.of_field(name)
            if metric is not None:
                made = self._histograms(tag_of(metric), metric)
                found.append(Source(made, int(metric.every), metric))
        if found or len(self._known) < _MOST_NAMES:
            return self._known.setdefault(name, tuple(found))
        return ()

    # --- what is made of them ---

    def _histograms(self, tag: str, metric: Metric | None = None) -> Values:
        def values(value: Any, _created: float) -> Iterator[tuple[str, Any]]:
            array = _numbers(value)
            edges = None
            if metric is not None:
                unit = metric.in_unit
                array = array if unit.is_base else unit.base(array)
                edges = metric.buckets
            yield tag, self._encoder.histogram(tag, array, edges)

        return values

    def _images(self, tag: str) -> Values:
        def values(value: Any, _created: float) -> Iterator[tuple[str, Any]]:
            try:
                found = list(pictures_of(value))
            except Exception as exc:
                raise UnfitError("not_an_image", exc) from exc
            for index, each in enumerate(found):
                at = tag if len(found) == 1 else f"{tag}/{index}"
                yield at, self._encoder.image(at, *each)

        return values

    def _texts(self, tag: str) -> Values:
        def values(value: Any, _created: float) -> Iterator[tuple[str, Any]]:
            yield tag, self._encoder.text(tag, _text(value))

        return values

    def _session(
        self, value: Any, created: float
    ) -> Iterator[tuple[str, Any]]:
        if not isinstance(value, Mapping):
            raise UnfitError("not_a_mapping")
        made = self._encoder.hparams(value, created)
        yield made.tag, made


def _pass_over(_error: Exception) -> None:
    pass


def _text(value: Any) -> str:
    """
    Text as it is, a mapping as JSON, and of all else what a line says of it.
    """
    if isinstance(value, Payload):
        value = value.value
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return encode(dict(value)).decode()
    return str(convert(value))


def _numbers(value: Any) -> Any:
    """
    The finite numbers of an array, tensor or list, as floats.
    """
    import numpy as np

    if isinstance(value, Payload):
        value = value.value
    try:
        is_list = isinstance(value, (list, tuple))
        array = np.asarray(value) if is_list else array_of(value)
        if array.dtype.kind not in "iuf":
            raise TypeError(f"an array of {array.dtype} has no histogram")
    except Exception as exc:
        raise UnfitError("not_an_array", exc) from exc
    if isinstance(array, np.ma.MaskedArray):
        array = array.compressed()
    array = array.astype(float).ravel()
    array = array[np.isfinite(array)]
    if not array.size:
        raise UnfitError("not_finite")
    return array
