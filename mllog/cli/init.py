"""
``mllog init``: a configuration to start from, for a framework.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from ..errors import ConfigError
from ..frameworks import Framework, framework, framework_names

__all__ = ["add_to"]

_ABOUT = """\
Writes the files that make a framework log by mllog, and prints the lines that
are to be added or run then.  No file is overwritten without --force; one that
is there already with the same content is left alone.

Exit status: 0, or 2 if a file is there, or cannot be written."""


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """
    Add the command to *commands*.
    """
    parser = commands.add_parser(
        "init",
        help="write a configuration for a framework",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--for",
        metavar="FRAMEWORK",
        dest="framework",
        help="whose: one of those that --list prints",
    )
    what.add_argument(
        "--list", action="store_true", help="say for which there is one"
    )
    parser.add_argument(
        "--directory",
        metavar="DIR",
        default=".",
        help="where to; the folder one is in, if not given",
    )
    parser.add_argument(
        "--force", action="store_true", help="overwrite what is there"
    )
    parser.set_defaults(run=_run, parser=parser)


def _run(given: argparse.Namespace) -> int:
    if given.list:
        return _list()
    found = framework(given.framework)
    targets = {
        file: os.path.normpath(os.path.join(given.directory, file))
        for file in found.files
    }
    changed = [
        file
        for file, path in targets.items()
        if not _is_same(found, file, path)
    ]
    there = [
        targets[file] for file in changed if os.path.lexists(targets[file])
    ]
    if there and not given.force:
        raise ConfigError(
            f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there"
            " already, and nothing was written",
            fix="add --force to overwrite, or --directory to write elsewhere",
        )
    for file, path in targets.items():
        if file in changed:
            _write(path, found.content(file))
    _say(found, targets, changed)
    return 0


def _list() -> int:
    names = framework_names()
    width = max(map(len, names), default=0)
    for name in names:
        sys.stdout.write(f"{name:{width}}  {framework(name).title}\n")
    return 0


def _is_same(found: Framework, file: str, path: str) -> bool:
    try:
        with open(path, "rb") as there:
            return there.read() == found.content(file)
    except (FileNotFoundError, IsADirectoryError):
        return False


def _write(path: str, content: bytes) -> None:
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def _say(
    found: Framework, targets: dict[str, str], changed: list[str]
) -> None:
    width = max(map(len, targets.values()))
    for file, path in targets.items():
        note = "" if file in changed else " (it was there)"
        sys.stdout.write(f"{path:{width}}  {found.files[file]}{note}\n")
    sys.stdout.write("\nnext:\n")
    for line in found.next:
        sys.stdout.write(f"  {line}\n")
    sys.stdout.write(f"\nmore in {found.page}\n")
