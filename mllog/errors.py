"""
Every exception and warning that mllog raises.

::

    MllogError(Exception)
    ├── ConfigError(TypeError, ValueError)       an option, a value or a file that cannot work
    │   └── PresetNotFoundError(LookupError)     no preset of that name
    ├── EventError(ValueError)                   a record that no event can be made of
    └── MissingPackageError(ImportError)         an optional package is not installed
    MllogWarning(UserWarning)                    works, but not as the configuration seems to mean

Nothing here is raised by a log call: what goes wrong there is counted
(``handler.stats()``) and reported on standard error.
"""

from __future__ import annotations

import copyreg
import importlib
import re
from collections.abc import Iterable
from itertools import islice
from types import ModuleType
from typing import Any

__all__ = [
    "ConfigError",
    "EventError",
    "MissingPackageError",
    "MllogError",
    "MllogWarning",
    "PresetNotFoundError",
    "is_secret",
    "masked",
    "nearest",
    "require",
    "shown",
]

_MOST_NAMES = 200
_LONGEST_NAME = 100
_SECRET = re.compile(
    r"pass(word|wd|phrase)?|pwd|secret|token|(api|access|account)[_-]?key"
    r"|credential|private[_-]?key|authorization|cookie|connection_?string",
    re.IGNORECASE,
)
_MASK = "***"
_DEEPEST = 4
# of an address: who may be anybody, and all before the last @ of a word where
# no port can be
_USERINFO = re.compile(
    r"(?<=://)(?:[^\s/?#\"'<>]+(?=@)"
    r"|[^\s/?#\"'<>@:[]*:(?!\d{1,5}(?:[/?#]|$))[^\s\"'<>]+(?=@))"
)
# without a scheme, as in user:password@host:9092
_PLACE = re.compile(
    r"(?<![\w/.:@%+-])[\w.+%-]+:(?!//)[^\s\"'<>/@]+(?=@[\w\[])"
)
# what urllib takes for a port, and quotes
_PORT = re.compile(
    r"(\bport\b[^'\"\r\n]{0,60}['\"])[^'\"\r\n]*(?=@)", re.IGNORECASE
)
_PARAMETER = re.compile(
    r"([?&;][\w.%-]{0,64}?(?:token|key|secret|passw|pwd|sig|credential|auth)"
    r"[\w.%-]{0,64}=)[^&;\s\"'<>]+",
    re.IGNORECASE,
)
# the whole of a value that is an address, whatever the password is made of
_ADDRESS = re.compile(
    r"\A([a-zA-Z][\w+.-]*:/{1,2})"
    r"(?=[^/@[]*(?:@|:(?!\d{1,5}(?:[/?#]|$)))).*@",
    re.DOTALL,
)
_BARE_ADDRESS = re.compile(
    r"\A(?![a-zA-Z][\w+.-]*:/)(?=[^/@:\s]+:\S).*@", re.DOTALL
)


class MllogError(Exception):
    """
    Base of every exception of mllog.

    Guarantee:
        It can be pickled and copied, so that it arrives where a process of a
        pool raised it.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own gives the text to __init__, which wants more
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class ConfigError(MllogError, TypeError, ValueError):
    """
    A configuration that cannot work: says what, what was expected, how to mend.

    It is a ValueError for callers, and a TypeError because ``dictConfig``
    offers a formatter its ``format`` as ``fmt`` only after a TypeError.

    Args:
        problem: What failed, with the value.

        expected: What would have been right.

        fix: What to do about it.

        owner: The class or file whose configuration it is.
    """

    def __init__(
        self,
        problem: str,
        *,
        expected: str = "",
        fix: str = "",
        owner: str = "",
    ) -> None:
        problem = masked(problem)
        super().__init__(problem)
        self.problem = problem
        self.expected = expected
        self.fix = masked(fix)
        self.owner = owner

    def __str__(self) -> str:
        head = f"{self.owner}: {self.problem}" if self.owner else self.problem
        return _lines(head, self.expected, self.fix)


class PresetNotFoundError(ConfigError, LookupError):
    """
    No preset has that name.
    """


class EventError(MllogError, ValueError):
    """
    A record that no right event can be made of: says which field, and why.

    A handler counts such a record as dropped, and reports it.

    Args:
        field: The field that is missing or wrong.

        problem: What is wrong with it, with its value.

        expected: What would have been right.

        fix: What to do about it.
    """

    def __init__(
        self, field: str, problem: str, *, expected: str = "", fix: str = ""
    ) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem
        self.expected = expected
        self.fix = fix

    def __str__(self) -> str:
        return _lines(self.problem, self.expected, self.fix)


class MissingPackageError(MllogError, ImportError):
    """
    A package that an option needs is not installed.

    Args:
        package: The import name that was not found.

        extra: The extra of mllog-handlers that installs it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"the package {package} is not installed\n"
            f"  fix: pip install 'mllog-handlers[{extra}]'",
            name=package,
        )
        self.package = package
        self.extra = extra

    def __reduce__(self) -> tuple[Any, ...]:
        # what ImportError keeps of its own is set by __init__ alone
        return type(self), (self.package, self.extra), self.__dict__


