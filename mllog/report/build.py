"""
A report: the answers to all questions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from ..errors import ConfigError
from ..timestamps import utc
from .answers import Comparison, Report
from .logs import Logs
from .questions.comparison import compare
from .questions.contents import (
    counts,
    curves,
    error_messages,
    losses,
    summaries,
    volume,
)
from .questions.field_drift import drift, drift_halves
from .questions.latency import (
    distribution,
    latency,
    latency_over_time,
    slowest,
)
from .questions.outlier_segments import error_segments, slow_segments

__all__ = ["report"]

T = TypeVar("T")

_FEWEST_FOR_DRIFT: Final = 200
_MOST_OVER_TIME: Final = 6


def report(
    logs: Logs,
    *,
    title: str = "",
    by: Sequence[str] = (),
    field: str | None = None,
    run: str | None = None,
    reference: Logs | None = None,
    reference_name: str = "",
    sides: tuple[Logs, Logs] | None = None,
    side_names: tuple[str, str] = ("A", "B"),
    spools: Iterable[Any] = (),
    most_slow: int = 10,
    progress: Callable[[str], object] | None = None,
) -> Report:
    """
    Ask *logs* every question.

    Args:
        logs: The logs.

        title: What they are.

        by: Fields to group latencies by; none is model_name, model_version
            and variant, as far as records have them.

        field: The latency; None is ``inference_latency``, or the first known
            one that records have.

        run: The field that identifies training runs.

        reference: What drift is measured against; None is the first half of
            the time.

        reference_name: What the reference is.

        sides: A and B of a comparison.

        side_names: Their names.

        spools: Folders that may have a spool.

        most_slow: How many slow requests.

        progress: Called with the name of each question.

    Raises:
        ConfigError: No record has a number in *field*.
    """
    timings: dict[str, float] = {}

    def asked(name: str, question: Callable[[], T]) -> T:
        if progress is not None:
            progress(name)
        begun = time.monotonic()
        found = question()
        timings[name] = time.monotonic() - begun
        return found

    reading = asked("reading", lambda: logs.reading)
    if field is not None:
        _require_latency(logs, field)
    field = field or asked("fields", lambda: logs.latency_field)
    by = tuple(by) or asked("labels", lambda: logs.labels)
    has = field is not None and reading.chosen > 0
    name = field or ""
    groups = (
        asked("groups", lambda: latency(logs, name, by)) if has and by else ()
    )
    # a chart of more than a few lines cannot be read
    is_few = len(by) == 1 and len(groups) <= _MOST_OVER_TIME
    over_time_by = by if is_few else ()
    found: dict[str, Any] = {
        "volume": asked("volume", lambda: volume(logs)),
        "levels": asked("levels", lambda: counts(logs, "level")),
        "loggers": asked("loggers", lambda: counts(logs, "logger")),
        "error_messages": asked("errors", lambda: error_messages(logs)),
        "curves": asked("curves", lambda: curves(logs, run)),
        "summaries": asked("summaries", lambda: summaries(logs)),
        "losses": asked("losses", lambda: losses(logs, spools)),
        "error_segments": asked("segments", lambda: error_segments(logs)),
        "slow_segments": None,
        **dict.fromkeys(
            ("latency", "latency_by", "latency_over_time", "distribution"), ()
        ),
        "slowest": (),
    }
    if has:
        found |= {
            "latency": asked("latency", lambda: latency(logs, name)),
            "latency_by": groups,
            "latency_over_time": asked(
                "latency over time",
                lambda: latency_over_time(logs, name, over_time_by),
            ),
            "distribution": asked(
                "distribution", lambda: distribution(logs, name, over_time_by)
            ),
            "slowest": asked(
                "slowest", lambda: slowest(logs, name, most_slow)
            ),
            "slow_segments": asked(
                "slow segments", lambda: slow_segments(logs, name)
            ),
        }
    drifts, against = asked(
        "drift", lambda: _default_drift(logs, reference, reference_name)
    )
    compared: Comparison | None = None
    if sides is not None:
        compared = asked(
            "comparison",
            lambda: compare(*sides, field, names=side_names),
        )
    return Report(
        title,
        tuple(by),
        field,
        reading,
        drift=drifts,
        drift_reference=against,
        comparison=compared,
        timings_seconds=timings,
        **found,
    )


def _require_latency(logs: Logs, field: str) -> None:
    if logs.reading.chosen and not latency(logs, field):
        raise ConfigError(
            f"no record that was chosen has a number in {field!r}",
            expected="a latency in seconds, such as"
            f" {logs.latency_field or 'inference_latency'}",
        )


def _default_drift(
    logs: Logs, reference: Logs | None, name: str
) -> tuple[tuple[Any, ...], str]:
    """
    The drift, and a description of its reference.
    """
    if reference is not None:
        return drift(logs, reference), name
    since, until = logs.reading.since, logs.reading.until
    timed = logs.reading.chosen - logs.reading.untimed
    if since is None or until is None or since == until:
        return (), ""
    if timed < _FEWEST_FOR_DRIFT:
        return (), ""
    window, before = drift_halves(logs)
    middle = utc((since + until) / 2)
    return drift(window, before), f"the first half, before {middle}"
