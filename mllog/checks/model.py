"""
What a configuration sets up, in one form for ``dictConfig`` and INI.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from .. import env
from ..errors import ConfigError
from . import classes
from .lines import Path

__all__ = [
    "UNKNOWN",
    "Kind",
    "Lines",
    "Logger",
    "Part",
    "Reference",
    "Setup",
    "Unknown",
    "archives_in",
    "is_known",
    "nested",
    "resolved",
    "texts",
    "value_of",
    "walk",
]

Kind = Literal["handlers", "formatters", "filters"]

_PROTOCOL = re.compile(r"(?:ext|cfg)://.*", re.DOTALL)
_SETTING = re.compile(r"ext://mllog\.env\.([A-Z0-9_]+)")
_CONSTANTS = {
    f"ext://socket.{kind.name}": kind
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)
}


class Unknown:
    """
    A value that is only known when the configuration runs.
    """


UNKNOWN: Final = Unknown()


def value_of(value: Any) -> Any:
    """
    What an option will be given, or UNKNOWN.
    """
    if isinstance(value, str) and _PROTOCOL.fullmatch(value):
        if value in _CONSTANTS:
            return _CONSTANTS[value]
        match = _SETTING.fullmatch(value)
        if not match or match[1] not in env.SETTINGS:
            return UNKNOWN
        try:
            return env.SETTINGS[match[1]].value()
        except ConfigError:  # said by environment.check_references
            return UNKNOWN
    return value


def resolved(value: Any) -> Any:
    """
    *value* with what ``ext://`` in it means; UNKNOWN where that is not known.
    """
    if isinstance(value, Mapping):
        return {key: resolved(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolved(inner) for inner in value]
    return value_of(value)


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Any, Path]]:
    """
    *value* and everything in it, with paths; what YAML aliases, only once.
    """
    seen: set[int] = set()
    left = [(value, path)]
    while left:
        value, path = left.pop()
        if isinstance(value, (Mapping, list, tuple)):
            if id(value) in seen:
                continue
            seen.add(id(value))
            left += [(inner, (*path, key)) for key, inner in _items(value)]
        yield value, path


def _items(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        return [(str(key), inner) for key, inner in value.items()]
    return list(enumerate(value))


def texts(value: Any) -> Iterator[tuple[str, Path]]:
    """
    Every text in *value*, with its path.
    """
    return (each for each in walk(value) if isinstance(each[0], str))


def is_known(value: Any) -> bool:
    """
    Whether nothing in *value* is only known when it runs.
    """
    return not any(isinstance(each, Unknown) for each, _ in walk(value))


@dataclass(frozen=True)
class Reference:
    """
    The name of something that is defined elsewhere, and its place.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class Part:
    """
    A handler, formatter or filter.

    Args:
        kind: Which of these.

        name: As it is referred to; ``""`` for one inside another's options.

        path: Its place.

        class_name: The dotted name that makes it.

        cls: The class, if it is logging's or ours.

        options: Arguments by name.

        places: Where options stand that do not stand under *path*.

        is_complete: Whether *options* are all there are.

        formatter: The formatter of a handler.

        filters: The filters of a handler.

        targets: Handlers that this handler hands records to.

        level: Of a handler; None is only known when it runs.
    """

    kind: Kind
    name: str
    path: Path
    class_name: str = ""
    cls: type | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, Path] = field(default_factory=dict)
    is_complete: bool = True
    formatter: Reference | None = None
    filters: tuple[Reference, ...] = ()
    targets: tuple[Reference, ...] = ()
    level: int | None = logging.NOTSET

    @property
    def is_ours(self) -> bool:
        """
        Whether its class is one of mllog.
        """
        return self.cls is not None and self.cls.__module__.startswith("mllog")

    @property
    def label(self) -> str:
        """
        The class's own name.
        """
        return self.class_name.rpartition(".")[2] or self.kind[:-1]

    def is_a(self, *names: str) -> bool:
        """
        Whether the class is, or extends, one of logging's or mllog's *names*.
        """
        mro = self.cls.__mro__ if self.cls else ()
        return any(base.__name__ in names for base in mro)

    def place(self, option: str) -> Path:
        """
        Where *option* stands.
        """
        return self.places.get(option, (*self.path, option))

    def get(self, option: str, default: Any = None) -> Any:
        """
        The value of *option*.
        """
        return self.options.get(option, default)


