"""
How far the logs can be trusted: drift, losses, what was skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from ..answers import Drift
from .contrasts import Contrasts
from .parts import Column, Note, Part, Table
from .words import (
    bytes_in_words,
    number_in_words,
    plural,
    seconds_in_words,
    short,
)

__all__ = ["drift", "losses", "reading", "summaries"]

_MOST_ROWS: Final = 30
_REASONS: Final = {
    "torn": "half-written line",
    "not_json": "line that is not JSON",
    "not_object": "JSON that is no record",
    "too_long": "line that is too long",
    "bad_csv": "row that is no CSV",
    "bad_compression": "damaged compression",
    "unreadable": "could not be read",
}


def drift(found: Contrasts) -> Iterator[Part]:
    """
    Each field against what it was.
    """
    fields = found.report.drift
    if not fields:
        return
    yield Table(
        f"Each field against {short(found.report.drift_reference)}",
        (
            Column("field"),
            Column("drift"),
            Column("distance", True),
            Column("limit", True),
            Column("mean before", True),
            Column("mean now", True),
            Column("values", True),
        ),
        tuple(_drifted(each) for each in fields[:_MOST_ROWS]),
        tuple(
            ("bad" if e.severity == "major" else "warn")
            if e.severity != "none"
            else "quiet"
            for e in fields[:_MOST_ROWS]
        ),
        wide=(6,),
    )
    if any(each.sampled for each in fields):
        yield Note("Of fields with many values some were compared.")


def _drifted(found: Drift) -> tuple[str, ...]:
    return (
        short(found.field, 60),
        found.severity,
        f"{found.statistic} {number_in_words(found.value)}",
        number_in_words(found.threshold),
        number_in_words(found.reference_mean),
        number_in_words(found.mean),
        f"{found.count:,}",
    )


def summaries(found: Contrasts) -> Iterator[Part]:
    """
    What SummaryHandler logged.
    """
    known = found.report.summaries[:_MOST_ROWS]
    if not known:
        return
    yield Table(
        "The newest of each metric",
        (
            Column("metric"),
            Column("labels"),
            Column("values", True),
            Column("newest"),
        ),
        tuple(
            (
                short(each.field, 60),
                ", ".join(short(label, 60) for label in each.group if label),
                f"{each.count:,}",
                ", ".join(
                    f"{short(name, 20)} {number_in_words(value)}"
                    for name, value in each.last.items()
                ),
            )
            for each in known
        ),
    )


def losses(found: Contrasts) -> Iterator[Part]:
    """
    What is not, or not wholly, in the logs.
    """
    lost = found.report.losses
    rows: list[tuple[str, str]] = [
        (f"skipped: {_REASONS.get(reason, short(reason, 60))}", f"{count:,}")
        for reason, count in sorted(lost.skipped.items())
    ]
    if lost.truncated:
        rows.append(("records cut to the longest line", f"{lost.truncated:,}"))
    if lost.nonfinite:
        rows.append(("records with NaN or infinity", f"{lost.nonfinite:,}"))
    rows += [
        (f"counted in records: {short(name, 60)}", number_in_words(value))
        for name, value in lost.counted.items()
    ]
    rows += [
        (
            f"waits to be sent in {short(each.folder, 120)}",
            f"{plural(each.records, 'record')}, {bytes_in_words(each.bytes)}",
        )
        for each in lost.spooled
    ]
    if rows:
        yield Table(
            "What is not, or not wholly, in these logs",
            (Column(""), Column("count", True)),
            tuple(rows),
            tuple("warn" for _ in rows),
        )
    for line in lost.reports[-10:]:
        yield Note(short(line, 300), "warn")
    if not rows and not lost.reports:
        yield Note(
            "None found: nothing was skipped or cut, and no handler reported"
            " drops."
        )


def reading(found: Contrasts) -> Iterator[Part]:
    """
    What was read, and what was skipped.
    """
    read = found.report.reading
    line = (
        f"{plural(read.files, 'file')}, {bytes_in_words(read.bytes)},"
        f" {plural(read.records, 'record')}"
    )
    if read.chosen != read.records:
        line += f", of which {read.chosen:,} were chosen"
    yield Note(f"{line}, read in {seconds_in_words(read.seconds)}.")
    if read.untimed:
        yield Note(
            f"{plural(read.untimed, 'record')} have no time that can be"
            " read, and are in nothing that goes over time.",
            "warn",
        )
    if not read.skipped:
        return
    rows = sorted(read.skipped, key=lambda each: -each.count)
    total = Counter[str]()
    for each in rows[_MOST_ROWS:]:
        total[each.reason] += each.count
    yield Table(
        "Skipped",
        (Column("file"), Column("reason"), Column("count", True)),
        tuple(
            (
                short(each.file, 160),
                _REASONS.get(each.reason, short(each.reason, 60)),
                f"{each.count:,}",
            )
            for each in rows[:_MOST_ROWS]
        )
        + tuple(
            ("other files", _REASONS.get(reason, reason), f"{count:,}")
            for reason, count in sorted(total.items())
        ),
        tuple("warn" for _ in range(len(rows))),
    )
