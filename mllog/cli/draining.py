"""
``mllog spool drain``: what dead processes left, into a file or to its sink.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import math
import os
import stat
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from ..delivery.handler import ShippingHandler
from ..delivery.spool import Leftover, Spool, adopt, inspect
from ..errors import ConfigError, MllogWarning, nearest
from ..formatters.text import escaped
from . import making
from .leftovers import handler_folders, line_of

if TYPE_CHECKING:
    from ..accounting import DeliveryStats

__all__ = ["add_to"]

_ABOUT = r"""
Takes what processes that died left in the folder of a spool, and

--to FILE|-     appends it to FILE, or writes it to standard output: a line
                per record, oldest first, with line breaks in it as \n
--config FILE   sends it through the handlers of a logging configuration that
                have their spool in DIR, as the next start of the application
                would

A record is removed after FILE holds it on disk, or the sink acknowledged it.
What is left of a drain that was interrupted is there for the next one; what
was written last may then come twice.  Processes that live are left alone.

Exit status: 0 nothing of a dead process is left, 1 something is, or was
damaged or refused, 2 it could not be done."""

_BATCH_RECORDS = 1000
_BATCH_BYTES = 4 << 20
_LOOK_AGAIN_SECONDS = 0.05
_UNSYNCED = frozenset({errno.EINVAL, errno.EROFS, errno.ENOTSUP})


def add_to(actions: argparse._SubParsersAction[Any]) -> None:
    """
    Add the command to *actions*.
    """
    parser = actions.add_parser(
        "drain",
        help="write or send what dead processes left, and remove it",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", metavar="DIR", help="the handler's spool_dir"
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", metavar="FILE", help="a file, or - for stdout")
    target.add_argument(
        "--config", metavar="FILE", help="send it by this configuration"
    )
    parser.add_argument(
        "--handler", metavar="NAME", help="with --config: only this handler"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        help="with --config: how long to try; 60 if not given",
    )
    parser.set_defaults(run=_run, parser=parser)


def _run(given: argparse.Namespace) -> int:
    if given.to and (given.handler or given.timeout is not None):
        given.parser.error("--handler and --timeout are for --config")
    seconds = 60.0 if given.timeout is None else given.timeout
    if not 0 < seconds < math.inf:
        given.parser.error("--timeout takes a number of seconds above 0")
    folders = handler_folders(given.folder)
    if given.config:
        is_right = _send(given.config, given.handler, folders, seconds)
    else:
        is_right = _write(given.to, folders)
    is_left = _say_what_is_left(folders)
    return 0 if is_right and not is_left else 1


def _leftovers(folders: Sequence[str], *, alive: bool) -> list[Leftover]:
    return [
        each
        for folder in folders
        for each in inspect(folder)
        if each.alive == alive
    ]


def _say_what_is_left(folders: Sequence[str]) -> bool:
    """
    Name the processes that live, and what is left of dead ones.
    """
    for each in _leftovers(folders, alive=True):
        _say(
            f"{_owner(each)} lives and is left alone, with"
            f" {each.records} records"
        )
    dead = _leftovers(folders, alive=False)
    for each in dead:
        _say(
            f"{_owner(each)}: {each.records} records are left"
            if each.known
            else f"{_owner(each)} was written by a later version of mllog"
        )
    return bool(dead)


def _owner(leftover: Leftover) -> str:
    return escaped(os.path.basename(leftover.path))


def _say(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"{text}\n")


# --- into a file ---


def _write(to: str, folders: Sequence[str]) -> bool:
    """
    Write all of it; whether nothing was damaged.
    """
    records = damaged = 0
    with _opened(to) as file:
        for each in _adopted(folders):
            try:
                records += _write_one(each, file)
                damaged += each.corrupt
            finally:
                each.close()
    name = "standard output" if to == "-" else escaped(to)
    _say(f"{records} records written to {name}")
    if damaged:
        _say(f"{damaged} records were damaged on the disk, and are lost")
    return not damaged


def _adopted(folders: Sequence[str]) -> Iterator[Spool]:
    with warnings.catch_warnings():
        # a later version's: said at the end
        warnings.simplefilter("ignore", MllogWarning)
        for folder in folders:
            yield from adopt(folder)


@contextlib.contextmanager
def _opened(to: str) -> Iterator[BinaryIO]:
    if to == "-":
        yield sys.stdout.buffer
        return
    flags = (
        os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
    )
    with open(os.open(to, flags, 0o600), "ab") as file:
        yield file


def _write_one(source: Spool, file: BinaryIO) -> int:
    """
    Write what one process left, and acknowledge what the disk has.
    """
    for_people = file is sys.stdout.buffer and sys.stdout.isatty()
    records = 0
    while entries := source.read(_BATCH_RECORDS, _BATCH_BYTES):
        lines = [line_of(entry) for entry in entries]
        if for_people:
            lines = [_harmless(line) for line in lines]
        _append(file, b"".join(line + b"\n" for line in lines))
        source.ack(len(entries))
        records += len(entries)
    return records


def _harmless(line: bytes) -> bytes:
    """
    *line* for a terminal, which it cannot drive.
    """
    return escaped(line.decode("utf-8", "backslashreplace")).encode()


def _append(file: BinaryIO, data: bytes) -> None:
    """
    Write *data* so that it is on disk, or not at all.
    """
    fd = file.fileno()
    status = os.fstat(fd)
    is_file = stat.S_ISREG(status.st_mode)
    try:
        file.write(data)
        file.flush()
        _sync(fd)
    except OSError:
        if is_file:  # else the next attempt would write it behind a fragment
            with contextlib.suppress(OSError):
                os.ftruncate(fd, status.st_size)
        raise


def _sync(fd: int) -> None:
    try:
        os.fsync(fd)
    except OSError as exc:
        if exc.errno not in _UNSYNCED:  # a pipe has no disk
            raise


# --- to its sink ---


def _send(
    config: str, name: str | None, folders: Sequence[str], seconds: float
) -> bool:
    """
    Send all of it by the handlers of *config*; whether none was lost.
    """
    deadline = time.monotonic() + seconds
    handlers = _fitting(making.shippers(config), name, folders, config)
    waited = [
        each
        for each in _leftovers(folders, alive=False)
        if each.known and _is_of(each, handlers)
    ]
    for handler in handlers:
        handler.start()
    while time.monotonic() < deadline:
        if not any(os.path.exists(each.path) for each in waited):
            break
        time.sleep(_LOOK_AGAIN_SECONDS)
    results = []
    for handler in handlers:
        handler.close(max(0.0, min(5.0, deadline - time.monotonic())))
        results.append(_reported(handler.name or "", handler.stats()))
    return all(results)


def _fitting(
    found: Sequence[ShippingHandler],
    name: str | None,
    folders: Sequence[str],
    config: str,
) -> list[ShippingHandler]:
    """
    Those of *found* whose spool is one of *folders*.

    Raises:
        ConfigError: There is none.
    """
    names = [each.name or "" for each in found]
    if name is not None and name not in names:
        near = nearest(name, names)
        raise ConfigError(
            f"{config} has no shipping handler called {name!r}",
            expected="one of " + ", ".join(names) if names else "",
            fix=f"write {near}" if near else "",
        )
    if name is not None:
        found = [each for each in found if each.name == name]
    real = {os.path.realpath(folder) for folder in folders}
    fitting = [
        each
        for each in found
        if each.spool_folder and os.path.realpath(each.spool_folder) in real
    ]
    if not fitting:
        theirs = sorted({each.spool_folder for each in found} - {""})
        raise ConfigError(
            f"no handler of {config} has its spool here",
            expected="one of " + ", ".join(theirs)
            if theirs
            else "handlers with spool and spool_dir",
            fix="name the spool_dir of the configuration, or use --to",
        )
    return fitting


def _is_of(leftover: Leftover, handlers: Sequence[ShippingHandler]) -> bool:
    folder = os.path.realpath(os.path.dirname(leftover.path))
    return any(
        os.path.realpath(handler.spool_folder) == folder
        for handler in handlers
    )


def _reported(name: str, found: DeliveryStats) -> bool:
    """
    Say what became of the records; whether none was lost.
    """
    lost = sum(found.dropped.values())
    text = f"{escaped(name)}: {found.sent} records sent"
    if found.dead_lettered:
        text += f", {found.dead_lettered} to the dead letters"
    if lost:
        reasons = ", ".join(
            f"{count} {reason}" for reason, count in found.dropped.items()
        )
        text += f", lost: {reasons}"
    _say(text)
    return not lost
