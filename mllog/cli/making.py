"""
Make the shipping handlers of a configuration, and nothing else of it.
"""

from __future__ import annotations

import configparser
import logging.config
from collections.abc import Iterable, Mapping
from typing import Any

from .. import config, options
from ..checks.fileconfig import full_name
from ..delivery.handler import ShippingHandler
from ..errors import ConfigError

__all__ = ["shippers"]

_LOGGER = "mllog.spool.drain"


def shippers(path: str) -> list[ShippingHandler]:
    """
    The shipping handlers that the configuration in *path* sets up.

    Files that its other handlers write are neither opened nor rotated.

    Raises:
        ConfigError: The file cannot be read, or it sets up none.
    """
    found = config.read_file(path)
    if isinstance(found, configparser.ConfigParser):
        logger = _from_ini(found)
    else:
        logger = _from_mapping(found)
    made = [
        each for each in logger.handlers if isinstance(each, ShippingHandler)
    ]
    if not made:
        raise ConfigError(
            f"{path} sets up no handler with a spool",
            expected="a handler such as mllog.SyslogHandler",
        )
    return made


def _from_mapping(found: Mapping[str, Any]) -> logging.Logger:
    handlers = {
        name: spec
        for name, spec in found.get("handlers", {}).items()
        if _ships(spec.get("class"))
    }
    rest = {
        key: value
        for key, value in found.items()
        if key not in ("handlers", "loggers", "root", "incremental")
    }
    logger = {"handlers": list(handlers), "propagate": False}
    _apply(
        lambda: logging.config.dictConfig(
            {
                **rest,
                "disable_existing_loggers": False,
                "handlers": handlers,
                "loggers": {_LOGGER: logger},
            }
        )
    )
    return logging.getLogger(_LOGGER)


def _from_ini(found: configparser.ConfigParser) -> logging.Logger:
    names = _listed(found, "handlers")
    chosen = [
        name
        for name in names
        if _ships(
            full_name(
                found.get(f"handler_{name}", "class", fallback=""), "handlers"
            )
        )
    ]
    for section, keys in (("handlers", chosen), ("loggers", ["root"])):
        found[section] = {"keys": ", ".join(keys)}
    found["logger_root"] = {"handlers": ", ".join(chosen)}
    _apply(
        lambda: logging.config.fileConfig(
            found, disable_existing_loggers=False
        )
    )
    return logging.getLogger()


def _listed(found: configparser.ConfigParser, section: str) -> Iterable[str]:
    keys = found.get(section, "keys", fallback="")
    return [each.strip() for each in keys.split(",") if each.strip()]


def _ships(dotted: Any) -> bool:
    """
    Whether *dotted* is a class of handlers that send over a network.
    """
    try:
        made = options.load("class", dotted)
    except (ConfigError, ImportError):
        return False
    return isinstance(made, type) and issubclass(made, ShippingHandler)


def _apply(configure: Any) -> None:
    """
    Call *configure*, and let its real reason be the error.
    """
    try:
        configure()
    except Exception as exc:
        reason = exc.__cause__ or exc
        if isinstance(reason, ConfigError):
            raise reason from None
        raise ConfigError(f"it cannot be applied: {reason}") from exc
