"""
``mllog spool``: what processes that died left on disk, and how to get it out.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import islice
from typing import Any

from ..delivery.spool import Leftover, inspect
from ..formatters.text import escaped
from ..timestamps import utc
from . import draining
from .leftovers import handler_folders, line_of, records_of

__all__ = ["add_to"]

_INSPECT = """\
Says what is in the folder of a spool: a line per process that writes, or wrote,
to it.  Nothing is changed, and no process is disturbed.

folder   below DIR, one per handler
owner    host, process id and start of the process
alive    whether it, or one that took it over, lives; the rest is sent by the
         next process with that handler, or by `mllog spool drain`
records  not sent yet, damaged ones included
bytes    of the files
damaged  records that cannot be read any more
torn     files that end within a record, as a crash leaves them
oldest   when the oldest file was last written

Exit status: 0, or 2 if there is no such folder, or it is another user's."""

_COLUMNS = (
    "folder",
    "owner",
    "alive",
    "records",
    "bytes",
    "damaged",
    "torn",
    "oldest",
)
_NUMBERS = frozenset({"records", "bytes", "damaged", "torn"})
_MOST_CHARACTERS = 2000  # of one record
_MOST_IN_ALL = 4 << 20  # of all records together


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """
    Add the command to *commands*.
    """
    parser = commands.add_parser(
        "spool", help="look into the spool of a handler, or empty it"
    )
    parser.set_defaults(run=_help, parser=parser)
    actions = parser.add_subparsers(title="commands", metavar="")
    look = actions.add_parser(
        "inspect",
        help="what is in it; changes nothing",
        description=_INSPECT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    look.add_argument("folder", metavar="DIR", help="the handler's spool_dir")
    look.add_argument(
        "--records",
        metavar="N",
        type=int,
        default=0,
        help="show the first N records of each process as well",
    )
    look.set_defaults(run=_look, parser=look)
    draining.add_to(actions)


def _help(given: argparse.Namespace) -> int:
    given.parser.print_help()
    return 0


def _look(given: argparse.Namespace) -> int:
    found = [
        (os.path.basename(os.path.abspath(folder)), leftover)
        for folder in handler_folders(given.folder)
        for leftover in inspect(folder)
    ]
    rows = [_row(name, leftover) for name, leftover in found]
    if rows and sys.stdout.isatty():
        _print_table(rows)
    elif rows:
        for row in (_COLUMNS, *rows):
            sys.stdout.write("\t".join(row) + "\n")
    if given.records > 0:
        _print_records([each for _, each in found], given.records)
    sys.stdout.flush()
    sys.stderr.write(_summary(given.folder, [each for _, each in found]))
    return 0


def _row(name: str, leftover: Leftover) -> tuple[str, ...]:
    counts = (
        (leftover.records, leftover.bytes, leftover.corrupt, leftover.torn)
        if leftover.known
        else "????"
    )
    return (
        escaped(name),
        escaped(os.path.basename(leftover.path)),
        "yes" if leftover.alive else "no",
        *map(str, counts),
        utc(leftover.oldest) if leftover.oldest else "-",
    )


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # not at import: most calls are piped
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in _COLUMNS:
        is_number = column in _NUMBERS
        table.add_column(column, justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*map(Text, row))  # else [ ] would be markup
    Console().print(table)


def _summary(folder: str, found: Sequence[Leftover]) -> str:
    dead = [each for each in found if not each.alive]
    text = (
        f"{folder}: {len(found) - len(dead)} alive, {len(dead)} dead with"
        f" {sum(each.records for each in dead)} records\n"
    )
    if not all(each.known for each in found):
        text += "?: a later version of mllog wrote this\n"
    return text


def _print_records(found: Sequence[Leftover], most: int) -> None:
    left = _MOST_IN_ALL
    for leftover in found:
        owner = escaped(os.path.basename(leftover.path))
        for sequence, entry in islice(records_of(leftover.path), most):
            text = escaped(line_of(entry).decode("utf-8", "backslashreplace"))
            beyond = len(text) - _MOST_CHARACTERS
            if beyond > 0:
                text = f"{text[:_MOST_CHARACTERS]}…[truncated {beyond}]"
            left -= len(text)
            if left < 0:
                sys.stdout.write(
                    f"…[no more than {_MOST_IN_ALL} characters]\n"
                )
                return
            sys.stdout.write(f"{owner}\t{sequence}\t{text}\n")
