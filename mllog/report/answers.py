"""
The answers of a report, as frozen values: times in seconds since 1970, UTC.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "Bar",
    "Comparison",
    "Count",
    "Curve",
    "Difference",
    "Distribution",
    "Drift",
    "Latency",
    "LatencyPoint",
    "Losses",
    "Reading",
    "Report",
    "Segment",
    "Segments",
    "Skipped",
    "SlowRequest",
    "Spooled",
    "Step",
    "Summary",
    "Volume",
    "VolumePoint",
]

Group = tuple[str | None, ...]
Verdict = Literal["different", "alike", "not enough data"]


@dataclass(frozen=True)
class Skipped:
    """
    What could not be read of one file.

    Args:
        file: Its path or key.

        reason: As in :class:`mllog.reading.Records`: ``torn``, ``not_json``,
            ``not_object``, ``too_long``, ``bad_csv``, ``bad_compression``,
            ``unreadable``, …

        count: How often.
    """

    file: str
    reason: str
    count: int


@dataclass(frozen=True)
class Reading:
    """
    What was read.

    Args:
        files: Files and objects.

        bytes: Their size, as they are stored.

        records: Records in them, before *since*, *until* and *where*.

        chosen: Records that the report is about.

        untimed: Of the chosen, those whose time cannot be read; they are
            in everything but what goes over time.

        since: The first time of the chosen; None without one.

        until: The last time.

        seconds: How long reading took.

        skipped: What was skipped, by file and reason.

        fields: The fields that can be queried: those of sampled records,
            and those that were named.
    """

    files: int
    bytes: int
    records: int
    chosen: int
    untimed: int
    since: float | None
    until: float | None
    seconds: float
    skipped: tuple[Skipped, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True)
class VolumePoint:
    """
    The records of one interval.

    Args:
        start: When it begins.

        group: The values of the fields that records are grouped by.

        records: All of them.

        warnings: Those of level WARNING.

        errors: Those of level ERROR and above.
    """

    start: float
    group: Group
    records: int
    warnings: int
    errors: int


@dataclass(frozen=True)
class Volume:
    """
    Records over time; intervals without any are left out.
    """

    bucket_seconds: float
    points: tuple[VolumePoint, ...]


@dataclass(frozen=True)
class Count:
    """
    How often a field has a value; None is no value.
    """

    value: str | None
    records: int


@dataclass(frozen=True)
class Latency:
    """
    The latencies of a group, in seconds.

    Args:
        field: The field that they are of.

        group: The values of the fields that records are grouped by.

        count: Finite values of 0 and more.

        refused: Values that are none: text, NaN, below 0.

        relative_error: 0 where the percentiles are exact; else they are
            within so much of themselves.
    """

    field: str
    group: Group
    count: int
    refused: int
    mean_seconds: float
    min_seconds: float
    p50_seconds: float
    p90_seconds: float
    p95_seconds: float
    p99_seconds: float
    max_seconds: float
    relative_error: float = 0.0


@dataclass(frozen=True)
class LatencyPoint:
    """
    The latencies of a group in one interval, in seconds.
    """

    start: float
    group: Group
    count: int
    p50_seconds: float
    p95_seconds: float
    p99_seconds: float
    relative_error: float = 0.0


@dataclass(frozen=True)
class Bar:
    """
    How many values lie from *low* on and below *high*, in seconds.
    """

    low_seconds: float
    high_seconds: float
    count: int


@dataclass(frozen=True)
class Distribution:
    """
    The latencies of a group in bars that are equally wide on a log scale.

    Args:
        zeros: Values of exactly 0, which are in no bar.
    """

    field: str
    group: Group
    zeros: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class SlowRequest:
    """
    A slow request with its context.

    Args:
        time: When it was logged; None where that cannot be read.

        seconds: Its latency.

        fields: Its other fields that are known, as text.
    """

    time: float | None
    seconds: float
    level: str | None
    logger: str | None
    message: str | None
    fields: dict[str, str]


@dataclass(frozen=True)
class Step:
    """
    What a metric was at a step: of several values the mean, least and most.
    """

    step: float
    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Curve:
    """
    A metric by step.

    Args:
        metric: Its name, ``train/loss``.

        run: The run that it is of; None where records name none.

        steps: Ascending; above the requested number neighbours are merged.

        last: The value of the last step.
    """

    metric: str
    run: str | None
    steps: tuple[Step, ...]
    last: float


@dataclass(frozen=True)
class Drift:
    """
    How far a field is from its reference, as :class:`mllog.DriftHandler` measures.

    Args:
        field: The field.

        severity: ``none``, ``moderate`` or ``major``.

        statistic: The distance that is most beyond its thresholds.

        value: How large it is.

        threshold: What it is beyond, or the lower one.

        p_value: How likely so much is by chance.

        distances: All distances, by statistic.

        count: Values of the window.

        reference_count: Values of the reference.

        mean: Mean of the window; None where they are no numbers.

        reference_mean: Mean of the reference.

        sampled: Whether not all values were compared, because of their number.
    """

    field: str
    severity: str
    statistic: str
    value: float
    threshold: float
    p_value: float
    distances: dict[str, float]
    count: int
    reference_count: int
    mean: float | None
    reference_mean: float | None
    sampled: bool


@dataclass(frozen=True)
class Segment:
    """
    What bad requests have in common: one value of a field.

    Args:
        field: The field, or several with `` & `` between them.

        value: Its value; a range of numbers is ``0.5 … 2``.

        records: Records with it.

        bad: Those that are slow or failed.

        share_of_bad: The part of all bad records that have it.

        share_of_all: The part of all records that have it.

        lift: How many times as often records with it are bad as others.

        lift_low: Lower end of the 95 % confidence interval of *lift*.

        lift_high: Its upper end.

        excess: How many fewer would be bad, were they as good as others.

        p_value: Of the test that *lift* is 1.

        p_adjusted: The same after Holm's correction for all values tested.

        is_bad: Whether *p_adjusted* is below 0.05 and *lift* above 1.
    """

    field: str
    value: str
    records: int
    bad: int
    share_of_bad: float
    share_of_all: float
    lift: float
    lift_low: float
    lift_high: float
    excess: float
    p_value: float
    p_adjusted: float
    is_bad: bool


@dataclass(frozen=True)
class Segments:
    """
    What bad requests have in common.

    Args:
        outcome: What counts as bad: ``inference_latency ≥ 0.2 s``.

        records: Records examined.

        bad: Those that are bad.

        tested: How many values were tested.

        test: The name of the test and of the correction.

        found: The worst first, by *excess*: those that are bad, then some
            that are not.
    """

    outcome: str
    records: int
    bad: int
    tested: int
    test: str
    found: tuple[Segment, ...]


@dataclass(frozen=True)
class Summary:
    """
    The newest summary of a metric that SummaryHandler logged.

    Args:
        field: What was measured.

        group: The labels, as ``name=value``.

        intervals: How many summaries there are of it.

        count: Values in all of them.

        last_time: When the newest was logged.

        last: Its numbers: ``count``, ``mean``, ``p95``, …
    """

    field: str
    group: Group
    intervals: int
    count: int
    last_time: float | None
    last: dict[str, float]


@dataclass(frozen=True)
class Spooled:
    """
    A spool found beside the logs: records that wait to be sent.
    """

    folder: str
    records: int
    bytes: int


@dataclass(frozen=True)
class Losses:
    """
    What is not, or not wholly, in the logs.

    Args:
        skipped: What could not be read, by reason.

        truncated: Records cut to the longest line (``mllog_truncated``).

        nonfinite: Records with NaN or infinities, which became null.

        reports: Lines that handlers wrote to standard error and that were
            found among the logs (``mllog: KafkaHandler …``), newest last.

        spooled: Spools below the given folders.

        counted: Fields of records that count losses, such as ``dropped`` and
            ``sampled_out``, added up.
    """

    skipped: dict[str, int]
    truncated: int
    nonfinite: int
    reports: tuple[str, ...]
    spooled: tuple[Spooled, ...]
    counted: dict[str, float]


@dataclass(frozen=True)
class Difference:
    """
    One quantity of B against A.

    Args:
        quantity: ``p50``, ``p95``, ``p99``, ``mean``, ``location`` or
            ``error rate``.

        field: The field that it is of; ``level`` for the error rate.

        unit: ``seconds``, ``ratio``, or ``""``.

        a: Its value for A; None without enough data.

        b: Its value for B.

        effect: ``b / a`` for latencies; ``b - a`` for the error rate; for the
            location how likely a request of B is slower than one of A, where
            0.5 is alike.

        low: Lower end of the confidence interval of the effect.

        high: Its upper end.

        confidence: 0.95.

        test: The name of the test.

        p_value: How likely such an effect is, if nothing differs.

        p_adjusted: The same after the correction for all quantities.

        verdict: ``different``; ``alike`` where the whole interval is within
            the smallest effect of interest; else ``not enough data``.

        needed: Records of each side that would show the smallest effect of
            interest 4 times of 5; None where it is unknown.
    """

    quantity: str
    field: str
    unit: str
    a: float | None
    b: float | None
    effect: float | None
    low: float | None
    high: float | None
    confidence: float
    test: str
    p_value: float | None
    p_adjusted: float | None
    verdict: Verdict
    needed: int | None


@dataclass(frozen=True)
class Comparison:
    """
    B against A.

    Args:
        a: What A is, ``model_version=3``.

        b: What B is.

        records_a: Records of A.

        records_b: Records of B.

        differences: Each quantity.

        smallest_effect: The relative difference of latencies that is of
            interest, 0.05; of the error rate it is that difference itself,
            a tenth of it.

        correction: ``Holm``, over all *differences*.

        autocorrelation: Of the latencies of one request and the next, the
            larger of A's and B's; None where it is unknown.

        notes: Limits that hold for these data, each a sentence.
    """

    a: str
    b: str
    records_a: int
    records_b: int
    differences: tuple[Difference, ...]
    smallest_effect: float
    correction: str
    autocorrelation: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """
    All answers; where the logs have no data for one, it is empty or None.

    Args:
        title: What was read.

        by: The fields that groups are by.

        field: The latency that it is about; None without any.
    """

    title: str
    by: tuple[str, ...]
    field: str | None
    reading: Reading
    volume: Volume
    levels: tuple[Count, ...]
    loggers: tuple[Count, ...]
    latency: tuple[Latency, ...]
    latency_by: tuple[Latency, ...]
    latency_over_time: tuple[LatencyPoint, ...]
    distribution: tuple[Distribution, ...]
    slowest: tuple[SlowRequest, ...]
    curves: tuple[Curve, ...]
    drift: tuple[Drift, ...]
    drift_reference: str
    slow_segments: Segments | None
    error_segments: Segments | None
    summaries: tuple[Summary, ...]
    losses: Losses
    comparison: Comparison | None = None
    error_messages: tuple[Count, ...] = ()
    timings_seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """
        The same as plain data for JSON; infinities are None.
        """
        found: dict[str, Any] = _plain(self)
        return found


def _plain(value: Any) -> Any:
    """
    Dataclasses as dicts, tuples as lists, NaN and infinities as None.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
