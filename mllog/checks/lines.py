"""
The line on which each key of a configuration file stands.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import MissingPackageError, require

__all__ = ["Lines", "Path", "lines_of"]

#: The keys and indexes that lead to a value; in INI, section and key.
Path = tuple[str | int, ...]

_JSON = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]|\n|[^\s"{}\[\],:]+')
_SECTION = re.compile(r"\[([^\]]+)\]")
_KEY = re.compile(r"([^\s#;=:\[][^=:]*?)\s*[=:]")
_TABLE = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(?:#.*)?")
_ENTRY = re.compile(r"""\s*([\w.\-"' ]+?)\s*=""")
_STEP = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([\w\-]+))\s*(?:\.|$)""")


@dataclass
class Lines:
    """
    Where the keys of one file are.

    Args:
        numbers: Line of each path, from 1.

        spelled: INI keys as they are written, for they are read in lower case.

        repeated: Paths of keys that stand twice in one mapping.
    """

    numbers: dict[Path, int] = field(default_factory=dict)
    spelled: dict[Path, str] = field(default_factory=dict)
    repeated: list[Path] = field(default_factory=list)

    def add(self, path: Path, line: int) -> None:
        """
        Note that the key of *path* stands on *line*.
        """
        if path in self.numbers:
            self.repeated.append(path)
        self.numbers[path] = line


def lines_of(text: str, name: str) -> Lines:
    """
    The lines of *text*, which has been read without an error.
    """
    ending = os.path.splitext(name)[1].lower()
    found = Lines()
    if text:
        _READERS.get(ending, _of_ini)(text, found)
    return found


def _of_ini(text: str, found: Lines) -> None:
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if match := _SECTION.match(line):
            section = match[1]
            found.add((section,), number)
        elif match := _KEY.match(line):
            path = (section, match[1].lower())
            found.add(path, number)
            found.spelled[path] = match[1]


def _of_json(text: str, found: Lines) -> None:
    line = 1
    path: list[Any] = []
    opened: list[str] = []
    at_key = False
    for word in _JSON.findall(text):
        if word == "\n":
            line += 1
        elif word in "}]":
            path.pop()
            opened.pop()
            at_key = False
        elif word == ",":
            at_key = opened[-1] == "{"
            if not at_key:
                path[-1] += 1
        elif at_key:
            path[-1] = json.loads(word)
            found.add(tuple(path), line)
            at_key = False
        else:
            if opened and opened[-1] == "[":
                found.numbers[tuple(path)] = line
            if word in "{[":
                opened.append(word)
                at_key = word == "{"
                path.append("" if at_key else 0)


def _of_toml(text: str, found: Lines) -> None:
    table: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.fullmatch(line):
            table = _steps(match[1])
            found.numbers[table] = number
        elif match := _ENTRY.match(line):
            found.numbers.setdefault((*table, *_steps(match[1])), number)


def _steps(dotted: str) -> Path:
    return tuple("".join(step) for step in _STEP.findall(dotted))


def _of_yaml(text: str, found: Lines) -> None:
    try:
        yaml = require("yaml", "yaml")
    except MissingPackageError:  # then it could not have been read either
        return
    _of_node(yaml.compose(text, Loader=yaml.SafeLoader), (), found, set())


def _of_node(node: Any, path: Path, found: Lines, seen: set[int]) -> None:
    """
    Note *node* and what is in it; an alias only where it is first met.
    """
    if id(node) in seen or not isinstance(node.value, list):
        return
    seen.add(id(node))
    if node.id == "mapping":
        for key, value in node.value:
            inner = (*path, str(key.value))
            found.add(inner, key.start_mark.line + 1)
            _of_node(value, inner, found, seen)
    else:
        for index, value in enumerate(node.value):
            inner = (*path, index)
            found.numbers[inner] = value.start_mark.line + 1
            _of_node(value, inner, found, seen)


_READERS: dict[str, Callable[[str, Lines], None]] = {
    ".json": _of_json,
    ".toml": _of_toml,
    ".yaml": _of_yaml,
    ".yml": _of_yaml,
}
