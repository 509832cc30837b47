"""
What every handler of mllog does alike: filters, context, options, faults.
"""

from __future__ import annotations

import errno
import logging
import sys
import weakref
from collections.abc import Mapping
from itertools import count
from types import MappingProxyType
from typing import Any, Final

from . import options
from .accounting import DeliveryStats, Ledger, Stats
from .context import is_being_logged, stack, with_bound
from .errors import ConfigError, EventError
from .filters import filters_from, passed
from .forking import fork_safe_lock
from .recursion import DEEPEST, ENDED, local
from .reports import Reports
from .spans import MODULE, modules

__all__ = ["Handling", "every_handler", "reason_of"]

_NO_ROOM = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


_handlers: weakref.WeakValueDictionary[int, Handling] = (
    weakref.WeakValueDictionary()
)
_next_number = count().__next__
_registry = fork_safe_lock()


def every_handler() -> list[Handling]:
    """
    The handlers of mllog that there are, oldest first.
    """
    with _registry:
        return [handler for _, handler in sorted(_handlers.items())]


def reason_of(error: BaseException | None) -> str:
    """
    The reason that a lost record is counted under.
    """
    if isinstance(error, OSError):
        return "disk_full" if error.errno in _NO_ROOM else "io_error"
    if isinstance(error, RecursionError):
        return "recursion"
    if isinstance(error, EventError):
        return "invalid_event"
    return "format_error"


class Handling(logging.Handler):
    """
    Mixed into the stdlib's handler that a handler of mllog extends.

    Guarantee:
        No call raises into the application.  What is lost is counted by
        reason; the first fault is printed in full, later ones as a count, and
        never with the record's message or arguments.
    """

    #: Whether emit needs the handler's lock; appending to a file needs none.
    emits_alone = True

    _formatter_options: Mapping[str, Any] = MappingProxyType({})

    def set_up(
        self, filters: Any = None, formatter_options: Any = None
    ) -> None:
        """
        Take the options that all handlers share.

        Args:
            filters: Filters, or plain data that names them.

            formatter_options: Arguments for the formatter; with a ``class``,
                the formatter itself.

        Raises:
            ConfigError: One of them cannot work.
        """
        self.ledger = Ledger()
        self.reports = Reports(self.label)
        for each in filters_from("filters", filters):
            self.addFilter(each)
        given = options.mapping("formatter_options", formatter_options)
        kind = given.pop("class", None)
        if kind is not None:
            self.setFormatter(options.load("formatter_options", kind)(**given))
        else:
            self._formatter_options = given
            self.setFormatter(None)
        with _registry:
            _handlers[_next_number()] = self

    def default_formatter(self) -> logging.Formatter | None:
        """
        The formatter where none is configured.
        """
        return None

    def setLevel(self, level: int | str) -> None:  # noqa: N802
        """
        As in the stdlib, a name in any case.
        """
        super().setLevel(options.level("level", level))

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802
        """
        Use *fmt*, with this handler's ``formatter_options`` added to it.
        """
        given = self._formatter_options
        if given:
            fmt = options.rebuild(fmt, given) if fmt else self._fitted(given)
        super().setFormatter(fmt)

    def _fitted(self, given: Mapping[str, Any]) -> logging.Formatter:
        """
        The default formatter with *given* options.
        """
        default = self.default_formatter() or logging.Formatter()
        try:
            return options.rebuild(default, given)
        except ConfigError as exc:
            return _Unfit(self, default, exc)

    def handle(self, record: logging.LogRecord) -> Any:
        """
        Filter *record*, add what is bound, and emit the result.

        A record that a filter returns is used on every Python; the stdlib
        does so from 3.12 on.  A record that is logged within too many others
        counts as ``recursion``.
        """
        thread = local.thread
        calls = thread.calls
        if calls >= DEEPEST:
            if thread.ends(_HANDLE):
                self.lost("recursion")
                return False
            calls = thread.calls
        thread.calls = calls + 1
        try:
            # the last: OpenTelemetry is loaded, and a span may be active
            if self.filters or stack() is not None or MODULE in modules:
                ready = self.prepared(record)
                if ready is None:
                    return False
                record = ready
            if not self.emits_alone:
                self.emit(record)
                return record
            self.acquire()
            try:
                self.emit(record)
            finally:
                self.release()
            return record
        finally:
            if not calls or thread.calls < ENDED:
                thread.calls = calls

    def prepared(self, record: logging.LogRecord) -> logging.LogRecord | None:
        """
        What context and filters make of *record*; None to pass it over.

        What is bound comes first, so that filters see it: a redacting one
        must.  A record that somebody kept gets nothing: what is bound now is
        another request's.
        """
        if is_being_logged(record, sys._getframe(2)):
            record = with_bound(record)
        if not self.filters:
            return record
        try:
            return passed(self.filters, record)
        except Exception:
            self.handleError(record)
            return None

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """
        Count a record that was lost to the exception being handled; report it.
        """
        error = sys.exc_info()[1]
        self.lost(reason_of(error))
        if getattr(error, "left_fragment", False):
            self.ledger.fragment()
        self.report(error, record)

    def lost(self, reason: str) -> None:
        """
        Count a record that is lost.
        """
        self.ledger.dropped(reason)

    def report(
        self,
        error: BaseException | None,
        record: logging.LogRecord | None = None,
    ) -> None:
        """
        Say on standard error what went wrong: once in full, then as counts.
        """
        self.reports.fault(error, record)

    def label(self) -> str:
        """
        How messages name this handler: class and configured name.
        """
        name = f" {self.name!r}" if self.name else ""
        return f"{type(self).__name__}{name}"

    def nudge(self) -> None:
        """
        Begin in the background with what ``flush`` and ``close`` wait for.
        """

    def stats(self) -> Stats | DeliveryStats:
        """
        How many records were written, dropped and refused, and why.
        """
        return self.ledger.stats()


_HANDLE: Final = Handling.handle.__code__


class _Unfit(logging.Formatter):
    """
    Stands in until a formatter comes that ``formatter_options`` fit.

    A configuration sets the formatter after it made the handler, so options
    that do not fit the default one are an error only if none comes.
    """

    def __init__(
        self,
        handler: Handling,
        default: logging.Formatter,
        misfit: ConfigError,
    ) -> None:
        super().__init__()
        self._handler = handler
        self._formatter = default
        self._misfit: ConfigError | None = misfit

    def format(self, record: logging.LogRecord) -> str:
        if self._misfit is not None:
            misfit, self._misfit = self._misfit, None
            self._handler.report(misfit)
        return self._formatter.format(record)
