"""
``mllog check``: what is wrong with a configuration, before it runs.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING, Any

from .. import config

if TYPE_CHECKING:
    from ..checks import Finding

__all__ = ["add_to"]

_ABOUT = """\
Says what is wrong with any logging configuration (JSON, YAML, TOML, INI), one
line per finding: place, severity, what, and the fix.  Nothing of it is run.

error    logging refuses it, or a part of it is lost or without effect
warning  it runs, but not as it may be meant

With --connect its handlers are made and tried as well: each sends one record
that is marked by the field mllog_check, and it is told what answered, and how
fast.  That runs the classes that the configuration names: only for one that
you trust.  No spool is touched, no metric written, and no file emptied.

Exit status: 0 nothing found, 1 something found, a warning too, or a sink that
does not answer, 2 no such file or not readable."""


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """
    Add the command to *commands*.
    """
    parser = commands.add_parser(
        "check",
        help="say what is wrong with a logging configuration",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="the configuration")
    parser.add_argument(
        "--untrusted",
        action="store_true",
        help="refuse whatever could run foreign code",
    )
    parser.add_argument(
        "--allow",
        metavar="PREFIX",
        nargs="+",
        action="extend",
        default=[],
        help="with --untrusted: dotted names that may be used nevertheless",
    )
    parser.add_argument(
        "--connect",
        action="store_true",
        help="try each handler for real; the configuration is trusted then",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        help="with --connect: how long each handler has; 10 if not given",
    )
    parser.set_defaults(run=_run, parser=parser)


def _run(given: argparse.Namespace) -> int:
    if given.allow and not given.untrusted:
        given.parser.error("--allow is for --untrusted")
    _refuse_what_does_not_fit(given)
    found = config.check(
        given.file, untrusted=given.untrusted, allow=given.allow
    )
    show = _in_color if sys.stdout.isatty() else _plain
    for finding in found:
        show(finding)
    sys.stdout.flush()
    sys.stderr.write(_summary(found, given.file) + "\n")
    if not given.connect:
        return 1 if found else 0
    from . import connecting  # not at import: it loads every handler

    all_answer = connecting.try_handlers(given.file, given.timeout or 10.0)
    return 0 if all_answer and not found else 1


def _refuse_what_does_not_fit(given: argparse.Namespace) -> None:
    if given.connect and given.untrusted:
        given.parser.error("--connect runs what --untrusted refuses to")
    if given.timeout is None:
        return
    if not given.connect:
        given.parser.error("--timeout is for --connect")
    if not 0 < given.timeout < math.inf:
        given.parser.error("--timeout takes a number of seconds above 0")


def _plain(finding: Finding) -> None:
    sys.stdout.write(f"{finding}\n")


def _in_color(finding: Finding) -> None:
    from rich.console import Console  # not at import: most calls are piped
    from rich.text import Text

    line = Text(str(finding))
    color = "bold red" if finding.severity == "error" else "yellow"
    line.stylize("bold", 0, len(finding.place))
    line.highlight_regex(rf"(?<=: ){finding.severity}(?=: )", color)
    line.highlight_regex(r"(?<=; )fix: .*", "green")
    Console(soft_wrap=True).print(line)


def _summary(found: list[Finding], file: str) -> str:
    if not found:
        return f"{file}: nothing found"
    errors = sum(finding.severity == "error" for finding in found)
    warnings = len(found) - errors
    return f"{file}: {_count(errors, 'error')}, {_count(warnings, 'warning')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
