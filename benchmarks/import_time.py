"""
What an import costs in a fresh interpreter, and what it brings along.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from typing import Any

from .measure import Effort, Spread
from .table import Budget, Table

__all__ = ["run"]

_LOGGING = "import logging"
_ALONE = "import mllog"
_BOTH = "import logging, mllog"
_USED = "from mllog import JSONFormatter, TimestampedRotatingFileHandler"

# Statements, and the module without which they cannot run.
_STATEMENTS = {
    _LOGGING: "",
    _ALONE: "",
    _BOTH: "",
    _USED: "",
    "import pythonjsonlogger.json": "",
    "import rich.logging": "",
    "import picologging": "picologging",
    "import concurrent_log_handler": "concurrent_log_handler",
    "import loguru": "loguru",
    "import structlog": "structlog",
}

# What site loads for .pth files, an editable install's among them, is not
# there yet; the paths that it would add are.
_TIMED = """
import os, site, sys
sys.path[:] = {paths!r}
from time import perf_counter
before = set(sys.modules)
start = perf_counter()
{statement}
seconds = perf_counter() - start
new = sorted(set(sys.modules) - before)
import json
print(json.dumps([seconds * 1e3, new]))
"""


def _imported(statement: str, cache: str) -> tuple[float, list[str]]:
    """
    Milliseconds that *statement* takes, and the modules it loads.
    """
    code = _TIMED.format(statement=statement, paths=sys.path)
    # All bytecode in one place of our own: an environment may forbid to write
    # it, and a module of ours would be compiled each time, a peer's not.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    found: Any = subprocess.run(
        [sys.executable, "-S", "-c", code],
        check=True,
        capture_output=True,
        env=environment,
    )
    milliseconds, modules = json.loads(found.stdout)
    return milliseconds, modules


def _third_party(modules: list[str]) -> set[str]:
    tops = {name.partition(".")[0] for name in modules}
    ours = {*sys.stdlib_module_names, "__mp_main__", "mllog"}
    return {
        top
        for top in tops - ours
        if not top.startswith("_sysconfigdata")  # the stdlib's, unlisted
    }


def _available() -> tuple[list[str], list[str]]:
    statements, missing = [], []
    for statement, needs in _STATEMENTS.items():
        if not needs or importlib.util.find_spec(needs):
            statements.append(statement)
        else:
            missing.append(f"Missing: `{statement}` (not installed).")
    return statements, missing


def run(effort: Effort) -> list[Table]:
    """
    One table.
    """
    statements, missing = _available()
    times: dict[str, list[float]] = {each: [] for each in statements}
    with tempfile.TemporaryDirectory() as cache:
        # The first time writes the bytecode, and is not counted.
        modules = {each: _imported(each, cache)[1] for each in statements}
        for _ in range(effort.of(2, 1) * effort.rounds):
            for each in statements:
                times[each].append(_imported(each, cache)[0])
    return [
        Table(
            "Import in a fresh interpreter",
            [
                "statement",
                "ms",
                "ms over `import logging`",
                "range",
                "modules",
                "third-party packages",
            ],
            [_row(times, modules, each) for each in statements],
            _budgets(times, modules),
            [
                *missing,
                f"A program that has loaded logging pays for `{_BOTH}`.",
            ],
        )
    ]


def _over(times: dict[str, list[float]], statement: str) -> Spread:
    pairs = zip(times[statement], times[_LOGGING], strict=True)
    return Spread.of(own - base for own, base in pairs)


def _row(times: Any, modules: Any, statement: str) -> list[str]:
    over = _over(times, statement)
    return [
        f"`{statement}`",
        f"{statistics.median(times[statement]):.1f}",
        f"{over.median:+.1f}",
        over.range,
        str(len(modules[statement])),
        ", ".join(sorted(_third_party(modules[statement]))) or "none",
    ]


def _budgets(times: Any, modules: Any) -> list[Budget]:
    foreign = _third_party(modules[_ALONE])
    return [
        Budget(
            f"`{_ALONE}` less `{_LOGGING}`",
            _over(times, _ALONE).median,
            2,
            "ms",
        ),
        Budget(
            "third-party packages that `import mllog` loads",
            len(foreign),
            0,
            "packages",
        ),
    ]
