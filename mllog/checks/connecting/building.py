"""
Make each handler of a configuration by itself.

``dictConfig`` makes all or none, and holds logging's lock meanwhile: one
handler that cannot be made, or hangs, would stand in for all of them.
"""

from __future__ import annotations

import configparser
import copy
import functools
import logging
import logging.config
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...errors import ConfigError

__all__ = ["makers"]

_MODE = re.compile(r"(,\s*)(['\"])w(?=['\"])")
Maker = Callable[[], logging.Handler]


def makers(
    config: Mapping[str, Any] | configparser.ConfigParser,
) -> dict[str, Maker]:
    """
    What makes each handler, by its name.
    """
    if isinstance(config, configparser.ConfigParser):
        names: Iterable[str] = _listed(config, "handlers")
        make: Callable[..., logging.Handler] = _from_ini
    else:
        names = dict(config).get("handlers") or {}
        make = _from_mapping
    return {name: functools.partial(make, config, name) for name in names}


# --- dictConfig ---


def _from_mapping(config: Mapping[str, Any], name: str) -> logging.Handler:
    configurator = logging.config.DictConfigurator(copy.deepcopy(dict(config)))
    return _configured(configurator, name, frozenset())


def _configured(
    configurator: Any, name: str, above: frozenset[str]
) -> logging.Handler:
    """
    The handler *name*, after whatever it refers to.
    """
    handlers = configurator.config["handlers"]
    spec = handlers[name]
    if isinstance(spec, logging.Handler):
        return spec
    if not {"class", "()"} & set(spec):
        raise ConfigError(
            f"handler {name!r} has no class",
            fix='write "class": "mllog.ConsoleHandler", for example',
        )
    for other in _others(spec, handlers.keys() - above - {name}):
        _configured(configurator, other, above | {name})
    _configure(configurator, "formatters", [spec.get("formatter")])
    filters = spec.get("filters")
    _configure(
        configurator, "filters", filters if isinstance(filters, list) else []
    )
    if str(spec.get("mode", "")).startswith("w"):
        spec["mode"] = "a"  # a log is not emptied by a check
    made: logging.Handler = configurator.configure_handler(spec)
    made.name = name
    handlers[name] = made
    return made


def _others(spec: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """
    The handlers that one hands records to.
    """
    found = [spec.get("target")]
    if isinstance(spec.get("handlers"), list):
        found += spec["handlers"]
    return [each for each in names if each in found]


def _configure(configurator: Any, kind: str, names: Iterable[Any]) -> None:
    make = {
        "formatters": configurator.configure_formatter,
        "filters": configurator.configure_filter,
    }[kind]
    section = configurator.config.get(kind) or {}
    for name in names:
        if isinstance(name, str) and isinstance(section.get(name), dict):
            section[name] = make(section[name])


# --- fileConfig ---


def _from_ini(config: configparser.ConfigParser, name: str) -> logging.Handler:
    own = copy.deepcopy(config)
    section = own[f"handler_{name}"]
    needed = [name, section.get("target", "")]
    formatters = {
        own[f"handler_{each}"].get("formatter", "")
        for each in filter(None, needed)
    }
    if "args" in section:  # a log is not emptied by a check
        section["args"] = _MODE.sub(r"\1\2a", section["args"])
    own["handlers"]["keys"] = ", ".join(filter(None, needed))
    own["formatters"] = {"keys": ", ".join(filter(None, formatters))}
    # as fileConfig calls them, but for the lock and for closing all others
    steps: Any = logging.config
    made = steps._install_handlers(own, steps._create_formatters(own))
    found: logging.Handler = made[name]
    return found


def _listed(config: configparser.ConfigParser, section: str) -> list[str]:
    keys = config.get(section, "keys", fallback="")
    return [each.strip() for each in keys.split(",") if each.strip()]
