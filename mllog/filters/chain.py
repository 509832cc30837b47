"""
The filters of a handler: made from plain data, and asked one after another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import options
from ..errors import ConfigError
from .record_filter import RecordFilter

__all__ = ["filters_from", "passed"]

Filter = logging.Filter | Callable[[logging.LogRecord], Any]


def passed(
    filters: Iterable[Any], record: logging.LogRecord
) -> logging.LogRecord | None:
    """
    What *filters* leave of *record*: it, another one, or None.
    """
    for each in filters:
        if isinstance(each, RecordFilter):
            if not logging.Filter.filter(each, record):
                continue
            answer: Any = each.apply(record)
        else:
            answer = (
                each.filter(record)
                if hasattr(each, "filter")
                else each(record)
            )
        if not answer:
            return None
        if isinstance(answer, logging.LogRecord):
            record = answer
    return record


def filters_from(option: str, specs: Any) -> list[Filter]:
    """
    Filters from plain data: ``[{"class": "mllog.ContextFilter"}]``.

    Args:
        option: Name of the option, for the error.

        specs: Filters, callables, dotted names, or mappings with a ``class``
            and its arguments.

    Raises:
        ConfigError: One of them cannot be a filter.
    """
    if specs is None:
        return []
    if isinstance(specs, (str, Mapping)) or not isinstance(specs, Iterable):
        specs = [specs]
    return [_filter_from(option, spec) for spec in specs]


def _filter_from(option: str, spec: Any) -> Filter:
    made = options.made(option, spec)
    if isinstance(made, type):
        made = options.made(option, {"class": made})
    if not (callable(made) or hasattr(made, "filter")):
        raise ConfigError(
            f"{option} has {made!r}, which is no filter",
            expected='[{"class": "package.Filter", …}]',
        )
    return made  # type: ignore[no-any-return]
