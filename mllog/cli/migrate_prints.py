"""
``mllog migrate-prints``: convert prints to logging calls.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..errors import require
from ..formatters.text import escaped
from ..migrate import Left, MigrationOptions
from ..migrate.source_files import (
    ConvertedFile,
    SkippedPath,
    convert_file,
    files_in,
    write,
)

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["add_to"]

_ABOUT = """\
Converts print(...) to logger.info(...) with lazy % arguments: shows what would
change, and with --write changes it.  Comments and layout stay.

to stdout             info
to sys.stderr         error in an except block and where the text names a
                      failure, else warning
traceback.print_exc() logger.exception

Left alone, and listed with the reason: end= and file= of another kind, prints
of doctests and redirected blocks, print that is passed on, what is marked

    print(answer)  # mllog: keep

The mark on a def, class or if applies to the block, `# mllog: keep file`
for the file.  Files that do not parse are reported and left.

Exit status: 0, 1 with --check if something would change, 2 if a path does not
exist or a file could not be written."""

_HINT: Final = """\
Until logging is set up, records below WARNING show up nowhere.  --configure
adds the two lines under `if __name__ == "__main__":`, or write them yourself
where the program starts:

    import mllog
    mllog.configure("console")
"""
_SETTING_UP: Final = (
    "basicConfig(",
    "dictConfig(",
    "fileConfig(",
    "mllog.configure(",
)
_COLORS: Final = {"+": "green", "-": "red", "@": "cyan"}


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """
    Add the command to *commands*.
    """
    parser = commands.add_parser(
        "migrate-prints",
        help="turn the prints of a program into records",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="files and folders"
    )
    parser.add_argument(
        "--write", action="store_true", help="change the files"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit with 1 if something would change, and show no diff",
    )
    parser.add_argument(
        "--metrics",
        action="store_true",
        help="also pass the numbers as fields",
    )
    parser.add_argument(
        "--configure",
        action="store_true",
        help='set up logging under if __name__ == "__main__":',
    )
    parser.add_argument(
        "--exact",
        action="store_true",
        help="format values at once where %% could write them differently",
    )
    parser.set_defaults(run=_run, parser=parser)


def _run(given: argparse.Namespace) -> int:
    if given.write and given.check:
        given.parser.error("--check changes nothing: leave out --write")
    require("libcst", "migrate")
    options = MigrationOptions(
        metrics=given.metrics, exact=given.exact, configure=given.configure
    )
    programs, skipped = [], []
    for each in files_in(given.paths):
        if isinstance(each, SkippedPath):
            skipped.append(each)
        else:
            programs.append(convert_file(each, options))
    changed = [each for each in programs if each.is_changed]
    _show_summary(programs, skipped)
    if not given.check:
        _show_diffs(changed)
    sys.stdout.flush()
    failed = _write(changed) if given.write else 0
    _conclude(programs, changed, given)
    if failed:
        return 2
    return 1 if given.check and changed else 0


def _write(changed: Iterable[ConvertedFile]) -> int:
    failed = 0
    for each in changed:
        if each.file is None or each.conversion is None:
            continue
        try:
            write(each.file, each.conversion.text)
        except OSError as exc:
            failed += 1
            sys.stderr.write(f"mllog: {escaped(str(exc))}\n")
    return failed


def _show_summary(
    programs: Sequence[ConvertedFile], skipped: Sequence[SkippedPath]
) -> None:
    for each in programs:
        if each.problem:
            _print_line(f"{each.path}: left: {each.problem}", "yellow")
        elif each.conversion is not None:
            _show_program(each)
    for one in skipped:
        _print_line(f"{one.path}: skipped: {one.reason}", "dim")


def _show_program(program: ConvertedFile) -> None:
    made = program.conversion
    if made is None or not (made.converted or made.left):
        return
    _print_line(f"{program.path}: {_count(made.converted)} to logging", "bold")
    for lines, reason in _grouped(made.left):
        _print_line(f"  left: {lines}{reason}", "yellow")
    for lines, reason in _grouped(made.notes):
        _print_line(f"  note: {lines}{reason}", "dim")


def _grouped(found: Iterable[Left]) -> Iterator[tuple[str, str]]:
    """
    The lines of each reason.
    """
    by_reason: dict[str, list[int]] = {}
    for each in found:
        by_reason.setdefault(each.reason, []).append(each.line)
    for reason, numbers in by_reason.items():
        noun = "line" if len(set(numbers)) == 1 else "lines"
        listed = ", ".join(map(str, dict.fromkeys(numbers)))
        yield f"{noun} {listed}: ", reason


def _show_diffs(changed: Iterable[ConvertedFile]) -> None:
    for each in changed:
        if each.file is None or each.conversion is None:
            continue
        sys.stdout.write("\n")
        before, after = each.file.text, each.conversion.text
        for line in difflib.unified_diff(
            before.splitlines(),
            after.splitlines(),
            each.path,
            each.path,
            lineterm="",
            n=1,
        ):
            head = line.startswith(("+++", "---"))
            _print_line(line, "bold" if head else _COLORS.get(line[:1], ""))


def _print_line(text: str, style: str) -> None:
    """
    One line, in color on a terminal.
    """
    text = "".join(each if each == "\t" else escaped(each) for each in text)
    if not sys.stdout.isatty():
        sys.stdout.write(f"{text}\n")
        return
    from rich.console import Console  # not at import: most calls are piped
    from rich.text import Text

    line: Text = Text(text, style=style)
    Console(soft_wrap=True, highlight=False).print(line)


def _conclude(
    programs: Sequence[ConvertedFile],
    changed: Sequence[ConvertedFile],
    given: argparse.Namespace,
) -> None:
    made = [each.conversion for each in programs if each.conversion]
    left = sum(len(each.left) for each in made)
    number = sum(each.converted for each in made)
    files = _count(len(changed), "file")
    what = "changed" if given.write else "would change"
    sys.stderr.write(
        f"{files} {what}: {_count(number)} to logging, {left} left\n"
    )
    if not number:
        return
    if not (given.write or given.check):
        sys.stderr.write("Nothing is written: --write does that.\n")
    if not (given.configure or any(map(_sets_up, programs))):
        sys.stderr.write(_HINT)


def _sets_up(program: ConvertedFile) -> bool:
    """
    Whether logging is set up in a file, so that the hint is not needed.
    """
    text = program.file.text if program.file else ""
    return any(each in text for each in _SETTING_UP)


def _count(number: int, noun: str = "print") -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
