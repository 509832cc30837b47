"""
Which records a handler takes, and what is added to them on the way.

A filter of mllog returns a new record and never changes the one it was given.
Handlers of mllog use what a filter returns on every Python; the handlers of
the stdlib do so from 3.12 on.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import options
from .context import with_bound
from .errors import ConfigError

__all__ = ["ContextFilter", "RecordFilter", "filters_from", "passed"]

_STDLIB_TAKES_RECORDS = sys.version_info >= (3, 12)

Filter = logging.Filter | Callable[[logging.LogRecord], Any]


class RecordFilter(logging.Filter):
    """
    A filter that answers with a record: what the filters of mllog extend.

    Args:
        name: As in ``logging.Filter``: only records of that logger and its
            children are looked at; others pass as they are.
    """

    def apply(self, record: logging.LogRecord) -> logging.LogRecord | None:
        """
        The record to go on with, or None to stop here.
        """
        return record

    def filter(  # type: ignore[override]
        self, record: logging.LogRecord
    ) -> bool | logging.LogRecord:
        """
        What the stdlib calls: the new record, or False.

        Before Python 3.12 the stdlib cannot take a record, and the fields are
        set on the one it has.
        """
        if not super().filter(record):
            return True if _STDLIB_TAKES_RECORDS is False else record
        new = self.apply(record)
        if new is None:
            return False
        if _STDLIB_TAKES_RECORDS:
            return new
        record.__dict__.update(new.__dict__)
        return True


class ContextFilter(RecordFilter):
    """
    Put the fields of ``mllog.bind`` on the record, for handlers of others.

    Handlers of mllog do it by themselves.  Attach this one to a handler that
    is not ours, or to a ``QueueHandler``: on the other side of a queue the
    context of the caller is gone.
    """

    def apply(self, record: logging.LogRecord) -> logging.LogRecord:
        """
        *record* with the bound fields that it does not have itself.
        """
        return with_bound(record)


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
    arguments: dict[str, Any] = {}
    is_factory = False
    if isinstance(spec, Mapping):
        arguments = options.mapping(option, spec)
        is_factory = "()" in arguments
        spec = arguments.pop("()" if is_factory else "class", None)
    made = options.load(option, spec)
    if is_factory or isinstance(made, type):
        try:
            made = made(**arguments)
        except TypeError as exc:
            raise ConfigError(
                f"{option} cannot make {spec}: {exc}",
                expected='[{"class": "package.Filter", …}]',
            ) from exc
    elif arguments:
        raise ConfigError(
            f"{option} gives arguments to {spec}, which is no class",
            fix='write "()" for "class" if it makes a filter',
        )
    if not (callable(made) or hasattr(made, "filter")):
        raise ConfigError(
            f"{option} has {made!r}, which is no filter",
            expected='[{"class": "package.Filter", …}]',
        )
    return made  # type: ignore[no-any-return]
