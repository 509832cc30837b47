"""
What the integrations share: the numbers of a step become one record.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .. import options
from ..errors import ConfigError, shown
from ..fields import renamed
from ..metrics.reductions import numeric
from ..reports import Reports
from ..values import convert, key_of, name_of, number

__all__ = ["REPORTS", "StepLog", "whole"]

_DEEPEST: Final = 5
_PLAIN: Final = frozenset({float, int, str, bool, type(None)})


class _Teller:
    def label(self) -> str:
        return "mllog.integrations"


_teller = _Teller()

#: What goes wrong in an integration is said here, and never raised.
REPORTS: Final = Reports(_teller.label)


class StepLog:
    """
    Logs the numbers of a step, with the fields that all records have.

    Guarantee:
        Nothing that goes wrong here, or in a handler, reaches the training.
        Where the logger is off, a call costs a look at its level.

    Args:
        logger: A Logger, a LoggerAdapter, or the name of a logger.

        level: Level of the records.

        fields: Further fields of each record; those that are None are left
            out.

    Raises:
        ConfigError: *logger* or *level* cannot work.
    """

    def __init__(
        self, logger: Any, level: int | str, fields: Mapping[str, Any]
    ) -> None:
        if isinstance(logger, str) and logger:
            logger = logging.getLogger(logger)
        if not hasattr(logger, "isEnabledFor"):
            raise ConfigError(
                shown("logger", logger),
                expected="a logger of Python's logging, or its name",
            )
        level = options.level_number("level", level)
        known = dict(fields)
        # before Python 3.13 an adapter drops the fields of a call
        while isinstance(logger, logging.LoggerAdapter):
            known = {**(logger.extra or {}), **known}
            logger = logger.logger
        self._logger: logging.Logger = logger
        self._level = level
        self.fields = renamed(
            {name: value for name, value in known.items() if value is not None}
        )

    @property
    def name(self) -> str:
        """
        Name of the logger.
        """
        return self._logger.name

    def is_on(self) -> bool:
        """
        Whether a record would be taken.
        """
        return self._logger.isEnabledFor(self._level)

    def log(
        self,
        message: str,
        metrics: Mapping[Any, Any],
        step: Any = None,
        **fields: Any,
    ) -> None:
        """
        Log *metrics* as one record; nothing where there are none.

        Numbers of any kind become numbers of Python now, so that a device is
        asked once, and not once by each handler.  A mapping in *metrics* is
        taken apart: ``{"val": {"loss": 0.3}}`` is ``val/loss``.

        Args:
            message: The message.

            metrics: Values by name.

            step: How many steps were done.

            fields: Further fields; those that are None are left out.
        """
        try:
            found = dict(_flat(metrics))
            if found:
                self.say(message, step, metrics=found, **fields)
        except Exception as fault:
            REPORTS.fault(fault)

    def say(self, message: str, step: Any = None, **fields: Any) -> None:
        """
        Log a record with *fields*, as they are.
        """
        try:
            known = {k: v for k, v in fields.items() if v is not None}
            if (at := whole(step)) is not None:
                known["step"] = at
            self._logger.log(
                self._level, message, extra={**self.fields, **renamed(known)}
            )
        except Exception as fault:
            REPORTS.fault(fault)


def whole(step: Any) -> int | None:
    """
    A step as an int; None if it is none.
    """
    if type(step) is int:
        return step
    found = number(step)
    return None if found is None or not math.isfinite(found) else int(found)


def _flat(
    metrics: Mapping[Any, Any], before: str = "", depth: int = 0
) -> Iterator[tuple[str, Any]]:
    for key, value in list(metrics.items()):
        name = f"{before}{key_of(key)}"
        if depth < _DEEPEST and isinstance(value, Mapping):
            yield from _flat(value, f"{name}/", depth + 1)
        else:
            yield name, _plain(value)


def _plain(value: Any) -> Any:
    """
    A number of Python, or what a formatter would write.
    """
    if type(value) in _PLAIN:
        return value
    try:
        found = numeric(value)
        return convert(value) if found is None else found
    except Exception:
        return name_of(value)
