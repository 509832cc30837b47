"""
``mllog tail``: the latest records of a log, and those that come.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ..reading.files import Files
from ..reading.records import sources_of
from ..reading.selection import selection
from ..reading.tails import (
    FolderTail,
    Line,
    ObjectsTail,
    Reading,
    Tail,
    merged,
)
from ..s3 import Access

if TYPE_CHECKING:
    from .showing import AsJSON, AsText

    Show = AsJSON | AsText

__all__ = ["add_to"]

_ABOUT = """\
Shows the latest records of SOURCE as the console would have, and with -f those
that come, through every rotation, until it is interrupted.

SOURCE is a file, a folder, a glob, or s3://bucket/prefix.  JSON lines of mllog,
python-json-logger, structlog and others are records, and so are the rows of
CSV; in a folder CSV is left out where there are other logs.  Lines that are no
records are shown as they are, unless records are chosen.

examples:
  mllog tail -f logs/inference.jsonl
  mllog tail logs --since 15m --level warning
  mllog tail logs --where 'inference_latency > 0.2 and model_name == "resnet50"'
  mllog tail s3://bucket/digits --since 1h --json | jq .label"""

_RECORDS = 10
_LOOK_SECONDS = 0.2


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """
    Add the command to *commands*.
    """
    parser = commands.add_parser(
        "tail",
        help="show the latest records of a log, and those that come",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sources", metavar="SOURCE", nargs="+")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="show those that come"
    )
    parser.add_argument(
        "-n",
        "--records",
        metavar="N",
        type=_count,
        help=f"so many, or all; {_RECORDS}, and all with --since",
    )
    parser.add_argument("--where", metavar="CONDITION", help="see above")
    parser.add_argument("--level", metavar="LEVEL", help="this one and above")
    parser.add_argument(
        "--logger", metavar="NAME", help="this one and its children"
    )
    parser.add_argument(
        "--since", metavar="TIME", help="15m, 2h, 06:45, 2026-11-21T06:45"
    )
    parser.add_argument("--until", metavar="TIME", help="not from then on")
    parser.add_argument(
        "--fields", metavar="A,B", help="these, beside time and message"
    )
    parser.add_argument(
        "--json", action="store_true", help="a line of JSON each"
    )
    parser.add_argument("--endpoint-url", metavar="URL", help="the S3 server")
    parser.add_argument("--region", metavar="NAME", help="that of the bucket")
    parser.add_argument("--profile", metavar="NAME", help="one in ~/.aws")
    parser.set_defaults(run=_run)


def _count(text: str) -> int:
    if text == "all":
        return sys.maxsize
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a number nor all"
        )
    return int(text)


def _run(given: argparse.Namespace) -> int:
    chosen = selection(
        where=given.where,
        level=given.level,
        logger=given.logger,
        since=given.since,
        until=given.until,
    )
    fields = given.fields.split(",") if given.fields else None
    is_text = not (given.json or fields)
    reading = Reading(chosen, foreign=is_text)
    show = _show(given, fields)
    count = given.records
    if count is None and given.since is None:
        count = _RECORDS
    with ExitStack() as stack:
        stack.callback(_say_skipped, reading)
        tails = []
        for each in given.sources:
            tails.append(_tail(each, given, reading))
            stack.callback(tails[-1].close)
        _write(merged([each.latest(count) for each in tails], count), show)
        while given.follow:
            time.sleep(_LOOK_SECONDS)
            _write(merged([list(each.new()) for each in tails], None), show)
    return 0


def _show(given: argparse.Namespace, fields: list[str] | None) -> Show:
    # not at import: other commands need no rich
    from ..formatters.rich import wants_color
    from .showing import AsJSON, AsText

    if given.json:
        return AsJSON(fields)
    return AsText(wants_color(sys.stdout), fields)


def _tail(path: str, given: argparse.Namespace, reading: Reading) -> Tail:
    if path.startswith("s3://"):
        access = Access(given.endpoint_url, given.region, given.profile)
        [source] = sources_of(path, access)
        return ObjectsTail(source, reading)
    if given.follow and not os.path.exists(path):
        sys.stderr.write(f"mllog: waiting for {path}\n")
    else:
        Files(path)  # which says what is wrong with it
    return FolderTail(path, reading)


def _write(lines: Iterable[Line], show: Show) -> None:
    for line in lines:
        text = (
            show.foreign(line.text)
            if line.record is None
            else show.record(line.record)
        )
        sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _say_skipped(reading: Reading) -> None:
    if reading.skipped:
        counts = ", ".join(
            f"{count} {reason}"
            for reason, count in sorted(reading.skipped.items())
        )
        sys.stderr.write(f"mllog: passed over {counts}\n")