class MllogWarning(UserWarning):
    """
    Something works, but not as the configuration seems to mean it.
    """


def _lines(problem: str, expected: str, fix: str) -> str:
    lines = [problem]
    if expected:
        lines.append(f"  expected: {expected}")
    if fix:
        lines.append(f"  fix: {fix}")
    return "\n".join(lines)


def require(package: str, extra: str) -> ModuleType:
    """
    Import *package*, or say which extra installs it.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as exc:
        missing = exc.name or ""
        if package == missing or package.startswith(f"{missing}."):
            raise MissingPackageError(package, extra) from exc
        raise


def nearest(name: str, known: Iterable[str]) -> str:
    """
    The known name that *name* was most likely meant to be, or ``""``.

    So few names are looked at, and so short ones, that a file full of
    mistakes takes no quadratic time.
    """
    import difflib  # not at import: 2 ms that only a mistake needs

    if len(name) > _LONGEST_NAME:
        return ""
    by_folded = {
        candidate.casefold().replace("_", ""): candidate
        for candidate in islice(known, _MOST_NAMES)
        if len(candidate) <= _LONGEST_NAME
    }
    folded = name.casefold().replace("_", "")
    matches = difflib.get_close_matches(folded, by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else ""


def is_secret(option: str) -> bool:
    """
    Whether the value of an option is nobody's business, by its name.
    """
    return _SECRET.search(option) is not None


def masked(text: str) -> str:
    """
    *text* without the passwords and keys of addresses in it.
    """
    if "@" in text:
        text = _USERINFO.sub(_MASK, text)
        text = _PLACE.sub(_MASK, text)
        text = _PORT.sub(rf"\1{_MASK}", text)
    return _PARAMETER.sub(rf"\1{_MASK}", text) if "=" in text else text


def shown(option: str, value: Any) -> str:
    """
    ``option=value`` for a message: short, and never a secret.
    """
    if is_secret(option):
        return f"{option}={_MASK}"
    try:
        text = masked(repr(_hidden(value)))
    except Exception:
        text = _kind(value)
    return f"{option}={text if len(text) <= 80 else text[:77] + '...'}"


def _hidden(value: Any, levels: int = _DEEPEST) -> Any:
    """
    *value* with a mask for what nobody shall see, by its name or its look.
    """
    if isinstance(value, str):
        value = _ADDRESS.sub(rf"\1{_MASK}@", value)
        return _BARE_ADDRESS.sub(f"{_MASK}@", value)
    if levels <= 0:
        return value
    if isinstance(value, dict):
        return {
            key: _MASK
            if isinstance(key, str) and is_secret(key)
            else _hidden(each, levels - 1)
            for key, each in value.items()
        }
    if type(value) in (list, tuple):
        return type(value)(_hidden(each, levels - 1) for each in value)
    return value


def _kind(value: Any) -> str:
    try:
        return f"<{type(value).__name__}>"
    except Exception:  # a metaclass can forbid even this
        return "<object>"
