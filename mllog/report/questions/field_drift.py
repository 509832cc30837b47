"""
Drift of fields against a reference, by the measures of DriftHandler.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ...metrics.references import Gathered
from ...metrics.verdicts import Limits, limits_of
from ...metrics.windows import Comparison, Window
from ..answers import Drift
from ..load.schema import FieldColumn
from ..logs import Logs

__all__ = ["drift", "drift_halves"]

_MOST_VALUES: Final = 50_000
_MOST_CATEGORIES: Final = 100
_FEWEST: Final = 100
_SIGNIFICANCE: Final = 0.0001
_SEVERITIES: Final = ("none", "moderate", "major")
# Knuth's multiplier quantiles_by_group times that are close to each other
_SPREAD: Final = 2_654_435_761
_HASHES: Final = 1 << 20
_NOT_WATCHED: Final = frozenset(
    {"step", "global_step", "iteration", "epoch", "pid", "count", "id"}
)
_IDENTIFIERS: Final = ("_id", "_uuid", ".id")


def drift_halves(logs: Logs) -> tuple[Logs, Logs]:
    """
    The default window and reference: the second half of the time, and the first.
    """
    since, until = logs.reading.since, logs.reading.until
    middle = ((since or 0.0) + (until or 0.0)) / 2
    return logs.between(middle, None), logs.between(None, middle)


def drift(
    logs: Logs,
    reference: Logs,
    fields: Sequence[str] = (),
    *,
    significance: float = _SIGNIFICANCE,
) -> tuple[Drift, ...]:
    """
    Each field against its reference, the worst first.

    Args:
        logs: The window.

        reference: The reference.

        fields: Fields to compare; none is all that have a distribution:
            numbers, and text of few values.

        significance: How likely a false alarm may be, all fields together.

    Limit:
        Of more than 50 000 values of a window some are compared, chosen by
        their time.
    """
    chosen = _columns(logs, fields)
    windows = [_values(each, chosen) for each in (logs, reference)]
    judged = Limits(limits_of("thresholds", None), significance)
    if chosen:
        judged = judged._replace(significance=significance / len(chosen))
    found = []
    for column in chosen:
        (now, is_some), (before, was_some) = (
            (window[0].get(column.label, []), window[1]) for window in windows
        )
        compared = _compared(now, before)
        if compared is not None:
            each = _drift(column, compared, judged, is_some or was_some)
            found += [each] if each is not None else []
    found.sort(key=_badness, reverse=True)
    return tuple(found)


def _badness(found: Drift) -> tuple[int, float]:
    return (
        _SEVERITIES.index(found.severity),
        found.value / (found.threshold or 1.0),
    )


def _columns(logs: Logs, fields: Sequence[str]) -> list[FieldColumn]:
    if fields:
        named = (logs.schema.column(logs.path(name)) for name in fields)
        return [each for each in named if each is not None]
    columns = [
        each
        for each in logs.schema.columns
        if each.path[-1] not in _NOT_WATCHED
        and not each.path[-1].endswith(_IDENTIFIERS)
    ]
    return [
        each
        for each in columns
        if each.is_number or 1 < each.distinct <= _MOST_CATEGORIES
    ]


def _values(
    logs: Logs, columns: Sequence[FieldColumn]
) -> tuple[dict[str, list[Any]], bool]:
    """
    The values of each column, and whether they are not all.
    """
    table = logs.table
    # records of summaries and drift are no records of the application
    table = table.filter(~table.logger.fill_null("").startswith("mllog."))
    part = _MOST_VALUES / max(1, logs.reading.chosen)
    if part < 1:
        place = (table.time_us % _HASHES) * _SPREAD % _HASHES
        table = table.filter(place < int(part * _HASHES))
    picked = {}
    for each in columns:
        picked[each.text] = table[each.text]
        if each.is_number:
            picked[each.number] = table[each.number]
    if not picked:
        return {}, False
    rows = table.select(**picked).to_pyarrow().to_pydict()
    return {each.label: _merged(each, rows) for each in columns}, part < 1


def _merged(column: FieldColumn, rows: dict[str, list[Any]]) -> list[Any]:
    """
    The values of a column, where numbers come first.
    """
    texts = rows[column.text]
    if not column.is_number:
        return texts
    return [
        text if number is None else number
        for number, text in zip(rows[column.number], texts, strict=True)
    ]


def _compared(now: list[Any], before: list[Any]) -> Comparison | None:
    """
    The distances; None where one side has too few values.
    """
    if _given(now) < _FEWEST or _given(before) < _FEWEST:
        return None
    gathered = Gathered(_MOST_CATEGORIES)
    gathered.extend(before)
    reference = gathered.reference()
    if reference is None:
        return None
    window = Window(reference)
    window.extend(now)
    return window.compare()


def _given(values: list[Any]) -> int:
    return len(values) - values.count(None)


def _drift(
    column: FieldColumn, compared: Comparison, judged: Limits, is_sampled: bool
) -> Drift | None:
    verdict = judged.judge(compared)
    if verdict is None:
        return None
    reference = compared.reference
    numbers = reference.numbers
    return Drift(
        column.label,
        _SEVERITIES[verdict.severity],
        verdict.distance.statistic,
        verdict.distance.value,
        verdict.threshold,
        verdict.distance.p_value,
        {each.statistic: each.value for each in compared.distances},
        compared.count,
        reference.count,
        compared.mean,
        None if numbers is None else numbers.mean,
        is_sampled,
    )
