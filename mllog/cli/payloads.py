"""
``mllog payloads``: what records point to, fetched into a folder.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import ConfigError
from ..formatters.text import escaped
from ..reading.records import sources_of
from ..s3 import Access
from .fetching import INDEX, Choice, Fetch

__all__ = ["add_to"]

_ABOUT = """\
Fetches the payloads that the index below SOURCE names, each content once, to
FOLDER/payloads, and writes the records that were chosen to FOLDER/index.jsonl;
an index that is there is replaced.  In Python,

    mllog.read("FOLDER", payloads=True)

gives the records back with their values.  What is there already is not
fetched again, so that a call that was interrupted can be repeated.

SOURCE is s3://bucket/prefix of an S3PayloadHandler, or a local copy of it.

Exit status: 0, 1 where a payload is missing or damaged, 2 if it could not be
done."""

_BAD = frozenset({"missing", "damaged", "unreadable"})


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """
    Add the command to *commands*.
    """
    parser = commands.add_parser(
        "payloads", help="fetch the images and tensors that records point to"
    )
    parser.set_defaults(run=_help, parser=parser)
    actions = parser.add_subparsers(title="commands", metavar="")
    get = actions.add_parser(
        "get",
        help="fetch them into a folder",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    get.add_argument("source", metavar="SOURCE", help="s3://bucket/prefix")
    get.add_argument(
        "--to", metavar="FOLDER", required=True, help="made if need be"
    )
    get.add_argument(
        "--where",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="only records with that value; repeat it for several",
    )
    get.add_argument(
        "--field",
        metavar="NAME",
        action="append",
        default=[],
        help="only payloads of that field; repeat it for several",
    )
    get.add_argument("--endpoint-url", metavar="URL", help="the S3 server")
    get.add_argument("--region", metavar="NAME", help="that of the bucket")
    get.add_argument("--profile", metavar="NAME", help="one in ~/.aws")
    get.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be fetched, and write nothing",
    )
    get.set_defaults(run=_get, parser=get)


def _help(given: argparse.Namespace) -> int:
    given.parser.print_help()
    return 0


def _get(given: argparse.Namespace) -> int:
    where = [each.partition("=") for each in given.where]
    for field, equals, _ in where:
        if not field or not equals:
            given.parser.error("--where takes FIELD=VALUE")
    choice = Choice([(each[0], each[2]) for each in where], given.field)
    access = Access(given.endpoint_url, given.region, given.profile)
    sources = sources_of(given.source, access)
    with _showing() as show:
        fetch = Fetch(given.to, choice, show, is_dry=given.dry_run)
        fetch.run(sources)
    if not fetch.indexed:
        raise ConfigError(
            f"{given.source} has no records with payloads",
            expected="the index of an S3PayloadHandler",
            fix="name the bucket and prefix of the handler, or wait until it"
            " has stored something",
        )
    _say(fetch, given)
    return 1 if _BAD & fetch.counts.keys() else 0


# --- what people see ---


@contextlib.contextmanager
def _showing() -> Iterator[Callable[[str], Any]]:
    """
    A line on a terminal that says how far it is.
    """
    if not sys.stderr.isatty():
        yield str
        return
    from rich.console import Console  # not at import: most calls are piped
    from rich.text import Text

    with Console(stderr=True).status("looking for payloads") as status:
        yield lambda text: status.update(Text(text))


_MEANINGS = {
    "fetched": "fetched",
    "present": "present already",
    "shared": "the same as another",
    "sampled_out": "sampled out",
    "too_large": "too large to be stored",
    "failed": "failed to be stored",
    "missing": "missing",
    "damaged": "damaged",
    "unreadable": "unreadable",
}
_FIXES = {
    "missing": "stored later than the index was read, or deleted: try again,"
    " and look at the lifecycle rules of the bucket",
    "damaged": "they are not what was stored: try again, or fetch from the"
    " original bucket",
    "unreadable": "try again, and allow s3:GetObject on the payloads",
}


def _say(fetch: Fetch, given: argparse.Namespace) -> None:
    counts = fetch.counts
    order = [*_MEANINGS, *sorted(counts.keys() - _MEANINGS.keys())]
    said = ", ".join(
        f"{counts[each]} {escaped(_MEANINGS.get(each, each))}"
        for each in order
        if counts[each] or each == "fetched"
    )
    would = "would be written" if given.dry_run else "written"
    sys.stdout.write(
        f"{fetch.records} of {fetch.indexed} records {would} to"
        f" {escaped(os.path.join(given.to, INDEX))}\n"
        f"payloads: {said} ({fetch.bytes} bytes)\n"
    )
    sys.stdout.flush()
    for each, fix in _FIXES.items():
        if counts[each]:
            sys.stderr.write(f"{counts[each]} {each}\n  fix: {fix}\n")
    if fetch.skipped:
        lines = ", ".join(f"{n} {why}" for why, n in fetch.skipped.items())
        sys.stderr.write(f"passed over in the index: {lines}\n")
