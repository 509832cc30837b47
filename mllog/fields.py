"""
The fields of a record: what ``extra=`` put there, and what the names mean.

:data:`VOCABULARY` names the fields that meters understand without being
configured.  Names and units follow Prometheus, OpenTelemetry's semantic
conventions for generative AI and vLLM: latencies in seconds, sizes in bytes,
ratios from 0 to 1.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from .recursion import DEEPEST, local
from .values import name_of

__all__ = [
    "FIELD_LABELS",
    "OUR_KEYS",
    "RECORD_ATTRIBUTES",
    "VOCABULARY",
    "Field",
    "Kind",
    "Layout",
    "causes_of",
    "count_beyond",
    "distinct",
    "error_of",
    "extra",
    "fields_of",
    "layout_of",
    "message_of",
]

Kind = Literal["counter", "gauge", "histogram", "summary"]

_OWN = tuple(logging.LogRecord("", 0, "", 0, "", (), None).__dict__)

#: How many attributes a new LogRecord has, and the last of them.
OWN_COUNT: Final = len(_OWN)
OWN_LAST: Final = _OWN[-1]
_BEHIND: Final = OWN_COUNT - 1

#: Every attribute that logging sets by itself, on any Python that mllog runs on.
RECORD_ATTRIBUTES: Final = frozenset(_OWN) | {"message", "asctime", "taskName"}

# What frameworks put on records: uvicorn the message with ANSI codes in it,
# Ray the time once more.
_NO_FIELDS: Final = RECORD_ATTRIBUTES | {"color_message", "_ray_timestamp_ns"}

#: The keys of our own JSON lines; a field of such a name gets an underscore.
OUR_KEYS: Final = frozenset(
    {
        "timestamp",
        "level",
        "logger",
        "message",
        "exception",
        "stack",
        "nonfinite",
        "mllog_truncated",
    }
)

_NOTHING: Final[Mapping[str, Any]] = {}
# Of which are counted what a line leaves out.
_MOST_EXCEPTIONS = 10_000

# Beyond it nothing more is remembered: names made from data would never end.
_MOST_LAYOUTS = 1000

#: Fields that tell series apart unless a handler is told otherwise.
FIELD_LABELS: Final = ("model_name", "model_version", "variant")


class Layout(NamedTuple):
    """
    Which attributes of a record are its fields.

    Args:
        names: The fields, in the order they were given.

        clashes: Whether one of them has the name of a key of ours.
    """

    names: tuple[Any, ...]
    clashes: bool


#: The layouts seen so far, by the attributes from LogRecord's last one on.
LAYOUTS: Final[dict[tuple[Any, ...], Layout]] = {}


def layout_of(own: Mapping[str, Any]) -> Layout:
    """
    Which of the attributes *own* of a record are its fields.

    ``LogRecord.__init__`` sets its own attributes first and in one order, so
    the fields are what follows the last of them.  An application logs few
    different sets of fields, so each is looked at once and remembered; a
    record that was built otherwise is searched by name.
    """
    attributes = tuple(own)[_BEHIND:]
    layout = LAYOUTS.get(attributes)
    if layout is None:
        is_usual = attributes[:1] == (OWN_LAST,)
        candidates = attributes if is_usual else own
        names = tuple(n for n in candidates if n not in _NO_FIELDS)
        layout = Layout(names, not OUR_KEYS.isdisjoint(names))
        if is_usual and len(LAYOUTS) < _MOST_LAYOUTS:
            LAYOUTS[attributes] = layout
    return layout


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """
    A new dict of what ``extra=`` put on *record*, in the order it was given.
    """
    own = record.__dict__
    layout = LAYOUTS.get(tuple(own)[_BEHIND:]) or layout_of(own)
    return {name: own[name] for name in layout.names}


def message_of(record: logging.LogRecord) -> str:
    """
    The record's message; where its ``%`` arguments do not fit, both as they are.

    A message that cannot be formatted is still worth reading:
    ``logger.info("%d rows", "many")`` gives ``'%d rows' % ('many',)``.
    """
    message = record.msg
    if type(message) is str and not record.args:
        return message
    thread = local.thread  # as recursion.bounded does
    texts = thread.texts
    if texts >= DEEPEST:
        return message if type(message) is str else name_of(message)
    thread.texts = texts + 1
    try:
        return record.getMessage()
    except Exception:
        if not record.args:
            return _repr(message)
        return f"{_repr(message)} % {_repr(record.args)}"
    finally:
        thread.texts = texts


def error_of(record: logging.LogRecord) -> BaseException | None:
    """
    The exception that *record* carries, whatever somebody put in its place.
    """
    found: Any = record.exc_info
    if isinstance(found, tuple) and len(found) == 3:
        found = found[1]
    return found if isinstance(found, BaseException) else None


def causes_of(error: BaseException) -> list[tuple[str, BaseException]]:
    """
    What is behind *error*: its ``cause``, or its ``context``, and ``exceptions``.
    """
    key, cause = "cause", error.__cause__
    if cause is None and not error.__suppress_context__:
        key, cause = "context", error.__context__
    found: list[tuple[str, Any]] = [(key, cause)]
    inner = getattr(error, "exceptions", None)
    if isinstance(inner, tuple):
        found += [("exceptions", each) for each in inner]
    return [each for each in found if isinstance(each[1], BaseException)]


def count_beyond(errors: list[BaseException], seen: set[int]) -> int:
    """
    How many exceptions *errors* are with what is behind them.

    Args:
        errors: What is left out.

        seen: By their ``id`` the exceptions that are not.
    """
    known = {id(each): each for each in errors if id(each) not in seen}
    left = list(known.values())
    while left and len(known) < _MOST_EXCEPTIONS:
        causes: list[tuple[str, BaseException]] = []
        with suppress(Exception):  # an exception whose attributes raise
            causes = causes_of(left.pop())
        for _, each in causes:
            if id(each) not in seen and id(each) not in known:
                known[id(each)] = each
                left.append(each)
    return len(known)


def distinct(
    ours: Mapping[str, Any],
    others: Iterable[tuple[str, Any]],
    last: Mapping[str, Any] = _NOTHING,
    reserved: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """
    One mapping of all, in this order, in which no value takes another's name.

    Args:
        ours: What keeps its names.

        others: Names and values; a name that is taken gets underscores.

        last: What keeps its names as well.

        reserved: Further names that are taken.
    """
    found = dict(ours)
    for name, value in others:
        while name in found or name in last or name in reserved:
            name = f"{name}_"
        found[name] = value
    found.update(last)
    return found


def _repr(value: Any) -> str:
    try:
        return str(repr(value))
    except Exception:
        return name_of(value)


def extra(**fields: Any) -> dict[str, Any]:
    """
    A dict for ``extra=`` that never makes logging raise KeyError.

    A name that LogRecord uses itself gets an underscore:
    ``logger.info("loaded", extra=mllog.extra(name="resnet50"))`` logs the
    field ``name_``.
    """
    return renamed(fields)


def renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """
    *fields* with an underscore behind each name that LogRecord uses itself.
    """
    if RECORD_ATTRIBUTES.isdisjoint(fields):
        return dict(fields)
    # name_ may be given beside name, and keeps its own
    free = {n: v for n, v in fields.items() if n not in RECORD_ATTRIBUTES}
    taken = {f"{n}_": v for n, v in fields.items() if n not in free}
    return distinct(free, taken.items())


@dataclass(frozen=True)
class Field:
    """
    What a well-known field measures.

    Args:
        name: The field as it stands in ``extra=``.

        kind: The Prometheus kind of metric it becomes.

        unit: Base unit (``seconds``, ``bytes``, ``ratio``), or ``""``.

        meaning: One line, used as the help text of metrics.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str


