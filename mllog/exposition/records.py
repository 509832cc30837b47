"""
mllog's own accounting as metrics: what became of the records of each handler.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from ..accounting import DeliveryStats, Stats
from ..delivery.lifecycle import stats
from ..metrics.labels import label_text
from .names import SUFFIXES

__all__ = ["COUNTERS", "OWN_NAMES", "Count", "accounting", "counts_of"]

_RECORDS = "mllog_records"
_ACCEPTED = "mllog_records_accepted"
_EVENTS = "mllog_events"
_SENDING = "mllog_send_seconds"
_HELP: Final = {
    _RECORDS: "Records by what became of them in the end",
    _ACCEPTED: "Records that reached a handler that sends",
    _EVENTS: "What happened on the way, by handler",
    _SENDING: "Time to send a batch",
}
_GAUGES: Final = {
    "queued": ("mllog_queue_records", "Records in memory"),
    "queued_bytes": ("mllog_queue_bytes", "Bytes in memory"),
    "in_flight": ("mllog_in_flight_records", "Records being sent"),
    "spooled": ("mllog_spool_records", "Records on disk"),
    "spooled_bytes": ("mllog_spool_bytes", "Bytes on disk"),
    "oldest_seconds": (
        "mllog_oldest_record_age_seconds",
        "Age of the oldest record in memory",
    ),
    "last_success": (
        "mllog_last_success_timestamp_seconds",
        "When a sink last acknowledged",
    ),
}
_OCCURRENCES: Final = (
    "retried",
    "truncated",
    "resent",
    "reconnects",
    "suppressed",
    "unspooled",
    "torn",
    "adopted",
    "relabelled",
)

#: Names that no field can have.
OWN_NAMES: Final = frozenset(
    f"{name}{suffix}"
    for names, kind in (
        ((_RECORDS, _ACCEPTED, _EVENTS), "counter"),
        ((_SENDING,), "summary"),
        ([name for name, _ in _GAUGES.values()], "gauge"),
    )
    for name in names
    for suffix in SUFFIXES[kind]  # type: ignore[index]
)


#: Names of counters, without ``_total``, what they say, and their labels.
COUNTERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    _RECORDS: (_HELP[_RECORDS], ("handler", "outcome", "reason")),
    _EVENTS: (_HELP[_EVENTS], ("handler", "event")),
    _ACCEPTED: (_HELP[_ACCEPTED], ("handler",)),
}


class Count(NamedTuple):
    """
    One count of a handler.

    Args:
        name: One of :data:`COUNTERS`.

        labels: Values of its labels; ``""`` is none.

        number: How many so far.
    """

    name: str
    labels: tuple[str, ...]
    number: int


def counts_of(handler: str, each: Stats | DeliveryStats) -> Iterator[Count]:
    """
    What only grows, of all that a *handler* has counted.
    """
    for outcome, reason, number in _ends(each):
        yield Count(_RECORDS, (handler, outcome, reason), number)
    for event, number in _events(each).items():
        yield Count(_EVENTS, (handler, event), number)
    if isinstance(each, DeliveryStats):
        yield Count(_ACCEPTED, (handler,), each.accepted)


def accounting(client: Any) -> Iterator[Any]:
    """
    Families with the counts of ``mllog.stats()``, as prometheus_client has them.

    Args:
        client: The module ``prometheus_client.core``.
    """
    kind = client.Metric
    found = {label_text(name): each for name, each in stats().items()}
    families = {
        name: kind(name, said, "counter")
        for name, (said, _) in COUNTERS.items()
    }
    for handler, each in found.items():
        for name, values, number in counts_of(handler, each):
            named = zip(COUNTERS[name][1], values, strict=True)
            labels = {label: value for label, value in named if value}
            families[name].add_sample(f"{name}_total", labels, number)
    yield from (each for each in families.values() if each.samples)
    shipping = {
        name: each
        for name, each in found.items()
        if isinstance(each, DeliveryStats)
    }
    if shipping:
        yield from _of_shippers(shipping, kind)


def _ends(each: Stats | DeliveryStats) -> Iterator[tuple[str, str, int]]:
    """
    Outcome, reason and number; each record is in one of them.
    """
    if isinstance(each, DeliveryStats):
        yield "sent", "", each.sent
        yield "skipped", "", each.skipped
        yield "dead_lettered", "", each.dead_lettered
    else:
        yield "written", "", each.written
        for reason, number in each.refused.items():
            yield "refused", label_text(reason), number
    for reason, number in each.dropped.items():
        yield "dropped", label_text(reason), number


def _events(each: Stats | DeliveryStats) -> Mapping[str, int]:
    if isinstance(each, DeliveryStats):
        return {name: getattr(each, name) for name in _OCCURRENCES}
    names = ("fragments", "failures", "relabelled")
    found = {name: getattr(each, name) for name in names}
    return {name: number for name, number in found.items() if number}


def _of_shippers(
    shipping: Mapping[str, DeliveryStats], kind: Any
) -> Iterator[Any]:
    sending = kind(_SENDING, _HELP[_SENDING], "summary", "seconds")
    for handler, each in shipping.items():
        labels = {"handler": handler}
        sending.add_sample(f"{_SENDING}_count", labels, each.batches)
        sending.add_sample(f"{_SENDING}_sum", labels, each.send_seconds)
    yield sending
    for attribute, (name, said) in _GAUGES.items():
        gauge = kind(name, said, "gauge")
        for handler, each in shipping.items():
            value = getattr(each, attribute)
            gauge.add_sample(name, {"handler": handler}, value)
        yield gauge
