"""
``mllog check --connect``: which sinks of a configuration answer, as a table.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .. import config
from ..checks.connecting import Answer, connect
from ..formatters.text import escaped

__all__ = ["try_handlers"]

_COLUMNS = ("handler", "answer", "ms", "what")


def try_handlers(path: str, timeout: float) -> bool:
    """
    Try the handlers that the configuration in *path* sets up; print answers.

    Returns:
        Whether all of them answered.

    Raises:
        ConfigError: The file cannot be read.
    """
    here = os.getcwd()
    if here not in sys.path:  # an application's own handlers are found there
        sys.path.append(here)
    answers = connect(config.read_file(path), timeout)
    sys.stderr.flush()
    if answers and sys.stdout.isatty():
        _print_table(answers)
    elif answers:
        for row in (_COLUMNS, *map(_row, answers)):
            sys.stdout.write("\t".join(row) + "\n")
    sys.stdout.flush()
    there = sum(each.is_there for each in answers)
    noun = "handler answers" if len(answers) == 1 else "handlers answer"
    sys.stderr.write(f"{path}: {there} of {len(answers)} {noun}\n")
    return there == len(answers)


def _row(answer: Answer) -> tuple[str, str, str, str]:
    what = answer.said
    if answer.fix:
        what += f"; fix: {answer.fix}"
    return (
        escaped(answer.handler),
        "ok" if answer.is_there else "failed",
        f"{answer.milliseconds:.0f}"
        if answer.milliseconds >= 10
        else f"{answer.milliseconds:.1f}",
        escaped(what),
    )


def _print_table(answers: Sequence[Answer]) -> None:
    from rich.console import Console  # not at import: most calls are piped
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in _COLUMNS:
        table.add_column(
            column,
            justify="right" if column == "ms" else "left",
            no_wrap=column != "what",
            overflow="fold",
        )
    for answer in answers:
        handler, verdict, took, what = _row(answer)
        color = "green" if answer.is_there else "bold red"
        shown = Text(what)
        shown.highlight_regex(r"(?<=; )fix: .*", "green")
        # else [ ] would be markup
        table.add_row(Text(handler), Text(verdict, color), took, shown)
    Console().print(table)
