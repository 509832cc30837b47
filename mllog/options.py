"""
Options: how a constructor declares them, and how their values are parsed.

A constructor declares an option once, in its signature::

    @options.checked
    def __init__(
        self,
        path: options.Path,
        *,
        mode: Literal["a", "w"] = "a",
        max_bytes: options.Size = "10MB",
        **delivery: Unpack[DeliveryOptions],
    ) -> None: ...

The annotation names the parser: ``Literal`` and ``bool`` have their own, the
aliases of this module (``Size``, ``Seconds``, ``Names`` …) are ``Annotated``
with a :class:`Parse`.  :func:`declared` reads the declarations; the
constructor, ``mllog check``, the tables of the documentation and the JSON
schema all ask it.  The body gets parsed values, defaults included.

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
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    ParamSpec,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from .errors import ConfigError, nearest, shown

if sys.version_info >= (3, 11):
    from typing import Unpack
else:

    class Unpack:
        """
        What ``typing.Unpack`` is to type checkers, where typing has none.
        """

        def __class_getitem__(cls, group: Any) -> Any:
            return Annotated[group, cls]


__all__ = [
    "REQUIRED",
    "Count",
    "Default",
    "Fields",
    "Flag",
    "LeastKiB",
    "Level",
    "Names",
    "NotNegative",
    "Option",
    "Parse",
    "Path",
    "Positive",
    "PositiveCount",
    "Size",
    "Text",
    "Unpack",
    "above",
    "at_least",
    "at_least_bytes",
    "boolean",
    "checked",
    "choice",
    "conflicts_of",
    "construct",
    "constructors",
    "declared",
    "from_zero",
    "integer",
    "level",
    "level_number",
    "load",
    "made",
    "mapping",
    "names",
    "names_of",
    "number",
    "only",
    "optional",
    "path",
    "problems",
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
_MOST_DIGITS = 10
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)\s*", re.IGNORECASE)


def size(option: str, value: Any) -> int:
    """
    A number of bytes: ``10485760``, ``"10MB"`` (10⁷) or ``"10MiB"`` (10 x 2²⁰).
    """
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match and (unit := _UNITS.get(match[2].upper())) is not None:
            found = float(match[1]) * unit
            if found < math.inf:
                return int(found)
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
        text = value.strip()
        if text.isdecimal() and len(text) < _MOST_DIGITS:
            return int(text)
        for name in (text, text.upper()):
            if isinstance(logging.getLevelName(name), int):
                return name
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ConfigError(
        shown(option, value),
        expected="DEBUG, INFO, WARNING, ERROR, CRITICAL or a number",
    )


def level_number(option: str, value: Any) -> int:
    """
    The number of a logging level.
    """
    if type(value) is int:
        return value
    found = level(option, value)
    return found if isinstance(found, int) else logging.getLevelName(found)


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


@dataclass(frozen=True, eq=False)  # hashable, whatever the schema holds
class Parse:
    """
    The parser of an option, as metadata of ``Annotated``.

    Args:
        read: Called with the option's name and its value.

        schema: JSON Schema of the values that *read* takes.
    """

    read: Callable[[str, Any], Any]
    schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Default:
    """
    The default of an option in a ``TypedDict``, as metadata of ``Annotated``.
    """

    value: Any


REQUIRED: Any = inspect.Parameter.empty


@dataclass(frozen=True)
class Option:
    """
    One option of a class.

    Args:
        name: Its name.

        annotation: Its type, without metadata.

        parse: Its parser; None takes any value as it is.

        default: What holds where it is not given, before parsing; REQUIRED.

        may_be_none: Whether None, or empty text, is a value of its own.

        is_positional: Whether it may be given by its place.
    """

    name: str
    annotation: Any
    parse: Parse | None
    default: Any = REQUIRED
    may_be_none: bool = False
    is_positional: bool = False

    def read(self, value: Any) -> Any:
        """
        The parsed *value*.

        Raises:
            ConfigError: It cannot work.
        """
        if self.parse is None:
            return value
        if self.may_be_none and (value is None or value == ""):
            return None
        return self.parse.read(self.name, value)


def at_least(minimum: int) -> Parse:
    """
    A whole number that is *minimum* or more.
    """
    return Parse(
        functools.partial(integer, minimum=minimum),
        {"type": ["integer", "string"], "minimum": minimum},
    )


def above(limit: float) -> Parse:
    """
    A finite number that is more than *limit*.
    """
    return Parse(
        functools.partial(number, above=limit),
        {"type": ["number", "string"], "exclusiveMinimum": limit},
    )


def at_least_bytes(minimum: str) -> Parse:
    """
    A size that is *minimum* or more.
    """
    least = size("minimum", minimum)

    def read(option: str, value: Any) -> int:
        found = size(option, value)
        if found < least:
            raise ConfigError(
                shown(option, value), expected=f"{minimum} or more"
            )
        return found

    return Parse(read, {"type": ["integer", "string"], "minimum": least})


def from_zero(option: str, value: Any) -> float:
    """
    A finite number that is 0 or more.
    """
    return 0.0 if _is_zero(value) else number(option, value)


def _is_zero(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and float(value) == 0
    except (TypeError, ValueError, OverflowError):
        return False


def path(option: str, value: Any) -> str:
    """
    A path as text; a ``~`` or ``~user`` that it begins with is a home.

    A file's name alone, such as ``~backup.log``, stays what it is.
    """
    try:
        found = os.fsdecode(value)
    except TypeError:
        found = ""
    is_home = found.startswith("~") and (
        found == "~" or os.path.dirname(found)
    )
    if is_home:
        found = os.path.expanduser(found)
    is_nobodys = is_home and found.startswith("~")
    if not found or "\0" in found or is_nobodys:
        raise ConfigError(
            shown(option, value),
            expected="a path",
            fix="write the home directory out: it is not known"
            if is_nobodys
            else "",
        )
    return found


_TEXTS = {"type": "array", "items": {"type": "string"}}

#: Whether something holds, also as ``"true"``, ``"off"`` and the like.
Flag: TypeAlias = Annotated[
    bool | str, Parse(boolean, {"type": ["boolean", "string"]})
]
#: Bytes, from 0 on: ``1024``, ``"10MB"``, ``"64KiB"``.
Size: TypeAlias = Annotated[
    int | str, Parse(size, {"type": ["integer", "string"], "minimum": 0})
]
#: Bytes, a KiB or more.
LeastKiB: TypeAlias = Annotated[int | str, at_least_bytes("1KiB")]
#: A whole number from 0 on, and one from 1 on.
Count: TypeAlias = Annotated[int | str, at_least(0)]
PositiveCount: TypeAlias = Annotated[int | str, at_least(1)]
#: Seconds or another number, more than 0; and from 0 on.
Positive: TypeAlias = Annotated[float | str, above(0)]
NotNegative: TypeAlias = Annotated[
    float | str, Parse(from_zero, {"type": ["number", "string"], "minimum": 0})
]
#: Text that is not empty.
Text: TypeAlias = Annotated[
    str, Parse(text, {"type": "string", "minLength": 1})
]
#: A list of names, or ``"a, b"``.
Names: TypeAlias = Annotated[
    Sequence[str] | str, Parse(names, {"anyOf": [{"type": "string"}, _TEXTS]})
]
#: A mapping with text keys.
Fields: TypeAlias = Annotated[
    Mapping[str, Any], Parse(mapping, {"type": "object"})
]
#: A level of logging, by name or number.
Level: TypeAlias = Annotated[
    int | str, Parse(level, {"type": ["integer", "string"]})
]
#: The path of a file or folder.
Path: TypeAlias = Annotated[
    str | os.PathLike[str], Parse(path, {"type": "string", "minLength": 1})
]


def checked(init: Callable[P, None]) -> Callable[P, None]:
    """
    Wrap an ``__init__`` so that it gets parsed options, defaults included.

    An unknown option becomes a ConfigError with the nearest valid name, and
    every ConfigError is given the class as its owner.  An option that several
    constructors of a class pass on is parsed by the first.  What was given is
    remembered for :func:`rebuild`.  The classmethod ``conflicts`` of the
    class, where there is one, is given all options and yields what is wrong
    with them together.
    """
    signature = inspect.signature(init)

    @functools.wraps(init)
    def checked_init(*args: P.args, **kwargs: P.kwargs) -> None:
        self: Any = args[0]
        cls = type(self)
        is_first = not hasattr(self, "_given")
        if is_first:
            self._given = (args[1:], kwargs)
            self._parsed = set()
        try:
            own = declared(_owner(cls, checked_init))
            refuse_unknown(kwargs, tuple(own))
            given = _bound(signature, args, kwargs)
            _parse(self._parsed, given, _of_constructor(checked_init), cls)
            if is_first:
                _complete(cls, given)
                for conflict in conflicts_of(cls, _with_defaults(cls, given)):
                    raise conflict
            init(self, **given)
        except ConfigError as exc:
            exc.owner = exc.owner or cls.__name__
            raise

    return checked_init


def _parse(
    parsed: set[str],
    given: dict[str, Any],
    own: Mapping[str, Option],
    cls: type,
) -> None:
    """
    Parse the options of *own* in *given*, and add those that are not there.
    """
    known = declared(cls)
    for name, option in own.items():
        if name not in parsed:
            used = known.get(name, option)
            if used.default is REQUIRED and name not in given:
                raise _missing(name)
            given[name] = used.read(given.get(name, used.default))
            parsed.add(name)
    for name in given.keys() - own.keys():
        if name in known and name not in parsed:
            given[name] = known[name].read(given[name])
            parsed.add(name)


def _bound(
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> dict[str, Any]:
    """
    The arguments by name, without self.
    """
    try:
        bound = signature.bind_partial(*args, **kwargs).arguments
    except TypeError as exc:
        raise ConfigError(str(exc).replace("'", "")) from None
    for name, each in signature.parameters.items():
        is_plain = each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        if is_plain and each.default is REQUIRED and name not in bound:
            raise _missing(name)
    bound.pop(next(iter(bound)))
    for each in signature.parameters.values():
        if each.kind is each.VAR_KEYWORD:
            bound.update(bound.pop(each.name, {}))
    return dict(bound)


def _missing(name: str) -> ConfigError:
    return ConfigError(f"needs the option {name}", fix=f"add {name}")


def problems(
    cls: type, given: Mapping[str, Any], *, is_complete: bool = True
) -> Iterator[tuple[str, ConfigError]]:
    """
    What the constructor of *cls* would refuse of *given*, without calling it.

    Args:
        cls: A class of which the constructor is :func:`checked`.

        given: Options by name.

        is_complete: Whether what is not given is left to its default; else
            neither missing options nor conflicts are looked for.

    Yields:
        The option, ``""`` for what several do together, and the error.
    """
    known = declared(cls)
    parsed: dict[str, Any] = {}
    wrong: list[tuple[str, ConfigError]] = []
    for name, value in given.items():
        error = _refused(known, name, value, parsed)
        if error is not None:
            wrong.append((name, error))
    missing = [
        name
        for name, option in known.items()
        if option.default is REQUIRED and name not in given
    ]
    if is_complete:
        wrong += [("", _missing(name)) for name in missing]
    if is_complete and not missing:
        whole = _with_defaults(cls, parsed)
        if whole.keys() == known.keys():  # else a required one is wrong
            _complete(cls, whole)
            wrong += [
                ("", error)
                for error in conflicts_of(cls, whole)
                if not any(name in str(error) for name, _ in wrong if name)
            ]
    for name, error in wrong:
        error.owner = error.owner or cls.__name__
        yield name, error


def _with_defaults(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """
    *given* and the defaults of what a foreign constructor does not pass on.
    """
    return {
        name: option.read(option.default)
        for name, option in declared(cls).items()
        if name not in given and option.default is not REQUIRED
    } | dict(given)


def _complete(cls: type, given: dict[str, Any]) -> None:
    """
    Let the classes of *cls* choose defaults that depend on other options.
    """
    for base in cls.__mro__:
        complete = vars(base).get("complete")
        if complete is not None:
            complete.__get__(None, cls)(given)


def _refused(
    known: Mapping[str, Option],
    name: str,
    value: Any,
    parsed: dict[str, Any],
) -> ConfigError | None:
    """
    Put the parsed value of one option into *parsed*, or give the error.
    """
    try:
        refuse_unknown({name: value}, tuple(known))
        parsed[name] = known[name].read(value)
    except ConfigError as exc:
        return exc
    return None


def conflicts_of(cls: type, given: Mapping[str, Any]) -> Iterator[ConfigError]:
    """
    What is wrong with the parsed options *given* together, base classes first.

    The classmethod yields its errors, or raises the first.
    """
    for base in reversed(cls.__mro__):
        conflicts = vars(base).get("conflicts")
        if conflicts is not None:
            try:
                yield from conflicts.__get__(None, cls)(given)
            except ConfigError as exc:
                yield exc


@functools.cache
def declared(cls: type) -> Mapping[str, Option]:
    """
    The options of *cls* by name, in the order of their declaration.

    They are those of its constructor, and of its bases' as far as each passes
    options on by ``**``.  A class that only has other defaults for options of
    its bases says so in ``DEFAULTS``, a mapping; one that takes fewer values
    has another parser in ``PARSERS``.  A default that depends on other options
    is None there, and the classmethod ``complete`` replaces it.
    """
    found: dict[str, Option] = {}
    for index, init in enumerate(constructors(cls)):
        for name, option in _of_constructor(init).items():
            if index:  # only the class's own are given by place
                option = replace(option, is_positional=False)
            found.setdefault(name, option)
    for base in reversed(cls.__mro__):
        for name, value in vars(base).get("DEFAULTS", {}).items():
            found[name] = replace(
                found[name],
                default=value,
                may_be_none=value is None or found[name].may_be_none,
            )
        for name, parse in vars(base).get("PARSERS", {}).items():
            found[name] = replace(found[name], parse=parse)
    return MappingProxyType(found)


@functools.cache
def _of_constructor(init: Callable[..., None]) -> Mapping[str, Option]:
    """
    What one constructor declares, in its signature and in its ``Unpack``.
    """
    try:
        hints = get_type_hints(inspect.unwrap(init), include_extras=True)
    except (NameError, TypeError):  # names or forms for type checkers only
        hints = {}
    found: dict[str, Option] = {}
    for each in list(inspect.signature(init).parameters.values())[1:]:
        if each.kind is each.VAR_KEYWORD:
            for group in _groups(hints.get(each.name)):
                members = get_type_hints(group, include_extras=True)
                for name, annotation in members.items():
                    found[name] = _option(name, annotation, REQUIRED)
        elif each.kind is not each.VAR_POSITIONAL:
            found[each.name] = replace(
                _option(each.name, hints.get(each.name, Any), each.default),
                is_positional=each.kind is not each.KEYWORD_ONLY,
            )
    return MappingProxyType(found)


def only(group: type[T], given: Mapping[str, Any]) -> T:
    """
    The options of the TypedDict *group* among *given*.
    """
    members = get_type_hints(group)
    found = {name: given[name] for name in given if name in members}
    return cast("T", found)


def construct(made: Callable[..., T], given: Mapping[str, Any]) -> T:
    """
    What *made* gives, called with its own parameters among *given*.
    """
    return made(**{name: given[name] for name in names_of(made)})


def _groups(annotation: Any) -> tuple[type, ...]:
    """
    The classes of options in ``Unpack[…]``; none for any other annotation.
    """
    if get_origin(annotation) is Unpack:
        return get_args(annotation)
    if get_origin(annotation) is Annotated:
        group, *more = get_args(annotation)
        return (group,) if Unpack in more else ()
    return ()


def _option(name: str, annotation: Any, default: Any) -> Option:
    metadata: tuple[Any, ...] = ()
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        metadata = tuple(more)
    parse: Parse | None = None
    members = _members(annotation)
    for each in (*metadata, *_metadata_in(members)):
        if isinstance(each, Default):
            default = each.value
        elif isinstance(each, Parse) and parse is None:
            parse = each
    plain = tuple(each for each in members if each is not type(None))
    return Option(
        name,
        annotation,
        parse or _usual(plain),
        default,
        may_be_none=len(plain) < len(members) or default is None,
    )


def _members(annotation: Any) -> tuple[Any, ...]:
    """
    The alternatives of a union; the annotation itself where it is none.
    """
    if get_origin(annotation) in (Union, UnionType):
        return tuple(
            inner for each in get_args(annotation) for inner in _members(each)
        )
    return (annotation,)


def _metadata_in(members: Iterable[Any]) -> Iterator[Any]:
    for each in members:
        if get_origin(each) is Annotated:
            yield from get_args(each)[1:]


def _usual(members: tuple[Any, ...]) -> Parse | None:
    """
    The parser of an annotation that names none.
    """
    if members and all(get_origin(each) is Literal for each in members):
        allowed = tuple(word for each in members for word in get_args(each))
        return Parse(
            lambda option, value: choice(option, value, allowed),
            {"enum": list(allowed)},
        )
    return _USUAL.get(members)


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
                f"unknown option {option}",  # its value may be a secret
                expected="one of " + ", ".join(known),
                fix=f"write {near}" if near else "",
            )


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


_USUAL: Mapping[tuple[Any, ...], Parse] = {
    (bool,): Parse(boolean, {"type": "boolean"}),
}
