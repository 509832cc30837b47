"""
The values of options: what configuration files hand over becomes what is meant.

Every parser takes the option's name and its value, and raises a ConfigError
that names both.  ``fileConfig`` and the environment know only strings, so
each of them accepts strings (``"10MB"``, ``"true"``, ``"a, b"``).
"""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from .errors import ConfigError, nearest, shown

__all__ = [
    "boolean",
    "checked",
    "choice",
    "constructors",
    "integer",
    "known_to",
    "level",
    "load",
    "made",
    "mapping",
    "names",
    "names_of",
    "number",
    "optional",
    "rebuild",
    "refuse_unknown",
    "size",
    "text",
]

P = ParamSpec("P")
T = TypeVar("T")

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})
_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)\s*", re.IGNORECASE)


def size(option: str, value: Any) -> int:
    """
    A number of bytes: ``10485760``, ``"10MB"`` (10⁷) or ``"10MiB"`` (10 x 2²⁰).
    """
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match and (unit := _UNITS.get(match[2].upper())) is not None:
            return int(float(match[1]) * unit)
    elif (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and 0 <= value < math.inf
    ):
        return int(value)
    raise ConfigError(
        shown(option, value),
        expected='a number of bytes, or text such as "10MB" or "64KiB"',
    )


def integer(option: str, value: Any, *, minimum: int = 0) -> int:
    """
    A whole number that is at least *minimum*.
    """
    try:
        if isinstance(value, bool):
            raise ValueError
        whole = int(value)
        if whole < minimum or not (isinstance(value, str) or whole == value):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(
            shown(option, value),
            expected=f"a whole number, {minimum} or more",
        ) from None
    return whole


def number(option: str, value: Any, *, above: float = 0.0) -> float:
    """
    A finite number greater than *above*.
    """
    try:
        if isinstance(value, bool):
            raise ValueError
        real = float(value)
        if not math.isfinite(real) or real <= above:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(
            shown(option, value), expected=f"a number greater than {above:g}"
        ) from None
    return real


def boolean(option: str, value: Any) -> bool:
    """
    True or False, also as ``"true"``, ``"yes"``, ``"on"``, ``"1"`` and opposites.
    """
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ConfigError(shown(option, value), expected="true or false")


def choice(option: str, value: Any, allowed: Sequence[str]) -> str:
    """
    One of the *allowed* words.
    """
    if isinstance(value, str) and value in allowed:
        return value
    near = nearest(value, allowed) if isinstance(value, str) else ""
    raise ConfigError(
        shown(option, value),
        expected="one of " + ", ".join(allowed),
        fix=f"write {near}" if near else "",
    )


def text(option: str, value: Any) -> str:
    """
    Text that is not empty.
    """
    if isinstance(value, str) and value:
        return value
    raise ConfigError(shown(option, value), expected="text")


def names(option: str, value: Any) -> tuple[str, ...]:
    """
    Several names: a list of strings, or one string with commas.
    """
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, Sequence):
        # Indexing, because dictConfig's ConvertingList resolves only by [].
        found = tuple(value[index] for index in range(len(value)))
        if all(isinstance(name, str) and name for name in found):
            return found
    raise ConfigError(
        shown(option, value), expected='a list of names, or text "a, b"'
    )


def optional(
    parse: Callable[[str, Any], T], option: str, value: Any
) -> T | None:
    """
    None for None and ``""``, else what *parse* makes of *value*.
    """
    return None if value is None or value == "" else parse(option, value)


def mapping(option: str, value: Any) -> dict[str, Any]:
    """
    A copy of a mapping with string keys, its ``ext://`` values resolved.
    """
    if value is None:
        return {}
    if isinstance(value, Mapping) and all(
        isinstance(key, str) for key in value
    ):
        # By [], because dictConfig's ConvertingDict resolves only so.
        return {key: value[key] for key in value}
    raise ConfigError(
        shown(option, value), expected="a mapping with text keys"
    )


def level(option: str, value: Any) -> int | str:
    """
    A logging level by number or by a name that logging knows.
    """
    if isinstance(value, str):
        if value.strip().isdecimal():
            return int(value)
        for name in (value.strip(), value.strip().upper()):
            if isinstance(logging.getLevelName(name), int):
                return name
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ConfigError(
        shown(option, value),
        expected="DEBUG, INFO, WARNING, ERROR, CRITICAL or a number",
    )


