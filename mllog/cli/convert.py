"""
``mllog convert``: logs as Parquet.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from ..formatters.text import escaped
from .report import add_engine_to, selection

if TYPE_CHECKING:
    from ..report.parquet import Converted

__all__ = ["add_to"]

_ABOUT = """\
Writes the records below PATH as Parquet, compressed with zstd, in folders that
DuckDB, Spark, pandas and `mllog report` read: date=2026-11-21/model_name=digits.

PATH is what `mllog report` reads.  Columns are timestamp, level, logger,
message and the fields; those in metrics are named metrics.<name>.  What cannot
be read is skipped and counted.

examples:
  mllog convert logs --to parquet
  mllog convert logs --to parquet --partition-by date,model_name --since 7d
  mllog convert logs/a.jsonl --to parquet --partition-by ''

Exit status: 0, or 2 if it failed."""


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """
    Add the command to *commands*.
    """
    parser = commands.add_parser(
        "convert",
        help="write logs as Parquet",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", metavar="PATH", nargs="+")
    parser.add_argument(
        "--to", metavar="FOLDER", required=True, help="made if need be"
    )
    parser.add_argument(
        "--partition-by",
        metavar="FIELDS",
        default="date",
        help="date, level, logger and fields, with commas; '' for none",
    )
    parser.add_argument(
        "--fields",
        metavar="FIELDS",
        default="",
        help="fields so rare that they may be missed, with commas",
    )
    parser.add_argument(
        "--append",
        action="store_true",
        help="add to a folder that is not empty",
    )
    add_engine_to(parser)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    from ..report import convert

    found = convert(
        given.paths,
        given.to,
        _names(given.partition_by),
        append=given.append,
        fields=_names(given.fields),
        **selection(given),
    )
    _print_result(found)
    return 0


def _names(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _print_result(found: Converted) -> None:
    files = "1 file" if found.files == 1 else f"{found.files} files"
    sys.stdout.write(
        f"{found.written} records written to {files} in"
        f" {escaped(found.folder)} ({found.bytes} bytes)\n"
    )
    reasons: Counter[str] = Counter()
    for each in found.reading.skipped:
        reasons[each.reason] += each.count
    if reasons:
        counts = ", ".join(f"{n} {why}" for why, n in sorted(reasons.items()))
        sys.stderr.write(f"passed over: {counts}\n")
