"""
What a function was given: the value of its one argument, or all by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..errors import ConfigError, nearest, shown

__all__ = ["NOTHING", "Chosen", "arguments_of", "part_of"]

#: What stands for the arguments of a function that takes none.
NOTHING: Final = object()

_OWNERS = frozenset({"self", "cls"})

#: Takes one value out of the arguments of a call.
Chosen = Callable[[tuple[Any, ...], Mapping[str, Any]], Any]


def arguments_of(
    function: Callable[..., Any], chosen: str | Callable[..., Any] | None
) -> Chosen:
    """
    What takes out of a call of *function* the value that is logged.

    A function of one argument gives its value, another one a dict by name of
    what was given; ``self`` and ``cls`` are left out.  Arguments that do not
    fit the function are no error here: the call itself raises.

    Args:
        function: What will be called.

        chosen: The name of the argument that is meant, or a callable that is
            given all arguments but ``self``; None means all.

    Raises:
        ConfigError: The function has no argument of that name.
    """
    parameters = _parameters(function)
    if not parameters or parameters[0].name not in _OWNERS:
        return _chosen(parameters, 0, chosen)
    owner = parameters[0].name
    choose = _chosen(parameters[1:], 1, chosen)

    def of_method(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if owner in kwargs:  # Ray Serve calls a method of FastAPI's so
            args = (kwargs[owner], *args)
            kwargs = {k: kwargs[k] for k in kwargs if k != owner}
        return choose(args, kwargs)

    return of_method


def _chosen(
    parameters: list[inspect.Parameter],
    skipped: int,
    chosen: str | Callable[..., Any] | None,
) -> Chosen:
    """
    The same for *parameters* that stand behind so many others.
    """
    if callable(chosen):
        choose = chosen
        return lambda args, kwargs: choose(*args[skipped:], **kwargs)
    by_name = _by_name(parameters, skipped)
    if chosen is not None:
        name = _known(chosen, parameters)
        return lambda args, kwargs: by_name(args, kwargs).get(name, NOTHING)
    if len(parameters) == 1:
        return _single(parameters[0], skipped, by_name)
    return lambda args, kwargs: by_name(args, kwargs) or NOTHING


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """
    The parameters of *function*; of what has no signature, ``*args, **kwargs``.
    """
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        kind = inspect.Parameter
        return [
            kind("args", kind.VAR_POSITIONAL),
            kind("kwargs", kind.VAR_KEYWORD),
        ]


def _by_name(
    parameters: list[inspect.Parameter], skipped: int
) -> Callable[[tuple[Any, ...], Mapping[str, Any]], dict[str, Any]]:
    """
    What names the arguments of a call; ``**kwargs`` are named as given.
    """
    names = [
        each.name
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    rest = next(
        (e.name for e in parameters if e.kind is e.VAR_POSITIONAL), None
    )

    def by_name(
        args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        if skipped:
            args = args[skipped:]
        given = dict(zip(names, args, strict=False))
        if rest is not None and len(args) > len(names):
            given[rest] = args[len(names) :]
        given.update(kwargs)
        return given

    return by_name


def _single(
    parameter: inspect.Parameter,
    skipped: int,
    by_name: Callable[[tuple[Any, ...], Mapping[str, Any]], dict[str, Any]],
) -> Chosen:
    name = parameter.name
    if parameter.kind is parameter.VAR_KEYWORD:
        return lambda _args, kwargs: dict(kwargs)
    if parameter.kind is parameter.VAR_POSITIONAL:
        return lambda args, _kwargs: args[skipped:]

    def single(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if len(args) == skipped + 1 and not kwargs:
            return args[skipped]
        given = by_name(args, kwargs)
        if len(given) == 1 and name in given:
            return given[name]
        return given or NOTHING

    return single


def _known(name: str, parameters: list[inspect.Parameter]) -> str:
    """
    *name*, if a call can have an argument of that name.
    """
    names = [each.name for each in parameters]
    if name in names or any(e.kind is e.VAR_KEYWORD for e in parameters):
        return name
    near = nearest(name, names)
    raise ConfigError(
        f"{shown('inputs', name)} is no argument of the function",
        expected="one of " + ", ".join(names) if names else "no name",
        fix=f"write {near}" if near else "",
        owner="inference",
    )


def part_of(value: Any, chosen: str | Callable[[Any], Any] | None) -> Any:
    """
    What is logged of *value*: all of it, an item or attribute, or what a
    callable makes of it.
    """
    if chosen is None:
        return value
    if not isinstance(chosen, str):
        return chosen(value)
    try:
        return value[chosen]
    except (TypeError, LookupError):
        return getattr(value, chosen)
