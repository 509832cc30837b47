"""
The command line, one module for each command.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..env import odd_sizes
from ..errors import MllogError, masked
from ..values import ESCAPES
from . import (
    check,
    convert,
    init,
    migrate_prints,
    payloads,
    presets,
    report,
    spool,
    tail,
)

__all__ = ["main"]

_COMMANDS = (
    presets,
    init,
    check,
    migrate_prints,
    tail,
    report,
    convert,
    spool,
    payloads,
)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    Args:
        argv: Arguments; None takes those of the process.

    Returns:
        0, 1 where ``check`` found something, ``migrate-prints --check`` would
        change something, ``spool drain`` left something or ``payloads get``
        missed something, or 2 for what cannot be done.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever it can encode
            stream.reconfigure(errors=ESCAPES)
    for name in odd_sizes(os.environ):
        del os.environ[name]
    parser = _parser()
    given = parser.parse_args(argv)
    if "run" not in given:
        parser.print_help()
        return 0
    try:
        code: int = given.run(given)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has enough
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        return 1
    except (MllogError, OSError) as exc:
        sys.stderr.write(masked(f"mllog: {exc}\n"))
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mllog",
        description="Log machine learning with Python's own logging.",
    )
    parser.add_argument(
        "--version", action="version", version=f"mllog {__version__}"
    )
    commands = parser.add_subparsers(title="commands", metavar="")
    for command in _COMMANDS:
        command.add_to(commands)
    return parser
