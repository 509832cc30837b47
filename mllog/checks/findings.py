"""
One mistake and its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError, masked
from ..formatters.text import escaped
from .lines import Lines, Path

__all__ = ["Finding", "Places", "Report", "Severity"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """
    What is wrong, where, and how to mend it.

    Args:
        severity: ``error``: logging refuses it, or a part of it is lost or
            without effect.  ``warning``: it runs, but not as it may be meant.

        place: File, line and key: ``log.ini:12 [handler_file] maxBytes``,
            ``log.json:9 handlers.file.maxBytes``.

        problem: What is wrong.

        fix: What to do; may be empty.
    """

    severity: Severity
    place: str
    problem: str
    fix: str = ""

    def __post_init__(self) -> None:
        # frozen; they may quote a value of the configuration
        object.__setattr__(self, "problem", masked(self.problem))
        object.__setattr__(self, "fix", masked(self.fix))

    def __str__(self) -> str:
        fix = f"; fix: {self.fix}" if self.fix else ""
        return escaped(f"{self.place}: {self.severity}: {self.problem}{fix}")


class Places:
    """
    How the paths inside a configuration are written for its reader.
    """

    def __init__(self, name: str, lines: Lines, *, is_ini: bool) -> None:
        self._name = name
        self._lines = lines
        self._is_ini = is_ini

    def line(self, path: Path) -> int:
        """
        The line of *path*, or of what it stands in; 0 if unknown.
        """
        for end in range(len(path), 0, -1):
            if path[:end] in self._lines.numbers:
                return self._lines.numbers[path[:end]]
        return 0

    def text(self, path: Path) -> str:
        """
        *path* with file and line.
        """
        line = self.line(path)
        head = f"{self._name}:{line}" if self._name and line else self._name
        where = self._in_ini(path) if self._is_ini else _dotted(path)
        return " ".join(filter(None, (head, where))) or "configuration"

    def _in_ini(self, path: Path) -> str:
        if len(path) < 2:
            return "".join(f"[{section}]" for section in path)
        return f"[{path[0]}] {self._lines.spelled.get(path[:2], path[1])}"


def _dotted(path: Path) -> str:
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = f'"{step}"' if "." in step or not step else step
            text += f".{name}" if text else name
    return text


class Report:
    """
    The findings so far.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._found: list[tuple[int, Finding]] = []

    def error(self, path: Path, problem: str, fix: str = "") -> None:
        """
        Add what logging refuses or silently leaves out.
        """
        self._add("error", path, problem, fix)

    def warning(self, path: Path, problem: str, fix: str = "") -> None:
        """
        Add what runs, but may not be meant.
        """
        self._add("warning", path, problem, fix)

    def refused(self, path: Path, error: ConfigError, about: str = "") -> None:
        """
        Add what a parser of mllog said about a value.
        """
        expected = f"expected {error.expected}" if error.expected else ""
        head = f"{about}: " if about else ""
        self.error(path, f"{head}{error.problem}", error.fix or expected)

    def outside(self, place: str, problem: str, fix: str) -> None:
        """
        Add an error that is not in the configuration, but around it.
        """
        self._found.append((0, Finding("error", place, problem, fix)))

    def findings(self) -> list[Finding]:
        """
        All findings, by line.
        """
        ordered = sorted(self._found, key=lambda found: found[0])
        return list(dict.fromkeys(finding for _, finding in ordered))

    def _add(
        self, severity: Severity, path: Path, problem: str, fix: str
    ) -> None:
        place = self._places.text(path)
        self._found.append(
            (
                self._places.line(path),
                Finding(severity, place, problem, fix),
            )
        )
