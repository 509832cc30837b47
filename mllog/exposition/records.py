"""
mllog's own accounting as metrics: what became of the records of each handler.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..accounting import DeliveryStats, Stats
from ..delivery.lifecycle import stats
from ..metrics.labels import label_text
from .names import SUFFIXES

__all__ = ["OWN_NAMES", "accounting"]

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


def accounting(client: Any) -> Iterator[Any]:
    """
    Families with the counts of ``mllog.stats()``, as prometheus_client has them.

    Args:
        client: The module ``prometheus_client.core``.
    """
    kind = client.Metric
    found = {label_text(name): each for name, each in stats().items()}
    shipping = {
        name: each
        for name, each in found.items()
        if isinstance(each, DeliveryStats)
    }
    ends = kind(_RECORDS, _HELP[_RECORDS], "counter")
    events = kind(_EVENTS, _HELP[_EVENTS], "counter")
    for handler, each in found.items():
        for outcome, reason, number in _ends(each):
            labels = {"handler": handler, "outcome": outcome}
            labels |= {"reason": reason} if reason else {}
            ends.add_sample(f"{_RECORDS}_total", labels, number)
        for event, number in _events(each).items():
            labels = {"handler": handler, "event": event}
            events.add_sample(f"{_EVENTS}_total", labels, number)
    yield from (each for each in (ends, events) if each.samples)
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
    found = {"fragments": each.fragments, "failures": each.failures}
    return {name: number for name, number in found.items() if number}


def _of_shippers(
    shipping: Mapping[str, DeliveryStats], kind: Any
) -> Iterator[Any]:
    accepted = kind(_ACCEPTED, _HELP[_ACCEPTED], "counter")
    sending = kind(_SENDING, _HELP[_SENDING], "summary", "seconds")
    for handler, each in shipping.items():
        labels = {"handler": handler}
        accepted.add_sample(f"{_ACCEPTED}_total", labels, each.accepted)
        sending.add_sample(f"{_SENDING}_count", labels, each.batches)
        sending.add_sample(f"{_SENDING}_sum", labels, each.send_seconds)
    yield accepted
    yield sending
    for attribute, (name, said) in _GAUGES.items():
        gauge = kind(name, said, "gauge")
        for handler, each in shipping.items():
            value = getattr(each, attribute)
            gauge.add_sample(name, {"handler": handler}, value)
        yield gauge
