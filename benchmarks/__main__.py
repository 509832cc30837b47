"""
``python -m benchmarks [case …]``: run the cases and print their tables.
"""

from __future__ import annotations

import argparse
import importlib

from . import machine
from .measure import Effort
from .table import Table

_CASES = (
    "json_file",
    "processes",
    "latency_csv",
    "quantiles",
    "prometheus",
    "tensorboard",
    "watching",
    "rich_text",
    "syslog",
    "s3",
    "kafka",
    "otlp",
    "import_time",
)
_FEWEST = 5


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="mllog and its peers side by side, in one run.",
    )
    parser.add_argument("cases", nargs="*", metavar="case", help=_known())
    parser.add_argument(
        "--rounds",
        type=int,
        default=0,
        help=f"sets of fresh processes, {_FEWEST} or more",
    )
    parser.add_argument(
        "--quick", action="store_true", help="short rounds, and five of them"
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print Markdown"
    )
    parsed = parser.parse_args(arguments)
    if unknown := set(parsed.cases) - set(_CASES):
        parser.error(f"no case {sorted(unknown)}; {_known()}")
    if parsed.rounds and parsed.rounds < _FEWEST:
        parser.error(f"--rounds {parsed.rounds}: {_FEWEST} or more")
    return parsed


def _known() -> str:
    return f"any of {', '.join(_CASES)}; all without one"


def _facts(markdown: bool) -> None:
    for fact in machine.facts():
        print(f"* {fact}" if markdown else fact)
    print()


def _put(table: Table, markdown: bool) -> None:
    if markdown:
        print(table.markdown(), flush=True)
    else:
        table.show()


def main(arguments: list[str] | None = None) -> None:
    """
    Run the chosen cases, each table printed as soon as it is there.
    """
    chosen = _parsed(arguments)
    rounds = chosen.rounds or (_FEWEST if chosen.quick else 9)
    effort = Effort(rounds, chosen.quick)
    _facts(chosen.markdown)
    for name in chosen.cases or _CASES:
        case = importlib.import_module(f".{name}", __package__)
        for table in case.run(effort):
            _put(table, chosen.markdown)


if __name__ == "__main__":
    main()