@dataclass(frozen=True)
class Logger:
    """
    A logger; the root's name is ``""``.

    Its level is None where it is only known when the configuration runs.
    """

    name: str
    path: Path
    handlers: tuple[Reference, ...] = ()
    filters: tuple[Reference, ...] = ()
    propagates: bool = True
    level: int | None = logging.NOTSET


class Lines:
    """
    Loggers with the ones above them.

    Args:
        loggers: All that are configured.
    """

    def __init__(self, loggers: Iterable[Logger]) -> None:
        self._by_name = {each.name: each for each in loggers}
        self._lengths = sorted(set(map(len, self._by_name)), reverse=True)

    def of(self, name: str) -> Iterator[Logger]:
        """
        The configured loggers among *name* and its parents, up to the root.
        """
        for length in self._lengths:
            is_end = (
                length in (0, len(name)) or name[length : length + 1] == "."
            )
            if is_end and (above := name[:length]) in self._by_name:
                yield self._by_name[above]

    def way(self, name: str) -> Iterator[Logger]:
        """
        Those of them that a record of *name* goes through.
        """
        for logger in self.of(name):
            yield logger
            if not logger.propagates:
                return


@dataclass
class Setup:
    """
    All that one configuration makes.

    Args:
        handlers: By name; so are formatters and filters.

        loggers: With the root among them.

        used: Names that ``cfg://`` refers to.

        is_incremental: Whether it only changes levels.

        metrics: What stands at the top of it under ``metrics``.
    """

    handlers: dict[str, Part] = field(default_factory=dict)
    formatters: dict[str, Part] = field(default_factory=dict)
    filters: dict[str, Part] = field(default_factory=dict)
    loggers: list[Logger] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    is_incremental: bool = False
    metrics: Any = None

    def parts(self) -> Iterator[Part]:
        """
        Every part, and those inside the options of handlers.
        """
        yield from self.formatters.values()
        yield from self.filters.values()
        for handler in self.handlers.values():
            yield handler
            if handler.is_ours:
                yield from _filters_in(handler)
                yield from archives_in(handler)
                yield from self._formatter_in(handler)

    def _formatter_in(self, handler: Part) -> Iterator[Part]:
        """
        The formatter that *formatter_options* make or change.
        """
        given = handler.get("formatter_options")
        if not isinstance(given, Mapping):
            return
        part = nested("formatters", given, handler.place("formatter_options"))
        if part.class_name:
            yield part
        elif handler.formatter and handler.formatter.name in self.formatters:
            changed = self.formatters[handler.formatter.name]
            yield Part(
                "formatters",
                "",
                part.path,
                changed.class_name,
                changed.cls,
                part.options,
                is_complete=False,
            )


def _filters_in(handler: Part) -> Iterator[Part]:
    """
    The filters that the option *filters* makes from plain data.
    """
    given = handler.get("filters")
    specs = given if isinstance(given, (list, tuple)) else [given]
    for index, spec in enumerate(specs):
        path = (*handler.place("filters"), index)
        if isinstance(spec, Mapping):
            yield nested("filters", spec, path)
        elif isinstance(spec, str):
            yield nested("filters", {"class": spec}, path)


def archives_in(handler: Part) -> Iterator[Part]:
    """
    What *on_rotate* makes from plain data.
    """
    given = handler.get("on_rotate")
    if isinstance(given, Mapping):
        yield nested("handlers", given, handler.place("on_rotate"))


def nested(kind: Kind, spec: Mapping[str, Any], path: Path) -> Part:
    """
    What ``{"class": …, option: …}`` in the options of a handler makes.
    """
    given = {str(key): value_of(value) for key, value in spec.items()}
    name = given.pop("class", None)
    if name is None and kind != "formatters":
        name = given.pop("()", None)
    dotted = name if isinstance(name, str) else ""
    return Part(kind, "", path, dotted, classes.find(dotted), given)
