"""
``mllog report``: a report on logs, in the terminal, as a page or as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ..encoding import escape_controls
from ..reading.times import moment
from ..s3 import Access
from ..values import ESCAPES
from .progress import Progress

if TYPE_CHECKING:
    from ..report import Logs, Report, Settings
    from ..report.questions.comparison import Sides
    from ..report.render.headlines import ReportView

__all__ = ["add_engine_to", "add_to", "run_report", "selection"]

_ABOUT = """\
Reports on the logs below PATH: how many records and errors there are over time,
how the latencies are spread, over time and by model, version, variant or any
field, what the slowest requests were and what they have in common, how
training went, which fields drift, and what is missing.

PATH is a file, a folder, a glob, or s3://bucket/prefix: JSON lines of mllog,
python-json-logger, structlog and others, latency CSV, any of them rotated,
.gz or .zst, and Parquet.  What cannot be read is skipped and counted.

--compare takes FIELD=VALUE, a condition, a time window SINCE..UNTIL, or a
path, for A and for B; with --by FIELD a value alone will do.

examples:
  mllog report logs --html report.html
  mllog report logs --by model_version --since 2h
  mllog report logs --where 'inference_latency > 0.2' --json
  mllog report logs --compare model_version=3 model_version=4
  mllog report logs --compare yesterday..today today..
  mllog report --compare runs/a.jsonl runs/b.jsonl

Exit status: 0, or 2 if it failed."""


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """
    Add the command to *commands*.
    """
    parser = commands.add_parser(
        "report",
        help="report on logs: latencies, errors, curves, drift",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", metavar="PATH", nargs="*")
    parser.add_argument(
        "--by",
        metavar="FIELD",
        action="append",
        default=[],
        help="group latencies by it; repeat it for several",
    )
    parser.add_argument(
        "--field",
        metavar="NAME",
        help="the latency; inference_latency, or another that records have",
    )
    parser.add_argument(
        "--run",
        metavar="FIELD",
        dest="run_field",  # run is what the command does
        help="the field that identifies training runs",
    )
    parser.add_argument(
        "--compare",
        metavar=("A", "B"),
        nargs=2,
        help="is B slower than A, or fails more often?",
    )
    parser.add_argument(
        "--reference",
        metavar="SINCE..UNTIL|CONDITION",
        help="what drift is measured against; the first half of the time",
    )
    parser.add_argument(
        "--backend",
        choices=("duckdb", "pyspark"),
        default="duckdb",
        help="what reads and counts",
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--html", metavar="FILE", help="one page with charts, for a browser"
    )
    shape.add_argument(
        "--json", action="store_true", help="everything, as JSON"
    )
    add_engine_to(parser)
    parser.set_defaults(run=_run, parser=parser)


def add_engine_to(parser: argparse.ArgumentParser) -> None:
    """
    Add the options for which records are read, and how.
    """
    parser.add_argument(
        "--where",
        metavar="EXPR",
        help="only records that meet it: inference_latency > 0.2",
    )
    parser.add_argument(
        "--since", metavar="TIME", help="2026-11-21T06:45, 2h, yesterday"
    )
    parser.add_argument("--until", metavar="TIME", help="the same")
    parser.add_argument(
        "--memory-limit",
        metavar="SIZE",
        help="of DuckDB, such as 2GB; beyond it disk is used",
    )
    parser.add_argument("--threads", metavar="N", type=int, help="of DuckDB")
    parser.add_argument(
        "--temp-folder", metavar="FOLDER", help="where DuckDB spills"
    )
    parser.add_argument("--endpoint-url", metavar="URL", help="the S3 server")
    parser.add_argument("--region", metavar="NAME", help="that of the bucket")
    parser.add_argument("--profile", metavar="NAME", help="one in ~/.aws")


def _settings(
    given: argparse.Namespace, progress: Progress | None
) -> Settings:
    from ..report import Settings

    return Settings(
        given.memory_limit,
        given.threads,
        given.temp_folder,
        progress.read if progress else None,
    )


def selection(
    given: argparse.Namespace, progress: Progress | None = None
) -> dict[str, Any]:
    """
    Which records are read, as arguments of ``open_logs``.
    """
    since, until = given.since, given.until
    return {
        "where": given.where,
        "since": None if since is None else moment("since", since),
        "until": None if until is None else moment("until", until),
        "access": Access(given.endpoint_url, given.region, given.profile),
        "settings": _settings(given, progress),
    }


def run_report(
    given: argparse.Namespace, logs: ExitStack, progress: Progress
) -> tuple[Logs, Report]:
    """
    The logs and the report of the arguments.

    Args:
        given: The arguments.

        logs: Closes what was read.

        progress: Shows how far it is.
    """
    from ..report import open_logs, report, sides_of

    by = [name for each in given.by for name in each.split(",") if name]
    sides = sides_of(given.compare, by) if given.compare else None
    paths = [*given.paths, *(sides.paths if sides else ())]
    if not paths:
        given.parser.error("the following arguments are required: PATH")
    against = sides_of([given.reference] * 2) if given.reference else None
    fields = [
        name for each in (sides, against) if each for name in each.fields
    ]
    fields += filter(None, (given.field, given.run_field))
    opened = logs.enter_context(
        open_logs(
            paths,
            backend=given.backend,
            by=by,
            fields=fields,
            **selection(given, progress),
        )
    )
    return opened, report(
        opened,
        title=", ".join(paths),
        by=by,
        field=given.field,
        run=given.run_field,
        spools=given.paths,
        reference=against.of(opened, 0)[0] if against else None,
        reference_name=given.reference or "",
        progress=progress.ask,
        **_compared(sides, opened, len(given.paths)),
    )


def _compared(
    sides: Sides | None, logs: Logs, first_path: int
) -> dict[str, Any]:
    if sides is None:
        return {}
    return {"sides": sides.of(logs, first_path), "side_names": sides.names}


def _run(given: argparse.Namespace) -> int:
    if given.html:
        return _write_page(given)
    with ExitStack() as stack:
        with Progress() as progress:
            logs, found = run_report(given, stack, progress)
            if not given.json:
                view = _with_comparisons(logs, found, progress)
        if given.json:
            plain = found.plain()
            text = json.dumps(plain, ensure_ascii=False, indent=2) + "\n"
            line = escape_controls(text.encode("utf-8", ESCAPES))
            sys.stdout.write(line.decode())
            return 0
    # not at import: other commands need no rich
    from ..formatters.rich import wants_color
    from ..report.render.report_sections import build_document
    from ..report.render.terminal import render_terminal

    render_terminal(build_document(view), sys.stdout, wants_color(sys.stdout))
    return 0


def _with_comparisons(
    logs: Logs, found: Report, progress: Progress
) -> ReportView:
    from ..report.render.headlines import build_view

    progress.ask("comparisons")
    return build_view(logs, found)


def _write_page(given: argparse.Namespace) -> int:
    from ..report.render.html import chart_script, render_html
    from ..report.render.report_sections import build_document

    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        with Progress() as progress:
            script = pool.submit(
                chart_script
            )  # takes seconds, so does reading
            view = _with_comparisons(
                *run_report(given, stack, progress), progress
            )
            progress.ask("drawing")
            text = render_html(build_document(view), script.result())
        data = text.encode("utf-8", "replace")
        with open(given.html, "wb") as file:
            file.write(data)
    where = os.path.abspath(given.html)
    sys.stderr.write(f"mllog: wrote {where} ({len(data) / 1e6:.1f} MB)\n")
    return 0
