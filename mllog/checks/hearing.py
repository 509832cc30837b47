"""
Whether summaries and drift hear the records, and are heard themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final, NamedTuple

from ..metrics.saying import DRIFT, SUMMARY
from .findings import Report
from .model import Logger, Part, Setup

__all__ = ["check"]

# Handlers to which a summary or a drift says nothing
_DEAF = (
    "SummaryHandler",
    "DriftHandler",
    "LatencyCSVHandler",
    "S3PayloadHandler",
    "NullHandler",
)
_OWN: Final = frozenset({SUMMARY, DRIFT})
# A logger that no configuration names, at the level that it has by itself
_ROOT: Final = Logger("", ("root",), level=logging.WARNING)


class _Voice(NamedTuple):
    """
    What a handler says: to which logger, at which level, and what it is.
    """

    logger: str
    level: int
    said: str


_VOICES: Final = {
    "SummaryHandler": _Voice(SUMMARY, logging.INFO, "summaries"),
    "DriftHandler": _Voice(DRIFT, logging.WARNING, "warnings of drift"),
}


def check(setup: Setup, report: Report) -> None:
    """
    Report levels and places where nothing is measured, or nothing is said.
    """
    if setup.is_incremental:
        return
    for part in setup.handlers.values():
        for kind, voice in _VOICES.items():
            homes = [each for each in setup.loggers if _has(each, part)]
            if part.is_a(kind) and homes:
                silent = _check_ears(part, homes, setup, report)
                _check_voice(part, voice, silent, setup, report)
                _check_place(part, homes, report)


def _has(logger: Logger, part: Part) -> bool:
    return any(each.name == part.name for each in logger.handlers)


def _check_ears(
    part: Part, homes: list[Logger], setup: Setup, report: Report
) -> Logger | None:
    """
    Report a level that keeps what is logged at INFO from the handler.

    Returns:
        The logger whose level it is, if it is that of a logger.
    """
    if part.level is not None and part.level > logging.INFO:
        report.warning(
            (*part.path, "level"),
            f"{part.label} at {_name(part.level)} measures nothing of what is"
            " logged at INFO",
            "take its level out",
        )
        return None
    for home in homes:
        heard = [
            _judge(each.name, setup)
            for each in setup.loggers
            if each.name not in _OWN and home in _way(each.name, setup)
        ]
        levels = [judge.level for judge in heard]
        lowest = min((each for each in levels if each is not None), default=0)
        if None not in levels and lowest > logging.INFO:
            judge = _judge(home.name, setup)
            report.warning(
                _place(judge),
                f"{_title(judge)} is at {_name(lowest)}: what is logged at"
                f" INFO does not get to {part.label}",
                "write INFO there; a handler that is to have less gets a"
                " level of its own",
            )
            return judge
    return None


def _check_voice(
    part: Part,
    voice: _Voice,
    silent: Logger | None,
    setup: Setup,
    report: Report,
) -> None:
    """
    Report a handler whose records nobody gets.
    """
    judge = _judge(voice.logger, setup)
    if judge.level is None or judge == silent:
        return
    if judge.level > voice.level:
        report.warning(
            _place(judge),
            f"{_title(judge)} is at {_name(judge.level)}: {voice.said} of"
            f" {part.label}, which are logged to {voice.logger} at"
            f" {_name(voice.level)}, do not appear",
            f"give {voice.logger} the level {_name(voice.level)}",
        )
    elif not any(
        _takes(setup.handlers.get(reference.name), voice.level)
        for logger in _way(voice.logger, setup)
        for reference in logger.handlers
    ):
        report.warning(
            part.path,
            f"no handler gets the {voice.said} of {part.label}: they are"
            f" logged to {voice.logger} at {_name(voice.level)}",
            f"give {voice.logger} or the root logger a handler that writes"
            " them",
        )


def _takes(part: Part | None, level: int) -> bool:
    if part is None:  # said by wiring
        return True
    return not part.is_a(*_DEAF) and (
        part.level is None or part.level <= level
    )


def _check_place(part: Part, homes: list[Logger], report: Report) -> None:
    """
    Report a handler on a logger whose records it never reads.
    """
    for home in homes:
        is_deaf = home.name in ("mllog", *_OWN)
        if home.name == DRIFT and part.is_a("SummaryHandler"):
            is_deaf = False  # there it is meant
        if is_deaf:
            report.warning(
                home.path,
                f"{part.label} on {home.name} hears only records of mllog,"
                " which it does not read",
                "put it on the root logger, or on one of the application",
            )


def _judge(name: str, setup: Setup) -> Logger:
    """
    The logger whose level is that of *name*.
    """
    last = _ROOT
    for logger in _line(name, setup):
        if logger.level != logging.NOTSET:
            return logger
        last = logger
    return _ROOT if last.name else last


def _way(name: str, setup: Setup) -> Iterator[Logger]:
    """
    The configured loggers that a record of *name* goes through.
    """
    for logger in _line(name, setup):
        yield logger
        if not logger.propagates:
            return


def _line(name: str, setup: Setup) -> Iterator[Logger]:
    """
    The configured loggers among *name* and its parents.
    """
    by_name = {logger.name: logger for logger in setup.loggers}
    parts = name.split(".") if name else []
    for end in range(len(parts), -1, -1):
        if (each := ".".join(parts[:end])) in by_name:
            yield by_name[each]


def _title(logger: Logger) -> str:
    return logger.name or "the root logger"


def _place(logger: Logger) -> tuple[str | int, ...]:
    return (*logger.path, "level")


def _name(level: int) -> str:
    return str(logging.getLevelName(level))
