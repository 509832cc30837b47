"""
Whether summaries and drift hear the records, and are heard themselves.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Final, NamedTuple

from ..metrics.saying import DRIFT, SUMMARY
from .findings import Report
from .model import Lines, Logger, Part, Setup

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
    tree = _Tree(setup)
    for part in setup.handlers.values():
        for kind, voice in _VOICES.items():
            homes = tree.homes.get(part.name)
            if part.is_a(kind) and homes:
                silent = _check_ears(part, homes, tree, report)
                _check_voice(part, voice, silent, tree, report)
                _check_place(part, homes, report)


class _Tree:
    """
    The loggers of a configuration, each looked at once.

    Attributes:
        homes: The loggers that a handler is on, by its name.

        levels: By the name of a logger, the levels of those whose records it
            gets; None is only known when it runs.
    """

    def __init__(self, setup: Setup) -> None:
        self._lines = Lines(setup.loggers)
        self._handlers = setup.handlers
        self.homes: dict[str, list[Logger]] = defaultdict(list)
        self.levels: dict[str, list[int | None]] = defaultdict(list)
        self._heard: dict[_Voice, bool] = {}
        for logger in setup.loggers:
            for name in dict.fromkeys(each.name for each in logger.handlers):
                self.homes[name].append(logger)
            if logger.name not in _OWN:
                level = self.judge(logger.name).level
                for each in self._lines.way(logger.name):
                    self.levels[each.name].append(level)

    def judge(self, name: str) -> Logger:
        """
        The logger whose level is that of *name*.
        """
        last = _ROOT
        for logger in self._lines.of(name):
            if logger.level != logging.NOTSET:
                return logger
            last = logger
        return _ROOT if last.name else last

    def is_heard(self, voice: _Voice) -> bool:
        """
        Whether a handler gets what a voice says.
        """
        if voice not in self._heard:
            self._heard[voice] = any(
                _takes(self._handlers.get(reference.name), voice.level)
                for logger in self._lines.way(voice.logger)
                for reference in logger.handlers
            )
        return self._heard[voice]


def _check_ears(
    part: Part, homes: list[Logger], tree: _Tree, report: Report
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
        levels = tree.levels[home.name]
        lowest = min((each for each in levels if each is not None), default=0)
        if None not in levels and lowest > logging.INFO:
            judge = tree.judge(home.name)
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
    tree: _Tree,
    report: Report,
) -> None:
    """
    Report a handler whose records nobody gets.
    """
    judge = tree.judge(voice.logger)
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
    elif not tree.is_heard(voice):
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


def _title(logger: Logger) -> str:
    return logger.name or "the root logger"


def _place(logger: Logger) -> tuple[str | int, ...]:
    return (*logger.path, "level")


def _name(level: int) -> str:
    return str(logging.getLevelName(level))