def load(option: str, dotted: Any) -> Any:
    """
    The object that a dotted name such as ``"package.module.name"`` means.
    """
    if not isinstance(dotted, str):
        return dotted
    parts = dotted.split(".")
    for cut in range(len(parts) if all(parts) else 0, 0, -1):
        name = ".".join(parts[:cut])
        try:
            found: Any = importlib.import_module(name)
        except ModuleNotFoundError as exc:
            if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
                raise
            continue
        try:
            for attribute in parts[cut:]:
                found = getattr(found, attribute)
        except AttributeError:
            break
        return found
    raise ConfigError(
        shown(option, dotted),
        expected="the dotted name of something that can be imported",
    )


def made(option: str, spec: Any) -> Any:
    """
    What plain data describes: ``{"class": "package.Name", "option": 1}``.

    Args:
        option: Name of the option, for the error.

        spec: The object, its dotted name, or a mapping with a ``class`` (or a
            factory as ``()``) and its arguments.

    Raises:
        ConfigError: It cannot be made.
    """
    if not isinstance(spec, Mapping):
        return load(option, spec)
    arguments = mapping(option, spec)
    is_factory = "()" in arguments
    named = arguments.pop("()" if is_factory else "class", None)
    if named is None:
        raise ConfigError(
            shown(option, spec), expected='{"class": "package.Name", …}'
        )
    maker = load(option, named)
    if not (is_factory or isinstance(maker, type)):
        if arguments:
            raise ConfigError(
                f"{option} gives arguments to {named}, which is no class",
                fix='write "()" for "class" if it makes what is wanted',
            )
        return maker
    try:
        return maker(**arguments)
    except ConfigError:  # says more than we could
        raise
    except TypeError as exc:
        raise ConfigError(
            f"{option} cannot make {named}: {exc}",
            expected='{"class": "package.Name", …}',
        ) from exc


def checked(init: Callable[P, None]) -> Callable[P, None]:
    """
    Wrap an ``__init__`` so that its errors name the class and the option.

    An argument that the signature does not know becomes a ConfigError with the
    nearest valid name, and every ConfigError is given the class as its owner.
    What was given is remembered for :func:`rebuild`.
    """
    signature = inspect.signature(init)

    @functools.wraps(init)
    def checked_init(*args: P.args, **kwargs: P.kwargs) -> None:
        self: Any = args[0]
        owner = type(self).__name__
        if not hasattr(self, "_given"):
            self._given = (args[1:], kwargs)
        try:
            refuse_unknown(kwargs, known_to(_owner(type(self), checked_init)))
            _refuse_missing(signature, args, kwargs)
            init(*args, **kwargs)
        except ConfigError as exc:
            exc.owner = exc.owner or owner
            raise

    return checked_init


def _owner(cls: type, init: Callable[..., None]) -> type:
    """
    The class among the bases of *cls* that *init* belongs to.
    """
    for base in cls.__mro__:
        if vars(base).get("__init__") is init:
            return base
    return cls


def constructors(cls: type) -> Iterator[Callable[..., None]]:
    """
    The ``__init__`` of *cls*, and those of its bases that it passes options to.
    """
    for base in cls.__mro__:
        init = vars(base).get("__init__")
        if init is None or base is object:
            continue
        yield init
        kinds = [
            each.kind for each in inspect.signature(init).parameters.values()
        ]
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            return


@functools.cache
def known_to(cls: type) -> tuple[str, ...]:
    """
    The options that *cls* takes by name.
    """
    names = [name for init in constructors(cls) for name in names_of(init)]
    return tuple(dict.fromkeys(names))


def names_of(function: Callable[..., Any]) -> list[str]:
    """
    The options that *function* takes by name.
    """
    return [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
        and parameter.kind
        not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]


def refuse_unknown(given: Mapping[str, Any], known: Sequence[str]) -> None:
    """
    Raise a ConfigError for the first of *given* that is not *known*.
    """
    for option in given:
        if option not in known:
            near = nearest(option, known)
            raise ConfigError(
                f"unknown option {shown(option, given[option])}",
                expected="one of " + ", ".join(known),
                fix=f"write {near}" if near else "",
            )


def _refuse_missing(
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> None:
    try:
        signature.bind(*args, **kwargs)
    except TypeError as exc:
        raise ConfigError(str(exc).replace("'", "")) from None


def rebuild(made: T, options: Mapping[str, Any]) -> T:
    """
    Another object like *made*, with *options* given in addition.

    Raises:
        ConfigError: The class of *made* does not take them.
    """
    if not options:
        return made
    args, kwargs = getattr(made, "_given", ((), None))
    if kwargs is None:
        raise ConfigError(
            f"{type(made).__name__} takes no formatter_options",
            expected="a formatter of mllog",
            fix="give the options where that formatter is made",
        )
    return type(made)(*args, **{**kwargs, **options})