VOCABULARY: Final[Mapping[str, Field]] = {
    field.name: field
    for field in (
        # serving
        Field(
            "inference_latency",
            "histogram",
            "seconds",
            "Time of one inference",
        ),
        Field(
            "request_latency",
            "histogram",
            "seconds",
            "Time of a whole request",
        ),
        Field(
            "preprocess_latency",
            "histogram",
            "seconds",
            "Time before the model",
        ),
        Field(
            "postprocess_latency",
            "histogram",
            "seconds",
            "Time after the model",
        ),
        Field(
            "queue_latency",
            "histogram",
            "seconds",
            "Time waiting for the model",
        ),
        Field("load_latency", "histogram", "seconds", "Time to load a model"),
        Field("batch_size", "histogram", "", "Items in one batch"),
        Field(
            "confidence", "histogram", "ratio", "Score of the predicted class"
        ),
        Field(
            "first_byte_latency",
            "histogram",
            "seconds",
            "Time to the first byte of a response",
        ),
        Field(
            "connection_seconds",
            "histogram",
            "seconds",
            "Time that a websocket was open",
        ),
        Field("request_bytes", "histogram", "bytes", "Size of a request"),
        Field("response_bytes", "histogram", "bytes", "Size of a response"),
        Field("queue_size", "gauge", "", "Requests that wait"),
        Field("cache_usage", "gauge", "ratio", "Part of the cache in use"),
        # generative AI
        Field(
            "time_to_first_token",
            "histogram",
            "seconds",
            "Time to first token",
        ),
        Field(
            "time_per_output_token",
            "histogram",
            "seconds",
            "Time per token after",
        ),
        Field("input_tokens", "counter", "", "Tokens read"),
        Field("output_tokens", "counter", "", "Tokens written"),
        # training
        Field("loss", "gauge", "", "Loss"),
        Field("accuracy", "gauge", "ratio", "Accuracy"),
        Field("learning_rate", "gauge", "", "Learning rate"),
        Field("grad_norm", "gauge", "", "Norm of the gradient"),
        Field("epoch", "gauge", "", "Epoch"),
        Field(
            "step_latency", "histogram", "seconds", "Time of one training step"
        ),
        Field("examples", "counter", "", "Examples seen"),
        # machine
        Field("memory_bytes", "gauge", "bytes", "Memory in use"),
        Field(
            "gpu_memory_bytes", "gauge", "bytes", "Memory in use on the device"
        ),
        Field(
            "gpu_utilization", "gauge", "ratio", "Part of the device in use"
        ),
    )
}
