"""
A metric: which field is measured, as what kind, and told apart by what.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, get_args

from .. import options
from ..errors import ConfigError, nearest, shown
from ..fields import RECORD_ATTRIBUTES, VOCABULARY, Kind
from .groups import GROUPS
from .reductions import Reduction, reduction_of
from .units import Unit, unit_of

__all__ = [
    "KINDS",
    "MESSAGE",
    "PATTERN",
    "RECORD_LABELS",
    "Metric",
    "metrics_from",
]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

#: The one field that each record has: its message.
MESSAGE: Final = "message"

#: Labels that are no fields: what logging itself knows of a record.
RECORD_LABELS: Final = {"level": "levelname", "logger": "name"}

#: What a regular expression for fields begins with.
PATTERN: Final = "re:"


@dataclass(frozen=True)
class Metric:
    r"""
    What is measured of a field, in Python or as plain data in a preset.

    ::

        {"field": "queue_ms", "kind": "histogram", "unit": "ms"}

    is the histogram ``queue_seconds``.  A metric is exported under its name,
    its reduction, its base unit, and ``_total`` if it is a counter.

    Args:
        field: The field, on the record or in its ``metrics``; or a regular
            expression for whole names, ``"re:.*_latency"``; or ``message``,
            which each record has.

        kind: ``counter``, ``gauge``, ``histogram`` or ``summary``; None is
            that of the field in :data:`mllog.fields.VOCABULARY`.

        name: What it is called; None is the field's name.  With a regular
            expression it may have ``\1``.

        unit: The unit that is logged: ``ms``, ``MiB``, ``percent``.  Numbers
            are converted to the base unit, *buckets* are in it already.

        labels: Fields that tell series apart, beside those of the handler;
            ``level`` and ``logger`` are the record's.

        buckets: Upper bounds of a histogram, ascending, without +Inf; None
            is by the unit.

        logger: A regular expression for the logger's name: it or a parent of
            it has to match.

        message: A regular expression to be found in the message.

        reduce: What is made of the value: a name of
            :data:`mllog.metrics.reductions.REDUCTIONS`, or the dotted name of
            your own function.

        every: Measure the 1st value, and then each so many.

        help: What it is, in a line.

    Raises:
        ConfigError: An option has a value that cannot work.
    """

    field: str
    kind: Any = None
    name: str | None = None
    unit: str | None = None
    labels: Any = ()
    buckets: Any = None
    logger: str | None = None
    message: str | None = None
    reduce: Any = "identity"
    every: Any = 1
    help: str = ""

    def __post_init__(self) -> None:
        known = VOCABULARY.get(options.text("field", self.field))
        kind = self.kind or (known.kind if known else None)
        unit = self.unit
        if unit is None:
            same = known is not None and self.reduction.name == "identity"
            unit = known.unit if known and same else ""
        given = {
            "kind": options.choice("kind", kind, KINDS),
            "name": options.optional(options.text, "name", self.name),
            "unit": unit,
            "labels": _labels("labels", self.labels),
            "buckets": options.optional(_buckets, "buckets", self.buckets),
            "logger": options.optional(_pattern, "logger", self.logger),
            "message": options.optional(_pattern, "message", self.message),
            "every": options.integer("every", self.every, minimum=1),
            "help": self.help or (known.meaning if known else ""),
        }
        for option, value in given.items():
            object.__setattr__(self, option, value)
        self.in_unit, self.reduction  # noqa: B018 - are they some?
        if self.buckets is not None and self.kind != "histogram":
            raise ConfigError(
                f"{shown('buckets', self.buckets)} of a {self.kind}",
                expected='buckets only with kind="histogram"',
            )
        if self.is_pattern:
            _pattern("field", self.field[len(PATTERN) :])

    @property
    def reduction(self) -> Reduction:
        """
        The function behind *reduce*.
        """
        return reduction_of("reduce", self.reduce)

    @property
    def in_unit(self) -> Unit:
        """
        The unit that is logged, and its base.
        """
        return unit_of("unit", self.unit or "")

    @property
    def is_pattern(self) -> bool:
        """
        Whether *field* is a regular expression.
        """
        return self.field.startswith(PATTERN)

    def of_field(self, field: str) -> Metric | None:
        """
        What is measured of *field*; None if it is not one that is meant.
        """
        if not self.is_pattern:
            return self if self.field == field else None
        match = re.fullmatch(self.field[len(PATTERN) :], field)
        if match is None or field.startswith(PATTERN):
            return None
        name = match.expand(self.name) if self.name else None
        return replace(self, field=field, name=name)

    def takes_logger(self, name: str) -> bool:
        """
        Whether records of the logger *name* are measured.
        """
        if self.logger is None:
            return True
        pattern = rf"(?:{self.logger})(?:\..*)?"
        return re.fullmatch(pattern, name, re.DOTALL) is not None


_OPTIONS: Final = tuple(each.name for each in fields(Metric))


def metrics_from(option: str, specs: Any) -> tuple[Metric, ...]:
    """
    Metrics from plain data.

    Args:
        option: Name of the option, for the error.

        specs: Metrics, or mappings with their options; a mapping with
            ``group`` is several at once: ``{"group": "image_classification",
            "fields": {"images": "pixels"}}``.

    Raises:
        ConfigError: One of them cannot be a metric.
    """
    if specs is None:
        return ()
    if isinstance(specs, (Mapping, Metric)):
        specs = [specs]
    if isinstance(specs, str) or not isinstance(specs, Sequence):
        raise ConfigError(
            shown(option, specs), expected='[{"field": …, "kind": …}]'
        )
    found: list[Metric] = []
    for index in range(len(specs)):  # dictConfig's lists resolve only by []
        found += _at(f"{option}[{index}]", specs[index])
    return tuple(found)


def _at(place: str, spec: Any) -> list[Metric]:
    try:
        return list(_made(place, spec))
    except ConfigError as exc:
        raise ConfigError(
            f"{place}: {exc.problem}",
            expected=exc.expected,
            fix=exc.fix,
            owner=exc.owner,
        ) from None


def _made(option: str, spec: Any) -> Iterator[Metric]:
    if isinstance(spec, Mapping):
        given = options.mapping(option, spec)
        if "group" in given:
            yield from _of_group(given)
            return
        if not {"class", "()"} & given.keys():
            yield _metric(given)
            return
    made = options.made(option, spec)
    if not isinstance(made, Metric):
        raise ConfigError(
            shown(option, spec), expected='{"field": …, "kind": …}'
        )
    yield made


def _metric(given: Mapping[str, Any]) -> Metric:
    options.refuse_unknown(given, _OPTIONS)
    if "field" not in given:
        near = nearest("field", given)
        raise ConfigError(
            "a metric without field",
            expected='{"field": "inference_latency", "kind": "histogram"}',
            fix=f"write field for {near}" if near else "",
        )
    if given["field"] in RECORD_ATTRIBUTES and given["field"] != MESSAGE:
        raise ConfigError(
            shown("field", given["field"]),
            expected="a field of extra=, or message",
            fix='count records by {"field": "message", "reduce": "count",'
            ' "kind": "counter", "labels": ["level"]}',
        )
    return Metric(**given)


def _of_group(given: dict[str, Any]) -> Iterator[Metric]:
    """
    The metrics of a group, with the application's own names of fields.
    """
    group = GROUPS[options.choice("group", given.pop("group"), tuple(GROUPS))]
    names = options.mapping("fields", given.pop("fields", None))
    options.refuse_unknown(names, sorted({each["field"] for each in group}))
    for each in group:
        field = names.get(each["field"], each["field"])
        yield _metric({**each, **given, "field": field})


def _pattern(option: str, value: Any) -> str:
    try:
        re.compile(options.text(option, value))
    except re.error as exc:
        raise ConfigError(
            f"{shown(option, value)}: {exc}", expected="a regular expression"
        ) from None
    return str(value)


def _labels(option: str, value: Any) -> tuple[str, ...]:
    found = options.names(option, value)
    for name in found:
        if name in RECORD_ATTRIBUTES:
            raise ConfigError(
                shown(option, value),
                expected="fields of extra=, level or logger",
            )
    return tuple(dict.fromkeys(found))


def _buckets(option: str, value: Any) -> tuple[float, ...]:
    if isinstance(value, str):
        value = options.names(option, value)
    parse: Callable[[Any], float] = float
    try:
        bounds = tuple(parse(value[index]) for index in range(len(value)))
    except (TypeError, ValueError):
        bounds = ()
    bounds = bounds[:-1] if bounds[-1:] == (math.inf,) else bounds
    is_rising = all(map(float.__lt__, bounds, bounds[1:]))
    if not bounds or not is_rising or not all(map(math.isfinite, bounds)):
        raise ConfigError(
            shown(option, value), expected="numbers that ascend: 0.1, 0.5, 1"
        )
    return bounds
