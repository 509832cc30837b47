"""
Why a sink did not answer, in one line, how to mend it, and no secret in it.
"""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...env import SETTINGS
from ...errors import ConfigError, is_secret, masked

__all__ = ["Reason", "Unanswered", "reason_of", "secrets_of"]

_MASK = "***"
_SHORTEST_SECRET = 3
_LONGEST = 300
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
_FIX = re.compile(r"\n\s*fix: (.*)", re.DOTALL)
_EXPECTED = re.compile(r"\n\s*expected: ")
# Where what failed does not say how to mend it
_FIXES = (
    (
        "refused|could not connect",
        "start the server, or mend its host and port",
    ),
    ("already in use", "stop who has the port, or give another one"),
    ("name or service|getaddrinfo|resolve", "mend the name of the host"),
    (
        "timed out|within|silent",
        "see whether a firewall or the server holds it up",
    ),
    ("permission denied", "give this user the right to write there"),
    ("no such file", "make the folder, or mend the path"),
    ("no module named", "install its package, or mend the name"),
    ("unreachable", "mend the host, or the route to it"),
    ("formatting field", "give the formatter defaults, or bind the field"),
)


class Unanswered(Exception):  # noqa: N818 - it is what was to be found out
    """
    The sink did not take the record: says why.
    """


class Reason(NamedTuple):
    """
    What went wrong.

    Args:
        said: What, in one line.

        fix: What to do about it; ``""`` where nobody knows.
    """

    said: str
    fix: str


def reason_of(error: BaseException, secrets: frozenset[str]) -> Reason:
    """
    What *error* says, without any of *secrets*.
    """
    # dictConfig hides the reason behind "Unable to configure handler"
    if type(error) is ValueError and error.__cause__ is not None:
        error = error.__cause__
    text = _text_of(error)
    found = _FIX.search(text)
    said = _FIX.sub("", text)
    said = _EXPECTED.sub("; expected: ", said)
    fix = found[1] if found else _likely_fix(said)
    return Reason(_one_line(said, secrets), _one_line(fix, secrets))


def _text_of(error: BaseException) -> str:
    if isinstance(error, (Unanswered, ConfigError, ImportError)):
        return str(error)
    text = _ERRNO.sub("", str(error)) or type(error).__name__
    is_plain = isinstance(error, OSError) or type(error).__module__.startswith(
        "mllog."
    )
    return text if is_plain else f"{type(error).__name__}: {text}"


def _likely_fix(said: str) -> str:
    for pattern, fix in _FIXES:
        if re.search(pattern, said, re.IGNORECASE):
            return fix
    return ""


def _one_line(text: str, secrets: frozenset[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _MASK)
    line = " ".join(masked(text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


# --- secrets ---


def secrets_of(
    config: Mapping[str, Any] | configparser.ConfigParser,
) -> frozenset[str]:
    """
    What must not be shown: of the configuration, and of the settings.
    """
    found = set(_in(_plain(config)))
    for setting in SETTINGS.values():
        if setting.is_secret:
            try:
                found.add(str(setting.value() or ""))
            except ConfigError:  # it is not set
                continue
    return frozenset(each for each in found if len(each) >= _SHORTEST_SECRET)


def _plain(config: Any) -> Any:
    """
    *config* with the Python in an INI file as what it means.
    """
    if not isinstance(config, configparser.ConfigParser):
        return config
    return {
        name: {key: _literal(config, name, key) for key in config[name]}
        for name in config
    }


def _literal(config: configparser.ConfigParser, name: str, key: str) -> Any:
    try:
        text = config.get(name, key)
        return ast.literal_eval(text) if key in ("kwargs", "args") else text
    except (configparser.Error, ValueError, SyntaxError):
        return config.get(name, key, raw=True)


def _in(value: Any, *, is_hidden: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            name = str(key).lower()
            hides = is_hidden or is_secret(name) or name == "authorization"
            yield from _in(each, is_hidden=hides)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _in(each, is_hidden=is_hidden)
    elif is_hidden and isinstance(value, str) and "://mllog.env." not in value:
        yield value
